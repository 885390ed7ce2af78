"""What type checkers are to make of the package: checked by `test_docs.py`, never run."""

import io
import mmap
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import nasalogs


def inputs(pieces: Iterator[bytes], mapped: mmap.mmap) -> None:
    """Whatever can be read, and what cannot."""
    for source in ("access.log", Path("access.log"), b"", bytearray(), memoryview(b""), mapped):
        nasalogs.read(source)
    nasalogs.read(io.BytesIO())
    nasalogs.read(pieces)
    nasalogs.read(["access.log", Path("access.log"), io.BytesIO()])
    nasalogs.read([Path("access.log")])
    nasalogs.read(nasalogs.generate())
    with Path("access.log").open("rb") as file, Path("access.log").open("rb", buffering=0) as raw:
        nasalogs.read(file)
        nasalogs.read(raw)
        nasalogs.detect(file)
        nasalogs.convert(file, "out.parquet", partition_by="dt", max_rejects=0.5)
    with Path("access.log").open() as text:
        nasalogs.read(text)
        nasalogs.parse(text)
    nasalogs.read(1)  # type: ignore[arg-type]
    nasalogs.read(Path().iterdir())


def options() -> None:
    """Words that are none are seen before anything runs."""
    nasalogs.read("a", columns=("host",), extras=["line"], rename={"host": "client"}, on_reject=print)
    nasalogs.read("a", encoding="utf-8")  # type: ignore[arg-type]
    nasalogs.read("a", strings="large")  # type: ignore[arg-type]
    nasalogs.read("a", names="old")  # type: ignore[arg-type]
    nasalogs.read("a", extras=["number"])  # type: ignore[list-item]
    nasalogs.read("a", on_reject="ignore")  # type: ignore[arg-type]
    nasalogs.convert("a", "b", to="json")  # type: ignore[arg-type]
    nasalogs.generate(format="nginx_main")  # type: ignore[arg-type]


def results(line: str) -> None:
    """What comes out."""
    for batch in nasalogs.read("a"):
        assert_type(batch, nasalogs.RecordBatch)
    assert_type(nasalogs.read("a").to_pylist(), list[dict[str, Any]])
    record = nasalogs.parse_line(line)
    assert_type(record.host, str)
    assert_type(record.path, str | None)
    assert_type(record.status, int | None)
    assert_type(record.bytes, int | None)
    assert_type(record.ts, datetime)
    assert_type(record.raw_line, bytes)
    assert_type(record["path"], Any)
    assert_type(nasalogs.parse_line(line, encoding="binary").host, bytes)
    assert_type(nasalogs.convert("a", "b").to_dict()["bytes_out"], int | None)
    assert_type(nasalogs.generate().tally["rows"], int)
    assert_type([field.name for field in nasalogs.schema("common")], list[str])
    record.host = "other"  # type: ignore[misc]


def failures(error: nasalogs.ParseError) -> None:
    """What is known of an error."""
    assert_type(error.kind, str)
    assert_type(error.line, int | None)
    assert_type(error.raw, bytes | None)
