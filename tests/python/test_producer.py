"""Producers in Python: what they send is what `nasalogs stream` sends, over clients that are not ours."""

import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from events import record, shards
from kinesis import REGION, client_of
from nasalogs.aws import DeliveryError, Producer, kinesis_batches, parse_kinesis_event
from stores import Store

FORMS = ["raw", "ndjson", "kpl", "block"]
KEYS_OF_SHARDS = [(0, 2**127 - 1), (2**127, 2**128 - 1)]


class Client:
    """A stream of two shards in memory, which fails as it is told."""

    def __init__(self, fail: Callable[[int, list[dict[str, Any]]], Any] = lambda _at, _records: None) -> None:
        self.stored: list[dict[str, Any]] = []
        self.calls = 0
        self.fail = fail
        self.lock = threading.Lock()

    def list_shards(self, **_arguments: str) -> dict[str, Any]:
        """The shards, a closed one among them."""
        shards = [
            {
                "ShardId": f"shardId-{at}",
                "HashKeyRange": {"StartingHashKey": str(first), "EndingHashKey": str(last)},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            }
            for at, (first, last) in enumerate(KEYS_OF_SHARDS)
        ]
        closed = {**shards[0], "SequenceNumberRange": {"EndingSequenceNumber": "2"}}
        return {"Shards": [closed, *shards]}

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Store records, or some of them, or none."""
        assert StreamName == "web"
        assert len(Records) <= 500
        with self.lock:
            self.calls += 1
            said = self.fail(self.calls, Records)
            failed = said if isinstance(said, set) else set()
            answers = []
            for at, each in enumerate(Records):
                if at in failed:
                    answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "busy"})
                else:
                    self.stored.append(each)
                    answers.append({"ShardId": "shardId-0", "SequenceNumber": str(len(self.stored))})
            return {"FailedRecordCount": len(failed), "Records": answers}


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("common", 3_000)


def rows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of records, as their consumer sees them."""
    batch = parse_kinesis_event([record_of(each, at) for at, each in enumerate(records)], format="common")
    assert batch.rejected == 0
    return batch.to_batch().to_pylist()


def record_of(entry: dict[str, Any], at: int) -> dict[str, Any]:
    return record(entry["Data"], at, key=entry["PartitionKey"])


@pytest.mark.parametrize("form", FORMS)
def test_every_line_arrives_with_an_id_of_its_own(form: Any, log: Path) -> None:
    client = Client()
    report = Producer(client, "web").send_file(log, records=form)
    assert (report["lines"], report["acknowledged"], report["possibly_duplicated"]) == (3000, 3000, 0)
    found = rows(client.stored)
    assert len(found) == len({row["line_id"] for row in found}) == 3000
    batches = [each for batch in kinesis_batches(log, form=form, shards=2) for each in batch]
    plain = [Counter(tuple(list(row.values())[:-1]) for row in each) for each in (found, rows(batches))]
    assert plain[0] == plain[1]


def test_batches_are_as_full_as_they_can_be(log: Path) -> None:
    assert [len(batch) for batch in kinesis_batches(log)] == [500] * 6
    assert [len(batch) for batch in kinesis_batches(log, form="kpl", shards=2)] == [1]
    shards = Client().list_shards()["Shards"]
    [batch] = kinesis_batches(log, form="kpl", shards=shards, partition_key="host")
    assert sorted(int(each["ExplicitHashKey"]) >= 2**127 for each in batch) == [False, True]


def test_batches_that_nobody_takes_to_the_end(log: Path) -> None:
    for _ in range(20):
        batches = kinesis_batches(log)
        assert len(next(batches)) == 500
        del batches


def test_a_checkpoint_counts_what_was_taken(log: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    batches = kinesis_batches(log, checkpoint=checkpoint)
    first = [next(batches) for _ in range(3)]
    # Whoever lets go of the lists has the checkpoint.
    del batches
    rest = list(kinesis_batches(log, checkpoint=checkpoint))
    found = rows([each for batch in first + rest for each in batch])
    # The third was handed over, and nobody has said that it was taken.
    assert len({row["line_id"] for row in found}) == 3000
    assert len(found) in range(3000, 4501)


def test_lists_of_a_pipe_into_which_nobody_writes_are_let_go_of(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    batches = kinesis_batches(pipe)
    del batches
    # The run ends with it.
    pipe.open("wb").close()


def test_as_many_requests_are_under_way_as_there_are_threads(log: Path) -> None:
    others = threading.Semaphore(0)
    first = iter(range(6))

    class Slow(Client):
        def put_records(self, **request: Any) -> dict[str, Any]:
            if (at := next(first, None)) is not None:
                # The last of the six lets all go.
                if at == 5:
                    others.release(6)
                assert others.acquire(timeout=60)
            return super().put_records(**request)

    assert Producer(Slow(), "web", threads=6).send_file(log)["acknowledged"] == 3000


def test_only_what_failed_is_sent_again(log: Path) -> None:
    client = Client(lambda at, records: set(range(0, len(records), 3)) if at <= 2 else None)
    report = Producer(client, "web").send_file(log)
    assert report["acknowledged"] == len(client.stored) == 3000
    assert report["retried"] > 0
    assert report["throttled"] == report["retried"]
    assert report["possibly_duplicated"] == 0


def test_a_lost_answer_is_counted_and_told_by_the_id(log: Path) -> None:
    def fail(at: int, records: list[dict[str, Any]]) -> None:
        if at in (2, 4):
            client.stored.extend(records)
            raise ConnectionClosedError(endpoint_url="http://there")

    client = Client(fail)
    report = Producer(client, "web").send_file(log)
    assert len(client.stored) > 3000
    times = Counter(row["line_id"] for row in rows(client.stored))
    assert len(times) == 3000
    assert report["possibly_duplicated"] == sum(count > 1 for count in times.values())


def test_no_connection_is_no_duplicate(log: Path) -> None:
    def fail(at: int, _records: object) -> None:
        if at <= 3:
            raise EndpointConnectionError(endpoint_url="http://there")

    client = Client(fail)
    report = Producer(client, "web").send_file(log, records="kpl")
    assert (report["acknowledged"], report["possibly_duplicated"]) == (3000, 0)
    assert report["requests_not_sent"] == 3


def test_what_cannot_succeed_says_why(log: Path) -> None:
    def refuse(code: str) -> Callable[[int, object], None]:
        def fail(_at: int, _records: object) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}, "PutRecords")

        return fail

    for code, text in (("ResourceNotFoundException", "no such stream"), ("ExpiredTokenException", "expired")):
        with pytest.raises(DeliveryError, match=text) as caught:
            Producer(Client(refuse(code)), "web").send_file(log)
        assert caught.value.report["acknowledged"] == 0
        assert caught.value.report["lines"] > 0

    def mistaken(_at: int, _records: object) -> None:
        raise LookupError("a mistake of the caller's")  # noqa: EM101, TRY003

    with pytest.raises(DeliveryError, match="mistake") as caught:
        Producer(Client(mistaken), "web").send_file(log)
    assert isinstance(caught.value.__cause__, LookupError)


def test_arguments_are_judged(log: Path, tmp_path: Path) -> None:
    producer = Producer(Client(), "web")
    with pytest.raises(ValueError, match="nothing to read"):
        producer.send_file()
    with pytest.raises(ValueError, match="records"):
        producer.send_file(log, records="xml")  # type: ignore[arg-type]
    with pytest.raises(OSError, match="none"):
        producer.send_file(tmp_path / "none.log")
    with pytest.raises(ValueError, match="rate"):
        producer.send_file(log, rate=0)
    with pytest.raises(OSError, match="none"):
        list(kinesis_batches(tmp_path / "none.log"))
    for count in (0, -1):
        with pytest.raises(ValueError, match="at least one shard"):
            kinesis_batches(log, shards=count)


def test_names_of_files_are_no_options(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = Producer(Client(), "web").send_file(log, checkpoint="-c", rejects="-r", spool="-s")
    assert report["acknowledged"] == 3000
    assert Path("-c").exists()
    assert list(kinesis_batches(log, checkpoint="-c", format="common")) == []


def test_rejects_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    log.write_bytes(b"nonsense\n" + b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245\n')
    client, rejects = Client(), tmp_path / "rejects.ndjson"
    producer = Producer(client, "web")
    report = producer.send_file(log, records="ndjson", names="classic", rejects=rejects, format="common")
    assert (report["rejected"], report["acknowledged"]) == (1, 1)
    assert json.loads(client.stored[0]["Data"])["ip"] == "h"
    assert json.loads(rejects.read_text())["raw"] == "nonsense"


def test_over_boto3(moto: Store, log: Path) -> None:
    kinesis = client_of(moto.url)
    kinesis.create_stream(StreamName="web", ShardCount=2)
    # One thread: that server loses records when two requests come at the same moment.
    report = Producer(kinesis, "web", threads=1).send_file(log)
    assert report["acknowledged"] == 3000
    batches = [parse_kinesis_event(records, format="common") for records in shards(kinesis, "web")]
    found = [line_id for batch in batches for line_id in batch.to_batch().column("line_id")]
    assert len(found) == len(set(found)) == 3000
    kinesis.close()
    patient = boto3.client("kinesis", region_name=REGION, config=Config(retries={"total_max_attempts": 3}))
    with pytest.warns(UserWarning, match="total_max_attempts"):
        Producer(patient, "web")
    patient.close()
