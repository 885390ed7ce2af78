"""The whole Lambda function of a stream of Kinesis."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import groupby
from typing import Any, Literal, TypeAlias

from nasalogs._core import KinesisBatch, parse_kinesis_event
from nasalogs.aws._commit import Commits
from nasalogs.aws._store import Store, split

_Record: TypeAlias = Mapping[str, Any]


class KinesisHandler:
    """A Lambda function that writes the records of a stream into a table.

    Rows go to `dt=YYYY-MM-DD/SHARD-FIRST-LAST.parquet` under `dest`, what is no row to `rejects`. A bad line fails
    nothing. When the store does, Lambda is told from which record on to deliver again. However Lambda cuts what it
    delivers again, records that were written are not written again: `dest` holds a commit for them, under `_commits/`,
    where query engines do not look.

    Args:
        dest: Where the table is, as "s3://bucket/prefix/".
        rejects: Where the rejects go; None is `_rejects/` under `dest`.
        client: The boto3 client of S3; None makes one.
        format: The format of raw lines; "auto" detects it for each delivery.
        encoding: What becomes of bytes that are not UTF-8: "escape" or "latin1".
        partition_tz: Whose days: "utc" or "log".
        compression: Inside Parquet: "zstd", "snappy", "gzip" or "none".
        commits: Whether commits are written and looked at; without them each delivery costs three requests less, and
            one that comes again in other pieces leaves rows twice, which only their `line_id` tells.
        limit: How many bytes of lines, decompressed, are taken at once, each line counting for 128 more: a delivery
            with more is written in several pieces. Memory is some three times that, and for a single record at most
            four times as much.

    Raises:
        ValueError: An address is none.

    Example:
        >>> handler = nasalogs.aws.KinesisHandler("s3://lake/access/", client=object())
        >>> handler({"Records": []})
        {'batchItemFailures': []}

    """

    def __init__(
        self,
        dest: str,
        *,
        rejects: str | None = None,
        client: Any = None,
        format: str = "auto",
        encoding: Literal["escape", "latin1"] = "escape",
        partition_tz: Literal["utc", "log"] = "utc",
        compression: str = "zstd",
        commits: bool = True,
        limit: int = 64 << 20,
    ) -> None:
        if client is None:
            client = import_module("boto3").client("s3")
        bucket, self._prefix = split(dest)
        self._store = Store(client, bucket)
        rejects_bucket, self._rejects_prefix = split(rejects) if rejects else (bucket, f"{self._prefix}_rejects/")
        self._rejects = Store(client, rejects_bucket)
        self._commits = commits
        self._limit = limit
        self._format = format
        self._encoding: Literal["escape", "latin1"] = encoding
        self._partition_tz: Literal["utc", "log"] = partition_tz
        self._compression = compression
        # Wrong choices are said when the function starts, not when records come.
        self._parse([], "shard")

    def __call__(self, event: Any, context: object = None) -> dict[str, Any]:
        """Write what an event brings; answer which records are to be delivered again."""
        failures = []
        event = getattr(event, "raw_event", event)
        # An event source delivers records of one shard at a time; whoever calls otherwise is served, too.
        try:
            records = sorted(event["Records"], key=lambda record: (_shard(record), _order(record)))
        except (AttributeError, KeyError, TypeError):
            # Says what is missing.
            parse_kinesis_event(event)
            raise
        for shard, group in groupby(records, key=_shard):
            failed = self._deliver(shard, list(group))
            if failed is not None:
                failures.append({"itemIdentifier": failed})
        return {"batchItemFailures": failures}

    def _deliver(self, shard: str, records: Sequence[_Record]) -> str | None:
        """Write the records of a shard; the sequence number of the first that was not written."""
        done: frozenset[str] = frozenset()
        commits = Commits(self._store, self._prefix, shard)
        at = 0
        try:
            if self._commits:
                done = commits.among([_sequence(record) for record in records])
            while at < len(records):
                if _sequence(records[at]) in done:
                    at += 1
                    continue
                end = at + 1
                while end < len(records) and _sequence(records[end]) not in done:
                    end += 1
                at += self._write(shard, records[at:end], commits)
        except Exception as error:  # noqa: BLE001
            # Whatever it is that the store has, the records come again. Lines never get here.
            sequence = _sequence(records[at])
            _log("delivery failed", shard=shard, sequence=sequence, error=f"{type(error).__name__}: {error}")
            return sequence
        return None

    def _write(self, shard: str, records: Sequence[_Record], commits: Commits) -> int:
        """Write records that are not in the table, and say how many were: those that a delivery has room for."""
        batch = self._parse(records, shard)
        keys = []
        for key, body in batch.objects(self._prefix):
            self._store.put(key, body, "application/vnd.apache.parquet")
            keys.append(key)
        if batch.rejected:
            key = batch.rejects_key(self._rejects_prefix)
            self._rejects.put(key, _ndjson(batch), "application/x-ndjson")
            _log("rejects", shard=shard, key=key, rejected=batch.rejected)
        sequences = batch.sequence_numbers
        if self._commits and not commits.add(sequences, keys):
            # Somebody was quicker with records that begin with the same one.
            other = commits.read(commits.key(sequences[0]))
            for key in set(keys) - set(other.keys):
                self._drop(key)
            return sum(sequence in other.sequences for sequence in sequences)
        return batch.records

    def _drop(self, key: str) -> None:
        """Remove what was written in vain; where that is not allowed, its rows are there twice, under the same ids."""
        try:
            self._store.delete(key)
        except Exception as error:  # noqa: BLE001
            _log("left behind", key=key, error=f"{type(error).__name__}: {error}")

    def _parse(self, records: Sequence[_Record], shard: str) -> KinesisBatch:
        return parse_kinesis_event(
            records,
            format=self._format,
            encoding=self._encoding,
            partition_tz=self._partition_tz,
            compression=self._compression,
            limit=self._limit,
            shard=shard,
        )


def _sequence(record: _Record) -> str:
    sequence: str = record["kinesis"]["sequenceNumber"]
    return sequence


def _order(record: _Record) -> tuple[int, str]:
    # Too long for a number of any fixed width: the longer one is the larger.
    sequence = _sequence(record)
    return len(sequence), sequence


def _shard(record: _Record) -> str:
    shard, colon, _ = str(record.get("eventID", "")).partition(":")
    return shard if colon else "shard"


def _ndjson(batch: KinesisBatch) -> bytes:
    """The rejects, one JSON object a line."""
    lines = (
        {
            "record": reject.record,
            "line_id": reject.line_id,
            "kind": reject.kind,
            "message": reject.message,
            "raw": reject.raw.decode("utf-8", "backslashreplace"),
        }
        for reject in batch.rejects
    )
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _log(message: str, **fields: object) -> None:
    """One JSON object a line, as CloudWatch takes it apart."""
    print(json.dumps({"message": f"nasalogs: {message}", **fields}), file=sys.stderr, flush=True)
