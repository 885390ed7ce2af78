"""Hive partitions by day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest
import reference
from conftest import convert, nasalogs
from readers import READERS


def day(row: reference.Row, *, local: bool) -> str:
    milliseconds, offset = row["ts"], row["tz_offset"]
    assert isinstance(milliseconds, int)
    assert isinstance(offset, int)
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return f"{instant + timedelta(minutes=offset if local else 0):%Y-%m-%d}"


@pytest.mark.parametrize("zone", ["utc", "log"])
def test_each_row_lies_in_its_day(zone: str, generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", oddities="5%")
    table = tmp_path / "table"
    convert(log, table, "--to", "parquet", "--partition-by", "dt", "--partition-tz", zone, "--with", "line")
    assert (table / "_SUCCESS").exists()
    expected: dict[str, list[reference.Row]] = {}
    for row in reference.table(log.read_bytes())[0]:
        expected.setdefault(day(row, local=zone == "log"), []).append(row)
    folders = sorted(folder.name for folder in table.iterdir() if folder.is_dir())
    assert folders == [f"dt={name}" for name in sorted(expected)]
    for name, rows in expected.items():
        for reader, read in READERS.items():
            # In the order in which they were logged.
            assert read(table / f"dt={name}", [*reference.COMMON, "line"]) == rows, (reader, name)


def test_engines_see_the_partition(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated()
    table = tmp_path / "table"
    convert(log, table, "--to", "parquet", "--partition-by", "dt")
    rows, _, _ = reference.table(log.read_bytes())
    counts: dict[str, int] = {}
    for row in rows:
        counts[day(row, local=False)] = counts.get(day(row, local=False), 0) + 1
    everything = f"{table}/**/*.parquet"
    by_duckdb = duckdb.execute(
        f"""
        SELECT strftime(dt, '%Y-%m-%d'), count(*)
        FROM read_parquet('{everything}', hive_partitioning = true) GROUP BY 1
        """
    ).fetchall()
    assert dict(by_duckdb) == counts
    by_polars = pl.scan_parquet(table, hive_partitioning=True).group_by("dt").len().collect()
    assert {str(dt): number for dt, number in by_polars.iter_rows()} == counts
    dataset = ds.dataset(table, partitioning="hive")
    assert {name: dataset.count_rows(filter=ds.field("dt") == name) for name in counts} == counts


def test_overwrite_replaces_and_append_adds(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated(lines=2000)
    table = tmp_path / "table"

    def rows() -> int:
        return int(ds.dataset(table, partitioning="hive").count_rows())

    convert(log, table, "--to", "parquet", "--partition-by", "dt")
    assert rows() == 2000
    again = nasalogs("convert", log, "-o", table, "--to", "parquet", "--partition-by", "dt", check=False)
    assert again.code == 2
    assert rows() == 2000
    convert(log, table, "--to", "parquet", "--partition-by", "dt", "--append")
    assert rows() == 4000
    convert(log, table, "--to", "parquet", "--partition-by", "dt", "--overwrite")
    assert rows() == 2000
