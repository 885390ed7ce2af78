"""`nasalogs stream` and inputs that are not what they should be: what is read, and what the next run reads."""

import gzip
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BINARY

GOOD = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245\n'


def stream(*words: str | Path, folder: Path, code: int) -> tuple[bytes, str]:
    """Run it in a folder, and see how it ends; gives what it sent, and what it said."""
    done = subprocess.run([BINARY, "stream", *words], cwd=folder, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr.decode()


@pytest.mark.parametrize("to", ["-", "file"])
def test_a_file_that_its_writer_had_not_finished(to: str, generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", 2_000).read_bytes()
    whole = gzip.compress(log)
    packed, table = tmp_path / "a.log.gz", tmp_path / "table"
    words = ["a.log.gz", "--to", "-" if to == "-" else f"file://{table}", "--checkpoint", "job"]
    sent = b""
    for share in (0.2, 0.5, 0.9):
        packed.write_bytes(whole[: int(len(whole) * share)])
        more, said = stream(*words, folder=tmp_path, code=2)
        assert "a.log.gz" in said
        sent += more
        assert to != "-" or log.startswith(sent)
    packed.write_bytes(whole)
    sent += stream(*words, folder=tmp_path, code=0)[0]
    if to == "-":
        assert sent == log
    else:
        import pyarrow.dataset as ds  # noqa: PLC0415

        ids = ds.dataset(table, format="parquet", partitioning="hive").to_table()["line_id"].to_pylist()
        assert len(ids) == len(set(ids)) == 2_000


@pytest.mark.parametrize("name", ["a.bin", "z.bin"])
def test_a_file_that_is_no_log_beside_one_that_is(name: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / name).write_bytes(random.Random(1995).randbytes(300_000))  # noqa: S311
    (tmp_path / "logs" / "x.log").write_bytes(GOOD * 200)
    sent, _ = stream("logs", "--to", "-", "--records", "ndjson", "--report", "report", folder=tmp_path, code=1)
    assert len(sent.splitlines()) == 200
    report: dict[str, Any] = json.loads((tmp_path / "report").read_text())
    assert (report["rows"], report["lines"]) == (200, 200 + report["rejected"] + report["blank"])
    (tmp_path / "logs" / "x.log").unlink()
    _, said = stream("logs", "--to", "-", "--records", "ndjson", folder=tmp_path, code=2)
    assert name in said


def test_a_run_that_saved_nothing_is_an_earlier_run_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(GOOD * 5)
    words = ["a.log", "--to", "-", "--checkpoint", "job", "--report", "report"]
    stream(*words, folder=tmp_path, code=0)
    job = json.loads((tmp_path / "job").read_text())
    for source in job["sources"]:
        # As it is saved before anything is acknowledged.
        source.update({"offset": 0, "mark": {"end": 0, "bytes": 0, "hash": "2d06800538d394c2"}})
    (tmp_path / "job").write_text(json.dumps(job))
    stream(*words, folder=tmp_path, code=0)
    assert json.loads((tmp_path / "report").read_text())["resumed_sources"] == 1


def test_an_empty_file_says_no_more_than_it_knows(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"")
    _, said = stream("empty.log", "--to", f"file://{tmp_path}/table", "--checkpoint", "job", folder=tmp_path, code=0)
    assert "nothing new to deliver" in said


def test_a_dry_run_counts_what_is_sent(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(GOOD + b"\n" + GOOD)
    said = stream("a.log", "--to", "kinesis://web", "--dry-run", "--report", "-", folder=tmp_path, code=0)[0]
    forms = json.loads(said)["dry_run"]["forms"]
    assert {form["records_form"]: form["lines"] for form in forms} == {"raw": 3, "ndjson": 2, "kpl": 3, "block": 3}


def test_a_name_cannot_forge_a_line_of_output(tmp_path: Path) -> None:
    (tmp_path / "a\nforged: all is well.log").write_bytes(b"nonsense\n" + GOOD)
    words = ["--to", "-", "--records", "ndjson", "--format", "common", "--no-checkpoint"]
    _, said = stream(str(next(tmp_path.iterdir())), *words, folder=tmp_path, code=1)
    assert "forged" in said
    assert not any(line.startswith("forged") for line in said.splitlines())
