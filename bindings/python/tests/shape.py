"""The rows of a reader through each library, as plain values that must be equal."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import nasalogs
import pandas as pd
import polars as pl
import pyarrow as pa
from sample import Row

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(milliseconds: int | None) -> datetime | None:
    """A time from milliseconds since 1970."""
    return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)


def of_batches(reader: nasalogs.Reader) -> list[Row]:
    """Batch by batch, without another library."""
    return [row for batch in reader for row in batch.to_pylist()]


def of_columns(reader: nasalogs.Reader) -> list[Row]:
    """From columns, without another library."""
    columns = reader.to_pydict()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def of_table(table: pa.Table) -> list[Row]:
    """From pyarrow, having seen that all of it is valid."""
    table.validate(full=True)
    rows: list[Row] = table.to_pylist()
    return rows


def of_frame(frame: pl.DataFrame) -> list[Row]:
    """From Polars."""
    return frame.to_dicts()


def of_pandas(frame: pd.DataFrame) -> list[Row]:
    """From pandas, where a number that can be missing is a float."""
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            assert str(column.dtype) == "datetime64[ms, UTC]"
            columns[name] = [instant(int(value)) for value in column.astype("int64")]
        else:
            columns[name] = [None if _is_missing(value) else value for value in column.tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def of_relation(relation: duckdb.DuckDBPyRelation) -> list[Row]:
    """From DuckDB; times as numbers, because it needs a package of its own to make anything else of them."""
    columns = relation.columns
    times = [name for name, kind in zip(columns, relation.types, strict=True) if "TIME" in str(kind)]
    if times:
        relation = relation.project("* REPLACE (" + ", ".join(f"epoch_ms({it}) AS {it}" for it in times) + ")")
    rows = [dict(zip(columns, row, strict=True)) for row in relation.fetchall()]
    for row in rows:
        row |= {name: instant(row[name]) for name in times}
    return rows


def _replacement_scan(reader: nasalogs.Reader) -> list[Row]:
    with duckdb.connect() as connection:
        assert reader is not None  # DuckDB finds it by its name
        return of_relation(connection.sql("SELECT * FROM reader"))


def _to_duckdb(reader: nasalogs.Reader) -> list[Row]:
    with duckdb.connect() as connection:
        return of_relation(reader.to_duckdb(connection))


WAYS: Final[dict[str, Callable[[nasalogs.Reader], list[Row]]]] = {
    "to_pylist": nasalogs.Reader.to_pylist,
    "to_pydict": of_columns,
    "batches": of_batches,
    "to_pyarrow": lambda reader: of_table(reader.to_pyarrow()),
    "pa.table": lambda reader: of_table(pa.table(reader)),
    "from_stream": lambda reader: of_table(pa.RecordBatchReader.from_stream(reader).read_all()),
    "from_batches": lambda reader: of_table(pa.Table.from_batches(map(pa.record_batch, reader))),
    "views": lambda reader: of_table(pa.table(reader.with_strings("view"))),
    "compact": lambda reader: of_table(pa.table(reader.with_strings("compact"))),
    "to_polars": lambda reader: of_frame(reader.to_polars()),
    "pl.DataFrame": lambda reader: of_frame(pl.DataFrame(reader)),
    "pl.from_arrow": lambda reader: of_frame(pl.from_arrow(pa.table(reader))),  # type: ignore[arg-type]
    "to_duckdb": _to_duckdb,
    "replacement scan": _replacement_scan,
    "to_pandas": lambda reader: of_pandas(reader.to_pandas()),
    "pd.from_arrow": lambda reader: of_pandas(pd.DataFrame.from_arrow(reader)),
}
