r"""Web server access logs to Arrow, at the speed of memory, with every line accounted for.

>>> import nasalogs
>>> log = b'example.org - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245\n'
>>> for batch in nasalogs.read(log):
...     print(batch.num_rows, batch.column("path"))
1 ['/a']

`read` opens logs to be read batch by batch, or whole by pyarrow, pandas, Polars or DuckDB; `parse` and
`parse_line` take lines that are in memory; `convert` writes Parquet, Arrow, NDJSON or CSV; `report` says what
happened. None of them needs another package, except those that you ask for by name.
"""

import warnings

from nasalogs._core import (
    Batches,
    Detection,
    Field,
    Reader,
    Record,
    RecordBatch,
    Reject,
    Report,
    Schema,
    Summary,
    Traffic,
    __debug_build__,
    __version__,
    convert,
    detect,
    generate,
    parse,
    parse_line,
    read,
    report,
    schema,
)
from nasalogs._error import ParseError

__all__ = [
    "Batches",
    "Detection",
    "Field",
    "ParseError",
    "Reader",
    "Record",
    "RecordBatch",
    "Reject",
    "Report",
    "Schema",
    "Summary",
    "Traffic",
    "__version__",
    "convert",
    "detect",
    "generate",
    "parse",
    "parse_line",
    "read",
    "report",
    "schema",
]

if __debug_build__:
    warnings.warn(
        "nasalogs was built without optimisation, and is some ten times slower than it could be",
        RuntimeWarning,
        stacklevel=2,
    )
