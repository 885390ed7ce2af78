"""What docs/stream.md shows is run, from its start to its end, against a Kinesis that is not AWS's."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import boto3
import duckdb
import pytest
from conftest import BINARY, ROOT, nasalogs
from pages import aws, blocks, console, messages, program, sections, table

PAGE: Final = (ROOT / "docs" / "stream.md").read_text("utf-8")
#: Enough to fill several requests, with lines in it that are no rows and some that are not UTF-8.
LINES: Final = 1500
SECTIONS: Final = sections(PAGE)


def read(stream: str, names: dict[str, Any]) -> list[tuple[str, bytes]]:
    """What the page's own reader finds in a stream."""
    found: list[tuple[str, bytes]] = []
    for record in names["records"](stream):
        found.extend(names["lines"](record["Data"], record["PartitionKey"]))
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The page was run; this is what it has defined."""
    folder = tmp_path_factory.mktemp("page")
    with aws(tmp_path_factory.mktemp("moto")), pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setenv("PATH", f"{BINARY.parent}{os.pathsep}{os.environ['PATH']}")
        nasalogs("generate", "--lines", str(LINES), "--seed", "7", "--oddities", "2%", "-o", "access.log")
        objects = nasalogs("stream", "access.log", "--to", "-", "--records", "ndjson", "-q", check=False).stdout
        Path("objects.ndjson").write_bytes(objects * 2)
        names: dict[str, Any] = {"__name__": "page", "PAUSE": 0, "found": {}}
        client = boto3.client("kinesis")
        client.create_stream(StreamName="classic-stream", ShardCount=1)
        commands, creates, *rest = blocks(PAGE)
        # The page begins with what is wanted, and then says how to come by a stream.
        for kind, text in (creates, commands, *rest):
            if kind == "python":
                exec(compile(text, "docs/stream.md", "exec"), names)  # noqa: S102 -- the page is ours
            elif kind == "sql":
                counted = duckdb.sql(f"SELECT count(*) FROM ({text})")
                assert counted
                ((rows,),) = counted.fetchall()
                assert rows == objects.count(b"\n") if "objects" in text else rows > 0
            else:
                console(text)
        yield names
        client.close()
        names["kinesis"].close()


def test_the_page_runs_and_its_reader_finds_every_line(page: dict[str, Any]) -> None:
    log = Path("access.log").read_bytes().split(b"\n")[:-1]
    assert [page["found"][name] for name in sorted(page["found"], key=offset)] == [
        line.removesuffix(b"\r") for line in log
    ]


def offset(line_id: str) -> int:
    """Where the line begins."""
    return int(line_id.rpartition("-")[2])


def test_the_classic_script_and_its_successor_send_the_same(page: dict[str, Any]) -> None:
    objects = [json.loads(record["Data"]) for record in page["records"]("classic-stream")]
    before = [record for record in objects if "line_id" not in record]
    after = [record for record in objects if "line_id" in record]
    assert 0 < len(before) < len(after)
    after.sort(key=lambda record: offset(record["line_id"]))
    for record in after:
        del record["line_id"]
    assert list(before[0]) == list(after[0])
    # Escaped where they are not UTF-8, and rejected where no day or integer is that: the page says so.
    usual = [record for record in before if record["url"].isascii() and record["bytes"] < 2**63 and has_day(record)]
    rest = iter(after)
    assert len(usual) > len(before) * 0.9
    assert [record for record in usual if record not in rest] == []


def has_day(record: dict[str, Any]) -> bool:
    """Whether the time of a record is one."""
    try:
        datetime.strptime(record["timestamp"], "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("key", ["random", "host"])
@pytest.mark.parametrize("form", ["raw", "ndjson", "kpl", "block"])
def test_the_reader_reads_every_form(form: str, key: str, page: dict[str, Any], tmp_path: Path) -> None:
    stream = f"{form}-{key}"
    page["kinesis"].create_stream(StreamName=stream, ShardCount=2)
    log = tmp_path / "log"
    text = Path("access.log").read_bytes() + b"\n\xf5NLB\r\r\nnext\n\x1f\x8b\x08 no gzip\n\n\r\nlast"
    log.write_bytes(text)
    nasalogs(
        "stream", log, "--to", f"kinesis://{stream}", "--records", form, "--partition-key", key, "-q", check=False,
        )  # fmt: skip
    found = read(stream, page)
    lines, at = {}, 0
    for line in text.split(b"\n"):
        lines[at] = line.removesuffix(b"\r")
        at += len(line) + 1
    if form == "raw" and key == "host":
        assert sorted(line for _, line in found) == sorted(lines.values())
        return
    by_place = {offset(name): line for name, line in found}
    assert len(by_place) == len(found)
    if form == "ndjson":
        assert set(by_place) < set(lines)
    else:
        assert by_place == lines


def test_every_field_of_the_report_is_there_and_no_other(page: dict[str, Any], tmp_path: Path) -> None:
    assert page
    nasalogs("stream", "access.log", "--to", "-", "--report", tmp_path / "r.json", "-q")
    report = json.loads((tmp_path / "r.json").read_text())
    described = [name for row in table(SECTIONS["Report"]) for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(described) == sorted(report)


def test_messages_are_those_of_the_program() -> None:
    said, shown = program("bindings/cli/src", "core/src"), messages(SECTIONS["Troubleshooting"])
    assert len(shown) > 20
    assert [message for message in shown if message not in said] == []


def test_every_option_is_one_of_the_command(page: dict[str, Any]) -> None:
    assert page
    assert shutil.which("nasalogs")
    known = set(re.findall(r"--[a-z-]+", nasalogs("stream", "--help").stdout.decode()))
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) - known <= {"--cached"}
