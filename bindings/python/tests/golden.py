"""The golden corpus, `tests/corpus/` of the repository (its README says how to read it)."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from conftest import repository

FOLDER: Final = repository() / "tests" / "corpus"
NAMES: Final = ["common", "combined", "vhost", "nginx_main", "custom", "encoding"]
MARK: Final = b"\xef\xbb\xbf"
_BYTE: Final = re.compile(rb"\{([0-9A-F]{2})(?:\*(\d+))?\}")


@dataclass(frozen=True)
class Case:
    """A line as it stands in a log, with its newline if it has one, and what it gives."""

    place: str
    content: bytes
    row: dict[str, Any] | None = None
    reject: str | None = None

    @property
    def line(self) -> bytes:
        """It without its line end."""
        return self.content.removesuffix(b"\n").removesuffix(b"\r")


@dataclass(frozen=True)
class Group:
    """Cases that may stand in one log, unless each has to be `alone`, and how to read it."""

    name: str
    format: str = ""
    encoding: str = "escape"
    max_line: int | None = None
    alone: bool = False
    cases: list[Case] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `read` and `parse`."""
        return {"format": self.format, "encoding": self.encoding, "max_line": self.max_line}

    @property
    def log(self) -> bytes:
        """All cases."""
        return b"".join(case.content for case in self.cases)

    def expected(self) -> list[dict[str, Any]]:
        """All rows, each with `line`, `byte_offset` and `raw`."""
        rows = []
        offset = 0
        for number, case in enumerate(self.cases, start=1):
            if case.row is not None:
                rows.append(case.row | {"line": number, "byte_offset": offset, "raw": case.line})
            offset += len(case.content)
        return rows

    def rejected(self) -> list[tuple[int, str | None, bytes]]:
        """All rejected lines: number, reason, and what is kept of them."""
        cases = enumerate(self.cases, start=1)
        return [(number, case.reject, case.line[: 64 << 10]) for number, case in cases if case.reject]


def expand(text: bytes) -> bytes:
    """`{HH}` and `{HH*N}` to bytes."""
    return _BYTE.sub(lambda found: bytes.fromhex(found[1].decode()) * int(found[2] or 1), text)


def _values(text: bytes, encoding: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(expand(text.strip()) or b"{}")
    for name, value in values.items():
        if name == "ts" and value is not None:
            values[name] = datetime.fromisoformat(value)
        elif isinstance(value, str) and encoding == "binary":
            values[name] = value.encode("latin-1")
    return values


def _group(last: Group, word: str, value: str, place: str) -> Group:
    """What follows a line that begins with @."""
    match word:
        case "format":
            return Group(last.name, value)
        case "encoding":
            return replace(last, cases=[], encoding=value)
        case "max_line":
            return replace(last, cases=[], max_line=int(value))
        case "alone" | "together":
            return replace(last, cases=[], alone=word == "alone")
    message = f"{place}: there is no @{word}"
    raise ValueError(message)


def read(name: str) -> list[Group]:
    """The groups of a file."""
    groups: list[Group] = [Group(name)]
    base = b""
    content: bytes | None = None
    for number, line in enumerate((FOLDER / f"{name}.txt").read_bytes().split(b"\n"), start=1):
        place = f"{name}.txt:{number}"
        mark, rest = line[:1], line[1:].removeprefix(b" ")
        last = groups[-1]
        if mark == b"@":
            word, _, value = rest.decode().partition(" ")
            if word == "base":
                base = rest[5:]
                continue
            groups.append(_group(last, word, value, place))
        elif mark == b"<":
            assert content is None, f"{place}: the line before it has no outcome"
            end = b"" if rest.endswith(b"{EOF}") else b"\n"
            content = expand(rest.removesuffix(b"{EOF}")) + end
        elif mark in (b">", b"!", b"~"):
            assert content is not None, f"{place}: an outcome of no line"
            row, reject = None, None
            if mark == b">":
                row, changes = _values(base, last.encoding), _values(rest, last.encoding)
                assert changes.keys() <= row.keys(), f"{place}: no such column"
                row |= changes
            elif mark == b"!":
                reject = rest.decode()
            last.cases.append(Case(place, content, row, reject))
            content = None
        else:
            assert mark in (b"", b"#"), f"{place}: a line begins with one of # @ < > ! ~"
    return [group for group in groups if group.cases]
