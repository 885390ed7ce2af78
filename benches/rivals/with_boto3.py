"""What scripts do: a regular expression, JSON, and boto3; 500 records a call, or as the classic script, one."""

import json
import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from script import record


def records(log: str, lines: int) -> Iterator[dict[str, Any]]:
    """As many of the first lines as are asked for, as records."""
    with Path(log).open(encoding="latin-1", newline="\n") as file:
        for line in islice(file, lines):
            if found := record(line.rstrip("\n")):
                yield {"Data": json.dumps(found), "PartitionKey": str(random.random())}  # noqa: S311 -- no secret


def main(how: str, log: str, lines: int) -> None:
    """Put them, and count what is stored."""
    kinesis = boto3.client("kinesis")
    count = 0
    if how == "put_record":
        for entry in records(log, lines):
            kinesis.put_record(StreamName="s", **entry)
            count += 1
    else:
        entries = records(log, lines)
        while some := list(islice(entries, 500)):
            answer = kinesis.put_records(StreamName="s", Records=some)
            count += len(some) - answer["FailedRecordCount"]
    print(count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
