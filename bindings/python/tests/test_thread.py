"""Many threads: on the same objects, and on different ones."""

import gc
import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import nasalogs
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sample import BAD, GOOD, GOOD_ROW, log, numbered, numbers, paths

WORKERS = 8
TIMES = 40


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[int], Any], times: int = TIMES) -> list[Any]:
    """Do it many times at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, range(times)))


def test_one_reader() -> None:
    reader = nasalogs.read(numbered(500), batch_bytes=5000, on_reject="collect")
    ways: list[Any] = [
        lambda: paths(reader.to_pylist()),
        lambda: paths(pa.table(reader).to_pylist()),
        lambda: list(reader.to_polars()["path"]),
        lambda: list(pl.DataFrame(reader)["path"]),
        lambda: list(reader.to_pydict()["path"]),
        lambda: [path for batch in reader for path in batch.column("path")],
        lambda: paths(reader.with_strings("view").to_pylist()),
        lambda: [row[0] for row in reader.to_duckdb(duckdb.connect()).project("path").fetchall()],
    ]
    for found in in_threads(lambda number: ways[number % len(ways)]()):
        assert found == numbers(500)
    assert reader.summary.rows == 500


def test_different_readers(path: Path, tmp_path: Path) -> None:
    def work(number: int) -> int:
        sources: list[Any] = [path, path.read_bytes(), io.BytesIO(path.read_bytes()), iter([path.read_bytes()])]
        rows = nasalogs.read(sources[number % 4], jobs=number % 3).to_pylist()
        assert paths(rows) == numbers(100)
        out = tmp_path / f"{number}.parquet"
        nasalogs.convert(path, out)
        assert pq.read_table(out).num_rows == 100
        assert nasalogs.detect(path).format == "common"
        return len(rows)

    assert in_threads(work) == [100] * TIMES


def test_one_iterator_in_many_threads() -> None:
    """Each batch goes to one of them."""
    batches = iter(nasalogs.read(numbered(5000), batch_bytes=1000))
    found: list[str] = []

    def work(_: int) -> None:
        for batch in batches:
            found.extend(batch.column("path"))

    in_threads(work, WORKERS)
    assert len(found) == 5000
    assert sorted(found) == sorted(numbers(5000))


def test_one_traffic_in_many_threads() -> None:
    traffic = nasalogs.generate(20_000)
    blocks = in_threads(lambda _: b"".join(traffic), WORKERS)
    assert sum(block.count(b"\n") for block in blocks) == 20_000
    assert traffic.tally["lines"] == 20_000


def test_lines() -> None:
    forms = ["auto", "common", '%h %l %u %t "%r" %>s %b']

    def work(number: int) -> None:
        for _ in range(50):
            record = nasalogs.parse_line(GOOD, format=forms[number % 3])
            assert record.to_dict() == GOOD_ROW
            batch = nasalogs.parse([GOOD, *BAD], format="common")
            assert (batch.num_rows, len(batch.rejects)) == (1, len(BAD))
            with pytest.raises(nasalogs.ParseError):
                nasalogs.parse_line("bad", format="common")
            assert nasalogs.parse_line("h 1", format=f"%h %{{n{number}}}i")[f"n{number}"] == "1"

    in_threads(work)


def test_callbacks_of_many_threads() -> None:
    """Functions that are called from within, while others wait for the interpreter."""

    def work(number: int) -> int:
        called: list[nasalogs.Reject] = []
        content = log(*[GOOD, b"bad"] * 500)
        source = iter([content[start : start + 1000] for start in range(0, len(content), 1000)])
        reader = nasalogs.read(source, on_reject=called.append, jobs=1 + number % 2, batch_bytes=3000)
        rows = sum(batch.num_rows for batch in reader)
        assert [reject.line for reject in called] == list(range(2, 1002, 2))
        return rows

    assert in_threads(work) == [500] * TIMES


@pytest.mark.parametrize("how", ["pa.table", "convert", "next", "parse"])
def test_others_go_on_meanwhile(how: str, big: Path, tmp_path: Path) -> None:
    """The interpreter is free while a single call reads 200,000 lines."""
    content = big.read_bytes()
    reader = nasalogs.read(big, batch_bytes=1 << 26)
    calls: dict[str, Any] = {
        "pa.table": lambda: pa.table(reader),
        "convert": lambda: nasalogs.convert(big, tmp_path / "out.parquet"),
        "next": lambda: next(iter(reader)),
        "parse": lambda: nasalogs.parse(content, format="common"),
    }
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.0001)

    ticker = threading.Thread(target=tick)
    # As long as this thread holds on to the interpreter, the other gets nothing: it cannot ask for it.
    sys.setswitchinterval(100)
    ticker.start()
    try:
        before = ticks
        calls[how]()
        meanwhile = ticks - before
    finally:
        done.set()
        sys.setswitchinterval(1e-5)
        ticker.join()
    assert meanwhile > 20


def test_a_reader_that_goes_away_meanwhile() -> None:
    def work(number: int) -> int:
        batches = iter(nasalogs.read(numbered(3000), batch_bytes=1000, jobs=2))
        first = next(batches)
        if number % 2:
            del batches
            gc.collect()
        return first.num_rows

    assert all(rows > 0 for rows in in_threads(work))
