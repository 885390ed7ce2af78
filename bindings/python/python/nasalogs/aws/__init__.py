r"""Streams of AWS: what a Lambda function does with the records that it is given, and what a producer gives.

>>> import base64
>>> from nasalogs.aws import parse_kinesis_event
>>> line = b'example.org - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245'
>>> record = {
...     "eventID": "shardId-000000000000:4711",
...     "kinesis": {"data": base64.b64encode(line).decode(), "sequenceNumber": "4711", "partitionKey": "k"},
... }
>>> batch = parse_kinesis_event({"Records": [record]})
>>> batch.rows, batch.rejected, batch.key("access/")[:26]
(1, 0, 'access/dt=1995-07-01/shard')

`KinesisHandler` is the whole function; `parse_kinesis_event` is for one of your own; `Producer` and
`kinesis_batches` are the other side. All heavy work is one call, during
which the interpreter is free. boto3 is only needed where an object is put, and comes with Lambda.
"""

from nasalogs._core import KinesisBatch, StreamReject, parse_kinesis_event, transform_firehose_event
from nasalogs.aws._firehose import FirehoseHandler
from nasalogs.aws._handler import KinesisHandler
from nasalogs.aws._producer import DeliveryError, Producer, kinesis_batches

__all__ = [
    "DeliveryError",
    "FirehoseHandler",
    "KinesisBatch",
    "KinesisHandler",
    "Producer",
    "StreamReject",
    "kinesis_batches",
    "parse_kinesis_event",
    "transform_firehose_event",
]
