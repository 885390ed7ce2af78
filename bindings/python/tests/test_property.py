"""What holds for all lines, as far as Hypothesis can tell."""
# ruff: noqa: PT017 - what may be raised need not be

import io
from itertools import pairwise
from typing import Any

import lines as made
import nasalogs
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sample import CLASSIC, GOOD, Whatever, log
from script import record as old_record

MANY = settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(MANY, max_examples=60)
CODES: st.SearchStrategy[Whatever] = st.sampled_from(["escape", "latin1", "binary"])
FORMATS = st.sampled_from(made.FORMATS)


def count(content: bytes) -> int:
    """The lines of a log."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    return content.count(b"\n") + (not content.endswith(b"\n") and content != b"")


def is_utf_16(content: bytes) -> bool:
    """Whether it is refused as a whole."""
    return content.startswith((b"\xff\xfe", b"\xfe\xff"))


@MANY
@given(made.ANYTHING, FORMATS, CODES)
@example(b"", "auto", "escape")
@example(b"\xef\xbb\xbf", "common", "escape")
@example(b"\xff\xfe", "common", "escape")
@example(GOOD + b"\r\r\n", "auto", "escape")
def test_parse_accounts_for_every_line(content: bytes, form: str, encoding: Whatever) -> None:
    try:
        batch = nasalogs.parse(content, format=form, encoding=encoding, extras=["line", "raw", "byte_offset"])
    except nasalogs.ParseError as error:
        assert error.kind == "encoding"
        assert is_utf_16(content)
        return
    table = pa.table(batch)
    table.validate(full=True)
    rows = batch.to_pylist()
    assert table.to_pylist() == rows
    total = count(content)
    assert batch.num_rows + len(batch.rejects) <= total
    numbers = sorted([row["line"] for row in rows] + [reject.line for reject in batch.rejects])
    assert all(one < other for one, other in pairwise(numbers))
    assert not numbers or 1 <= numbers[0] <= numbers[-1] <= total
    # What is neither is blank.
    blank = [
        number
        for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
        if number <= total and not line.removesuffix(b"\r").strip(b" \t")
    ]
    assert set(range(1, total + 1)) - set(numbers) <= set(blank)
    for row in rows:
        assert content[row["byte_offset"] :].startswith(row["raw"])
    for reject in batch.rejects:
        assert content[reject.offset :].startswith(reject.raw)


@MANY
@given(made.ANYTHING, FORMATS, CODES, st.sampled_from([1, 64, 1000, None]), st.sampled_from([1, 2]))
def test_read_accounts_for_every_line(
    content: bytes, form: str, encoding: Whatever, batch_bytes: int | None, jobs: int
) -> None:
    reader = None
    try:
        reader = nasalogs.read(
            content, format=form, encoding=encoding, batch_bytes=batch_bytes, jobs=jobs, on_reject="collect"
        )
        rows = reader.to_pylist()
    except nasalogs.ParseError as error:
        assert error.kind in ("encoding", "no_rows")
        # A first line that holds a NUL is taken for UTF-16 without its mark, or for no text at all.
        assert error.kind == "no_rows" or is_utf_16(content) or b"\0" in content
        if reader is None or error.kind == "encoding":
            return
        rows = []
    except OSError:
        # Two bytes are enough to be taken for an archive.
        assert content.startswith((b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ"))
        return
    summary = reader.summary
    assert (summary.rows, summary.rejected) == (len(rows), len(reader.rejects))
    assert summary.rows + summary.rejected + summary.blank == summary.lines == count(content)
    assert sum(summary.rejects_by_reason.values()) == summary.rejected


@SOME
@given(made.NEARLY, st.lists(st.integers(0, 400), max_size=12), st.integers(1, 2))
def test_pieces_may_be_cut_anywhere(content: bytes, cuts: list[int], jobs: int) -> None:
    content = log(GOOD) + content
    places = sorted({0, *(min(cut, len(content)) for cut in cuts), len(content)})
    pieces = [content[start:end] for start, end in pairwise(places)]
    options: dict[str, Any] = {"format": "common", "extras": ["line", "byte_offset"], "on_reject": "collect"}
    whole = nasalogs.read(content, **options)
    expected = whole.to_pylist()
    for source in (pieces, iter(pieces), io.BytesIO(content), bytearray(content)):
        reader = nasalogs.read(source, jobs=jobs, batch_bytes=100, **options)
        assert reader.to_pylist() == expected
        assert reader.rejects == whole.rejects
        assert reader.summary.to_dict() == whole.summary.to_dict()
    batch = nasalogs.parse(content, **options)
    assert (batch.to_pylist(), batch.rejects) == (expected, whole.rejects)


@SOME
@given(st.lists(made.rendered(), min_size=1, max_size=8))
def test_what_was_rendered_is_read(lines: list[made.Line]) -> None:
    rows = [line.row for line in lines]
    texts = [line.text for line in lines]
    content = "\n".join(texts).encode()
    reader = nasalogs.read(content, format="common", strict=True)
    assert reader.to_pylist() == rows
    assert pa.table(reader).to_pylist() == rows
    assert pl.DataFrame(reader).to_dicts() == rows
    assert nasalogs.parse(texts, format="common", on_reject="raise").to_pylist() == rows
    for line in lines:
        record = nasalogs.parse_line(line.text, format="common")
        assert record.to_dict() == line.row
        assert record.raw_line.decode() == line.text
        east = record.ts.utcoffset()
        assert east is not None
        assert east.total_seconds() == line.row["tz_offset"] * 60
        # And back again.
        assert f"[{line.logged}]" in line.text
        assert record == nasalogs.parse_line(record.raw_line, format="common")


@SOME
@given(st.lists(made.rendered(plain=True), min_size=1, max_size=8))
def test_classic_records_are_those_of_the_old_script(lines: list[made.Line]) -> None:
    expected = [line.classic for line in lines]
    texts = [line.text for line in lines]
    old = [old_record(text) for text in texts]
    # The expression knows no more than ASCII digits and visible letters, which is what there is.
    assert old == expected
    assert [nasalogs.parse_line(text, format="common", names="classic").to_dict() for text in texts] == old
    assert nasalogs.parse(texts, format="common", names="classic").to_pylist() == old
    reader = nasalogs.read("\n".join(texts).encode(), format="common", names="classic")
    assert reader.schema.names == CLASSIC
    assert reader.to_pylist() == old
    assert pa.table(reader).to_pylist() == old
    assert pa.table(reader.with_strings("view")).to_pylist() == old


@MANY
@given(st.lists(made.NEARLY.map(lambda it: it.replace(b"\n", b"")), max_size=6), FORMATS, CODES)
@example([GOOD + b"\r\r"], "common", "escape")
@example([b"\r ", b" \r", b"\r\r"], "common", "escape")
@example([b"\xef\xbb\xbf" + GOOD], "common", "escape")
def test_parse_is_parse_line_line_by_line(lines: list[bytes], form: str, encoding: Whatever) -> None:
    if form == "auto":
        form = "common"
    # A mark at the start of a log is no part of its first line.
    lines = [b"", *lines]
    batch = nasalogs.parse(lines, format=form, encoding=encoding)
    rows, kinds = [], []
    for line in lines:
        try:
            rows.append(nasalogs.parse_line(line, format=form, encoding=encoding).to_dict())
        except nasalogs.ParseError as error:
            # One carriage return at the end is the line's; any other is data.
            if line.removesuffix(b"\r").strip(b" "):
                kinds.append(error.kind)
    assert batch.to_pylist() == rows
    assert len(batch.rejects) == len(kinds)
    assert [reject.kind for reject in batch.rejects] == kinds


@MANY
@given(
    st.one_of(
        made.ANYTHING,
        st.text(max_size=100),
        st.binary().map(lambda it: it.decode("utf-8", "surrogateescape")),
    )
)
def test_parse_line_raises_what_is_documented(line: str | bytes) -> None:
    try:
        record = nasalogs.parse_line(line)
    except nasalogs.ParseError as error:
        assert (error.line, error.offset) == (1, 0)
        assert str(error)
        return
    values = record.to_dict()
    assert list(values) == record.keys()
    assert all(getattr(record, name) == value for name, value in values.items())
    text = line if isinstance(line, str) else line.decode("latin-1")
    assert repr(record).isprintable() or not text.isascii()
    assert record == nasalogs.parse_line(line)
    assert hash(record) == hash(nasalogs.parse_line(line))


@SOME
@given(made.ANYTHING)
def test_detect_raises_what_is_documented(content: bytes) -> None:
    try:
        found = nasalogs.detect(content)
    except (nasalogs.ParseError, OSError):
        return
    assert 0 <= found.fits <= found.lines
    assert 0 <= found.confidence <= 1
    assert found.format in found.candidates


@SOME
@given(st.text(max_size=60))
def test_formats_are_understood_or_refused(form: str) -> None:
    try:
        schema = nasalogs.schema(form)
    except ValueError:
        return
    assert len(schema) > 0
    assert nasalogs.parse([], format=form).column_names == schema.names
