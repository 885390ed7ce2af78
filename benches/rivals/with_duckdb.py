"""DuckDB: a log as a table split at blanks (`trick`), and by a regular expression (`regex`)."""

import duckdb
from pattern import CAPTURED, LINE, REQUEST, TIME, run


def trick(log: str, out: str) -> None:
    """A delimiter that is a blank, a quote that is a quote."""
    types = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in CAPTURED) + "}"
    options = f"delim = ' ', quote = '\"', escape = '', header = false, columns = {types}"
    columns(f"read_csv('{log}', {options})", out)


def regex(log: str, out: str) -> None:
    """Lines, then one regular expression with captures."""
    names = "[" + ", ".join(f"'{name}'" for name in CAPTURED) + "]"
    options = "delim = '\x01', quote = '', escape = '', header = false, columns = {'line': 'VARCHAR'}"
    groups = f"regexp_extract(line, '{LINE}', {names})"
    columns(f"(SELECT unnest({groups}) FROM read_csv('{log}', {options}))", out)


def columns(source: str, out: str) -> None:
    """Texts to typed columns, and those to a file."""
    duckdb.execute(f"""
        COPY (
            SELECT host, ident, authuser,
                strptime(trim(clock || ' ' || zone, '[]'), '{TIME}')::TIMESTAMPTZ AS ts,
                r.method AS method, split_part(r.target, '?', 1) AS path,
                CASE WHEN contains(r.target, '?') THEN r.target[strpos(r.target, '?') + 1:] END AS query,
                r.protocol AS protocol, try_cast(status AS SMALLINT) AS status,
                try_cast(nullif(bytes, '-') AS BIGINT) AS bytes
            FROM (
                SELECT *, regexp_extract(request, '{REQUEST}', ['method', 'target', 'protocol']) AS r
                FROM {source}
            )
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
    """)


run({"trick": trick, "regex": regex})
