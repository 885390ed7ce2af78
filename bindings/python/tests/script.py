"""The script that was there before: a regular expression, and a dict for each line that it fits."""

import re
from typing import Any, Final

LINE: Final = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) (\S+) (HTTP/\d\.\d)" (\d{3}) (\d+|-)$', re.ASCII)


def record(line: str) -> dict[str, Any] | None:
    """A line's record; none for those that the expression does not know."""
    match = LINE.match(line)
    if match is None:
        return None
    ip, timestamp, method, url, protocol, status_code, size = match.groups()
    return {
        "ip": ip,
        "timestamp": timestamp,
        "method": method,
        "url": url,
        "protocol": protocol,
        "status_code": int(status_code),
        "bytes": 0 if size == "-" else int(size),
    }
