"""One line at a time."""

import copy
import pickle
from datetime import timedelta
from typing import Any

import nasalogs
import pytest
from sample import AGENT, BAD, CLASSIC, COMBINED, COMMON, GOOD, GOOD_ROW, INSTANT, TIME, ZONE, Whatever

TEXT = GOOD.decode()


@pytest.mark.parametrize(
    "line",
    [GOOD, TEXT, GOOD + b"\n", TEXT + "\r\n", GOOD + b"\r", bytearray(GOOD), memoryview(GOOD)],
    ids=["bytes", "str", "newline", "CRLF", "CR", "bytearray", "memoryview"],
)
def test_a_line_of_any_kind(line: Whatever) -> None:
    record = nasalogs.parse_line(line)
    assert record.to_dict() == GOOD_ROW
    assert record.raw_line == GOOD


def test_a_line_has_one_line_end() -> None:
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.parse_line(GOOD + b"\r\r\n")
    assert caught.value.kind == nasalogs.parse(GOOD + b"\r\r\n").rejects[0].kind


def test_attributes_and_keys() -> None:
    record = nasalogs.parse_line(TEXT)
    for name, value in GOOD_ROW.items():
        assert getattr(record, name) == record[name] == value
        assert type(getattr(record, name)) is type(value)
        assert name in record
        assert name in dir(record)
    assert list(record) == record.keys() == COMMON
    assert len(record) == len(COMMON)
    assert dict(record) == GOOD_ROW
    assert {**record} == GOOD_ROW
    assert "nope" not in record
    with pytest.raises(AttributeError, match='no column "nope"; it has host, ident'):
        record.nope  # noqa: B018
    with pytest.raises(KeyError, match="nope"):
        record["nope"]
    assert getattr(record, "nope", 5) == 5
    assert not hasattr(record, "referer")
    assert {"keys", "to_dict", "raw_line"} <= set(dir(record))
    with pytest.raises(TypeError):
        record[0]  # type: ignore[index]


def test_ts_is_in_the_offset_that_was_logged() -> None:
    record = nasalogs.parse_line(TEXT)
    assert record.ts == INSTANT
    assert record.ts.isoformat() == "1995-07-01T00:00:01-04:00"
    assert record.ts.tzinfo == ZONE
    assert record.ts.strftime("%d/%b/%Y:%H:%M:%S %z") == TIME
    for offset, minutes in (("+0000", 0), ("-0000", 0), ("+0530", 330), ("-2359", -1439), ("+2359", 1439)):
        record = nasalogs.parse_line(TEXT.replace("-0400", offset))
        assert (record.ts.utcoffset(), record.tz_offset) == (timedelta(minutes=minutes), minutes)
        assert record.ts.hour == 0
    # As far as times go.
    for logged, iso in (
        ("01/Jan/0001:00:00:00 +0000", "0001-01-01T00:00:00+00:00"),
        ("31/Dec/9999:23:59:59 +0000", "9999-12-31T23:59:59+00:00"),
        ("29/Feb/2000:23:59:59 -0100", "2000-02-29T23:59:59-01:00"),
        ("31/Dec/1969:23:59:59 +0000", "1969-12-31T23:59:59+00:00"),
    ):
        assert nasalogs.parse_line(TEXT.replace(TIME, logged)).ts.isoformat() == iso
    leap = nasalogs.parse_line(TEXT.replace(TIME, "30/Jun/1995:23:59:60 +0000"))
    assert leap.ts.isoformat() == "1995-07-01T00:00:00+00:00"


def test_fields_that_are_not_there() -> None:
    record = nasalogs.parse_line('h - "" [01/Jul/1995:00:00:01 -0400] "-" - -')
    assert record.authuser == ""
    nothing = ("ident", "method", "path", "query", "protocol", "status", "bytes")
    assert [record[name] for name in nothing] == [None] * len(nothing)


def test_formats() -> None:
    assert nasalogs.parse_line(AGENT).keys() == COMBINED
    assert nasalogs.parse_line(b"www.example:80 " + AGENT).vhost_port == 80
    assert nasalogs.parse_line(AGENT + b' "192.0.2.1"').x_forwarded_for == "192.0.2.1"
    record = nasalogs.parse_line("h 200 0.123", format="$remote_addr $status $request_time")
    assert record.to_dict() == {"host": "h", "status": 200, "request_time_ms": 123}
    # A column that bears the name of a method is to be had by its key.
    record = nasalogs.parse_line("h 1", format="%h %{keys}i")
    assert record["keys"] == "1"
    assert nasalogs.parse_line("804571201.250 -", format="$msec $status").ts == INSTANT.replace(microsecond=250_000)
    with pytest.raises(ValueError, match="no format"):
        nasalogs.parse_line(GOOD, format="nope")


def test_more_format_strings_than_are_kept() -> None:
    for _ in range(2):
        for number in range(200):
            record = nasalogs.parse_line(f"h {number}", format=f"%h %{{x{number}}}i")
            assert record.to_dict() == {"host": "h", f"x{number}": str(number)}


def test_encodings() -> None:
    odd = GOOD.replace(b"/a", b"/\xe9\xc3\xa9")
    assert nasalogs.parse_line(odd).path == "/\\xE9\xe9"
    assert nasalogs.parse_line(odd, encoding="latin1").path == "/\xe9\xc3\xa9"
    assert nasalogs.parse_line(odd, encoding="binary").path == b"/\xe9\xc3\xa9"
    assert nasalogs.parse_line(odd, encoding="binary").host == b"h.example"
    assert nasalogs.parse_line(odd).raw_line == odd
    assert nasalogs.parse_line(odd.decode("utf-8", "surrogateescape")) == nasalogs.parse_line(odd)
    with pytest.raises(ValueError, match="expected one of escape, latin1, binary"):
        nasalogs.parse_line(GOOD, encoding="nope")  # type: ignore[call-overload]
    with pytest.raises(UnicodeEncodeError):
        nasalogs.parse_line(TEXT + "\ud800")


def test_names() -> None:
    record = nasalogs.parse_line(GOOD, names="classic")
    assert record.to_dict() == {
        "ip": "h.example",
        "timestamp": TIME,
        "method": "GET",
        "url": "/a?b=c",
        "protocol": "HTTP/1.0",
        "status_code": 200,
        "bytes": 7,
    }
    assert record.keys() == CLASSIC
    assert nasalogs.parse_line(GOOD.replace(b" 7", b" -"), names="classic").bytes == 0
    record = nasalogs.parse_line(GOOD, rename={"host": "client"})
    assert (record.client, "host" in record) == ("h.example", False)
    assert nasalogs.parse_line(GOOD, names="classic", rename={"ip": "client"}).client == "h.example"
    with pytest.raises(ValueError, match="to rename"):
        nasalogs.parse_line(GOOD, rename={"nope": "x"})
    with pytest.raises(ValueError, match="expected one of nasalogs, classic"):
        nasalogs.parse_line(GOOD, names="nope")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match='no column "ts"'):
        nasalogs.parse_line("h 200", format="%h %s", names="classic")


def test_classic_times_are_as_they_were_logged() -> None:
    for time in (
        TIME,
        "01/Jul/1995:00:00:01 -0000",
        "30/Jun/1995:23:59:60 +0000",
        "30/Jun/1995:12:00:60 -0000",
    ):
        line = TEXT.replace(TIME, time)
        assert nasalogs.parse_line(line, names="classic").timestamp == time
        assert nasalogs.parse(line, names="classic").column("timestamp") == [time]


def test_binary_classic_records_are_alike() -> None:
    options: dict[str, Any] = {"encoding": "binary", "names": "classic"}
    assert nasalogs.parse_line(GOOD, **options).to_dict() == nasalogs.parse(GOOD, **options).to_pylist()[0]


def test_equality_and_hash() -> None:
    record = nasalogs.parse_line(GOOD)
    same = nasalogs.parse_line(TEXT + "\n")
    assert record == same
    assert hash(record) == hash(same)
    assert len({record, same, nasalogs.parse_line(GOOD, names="classic")}) == 2
    for other in (
        nasalogs.parse_line(GOOD.replace(b"200", b"404")),
        nasalogs.parse_line(GOOD, names="classic"),
        nasalogs.parse_line(GOOD, rename={"host": "client"}),
        GOOD_ROW,
        None,
        5,
    ):
        assert record != other
        assert not record == other  # noqa: SIM201 - the other operator
    with pytest.raises(TypeError):
        record < same  # type: ignore[operator]  # noqa: B015


def test_repr() -> None:
    assert repr(nasalogs.parse_line(GOOD)) == f"<Record {TEXT}>"
    long = repr(nasalogs.parse_line(GOOD.replace(b"/a", b"/" * 5000)))
    assert len(long) < 100
    odd = repr(nasalogs.parse_line(GOOD.replace(b"/a", b"/\x1b[31m\x00\xff")))
    assert odd.isprintable()
    assert "\\x1B" in odd
    assert "\\xFF" in odd


def test_a_match_statement() -> None:
    match nasalogs.parse_line(GOOD):
        case nasalogs.Record(status=200, method="GET"):
            pass
        case _:
            pytest.fail("it does not match")


@pytest.mark.parametrize("line", BAD)
def test_lines_that_are_no_rows(line: bytes) -> None:
    for given in (line, line + b"\n", line.decode()):
        with pytest.raises(nasalogs.ParseError) as caught:
            nasalogs.parse_line(given, format="common")
        error = caught.value
        assert (error.kind, error.line, error.offset) == (BAD[line], 1, 0)
        assert (error.raw, error.file) == (line, None)
        assert line.decode() in str(error)
        assert isinstance(error, ValueError)


def test_blank_and_several_lines() -> None:
    for blank in ("", " ", "\n", b"\r\n", b""):
        with pytest.raises(nasalogs.ParseError):
            nasalogs.parse_line(blank)
    for two in (GOOD + b"\n" + GOOD, GOOD + b"\n\n", b"\n" + GOOD):
        with pytest.raises(nasalogs.ParseError):
            nasalogs.parse_line(two)


@pytest.mark.parametrize("line", [None, 5, 1.5, [GOOD], object()])
def test_what_is_no_line(line: Whatever) -> None:
    with pytest.raises(TypeError, match="a line is str or bytes"):
        nasalogs.parse_line(line)


def test_errors_travel() -> None:
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.parse_line(b"h \xff\x1b")
    error = caught.value
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for other in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
            assert type(other) is nasalogs.ParseError
            assert str(other) == str(error)
            assert other.args == error.args
            for name in ("kind", "line", "offset", "raw", "file"):
                assert getattr(other, name) == getattr(error, name)
    assert error.raw == b"h \xff\x1b"
    assert str(error).isprintable()


def test_errors_can_be_made() -> None:
    error = nasalogs.ParseError("message", "kind")
    assert (str(error), error.kind, error.line, error.offset, error.raw, error.file) == (
        "message", "kind", None, None, None, None,
    )  # fmt: skip
