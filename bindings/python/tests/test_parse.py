"""Lines in memory to a batch."""

from collections.abc import Iterator
from pathlib import Path

import nasalogs
import pyarrow as pa
import pytest
from sample import AGENT, BAD, CLASSIC, COMBINED, COMMON, FIRST_BAD, GOOD, GOOD_ROW, Whatever, log

TEXT = GOOD.decode()


class Mine(Exception):  # noqa: N818 - it is mine
    """An exception that nobody else can have raised."""


@pytest.mark.parametrize(
    "lines",
    [
        log(GOOD, GOOD),
        log(GOOD, GOOD).decode(),
        log(GOOD) + GOOD,
        [GOOD, GOOD],
        (TEXT, GOOD),
        [TEXT + "\n", GOOD + b"\r\n"],
        iter([GOOD, TEXT]),
        bytearray(log(GOOD, GOOD)),
        memoryview(log(GOOD, GOOD)),
        [bytearray(GOOD), memoryview(GOOD)],
        {1: GOOD, 2: GOOD}.values(),
        [log(GOOD, GOOD)],
    ],
    ids=lambda lines: type(lines).__name__,
)
def test_lines_of_any_kind(lines: Whatever) -> None:
    batch = nasalogs.parse(lines)
    assert batch.to_pylist() == [GOOD_ROW, GOOD_ROW]
    assert batch.rejects == []


def test_a_file_that_is_open(path: Path) -> None:
    with path.open() as text, path.open("rb") as binary:
        assert nasalogs.parse(text).to_pylist() == nasalogs.parse(binary).to_pylist()
        assert nasalogs.parse(path.read_bytes()).num_rows == 100


@pytest.mark.parametrize("lines", [[], (), "", b"", "\n", [""], ["", "  ", b"\r\n"], iter([])])
def test_no_lines(lines: Whatever) -> None:
    batch = nasalogs.parse(lines)
    assert (batch.num_rows, batch.column_names, batch.rejects) == (0, COMMON, [])
    assert pa.record_batch(batch).num_rows == 0
    assert batch.to_polars().shape == (0, 11)
    assert list(batch.to_pandas().columns) == COMMON


def test_rejects_are_collected() -> None:
    batch = nasalogs.parse([GOOD, *BAD, "", GOOD])
    assert batch.to_pylist() == [GOOD_ROW, GOOD_ROW]
    assert [(reject.raw, reject.kind) for reject in batch.rejects] == list(BAD.items())
    assert [reject.line for reject in batch.rejects] == list(range(2, len(BAD) + 2))
    assert nasalogs.parse([GOOD, *BAD], on_reject="collect").rejects == batch.rejects


def test_on_reject() -> None:
    lines = [GOOD, *BAD]
    assert nasalogs.parse(lines, on_reject="count").rejects == []
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.parse(lines, on_reject="raise")
    error = caught.value
    assert (error.kind, error.line, error.offset, error.raw) == ("missing_field", 2, len(GOOD) + 1, FIRST_BAD)
    assert nasalogs.parse([GOOD], on_reject="raise").to_pylist() == [GOOD_ROW]
    called: list[str] = []
    assert nasalogs.parse(lines, on_reject=lambda it: called.append(it.kind)).to_pylist() == [GOOD_ROW]
    assert called == list(BAD.values())

    def fail(_: nasalogs.Reject) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        nasalogs.parse(lines, on_reject=fail)


def test_lines_of_no_format_are_rejected_one_by_one() -> None:
    batch = nasalogs.parse(["what is this", "and this"])
    assert (batch.num_rows, batch.column_names) == (0, COMMON)
    assert [reject.line for reject in batch.rejects] == [1, 2]


def test_format() -> None:
    assert nasalogs.parse([AGENT]).column_names == COMBINED
    assert nasalogs.parse([AGENT], format="common").rejects[0].kind == "trailing_data"
    assert nasalogs.parse(["h 200"], format="%h %s").to_pylist() == [{"host": "h", "status": 200}]
    with pytest.raises(ValueError, match="no format"):
        nasalogs.parse([GOOD], format="nope")


def test_options() -> None:
    odd = GOOD.replace(b"/a", b"/\xe9")
    assert nasalogs.parse([odd], encoding="latin1").column("path") == ["/\xe9"]
    assert nasalogs.parse([odd], encoding="binary").column("path") == [b"/\xe9"]
    assert nasalogs.parse([odd]).column("path") == ["/\\xE9"]
    batch = nasalogs.parse([b"", GOOD], columns=["bytes", "line"], rename={"bytes": "size"}, extras=["raw"])
    assert batch.to_pylist() == [{"size": 7, "line": 2, "raw": GOOD}]
    assert nasalogs.parse([GOOD], names="classic").column_names == CLASSIC
    assert [it.kind for it in nasalogs.parse([GOOD], max_line=10, format="common").rejects] == ["line_too_long"]
    kinds: Whatever = {"utf8": pa.string(), "view": pa.string_view(), "compact": pa.string_view()}
    for strings, kind in kinds.items():
        assert pa.record_batch(nasalogs.parse([GOOD], strings=strings)).schema.field("host").type == kind


def test_text_that_was_bytes() -> None:
    odd = GOOD.replace(b"/a", b"/\xe9")
    for coding in ("utf-8", "ascii"):
        text = odd.decode(coding, "surrogateescape")
        assert nasalogs.parse([text]).to_pylist() == nasalogs.parse([odd]).to_pylist()
        assert nasalogs.parse(text).to_pylist() == nasalogs.parse(odd).to_pylist()
    # A surrogate that stands for no byte is no text.
    with pytest.raises(UnicodeEncodeError):
        nasalogs.parse(TEXT.replace("/a", "/\ud800"))


@pytest.mark.parametrize("lines", [None, 5, 1.5, object(), {}, {"a": 1}, [5], [None], [GOOD, [GOOD]], Path("a.log")])
def test_what_is_no_line(lines: Whatever) -> None:
    with pytest.raises(TypeError, match=r"expected a text, bytes|a line is str or bytes"):
        nasalogs.parse(lines)


def test_an_iterable_that_fails() -> None:
    def lines() -> Iterator[bytes]:
        yield GOOD
        raise Mine

    with pytest.raises(Mine):
        nasalogs.parse(lines())


def test_utf_16() -> None:
    for source in ("\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le"),):
        with pytest.raises(nasalogs.ParseError, match="UTF-16") as caught:
            nasalogs.parse(source, format="common")
        assert caught.value.kind == "encoding"


def test_a_batch_is_one_batch_however_large() -> None:
    count = 30_000
    batch = nasalogs.parse([GOOD] * count)
    assert (batch.num_rows, len(pa.record_batch(batch))) == (count, count)
    assert set(batch.column("path")) == {"/a"}


def test_nul_and_control_bytes_are_data() -> None:
    line = GOOD.replace(b"/a", b"/\0\x01\x7f\x1b[31m")
    batch = nasalogs.parse([line])
    assert batch.column("path") == ["/\0\x01\x7f\x1b[31m"]
    assert pa.record_batch(batch).column("path").to_pylist() == ["/\0\x01\x7f\x1b[31m"]
    assert repr(nasalogs.parse_line(line)).isprintable()
