"""Tables at rest: made of random files, in a directory or in a bucket, and read back."""

import io
import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import Run, nasalogs
from stores import Store

DAY = 86_400_000
FIRST = 804_556_800_000  # 1995-07-01T00:00:00Z

FIELDS = {
    "host": pa.string(),
    "ts": pa.timestamp("ms", "UTC"),
    "status": pa.int16(),
    "bytes": pa.int64(),
    "line_id": pa.string(),
}
Row = dict[str, Any]
Files = dict[str, list[Row]]
SHARD = "shardId-000000000003"


def row(number: int, *, day: int = 0) -> Row:
    """Make a row that is like no other, and always the same."""
    return {
        "host": f"host{number % 7}.example",
        "ts": FIRST + day * DAY + number * 1000,
        "status": (200, 304, 404, None)[number % 4],
        "bytes": number * 31,
        "line_id": f"{number % 3:016x}-{number}",
    }


def parquet(rows: Sequence[Row], fields: Mapping[str, pa.DataType] | None = None, **options: Any) -> bytes:
    """Write rows as somebody else would, who keeps to what all can read."""
    fields = fields or FIELDS
    columns = [pa.array([each.get(name) for each in rows], kind) for name, kind in fields.items()]
    out = io.BytesIO()
    table = pa.table(columns, names=list(fields))
    pq.write_table(table, out, **{"compression": "snappy", "data_page_version": "1.0", **options})
    return out.getvalue()


class Lake(Protocol):
    """A place for a table."""

    def put(self, name: str, body: bytes) -> None:
        """Put a file."""

    def names(self) -> list[str]:
        """Return the names of all files, as somebody sees them who lists."""

    def get(self, name: str) -> bytes:
        """Return a file's bytes; KeyError where it is gone."""

    def run(self, command: str, *arguments: str | Path, code: int = 0) -> Run:
        """Run a command on it."""


@dataclass(frozen=True)
class Directory:
    """A table in a directory."""

    root: Path

    def put(self, name: str, body: bytes) -> None:
        """Put a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_name(f"_{path.name}.tmp")
        whole.write_bytes(body)
        whole.rename(path)

    def names(self) -> list[str]:
        """Return the names of all files; directories that vanish meanwhile have none."""
        found = (Path(folder, name) for folder, _, names in os.walk(self.root) for name in names)
        return sorted(str(path.relative_to(self.root)) for path in found)

    def get(self, name: str) -> bytes:
        """Return a file's bytes."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError as error:
            raise KeyError(name) from error

    def run(self, command: str, *arguments: str | Path, code: int = 0) -> Run:
        """Run a command on it."""
        run = nasalogs(command, self.root, *arguments, check=False)
        assert run.code == code, run.stderr or run.stdout
        return run


@dataclass(frozen=True)
class Prefix:
    """A table in a bucket."""

    store: Store
    prefix: str

    def put(self, name: str, body: bytes) -> None:
        """Put an object."""
        self.store.put(f"{self.prefix}{name}", body)

    def names(self) -> list[str]:
        """Return the keys of all objects, below the table."""
        return [key.removeprefix(self.prefix) for key in self.store.keys(self.prefix)]

    def get(self, name: str) -> bytes:
        """Return an object's bytes."""
        try:
            return self.store.get(f"{self.prefix}{name}")
        except self.store.client.exceptions.NoSuchKey as error:
            raise KeyError(name) from error

    def run(self, command: str, *arguments: str | Path, code: int = 0) -> Run:
        """Run a command on it."""
        return self.store.run(command, self.store.at(self.prefix), *arguments, code=code)


def data_files(lake: Lake) -> list[str]:
    """Return the names that query engines see."""
    return [name for name in lake.names() if not any(part.startswith(("_", ".")) for part in name.split("/"))]


def rows_of(lake: Lake, names: Iterable[str] | None = None) -> list[Row]:
    """Return all rows, file by file, each with its partition."""
    found = []
    for name in data_files(lake) if names is None else names:
        table = pq.read_table(io.BytesIO(lake.get(name)))
        found += [{**each, "dt": name.split("/")[0]} for each in table.to_pylist()]
    return found


def look(lake: Lake) -> Counter[str]:
    """Return how often each id is there, as a reader finds it who starts again when a file vanishes under it."""
    while True:
        try:
            return Counter(each["line_id"] for each in rows_of(lake))
        except KeyError:
            continue


def compact(lake: Lake, *arguments: str | Path, grace: float = 0) -> dict[str, Any]:
    """Compact everything, and return the report."""
    found: dict[str, Any] = json.loads(lake.run("compact", "--all", "--json", "--grace", str(grace), *arguments).stdout)
    return found


def doctor(lake: Lake, *arguments: str, code: int = 1) -> list[dict[str, Any]]:
    """Return what is wrong."""
    found: list[dict[str, Any]] = json.loads(lake.run("doctor", "--json", *arguments, code=code).stdout)["findings"]
    return found


def fill(lake: Lake, files: Files) -> None:
    for name, rows in files.items():
        lake.put(name, parquet(rows))


def first_of_each(lake: Lake) -> list[Row]:
    """Return what the view that removes duplicates gives, in the order of the files' names."""
    seen: set[str] = set()
    found = []
    for each in rows_of(lake):
        if each["line_id"] is None or each["line_id"] not in seen:
            seen.add(each["line_id"])
            found.append(each)
    return found


def some_files(*, days: int = 4, files: int = 6, rows: int = 50, seed: int = 1995) -> Files:
    """Make files of several days in which each row is there, some of them twice."""
    chance = random.Random(seed)  # noqa: S311 -- it is to be the same each time
    made: Files = {}
    for day in range(days):
        numbers = [day * 1_000_000 + at for at in range(files * rows)]
        for at in range(files):
            own = numbers[at * rows : (at + 1) * rows]
            again = chance.sample(numbers, rows // 5)
            name = f"dt=1995-07-{day + 1:02}/{SHARD}-{at:056}-{at + 1:056}.parquet"
            made[name] = [row(number % 1_000_000, day=day) | {"line_id": f"id{number}"} for number in own + again]
    return made


def assert_complete(lake: Lake, expected: list[Row], files: Files) -> None:
    """See that all is merged, and nothing lies around."""
    assert rows_of(lake) == expected
    assert len(lake.names()) == len({name.split("/")[0] for name in files}), lake.names()
