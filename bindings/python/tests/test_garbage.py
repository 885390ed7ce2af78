"""What cannot be read, or stops to be readable: an exception that says why, and never a panic."""

import io
import mmap
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nasalogs
import numpy as np
import pyarrow as pa
import pytest
from sample import GOOD, Whatever, log, numbered, numbers, paths

LOG = numbered(100)
EXPECTED = "expected a path, a pattern, bytes, a binary file object"


@pytest.mark.parametrize(
    "source",
    [None, 5, 1.5, object(), {"a": LOG}, [None], [["a.log"]], [5], ("a", 5), nasalogs, int],
    ids=lambda source: repr(source)[:20],
)
def test_nothing_that_can_be_read(source: Whatever) -> None:
    for take in (nasalogs.read, nasalogs.detect, lambda it: nasalogs.convert(it, "/nowhere/x.parquet")):
        with pytest.raises((TypeError, FileNotFoundError)) as caught:
            take(source)
        assert EXPECTED in str(caught.value) or "no such file" in str(caught.value)


def test_an_empty_list() -> None:
    nothing: list[Whatever] = [[], ()]
    for source in nothing:
        with pytest.raises(ValueError, match="the list is empty"):
            nasalogs.read(source)


def test_text_files(path: Path) -> None:
    with path.open() as file, pytest.raises(TypeError, match=r'open\(path, "rb"\)'):
        nasalogs.read(file)
    with pytest.raises(TypeError, match="binary mode"):
        nasalogs.read(io.StringIO("text"))


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("missing.log", FileNotFoundError, "no such file"),
        ("", IsADirectoryError, "is a directory"),
        ("*.nothing", FileNotFoundError, "no file matches"),
        ("missing/*.log", FileNotFoundError, "no file matches"),
        ("a\0b.log", OSError, "NUL"),
        ("access.log/more", NotADirectoryError, "irectory"),
        ("x" * 5000, OSError, "long"),
        ("[", OSError, "no such file"),
    ],
)
def test_paths_that_are_no_logs(name: str, error: type[OSError], said: str, path: Path) -> None:
    for source in (path.parent / name, [path, str(path.parent / name)]):
        with pytest.raises(error) as caught:
            nasalogs.read(source)
        assert said in str(caught.value)
        if caught.value.errno is not None:
            assert caught.value.filename is not None


def test_a_file_that_may_not_be_read(path: Path) -> None:
    path.chmod(0)
    me = os.geteuid()
    try:
        if me == 0:
            # Root may read everything: be nobody for a while.
            os.seteuid(65_534)
        with pytest.raises(PermissionError):
            nasalogs.read(path)
    finally:
        if me == 0:
            os.seteuid(me)


def test_an_os_error_knows_its_file_and_number(tmp_path: Path) -> None:
    missing = tmp_path / "missing.log"
    with pytest.raises(FileNotFoundError) as caught:
        nasalogs.read(missing)
    assert (caught.value.errno, caught.value.filename) == (2, str(missing))


class Odd:
    """A file object that gives one log, and then something else."""

    def __init__(self, then: Callable[[], Any]) -> None:
        """Of what `then` gives."""
        self.then = then
        self.first = True

    def read(self, _: int = -1) -> Whatever:
        """First the log."""
        if self.first:
            self.first = False
            return LOG
        return self.then()


class Mine(Exception):  # noqa: N818 - it is mine
    """An exception that nobody else can have raised."""


def mine() -> bytes:
    raise Mine


@pytest.mark.parametrize(
    ("then", "error", "said"),
    [
        (lambda: None, BlockingIOError, "non-blocking"),
        (lambda: "text", TypeError, "gave str, not bytes"),
        (lambda: 5, TypeError, "gave int, not bytes"),
        (lambda: [b"x"], TypeError, "gave list, not bytes"),
        (lambda: np.zeros(3), TypeError, "gave ndarray, not bytes"),
        (mine, Mine, ""),
        (lambda: {0: b""}[1], KeyError, "1"),
        (lambda: open("/nonexistent"), FileNotFoundError, "nonexistent"),  # noqa: PTH123, SIM115
    ],
)
def test_read_that_fails(then: Callable[[], Any], error: type[Exception], said: str) -> None:
    ways: list[Callable[[nasalogs.Reader], Any]] = [
        list, nasalogs.Reader.to_pylist, nasalogs.Reader.to_pydict, nasalogs.Reader.to_pyarrow,
        nasalogs.Reader.to_pandas, nasalogs.Reader.to_polars,
    ]  # fmt: skip
    for way in ways:
        with pytest.raises(error) as caught:
            way(nasalogs.read(Odd(then), jobs=1))
        assert type(caught.value) is error
        assert said in str(caught.value)
    # Others make of it what they make of errors, and tell its text.
    with pytest.raises(Exception, match=said or error.__name__):
        pa.table(nasalogs.read(Odd(then)))


def test_the_exception_of_an_object_is_the_very_one() -> None:
    it = Mine("here")

    def fail() -> bytes:
        raise it

    with pytest.raises(Mine) as caught:
        nasalogs.read(Odd(fail)).to_pylist()
    assert caught.value is it
    names = [entry.name for entry in caught.traceback]
    assert names[-2:] == ["read", "fail"]


def test_more_than_was_asked_for() -> None:
    class Generous:
        def __init__(self) -> None:
            self.parts = iter([LOG * 200, b"", LOG])

        def read(self, size: int = -1) -> bytes:
            part = next(self.parts)
            assert not part or len(part) > size
            return part

    assert paths(nasalogs.read(Generous(), format="common").to_pylist()) == numbers(100) * 200


def test_read_without_a_size() -> None:
    class Without:
        def read(self) -> bytes:
            return b""

    with pytest.raises(TypeError, match="positional argument"):
        nasalogs.read(Without())  # type: ignore[arg-type]


def test_a_closed_file(path: Path) -> None:
    with path.open("rb") as file:
        pass
    with pytest.raises(ValueError, match="closed file"):
        nasalogs.read(file)


def test_a_file_that_is_closed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "big.log"
    path.write_bytes(numbered(50_000))
    with path.open("rb") as file:
        batches = iter(nasalogs.read(file, jobs=1))
        assert next(batches).num_rows > 0
    with pytest.raises(ValueError, match="closed file"):
        list(batches)
    # Over is over.
    assert list(batches) == []


def test_generators_that_fail() -> None:
    def pieces() -> Iterator[bytes]:
        yield LOG
        raise Mine

    with pytest.raises(Mine):
        nasalogs.read(pieces()).to_pylist()

    def stops() -> Iterator[bytes]:
        yield LOG
        raise StopAsyncIteration

    with pytest.raises(StopAsyncIteration):
        nasalogs.read(stops()).to_pylist()


@pytest.mark.parametrize("piece", ["text", 5, None, [1], {}])
def test_iterables_of_something_else(piece: Whatever) -> None:
    with pytest.raises(TypeError, match="not bytes"):
        nasalogs.read(iter([LOG, piece])).to_pylist()


def test_memory_with_gaps() -> None:
    for source in (memoryview(LOG)[::2], np.frombuffer(LOG, dtype=np.uint8)[::3]):
        with pytest.raises((TypeError, BufferError, ValueError)):
            nasalogs.read(source).to_pylist()


def test_a_released_memoryview() -> None:
    view = memoryview(bytearray(LOG))
    view.release()
    with pytest.raises((ValueError, TypeError)):
        nasalogs.read(view).to_pylist()
    # One that goes away later was held, or is an error.
    view = memoryview(bytearray(LOG))
    reader = nasalogs.read(view)
    try:
        view.release()
        assert paths(reader.to_pylist()) == numbers(100)
    except (ValueError, BufferError) as error:
        assert "released" in str(error) or "export" in str(error)  # noqa: PT017 - either way is right


def test_a_closed_mmap(path: Path) -> None:
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    memory.close()
    with pytest.raises((ValueError, TypeError)):
        nasalogs.read(memory).to_pylist()


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_a_file_that_shrinks(jobs: int, tmp_path: Path) -> None:
    """A mapped file would end the process here."""
    path = tmp_path / "big.log"
    whole = numbered(60_000)
    path.write_bytes(whole)
    reader = nasalogs.read(path, jobs=jobs)
    batches = iter(reader)
    rows = next(batches).num_rows
    os.truncate(path, 1000)
    try:
        rows += sum(batch.num_rows for batch in batches)
    except (OSError, ValueError) as error:
        assert "big.log" in str(error)  # noqa: PT017 - either way is right
    summary = reader.summary
    assert summary.rows == rows < 60_000
    assert summary.rows + summary.rejected + summary.blank == summary.lines


def test_a_file_that_shrinks_between_two_readings(path: Path) -> None:
    reader = nasalogs.read(path)
    assert reader.to_pyarrow().num_rows == 100
    path.write_bytes(numbered(3))
    assert reader.to_pyarrow().num_rows == 3
    path.write_bytes(b"")
    assert reader.to_pyarrow().num_rows == 0
    path.unlink()
    with pytest.raises(FileNotFoundError):
        reader.to_pyarrow()


def test_a_file_that_changes_its_format_between_two_readings(path: Path) -> None:
    reader = nasalogs.read(path)
    assert reader.to_pyarrow().num_rows == 100
    path.write_bytes(log(*[b"x.example:80 " + GOOD + b' "r" "a"'] * 3))
    # What was promised as one schema is not given as another.
    for take in (nasalogs.Reader.to_pyarrow, pa.table):
        with pytest.raises(ValueError, match=r"(?i)schema|format|changed|External"):
            take(reader)


def test_utf_16_says_so() -> None:
    for coding in ("utf-16-le", "utf-16-be"):
        mark = "\ufeff".encode(coding)
        with pytest.raises(nasalogs.ParseError, match="UTF-16") as caught:
            nasalogs.read(mark + LOG.decode().encode(coding)).to_pylist()
        assert caught.value.kind == "encoding"


def test_an_object_that_is_read_by_two_threads_at_once() -> None:
    """The second waits, or is refused; neither hangs, and no row is there twice."""
    source = nasalogs.read(iter([LOG[:700], LOG[700:]]))
    found: list[int] = []
    refused: list[Exception] = []

    def run() -> None:
        try:
            found.append(len(source.to_pylist()))
        except ValueError as error:
            refused.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert found == [100]
    assert len(refused) == 7


def test_the_end_of_something_else_is_not_the_end(path: Path) -> None:
    def end(_: object = None) -> Any:
        raise StopIteration

    log = path.read_bytes() + b"bad\n" + path.read_bytes()
    for reader in (nasalogs.read(log, on_reject=end), nasalogs.read(Odd(end))):
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            list(reader)
        assert isinstance(caught.value.__cause__, StopIteration)


def test_an_archive_is_not_a_log(path: Path, tmp_path: Path) -> None:
    for name, mode in (("logs.tar", "w"), ("logs.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(path, "access.log")
        for call in (nasalogs.read, nasalogs.detect):
            with pytest.raises(nasalogs.ParseError, match="tar archive"):
                call(tmp_path / name)
        with pytest.raises(nasalogs.ParseError, match="tar archive"):
            nasalogs.read(tmp_path / name, format="common").to_pylist()


def test_other_libraries_say_what_was_raised() -> None:
    def fail(_: object) -> None:
        reason = "the reason"
        raise KeyError(reason)

    with pytest.raises(pa.ArrowInvalid, match="the reason"):
        pa.table(nasalogs.read(LOG + b"bad\n", on_reject=fail))
