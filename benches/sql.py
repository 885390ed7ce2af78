"""Questions in SQL to a raw log: nasalogs with each layout of strings, and DuckDB that splits lines at blanks.

Each run is a process of its own, from the file cache, to an answer in CSV; the answers must be the same.

    python benches/sql.py --nasalogs target/release/nasalogs access.log
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Final

from side_by_side import RIVALS, Usage, begin, best_of, row

QUESTIONS: Final = {
    "top 10 paths": "SELECT path, count(*) AS hits FROM logs WHERE path IS NOT NULL GROUP BY path "
    "ORDER BY hits DESC, path LIMIT 10",
    "top 10 hosts": "SELECT host, count(*) AS hits FROM logs GROUP BY host ORDER BY hits DESC, host LIMIT 10",
    "status codes": "SELECT status, count(*) AS n FROM logs GROUP BY status ORDER BY n DESC, status",
    "requests per hour": "SELECT date_part('hour', ts) AS h, count(*) AS n FROM logs GROUP BY 1 ORDER BY 1",
    "404s by path": "SELECT path, count(*) AS n, count(DISTINCT host) AS hosts FROM logs WHERE status = 404 "
    "GROUP BY path ORDER BY n DESC, path LIMIT 10",
    "bytes by host": "SELECT host, sum(bytes) AS sent FROM logs GROUP BY host "
    "ORDER BY sent DESC NULLS LAST, host LIMIT 10",
    "last 10 by size": "SELECT host, path, bytes FROM logs ORDER BY bytes DESC NULLS LAST, host, path LIMIT 10",
}


def rows(out: Path) -> list[list[str]]:
    """An answer without its header."""
    with out.open(newline="", encoding="utf-8") as file:
        return [[cell.strip() for cell in row] for row in csv.reader(file)][1:]


def main() -> int:
    """Measure all, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True, help="the command to measure")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many (3)")
    options = parser.parse_args()

    size = options.log.stat().st_size
    begin("question | tool", size, options.runs)
    worse = 0
    with tempfile.TemporaryDirectory(dir=options.log.parent) as folder:
        out = Path(folder) / "out.csv"
        for name, question in QUESTIONS.items():
            ours = [str(options.nasalogs), "sql", question, str(options.log), "-q", "-o", str(out), "--strings"]
            duckdb = [sys.executable, str(RIVALS / "sql_with_duckdb.py"), question, str(options.log), str(out)]
            commands = {f"nasalogs, {layout}": [*ours, layout] for layout in ("view", "compact", "utf8")}
            commands["DuckDB read_csv(' ')"] = duckdb
            answers: list[list[list[str]]] = []
            usages: list[Usage] = []
            for tool, command in commands.items():
                usage = best_of(options.runs, command, out)
                note = ""
                if not usage.code:
                    answers.append(rows(out))
                    usages.append(usage)
                    note = "" if answers[-1] == answers[0] else "another answer"
                row(f"{name} | {tool}", size, usage, note)
            worse += any(answer != answers[0] for answer in answers) or len(usages) < len(commands)
            worse += len(usages) == len(commands) and usages[0].wall > usages[-1].wall
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
