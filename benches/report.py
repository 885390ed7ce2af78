"""Reports of a raw log: nasalogs, exact and with estimates, as JSON and as a page, and GoAccess.

Each run is a process of its own, from the file cache. Where both count requests and different hosts, they must agree.

    python benches/report.py --nasalogs target/release/nasalogs access.log
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from side_by_side import best_of

GOACCESS: Final = [
    "--log-format=COMMON",
    "--no-ip-validation",
    "--no-progress",
    "--no-query-string",
    "--no-term-resolver",
]


def main() -> int:
    """Measure all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True, help="the command to measure")
    parser.add_argument("--runs", type=int, default=5, help="the best of so many (5)")
    options = parser.parse_args()

    size = options.log.stat().st_size
    print(f"{size / 1e6:,.0f} MB from the file cache; {os.cpu_count()} processors; best of {options.runs} by wall\n")
    print("| report | MB/s | wall s | CPU s | peak MiB | |")
    print("|---|--:|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory(dir=options.log.parent) as folder:
        names = ("ours.json", "rough.json", "theirs.json", "page.html")
        ours, rough, theirs, page = (Path(folder) / name for name in names)
        report = [str(options.nasalogs), "report", str(options.log), "-q", "--overwrite"]
        commands = {
            "nasalogs --json": ([*report, "--json", str(ours)], ours, options.runs),
            "nasalogs --approx --json": ([*report, "--approx", "--json", str(rough)], rough, options.runs),
            "nasalogs --html": ([*report, "--html", str(page)], page, options.runs),
        }
        if goaccess := shutil.which("goaccess"):
            commands["GoAccess"] = ([goaccess, str(options.log), *GOACCESS, "-o", str(theirs)], theirs, 1)
        for name, (command, out, runs) in commands.items():
            usage = best_of(runs, command, out)
            note = f"fails: {usage.last_words[:100]}" if usage.code else ""
            print(
                f"| {name} | {size / usage.wall / 1e6:,.0f} | {usage.wall:.2f} | {usage.cpu:.2f}"
                f" | {usage.resident / 2**20:,.0f} | {note} |",
                flush=True,
            )
        if not theirs.exists():
            print("\nGoAccess is not here.")
            return 0
        mine = json.loads(ours.read_text("utf-8"))
        general = json.loads(theirs.read_text("utf-8", errors="replace"))["general"]
        print(f"\nrequests {mine['requests']:,} and {general['valid_requests']:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
