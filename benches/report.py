"""Reports of a raw log: nasalogs, exact and with estimates, as JSON and as a page, and GoAccess.

Each run is a process of its own, from the file cache; GoAccess runs once. Both must count the same requests.

    python benches/report.py --nasalogs target/release/nasalogs access.log
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from side_by_side import begin, best_of, row

GOACCESS: Final = [
    "--log-format=COMMON",
    "--no-ip-validation",
    "--no-progress",
    "--no-query-string",
]


def main() -> int:
    """Measure all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True, help="the command to measure")
    parser.add_argument("--runs", type=int, default=5, help="the best of so many (5)")
    options = parser.parse_args()

    size = options.log.stat().st_size
    begin("report", size, options.runs)
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
            row(name, size, best_of(runs, command, out), "")
        if not theirs.exists():
            print("\nGoAccess is not here.")
            return 0
        mine = json.loads(ours.read_text("utf-8"))
        general = json.loads(theirs.read_text("utf-8", errors="replace"))["general"]
        counts = [(mine["requests"], general["valid_requests"]), (mine["unique_hosts"], general["unique_visitors"])]
        print("\nrequests {:,} and {:,}; hosts {:,}, visitors a day of GoAccess {:,}".format(*counts[0], *counts[1]))
    return int(counts[0][0] != counts[0][1])


if __name__ == "__main__":
    sys.exit(main())
