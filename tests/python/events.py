"""Events as Lambda passes them, an event source that retries as Lambda's does, and a bucket that fails when told to."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Records = list[dict[str, Any]]

SHARD = "shardId-000000000003"
# As long as those of Kinesis, so that no number of usual width holds one.
BASE = 49590338271490256608559692538361571095921575989136588898


def as_event(sequence: str, data: bytes, key: str, arrived: float, shard: str) -> dict[str, Any]:
    """Make a record of an event."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": sequence,
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": arrived,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence}",
        "eventName": "aws:kinesis:record",
        "awsRegion": "us-east-1",
    }


def record(data: bytes, at: int, *, key: str = "key", shard: str = SHARD) -> dict[str, Any]:
    """Make a record of an event, the so-many-eth of a shard."""
    return as_event(str(BASE + at), data, key, 804_571_201.25 + at, shard)


def event(*data: bytes) -> dict[str, Any]:
    """Make an event of records."""
    return {"Records": [record(each, at) for at, each in enumerate(data)]}


def shards(kinesis: Any, stream: str) -> Iterator[Records]:
    """What each shard of a stream holds, as records of events; also shards that were split or merged since."""
    listed = kinesis.list_shards(StreamName=stream)["Shards"]
    for shard in (each["ShardId"] for each in listed):
        found: Records = []
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        at: str | None = iterator["ShardIterator"]
        while at:
            answer = kinesis.get_records(ShardIterator=at)
            for each in answer["Records"]:
                arrived = each["ApproximateArrivalTimestamp"].timestamp()
                found.append(as_event(each["SequenceNumber"], each["Data"], each["PartitionKey"], arrived, shard))
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            at = answer.get("NextShardIterator")
        yield found


class KilledError(Exception):
    """The function was killed."""


@dataclass
class Bucket:
    """What the handler needs of boto3's client, in memory."""

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0
    # Called before and after each request: raises where one is to fail.
    before: Callable[[str, str], None] = lambda _operation, _key: None
    after: Callable[[str, str], None] = lambda _operation, _key: None

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "", ContentType: str = "") -> None:
        """Put an object, unless it is there and that matters."""
        self.before("put", Key)
        if IfNoneMatch and Key in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "it is there"}}, "PutObject")
        self.puts += 1
        self.objects[Key] = Body
        self.after("put", Key)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """Get an object."""
        self.before("get", Key)
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        """Remove an object."""
        self.before("delete", Key)
        self.objects.pop(Key, None)

    def get_paginator(self, _name: str) -> "Bucket":
        """Return what makes pages."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str) -> Any:
        """Make pages of two."""
        self.before("list", Prefix)
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
        for at in range(0, len(keys), 2):
            yield {"Contents": [{"Key": key} for key in keys[at : at + 2]]}


@dataclass
class EventSource:
    """Delivers records until all are taken, as an event source mapping that reports failures and bisects does.

    When the function dies, the batch comes again in two halves; when it answers with a sequence number, from there on.
    """

    handler: Callable[[Any, object], dict[str, Any]]
    deliveries: int = 0

    def deliver(self, records: Records, *, patience: int = 200) -> None:
        """Deliver records, each until it was taken."""
        while records:
            self.deliveries += 1
            assert self.deliveries < patience, "the function takes nothing"
            try:
                failures = self.handler({"Records": records}, None)["batchItemFailures"]
            except KilledError:
                half = (len(records) + 1) // 2
                if len(records) > 1:
                    self.deliver(records[:half], patience=patience)
                    records = records[half:]
                continue
            if not failures:
                return
            numbers = [each["kinesis"]["sequenceNumber"] for each in records]
            records = records[min(numbers.index(failure["itemIdentifier"]) for failure in failures) :]
