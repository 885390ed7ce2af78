"""Lines to read, and what they must give."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, Literal, TypeAlias

Row: TypeAlias = dict[str, Any]
# What may be passed by mistake, too.
Whatever: TypeAlias = Any

COMMON: Final = [
    "host", "ident", "authuser", "ts", "tz_offset", "method", "path", "query", "protocol", "status", "bytes",
]  # fmt: skip
COMBINED: Final = [*COMMON, "referer", "user_agent"]
OPTIONAL: Final[list[Literal["line", "byte_offset", "raw", "file"]]] = ["line", "byte_offset", "raw", "file"]
CLASSIC: Final = ["ip", "timestamp", "method", "url", "protocol", "status_code", "bytes"]

TIME: Final = "01/Jul/1995:00:00:01 -0400"
INSTANT: Final = datetime(1995, 7, 1, 4, 0, 1, tzinfo=UTC)
ZONE: Final = timezone(timedelta(hours=-4))

GOOD: Final = b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b=c HTTP/1.0" 200 7'
GOOD_ROW: Final[Row] = {
    "host": "h.example",
    "ident": None,
    "authuser": None,
    "ts": INSTANT,
    "tz_offset": -240,
    "method": "GET",
    "path": "/a",
    "query": "b=c",
    "protocol": "HTTP/1.0",
    "status": 200,
    "bytes": 7,
}
AGENT: Final = GOOD + b' "http://r.example/" "agent/1"'
# One of each reason that a line of `common` can be rejected for, besides those about the end of an input.
BAD: Final = {
    b"h.example": "missing_field",
    b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0': "unterminated_request",
    b'h.example - - [31/Feb/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 7': "bad_timestamp",
    b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 2x0 7': "bad_status",
    b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 -7': "bad_bytes",
    GOOD + b" more": "trailing_data",
}
FIRST_BAD: Final = b"h.example"


def log(*lines: bytes) -> bytes:
    """The lines as a log, each with its newline."""
    return b"".join(line + b"\n" for line in lines)


def numbered(count: int) -> bytes:
    """A log whose paths are `/0`, `/1` and so on."""
    return log(*(GOOD.replace(b"/a?b=c", b"/%d" % number) for number in range(count)))


def paths(rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The paths of rows."""
    return [row["path"] for row in rows]


def numbers(count: int) -> list[str]:
    """The paths of `numbered`."""
    return [f"/{number}" for number in range(count)]
