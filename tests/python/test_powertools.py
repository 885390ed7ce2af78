"""Under aws-lambda-powertools: its objects are taken as they are, and its batch processor may call the parser."""

import io
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import KinesisFirehoseEvent, KinesisStreamEvent, event_source
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from events import Bucket, event
from nasalogs.aws import FirehoseHandler, KinesisHandler, parse_kinesis_event

LINE = b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET /%d HTTP/1.0" 200 5'
WHOLE = event(*(LINE % at for at in range(3)), b"nonsense")
CONTEXT = LambdaContext()


def numbers(of: dict[str, Any]) -> list[str]:
    return [record["kinesis"]["sequenceNumber"] for record in of["Records"]]


def test_the_handler_behind_its_decorator() -> None:
    bucket = Bucket()
    handler = KinesisHandler("s3://lake/access/", client=bucket)

    @event_source(data_class=KinesisStreamEvent)
    def function(event: KinesisStreamEvent, context: LambdaContext) -> dict[str, Any]:
        return handler(event, context)

    assert function(WHOLE, CONTEXT) == {"batchItemFailures": []}
    plain = Bucket()
    KinesisHandler("s3://lake/access/", client=plain)(WHOLE)
    assert bucket.objects == plain.objects
    assert len(plain.objects) == 3


def test_the_parser_in_a_function_of_ones_own() -> None:
    bucket = Bucket()

    @event_source(data_class=KinesisStreamEvent)
    def function(event: KinesisStreamEvent, _context: LambdaContext) -> dict[str, Any]:
        batch = parse_kinesis_event(event)
        bucket.put_object(Bucket="lake", Key=batch.key("access/"), Body=batch.to_parquet())
        return batch.response()

    assert function(WHOLE, CONTEXT) == {"batchItemFailures": []}
    [body] = bucket.objects.values()
    assert pq.read_table(io.BytesIO(body))["path"].to_pylist() == ["/0", "/1", "/2"]
    # Its records by themselves, and one of them.
    records = list(KinesisStreamEvent(WHOLE).records)
    assert parse_kinesis_event(records).sequence_numbers == numbers(WHOLE)
    assert parse_kinesis_event(records[1:2]).rows == 1


@dataclass
class Refusing:
    """A store that does not take one line."""

    bucket: Bucket
    line: str

    def __call__(self, record: KinesisStreamRecord) -> int:
        """Write the rows of one record."""
        batch = parse_kinesis_event([record])
        if self.line in batch.to_batch().column("path"):
            message = "SlowDown"
            raise ConnectionError(message)
        for key, body in batch.objects("access/"):
            self.bucket.put_object(Bucket="lake", Key=key, Body=body)
        return batch.rows


@pytest.mark.parametrize(("line", "failed"), [("/1", [1]), ("/9", [])])
def test_record_by_record_in_its_batch_processor(line: str, failed: list[int]) -> None:
    bucket = Bucket()
    processor = BatchProcessor(event_type=EventType.KinesisDataStreams)

    def function(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        return process_partial_response(
            event=event, record_handler=Refusing(bucket, line), processor=processor, context=context
        )

    answer = function(WHOLE, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": numbers(WHOLE)[at]} for at in failed]}
    assert len(bucket.objects) == 3 - len(failed)


def test_firehose_behind_its_decorator() -> None:
    records = [
        {"recordId": record["eventID"], "data": record["kinesis"]["data"], "approximateArrivalTimestamp": 1}
        for record in WHOLE["Records"]
    ]
    whole = {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:x", "region": "us-east-1", "records": records}
    handler = FirehoseHandler()

    @event_source(data_class=KinesisFirehoseEvent)
    def function(event: KinesisFirehoseEvent, context: LambdaContext) -> dict[str, Any]:
        return handler(event, context)

    answer = function(whole, CONTEXT)
    assert answer == handler(whole)
    assert [record["recordId"] for record in answer["records"]] == [record["recordId"] for record in records]
