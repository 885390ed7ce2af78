"""A function of Lambda behind a stream of Kinesis: this package beside what scripts do without it.

Each way takes an event in a process of its own, the best of several, with a store in memory: what S3 takes is the same
for all, but for the number of objects, which is said. Then how long a process takes to start.

    PYTHONPATH=where/the/layer/is/python python benches/lambda.py --layer nasalogs-layer.zip access.log
"""

import argparse
import base64
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

# What Lambda passes at most: bytes of JSON, and records.
BYTES, RECORDS = 6 << 20, 10_000
SHARD: Final = "shardId-000000000000"
BASE: Final = 49590338271490256608559692538361571095921575989136588898


class Memory:
    """A store that takes everything at once."""

    def __init__(self) -> None:
        """Count."""
        self.objects = self.bytes = 0

    def put_object(self, *, Body: bytes, **_: object) -> None:  # noqa: N803 -- boto3's
        """Take an object."""
        self.objects += 1
        self.bytes += len(Body)

    def get_paginator(self, _name: str) -> "Memory":
        """Return what lists nothing."""
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        """List nothing."""
        return [{}]


def lines_of(event: dict[str, Any]) -> Iterator[str]:
    """The lines of an event of raw lines."""
    for record in event["Records"]:
        yield from base64.b64decode(record["kinesis"]["data"]).decode("latin-1").splitlines()


def parser(event: dict[str, Any], store: Memory) -> int:
    """`parse_kinesis_event(event)`, and Parquet of all its rows."""
    from nasalogs.aws import parse_kinesis_event  # noqa: PLC0415

    batch = parse_kinesis_event(event)
    for _, body in batch.objects("access/"):
        store.put_object(Body=body)
    return batch.rows


def handler(event: dict[str, Any], store: Memory) -> int:
    """`KinesisHandler`: the same, rejects and a commit."""
    from nasalogs.aws import KinesisHandler  # noqa: PLC0415

    assert KinesisHandler("s3://lake/access/", client=store)(event) == {"batchItemFailures": []}
    return 0


def classic(event: dict[str, Any], store: Memory) -> int:
    """The classic function: an object for each record."""
    for record in event["Records"]:
        row = json.loads(base64.b64decode(record["kinesis"]["data"]))
        store.put_object(Body=json.dumps(row).encode())
    return len(event["Records"])


def pandas_of_objects(event: dict[str, Any], store: Memory) -> int:
    """The classic records with pandas, and Parquet by pyarrow."""
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame([json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="%d/%b/%Y:%H:%M:%S %z", utc=True)
    return parquet(frame, store)


def pandas_of_lines(event: dict[str, Any], store: Memory) -> int:
    """Raw lines with pandas, and Parquet by pyarrow."""
    import pandas as pd  # noqa: PLC0415

    pattern = r'^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) (\S+)(?: (HTTP/\S+))?" (\d{3}) (\d+|-)$'
    frame = pd.Series(list(lines_of(event))).str.extract(pattern)
    frame.columns = pd.Index(["ip", "timestamp", "method", "url", "protocol", "status_code", "bytes"])
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="%d/%b/%Y:%H:%M:%S %z", utc=True)
    for name in ("status_code", "bytes"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return parquet(frame, store)


def parquet(frame: Any, store: Memory) -> int:
    """Write a frame, an object for each day."""
    for _, rows in frame.groupby(frame["timestamp"].dt.date):
        body = io.BytesIO()
        rows.to_parquet(body, compression="zstd")
        store.put_object(Body=body.getvalue())
    return len(frame)


Way = Callable[[dict[str, Any], Memory], int]
FORMS: Final = ["raw", "lines", "classic", "ndjson", "kpl", "block"]
RIVALS: Final[dict[str, Way]] = {"classic": classic, "pandas": pandas_of_objects, "pandas of lines": pandas_of_lines}
WAYS: Final[dict[str, Way]] = {"parser": parser, "handler": handler, **RIVALS}


def measure(way: Way, path: Path, runs: int) -> dict[str, float]:
    """Take an event: the first time, and the best of more, by processor time."""
    event = json.loads(path.read_text())
    found = []
    for _ in range(runs + 1):
        store = Memory()
        cpu, wall = time.process_time(), time.perf_counter()
        rows = way(event, store)
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = min(found[1:])
    return {"wall": wall, "cpu": cpu, "peak": peak(), "objects": store.objects, "bytes": store.bytes, "rows": rows}


def peak() -> float:
    """The most memory that this process had, in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # What the resource module says counts the parent's memory, too.
        [kilobytes] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(kilobytes) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def start(path: Path) -> dict[str, float]:
    """A process's first result, beyond what boto3 takes by itself."""
    event = json.loads(path.read_text())
    began = time.perf_counter()
    import boto3  # noqa: PLC0415

    boto3.client("s3", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")  # noqa: S106
    known = time.perf_counter()
    from nasalogs.aws import KinesisHandler  # noqa: PLC0415

    function = KinesisHandler("s3://lake/access/", client=Memory())
    imported = time.perf_counter()
    function(event)
    return {"boto3": known - began, "import": imported - known, "first": time.perf_counter() - imported}


def records(log: Path, form: str) -> Iterator[bytes]:
    """What records of a form hold."""
    from nasalogs.aws import kinesis_batches  # noqa: PLC0415

    if form == "lines":
        with log.open("rb") as file:
            yield from iter(lambda: b"".join(islice(file, 50)), b"")
        return
    names = "classic" if form == "classic" else "nasalogs"
    packed = kinesis_batches(log, form="ndjson" if form == "classic" else form, names=names)  # type: ignore[arg-type]
    yield from (record["Data"] for record in chain.from_iterable(packed))


def write_event(log: Path, form: str, path: Path, most: int = RECORDS) -> None:
    """As large an event of a form as Lambda passes."""
    made: list[dict[str, Any]] = []
    size = 0
    for at, data in enumerate(records(log, form)):
        sequence = str(BASE + at)
        record = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": f"{at:032x}",
                "sequenceNumber": sequence,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": 804571201.25,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{SHARD}:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/function",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/access-log",
        }
        size += len(json.dumps(record)) + 2
        if size > BYTES or at == most:
            break
        made.append(record)
    path.write_text(json.dumps({"Records": made}))


def lines_in(path: Path, log: Path) -> tuple[int, int, float]:
    """Records, lines, and megabytes of lines of an event, which begins where the log does."""
    from nasalogs.aws import parse_kinesis_event  # noqa: PLC0415

    batch = parse_kinesis_event(json.loads(path.read_text()))
    with log.open("rb") as file:
        return batch.records, batch.rows, sum(len(line) for line in islice(file, batch.rows)) / 1e6


def child(*words: str | Path) -> dict[str, float]:
    """Run this in a process of its own; what it writes where the layer is, it could not write in Lambda."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, __file__, *words], env=environment, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def installed(*packages: str) -> float:
    """Megabytes that packages take where they are installed."""
    import pandas as pd  # noqa: PLC0415

    site = Path(pd.__file__).parents[1]
    folders = [folder for name in packages for folder in (site / name, site / f"{name}.libs") if folder.exists()]
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file()) / 1e6


def report(log: Path, layer: Path, runs: int, folder: Path) -> None:
    """Measure all, print three tables."""
    events = {form: folder / f"{form}.json" for form in FORMS}
    print("| a record holds | records | lines | MB | MB of lines | ms | CPU ms | MB/s of lines | MB of Parquet |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for form, path in events.items():
        write_event(log, form, path)
        count, lines, size = lines_in(path, log)
        found = child("--way", "parser", "--runs", str(runs), path)
        wall, cpu = found["wall"], found["cpu"]
        print(
            f"| {form} | {count:,} | {lines:,} | {path.stat().st_size / 1e6:.1f} | {size:.1f} "
            f"| {wall * 1e3:.1f} | {cpu * 1e3:.1f} | {size / wall:,.0f} | {found['bytes'] / 1e6:.2f} |"
        )
    print("\n| a function | a record holds | ms | CPU ms | peak MB | objects |\n|---|---|--:|--:|--:|--:|")
    asked = [("handler", form) for form in FORMS]
    asked += [("classic", "classic"), ("pandas", "classic"), ("pandas of lines", "raw"), ("pandas of lines", "lines")]
    for name, form in asked:
        found = child("--way", name, "--runs", str(runs), events[form])
        print(
            f"| {name} | {form} | {found['wall'] * 1e3:.1f} | {found['cpu'] * 1e3:.1f} | {found['peak']:.0f} "
            f"| {found['objects']:,} |"
        )
    small = folder / "small.json"
    write_event(log, "raw", small, most=100)
    starts = [child("--start", small) for _ in range(4 * runs)]
    mean = {name: statistics.median(found[name] for found in starts) * 1e3 for name in starts[0]}
    print("\n| a process starts | ms |\n|---|--:|")
    print(f"| boto3, and its client of S3 | {mean['boto3']:.0f} |")
    print(f"| nasalogs.aws, and a handler | {mean['import']:.1f} |")
    print(f"| its first result, of 100 lines | {mean['first']:.1f} |")
    with zipfile.ZipFile(layer) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    print(
        f"\nThe layer: {layer.stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} unpacked; "
        f"pandas, numpy and pyarrow, installed: {installed('pandas', 'numpy', 'pyarrow'):.0f}"
    )


def main() -> int:
    """Measure all; or one thing, in a process of its own."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("path", type=Path, help="the log")
    options.add_argument("--layer", type=Path, help="the layer, for its size")
    options.add_argument("--runs", type=int, default=7, help="the best of so many (7)")
    options.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options.add_argument("--start", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.way:
        print(json.dumps(measure(WAYS[given.way], given.path, given.runs)))
    elif given.start:
        print(json.dumps(start(given.path)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            report(given.path, given.layer, given.runs, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
