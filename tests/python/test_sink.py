"""The other outputs say what Parquet says."""

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import reference
from conftest import convert
from pyarrow import ipc
from readers import READERS, plain

COLUMNS = (*reference.COMBINED, "line")


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("combined", 5000, oddities="5%")


@pytest.fixture(scope="module")
def rows(log: Path, tmp_path_factory: pytest.TempPathFactory) -> list[reference.Row]:
    """What Parquet says."""
    out = tmp_path_factory.mktemp("parquet") / "log.parquet"
    convert(log, out, "--to", "parquet", "--format", "combined", "--with", "line")
    return READERS["pyarrow"](out, COLUMNS)


def milliseconds(text: str) -> int:
    """An RFC 3339 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_arrow(log: Path, rows: list[reference.Row], tmp_path: Path) -> None:
    out = tmp_path / "log.arrow"
    convert(log, out, "--to", "arrow", "--format", "combined", "--with", "line")
    with ipc.open_file(out) as file:
        assert plain(file.read_all()).to_pylist() == rows
    # A view column that kept its chunk alive would write it once for each column.
    assert out.stat().st_size < 3 * log.stat().st_size


def test_ndjson(log: Path, rows: list[reference.Row], tmp_path: Path) -> None:
    out = tmp_path / "log.ndjson"
    convert(log, out, "--to", "ndjson", "--format", "combined", "--with", "line")
    found = []
    for line in out.read_text(encoding="utf-8").split("\n")[:-1]:
        # A null may be left out.
        row = dict.fromkeys(COLUMNS) | json.loads(line)
        found.append(row | {"ts": milliseconds(row["ts"])})
    assert found == rows


def test_csv(log: Path, rows: list[reference.Row], tmp_path: Path) -> None:
    out = tmp_path / "log.csv"
    convert(log, out, "--to", "csv", "--format", "combined", "--with", "line")
    with out.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows)
    for found, row in zip(table, rows, strict=True):
        expected = {name: "" if value is None else str(value) for name, value in row.items()}
        assert found | {"ts": str(milliseconds(found["ts"]))} == expected
