"""A slow second reading of the format, by other means: regular expressions and the standard library.

It knows well-formed lines and those oddities that the generator makes; on a line where quotes and escapes
would need judgement it refuses to answer. The careful parser and this were written from the same rules, and
must agree.
"""

import codecs
import re
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

Value: TypeAlias = str | int | None
Row: TypeAlias = dict[str, Value]

COMMON: Final = (
    "host", "ident", "authuser", "ts", "tz_offset", "method", "path", "query", "protocol", "status", "bytes",
)  # fmt: skip
COMBINED: Final = (*COMMON, "referer", "user_agent")

_SHAPE = rb"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_HEAD = rb"(?P<host>[^ ]+) (?P<ident>[^ ]*) (?P<authuser>.*?) \[(?P<time>" + _SHAPE + rb')\] "'
_NUMBERS = rb'" (?P<status>\d{3}|-) (?P<bytes>\d{1,19}|-)'
_LINES: Final = {
    # The last quote ends the request, so the match is a greedy one; in combined it is the first that fits.
    "common": re.compile(_HEAD + rb"(?P<request>.*)" + _NUMBERS, re.DOTALL),
    "combined": re.compile(
        _HEAD + rb"(?P<request>.*?)" + _NUMBERS + rb' "(?P<referer>.*?)" "(?P<user_agent>.*)"', re.DOTALL
    ),
}
_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"\\x{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("nasalogs", _escape)


def text(raw: bytes) -> str:
    r"""Bytes as text: UTF-8, and ``\xHH`` for each byte that is not."""
    return raw.decode("utf-8", "nasalogs")


def parse_time(raw: str) -> tuple[int, int] | None:
    """Milliseconds since 1970 and minutes east of UTC, or None if there is no such time."""
    match = _TIME.fullmatch(raw)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, east_hours, east_minutes = match.groups()
    if month not in _MONTHS or int(second) > 60 or int(east_hours) > 23 or int(east_minutes) > 59:
        return None
    offset = (1 if sign == "+" else -1) * (int(east_hours) * 60 + int(east_minutes))
    try:
        minute_began = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), tzinfo=UTC)
        instant = minute_began + timedelta(seconds=int(second), minutes=-offset)
    except (ValueError, OverflowError):
        return None
    return (instant - _EPOCH) // timedelta(milliseconds=1), offset


def parse_request(request: bytes) -> Row:
    """The columns of a request: ``method SP target [SP protocol]``."""
    row: Row = {"method": None, "path": None, "query": None, "protocol": None}
    words = [word for word in request.split(b" ") if word]
    if not words or request == b"-":
        return row
    target = request.strip(b" ")
    protocol = len(words) > 1 and words[-1].upper().startswith(b"HTTP/")
    method = len(words) > 1 and _TOKEN.fullmatch(text(words[0])) is not None
    # `GET HTTP/1.0` has neither, for there is no target between.
    if not (len(words) == 2 and method and protocol):
        if protocol:
            row["protocol"] = text(words[-1])
            target = target[: -len(words[-1])].rstrip(b" ")
        if method:
            row["method"] = text(words[0])
            target = target[len(words[0]) :].lstrip(b" ")
    path, mark, query = target.partition(b"?")
    row["path"] = text(path)
    row["query"] = text(query) if mark else None
    return row


def parse(line: bytes, form: str = "common") -> Row | None:
    """A line without its line end: its row, or None for a reject.

    >>> row = parse(b'h - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 7')
    >>> row and (row["ts"], row["path"], row["query"])
    (804571201000, '/a', 'b')
    """
    if form == "combined" and b"\\" in line:
        message = f"escapes are the careful parser's: {line!r}"
        raise ValueError(message)
    match = _LINES[form].fullmatch(line)
    if match is None:
        return None
    when = parse_time(text(match["time"]))
    if when is None:
        return None
    size = None if match["bytes"] == b"-" else int(match["bytes"])
    if size is not None and size >= 1 << 63:
        return None
    row: Row = {"host": text(match["host"])}
    for name in ("ident", "authuser"):
        row[name] = None if match[name] == b"-" else text(match[name])
    if match["authuser"] == b'""':
        row["authuser"] = ""
    row["ts"], row["tz_offset"] = when
    row |= parse_request(match["request"])
    row["status"] = None if match["status"] == b"-" else int(match["status"])
    row["bytes"] = size
    if form == "combined":
        if b'" "' in match["user_agent"]:
            return None
        for name in ("referer", "user_agent"):
            row[name] = None if match[name] == b"-" else text(match[name])
    return row


def lines(log: bytes) -> list[bytes]:
    """A log's lines without their ends."""
    parts = log.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    return [part.removesuffix(b"\r") for part in parts]


def table(log: bytes, form: str = "common") -> tuple[list[Row], int, int]:
    """A log's rows, each with its line's number, then how many lines were rejected and how many blank."""
    rows: list[Row] = []
    rejected = blank = 0
    for number, line in enumerate(lines(log), start=1):
        row = parse(line, form)
        if line.strip(b" ") == b"":
            blank += 1
        elif row is None:
            rejected += 1
        else:
            rows.append(row | {"line": number})
    return rows, rejected, blank
