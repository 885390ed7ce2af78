"""Parquet that nasalogs wrote, read by those who will read it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from conftest import BINARY, convert
from readers import READERS

COLUMNS = {"common": reference.COMMON, "combined": reference.COMBINED}
TYPES = {
    "ts": pa.timestamp("ms", tz="UTC"),
    "tz_offset": pa.int16(),
    "status": pa.int16(),
    "bytes": pa.int64(),
    "line": pa.int64(),
}


@pytest.mark.parametrize("form", COLUMNS)
def test_every_reader_gives_the_reference(form: str, generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated(form)
    out = tmp_path / "log.parquet"
    summary = convert(log, out, "--to", "parquet", "--format", form, "--with", "line")
    expected, rejected, blank = reference.table(log.read_bytes(), form)
    assert (summary["rows"], summary["rejected"], summary["blank"]) == (len(expected), rejected, blank)
    assert len(expected) == 20_000
    for name, read in READERS.items():
        assert read(out, [*COLUMNS[form], "line"]) == expected, name


def test_oddities_are_accounted_for(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", oddities="20%")
    out = tmp_path / "log.parquet"
    summary = convert(log, out, "--to", "parquet", "--format", "common", "--with", "line")
    expected, rejected, blank = reference.table(log.read_bytes())
    assert rejected > 0
    assert (summary["rows"], summary["rejected"], summary["blank"]) == (len(expected), rejected, blank)
    for name, read in READERS.items():
        assert read(out, [*reference.COMMON, "line"]) == expected, name


def test_types_and_encodings_are_those_that_all_engines_take(generated: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "log.parquet"
    convert(generated("combined"), out, "--to", "parquet", "--with", "line")
    schema = pq.read_schema(out)
    assert schema.names == [*reference.COMBINED, "line"]
    for field in schema:
        # Views are for memory; in a file they would come back as views, which pyarrow cannot filter.
        assert field.type == TYPES.get(field.name, pa.string()), field
        assert field.nullable == (field.name not in {"host", "ts", "tz_offset", "line"}), field
    metadata = pq.read_metadata(out)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            assert set(chunk.encodings) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}, chunk
            assert chunk.compression == "ZSTD", chunk
            assert chunk.is_stats_set, chunk


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_compressions(compression: str, generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated(lines=2000)
    out = tmp_path / "log.parquet"
    convert(log, out, "--to", "parquet", "--compression", compression, "--with", "line")
    expected, _, _ = reference.table(log.read_bytes())
    for name, read in READERS.items():
        assert read(out, [*reference.COMMON, "line"]) == expected, name


def test_projection_changes_no_row(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", oddities="20%")
    whole, narrow = tmp_path / "whole.parquet", tmp_path / "narrow.parquet"
    all_columns = convert(log, whole, "--to", "parquet")
    two_columns = convert(log, narrow, "--to", "parquet", "--columns", "status,host")
    assert all_columns["rejects_by_reason"] == two_columns["rejects_by_reason"]
    assert pq.read_schema(narrow).names == ["status", "host"]
    for name, read in READERS.items():
        assert read(whole, ["status", "host"]) == read(narrow, ["status", "host"]), name


def test_standard_input(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated(lines=2000)
    out = tmp_path / "log.parquet"
    with log.open("rb") as stdin:
        command = [str(BINARY), "convert", "-", "-o", str(out), "--to", "parquet", "--quiet"]
        subprocess.run(command, stdin=stdin, check=True)
    expected, _, _ = reference.table(log.read_bytes())
    rows = READERS["pyarrow"](out, reference.COMMON)
    assert rows == [{name: row[name] for name in reference.COMMON} for row in expected]
