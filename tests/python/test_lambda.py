"""The function that stands behind a stream: what it takes, what it writes, and what it leaves when it is killed."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aws_kinesis_agg.aggregator
import nasalogs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from events import SHARD, Bucket, EventSource, KilledError, event, record
from hypothesis import given, settings
from hypothesis import strategies as st
from nasalogs.aws import FirehoseHandler, KinesisHandler, parse_kinesis_event, transform_firehose_event
from stores import Store

LINE = b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 5'
CLASSIC = {
    "ip": "h.example",
    "timestamp": "01/Jul/1995:00:00:01 -0400",
    "method": "GET",
    "url": "/a?b",
    "protocol": "HTTP/1.0",
    "status_code": 200,
    "bytes": 5,
}


def line(number: int, *, day: int = 1) -> bytes:
    """Make a line that is like no other."""
    return LINE.replace(b"/a?b", b"/%d" % number).replace(b"01/Jul", b"%02d/Jul" % day)


def aggregate(*lines: bytes) -> bytes:
    """Aggregate as another library does."""
    made = aws_kinesis_agg.aggregator.RecordAggregator()
    for each in lines:
        made.add_user_record("key", each)
    content: bytes = made.clear_and_get().get_contents()[2]
    return content


def rows(bucket: Bucket, prefix: str = "access/dt=") -> list[dict[str, Any]]:
    """All rows of the table."""
    found = []
    for key, body in sorted(bucket.objects.items()):
        if key.startswith(prefix):
            table = pq.read_table(io.BytesIO(body))
            assert {f"{ts:%Y-%m-%d}" for ts in table["ts"].to_pylist()} == {key.split("dt=")[1][:10]}
            found += table.to_pylist()
    return found


def test_one_event_may_mix_all_there_is() -> None:
    data = [
        line(0),
        b"\n".join(line(at) for at in (1, 2)) + b"\n",
        json.dumps({**CLASSIC, "url": "/3"}).encode(),
        aggregate(line(4), line(5)),
        gzip.compress(line(6) + b"\n" + line(7)),
        b"no log line",
        b"",
    ]
    batch = parse_kinesis_event(event(*data))
    assert (batch.records, batch.rows, batch.rejected, batch.days) == (7, 8, 1, ["1995-07-01"])
    table = pa.table(batch)
    assert sorted(table["path"].to_pylist()) == [f"/{at}" for at in range(8)]
    assert pq.read_table(io.BytesIO(batch.to_parquet())).equals(table)
    ids = table["line_id"].to_pylist()
    assert len(set(ids)) == 8
    assert all(each.startswith(f"{SHARD}:") for each in ids)
    [reject] = batch.rejects
    assert (reject.kind, reject.raw, reject.line_id) == ("missing_field", b"no log line", f"{reject.record}/0")
    counts = batch.counts
    assert counts["rows"] + counts["rejected"] + counts["blank"] == counts["lines"]
    assert batch.response() == {"batchItemFailures": []}


def test_poison_is_among_the_rejects() -> None:
    bad = event(line(0), line(1), line(2))
    bad["Records"][1]["kinesis"]["data"] = "%%% no base64"
    batch = parse_kinesis_event(bad)
    assert (batch.rows, [reject.kind for reject in batch.rejects]) == (2, ["damaged_record"])
    assert "Base64" in batch.rejects[0].message
    assert batch.rejects[0].raw == b"%%% no base64"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({}, ValueError),
        ({"Records": [{}]}, ValueError),
        ({"Records": [{"kinesis": {"data": ""}}]}, ValueError),
        ({"Records": [{"s3": {"object": {"key": "k"}}}]}, ValueError),
        ({"Records": [None]}, ValueError),
        ({"Records": 5}, TypeError),
        (None, TypeError),
        (5, TypeError),
    ],
)
def test_what_is_no_event_says_so(wrong: Any, error: type[Exception]) -> None:
    for take in (parse_kinesis_event, KinesisHandler("s3://lake/access/", client=Bucket())):
        with pytest.raises(error, match=r"event|records"):
            take(wrong)


def test_an_event_in_other_shapes() -> None:
    whole = event(line(0), line(1))

    class Wrapped:
        raw_event = whole

    boto = [{"Data": line(0), "SequenceNumber": "7", "PartitionKey": "k"}]
    for shape in (whole, json.dumps(whole), json.dumps(whole).encode(), whole["Records"], Wrapped()):
        assert parse_kinesis_event(shape).rows == 2
    assert parse_kinesis_event(boto, shard="shard-9").to_batch().column("line_id") == ["shard-9:7/0"]
    empty = parse_kinesis_event({"Records": []})
    assert (empty.records, empty.rows, empty.days, empty.objects("x/")) == (0, 0, [], [])
    assert pa.table(empty).schema.equals(pa.table(parse_kinesis_event(whole)).schema)


def test_rows_of_several_days_are_several_objects() -> None:
    batch = parse_kinesis_event(event(line(0), line(1, day=2), line(2)))
    assert batch.days == ["1995-07-01", "1995-07-02"]
    for single in (batch.key, batch.to_parquet):
        with pytest.raises(ValueError, match="objects"):
            single()
    with pytest.raises(ValueError, match="1995-07-09"):
        batch.key(dt="1995-07-09")
    keys = [key for key, _ in batch.objects("access/")]
    assert keys == [batch.key("access/", dt=day) for day in batch.days]
    tables = [pq.read_table(io.BytesIO(body)) for _, body in batch.objects()]
    assert [table["path"].to_pylist() for table in tables] == [["/0", "/2"], ["/1"]]
    assert [batch.to_parquet(dt=day) for day in batch.days] == [body for _, body in batch.objects()]


def test_an_event_that_grows_too_large_leaves_records_for_the_next() -> None:
    block = gzip.compress(b"\n".join(line(at) for at in range(1000)))
    whole = event(block, block, block)
    batch = parse_kinesis_event(whole, limit=450_000)
    assert (batch.records, batch.rows) == (2, 2000)
    third = whole["Records"][2]["kinesis"]["sequenceNumber"]
    assert batch.unread == third
    assert batch.response() == {"batchItemFailures": [{"itemIdentifier": third}]}


def test_the_classic_records_and_the_lines_they_were_made_of_give_the_same() -> None:
    lines = [line(at) for at in range(50)]
    made = [{**CLASSIC, "url": f"/{at}"} for at in range(50)]
    ours = nasalogs.parse(lines, names="classic")
    assert ours.to_pylist() == made
    batch = parse_kinesis_event(event(*(json.dumps(each).encode() for each in made)))
    assert pa.table(batch).drop_columns("line_id").equals(pa.table(nasalogs.parse(lines)))


def test_the_handler_writes_rows_rejects_and_a_commit() -> None:
    bucket = Bucket()
    handler = KinesisHandler("s3://lake/access/", rejects="s3://lake/rejects/", client=bucket)
    whole = event(line(0), line(1, day=2), b"nonsense \xff")
    assert handler(whole, None) == {"batchItemFailures": []}
    kinds = Counter(key.split("/")[1].split("=")[0] for key in bucket.objects)
    assert kinds == {"dt": 3, "_commits": 1}
    [rejects] = [body for key, body in bucket.objects.items() if key.startswith("rejects/dt=1995-07-01/")]
    [reject] = [json.loads(text) for text in rejects.splitlines()]
    assert (reject["kind"], reject["raw"]) == ("missing_field", "nonsense \\xff")
    assert len(rows(bucket)) == 2
    # Once more, and in halves: nothing is written.
    before = bucket.puts
    for records in (whole["Records"], whole["Records"][:1], whole["Records"][1:]):
        assert handler({"Records": records}, None) == {"batchItemFailures": []}
    assert bucket.puts == before
    # Some of them again, with new ones behind: only those are.
    more = [record(line(at), at) for at in range(2, 5)]
    handler({"Records": [*whole["Records"][1:], *more[1:]]}, None)
    assert sorted(row["path"] for row in rows(bucket)) == ["/0", "/1", "/3", "/4"]


def test_a_delivery_that_is_too_large_is_written_in_pieces() -> None:
    bucket = Bucket()
    whole = event(*(gzip.compress(b"\n".join(line(at) for at in range(n, n + 1000))) for n in range(0, 4000, 1000)))
    handler = KinesisHandler("s3://lake/access/", client=bucket, limit=450_000)
    assert handler(whole) == {"batchItemFailures": []}
    assert sum(key.startswith("access/dt=") for key in bucket.objects) == 2
    assert sorted(int(row["path"][1:]) for row in rows(bucket)) == list(range(4000))


def test_when_the_store_fails_records_come_again_from_the_first() -> None:
    bucket = Bucket()

    def fail(_operation: str, key: str) -> None:
        if "1995-07-02" in key:
            raise ConnectionError(key)

    bucket.before = fail
    handler = KinesisHandler("s3://lake/access/", client=bucket)
    whole = event(line(0), line(1, day=2))
    first = whole["Records"][0]["kinesis"]["sequenceNumber"]
    assert handler(whole, None) == {"batchItemFailures": [{"itemIdentifier": first}]}
    assert not any("_commits" in key for key in bucket.objects)
    bucket.before = Bucket.before
    assert handler(whole, None) == {"batchItemFailures": []}
    assert sorted(row["path"] for row in rows(bucket)) == ["/0", "/1"]


def test_records_of_several_shards_are_told_apart() -> None:
    bucket = Bucket()
    records = [record(line(at), at, shard=f"shardId-{at % 2}") for at in range(6)]
    assert KinesisHandler("s3://lake/access/", client=bucket)({"Records": records}) == {"batchItemFailures": []}
    assert sum("_commits/shardId-" in key for key in bucket.objects) == 2
    assert len(rows(bucket)) == 6


def test_interleaved_batches_of_one_shard_lose_nothing() -> None:
    # An event source with a parallelization factor delivers a shard's records in several hands.
    bucket = Bucket()
    handler = KinesisHandler("s3://lake/access/", client=bucket)
    records = [record(line(at), at) for at in range(10)]
    for part in (records[::2], records[1::2], records[::2]):
        assert handler({"Records": part}) == {"batchItemFailures": []}
    assert Counter(row["path"] for row in rows(bucket)).keys() == {f"/{at}" for at in range(10)}


@pytest.mark.parametrize("arrived", [datetime(1995, 7, 1, 23, 59, tzinfo=UTC), 804_643_140.5])
def test_rejects_of_boto3_are_of_the_day_on_which_they_came(arrived: object) -> None:
    read = {"Data": b"nonsense", "SequenceNumber": "1", "PartitionKey": "k", "ApproximateArrivalTimestamp": arrived}
    batch = parse_kinesis_event({"Records": [read]}, shard=SHARD)
    assert batch.rejects_key("rejects/").startswith(f"rejects/dt=1995-07-01/{SHARD}-")


def test_wrong_choices_are_said_at_once() -> None:
    for wrong in ("lake/access", "http://lake/", "s3:///x", ""):
        with pytest.raises(ValueError, match="s3://bucket/prefix/"):
            KinesisHandler(wrong, client=Bucket())
    for choice in ({"format": "%"}, {"partition_tz": "mars"}, {"encoding": "binary"}, {"compression": "rar"}):
        with pytest.raises(ValueError):  # noqa: PT011 -- each has its own message
            KinesisHandler("s3://lake/x/", client=Bucket(), **choice)  # type: ignore[arg-type]
    timeless = '%h "%r" %>s'
    for make in (
        lambda: KinesisHandler("s3://lake/x/", client=Bucket(), format=timeless),
        lambda: FirehoseHandler(format=timeless),
        lambda: parse_kinesis_event([], format=timeless),
        lambda: transform_firehose_event([], format=timeless),
    ):
        with pytest.raises(ValueError, match="have no time to make days from"):
            make()


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    batches=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    faults=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["fail", "kill", "kill after"])), max_size=6),
)
def test_however_deliveries_are_cut_and_killed(
    data: st.DataObject, batches: list[int], faults: list[tuple[int, str]]
) -> None:
    """No row is lost; those that come twice have one id; what readers take for one is the input."""
    count = sum(batches)
    days = data.draw(st.lists(st.integers(1, 2), min_size=count, max_size=count))
    records = [record(line(at, day=day), at) for at, day in enumerate(days)]
    bucket, left, steps = Bucket(), dict(faults), 0

    def strike(kind: str) -> None:
        if kind == "fail":
            raise ConnectionError(kind)
        raise KilledError

    def before(_operation: str, _key: str) -> None:
        nonlocal steps
        steps += 1
        if left.get(steps) in ("fail", "kill"):
            strike(left.pop(steps))

    def after(_operation: str, _key: str) -> None:
        if left.get(steps) == "kill after":
            strike(left.pop(steps))

    bucket.before, bucket.after = before, after
    handler = KinesisHandler("s3://lake/access/", client=bucket)
    source, start = EventSource(kill_through(handler)), 0
    for size in batches:
        source.deliver(records[start : start + size])
        start += size
    found = rows(bucket)
    by_id = {row["line_id"]: row["path"] for row in found}
    assert sorted(by_id.values()) == sorted(f"/{at}" for at in range(count))
    if all(kind == "fail" for _, kind in faults):
        committed = committed_objects(bucket)
        assert Counter(row["path"] for key in committed for row in rows(bucket, key)).most_common(1)[0][1] == 1


def kill_through(handler: KinesisHandler) -> Callable[[Any, object], dict[str, Any]]:
    """Let a kill end the function, which itself takes any exception for a failure of the store."""

    class Kill(BaseException):
        pass

    store = handler._store._client  # noqa: SLF001 -- a process cannot be killed here
    for name in ("before", "after"):
        plain = getattr(store, name)

        def wrapped(operation: str, key: str, plain: Callable[[str, str], None] = plain) -> None:
            try:
                plain(operation, key)
            except KilledError as killed:
                raise Kill from killed

        setattr(store, name, wrapped)

    def call(whole: Any, context: object) -> dict[str, Any]:
        try:
            return handler(whole, context)
        except Kill as killed:
            raise KilledError from killed

    return call


def committed_objects(bucket: Bucket) -> set[str]:
    """The objects that a commit names."""
    commits = [json.loads(gzip.decompress(body)) for key, body in bucket.objects.items() if "_commits" in key]
    return {key for commit in commits for key in commit["objects"]}


def test_on_servers_that_were_not_written_for_us(store: Store, generated: Callable[..., Path]) -> None:
    lines = generated("common", 4_000, oddities="1%").read_bytes().splitlines()
    records = [record(b"\n".join(lines[at : at + 10]), at) for at in range(0, len(lines), 10)]
    handler = KinesisHandler(f"s3://{store.bucket}/lake/access", client=store.client)
    for at in range(0, len(records), 100):
        # Each twice, the second time in other pieces.
        for again in (records[at : at + 100], records[at + 30 : at + 60], records[at + 50 : at + 100]):
            assert handler({"Records": again}) == {"batchItemFailures": []}
    table = pa.concat_tables(
        pq.read_table(io.BytesIO(store.get(key))) for key in store.keys("lake/access/dt=") if key.endswith("parquet")
    )
    expected = nasalogs.parse(b"\n".join(lines))
    assert table.num_rows == len(set(table["line_id"].to_pylist())) == expected.num_rows
    columns = expected.column_names
    found, wanted = (
        Counter(tuple(row[name] for name in columns) for row in rows.to_pylist()) for rows in (table, expected)
    )
    assert found == wanted
    rejects = b"".join(store.get(key) for key in store.keys("lake/access/_rejects/"))
    assert len(rejects.splitlines()) == len(expected.rejects)
