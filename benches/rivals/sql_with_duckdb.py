"""DuckDB asks a raw log: a table split at blanks, and no more of it typed than the question needs."""

import sys

import duckdb
from pattern import CAPTURED, TIME

question, log, out = sys.argv[1:]
types = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in CAPTURED) + "}"
options = f"delim = ' ', quote = '\"', escape = '', header = false, columns = {types}"
duckdb.execute(f"""
    CREATE VIEW logs AS SELECT host, ident, authuser,
        strptime(trim(clock || ' ' || zone, '[]'), '{TIME}')::TIMESTAMPTZ AS ts,
        split_part(request, ' ', 1) AS method,
        nullif(split_part(split_part(request, ' ', 2), '?', 1), '') AS path,
        try_cast(status AS SMALLINT) AS status,
        try_cast(nullif(bytes, '-') AS BIGINT) AS bytes
    FROM read_csv('{log}', {options})
""")
duckdb.execute("SET TimeZone = 'UTC'")
duckdb.execute(f"COPY ({question}) TO '{out}' (FORMAT csv, HEADER)")
