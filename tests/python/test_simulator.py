"""The Kinesis simulator as boto3 sees it: an SDK that was not written for it."""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from kinesis import Simulator


@pytest.fixture
def start() -> Iterator[Callable[..., Simulator]]:
    started: list[Simulator] = []

    def begin(*flags: str) -> Simulator:
        started.append(Simulator(*flags))
        return started[-1]

    yield begin
    for simulator in started:
        assert simulator.stop() == 0


def put(simulator: Simulator, count: int = 2) -> dict[str, Any]:
    records = [{"Data": b"\xff\x00 line %d" % n, "PartitionKey": f'kü"{n}'} for n in range(count)]
    answer: dict[str, Any] = simulator.client.put_records(StreamName="s", Records=records)
    return answer


def test_records_go_where_their_keys_say_and_come_back(start: Callable[..., Simulator]) -> None:
    simulator = start()
    answer = put(simulator, 500)
    assert answer["FailedRecordCount"] == 0
    client = simulator.client
    shards = client.list_shards(StreamName="s")["Shards"]
    found = {}
    for shard in shards:
        low, high = (int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
        iterator = client.get_shard_iterator(
            StreamName="s", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = client.get_records(ShardIterator=iterator)["Records"]
        assert [record["SequenceNumber"] for record in records] == sorted(
            record["SequenceNumber"] for record in records
        )
        for record in records:
            key = record["PartitionKey"]
            digest = hashlib.md5(key.encode(), usedforsecurity=False).digest()
            assert low <= int.from_bytes(digest) <= high
            found[key] = record["Data"]
    assert found == {f'kü"{n}': b"\xff\x00 line %d" % n for n in range(500)}


def test_errors_are_those_of_the_sdk(start: Callable[..., Simulator]) -> None:
    simulator = start()
    client = simulator.client
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Stream t under account"):
        client.put_record(StreamName="t", Data=b"", PartitionKey="k")
    with pytest.raises(client.exceptions.ValidationException, match="less than or equal to 500"):
        put(simulator, 501)
    with pytest.raises(client.exceptions.InvalidArgumentException, match="exceeds 5 MB"):
        client.put_records(StreamName="s", Records=[{"Data": bytes(1_000_000), "PartitionKey": "k"}] * 6)
    simulator.ask("/_control", {"account": {"credentials": "expired"}})
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        put(simulator)


def test_a_lost_acknowledgement(start: Callable[..., Simulator]) -> None:
    simulator = start("--lose-ack", "1")
    with pytest.raises(ConnectionClosedError):
        put(simulator)
    assert [record["acknowledged"] for record in simulator.records()] == [False, False]


def test_a_stream_is_created_split_and_scaled(start: Callable[..., Simulator]) -> None:
    client = start("--create-ms", "200").client
    client.create_stream(StreamName="t", ShardCount=2)
    client.get_waiter("stream_exists").wait(StreamName="t", WaiterConfig={"Delay": 1})
    client.split_shard(StreamName="t", ShardToSplit="shardId-000000000001", NewStartingHashKey=str(3 << 126))
    client.update_shard_count(StreamName="t", TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    shards = client.describe_stream(StreamName="t")["StreamDescription"]["Shards"]
    ended = ["EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in shards]
    assert ended == [True, True, False, False, False, False]
    assert [shard.get("ParentShardId", "")[-1:] for shard in shards] == ["", "", "1", "1", "0", "0"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM")
def test_a_signal_stops_it() -> None:
    simulator = Simulator()
    simulator.process.send_signal(signal.SIGTERM)
    assert simulator.process.wait(30) == 0
    simulator.stop()
