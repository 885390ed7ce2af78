"""Whatever can be read gives the same rows."""

import bz2
import gzip
import io
import lzma
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nasalogs
import pyarrow as pa
import pytest
from conftest import Command, Python
from sample import GOOD, GOOD_ROW, log, numbered, numbers, paths

LOG = numbered(100)


class PathLike:
    """What has a path, in the form that it was made with."""

    def __init__(self, path: str | bytes) -> None:
        """Of a path."""
        self.path = path

    def __fspath__(self) -> str | bytes:
        """Give the path."""
        return self.path


class Reading:
    """A file object with nothing but `read`, which gives a little at a time."""

    def __init__(self, content: bytes, most: int = 1 << 30) -> None:
        """Of some content."""
        self.file = io.BytesIO(content)
        self.most = most

    def read(self, size: int) -> bytes:
        """At most `most` bytes."""
        return self.file.read(min(size, self.most))


def pieces(content: bytes, size: int) -> list[bytes]:
    """The content, cut."""
    return [content[at : at + size] for at in range(0, len(content), size)]


def mapped(path: Path) -> mmap.mmap:
    """A file in memory."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


# Each makes a source of `LOG`, of which there is a copy at a path; and whether it can be read again.
SOURCES: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "str": (str, True),
    "Path": (lambda path: path, True),
    "PathLike": (lambda path: PathLike(str(path)), True),
    "PathLike of bytes": (lambda path: PathLike(os.fsencode(path)), True),
    "pattern": (lambda path: str(path.parent / "acc*.log"), True),
    "pattern in a PathLike": (lambda path: path.parent / "access.l?g", True),
    "list of one path": (lambda path: [path], True),
    "tuple of one path": (lambda path: (str(path),), True),
    "bytes": (lambda _: LOG, True),
    "bytearray": (lambda _: bytearray(LOG), True),
    "memoryview": (lambda _: memoryview(LOG), True),
    "memoryview of a part": (lambda _: memoryview(b"not it\n" + LOG + b"nor this")[7:-8], True),
    "mmap": (mapped, True),
    "memoryview of an mmap": (lambda path: memoryview(mapped(path)), True),
    "pyarrow buffer": (lambda _: pa.py_buffer(LOG), True),
    "list of bytes": (lambda _: pieces(LOG, 1000), True),
    "tuple of bytes": (lambda _: tuple(pieces(LOG, 7)), True),
    "list of buffers": (lambda _: [bytearray(LOG[:50]), memoryview(LOG[50:]), b""], True),
    "list of lines": (lambda _: LOG.splitlines(keepends=True), True),
    "list of a path and an object": (lambda path: [path, io.BytesIO(b"")], False),
    "BytesIO": (lambda _: io.BytesIO(LOG), False),
    "open file": (lambda path: path.open("rb"), False),
    "unbuffered file": (lambda path: path.open("rb", buffering=0), False),
    "GzipFile": (lambda _: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(LOG))), False),
    "read, 1 byte at a time": (lambda _: Reading(LOG, 1), False),
    "read, 1000 bytes at a time": (lambda _: Reading(LOG, 1000), False),
    "read of compressed bytes": (lambda _: Reading(gzip.compress(LOG), 3), False),
    "generator": (lambda _: (piece for piece in pieces(LOG, 13)), False),
    "generator of buffers": (lambda _: (bytearray(piece) for piece in pieces(LOG, 13)), False),
    "generator with empty pieces": (
        lambda _: (part for one in pieces(LOG, 99) for part in (b"", one)),
        False,
    ),
    "generator of compressed bytes": (lambda _: iter(pieces(gzip.compress(LOG), 3)), False),
    "dict keys": (lambda _: dict.fromkeys(LOG.splitlines(keepends=True)).keys(), False),
    "gzip in memory": (lambda _: gzip.compress(LOG), True),
    "gzip in many members": (lambda _: b"".join(map(gzip.compress, pieces(LOG, 999))), True),
    "bzip2 in memory": (lambda _: bz2.compress(LOG), True),
    "xz in memory": (lambda _: lzma.compress(LOG), True),
    "zstd in memory": (lambda _: pa.compress(LOG, "zstd", asbytes=True), True),
    "gzip in a buffer": (lambda _: bytearray(gzip.compress(LOG)), True),
}


@pytest.mark.parametrize("source", SOURCES)
def test_gives_all_rows(source: str, path: Path) -> None:
    make, again = SOURCES[source]
    made = make(path)
    reader = nasalogs.read(made)
    assert paths(reader.to_pylist()) == numbers(100)
    assert (reader.summary.lines, reader.summary.rows) == (100, 100)
    if again:
        assert paths(reader.to_pylist()) == numbers(100)
    else:
        with pytest.raises(ValueError, match="read only once"):
            reader.to_pylist()
        # Neither is it half alive.
        with pytest.raises(ValueError, match="read only once"):
            iter(reader)
    if hasattr(made, "close"):
        made.close()


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
        ("zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
    ],
)
def test_compression_is_told_by_content(suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    packed = compress(LOG)
    for name in (f"a.log.{suffix}", "b.log", "c.txt.zip"):
        path = tmp_path / name
        path.write_bytes(packed)
        reader = nasalogs.read(path)
        assert paths(reader.to_pylist()) == numbers(100)
        assert (reader.summary.bytes_in, reader.summary.bytes_parsed) == (len(packed), len(LOG))


def test_a_suffix_is_no_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(LOG)
    assert nasalogs.read(path).to_pyarrow().num_rows == 100


@pytest.mark.parametrize("cut", [1, 9, 100])
def test_a_cut_archive_is_an_error(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(LOG)[:-cut])
    with pytest.raises(OSError, match=r"a\.log\.gz"):
        nasalogs.read(path).to_pylist()
    with pytest.raises(OSError, match="gzip"):
        nasalogs.read(path.read_bytes()).to_pylist()


def test_several_files_in_the_order_they_are_named(tmp_path: Path) -> None:
    whole = LOG.splitlines(keepends=True)
    names = ["b.log", "a.log", "c.log.gz"]
    for number, name in enumerate(names):
        part = b"".join(whole[number * 30 : number * 30 + 30])
        (tmp_path / name).write_bytes(gzip.compress(part) if name.endswith("gz") else part)
    files = [tmp_path / name for name in names]
    reader = nasalogs.read(files, extras=["file", "line"])
    rows = reader.to_pylist()
    assert paths(rows) == numbers(90)
    assert [row["file"] for row in rows] == [str(file) for file in files for _ in range(30)]
    assert [row["line"] for row in rows] == list(range(1, 31)) * 3
    assert reader.summary.files == 3
    # A pattern gives them in the order of their names.
    found = nasalogs.read(tmp_path / "*.log").to_pylist()
    assert paths(found) == [*numbers(60)[30:], *numbers(30)]


def test_mixed_list(path: Path) -> None:
    mixed = [path, io.BytesIO(LOG), LOG, bytearray(LOG)]
    assert paths(nasalogs.read(mixed).to_pylist()) == numbers(100) * 4


def test_a_list_of_bytes_is_one_log() -> None:
    # Cut in the middle of a line, and of a compressed stream.
    assert paths(nasalogs.read([LOG[:10], LOG[10:]]).to_pylist()) == numbers(100)
    packed = gzip.compress(LOG)
    assert paths(nasalogs.read([packed[:10], packed[10:]]).to_pylist()) == numbers(100)


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9\xff.log"
    try:
        with open(name, "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
            file.write(LOG)
    except OSError:
        pytest.skip("this file system wants names to be text")
    sources: list[Any] = [os.fsdecode(name), PathLike(name), Path(os.fsdecode(name)), [PathLike(name)]]
    for source in sources:
        reader = nasalogs.read(source, extras=["file"])
        rows = reader.to_pylist()
        assert paths(rows) == numbers(100)
        # What is text in a column has to be valid.
        assert rows[0]["file"].encode("utf-8").decode("utf-8").startswith(str(tmp_path / "caf"))
        assert pa.table(reader).column("file").to_pylist()[0] == rows[0]["file"]


def test_a_pattern_beside_a_name_that_is_no_text(path: Path) -> None:
    try:
        with open(os.fsencode(path.parent) + b"/\xe9.log", "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
            file.write(LOG)
    except OSError:
        pytest.skip("this file system wants names to be text")
    assert paths(nasalogs.read(path.parent / "a*.log").to_pylist()) == numbers(100)
    # It matches, and is not passed over in silence.
    assert nasalogs.read(path.parent / "*.log").to_pyarrow().num_rows == 200


def test_files_may_be_named_by_odd_objects() -> None:
    class Named(io.BytesIO):
        name = 7

    assert paths(nasalogs.read(Named(LOG)).to_pylist()) == numbers(100)


def test_an_object_names_its_rejects(path: Path) -> None:
    path.write_bytes(log(GOOD, b"bad"))
    with path.open("rb") as file:
        reader = nasalogs.read(file, on_reject="collect")
        assert reader.to_pylist() == [GOOD_ROW]
    assert [reject.file for reject in reader.rejects] == [str(path)]


def test_reads_from_where_a_file_stands(path: Path) -> None:
    with path.open("rb") as file:
        first = file.readline()
        assert paths(nasalogs.read(file).to_pylist()) == numbers(100)[1:]
        assert not file.closed
        file.seek(0)
        assert file.readline() == first


def test_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(LOG,))
    writer.start()
    reader = nasalogs.read(fifo)
    assert paths(reader.to_pylist()) == numbers(100)
    writer.join()
    with pytest.raises(ValueError, match="read only once"):
        reader.to_pyarrow()


STDIN = """
import sys, nasalogs
reader = nasalogs.read("-")
print(reader.to_pyarrow().num_rows)
try:
    reader.to_pylist()
except ValueError as error:
    print(error)
"""


def test_standard_input(python: Python, path: Path) -> None:
    with path.open("rb") as file:
        done = python(STDIN, stdin=file)
    assert done.stdout.startswith("100\n")
    assert "read only once" in done.stdout


def test_standard_input_of_a_pipe(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    command("convert", "-", "-o", out, input=LOG)
    assert out.read_bytes().count(b"\n") == 100


def test_closed_standard_input(python: Python) -> None:
    code = "import sys, nasalogs; sys.stdin = None; nasalogs.read('-')"
    done = python(code, check=False)
    assert done.returncode == 1
    assert "Error" in done.stderr
    assert "panic" not in done.stderr


def test_pipe_of_a_process() -> None:
    code = f"import sys; sys.stdout.buffer.write({LOG!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert paths(nasalogs.read(process.stdout).to_pylist()) == numbers(100)


def test_a_source_in_use_elsewhere() -> None:
    """What Python objects do while they are read is up to them: a reader within a reader, for one."""

    class Nested:
        def __init__(self) -> None:
            self.given: Iterator[bytes] = iter([LOG])
            self.inner: list[int] = []

        def read(self, _: int = -1) -> bytes:
            self.inner.append(len(nasalogs.read(LOG).to_pylist()))
            return next(self.given, b"")

    nested = Nested()
    assert paths(nasalogs.read(nested).to_pylist()) == numbers(100)
    assert set(nested.inner) == {100}


def test_a_buffer_may_not_be_resized_while_it_is_read() -> None:
    source = bytearray(LOG)
    reader = nasalogs.read(source)
    try:
        source.extend(b"more")
    except BufferError:
        pass
    else:
        # It was let go, and is looked at anew.
        del source[-4:]
    assert paths(reader.to_pylist()) == numbers(100)


@pytest.mark.parametrize(("mode", "buffering"), [("rb", -1), ("r+b", -1), ("rb", 0), ("rb", 7)])
def test_each_way_to_open(mode: str, buffering: int, path: Path) -> None:
    with path.open(mode, buffering=buffering) as file:
        assert paths(nasalogs.read(file).to_pylist()) == numbers(100)
    with path.open() as text:
        assert paths(nasalogs.read(text.buffer).to_pylist()) == numbers(100)
