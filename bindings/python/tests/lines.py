"""Lines as Hypothesis makes them: rendered from what they mean, or of anything at all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from hypothesis import strategies as st
from sample import AGENT, GOOD, Row

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_VISIBLE: Final = "".join(map(chr, range(33, 127)))
_TOKEN: Final = "".join(letter for letter in _VISIBLE if letter not in '"(),/:;<=>?@[\\]{}')


def text(alphabet: str, *, least: int = 1, most: int = 20) -> st.SearchStrategy[str]:
    """Text of some letters, and of others that are beyond ASCII."""
    letters = st.one_of(st.sampled_from(alphabet), st.characters(min_codepoint=0xA1, exclude_categories=["Cs"]))
    return st.text(letters, min_size=least, max_size=most)


@dataclass(frozen=True)
class Line:
    """A line that means something."""

    row: Row
    logged: str
    text: str

    @property
    def classic(self) -> Row:
        """The record of the old script."""
        row = self.row
        url = row["path"] if row["query"] is None else f"{row['path']}?{row['query']}"
        return {
            "ip": row["host"],
            "timestamp": self.logged,
            "method": row["method"],
            "url": url,
            "protocol": row["protocol"],
            "status_code": row["status"],
            "bytes": row["bytes"] or 0,
        }


def _without(removed: str) -> str:
    return "".join(letter for letter in _VISIBLE if letter not in removed)


def _not(*words: str) -> Callable[[str], bool]:
    return lambda value: value not in words


@st.composite
def rendered(draw: st.DrawFn, *, plain: bool = False) -> Line:
    """A line of `common`; a `plain` one is of the kind that the old script knew."""
    zone = timezone(timedelta(minutes=draw(st.integers(-23 * 60 - 59, 23 * 60 + 59))))
    instant = draw(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))).replace(microsecond=0, tzinfo=UTC)  # noqa: DTZ001
    local = instant.astimezone(zone)
    logged = f"{local.day:02}/{MONTHS[local.month - 1]}/{local.year:04}:{local:%H:%M:%S %z}"
    name = text(_without('"')).filter(_not("-", '""'))
    method = draw(st.sampled_from(["GET", "HEAD", "POST"]) if plain else st.text(_TOKEN, min_size=1, max_size=8))
    path = "/" + draw(text(_without('"?\\'), least=0))
    query = draw(st.none() | text(_without('"\\'), least=0))
    protocol = draw(st.sampled_from(["HTTP/0.9", "HTTP/1.0", "HTTP/1.1"]))
    row: Row = {
        "host": draw(name),
        "ident": None if plain else draw(st.none() | name),
        "authuser": None if plain else draw(st.none() | name),
        "ts": instant,
        "tz_offset": int((zone.utcoffset(None)).total_seconds()) // 60,
        "method": method,
        "path": path,
        "query": query,
        "protocol": protocol,
        "status": draw(st.integers(0, 999) if plain else st.none() | st.integers(0, 999)),
        "bytes": draw(st.none() | st.integers(0, (1 << 63) - 1)),
    }
    target = path if query is None else f"{path}?{query}"
    status = "-" if row["status"] is None else f"{row['status']:03}"
    size = "-" if row["bytes"] is None else str(row["bytes"])
    who = f"{row['host']} {row['ident'] or '-'} {row['authuser'] or '-'}"
    return Line(row, logged, f'{who} [{logged}] "{method} {target} {protocol}" {status} {size}')


# Bytes that are nearly a line: cut, doubled, and with others in between.
_PARTS: Final = [
    b"h.example", b" ", b"-", b" - - ", b"[01/Jul/1995:00:00:01 -0400]", b' "', b"GET /a HTTP/1.0", b'" ',
    b"200", b" 7", b"\\", b'"', b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xe9", b"[", b"]", b"?", b"9" * 19,
    b' "r" "a"', b"\xef\xbb\xbf", GOOD + b"\n", AGENT + b"\n",
]  # fmt: skip
NEARLY: Final = st.lists(st.sampled_from(_PARTS) | st.binary(max_size=4), max_size=30).map(b"".join)
ANYTHING: Final = st.one_of(st.binary(max_size=300), NEARLY)
FORMATS: Final = [
    "auto",
    "common",
    "combined",
    "vhost_common",
    "vhost_combined",
    "nginx_main",
    "%h %s",
    "$msec $request",
]
