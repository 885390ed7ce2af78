"""Conversions that fail: an exception that says why, and nothing left behind."""

import errno
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nasalogs
import pytest
from sample import BAD, GOOD, log, numbered

GOOD_LOG = log(GOOD)


def left(folder: Path) -> list[str]:
    """Everything that there is, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"to": "nope"}, ValueError, "parquet"),
        ({"format": "nope"}, ValueError, "no format"),
        ({"partition_by": "host"}, ValueError, 'partition_by is "dt"'),
        ({"partition_by": "dt", "partition_tz": "nope"}, ValueError, "utc"),
        ({"compression": "nope"}, ValueError, "zstd"),
        ({"compression": "zstd:99"}, ValueError, "zstd"),
        ({"columns": ["nope"]}, ValueError, "nope"),
        ({"columns": "host"}, TypeError, "list of column names"),
        ({"columns": []}, ValueError, "no column"),
        ({"extras": ["nope"]}, ValueError, "line, byte_offset, raw, file"),
        ({"names": "nope"}, ValueError, "classic"),
        ({"names": "classic", "partition_by": "dt"}, ValueError, "classic"),
        ({"rename": {"ts": "at"}, "partition_by": "dt"}, ValueError, "ts"),
        ({"rename": {"nope": "x"}}, ValueError, "nope"),
        ({"rename": 5}, TypeError, "mapping"),
        ({"encoding": "nope"}, ValueError, "latin1"),
        ({"max_rejects": -1}, ValueError, "max_rejects"),
        ({"overwrite": True, "append": True}, ValueError, "exclude each other"),
        ({"append": True}, ValueError, "partition_by"),
        ({"jobs": -1}, (ValueError, OverflowError), ""),
        ({"rejects": 5}, TypeError, "PathLike"),
        ({"nope": 5}, TypeError, "unexpected keyword"),
        ({"format": "%h %s", "partition_by": "dt"}, ValueError, "ts"),
    ],
    ids=str,
)
def test_mistakes(options: dict[str, Any], error: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        nasalogs.convert(GOOD_LOG, tmp_path / "out.parquet", **options)
    assert said in str(caught.value)
    # It speaks of arguments, not of the command line's options.
    assert "--" not in str(caught.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("missing/out.parquet", FileNotFoundError, "missing"),
        ("out.nope", ValueError, "to="),
        ("out", ValueError, "to="),
        ("", (OSError, ValueError), ""),
        ("a\0b.parquet", (OSError, ValueError), ""),
        ("x" * 300 + ".parquet", OSError, "long"),
    ],
)
def test_outputs_that_cannot_be(name: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    for output in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(error) as caught:
            nasalogs.convert(GOOD_LOG, output)
        assert said in str(caught.value)
        assert left(tmp_path) == []


def test_wrong_types(tmp_path: Path) -> None:
    for output in (None, 5, io.BytesIO(), ["a"]):
        with pytest.raises(TypeError):
            nasalogs.convert(GOOD_LOG, output)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="argument"):
        nasalogs.convert(GOOD_LOG)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="argument"):
        nasalogs.convert(GOOD_LOG, tmp_path / "out.parquet", "common")  # type: ignore[call-arg]


class Mine(Exception):  # noqa: N818 - it is mine
    """An exception that nobody else can have raised."""


def failing(error: BaseException, after: int = 3) -> Iterator[bytes]:
    """A log that breaks off."""
    for _ in range(after):
        yield numbered(20_000)
    raise error


@pytest.mark.parametrize(
    "error", [Mine("here"), KeyboardInterrupt(), OSError(errno.EIO, "disk"), SystemExit(3)], ids=repr
)
@pytest.mark.parametrize("options", [{}, {"partition_by": "dt"}, {"to": "csv"}, {"rejects": "rejects.ndjson"}], ids=str)
def test_nothing_is_left_after_a_failure(error: BaseException, options: dict[str, Any], tmp_path: Path) -> None:
    if "rejects" in options:
        options = options | {"rejects": tmp_path / options["rejects"]}
    with pytest.raises(type(error)) as caught:
        nasalogs.convert(failing(error), tmp_path / "out.parquet", **options)
    assert caught.value is error
    assert left(tmp_path) == []


def test_what_was_there_stays(tmp_path: Path) -> None:
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.ndjson"
    out.write_text("old")
    rejects.write_text("old rejects")
    with pytest.raises(Mine):
        nasalogs.convert(failing(Mine()), out, overwrite=True, rejects=rejects)
    assert (out.read_text(), rejects.read_text()) == ("old", "old rejects")
    assert left(tmp_path) == ["out.parquet", "rejects.ndjson"]


def test_too_many_rejects(tmp_path: Path) -> None:
    out, rejects = tmp_path / "out.parquet", tmp_path / "rejects.ndjson"
    for max_rejects in (0, "1%", 0.01, 5):
        with pytest.raises(nasalogs.ParseError, match="lines were rejected") as caught:
            nasalogs.convert(log(GOOD, *BAD), out, max_rejects=max_rejects, rejects=rejects)
        assert caught.value.kind == "too_many_rejects"
        # Whoever does not stand rejects wants to see them most of all.
        assert left(tmp_path) == ["rejects.ndjson"]
        assert len(rejects.read_text().splitlines()) > 0


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.convert(log(*BAD), tmp_path / "out.parquet", format="common")
    assert (caught.value.kind, caught.value.line) == ("no_rows", 1)
    assert left(tmp_path) == []


def test_input_is_not_output(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    link = tmp_path / "link.parquet"
    link.symlink_to(path)
    for output in (path, str(path), tmp_path / "." / "access.log", link):
        for source in (path, [path], tmp_path / "*.log", [numbered(1), path]):
            with pytest.raises(ValueError, match="is an input"):
                nasalogs.convert(source, output, to="parquet", overwrite=True)
            assert path.read_bytes() == before
    with pytest.raises(ValueError, match="rejects="):
        nasalogs.convert(path, tmp_path / "out.parquet", rejects=path)
    with pytest.raises(ValueError, match="output="):
        nasalogs.convert(path, tmp_path / "out.parquet", rejects=tmp_path / "out.parquet")
    assert path.read_bytes() == before
    assert left(tmp_path) == ["access.log", "link.parquet"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"(?i)space|full|regular|exist"):
        nasalogs.convert(GOOD_LOG, "/dev/full", to="csv", overwrite=True)
    assert left(tmp_path) == []


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        nasalogs.convert(tmp_path / "missing.log", tmp_path / "out.parquet")
    with pytest.raises(IsADirectoryError):
        nasalogs.convert(tmp_path, tmp_path / "out.parquet")
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_an_interrupt_by_signal_handler(name: str, tmp_path: Path, big: Path) -> None:
    """Any exception of a handler comes through, not only `KeyboardInterrupt`."""

    def handler(_: int, __: object) -> None:
        raise Mine

    before = signal.signal(signal.SIGUSR1, handler)
    try:

        def pieces() -> Iterator[bytes]:
            yield big.read_bytes()
            os.kill(os.getpid(), signal.SIGUSR1)
            while True:
                yield big.read_bytes()

        with pytest.raises(Mine):
            nasalogs.convert(pieces(), tmp_path / name)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert left(tmp_path) == []
