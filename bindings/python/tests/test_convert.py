"""Conversion: the same engine and options as the command line, and the same files."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nasalogs
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from conftest import Command
from sample import AGENT, BAD, CLASSIC, COMMON, GOOD, GOOD_ROW, Whatever, log, numbered

MIXED = log(GOOD, *BAD, b"", GOOD)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A log with rejected and blank lines."""
    path = tmp_path / "mixed.log"
    path.write_bytes(MIXED)
    return path


def test_parquet(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    summary = nasalogs.convert(mixed, out)
    table = pq.read_table(out)
    assert table.to_pylist() == [GOOD_ROW, GOOD_ROW]
    assert table.schema.equals(pa.schema(nasalogs.schema("common")))
    assert (summary.lines, summary.rows, summary.rejected, summary.blank) == (len(BAD) + 3, 2, len(BAD), 1)
    assert summary.rejects_by_reason == dict.fromkeys(BAD.values(), 1)
    assert (summary.bytes_in, summary.bytes_parsed) == (len(MIXED), len(MIXED))
    assert summary.bytes_out == out.stat().st_size
    assert summary.seconds is not None
    assert summary.seconds > 0
    assert (summary.files, summary.format) == (1, "common")
    # Nothing else is left.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mixed.log", "out.parquet"]


def test_each_output(mixed: Path, tmp_path: Path) -> None:
    outputs: Whatever = {
        "a.parquet": None, "b": "parquet", "c.arrow": None, "d": "arrow", "e.ndjson": None, "f": "ndjson",
        "g.csv": None, "h.parquet": "csv",
    }  # fmt: skip
    for name, to in outputs.items():
        out = tmp_path / name
        nasalogs.convert(mixed, out, to=to)
        kind = to or name.split(".")[1]
        if kind == "parquet":
            assert pq.read_table(out).to_pylist() == [GOOD_ROW, GOOD_ROW]
        elif kind == "arrow":
            with pa.ipc.open_file(out) as file:
                assert file.read_all().to_pylist() == [GOOD_ROW, GOOD_ROW]
        elif kind == "ndjson":
            rows = [json.loads(line) for line in out.read_text().splitlines()]
            assert [row["path"] for row in rows] == ["/a", "/a"]
        else:
            rows = list(csv.DictReader(io.StringIO(out.read_text())))
            assert [row["bytes"] for row in rows] == ["7", "7"]


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "str": str,
    "pattern": lambda path: path.parent / "mix*.log",
    "list": lambda path: [path, MIXED, io.BytesIO(MIXED)],
    "bytes": lambda _: MIXED,
    "memoryview": lambda _: memoryview(bytearray(MIXED)),
    "file": lambda _: io.BytesIO(MIXED),
    "gzip": lambda _: gzip.compress(MIXED),
    "generator": lambda _: iter([MIXED[:100], MIXED[100:]]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_sources(source: str, mixed: Path, tmp_path: Path) -> None:
    made = SOURCES[source](mixed)
    summary = nasalogs.convert(made, tmp_path / "out.parquet")
    times = len(made) if isinstance(made, list) else 1
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [GOOD_ROW, GOOD_ROW] * times
    assert summary.rejected == len(BAD) * times


OPTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"format": "common"}, ["--format", "common"]),
    ({"columns": ["bytes", "host"]}, ["--columns", "bytes,host"]),
    ({"extras": ["line", "raw", "byte_offset"]}, ["--with", "line,raw,byte_offset"]),
    ({"names": "classic"}, ["--names", "classic"]),
    ({"rename": {"host": "client", "ts": "at"}}, ["--rename", "host=client,ts=at"]),
    ({"encoding": "latin1"}, ["--encoding", "latin1"]),
    ({"encoding": "binary"}, ["--encoding", "binary"]),
    ({"compression": "snappy"}, ["--compression", "snappy"]),
    ({"compression": "none"}, ["--compression", "none"]),
    ({"compression": "zstd:9"}, ["--compression", "zstd:9"]),
    ({"jobs": 1}, ["--jobs", "1"]),
    ({"jobs": 3}, ["--jobs", "3"]),
    ({"max_rejects": 100}, ["--max-rejects", "100"]),
    ({"max_rejects": "99%"}, ["--max-rejects", "99%"]),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("name", ["parquet", "ndjson", "csv"])
def test_equals_the_command_line(  # noqa: PLR0913, PLR0917 - fixtures
    name: str, options: dict[str, Any], words: list[str], mixed: Path, tmp_path: Path, command: Command
) -> None:
    mixed.write_bytes(MIXED + log(GOOD.replace(b"/a", b'/=\xe9\xff,"')) + numbered(500))
    if name != "parquet" and options.get("compression", "none") != "none":
        with pytest.raises(ValueError, match="ompress"):
            nasalogs.convert(mixed, tmp_path / f"out.{name}", **options)
        return
    found, expected, summary = (
        tmp_path / f"found.{name}",
        tmp_path / f"expected.{name}",
        tmp_path / "summary.json",
    )
    account = nasalogs.convert(mixed, found, **options)
    command("convert", mixed, "-o", expected, "--summary-json", summary, *words)
    assert found.read_bytes() == expected.read_bytes()
    other = json.loads(summary.read_text())
    for key in (
        "lines",
        "rows",
        "rejected",
        "blank",
        "rejects_by_reason",
        "bytes_in",
        "bytes_out",
        "files",
        "format",
    ):
        assert account.to_dict()[key] == other[key], key


def test_csv_safe(tmp_path: Path, command: Command) -> None:
    line = GOOD.replace(b"h.example", b"=cmd()")
    found, expected = tmp_path / "found.csv", tmp_path / "expected.csv"
    nasalogs.convert(log(line), found, csv_safe=True)
    assert "'=cmd()" in found.read_text()
    (tmp_path / "a.log").write_bytes(log(line))
    command("convert", tmp_path / "a.log", "-o", expected, "--csv-safe")
    assert found.read_bytes() == expected.read_bytes()
    nasalogs.convert(log(line), tmp_path / "unsafe.csv")
    assert "'=" not in (tmp_path / "unsafe.csv").read_text()


def test_compression(tmp_path: Path) -> None:
    for compression, codec in (
        ("zstd", "ZSTD"),
        ("snappy", "SNAPPY"),
        ("none", "UNCOMPRESSED"),
        (None, "ZSTD"),
    ):
        out = tmp_path / f"{codec}{compression}.parquet"
        nasalogs.convert(numbered(100), out, compression=compression)
        assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == codec


def test_names(tmp_path: Path) -> None:
    nasalogs.convert(MIXED, tmp_path / "classic.parquet", names="classic")
    assert pq.read_table(tmp_path / "classic.parquet").column_names == CLASSIC


DAYS = log(
    GOOD,
    GOOD.replace(b"01/Jul/1995:00", b"01/Jul/1995:23"),
    GOOD.replace(b"01/Jul", b"03/Jul"),
    b"bad",
)


def days(table: Path) -> dict[str, int]:
    """The rows of each day."""
    return {
        day.name: sum(pq.ParquetFile(file).metadata.num_rows for file in day.glob("*.parquet"))
        for day in sorted(table.iterdir())
        if day.is_dir()
    }


def test_partitions(tmp_path: Path) -> None:
    table = tmp_path / "table"
    summary = nasalogs.convert(DAYS, table, partition_by="dt")
    assert days(table) == {"dt=1995-07-01": 1, "dt=1995-07-02": 1, "dt=1995-07-03": 1}
    files = list(table.rglob("*.parquet"))
    assert summary.bytes_out == sum(file.stat().st_size for file in files)
    assert (summary.rows, summary.rejected) == (3, 1)
    rows = [row for file in sorted(files) for row in pq.ParquetFile(file).read().to_pylist()]
    assert [row["ts"].day for row in rows] == [1, 2, 3]
    assert list(rows[0]) == COMMON
    nasalogs.convert(DAYS, tmp_path / "local", partition_by="dt", partition_tz="log", columns=["host"])
    assert days(tmp_path / "local") == {"dt=1995-07-01": 2, "dt=1995-07-03": 1}
    file = next((tmp_path / "local").rglob("*.parquet"))
    assert pq.ParquetFile(file).schema_arrow.names == ["host"]


def test_append_and_overwrite(tmp_path: Path) -> None:
    table = tmp_path / "table"
    nasalogs.convert(DAYS, table, partition_by="dt")
    with pytest.raises(OSError, match=r"exist|append"):
        nasalogs.convert(DAYS, table, partition_by="dt")
    assert sum(days(table).values()) == 3
    nasalogs.convert(DAYS, table, partition_by="dt", append=True)
    assert days(table)["dt=1995-07-01"] == 2
    nasalogs.convert(log(GOOD), table, partition_by="dt", overwrite=True)
    assert days(table) == {"dt=1995-07-01": 1, "dt=1995-07-02": 2, "dt=1995-07-03": 2}


def test_a_file_that_is_there(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    out.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite=") as caught:
        nasalogs.convert(mixed, out)
    assert caught.value.filename == str(out)
    assert out.read_text() == "old"
    nasalogs.convert(mixed, out, overwrite=True)
    assert out.read_bytes().count(b"\n") == 2


def test_rejects_file(mixed: Path, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.ndjson"
    nasalogs.convert(mixed, tmp_path / "out.parquet", rejects=rejects)
    found = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(row["raw"].encode(), row["reason"]) for row in found] == list(BAD.items())
    assert [(row["file"], row["line"]) for row in found] == [(str(mixed), line + 2) for line in range(len(BAD))]
    collected = nasalogs.read(mixed, on_reject="collect")
    list(collected)
    assert [row["offset"] for row in found] == [reject.offset for reject in collected.rejects]


def test_strict_writes_and_raises(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.convert(mixed, out, strict=True, rejects=tmp_path / "rejects.ndjson")
    error = caught.value
    assert (error.kind, error.line, error.raw, error.file) == ("missing_field", 2, b"h.example", str(mixed))
    assert pq.read_table(out).num_rows == 2
    assert len((tmp_path / "rejects.ndjson").read_text().splitlines()) == len(BAD)
    nasalogs.convert(log(GOOD), tmp_path / "clean.parquet", strict=True)


def test_two_formats(tmp_path: Path) -> None:
    sources = [io.BytesIO(log(GOOD)), io.BytesIO(log(AGENT))]
    assert nasalogs.convert(sources, tmp_path / "out.parquet").format == "combined"
    agents = pq.read_table(tmp_path / "out.parquet").column("user_agent").to_pylist()
    assert agents == [None, "agent/1"]


def test_an_empty_log(tmp_path: Path) -> None:
    summary = nasalogs.convert(b"\n", tmp_path / "out.parquet")
    assert (summary.rows, summary.blank, summary.lines) == (0, 1, 1)
    assert pq.read_table(tmp_path / "out.parquet").column_names == COMMON
