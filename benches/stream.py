"""`nasalogs stream` against the Kinesis simulator, beside what Python scripts do.

Five tables: lines a second and processor time of each form, with the simulator's limits off; lines that a shard takes a
second, with the limits on; how long a new line takes; what following costs while nothing happens.

    python benches/stream.py --nasalogs target/release/nasalogs --simulator target/release/nasalogs-simulator access.log
"""

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FORMS: Final = ("raw", "ndjson", "kpl", "block")
#: So many that a run's own limit of 1,000 records a second for each does not hold it back.
MANY_SHARDS: Final = 512
#: Of the log, for those who would take minutes for all of it.
PREFIX: Final = {"put_records": 100_000, "put_record": 5_000}
#: With limits on: so many lines that a run takes 10 to 15 seconds.
LIMITED: Final = {"raw": 12_000, "ndjson": 12_000, "kpl": 100_000, "block": 1_000_000}
#: One: the few records of blocks would not be spread evenly over several in so short a time.
LIMITED_SHARDS: Final = 1


@dataclass(frozen=True)
class Usage:
    """What a process took, in seconds, and what it said."""

    wall: float
    cpu: float
    said: str


class Simulator:
    """A simulator of its own process, with one stream."""

    def __init__(self, program: Path, *flags: str) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [program, "--stop-with-stdin", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()

    def ask(self, path: str) -> bytes:
        """Read one of its pages."""
        with urllib.request.urlopen(self.url + path) as answer:  # noqa: S310 -- our own
            content: bytes = answer.read()
            return content

    def stored(self) -> int:
        """How many records are there."""
        return int(json.loads(self.ask("/_stats"))["records"])

    def stop(self) -> None:
        """Stop it by the end of its input."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)


@contextlib.contextmanager
def simulator(program: Path, *flags: str) -> Iterator[Simulator]:
    """Run a simulator for as long as it is wanted."""
    started = Simulator(program, *flags)
    try:
        yield started
    finally:
        started.stop()


def environment(url: str, state: Path) -> dict[str, str]:
    """Return an environment in which only the simulator is found."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    paths = os.pathsep.join([str(ROOT / "benches" / "rivals"), str(ROOT / "bindings" / "python" / "tests")])
    return ours | {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_STATE_HOME": str(state),
        "PYTHONPATH": paths,
    }


def measure(command: Sequence[str | Path], env: dict[str, str]) -> Usage:
    """Run a command to its end."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        output = [(os.POSIX_SPAWN_DUP2, said.fileno(), 1)]
        child = os.posix_spawn(words[0], words, env, file_actions=output)
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - began
        said.seek(0)
        text = said.read().decode()
    assert os.waitstatus_to_exitcode(status) == 0, f"{words} failed"
    return Usage(wall, usage.ru_utime + usage.ru_stime, text)


class Bench:
    """The programs, the log, and a place for files."""

    def __init__(self, nasalogs: Path, program: Path, log: Path, folder: Path) -> None:
        self.nasalogs, self.program, self.log, self.folder = nasalogs, program, log, folder
        with log.open("rb") as file:
            self.lines = sum(1 for _ in file)

    def stream(self, url: str, log: Path, *options: str) -> tuple[Usage, dict[str, Any]]:
        """Deliver a log, and return what that took and the report."""
        to = ["--to", "kinesis://s", "--no-checkpoint", "--quiet", "--report", "-"]
        usage = measure([self.nasalogs, "stream", log, *to, *options], environment(url, self.folder))
        report: dict[str, Any] = json.loads(usage.said)
        assert report["acknowledged"] == report["lines"]
        return usage, report

    def prefix(self, count: int) -> Path:
        """The first lines of the log."""
        path = self.folder / f"{count}.log"
        with self.log.open("rb") as file, path.open("wb") as out:
            out.writelines(islice(file, count))
        return path

    def free(self, runs: int) -> None:
        """Limits off: the best of several by processor time."""
        print(f"\n| limits off, {MANY_SHARDS} shards | lines | lines/s | CPU s a million lines | times put_records |")
        print("|---|--:|--:|--:|--:|")
        rows = []
        with simulator(self.program, "--no-limits", "--keep", "count", "--stream", f"s:{MANY_SHARDS}") as server:
            env = environment(server.url, self.folder)
            for how, lines in PREFIX.items():
                script = ROOT / "benches" / "rivals" / "with_boto3.py"
                usage = measure([sys.executable, script, how, self.log, str(min(lines, self.lines))], env)
                rows.append((f"boto3 `{how}`, the script", int(usage.said), usage))
            for form in FORMS:
                found = [self.stream(server.url, self.log, "--records", form) for _ in range(runs)]
                usage, report = min(found, key=lambda run: run[0].cpu)
                rows.append((f"`--records {form}`", report["lines"], usage))
        rival = rows[0][1] / rows[0][2].wall
        for name, lines, usage in rows:
            speed = lines / usage.wall
            print(f"| {name} | {lines:,} | {speed:,.0f} | {usage.cpu / lines * 1e6:.2f} | {speed / rival:.2f} |")

    def limited(self) -> None:
        """Limits on: what a shard takes, and what `--dry-run` says of it."""
        usage = measure(
            [self.nasalogs, "stream", self.log, "--to", "kinesis://s", "--dry-run", "--report", "-"],
            environment("http://127.0.0.1:9", self.folder),
        )
        said = {row["records_form"]: row for row in json.loads(usage.said)["dry_run"]["forms"]}
        print(
            f"\n| limits on, {LIMITED_SHARDS} shard | lines | s | lines a shard-second | of raw "
            "| `--dry-run` says | throttled |"
        )
        print("|---|--:|--:|--:|--:|--:|--:|")
        raw = 0.0
        for form in FORMS:
            log = self.prefix(min(LIMITED[form], self.lines))
            with simulator(self.program, "--keep", "count", "--stream", f"s:{LIMITED_SHARDS}") as server:
                _, report = self.stream(server.url, log, "--records", form)
            log.unlink()
            speed = report["lines"] / report["seconds"] / LIMITED_SHARDS
            raw = raw or speed
            print(
                f"| `--records {form}` | {report['lines']:,} | {report['seconds']:.1f} | {speed:,.0f} "
                f"| {speed / raw:.1f} | {said[form]['lines_per_shard_second']:,.0f} | {report['throttled']:,} |"
            )

    def follow(self, url: str, *options: str) -> subprocess.Popen[bytes]:
        """Begin to follow."""
        command = [self.nasalogs, "stream", "--to", "kinesis://s", "--follow", "--no-checkpoint", "--quiet", *options]
        return subprocess.Popen([str(word) for word in command], env=environment(url, self.folder))

    def latency(self, count: int) -> None:
        """From the writing of a line to the time at which the simulator stored it."""
        print("\n| a new line, written until stored | lines | median ms | max ms |")
        print("|---|--:|--:|--:|")
        for form in FORMS:
            log = self.folder / f"{form}.log"
            with self.log.open("rb") as file:
                some = list(islice(file, count + 1))
            log.write_bytes(some.pop(0))
            with simulator(self.program, "--stream", "s:1") as server:
                running = self.follow(server.url, str(log), "--records", form)
                wait_for(server, 1)
                written = []
                with log.open("ab", buffering=0) as file:
                    for number, line in enumerate(some, start=2):
                        # At any moment of the follower's rhythm.
                        time.sleep(0.05 + random.random() * 0.1)  # noqa: S311 -- no secret
                        written.append(time.time() * 1000)
                        file.write(line)
                        wait_for(server, number)
                rows = [json.loads(row) for row in server.ask("/_records?stream=s").splitlines()]
                stop(running)
            took = [row["arrival_ms"] - then for row, then in zip(rows[1:], written, strict=True)]
            print(f"| `--records {form}` | {len(took)} | {statistics.median(took):.0f} | {max(took):.0f} |")

    def idle(self, seconds: float) -> None:
        """What it takes to follow files to which nothing happens."""
        print(f"\n| following for {seconds:.0f} s, nothing happens | CPU ms a second | share of a core |")
        print("|---|--:|--:|")
        for files in (1, 1000):
            logs = self.folder / f"idle-{files}"
            logs.mkdir()
            with self.log.open("rb") as file:
                for number, line in enumerate(islice(file, files)):
                    (logs / f"{number}.log").write_bytes(line)
            with simulator(self.program, "--stream", f"s:{MANY_SHARDS}") as server:
                running = self.follow(server.url, str(logs))
                wait_for(server, files)
                time.sleep(2)
                before = cpu(running.pid)
                time.sleep(seconds)
                share = (cpu(running.pid) - before) / seconds
                stop(running)
            print(f"| {files:,} files | {share * 1000:.1f} | {share:.2%} |")


def wait_for(server: Simulator, count: int) -> None:
    """Wait until so many records are stored."""
    until = time.monotonic() + 60
    while server.stored() < count:
        assert time.monotonic() < until, "nothing comes"
        time.sleep(0.002)


def cpu(process: int) -> float:
    """Processor time of a process so far, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stop(running: subprocess.Popen[bytes]) -> None:
    """Ask a process to stop."""
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0


def main() -> int:
    """Measure all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--nasalogs", type=Path, required=True)
    parser.add_argument("--simulator", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3, help="the best of so many, with limits off (3)")
    parser.add_argument("--only", choices=["free", "limited", "latency", "idle"], help="one table alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.nasalogs.resolve(), options.simulator.resolve(), options.log, Path(folder))
        tables: dict[str, Callable[[], None]] = {
            "free": lambda: bench.free(options.runs),
            "limited": bench.limited,
            "latency": lambda: bench.latency(40),
            "idle": lambda: bench.idle(20),
        }
        for name, measured in tables.items():
            if options.only in {None, name}:
                measured()
    return 0


if __name__ == "__main__":
    sys.exit(main())
