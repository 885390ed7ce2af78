"""Other libraries: each takes a reader as it is, and all get the same."""

import duckdb
import nasalogs
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
import shape
from sample import COMMON, GOOD, GOOD_ROW, INSTANT, Row, Whatever, log, numbered, numbers, paths

LOG = nasalogs.generate(3000, seed=1995, format="combined", oddities=0.2).read()
OPTIONS = {"extras": ["line", "byte_offset", "raw"], "batch_bytes": 50_000}


@pytest.fixture(scope="module")
def expected() -> list[Row]:
    """The rows of the log."""
    return nasalogs.read(LOG, **OPTIONS).to_pylist()  # type: ignore[arg-type]


@pytest.mark.parametrize("how", shape.WAYS)
def test_all_get_the_same(how: str, expected: list[Row]) -> None:
    reader = nasalogs.read(LOG, **OPTIONS)  # type: ignore[arg-type]
    assert shape.WAYS[how](reader) == expected
    assert reader.summary.rows == len(expected)
    # And again.
    assert shape.WAYS[how](reader) == expected


@pytest.mark.parametrize("how", shape.WAYS)
def test_what_can_be_read_once(how: str, expected: list[Row]) -> None:
    reader = nasalogs.read(iter([LOG]), **OPTIONS)  # type: ignore[arg-type]
    assert shape.WAYS[how](reader) == expected
    with pytest.raises(Exception, match="read only once"):
        shape.WAYS[how](reader)


@pytest.mark.parametrize("how", [how for how in shape.WAYS if how != "from_batches"])
def test_types_are_those_of_the_schema_even_without_rows(how: str) -> None:
    assert shape.WAYS[how](nasalogs.read(b"")) == []


def test_types() -> None:
    reader = nasalogs.read(log(GOOD))
    schema = pa.schema(reader.schema)
    assert schema == pa.schema(reader) == reader.to_pyarrow().schema == pa.table(reader).schema
    frame = reader.to_polars()
    assert frame.schema["ts"] == pl.Datetime("ms", "UTC")
    assert frame.schema["host"] == pl.String
    assert (frame.schema["status"], frame.schema["bytes"]) == (pl.Int16, pl.Int64)
    assert pl.DataFrame(reader).equals(frame)
    assert pl.Schema(reader) == frame.schema
    relation = reader.to_duckdb()
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert (kinds["ts"], kinds["host"]) == ("TIMESTAMP WITH TIME ZONE", "VARCHAR")
    assert (kinds["status"], kinds["bytes"]) == ("SMALLINT", "BIGINT")
    pandas = reader.to_pandas()
    assert str(pandas["ts"].dtype) == "datetime64[ms, UTC]"
    assert pandas["ts"][0] == INSTANT
    assert pd.api.types.is_string_dtype(pandas["host"])


def test_batches_go_by_themselves() -> None:
    (batch,) = nasalogs.read(log(GOOD, GOOD))
    rows = [GOOD_ROW, GOOD_ROW]
    assert pa.record_batch(batch).to_pylist() == pa.table(batch).to_pylist() == rows
    assert batch.to_pyarrow().to_pylist() == rows
    assert isinstance(batch.to_pyarrow(), pa.RecordBatch)
    assert shape.of_frame(batch.to_polars()) == shape.of_frame(pl.DataFrame(batch)) == rows
    assert shape.of_pandas(batch.to_pandas()) == rows
    assert duckdb.execute("SELECT count(*), min(path) FROM batch").fetchall() == [(2, "/a")]
    assert shape.of_frame(pl.from_arrow(pa.table(batch))) == rows  # type: ignore[arg-type]


def test_pyarrow_can_work_with_it() -> None:
    """It cannot with views, so strings are plain."""
    reader = nasalogs.read(LOG)
    table = reader.to_pyarrow()
    filtered = table.filter(pc.and_(pc.equal(table["method"], "GET"), pc.match_substring(table["path"], "/")))
    assert 0 < filtered.num_rows <= table.num_rows
    ordered = table.sort_by([("host", "ascending"), ("ts", "descending")])
    assert ordered["host"].to_pylist() == sorted(table["host"].to_pylist())
    hosts = table.group_by("host").aggregate([("bytes", "sum"), ("path", "count")])
    assert pc.sum(hosts["bytes_sum"]) == pc.sum(table["bytes"])
    joined = table.join(hosts, "host")
    assert joined.num_rows == table.num_rows
    assert table.take([2, 0])["host"].to_pylist() == [table["host"][2].as_py(), table["host"][0].as_py()]
    assert pc.unique(table["host"]).to_pylist() == list(dict.fromkeys(table["host"].to_pylist()))
    assert table["host"].dictionary_encode().to_pylist() == table["host"].to_pylist()
    scanned = ds.dataset([pa.record_batch(batch) for batch in reader]).to_table(filter=pc.field("status") == 200)
    assert set(scanned["status"].to_pylist()) == {200}


def test_duckdb_reads_it_anew_each_time() -> None:
    reader = nasalogs.read(numbered(1000))
    again = "SELECT count(*) FROM reader AS a JOIN reader AS b ON a.path = b.path"
    for _ in range(3):
        assert duckdb.execute("SELECT count(*) FROM reader").fetchall() == [(1000,)]
        assert duckdb.execute(again).fetchall() == [(1000,)]
    assert duckdb.execute("SELECT count(*) FROM reader WHERE path = '/7'").fetchall() == [(1,)]
    assert duckdb.execute("SELECT path FROM reader LIMIT 1").fetchall() == [("/0",)]
    assert reader.summary.rows > 0
    with duckdb.connect() as connection:
        relation = reader.to_duckdb(connection)
        assert relation.aggregate("count(*)").fetchall() == [(1000,)]
        connection.register("log", reader)
        assert connection.sql("SELECT count(DISTINCT path) FROM log").fetchall() == [(1000,)]
        connection.sql("CREATE TABLE copied AS SELECT * FROM log")
    assert duckdb.execute("SELECT max(ts) = TIMESTAMPTZ '1995-07-01 04:00:01+00' FROM reader").fetchall() == [(True,)]


def test_a_consumer_that_stops_early() -> None:
    reader = nasalogs.read(numbered(50_000), batch_bytes=10_000)
    stream = pa.RecordBatchReader.from_stream(reader)
    assert stream.read_next_batch().num_rows < 50_000
    stream.close()
    assert pa.table(reader).num_rows == 50_000


def with_types(reader: nasalogs.Reader, **types: pa.DataType) -> pa.Schema:
    """The schema with other types for some columns; `string` is all texts."""
    return pa.schema(
        field.with_type(types.get(field.name, types.get(str(field.type), field.type)))
        for field in pa.schema(reader.schema)
    )


@pytest.mark.parametrize(
    "types",
    [
        {"string": pa.string_view()},
        {"string": pa.large_string()},
        {"string": pa.binary()},
        {"host": pa.dictionary(pa.int32(), pa.string())},
        {"ts": pa.timestamp("us", "UTC")},
        {"ts": pa.timestamp("ns", "UTC")},
        {"status": pa.int64(), "bytes": pa.int64()},
        {"status": pa.int32(), "string": pa.string_view(), "ts": pa.timestamp("us", "UTC")},
    ],
    ids=str,
)
def test_requested_schema(types: dict[str, pa.DataType]) -> None:
    reader = nasalogs.read(numbered(100))
    wanted = with_types(reader, **types)
    plain = pa.table(reader)
    for source in (reader, reader.with_strings("view"), next(iter(reader))):
        table = pa.RecordBatchReader.from_stream(source, wanted).read_all()
        table.validate(full=True)
        assert table.schema == wanted
        assert table.cast(plain.schema) == plain
    batch = pa.record_batch(next(iter(reader)), schema=wanted)
    assert batch.schema == wanted
    assert batch.cast(plain.schema).to_pylist() == plain.to_pylist()


def test_views_are_built_as_such() -> None:
    reader = nasalogs.read(numbered(100))
    wanted = with_types(reader, string=pa.string_view())
    both: list[Whatever] = [(reader, "view"), (reader.with_strings("view"), "utf8")]
    for source, strings in both:
        other = pa.schema(source.with_strings(strings).schema)
        assert pa.RecordBatchReader.from_stream(source, other).read_all().schema == other
    assert pa.RecordBatchReader.from_stream(reader, wanted).read_all()["path"].to_pylist() == numbers(100)


def test_requested_columns_have_to_be_the_same() -> None:
    reader = nasalogs.read(log(GOOD))
    schema = pa.schema(reader.schema)
    for wanted in (
        pa.schema([("nope", pa.int8())]),
        pa.schema(list(schema)[::-1]),
        pa.schema(list(schema)[1:]),
        schema.append(pa.field("more", pa.int8())),
    ):
        for source in (reader, next(iter(reader))):
            with pytest.raises(ValueError, match="the requested schema has the columns"):
                pa.RecordBatchReader.from_stream(source, wanted)
    with pytest.raises((TypeError, ValueError)):
        reader.__arrow_c_stream__(5)
    # A capsule of something else.
    with pytest.raises((TypeError, ValueError)):
        reader.__arrow_c_stream__(reader.__arrow_c_stream__())
    assert paths(reader.to_pylist()) == ["/a"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.list_(pa.int8()), pa.bool_()], ids=str)
def test_a_request_loses_no_value(kind: pa.DataType) -> None:
    """What cannot be had in a type stays in its own, or is an error; it is never made null."""
    reader = nasalogs.read(log(GOOD))
    for name in ("status", "host"):
        wanted = with_types(reader, **{name: kind})
        for source in (reader, next(iter(reader))):
            try:
                table = pa.RecordBatchReader.from_stream(source, wanted).read_all()
            except (ValueError, TypeError, pa.ArrowException):
                continue
            assert table[name].to_pylist() == [GOOD_ROW[name]]


def test_capsules() -> None:
    reader = nasalogs.read(log(GOOD))
    batch = next(iter(reader))
    for stream in (reader.__arrow_c_stream__(), batch.__arrow_c_stream__()):
        assert "arrow_array_stream" in repr(stream)
    schema, array = batch.__arrow_c_array__()
    assert "arrow_schema" in repr(schema)
    assert "arrow_array" in repr(array)
    for thing in (reader, batch, reader.schema):
        assert "arrow_schema" in repr(thing.__arrow_c_schema__())
    # Capsules that nobody takes are let go.
    for _ in range(1000):
        reader.__arrow_c_stream__()
        batch.__arrow_c_array__()


def test_errors_come_through() -> None:
    reader = nasalogs.read(log(GOOD, b"bad"), on_reject="raise")
    for take in (pa.table, pl.DataFrame, pd.DataFrame.from_arrow):
        with pytest.raises(Exception, match="missing_field"):
            take(reader)
    with pytest.raises(Exception, match="missing_field"):
        duckdb.execute("SELECT * FROM reader").fetchall()
    for take in (nasalogs.Reader.to_pyarrow, nasalogs.Reader.to_pandas, nasalogs.Reader.to_polars):
        with pytest.raises(nasalogs.ParseError):
            take(reader)


def test_frames_of_a_single_column() -> None:
    reader = nasalogs.read(numbered(10), columns=["path"])
    assert reader.to_polars()["path"].to_list() == numbers(10)
    assert reader.to_pandas()["path"].tolist() == numbers(10)
    assert [row[0] for row in reader.to_duckdb().fetchall()] == numbers(10)
    assert COMMON[6] == "path"
