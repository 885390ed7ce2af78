"""The numbers of a report, reckoned by DuckDB over the Parquet of the same log: what the program's are held against."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any, Final

import duckdb

STEPS: Final = (1, 10, 60, 600, 3600, 86_400)
LISTED: Final = ("methods", "protocols", "types", "referers", "agents")
FIELDS: Final = {"methods": "method", "protocols": "protocol", "types": "type", "referers": "referer",
                 "agents": "user_agent"}  # fmt: skip
Filter = dict[str, Any]


class Reckoning:
    """One log, as a table `log` of DuckDB whose times are seconds."""

    def __init__(self, parquet: Path, offset: int = 0) -> None:
        """Read the rows; the zone's wall clock is `offset` seconds ahead of UTC."""
        self.offset = offset
        self.database = duckdb.connect()
        self.database.execute("set timezone = 'UTC'")
        described = self.database.execute(f"describe select * from '{parquet}'").fetchall()
        self.combined = "referer" in {row[0] for row in described}
        extra = ", referer, user_agent" if self.combined else ""
        self.database.execute(f"""
            create table log as
            select host, method, path, protocol, status, bytes, cast(floor(epoch(ts)) as bigint) as second,
                   case when path is null then null when path like '%/' then '/'
                        when regexp_full_match(regexp_extract(path, '(?s)([^/]*)$', 1), '(?s).*\\.[A-Za-z0-9]{{1,8}}')
                        then lower(regexp_extract(path, '\\.([A-Za-z0-9]{{1,8}})$', 1)) end as type,
                   case when status between 100 and 599 then status // 100 else 0 end as class{extra}
            from '{parquet}'
        """)
        first, last = self.one("select min(second), max(second) from log")
        self.first, self.last = first, last
        self.step = next((step for step in STEPS if first is None or (last - first) / step <= 1000), STEPS[-1])

    def all(self, query: str) -> list[Any]:
        """Every row."""
        return self.database.execute(query).fetchall()

    def one(self, query: str) -> Any:
        """The first row."""
        return self.all(query)[0]

    def bucket(self, second: str = "second") -> str:
        """The first second of a row's bucket, as SQL."""
        return f"(({second} + {self.offset}) // {self.step} * {self.step} - {self.offset})"

    def where(self, chosen: Filter) -> str:
        """What is left under a filter: from, to (excluded), class, status, url, host, method, type."""
        parts = ["true"]
        for name, value in chosen.items():
            if name == "from":
                parts.append(f"{self.bucket()} >= {value}")
            elif name == "to":
                parts.append(f"{self.bucket()} < {value}")
            elif name in {"class", "status"}:
                parts.append(f"{name} = {value}")
            else:
                text = value.replace("'", "''")
                parts.append(f"{'path' if name == 'url' else name} = '{text}'")
        return " and ".join(parts)

    def totals(self, chosen: Filter | None = None) -> dict[str, int]:
        """What the tiles say."""
        names = ("requests", "unique_hosts", "unique_urls", "bytes", "client_errors", "server_errors")
        row = self.one(f"""
            select count(*), count(distinct host), count(distinct path), coalesce(sum(bytes), 0)::bigint,
                   count(*) filter (class = 4), count(*) filter (class = 5)
            from log where {self.where(chosen or {})}
        """)
        return dict(zip(names, row, strict=True))

    def time(self, chosen: Filter | None = None) -> list[dict[str, Any]]:
        """The buckets that have requests."""
        classes = ", ".join(f"count(*) filter (class = {n})" for n in range(6))
        return [
            {"at": row[0], "requests": row[1], "hosts": row[2], "bytes": row[3], "classes": list(row[4:])}
            for row in self.all(f"""
                select {self.bucket()} as began, count(*), count(distinct host), coalesce(sum(bytes), 0)::bigint,
                       {classes}
                from log where {self.where(chosen or {})} group by began order by began
            """)
        ]

    def named(
        self, column: str, *, chosen: Filter | None = None, more: str = "", limit: int = 50
    ) -> list[dict[str, Any]]:
        """The most asked for of a column, with requests and bytes, and what else is wanted."""
        names = ["name", "requests", "bytes", *[part.split(" as ")[1] for part in more.split(", ") if part]]
        return [
            dict(zip(names, row, strict=True))
            for row in self.all(f"""
                select {column}, count(*) as requests, coalesce(sum(bytes), 0)::bigint{", " + more if more else ""}
                from log where {self.where(chosen or {})} group by {column}
                order by requests desc, {column} nulls last limit {limit}
            """)
        ]

    def urls(self, chosen: Filter | None = None, limit: int = 10) -> list[dict[str, Any]]:
        """The URLs most asked for."""
        more = "count(distinct host) as hosts, count(*) filter (class >= 4) as errors"
        return [
            row for row in self.named("path", chosen=chosen, more=more, limit=limit + 1) if row["name"] is not None
        ][:limit]

    def hosts(self, chosen: Filter | None = None, limit: int = 10) -> list[dict[str, Any]]:
        """The hosts that asked most."""
        return self.named("host", chosen=chosen, more="count(*) filter (class >= 4) as errors", limit=limit)

    def failing(self, condition: str, chosen: Filter | None = None, limit: int = 10) -> dict[str, Any]:
        """The URLs of such requests."""
        where = f"path is not null and {condition} and {self.where(chosen or {})}"
        rows = self.all(f"""
            select path, count(*) as requests from log where {where} group by path
            order by requests desc, path limit {limit}
        """)
        return {
            "total": self.one(f"select count(distinct path) from log where {where}")[0],
            "rows": [{"name": name, "requests": requests} for name, requests in rows],
        }

    def statuses(self, chosen: Filter | None = None) -> list[dict[str, Any]]:
        """Each status code."""
        rows = self.named("status", chosen=chosen, limit=1000)
        rows.sort(key=lambda row: (row["name"] is None, row["name"]))
        return [{"status": row.pop("name"), **row} for row in rows]

    def hours(self, chosen: Filter | None = None) -> list[list[int]]:
        """Requests by weekday, Monday first, and hour."""
        grid = [[0] * 24 for _ in range(7)]
        local = f"(second + {self.offset})"
        for weekday, hour, requests in self.all(f"""
            select ({local} // 86400 + 3) % 7 as weekday, {local} // 3600 % 24 as hour, count(*) from log
            where {self.where(chosen or {})} group by all
        """):
            grid[weekday][hour] = requests
        return grid

    def sizes(self, chosen: Filter | None = None) -> list[dict[str, Any]]:
        """Responses by size: none, nothing, and powers of two."""
        rows = self.all(f"""
            select case when bytes is null then -1 when bytes = 0 then 0
                        else cast(floor(log2(bytes::double)) as int) + 1 end as bits, count(*)
            from log where {self.where(chosen or {})} group by bits order by bits
        """)
        return [
            {"from": None if bits < 0 else (1 << bits) >> 1, "to": None if bits < 0 else (1 << bits) - 1, "requests": n}
            for bits, n in rows
        ]

    def peak(self, step: int) -> dict[str, int] | None:
        """The busiest second or minute, the earliest of equals."""
        rows = self.all(f"""
            select second // {step} * {step} as began, count(*) as requests from log group by began
            order by requests desc, began limit 1
        """)
        return {"requests": rows[0][1], "at": rows[0][0]} if rows else None

    def report(self, summary: dict[str, Any], top: int = 10) -> dict[str, Any]:
        """The report, as the program's `--json` has it."""
        sign, minutes = "-" if self.offset < 0 else "+", abs(self.offset) // 60
        totals = self.totals()
        found: dict[str, Any] = {
            "version": 1, "program": "nasalogs 0.1.0", "generated": 1_795_540_000,
            "inputs": ["access.log"], "format": summary["format"],
            "zone": f"{sign}{minutes // 60:02}:{minutes % 60:02}" if self.offset else "UTC",
            "filters": [], "exact": True, "bounds": [],
            "lines": {**{name: summary[name] for name in ("lines", "rows", "rejected", "blank")}, "filtered": 0},
            "period": None if self.first is None else {"first": self.first, "last": self.last},
            **totals,
            "peak": None if self.first is None else {"second": self.peak(1), "minute": self.peak(60)},
            "time": {"step": self.step, "buckets": self.time()},
            "statuses": self.statuses(),
            "urls": {"total": totals["unique_urls"], "rows": self.urls(limit=top)},
            "hosts": {"total": totals["unique_hosts"], "rows": self.hosts(limit=top)},
            "not_found": self.failing("status = 404", limit=top),
            "failed": self.failing("class = 5", limit=top),
            "hours": self.hours(), "sizes": self.sizes(),
            "rejects": [
                {"reason": reason, "lines": lines, "says": reason.replace("_", " "), "first": "access.log:1"}
                for reason, lines in sorted(summary["rejects_by_reason"].items(), key=lambda item: -item[1])
            ],
        }  # fmt: skip
        for name in LISTED:
            if name in {"referers", "agents"}:
                if not self.combined:
                    found[name] = None
                    continue
                total = self.one(f"select count(distinct {FIELDS[name]}) from log")[0]
                found[name] = {"total": total, "rows": self.named(FIELDS[name], limit=top)}
            else:
                found[name] = self.named(FIELDS[name])
        return found

    def cube(
        self, report: dict[str, Any], *, urls: int = 100, hosts: int = 100, rate: int = 64
    ) -> tuple[dict[str, Any], bytes]:
        """The cells that the page filters with: what is said of them, and their columns."""
        dictionaries: dict[str, Any] = {"urls": [row["name"] for row in self.urls(limit=urls)]}
        for name in ("not_found", "failed"):
            dictionaries["urls"] += [
                row["name"] for row in report[name]["rows"] if row["name"] not in dictionaries["urls"]
            ]
        dictionaries["hosts"] = [row["name"] for row in self.hosts(limit=hosts)]
        dictionaries["statuses"] = [row["status"] for row in report["statuses"] if row["status"] is not None]
        for name in LISTED:
            rows = report[name]["rows"] if isinstance(report[name], dict) else report[name]
            dictionaries[name] = None if rows is None else [row["name"] for row in rows if row["name"] is not None]
        start = 0 if self.first is None else self.one(f"select {self.bucket()} from log order by second limit 1")[0]
        end = start - self.step if self.first is None else self.one(f"select max({self.bucket()}) from log")[0]
        starts = list(range(start, end + 1, self.step))
        columns = {
            "bucket": f"({self.bucket()} - {start}) // {self.step}",
            "url": "path", "host": "host", "status": "status", "method": "method", "protocol": "protocol",
            "type": "type", "size": "size", "referer": "referer", "agent": "user_agent",
        }  # fmt: skip
        keys = {"url": "urls", "host": "hosts", "status": "statuses", "method": "methods", "protocol": "protocols",
                "type": "types", "referer": "referers", "agent": "agents"}  # fmt: skip
        coded = []
        for column, expression in columns.items():
            of = keys.get(column)
            if column == "size":
                coded.append("""case when bytes is null then 0 when bytes = 0 then 1
                             else cast(floor(log2(bytes::double)) as int) + 2 end as size""")
            elif of is None:
                coded.append(f"{expression} as {column}")
            elif dictionaries[of] is not None:
                kind = "smallint" if column == "status" else "varchar"
                self.database.execute(f"create or replace table d_{column} (name {kind}, code int)")
                if dictionaries[of]:
                    self.database.executemany(
                        f"insert into d_{column} values (?, ?)", [[n, i + 2] for i, n in enumerate(dictionaries[of])]
                    )
                looked = f"(select any_value(code) from d_{column} where name = log.{expression})"
                coded.append(f"case when {expression} is null then 1 else coalesce({looked}, 0) end as {column}")
        present = [part.rsplit(" as ", 1)[1] for part in coded]
        self.database.execute(
            f"create or replace table coded as select {', '.join(coded)}, host as host_name, bytes from log"
        )
        cells = self.all(f"""
            select {", ".join(present)}, count(*), coalesce(sum(bytes), 0)::bigint from coded
            group by {", ".join(present)} order by all
        """)
        sample = self.all(f"""
            select distinct bucket, url, status, dense_rank() over (order by host_name) - 1 as host
            from coded where hash(host_name) % {rate} = 0 order by all
        """)
        local = [(s + self.offset) for s in starts]
        meta = {
            "step": self.step, "start": start, "buckets": len(starts), "starts": starts,
            "local": [[(s // 86_400 + 3) % 7, None if self.step == 86_400 else s // 3600 % 24] for s in local],
            **dictionaries,
            "cells": len(cells), "columns": [*present, "requests", "bytes"],
            "sample": {"rate": rate, "cells": len(sample), "columns": ["bucket", "url", "status", "host"]},
            "coarse": [
                f"urls beyond the first {len(dictionaries['urls'])} are one entry, `other`",
                f"hosts beyond the first {len(dictionaries['hosts'])} are one entry, `other`",
            ],
        }  # fmt: skip
        return meta, columns_of(cells, len(present) + 2) + columns_of(sample, 4)


def columns_of(rows: list[Any], width: int) -> bytes:
    """Column after column, each value as LEB128; the first, the bucket, as the difference to the one before."""
    out = bytearray()
    for column in range(width):
        before = 0
        for row in rows:
            value, before = (row[0] - before, row[0]) if column == 0 else (row[column], before)
            while value > 127:
                out.append(value & 127 | 128)
                value >>= 7
            out.append(value)
    return bytes(out)


def embedded(path: Path, name: str) -> dict[str, Any]:
    """A piece of JSON in a page."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


def with_cube(html: str, meta: dict[str, Any], data: bytes) -> str:
    """The page with another cube."""
    packer = zlib.compressobj(wbits=-15)
    packed = base64.b64encode(packer.compress(data) + packer.flush()).decode()
    text = json.dumps(meta).replace("<", "\\u003c")
    html = re.sub(r'(id="meta">).*?(</script>)', lambda m: m[1] + text + m[2], html, count=1, flags=re.DOTALL)
    return re.sub(r'(id="cube">).*?(</script>)', lambda m: m[1] + packed + m[2], html, count=1, flags=re.DOTALL)
