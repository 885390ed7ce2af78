"""Aggregates, held against the library that AWS publishes for consumers and producers in Python."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records
from kinesis import tool, unpack


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> bytes:
    """A log with all that lines can hold: other line ends, blank lines, no newline at the end."""
    lines = generated("common", 20_000, oddities="5%").read_bytes().split(b"\n")
    lines[7] += b"\r"
    lines[9:9] = [b"", b"", b"\xf3\x89\x9a\xc2 not an aggregate"]
    return b"\n".join(lines[:-1])


def pack(form: str, log: bytes) -> list[dict[str, Any]]:
    """The records of a log."""
    return [json.loads(line) for line in tool("pack", form, stdin=log).splitlines()]


def event(record: dict[str, Any]) -> dict[str, Any]:
    """A record as a function is handed it."""
    return {
        "eventID": "shardId-000000000000:1",
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 1.0,
            "partitionKey": record["partition_key"],
            "data": base64.b64encode(bytes.fromhex(record["data"])),
        },
    }


def lines_of(log: bytes) -> list[tuple[str, bytes]]:
    """What every way has to give: identities and lines."""
    found, offset = [], 0
    for line in log.split(b"\n"):
        found.append((f"{1995:016x}-{offset}", line.removesuffix(b"\r")))
        offset += len(line) + 1
    return found


def test_theirs_reads_ours(log: bytes) -> None:
    records = pack("kpl", log)
    assert len(records) > 1
    wanted = [text for _, text in lines_of(log)]
    found = []
    for record in records:
        assert len(record["data"]) // 2 + len(record["partition_key"]) <= 1 << 20
        for user in deaggregate_records([event(record)]):
            assert user["kinesis"]["aggregated"] is True
            # Consumers drop what another shard's hash key would be.
            assert user["kinesis"]["explicitHashKey"] == record["explicit_hash_key"]
            found.append(base64.b64decode(user["kinesis"]["data"]))
    # Line ends that would be lost otherwise come with their lines.
    assert [text.removesuffix(b"\n") for text in found] == wanted


def test_a_record_goes_where_its_hash_key_says(log: bytes) -> None:
    for record in pack("kpl", log[:1000]):
        digest = hashlib.md5(record["partition_key"].encode(), usedforsecurity=False).digest()
        assert int(record["explicit_hash_key"]) == int.from_bytes(digest)


def test_ours_reads_theirs(log: bytes) -> None:
    wanted = [text for _, text in lines_of(log) if text]
    aggregator = RecordAggregator(64 << 10)
    records = []
    for number, text in enumerate(wanted):
        records.append(aggregator.add_user_record(f"key {number % 7}", text, str(number % 3)))
    records.append(aggregator.clear_and_get())
    contents = [record.get_contents() for record in records if record]
    assert len(contents) > 1
    packed = [{"partition_key": key, "data": data.hex()} for key, _, data in contents]
    assert unpack(packed) == [("-", text) for text in wanted]


@pytest.mark.parametrize("form", ["raw", "kpl", "block"])
def test_there_and_back(form: str, log: bytes) -> None:
    assert unpack(pack(form, log)) == lines_of(log)
