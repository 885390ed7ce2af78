"""The options of `read`, and their mistakes."""

from typing import Any, Final, Literal

import nasalogs
import pyarrow as pa
import pytest
from sample import (
    AGENT,
    BAD,
    CLASSIC,
    COMBINED,
    COMMON,
    FIRST_BAD,
    GOOD,
    GOOD_ROW,
    INSTANT,
    OPTIONAL,
    Whatever,
    log,
    numbered,
)

MIXED = log(GOOD, *BAD, GOOD)


@pytest.mark.parametrize(
    ("format", "line", "columns", "some"),
    [
        ("common", GOOD, COMMON, {"host": "h.example"}),
        ("combined", AGENT, COMBINED, {"referer": "http://r.example/", "user_agent": "agent/1"}),
        ("vhost_common", b"www.example:443 " + GOOD, ["vhost", "vhost_port", *COMMON], {"vhost_port": 443}),
        ("vhost_combined", b"www.example " + AGENT, ["vhost", "vhost_port", *COMBINED], {"vhost_port": None}),
        ("nginx_main", AGENT + b' "-"', [*COMBINED, "x_forwarded_for"], {"x_forwarded_for": None}),
        ('%h %l %u %t "%r" %>s %b %D', GOOD + b" 1234", [*COMMON, "duration_us"], {"duration_us": 1234}),
        ('"%h %>s \\"%{X-Id}i\\""', b'h 200 "a b"', ["host", "status", "x_id"], {"x_id": "a b"}),
        (
            '$remote_addr [$time_iso8601] "$request" $request_time $upstream_response_time',
            b'h [1995-07-01T00:00:01-04:00] "GET / HTTP/1.0" 0.123 0.1, 0.2',
            ["host", "ts", "tz_offset", "method", "path", "query", "protocol", "request_time_ms",
             "upstream_response_time"],
            {"ts": INSTANT, "request_time_ms": 123, "upstream_response_time": "0.1, 0.2"},
        ),
        ("$msec $status", b"804571201.000 -", ["ts", "status"], {"ts": INSTANT, "status": None}),
    ],
)  # fmt: skip
def test_format(format: str, line: bytes, columns: list[str], some: dict[str, Any]) -> None:  # noqa: A002
    reader = nasalogs.read(log(line, line), format=format)
    assert reader.schema.names == columns
    assert reader.schema == nasalogs.schema(format)
    for row in reader.to_pylist():
        assert {name: row[name] for name in some} == some
    assert pa.table(reader).column_names == columns
    if "%" not in format and "$" not in format:
        assert reader.format == format
        assert nasalogs.read(log(line)).format == format


def test_format_is_detected_or_none_fits() -> None:
    with pytest.raises(nasalogs.ParseError, match="expected, as in common") as caught:
        nasalogs.read(log(b"what is this", b"and this"))
    assert caught.value.kind == "no_rows"
    assert "what is this" in str(caught.value)
    with pytest.raises(ValueError, match='there is no format "nope"'):
        nasalogs.read(log(GOOD), format="nope")


def test_columns_choose_and_order() -> None:
    chosen = ["bytes", "host", "status"]
    reader = nasalogs.read(MIXED, columns=chosen)
    assert reader.schema.names == chosen
    assert reader.to_pylist() == [{name: GOOD_ROW[name] for name in chosen}] * 2
    # What is not built is checked all the same.
    assert reader.summary.rejects_by_reason == dict.fromkeys(BAD.values(), 1)
    for columns in (tuple(chosen), iter(chosen), dict.fromkeys(chosen)):
        assert nasalogs.read(MIXED, columns=columns).schema.names == chosen


def test_extras() -> None:
    reader = nasalogs.read(MIXED, extras=OPTIONAL)
    assert reader.schema.names == [*COMMON, *OPTIONAL]
    first, last = reader.to_pylist()
    assert (first["line"], first["byte_offset"], first["raw"], first["file"]) == (1, 0, GOOD, None)
    assert (last["line"], last["raw"]) == (len(BAD) + 2, GOOD)
    assert MIXED[last["byte_offset"] :] == GOOD + b"\n"
    assert nasalogs.read(MIXED, columns=["raw", "host"]).schema.names == ["raw", "host"]
    assert nasalogs.read(MIXED, columns=["host"], extras=["line"]).schema.names == ["host", "line"]


@pytest.mark.parametrize(
    ("encoding", "path"), [("escape", "/caf\\xE9"), ("latin1", "/caf\xe9"), ("binary", b"/caf\xe9")]
)
def test_encoding(encoding: Whatever, path: str | bytes) -> None:
    reader = nasalogs.read(log(GOOD.replace(b"/a", b"/caf\xe9")), encoding=encoding)
    (row,) = reader.to_pylist()
    assert row["path"] == path
    assert pa.table(reader).column("path").to_pylist() == [path]
    kind = pa.binary() if encoding == "binary" else pa.string()
    assert pa.schema(reader.schema).field("path").type == kind
    assert reader.schema["path"].type == ("binary" if encoding == "binary" else "string")


def test_strings_are_plain_unless_views_are_asked_for() -> None:
    table = pa.table(nasalogs.read(log(GOOD)))
    assert {str(kind) for kind in table.schema.types} == {"string", "timestamp[ms, tz=UTC]", "int16", "int64"}
    kinds: Whatever = {"utf8": pa.string(), "view": pa.string_view(), "compact": pa.string_view()}
    for strings, kind in kinds.items():
        reader = nasalogs.read(log(GOOD), strings=strings)
        assert pa.table(reader).schema.field("host").type == kind
        assert pa.record_batch(next(iter(reader))).schema.field("host").type == kind
        assert reader.to_pylist() == [GOOD_ROW]


def test_names_and_rename() -> None:
    reader = nasalogs.read(log(GOOD), names="classic")
    assert reader.schema.names == CLASSIC
    assert reader.to_pylist() == [
        {
            "ip": "h.example",
            "timestamp": "01/Jul/1995:00:00:01 -0400",
            "method": "GET",
            "url": "/a?b=c",
            "protocol": "HTTP/1.0",
            "status_code": 200,
            "bytes": 7,
        }
    ]
    reader = nasalogs.read(log(GOOD), rename={"host": "client", "ts": "at"})
    assert reader.schema.names == ["client" if name == "host" else "at" if name == "ts" else name for name in COMMON]
    assert reader.to_pylist()[0]["client"] == "h.example"
    reader = nasalogs.read(log(GOOD), names="classic", rename={"ip": "client"}, columns=["url", "ip"], extras=["line"])
    assert reader.to_pylist() == [{"url": "/a?b=c", "client": "h.example", "line": 1}]
    assert pa.table(reader).to_pylist() == reader.to_pylist()


def test_two_names_are_swapped() -> None:
    (row,) = nasalogs.read(log(GOOD), rename={"host": "path", "path": "host"}, columns=["host", "path"]).to_pylist()
    assert row == {"path": "h.example", "host": "/a"}


HOWS: Final[tuple[Literal["count", "collect"], ...]] = ("count", "collect")


def test_on_reject() -> None:
    for how in HOWS:
        reader = nasalogs.read(MIXED, on_reject=how)
        assert reader.to_pylist() == [GOOD_ROW, GOOD_ROW]
        assert reader.summary.rejected == len(BAD)
        assert [reject.raw for reject in reader.rejects] == (list(BAD) if how == "collect" else [])
    called: list[nasalogs.Reject] = []
    reader = nasalogs.read(MIXED, on_reject=called.append)
    assert reader.to_pylist() == [GOOD_ROW, GOOD_ROW]
    assert [(reject.raw, reject.kind) for reject in called] == list(BAD.items())
    assert reader.rejects == []
    reader = nasalogs.read(MIXED, on_reject="raise")
    with pytest.raises(nasalogs.ParseError) as caught:
        reader.to_pylist()
    error = caught.value
    assert (error.kind, error.line, error.offset, error.raw) == ("missing_field", 2, len(GOOD) + 1, FIRST_BAD)


def test_on_reject_may_raise() -> None:
    def fail(reject: nasalogs.Reject) -> None:
        raise KeyError(reject.raw)

    for take in (list, nasalogs.Reader.to_pylist, nasalogs.Reader.to_pyarrow, nasalogs.Reader.to_polars):
        with pytest.raises(KeyError, match=r"h\.example"):
            take(nasalogs.read(MIXED, on_reject=fail))


def test_strict() -> None:
    for how in HOWS:
        reader = nasalogs.read(MIXED, strict=True, on_reject=how)
        rows = 0
        with pytest.raises(nasalogs.ParseError) as caught:  # noqa: PT012 - what came before counts
            for batch in reader:
                rows += batch.num_rows
        # All else is read before.
        assert (rows, reader.summary.rejected) == (2, len(BAD))
        assert (caught.value.kind, caught.value.line, caught.value.raw) == ("missing_field", 2, FIRST_BAD)
    assert nasalogs.read(log(GOOD), strict=True).to_pylist() == [GOOD_ROW]


HUNDRED = numbered(98) + log(b"bad", b"bad")


@pytest.mark.parametrize("stood", [None, 2, 100, "2", 0.02, 1.0, "2%", "2.0 %", "100%"])
def test_max_rejects_that_stand(stood: Whatever) -> None:
    reader = nasalogs.read(HUNDRED, max_rejects=stood)
    assert (reader.to_pyarrow().num_rows, reader.summary.rejected) == (98, 2)


@pytest.mark.parametrize("stood", [0, 1, "0", "1", 0.0, 0.0199, "0%", "1.9%"])
def test_max_rejects_that_do_not(stood: Whatever) -> None:
    with pytest.raises(nasalogs.ParseError, match="of 100 lines were rejected") as caught:
        nasalogs.read(HUNDRED, max_rejects=stood).to_pyarrow()
    assert caught.value.kind == "too_many_rejects"


@pytest.mark.parametrize(
    "stood", [True, -1, -0.1, 1.1, float("nan"), "", "x", "1.5", "-1", "101%", "%", [1], b"1", 1 << 70]
)
def test_max_rejects_that_are_none(stood: Whatever) -> None:
    with pytest.raises(ValueError, match="max_rejects is a number of lines"):
        nasalogs.read(HUNDRED, max_rejects=stood)


def test_max_line() -> None:
    long = GOOD.replace(b"/a", b"/" + b"a" * 500)
    reader = nasalogs.read(log(GOOD, long), max_line=len(GOOD), on_reject="collect")
    assert reader.to_pylist() == [GOOD_ROW]
    assert [reject.kind for reject in reader.rejects] == ["line_too_long"]
    assert nasalogs.read(log(GOOD, long), max_line=len(long)).to_pyarrow().num_rows == 2
    too_long = GOOD.replace(b"/a", b"/" + b"a" * (1 << 20))
    reader = nasalogs.read(log(GOOD, too_long))
    assert reader.to_pylist() == [GOOD_ROW]
    assert reader.summary.rejects_by_reason == {"line_too_long": 1}


def test_batch_bytes_and_jobs() -> None:
    log = numbered(5000)
    whole = nasalogs.read(log).to_pylist()
    sizes = {}
    for batch_bytes in (1, 1000, 100_000, 1 << 30):
        for jobs in (0, 1, 2, 7):
            reader = nasalogs.read(log, batch_bytes=batch_bytes, jobs=jobs)
            batches = list(reader)
            assert [row for batch in batches for row in batch.to_pylist()] == whole
            sizes[batch_bytes] = len(batches)
    assert sizes[1] >= sizes[1000] > sizes[100_000] > sizes[1 << 30] == 1


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"columns": ["nope"]}, ValueError, 'no column "nope"'),
        ({"columns": []}, ValueError, "no column is wanted"),
        ({"columns": ["host", "host"]}, ValueError, "wanted twice"),
        ({"columns": "host"}, TypeError, "list of column names, not str"),
        ({"columns": 5}, TypeError, "list of column names, not int"),
        ({"columns": [5]}, TypeError, "list of column names"),
        ({"extras": ["nope"]}, ValueError, "expected some of line, byte_offset, raw, file"),
        ({"extras": "line"}, TypeError, "list of column names, not str"),
        ({"encoding": "nope"}, ValueError, "expected one of escape, latin1, binary"),
        ({"strings": "nope"}, ValueError, "expected one of view, utf8, compact"),
        ({"names": "nope"}, ValueError, "expected one of nasalogs, classic"),
        ({"names": "classic", "columns": ["host"]}, ValueError, "expected some of ip, timestamp"),
        ({"rename": {"nope": "x"}}, ValueError, 'no column "nope" to rename'),
        ({"rename": {"host": "path"}}, ValueError, 'two columns would be called "path"'),
        ({"rename": ["host"]}, TypeError, "rename has to be a mapping"),
        ({"rename": {"host": 5}}, TypeError, ""),
        ({"on_reject": "nope"}, ValueError, "a function"),
        ({"on_reject": 5}, TypeError, "a function"),
        ({"format": 5}, TypeError, "int"),
        ({"format": "%h"}, nasalogs.ParseError, ""),
        ({"format": "%!"}, ValueError, ""),
        ({"format": ""}, ValueError, "format"),
        ({"jobs": -1}, (ValueError, OverflowError), ""),
        ({"max_line": -1}, (ValueError, OverflowError), ""),
        ({"batch_bytes": 1.5}, TypeError, ""),
        ({"nope": 1}, TypeError, "unexpected keyword argument"),
    ],
)  # fmt: skip
def test_mistakes(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        nasalogs.read(log(GOOD), **options).to_pylist()
    assert said in str(caught.value)
    # It speaks of arguments, not of the command line's options.
    assert "--" not in str(caught.value)
