"""Tables that `nasalogs stream` writes to S3, on servers not written for us: the rows of the log, each once."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import BINARY, nasalogs
from pyarrow.fs import S3FileSystem
from readers import only, with_duckdb
from reference import COMMON, Row
from stores import Cut, Fault, Proxy, Refuse, Request, Store, environment


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("common", 20_000)


@pytest.fixture(scope="module")
def expected(log: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What `nasalogs convert` makes of it, each row with its place in the log."""
    out = tmp_path_factory.mktemp("expected") / "log.parquet"
    nasalogs("convert", log, "-o", out, "--with", "byte_offset", "--quiet")
    return with_duckdb(out, [*COMMON, "byte_offset"])


def arguments(log: Path, to: str, *more: str, size: int = 200_000) -> list[str | Path]:
    return ["stream", log, "--to", to, "--roll-size", str(size), "--quiet", *more]


def state(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


def rows(store: Store, prefix: str, folder: Path) -> list[Row]:
    """The rows of a table by DuckDB, in the order of their ids, which are unique."""
    keys = store.keys(f"{prefix}/")
    for key in keys:
        assert key.startswith(f"{prefix}/dt="), key
        target = folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.get(key))
    found = with_duckdb(folder / prefix, [*COMMON, "line_id"])
    assert len({row["line_id"] for row in found}) == len(found)
    for row in found:
        row["byte_offset"] = int(str(row.pop("line_id")).partition("-")[2])
    return sorted(found, key=lambda row: row["byte_offset"] or 0)


def test_a_table_has_the_rows_of_the_log(store: Store, log: Path, expected: list[Row], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    store.run(*arguments(log, store.at("lake/web/"), "--report", str(report)), env=state(tmp_path))
    assert rows(store, "lake/web", tmp_path) == expected
    said: dict[str, Any] = json.loads(report.read_text())
    assert (said["ended"], said["rows"], said["lag_bytes"]) == ("complete", len(expected), 0)
    keys = store.keys("lake/web/")
    assert (said["files"], said["bytes"]) == (len(keys), sum(len(store.get(key)) for key in keys))
    # And by pyarrow, from where they are.
    files = S3FileSystem(
        access_key="key",
        secret_key="secret",  # noqa: S106 -- nobody looks at it
        endpoint_override=store.url,
        region="us-east-1",
    )
    there = ds.dataset(f"{store.bucket}/lake/web", filesystem=files, partitioning="hive").to_table()
    assert there.num_rows == len(expected)
    assert {str(day) for day in there["dt"].unique().to_pylist()} == {
        key.split("/")[2].removeprefix("dt=") for key in keys
    }
    # Nothing is left to do, wherever slashes are.
    again = store.run("stream", log, "--to", store.at("lake/web"), env=state(tmp_path))
    assert "nothing new" in again.stderr
    assert store.keys("lake/web/") == keys


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_is_killed_is_gone_on_with(
    seed: int, store: Store, log: Path, expected: list[Row], tmp_path: Path
) -> None:
    """Killed at a request to the store that the store still sees, or does not: the worst times there are."""
    prefix = f"killed-{seed}"
    # By itself, each address has a checkpoint of its own.
    checkpoint = ("--checkpoint", str(tmp_path / "checkpoint"))
    killed = 0
    for run in range(4):
        process: list[subprocess.Popen[bytes]] = []
        seen = 0
        last = 1 + (seed * 5 + run * 3) % 9

        def kill(request: Request, process: list[subprocess.Popen[bytes]] = process, last: int = last) -> Fault:
            nonlocal seen
            seen += request.method in {"PUT", "DELETE"}
            if seen < last or not process:
                return None
            process[0].kill()
            return None if (seed + last) % 2 else Refuse(500, "InternalError")

        with Proxy(store.url, kill) as proxy:
            process.append(
                subprocess.Popen(
                    # Rolls of another size each time.
                    [BINARY, *arguments(log, store.at(prefix), *checkpoint, size=150_000 + 70_000 * run)],
                    env=environment(proxy.url, state(tmp_path)),
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            code = process[0].wait(120)
            assert code in {0, -signal.SIGKILL}
            killed += code != 0
    assert killed > 1
    store.run(*arguments(log, store.at(prefix), *checkpoint), env=state(tmp_path))
    assert rows(store, prefix, tmp_path) == expected
    assert store.uploads() == []


def test_an_answer_that_is_lost_doubles_nothing(moto: Store, log: Path, expected: list[Row], tmp_path: Path) -> None:
    asked = 0

    def lose(request: Request) -> Fault:
        nonlocal asked
        asked += request.puts
        return Cut() if request.puts and asked % 3 == 0 else None

    with Proxy(moto.url, lose) as proxy:
        moto.run(*arguments(log, moto.at("lost")), url=proxy.url, env=state(tmp_path))
    assert asked > len(moto.keys("lost/"))
    assert rows(moto, "lost", tmp_path) == expected


def test_a_store_that_refuses_ends_the_run(moto: Store, log: Path, expected: list[Row], tmp_path: Path) -> None:
    asked = 0

    def refuse(request: Request) -> Fault:
        nonlocal asked
        asked += request.puts
        return Refuse(403, "AccessDenied") if asked > 4 else None

    report = tmp_path / "report.json"
    checkpoint = ("--checkpoint", str(tmp_path / "checkpoint"))
    with Proxy(moto.url, refuse) as proxy:
        run = moto.run(
            *arguments(log, moto.at("refused"), *checkpoint, "--report", str(report)),
            url=proxy.url,
            env=state(tmp_path),
            code=2,
        )
    assert "access is denied" in run.stderr
    assert "hint: " in run.stderr
    assert json.loads(report.read_text())["ended"] == "failed"
    moto.run(*arguments(log, moto.at("refused"), *checkpoint), env=state(tmp_path))
    assert rows(moto, "refused", tmp_path) == expected
    run = moto.run(*arguments(log, "s3://nowhere/x"), env=state(tmp_path), code=2)
    assert "there is no such bucket" in run.stderr


def test_notes_that_may_not_be_removed_harm_nothing(
    moto: Store, log: Path, expected: list[Row], tmp_path: Path
) -> None:
    def refuse(request: Request) -> Fault:
        removes = request.method == "DELETE" or "?delete" in request.path
        return Refuse(403, "AccessDenied") if removes else None

    with Proxy(moto.url, refuse) as proxy:
        moto.run(*arguments(log, moto.at("noted")), url=proxy.url, env=state(tmp_path))
    notes = moto.keys("noted/_rolls/")
    assert notes
    for note in notes:
        moto.client.delete_object(Bucket=moto.bucket, Key=note)
    assert rows(moto, "noted", tmp_path) == expected


def test_a_stop_makes_visible_what_was_read(store: Store, log: Path, expected: list[Row], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        [BINARY, *arguments(log, store.at("stopped"), "--rate", "5000/s", "--report", str(report))],
        env=environment(store.url, state(tmp_path)),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any("/dt=" in key for key in store.keys("stopped/")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    said = json.loads(report.read_text())
    assert (said["ended"], said["lag_bytes"]) == ("stopped", 0)
    there = rows(store, "stopped", tmp_path / "first")
    assert only(there, COMMON) == only(expected[: len(there)], COMMON)
    assert 0 < len(there) == said["acknowledged"] < len(expected)
    store.run(*arguments(log, store.at("stopped")), env=state(tmp_path))
    assert rows(store, "stopped", tmp_path / "second") == expected


def test_files_hold_the_ids_of_lines(moto: Store, log: Path, tmp_path: Path) -> None:
    moto.run(*arguments(log, moto.at("ids")), env=state(tmp_path))
    for key in moto.keys("ids/"):
        target = tmp_path / "file.parquet"
        target.write_bytes(moto.get(key))
        source, begin, end = key.rpartition("/")[2].removesuffix(".parquet").split("-")
        for line_id in pq.read_table(target)["line_id"].to_pylist():
            assert line_id.partition("-")[0] == source
            assert int(begin) <= int(line_id.partition("-")[2]) < int(end)
