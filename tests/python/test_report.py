"""Every number of a report against DuckDB's over the Parquet of the same log: filters, zones, inputs of any kind."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from conftest import convert, nasalogs
from reckoning import Reckoning

Generate = Callable[..., Path]
Find = Callable[[str], Path]

MONDAY = 4 * 86_400
"""Weeks begin on Mondays, and 1970 did not."""


def offset_of(zone: str, second: int) -> int:
    """Seconds east of UTC."""
    if found := re.fullmatch(r"([+-])(\d\d):(\d\d)", zone):
        return int(found[1] + "1") * (int(found[2]) * 3600 + int(found[3]) * 60)
    name = "UTC" if zone == "utc" else zone
    offset = datetime.fromtimestamp(second, tz=ZoneInfo(name)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


class Zoned(Reckoning):
    """The reckoning with a zone's wall clock, whatever its offsets are; of the rows that are wanted."""

    def __init__(self, parquet: Path, zone: str) -> None:
        """Read the rows, and put the zone's offset beside each."""
        super().__init__(parquet)
        self.zone = zone
        quarters = [row[0] for row in self.all("select distinct second // 900 from log")]
        self.database.execute("create table quarters (quarter bigint, east bigint)")
        if quarters:
            offsets = [[quarter, offset_of(zone, quarter * 900)] for quarter in quarters]
            self.database.executemany("insert into quarters values (?, ?)", offsets)
        self.database.execute(
            "create table plain as select log.*, east from log join quarters on quarter = second // 900"
        )
        self.database.execute("drop table log")
        self.database.execute("alter table plain rename to log")

    def bucket(self, second: str = "second") -> str:
        """The local time at which a row's bucket begins."""
        return f"(({second} + east - {MONDAY}) // {self.step} * {self.step} + {MONDAY})"

    def time(self, chosen: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The buckets, by the instants at which they begin."""
        buckets = super().time(chosen)
        firsts = dict(self.all(f"select {self.bucket()}, min(second) from log group by 1"))
        for bucket in buckets:
            local = bucket["at"]
            near = local - offset_of(self.zone, firsts[local])
            bucket["at"] = local - offset_of(self.zone, near)
        return buckets

    def hours(self, chosen: dict[str, Any] | None = None) -> list[list[int]]:
        """Requests by weekday, Monday first, and hour."""
        grid = [[0] * 24 for _ in range(7)]
        for weekday, hour, requests in self.all(f"""
            select ((second + east) // 86400 + 3) % 7, (second + east) // 3600 % 24, count(*)
            from log where {self.where(chosen or {})} group by all
        """):
            grid[weekday][hour] = requests
        return grid


def expected(parquet: Path, summary: dict[str, Any], zone: str, top: int) -> dict[str, Any]:
    """What the report has to say."""
    found = Zoned(parquet, zone)
    said = found.report(summary, top=top)
    for name, column in (("referers", "referer"), ("agents", "user_agent")):
        if said[name] is not None:
            rows = found.named(column, limit=top + 1)
            said[name]["rows"] = [row for row in rows if row["name"] is not None][:top]
    return said


def report(*arguments: str | Path) -> dict[str, Any]:
    """The program's numbers."""
    found: dict[str, Any] = json.loads(nasalogs("report", *arguments, "--json").stdout)
    lines = found["lines"]
    assert lines["rows"] + lines["rejected"] + lines["blank"] == lines["lines"]
    assert lines["rows"] - lines["filtered"] == found["requests"]
    return found


def without_bytes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names and requests."""
    return [{"name": row["name"], "requests": row["requests"]} for row in rows]


SAME = (
    "version", "exact", "bounds", "lines", "period", "requests", "unique_hosts", "unique_urls", "bytes",
    "client_errors", "server_errors", "peak", "time", "statuses", "urls", "hosts", "hours", "sizes", "referers",
    "agents",
)  # fmt: skip


def same(found: dict[str, Any], said: dict[str, Any]) -> None:
    """Compare all that is counted."""
    for key in SAME:
        assert found[key] == said[key], key
    for key in ("methods", "protocols", "types"):
        order = [row["requests"] for row in found[key]]
        assert order == sorted(order, reverse=True), key
        by_name = [sorted(rows, key=lambda row: row["name"] or "") for rows in (found[key], said[key])]
        assert by_name[0] == by_name[1], key
    for key in ("not_found", "failed"):
        assert found[key]["total"] == said[key]["total"], key
        assert without_bytes(found[key]["rows"]) == said[key]["rows"], key
    counts = {row["reason"]: row["lines"] for row in found["rejects"]}
    assert counts == {row["reason"]: row["lines"] for row in said["rejects"]}


def check(
    log: Path, tmp_path: Path, *arguments: str, where: str = "true", zone: str = "-04:00", top: int = 10
) -> dict[str, Any]:
    """Hold a report against the reckoning; `where` is the filter as SQL."""
    whole, part = tmp_path / "whole.parquet", tmp_path / "part.parquet"
    summary = convert(log, whole, "--overwrite")
    duckdb.execute(f"copy (select * from '{whole}' where {where}) to '{part}' (format parquet)")
    said = expected(part, summary, zone, top)
    said["lines"]["filtered"] = summary["rows"] - said["requests"]
    found = report(log, *arguments, "--top", str(top))
    same(found, said)
    assert found["format"] == summary["format"]
    return found


@pytest.mark.parametrize("form", ["common", "combined"])
@pytest.mark.parametrize("oddities", ["0%", "20%"])
def test_a_log(form: str, oddities: str, generated: Generate, tmp_path: Path) -> None:
    found = check(generated(form, 20_000, oddities=oddities), tmp_path)
    assert found["requests"] > 15_000
    assert found["zone"] == "-04:00"
    assert (found["referers"] is None) == (form == "common")


def test_many_names(generated: Generate, tmp_path: Path) -> None:
    check(generated("combined", 20_000, oddities="20%"), tmp_path, top=10_000)


FIRST = 804_571_201
FILTERS = {
    "status": (["--status", "5xx,404"], "status between 500 and 599 or status = 404"),
    "no status": (["--status", "-"], "status is null"),
    "not status": (["--exclude-status", "200-299,-"], "status is not null and not status between 200 and 299"),
    "method": (["--method", "get,POST"], "upper(method) in ('GET', 'POST')"),
    "not method": (["--exclude-method", "GET"], "coalesce(upper(method) != 'GET', true)"),
    "path": (["--path", "/shuttle/*"], "path like '/shuttle/%'"),
    "paths": (
        ["--path", "*.[gG][iI][fF]", "--path", "/", "--exclude-path", "/images/*"],
        "(path ilike '%.gif' or path = '/') and path not like '/images/%'",
    ),
    "host": (["--host", "*.PRODIGY.com"], "lower(host) like '%.prodigy.com'"),
    "network": (["--host", "128.0.0.0/2"], r"regexp_full_match(host, '(1[2-8]\d|19[01])\.\d+\.\d+\.\d+')"),
    "not host": (
        ["--exclude-host", "*.com", "--exclude-host", "*.net"],
        "lower(host) not like '%.com' and lower(host) not like '%.net'",
    ),
    "between": (
        ["--since", "1995-07-01T05:00:00Z", "--until", "1995-07-01 04:30"],
        f"epoch(ts) >= {FIRST - 1 + 3600} and epoch(ts) < {FIRST - 1 + 4 * 3600 + 1800}",
    ),
    "day": (["--until", "1995-07-02"], f"epoch(ts) < {FIRST - 1 + 86_400}"),
    "ago": (["--since", "2 hours ago"], "ts >= (select max(ts) - interval 2 hours from {whole})"),
    "all": (
        ["--status", "200", "--status", "3xx", "--method", "GET", "--exclude-path", "*/countdown/*", "--since", "24h"],
        """(status = 200 or status between 300 and 399) and upper(method) = 'GET'
        and coalesce(path not like '%/countdown/%', true)
        and ts >= (select max(ts) - interval 24 hours from {whole})""",
    ),
    "nothing": (["--method", "BREW"], "false"),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("form", ["common", "combined"])
def test_filters(name: str, form: str, generated: Generate, tmp_path: Path) -> None:
    arguments, where = FILTERS[name]
    log = generated(form, 20_000, oddities="20%")
    found = check(log, tmp_path, *arguments, where=where.format(whole=f"'{tmp_path / 'whole.parquet'}'"))
    assert len(found["filters"]) >= len(arguments) // 2
    assert found["requests"] > 0 or name == "nothing"
    # What is converted with the same filter is what was counted.
    out = tmp_path / "filtered.parquet"
    summary = convert(log, out, *arguments)
    assert summary["filtered"] == found["lines"]["filtered"]
    assert summary["rows"] - summary["filtered"] == found["requests"]
    assert duckdb.execute(f"select count(*) from '{out}'").fetchone() == (found["requests"],)


STARTS = ("2026-03-28T20:00:00+00:00", "2026-10-24T20:00:00+00:00", "1972-04-29T20:00:00-04:00")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("zone", ["utc", "Europe/Berlin", "Asia/Kathmandu", "-09:30", "America/New_York"])
def test_zones(zone: str, start: str, tmp_path: Path) -> None:
    log = tmp_path / "zones.log"
    nasalogs("generate", "--lines", "20000", "--start", start, "-o", log)
    found = check(log, tmp_path, "--tz", zone, zone=zone)
    assert found["zone"] == zone


def test_days_with_25_hours(tmp_path: Path) -> None:
    """Buckets of an hour and of a day, over both changes of the clocks."""
    line = 'h{0} - - [{1:%d/%b/%Y:%H:%M:%S} +0000] "GET /{2} HTTP/1.0" 200 5\n'
    for hours, step in ((3, 3600), (30, 86_400)):
        log = tmp_path / f"{step}.log"
        first = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
        instants = [datetime.fromtimestamp(first + hours * 1000 * number, tz=UTC) for number in range(900)]
        log.write_text("".join(line.format(n % 7, at, n % 11) for n, at in enumerate(instants)))
        for zone in ("Europe/Berlin", "America/New_York", "utc"):
            found = check(log, tmp_path, "--tz", zone, zone=zone)
            assert found["time"]["step"] == step


def test_nasa_july(genuine: Find, tmp_path: Path) -> None:
    log = genuine("nasa/jul95_first_11277.log")
    check(log, tmp_path)
    check(log, tmp_path, "--tz", "utc", "--status", "404", where="status = 404", zone="utc")
    where = "host ilike '%.edu' and path like '/shuttle/%'"
    check(log, tmp_path, "--host", "*.edu", "--path", "/shuttle/*", where=where)


def test_formats_of_others(genuine: Find, tmp_path: Path) -> None:
    for name in ("clf/apache_1406.log", "combined/nginx_shop_1000.log", "combined/apachelogs_vhost_combined.log"):
        check(genuine(name), tmp_path, "--tz", "Europe/Berlin", zone="Europe/Berlin")


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """What is the same, whatever it was counted from."""
    apart = ("inputs", "format", "generated", "lines", "rejects")
    return {key: value for key, value in found.items() if key not in apart}


@pytest.mark.parametrize("form", ["common", "combined"])
def test_parquet_says_what_its_log_says(form: str, generated: Generate, tmp_path: Path) -> None:
    log = generated(form, 20_000, oddities="20%")
    file, lake = tmp_path / "log.parquet", tmp_path / "lake"
    convert(log, file)
    nasalogs("convert", log, "-o", lake, "--partition-by", "dt", "--quiet")
    (lake / "_SUCCESS").touch()
    plain = report(log)
    for inputs in ([file], [lake], [lake / "dt=*"], [lake / "*" / "*.parquet"]):
        found = report(*inputs)
        assert counted(found) == counted(plain)
        rows = plain["requests"]
        assert found["lines"] == {"lines": rows, "rows": rows, "rejected": 0, "blank": 0, "filtered": 0}
        assert found["format"] == "parquet"
    for arguments, _ in FILTERS.values():
        wanted = report(log, *arguments, "--jobs", "1")
        for inputs in ([file], [lake]):
            assert counted(report(*inputs, *arguments)) == counted(wanted), arguments


def test_other_writers_parquet(generated: Generate, tmp_path: Path) -> None:
    """DuckDB's file has times in microseconds and rows in another order."""
    log = generated("combined", 20_000, oddities="20%")
    ours, other = tmp_path / "ours.parquet", tmp_path / "other.parquet"
    convert(log, ours)
    rows = f"select * from '{ours}' order by path, ts"
    duckdb.execute(f"copy ({rows}) to '{other}' (format parquet, row_group_size 3000)")
    # The first row is another one now, but has the same offset.
    assert counted(report(other)) == counted(report(log))


def test_the_same_from_anywhere(generated: Generate, tmp_path: Path) -> None:
    log = generated("common", 20_000, oddities="20%")
    text = log.read_bytes()
    at = text.index(b"\n", len(text) // 2) + 1
    halves = [tmp_path / "a.log", tmp_path / "b.log"]
    halves[0].write_bytes(text[:at])
    halves[1].write_bytes(text[at:])
    plain = report(log)
    apart = {**counted(plain), "lines": plain["lines"]}
    for arguments in ([*halves], [tmp_path / "*.log"], [log, "--jobs", "1"], [log, "--jobs", "7"]):
        found = report(*arguments)
        assert {**counted(found), "lines": found["lines"]} == apart
