"""Readers: batches, repeated readings, and what they tell about themselves."""

import gc
import io
import weakref
from pathlib import Path

import nasalogs
import pyarrow as pa
import pytest
from sample import AGENT, BAD, COMBINED, COMMON, GOOD, GOOD_ROW, Whatever, log, numbered, numbers, paths

MIXED = log(GOOD, *BAD, b"", b"  ", GOOD)


def test_a_loop_gives_batches() -> None:
    reader = nasalogs.read(numbered(10_000), batch_bytes=1000)
    batches = list(reader)
    assert len(batches) > 100
    assert all(isinstance(batch, nasalogs.RecordBatch) for batch in batches)
    assert paths(row for batch in batches for row in batch.to_pylist()) == numbers(10_000)


def test_a_batch() -> None:
    (batch,) = nasalogs.read(log(GOOD, AGENT[: len(GOOD)]))
    assert (batch.num_rows, batch.num_columns, len(batch)) == (2, 11, 2)
    assert batch.column_names == COMMON == batch.schema.names
    assert batch.rejects == []
    assert batch.to_pylist() == [GOOD_ROW, GOOD_ROW]
    assert batch.to_pydict() == {name: [value, value] for name, value in GOOD_ROW.items()}
    for name, value in GOOD_ROW.items():
        assert batch.column(name) == [value, value]
    with pytest.raises(KeyError, match="nope"):
        batch.column("nope")
    assert repr(batch) == f"<nasalogs.RecordBatch rows=2 columns={','.join(COMMON)}>"


def test_ts_is_aware_and_in_utc() -> None:
    (batch,) = nasalogs.read(log(GOOD))
    (ts,) = batch.column("ts")
    assert ts.tzinfo is not None
    assert ts.isoformat() == "1995-07-01T04:00:01+00:00"


def test_every_loop_begins_anew(path: Path) -> None:
    for source in (path, path.read_bytes()):
        reader = nasalogs.read(source)
        for _ in range(5):
            assert paths(reader.to_pylist()) == numbers(100)
            assert (reader.summary.lines, reader.summary.rows, reader.summary.files) == (100, 100, 1)


def test_iterators_do_not_disturb_each_other() -> None:
    reader = nasalogs.read(numbered(1000), batch_bytes=1000)
    one, other = iter(reader), iter(reader)
    assert one is iter(one)
    first = [next(one) for _ in range(5)]
    also = [next(other) for _ in range(9)]
    first += one
    third = list(reader)
    also += other
    for batches in (first, also, third):
        assert paths(row for batch in batches for row in batch.to_pylist()) == numbers(1000)
    with pytest.raises(StopIteration):
        next(one)
    with pytest.raises(StopIteration):
        next(one)


def test_a_summary_grows() -> None:
    reader = nasalogs.read(numbered(20_000), jobs=1, batch_bytes=5000)
    assert reader.summary.rows == 0
    batches = iter(reader)
    seen = 0
    for batch in batches:
        seen += batch.num_rows
        assert batches.summary.rows >= seen
        assert reader.summary.rows == batches.summary.rows
    assert batches.summary.rows == seen == 20_000
    # An account that was taken stays as it is.
    before = reader.summary
    assert next(iter(reader)).num_rows < 20_000
    assert before.rows == 20_000


def test_the_summary_is_of_the_latest_reading() -> None:
    reader = nasalogs.read(MIXED, on_reject="collect")
    one = iter(reader)
    list(one)
    assert len(reader.rejects) == len(BAD)
    other = iter(reader)
    assert (reader.summary.rows, one.summary.rows) == (other.summary.rows, 2)
    list(other)
    assert len(reader.rejects) == len(BAD)


def test_a_summary_accounts_for_every_line() -> None:
    reader = nasalogs.read(MIXED, on_reject="collect")
    assert reader.to_pylist() == [GOOD_ROW, GOOD_ROW]
    summary = reader.summary
    assert (summary.lines, summary.rows, summary.rejected, summary.blank) == (len(BAD) + 4, 2, len(BAD), 2)
    assert summary.rejects_by_reason == dict.fromkeys(BAD.values(), 1)
    assert (summary.bytes_in, summary.bytes_parsed) == (len(MIXED), len(MIXED))
    assert (summary.bytes_out, summary.seconds) == (None, None)
    assert (summary.format, summary.files) == ("common", 1)
    assert summary.to_dict() == {
        "files": 1,
        "lines": len(BAD) + 4,
        "rows": 2,
        "rejected": len(BAD),
        "blank": 2,
        "rejects_by_reason": dict.fromkeys(BAD.values(), 1),
        "bytes_in": len(MIXED),
        "bytes_parsed": len(MIXED),
        "bytes_out": None,
        "seconds": None,
        "format": "common",
    }
    assert repr(summary) == f"Summary(files=1, lines={len(BAD) + 4}, rows=2, rejected={len(BAD)}, blank=2)"


def test_rejects_say_what_where_and_why() -> None:
    reader = nasalogs.read(MIXED, on_reject="collect")
    list(reader)
    assert [(reject.raw, reject.kind) for reject in reader.rejects] == list(BAD.items())
    for number, reject in enumerate(reader.rejects):
        assert reject.file is None
        assert reject.line == number + 2
        assert MIXED[reject.offset :].startswith(reject.raw + b"\n")
        assert reject.kind in str(reject)
        assert len(reject.message) > len(reject.kind)
        assert repr(reject).startswith(f"<Reject {reject.kind} at line {reject.line}: ")
        # No control byte gets to a terminal.
        assert repr(reject).isprintable()
    again = nasalogs.read(MIXED, on_reject="collect")
    assert again.rejects == []
    list(again)
    assert again.rejects == reader.rejects
    assert again.rejects[0] != reader.rejects[1]


def test_a_long_reject_is_cut() -> None:
    long = b"x" * 100_000
    reader = nasalogs.read(log(GOOD, long, GOOD), on_reject="collect")
    assert reader.to_pylist() == [GOOD_ROW, GOOD_ROW]
    (reject,) = reader.rejects
    assert reject.raw == long[: 64 * 1024]
    assert len(repr(reject)) < 200


@pytest.mark.parametrize("content", [b"", b"\n", b" \n\r\n", b"\xef\xbb\xbf"])
def test_a_log_without_lines_is_an_empty_table(content: bytes) -> None:
    reader = nasalogs.read(content)
    assert list(reader) == []
    assert reader.to_pylist() == []
    assert reader.to_pydict() == {name: [] for name in COMMON}
    assert reader.to_pyarrow().num_rows == pa.table(reader).num_rows == 0
    assert reader.to_pyarrow().schema == pa.schema(nasalogs.schema("common"))
    assert len(reader.to_pandas()) == 0
    assert list(reader.to_pandas().columns) == COMMON
    assert reader.to_polars().shape == (0, 11)
    assert reader.to_polars().columns == COMMON
    assert reader.to_duckdb().columns == COMMON
    assert reader.to_duckdb().fetchall() == []
    summary = reader.summary
    assert (summary.rows, summary.rejected, summary.blank) == (0, 0, summary.lines)
    assert list(nasalogs.read(io.BytesIO(content)).to_polars().columns) == COMMON


def test_the_schema_is_known_before_a_line_is_read() -> None:
    assert nasalogs.read(log(GOOD)).schema == nasalogs.schema("common")
    reader = nasalogs.read(log(AGENT))
    assert (reader.format, reader.schema.names) == ("combined", COMBINED)
    assert iter(reader).schema == reader.schema
    assert repr(reader) == f'<nasalogs.Reader format="combined" columns={",".join(COMBINED)}>'
    assert reader.summary.lines == 0


def test_files_of_two_formats() -> None:
    reader = nasalogs.read([io.BytesIO(log(GOOD)), io.BytesIO(log(AGENT))])
    assert (reader.format, reader.schema.names) == ("combined", COMBINED)
    assert [row["user_agent"] for row in reader.to_pylist()] == [None, "agent/1"]
    with pytest.raises(ValueError, match="vhost_common") as caught:
        nasalogs.read([io.BytesIO(log(AGENT)), io.BytesIO(log(b"www.example:80 " + GOOD))])
    assert "combined" in str(caught.value)


def test_one_file_object_is_taken_whole_by_who_comes_first() -> None:
    reader = nasalogs.read(io.BytesIO(numbered(10)))
    views = reader.with_strings("view")
    assert paths(views.to_pylist()) == numbers(10)
    with pytest.raises(ValueError, match="read only once"):
        list(reader)


def test_with_strings() -> None:
    reader = nasalogs.read(numbered(10))
    kinds: Whatever = {"view": pa.string_view(), "compact": pa.string_view(), "utf8": pa.string()}
    for strings, kind in kinds.items():
        other = reader.with_strings(strings)
        assert pa.schema(other.schema).field("host").type == kind
        assert pa.table(other).schema.field("host").type == kind
        assert paths(other.to_pylist()) == numbers(10)
    assert pa.schema(reader.schema).field("host").type == pa.string()
    with pytest.raises(ValueError, match="expected one of view, utf8, compact"):
        reader.with_strings("nope")  # type: ignore[arg-type]


def test_an_error_ends_a_reading_once() -> None:
    reader = nasalogs.read(log(b"bad", b"worse"), format="common")
    batches = iter(reader)
    with pytest.raises(nasalogs.ParseError) as caught:
        next(batches)
    assert (caught.value.kind, caught.value.line) == ("no_rows", 1)
    assert list(batches) == []
    assert reader.summary.rejected == 2
    # The next reading ends alike.
    with pytest.raises(nasalogs.ParseError):
        reader.to_pylist()


def test_nothing_is_kept_longer_than_it_is_needed() -> None:
    class Source(io.BytesIO):
        pass

    source = Source(numbered(10))
    alive = weakref.ref(source)
    reader = nasalogs.read(source)
    del source
    assert paths(reader.to_pylist()) == numbers(10)
    del reader
    gc.collect()
    assert alive() is None


def test_batches_outlive_their_reader() -> None:
    content = bytearray(numbered(100))
    reader = nasalogs.read(content, strings="view")
    table = pa.table(reader)
    rows = list(reader)
    del reader
    content[:] = b"\0" * len(content)
    del content
    gc.collect()
    assert paths(table.to_pylist()) == numbers(100)
    assert paths(row for batch in rows for row in batch.to_pylist()) == numbers(100)


def test_classes_are_frozen() -> None:
    reader = nasalogs.read(log(GOOD, b"bad"), on_reject="collect")
    batches = iter(reader)
    (batch,) = batches
    things = [
        reader, batch, batches, reader.summary, reader.schema, reader.schema[0], reader.rejects[0],
        nasalogs.detect(log(GOOD)), nasalogs.generate(1), nasalogs.parse_line(GOOD),
    ]  # fmt: skip
    for thing in things:
        for name in ("schema", "anything", "host", "format", "rows"):
            with pytest.raises(AttributeError):
                setattr(thing, name, 1)
            with pytest.raises(AttributeError):
                delattr(thing, name)
        with pytest.raises(TypeError, match=r"cannot create|No constructor"):
            type(thing)()
