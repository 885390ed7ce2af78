"""Batches in the shapes of other libraries. Each is imported when it is asked for, and not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from nasalogs._core import Reader, RecordBatch, Schema


def _need(name: str, method: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        message = f"{method} needs {name}: pip install {name}"
        raise ModuleNotFoundError(message, name=name) from None


def to_pyarrow(reader: Reader) -> Any:
    """All rows as a `pyarrow.Table`."""
    pyarrow = _need("pyarrow", "to_pyarrow()")
    # Batch by batch, so that Ctrl-C and exceptions of file objects come through as they are.
    schema = pyarrow.schema(reader.schema)
    return pyarrow.Table.from_batches([pyarrow.record_batch(batch) for batch in reader], schema=schema)


def to_pandas(reader: Reader) -> Any:
    """All rows as a `pandas.DataFrame`."""
    _need("pandas", "to_pandas()")
    _need("pyarrow", "to_pandas()")
    return to_pyarrow(reader).to_pandas()


def to_polars(reader: Reader) -> Any:
    """All rows as a `polars.DataFrame`, whose strings are those of the log."""
    polars = _need("polars", "to_polars()")
    views = reader.with_strings("view")
    frames = [polars.DataFrame(batch) for batch in views]
    return polars.concat(frames) if frames else polars.DataFrame(schema=polars.Schema(views.schema))


def to_duckdb(reader: Reader, connection: Any = None) -> Any:
    """All rows as a `duckdb.DuckDBPyRelation`."""
    duckdb = _need("duckdb", "to_duckdb()")
    nasalogs_reader = reader.with_strings("view")  # noqa: F841 - DuckDB finds it by its name
    return (connection or duckdb).sql("SELECT * FROM nasalogs_reader")


def batch_to_pyarrow(batch: RecordBatch) -> Any:
    """The rows as a `pyarrow.RecordBatch`."""
    return _need("pyarrow", "to_pyarrow()").record_batch(batch)


def batch_to_pandas(batch: RecordBatch) -> Any:
    """The rows as a `pandas.DataFrame`."""
    _need("pandas", "to_pandas()")
    return _need("pyarrow", "to_pandas()").record_batch(batch).to_pandas()


def batch_to_polars(batch: RecordBatch) -> Any:
    """The rows as a `polars.DataFrame`."""
    return _need("polars", "to_polars()").DataFrame(batch)


def schema_to_pyarrow(schema: Schema) -> Any:
    """The columns as a `pyarrow.Schema`."""
    return _need("pyarrow", "to_pyarrow()").schema(schema)
