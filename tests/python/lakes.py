"""What a stream has left in a lake, held against what `nasalogs convert` makes of the same file, row by row."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import nasalogs
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import convert
from engines import QUERIES, VIEW, DuckDb, translate
from reference import COMMON
from stores import Store

DISTINCT: Final = "access_log_distinct"


def fetch(store: Store, prefix: str, folder: Path) -> None:
    """Copy what begins so out of the store, under the names that it has there."""
    for key in store.keys(prefix):
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.get(key))


def database(lake: Path) -> DuckDb:
    """The lake as a table, and the view that has each line once."""
    found = DuckDb()
    found.define(lake)
    found.execute(translate(QUERIES[VIEW], found.name))
    return found


def differences(lake: DuckDb, log: Path, folder: Path) -> list[dict[str, Any]]:
    """Rows, with their offsets in the log and their days, that either the lake or the converted log has alone."""
    convert(log, folder / "expected.parquet", "--to", "parquet", "--with", "byte_offset", "--overwrite")
    rest = ", ".join(name for name in COMMON if name != "ts")
    expected = f"""
        SELECT byte_offset, strftime(ts AT TIME ZONE 'UTC', '%Y-%m-%d') AS dt, ts AT TIME ZONE 'UTC' AS ts, {rest}
        FROM read_parquet('{folder / "expected.parquet"}')"""
    found = f"""
        SELECT CAST(split_part(line_id, '-', 2) AS BIGINT) AS byte_offset, CAST(dt AS VARCHAR) AS dt, ts, {rest}
        FROM {DISTINCT}"""
    return lake.ask(
        f"""SELECT 'missing' AS what, * FROM (({expected}) EXCEPT ALL ({found}))
            UNION ALL SELECT 'not expected', * FROM (({found}) EXCEPT ALL ({expected})) ORDER BY byte_offset LIMIT 20"""
    )


def commits(store: Path) -> list[dict[str, Any]]:
    """What the function has committed."""
    return [json.loads(gzip.decompress(file.read_bytes())) for file in store.rglob("_commits/**/*.json.gz")]


def committed(store: Path) -> Counter[str]:
    """How often each line is in objects that a commit names."""
    objects = {store / key for commit in commits(store) for key in commit["objects"]}
    tables = [pq.ParquetFile(file).read(["line_id"]) for file in objects]
    return Counter(pa.concat_tables(tables)["line_id"].to_pylist()) if tables else Counter()


def rejected(folder: Path) -> Counter[str]:
    """Lines that are no rows, each as often as the log had it, however often it came."""
    found = {}
    for file in folder.rglob("*.ndjson"):
        for line in file.read_text().splitlines():
            reject = json.loads(line)
            found[reject["line_id"]] = reject["raw"]
    return Counter(found.values())


def expected_rejects(log: Path) -> Counter[str]:
    """The same of the log itself."""
    rejects = nasalogs.parse(log.read_bytes(), format="common").rejects
    return Counter(reject.raw.decode("utf-8", "backslashreplace") for reject in rejects)


def records(store: Path) -> set[str]:
    """The sequence numbers that commits name."""
    return {record for commit in commits(store) for record in commit["records"]}
