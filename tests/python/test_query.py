"""The queries of `deploy/aws`, on two engines over a lake that the command wrote, and counted again in plain Python."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from conftest import convert, nasalogs
from engines import QUERIES, TABLE, VIEW, Answer, DuckDb, Spark, translate

Engine = DuckDb | Spark

# Two zones; the days of UTC that they touch are the first to the fifth of July.
LOGS = [
    ("1995-07-01T00:00:01-04:00", "1"),
    ("1995-07-02T22:00:00-04:00", "2"),
    ("1995-07-05T00:30:00+09:30", "3"),
]
DAYS = ("1995-07-01", "1995-07-04")
ASKED = [name for name in QUERIES if name != VIEW]


@dataclass(frozen=True)
class Lake:
    """A folder of days, and the rows that are in it by another reading."""

    folder: Path
    rows: list[reference.Row]

    def between(self, first: str, last: str) -> list[reference.Row]:
        """Rows of some days."""
        return [row for row in self.rows if first <= f"{moment(row):%Y-%m-%d}" <= last]


def moment(row: reference.Row, *, logged: bool = False) -> datetime:
    """When a request came, in UTC or by the server's clock."""
    milliseconds, offset = row["ts"], row["tz_offset"]
    assert isinstance(milliseconds, int)
    assert isinstance(offset, int)
    minutes = offset if logged else 0
    return datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds, minutes=minutes)  # noqa: DTZ001 -- it is UTC


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("lake")
    rows: list[reference.Row] = []
    for start, seed in LOGS:
        log = folder / f"{seed}.log"
        nasalogs("generate", "--lines", "6000", "--seed", seed, "--start", start, "--oddities", "5%", "-o", log)
        convert(log, folder / "table", "--to", "parquet", "--partition-by", "dt", "--append")
        rows += reference.table(log.read_bytes())[0]
    return Lake(folder / "table", rows)


@pytest.fixture(scope="module")
def duck(lake: Lake) -> Iterator[DuckDb]:
    database = DuckDb()
    database.define(lake.folder)
    database.execute(translate(QUERIES[VIEW], database.name))
    yield database
    database.close()


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory, lake: Lake) -> Iterator[Spark]:
    """One session for all tests: it takes as long to start as they take."""
    if not Spark.is_here():
        if os.environ.get("NASALOGS_NO_SKIPS") == "1":
            pytest.fail("no Java, and NASALOGS_NO_SKIPS is set")
        pytest.skip("no Java, which Spark needs")
    session = Spark(tmp_path_factory.mktemp("spark"))
    session.define(lake.folder)
    session.execute(translate(QUERIES[VIEW], session.name))
    yield session
    session.close()


@pytest.fixture(params=["duck", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def ask(engine: Engine, name: str, days: tuple[str, str] = DAYS, table: str = TABLE) -> Answer:
    return engine.ask(translate(QUERIES[name], engine.name, table), days)


def top(counts: Counter[str], number: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]


def test_top_urls(duck: DuckDb, lake: Lake) -> None:
    urls: Counter[str] = Counter()
    for row in lake.between(*DAYS):
        if row["path"] is not None:
            urls[f"{row['path']}?{row['query']}" if row["query"] is not None else str(row["path"])] += 1
    assert [(row["url"], row["hits"]) for row in ask(duck, "top_urls")] == top(urls, 10)


def test_status_codes(duck: DuckDb, lake: Lake) -> None:
    found = {row["status"]: row["requests"] for row in ask(duck, "status_codes")}
    assert found == Counter(row["status"] for row in lake.between(*DAYS))
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_traffic_per_hour(duck: DuckDb, lake: Lake) -> None:
    hours = Counter(moment(row, logged=True).replace(minute=0, second=0, microsecond=0) for row in lake.between(*DAYS))
    found = [(row["hour_block"], row["requests"]) for row in ask(duck, "traffic_per_hour")]
    assert found == sorted(hours.items())


def test_top_hosts(duck: DuckDb, lake: Lake) -> None:
    hosts = Counter(str(row["host"]) for row in lake.between(*DAYS))
    assert [(row["host"], row["requests"]) for row in ask(duck, "top_hosts")] == top(hosts, 10)


def test_health(duck: DuckDb, lake: Lake) -> None:
    rows = lake.between(*DAYS)
    sizes = [row["bytes"] for row in rows if isinstance(row["bytes"], int)]
    statuses = Counter(row["status"] for row in rows)
    by_day = ask(duck, "bytes_per_day")
    assert sum(row["requests"] for row in by_day) == len(rows)
    assert sum(row["bytes_sent"] for row in by_day) == sum(sizes)
    assert max(row["largest"] for row in by_day) == max(sizes)
    assert sum(row["without_size"] for row in by_day) == len(rows) - len(sizes)
    by_hour = ask(duck, "error_share")
    assert sum(row["client_errors"] for row in by_hour) == sum(
        count for status, count in statuses.items() if isinstance(status, int) and 400 <= status < 500
    )
    for row in by_hour:
        share = 100 * (row["client_errors"] + row["server_errors"]) / row["requests"]
        assert row["error_percent"] == pytest.approx(share, abs=0.001)
    missing = Counter(row["path"] for row in rows if row["status"] == 404)
    assert {row["path"]: row["requests"] for row in ask(duck, "not_found")}.items() <= missing.items()
    broken = Counter((row["status"], row["path"]) for row in rows if row["status"] in range(500, 600))
    found = {(row["status"], row["path"]): row["requests"] for row in ask(duck, "server_errors")}
    assert found == dict(broken)
    minutes = Counter(moment(row).replace(second=0) for row in rows)
    peaks = ask(duck, "peaks")
    assert [row["requests"] for row in peaks] == sorted(minutes.values(), reverse=True)[:20]
    assert all(minutes[row["minute_utc"]] == row["requests"] for row in peaks)
    hosts = {day: {row["host"] for row in lake.between(day, day)} for day in {row["dt"] for row in by_day}}
    assert {row["dt"]: row["hosts"] for row in ask(duck, "unique_hosts")} == {
        day: len(names) for day, names in hosts.items()
    }


@pytest.mark.parametrize("name", ASKED)
def test_engines_agree(name: str, duck: DuckDb, spark: Spark) -> None:
    for days in (DAYS, ("2026-01-01", "2026-12-31")):
        expected, found = ask(duck, name, days), ask(spark, name, days)
        assert [list(row) for row in found] == [list(row) for row in expected]
        assert found == [{key: approximate(value) for key, value in row.items()} for row in expected]


def approximate(value: object) -> object:
    """Engines round floats each in their own way."""
    return pytest.approx(value, abs=0.001) if isinstance(value, float) else value


def test_athenas_statement_is_hives(spark: Spark, lake: Lake) -> None:
    """What Athena is told gives the rows that Spark's own statement gives, with times, nulls and days."""
    spark.define_as_hive(lake.folder, "as_hive")
    query = "SELECT *, CAST(ts AS string) AS text FROM {} ORDER BY ts, host, path, query, status, bytes"
    ours, hives = (spark.ask(query.format(table)) for table in (TABLE, "as_hive"))
    assert len(ours) == len(lake.rows)
    assert ours == hives


def test_rows_are_those_of_the_log(engine: Engine, lake: Lake) -> None:
    """All columns, and null in those that the files lack."""
    rows = engine.ask(f"SELECT * FROM {TABLE}")
    assert {row["referer"] for row in rows} == {row["line_id"] for row in rows} == {None}

    def key(row: reference.Row) -> str:
        return repr([row[name] for name in reference.COMMON])

    found = []
    for row in rows:
        ts = row["ts"].replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        assert row["dt"] == f"{row['ts']:%Y-%m-%d}"
        found.append(key(row | {"ts": ts // timedelta(milliseconds=1)}))
    assert sorted(found) == sorted(key(row) for row in lake.rows)


@pytest.mark.parametrize("table", [TABLE, "access_log_distinct"])
@pytest.mark.parametrize("name", ASKED)
def test_only_the_days_that_are_asked_for_are_read(name: str, table: str, engine: Engine) -> None:
    plan = engine.plan(translate(QUERIES[name], engine.name, table), ("1995-07-02", "1995-07-02"))
    if engine.name == "duckdb":
        scans = re.findall(r"Scanning Files: (\d+)/(\d+)", plan)
        assert scans, plan
        assert all(read < there for read, there in scans), plan
    else:
        assert plan.count("PartitionFilters: [isnotnull(dt") == plan.count("FileScan"), plan


def test_the_view_has_each_line_once(engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    nasalogs("generate", "--lines", "500", "--start", "1995-07-01T19:58:00-04:00", "-o", log)
    both = tmp_path / "both"
    convert(log, both, "--to", "parquet", "--partition-by", "dt", "--with", "byte_offset")
    for file in sorted(both.glob("dt=*/*.parquet")):
        rows = pq.ParquetFile(file).read()
        offsets = rows.column("byte_offset").to_pylist()
        ids = pa.array([f"00000000deadbeef-{offset}" for offset in offsets])
        pq.write_table(rows.drop_columns("byte_offset").append_column("line_id", ids), file)
        # Delivered twice, as after a crash.
        shutil.copy(file, file.with_name(f"again-{file.name}"))
    # The same lines without an id: who is to say that they are the same?
    convert(log, both, "--to", "parquet", "--partition-by", "dt", "--append")
    engine.define(both, "twice")
    engine.execute(translate(QUERIES[VIEW], engine.name, "twice").replace("access_log_distinct", "once"))
    counts = "SELECT count(*) AS lines, count(line_id) AS known, count(DISTINCT line_id) AS ids FROM {}"
    assert engine.ask(counts.format("twice")) == [{"lines": 1500, "known": 1000, "ids": 500}]
    assert engine.ask(counts.format("once")) == [{"lines": 1000, "known": 500, "ids": 500}]
    columns = engine.ask("SELECT * FROM once LIMIT 1")[0]
    assert list(columns) == list(engine.ask("SELECT * FROM twice LIMIT 1")[0])
    assert len(engine.ask("SELECT DISTINCT dt FROM once")) == 2


def test_a_log_may_say_anything(engine: Engine, tmp_path: Path) -> None:
    """Sums that overflow, a request that is none, a time in another zone."""
    log = tmp_path / "odd.log"
    log.write_text(
        'a - - [01/Jul/1995:00:00:01 -0400] "GET /x?y HTTP/1.0" 200 9223372036854775807\n'
        'a - - [01/Jul/1995:00:00:02 -0400] "GET /x?y HTTP/1.0" 200 9223372036854775807\n'
        'b - - [01/Jul/1995:23:59:59 +0900] "-" - -\n'
    )
    convert(log, tmp_path / "odd", "--to", "parquet", "--partition-by", "dt")
    engine.define(tmp_path / "odd", "odd")
    answers = {name: ask(engine, name, table="odd") for name in ASKED}
    assert answers["bytes_per_day"][0]["bytes_sent"] == 2 * (2**63 - 1)
    assert answers["bytes_per_day"][0]["without_size"] == 1
    assert answers["top_urls"] == [{"url": "/x?y", "hits": 2}]
    assert [row["status"] for row in answers["status_codes"]] == [200, None]
    assert [row["hour_block"].hour for row in answers["traffic_per_hour"]] == [0, 23]
    assert answers["error_share"][0]["error_percent"] == 0
