"""What all rivals that use regular expressions agree on: a common line, a request, a time."""

import sys
from collections.abc import Callable, Mapping
from typing import Final

LINE: Final = r'^(\S+) (\S+) (.*?) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) ([+-]\d{4})\] "(.*)" (\d{3}|-) (\d+|-)$'
REQUEST: Final = r"^([A-Za-z]+) (.*?)(?: (HTTP/\S+))?$"
# Captured, and split at blanks: there the brackets are still on.
CAPTURED: Final = ("host", "ident", "authuser", "clock", "zone", "request", "status", "bytes")
TIME: Final = "%d/%b/%Y:%H:%M:%S %z"


def run(ways: Mapping[str, Callable[[str, str], None]]) -> None:
    """Take `WAY LOG OUT` from the command line and do it."""
    way, log, out = sys.argv[1:]
    ways[way](log, out)
