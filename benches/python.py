"""The Python package beside the core it stands on, and beside what Python scripts do without it.

One process, one run, each the best of several. The core's speed is what `nasalogs bench` says of one core; a reading on
several threads is held against it by the processor time that it took.

    python benches/python.py --nasalogs target/release/nasalogs access.log
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import nasalogs
import pandas as pd
import polars as pl

sys.path.insert(0, str(Path(__file__).parent / "rivals"))
from pattern import CAPTURED, LINE

# What such scripts have always looked like.
SCRIPT: Final = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (.+?) (\S+)" (\d{3}) (\d+|-)$')
SAMPLE: Final = 1000


def by_script(line: str) -> dict[str, str | int] | None:
    """One record of the classic script, or none where its expression does not match."""
    found = SCRIPT.match(line)
    if not found:
        return None
    ip, timestamp, method, url, protocol, status, size = found.groups()
    return {
        "ip": ip,
        "timestamp": timestamp,
        "method": method,
        "url": url,
        "protocol": protocol,
        "status_code": int(status),
        "bytes": 0 if size == "-" else int(size),
    }


def best(runs: int, work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of the run that took the least processor time."""
    found = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        kept = work()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
        del kept
    cpu, wall = min(found)
    return wall, cpu


def core(command: Path, log: Path) -> float:
    """Megabytes a second that the core parses on one core with its best backend."""
    said = subprocess.run([command, "bench", log, "--json"], check=True, capture_output=True, text=True)
    results = json.loads(said.stdout)["results"]
    return float(max(row["gb_per_second"] for row in results if row["task"] == "parse to Arrow")) * 1000


def whole_files(log: Path, runs: int, *, slow: bool) -> dict[str, tuple[float, float]]:
    """A file to a table, by each tool."""
    captured = "[" + ", ".join(f"'{name}'" for name in CAPTURED) + "]"
    lines = (
        f"read_csv('{log}', delim = '\x01', quote = '', escape = '', header = false, columns = {{'line': 'VARCHAR'}})"
    )

    def with_duckdb() -> Any:
        relation: Any = duckdb.sql(f"SELECT unnest(regexp_extract(line, '{LINE}', {captured})) FROM {lines}")
        return relation.to_arrow_table()

    def with_polars() -> Any:
        frame = pl.scan_csv(
            log, separator="\x01", has_header=False, quote_char=None, infer_schema=False, new_columns=["line"]
        )
        return frame.select(pl.col("line").str.extract_groups(LINE).alias("groups")).unnest("groups").collect()

    def with_pandas() -> Any:
        return pd.read_csv(
            log, sep=r'\s(?=(?:[^"]*"[^"]*")*[^"]*$)(?![^\[]*\])', engine="python", header=None, na_values="-"
        )

    def with_script() -> Any:
        with log.open(encoding="latin-1", newline="\n") as file:
            return [record for line in file if (record := by_script(line.rstrip("\n")))]

    found = {
        "nasalogs.read().to_pyarrow()": best(runs, lambda: nasalogs.read(log).to_pyarrow()),
        "the same, jobs=1": best(runs, lambda: nasalogs.read(log, jobs=1).to_pyarrow()),
        "nasalogs.read().to_polars()": best(runs, lambda: nasalogs.read(log).to_polars()),
        "the same, jobs=1 ": best(runs, lambda: nasalogs.read(log, jobs=1).to_polars()),
        "for batch in nasalogs.read()": best(runs, lambda: sum(len(batch) for batch in nasalogs.read(log))),
        "DuckDB regexp_extract, all text": best(1, with_duckdb),
        "Polars str.extract_groups, all text": best(1, with_polars),
    }
    if slow:
        found["re, the classic script"] = best(1, with_script)
        found["pandas, a regular expression as separator"] = best(1, with_pandas)
    return found


def single_lines(log: Path) -> dict[str, float]:
    """Seconds a line, for lines that are in memory."""
    with log.open(encoding="latin-1") as file:
        sample = [line.rstrip("\n") for _, line in zip(range(SAMPLE), file, strict=False)]
    again = range(200)

    def each(work: Callable[[str], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(10):
                for line in sample:
                    work(line)

        return run

    def fields(line: str) -> Any:
        record = nasalogs.parse_line(line)
        return record.host, record.ts, record.path, record.status, record.bytes

    ten = 10 * len(sample)
    return {
        "nasalogs.parse_line(line)": best(20, each(nasalogs.parse_line))[1] / ten,
        'nasalogs.parse_line(line, format="common")': best(
            20, each(lambda line: nasalogs.parse_line(line, format="common"))
        )[1]
        / ten,
        "the same and five of its attributes": best(20, each(fields))[1] / ten,
        'nasalogs.parse_line(line, names="classic").to_dict()': best(
            20, each(lambda line: nasalogs.parse_line(line, names="classic").to_dict())
        )[1]
        / ten,
        "re, the classic script": best(20, each(by_script))[1] / ten,
        f"nasalogs.parse(list of {len(sample)} lines)": best(10, lambda: [nasalogs.parse(sample) for _ in again])[1]
        / len(again)
        / len(sample),
        "the same, and to_pylist()": best(5, lambda: [nasalogs.parse(sample).to_pylist() for _ in range(20)])[1]
        / 20
        / len(sample),
    }


def main() -> int:
    """Measure all, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True, help="the program, for the core's own speed")
    parser.add_argument("--runs", type=int, default=5, help="the best of so many (5)")
    parser.add_argument("--no-slow", action="store_true", help="leave out what takes longest: pandas and re")
    options = parser.parse_args()

    size = options.log.stat().st_size / 1e6
    own = core(options.nasalogs, options.log)
    print(f"{size:,.0f} MB, {os.cpu_count()} processors; the core parses {own:,.0f} MB/s on one of them\n")
    print("| a file to a table | MB/s | MB/s per CPU-second | of the core | wall s | CPU s |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, (wall, cpu) in whole_files(options.log, options.runs, slow=not options.no_slow).items():
        print(f"| {name} | {size / wall:,.0f} | {size / cpu:,.0f} | {size / cpu / own:.2f} | {wall:.2f} | {cpu:.2f} |")
    print("\n| a line in memory | microseconds |\n|---|--:|")
    for name, seconds in single_lines(options.log).items():
        print(f"| {name} | {seconds * 1e6:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
