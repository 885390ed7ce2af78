"""One common log to typed columns in one ZSTD Parquet file, by nasalogs and by what else people use.

Each tool runs in a process of its own, in its fast way (split at blanks: dies on odd lines) and its safe one
(a regular expression). What it wrote must hold the same rows, bytes, times and protocols as what nasalogs
wrote; a tool that fails is listed with its reason, not left out.

    python benches/side_by_side.py --nasalogs target/release/nasalogs access.log
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

RIVALS: Final = Path(__file__).with_name("rivals")
TOOLS: Final = {
    "Polars scan_csv(' ')": ("with_polars.py", "trick"),
    "DuckDB read_csv(' ')": ("with_duckdb.py", "trick"),
    "pyarrow read_csv(' ')": ("with_pyarrow.py", "trick"),
    "Polars regex": ("with_polars.py", "regex"),
    "DuckDB regex": ("with_duckdb.py", "regex"),
    "pandas regex": ("with_pandas.py", "regex"),
}


@dataclass(frozen=True)
class Usage:
    """What a process took."""

    code: int
    wall: float
    cpu: float
    resident: int
    last_words: str


def measure(command: list[str], said: Path) -> Usage:
    """Run a command to its end; its processor time and its largest resident memory come from the kernel."""
    began = time.perf_counter()
    with said.open("wb") as log:
        output = [(os.POSIX_SPAWN_DUP2, log.fileno(), stream) for stream in (1, 2)]
        child = os.posix_spawn(command[0], command, os.environ, file_actions=output)
        _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - began
    words = said.read_text(errors="replace").strip().splitlines()
    return Usage(
        code=os.waitstatus_to_exitcode(status),
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        # Linux counts kibibytes, macOS bytes.
        resident=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        last_words=words[-1] if words else "",
    )


def best_of(runs: int, command: list[str], out: Path) -> Usage:
    """The fastest run, or the first that fails."""
    found: list[Usage] = []
    for _ in range(runs):
        out.unlink(missing_ok=True)
        found.append(measure(command, out.with_suffix(".said")))
        if found[-1].code:
            return found[-1]
    return min(found, key=lambda usage: usage.wall)


def begin(heads: str, size: int, runs: int) -> None:
    """Print the head of a table whose rows `row` prints."""
    print(f"{size / 1e6:,.0f} MB from the file cache; {os.cpu_count()} processors; best of {runs} by wall\n")
    print(f"| {heads} | MB/s | wall s | CPU s | peak MiB | |")
    print(f"{'|---' * (heads.count('|') + 1)}|--:|--:|--:|--:|---|")


def row(name: str, size: int, usage: Usage, note: str) -> None:
    """Print what a run took, and a note on it; why it failed, if it did."""
    if usage.code:
        note = f"fails: {usage.last_words[:100]}"
    print(
        f"| {name} | {size / usage.wall / 1e6:,.0f} | {usage.wall:.2f} | {usage.cpu:.2f}"
        f" | {usage.resident / 2**20:,.0f} | {note} |",
        flush=True,
    )


def facts(out: Path) -> tuple[object, ...]:
    """Rows, bytes, the sum of all times in seconds, and how many rows have a protocol."""
    query = f"""
        SELECT count(*), sum(bytes), sum(epoch_ms(ts) // 1000), count(nullif(protocol, ''))
        FROM read_parquet('{out}')
    """
    (row,) = duckdb.execute(query).fetchall()
    return tuple(row)


def main() -> int:
    """Measure all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True, help="the command to measure")
    parser.add_argument("--only", default="", help="rivals whose names hold this text")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many (3)")
    options = parser.parse_args()

    size = options.log.stat().st_size
    print(f"{size / 1e6:,.0f} MB from the file cache to one ZSTD Parquet file; {os.cpu_count()} processors")
    print(f"best of {options.runs} by wall; MB/s of input\n")
    print("| tool | MB/s | MB/s per CPU-second | wall s | CPU s | peak MiB | Parquet MB | |")
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory(dir=options.log.parent) as folder:
        out = Path(folder) / "out.parquet"
        to_parquet = ["-o", str(out), "--to", "parquet", "--quiet"]
        commands = {"nasalogs convert": [str(options.nasalogs), "convert", str(options.log), *to_parquet]}
        for name, (script, way) in TOOLS.items():
            if options.only in name:
                commands[name] = [sys.executable, str(RIVALS / script), way, str(options.log), str(out)]
        ours: tuple[object, ...] | None = None
        for name, command in commands.items():
            usage = best_of(options.runs, command, out)
            if usage.code:
                print(f"| {name} | | | | | | | fails: {usage.last_words[:120]} |", flush=True)
                if ours is None:
                    return 1
                continue
            found = facts(out)
            ours = ours or found
            wall, cpu, written = usage.wall, usage.cpu, out.stat().st_size
            print(
                f"| {name} | {size / wall / 1e6:,.0f} | {size / cpu / 1e6:,.0f} | {wall:.2f} | {cpu:.2f}"
                f" | {usage.resident / 2**20:,.0f} | {written / 1e6:.1f}"
                f" | {'' if found == ours else f'differs: {found}, not {ours}'} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
