"""The same table through each reader, as rows of plain values, `ts` in milliseconds: what must be equal."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from reference import Row


def plain(table: pa.Table) -> pa.Table:
    """An Arrow table with times as numbers."""
    at = table.schema.get_field_index("ts")
    return table if at < 0 else table.set_column(at, "ts", table.column(at).cast(pa.int64()))


def parquet_files(path: Path) -> list[Path]:
    """A file, or all files of a partitioned table in the order of their names."""
    return [path] if path.is_file() else sorted(path.rglob("*.parquet"))


def with_pyarrow(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows by pyarrow."""
    rows: list[Row] = []
    for file in parquet_files(path):
        rows += plain(ds.dataset(file).to_table(columns=list(columns))).to_pylist()
    return rows


def with_duckdb(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows by DuckDB; no name is quoted, and none may need it."""
    rows: list[Row] = []
    for file in parquet_files(path):
        query = f"SELECT {', '.join(columns)} FROM read_parquet('{file}')"
        if "ts" in columns:
            query = f"SELECT * REPLACE (epoch_ms(ts) AS ts) FROM ({query})"
        rows += [dict(zip(columns, row, strict=True)) for row in duckdb.execute(query).fetchall()]
    return rows


def with_polars(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows by Polars."""
    rows: list[Row] = []
    for file in parquet_files(path):
        frame = pl.read_parquet(file, columns=list(columns), hive_partitioning=False).select(columns)
        if "ts" in columns:
            frame = frame.with_columns(pl.col("ts").dt.epoch("ms"))
        rows += frame.to_dicts()
    return rows


READERS: Final[dict[str, Callable[[Path, Sequence[str]], list[Row]]]] = {
    "pyarrow": with_pyarrow,
    "duckdb": with_duckdb,
    "polars": with_polars,
}


def only(rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> list[Row]:
    """Some columns of rows."""
    names = list(columns)
    return [{name: row[name] for name in names} for row in rows]
