"""Delivery to a stream of Kinesis over a client of boto3."""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nasalogs._core import deliver, requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_Path: TypeAlias = str | PathLike[str]
# A shard, its first and its last hash key.
_Shard: TypeAlias = tuple[str, str, str]
_Record: TypeAlias = tuple[str | None, str | None, str | None]
_Answer: TypeAlias = list[_Record] | tuple[int, str, str] | tuple[bool, str]

_HASH_KEYS = 2**128


class DeliveryError(RuntimeError):
    """Not all was delivered. What was is in `report`; with a checkpoint, the next run goes on from there.

    Example:
        >>> error = nasalogs.aws.DeliveryError("no such stream", {"acknowledged": 0})
        >>> error.report["acknowledged"]
        0

    """

    def __init__(self, message: str, report: dict[str, Any]) -> None:
        super().__init__(message)
        self.report = report


class Producer:
    """Delivers logs to a stream: `nasalogs stream` over a client that you have.

    It keeps the limits of requests and shards, sends again what failed and only that, and accounts for every line.
    Requests are sent from several threads, which clients of boto3 allow.

    A client that retries by itself sends records twice that nobody counts: make it with
    `Config(retries={"total_max_attempts": 1})`, or be warned.

    Args:
        client: The boto3 client of Kinesis.
        stream: The stream's name or ARN.
        threads: How many requests are under way at once, at most.

    Example:
        >>> class Client:
        ...     def list_shards(self, **_):
        ...         keys = {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
        ...         return {"Shards": [{"ShardId": "shardId-0", "HashKeyRange": keys, "SequenceNumberRange": {}}]}
        ...     def put_records(self, *, StreamName, Records):
        ...         return {"Records": [{"ShardId": "shardId-0", "SequenceNumber": "1"} for _ in Records]}
        >>> _ = nasalogs.generate(1000).write_to("access.log")
        >>> report = nasalogs.aws.Producer(Client(), "web").send_file("access.log", records="kpl")
        >>> report["lines"], report["acknowledged"], report["retried"]
        (1000, 1000, 0)

    """

    def __init__(self, client: Any, stream: str, *, threads: int = 8) -> None:
        self._client = client
        self._stream = stream
        self._threads = threads
        self._place = {"StreamARN": stream} if stream.startswith("arn:") else {"StreamName": stream}
        retries = getattr(getattr(getattr(client, "meta", None), "config", None), "retries", None)
        if retries is not None and retries.get("total_max_attempts") != 1:
            warnings.warn(
                "this client retries by itself, and may send records twice that nobody counts: "
                'make it with Config(retries={"total_max_attempts": 1})',
                stacklevel=2,
            )

    def send_file(
        self,
        *paths: _Path,
        records: Literal["raw", "ndjson", "kpl", "block"] = "raw",
        names: Literal["nasalogs", "classic"] = "nasalogs",
        partition_key: str = "random",
        ordered: bool = False,
        checkpoint: _Path | None = None,
        rejects: _Path | None = None,
        spool: _Path | None = None,
        rate: float | None = None,
        replay: float | None = None,
        format: str = "auto",
    ) -> dict[str, Any]:
        """Deliver files, and return the report.

        Args:
            paths: Files, patterns, directories; also compressed ones.
            records: What a record holds: a line, a JSON object, lines as the Kinesis Producer Library packs them, or a
                compressed block.
            names: The keys of JSON objects.
            partition_key: What decides on the shard: "random", "host", or another column.
            ordered: Whether the order of lines is kept in each shard.
            checkpoint: Where it is kept how far each file was delivered; None keeps nothing.
            rejects: A file for the lines that cannot be delivered.
            spool: A directory for the lines of records that cannot be delivered after many attempts.
            rate: So many lines a second.
            replay: So many times as fast as the log was written.
            format: The format of the lines, where they have to be understood.

        Raises:
            DeliveryError: Not all was delivered.
            OSError: A file cannot be read.
            ValueError: Arguments are none, or do not go together.

        Example:
            >>> class Client:
            ...     def list_shards(self, **_):
            ...         keys = {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
            ...         return {"Shards": [{"ShardId": "shardId-0", "HashKeyRange": keys, "SequenceNumberRange": {}}]}
            ...     def put_records(self, *, StreamName, Records):
            ...         return {"Records": [{"ShardId": "shardId-0", "SequenceNumber": "1"} for _ in Records]}
            >>> _ = nasalogs.generate(1000).write_to("access.log")
            >>> nasalogs.aws.Producer(Client(), "web").send_file("access.log", records="block")["records"]
            1

        """
        words = _words(self._stream, records, names, partition_key, format)
        words += ["--ordered"] if ordered else []
        words += [f"--checkpoint={fspath(checkpoint)}"] if checkpoint is not None else ["--no-checkpoint"]
        words += [f"--rejects={fspath(rejects)}"] if rejects is not None else []
        words += [f"--on-exhausted=spool={fspath(spool)}"] if spool is not None else []
        words += [f"--rate={rate}/s"] if rate is not None else []
        words += [f"--replay={replay}x"] if replay is not None else []
        text, error = deliver([*words, *_inputs(paths)], self._put, self._shards, self._threads)
        report: dict[str, Any] = json.loads(text)
        if error is not None:
            raise DeliveryError(str(error), report) from error
        return report

    def _put(self, records: list[dict[str, Any]]) -> _Answer:
        errors, parsers = import_module("botocore.exceptions"), import_module("botocore.parsers")
        try:
            answer = self._client.put_records(Records=records, **self._place)
        except errors.ClientError as error:
            status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            said = error.response["Error"]
            return status, str(said.get("Code", "")), str(said.get("Message", ""))
        except (errors.ConnectTimeoutError, errors.EndpointConnectionError, errors.ProxyConnectionError) as error:
            return False, f"no connection: {error}"
        except (errors.HTTPClientError, errors.IncompleteReadError, parsers.ResponseParserError) as error:
            return True, f"the connection was lost: {error}"
        return [(each.get("ShardId"), each.get("SequenceNumber"), each.get("ErrorCode")) for each in answer["Records"]]

    def _shards(self) -> list[_Shard]:
        found: list[_Shard] = []
        page = self._client.list_shards(**self._place)
        while True:
            found += _open(page["Shards"])
            token = page.get("NextToken")
            if not token:
                return found
            page = self._client.list_shards(NextToken=token)


def kinesis_batches(
    *paths: _Path,
    form: Literal["raw", "ndjson", "kpl", "block"] = "raw",
    shards: int | Sequence[dict[str, Any]] = 1,
    names: Literal["nasalogs", "classic"] = "nasalogs",
    partition_key: str = "random",
    checkpoint: _Path | None = None,
    format: str = "auto",
) -> Iterator[list[dict[str, Any]]]:
    """Pack logs into lists of records, each for one `put_records`: for producers that send by themselves.

    A list keeps the limits of a request: 500 records, 5 MiB. A record that the stream refuses has to be sent again by
    whoever sends: `Producer` does.

    Args:
        paths: Files, patterns, directories; also compressed ones.
        form: What a record holds: "raw", "ndjson", "kpl" or "block".
        shards: How many equal shards the stream has, or what `list_shards` gives under "Shards": each record of
            "kpl" is for the lines of one.
        names: The keys of JSON objects.
        partition_key: What decides on the shard: "random", "host", or another column.
        checkpoint: Where it is kept up to which list all was taken: a list is, when the next is asked for. None keeps
            nothing.
        format: The format of the lines, where they have to be understood.

    Returns:
        An iterator of lists of {"Data", "PartitionKey"}, and "ExplicitHashKey" where it matters.

    Raises:
        OSError: A file cannot be read.
        ValueError: Arguments are none, or do not go together.

    Example:
        >>> _ = nasalogs.generate(1200).write_to("access.log")
        >>> [len(records) for records in nasalogs.aws.kinesis_batches("access.log")]
        [500, 500, 200]
        >>> [len(records) for records in nasalogs.aws.kinesis_batches("access.log", form="kpl")]
        [1]

    """
    words = _words("stream", form, names, partition_key, format)
    words += [f"--checkpoint={fspath(checkpoint)}"] if checkpoint is not None else ["--no-checkpoint"]
    if isinstance(shards, int):
        if shards < 1:
            message = f"a stream has at least one shard, not {shards}"
            raise ValueError(message)
        width = _HASH_KEYS // shards
        ends = [*((at + 1) * width - 1 for at in range(shards - 1)), _HASH_KEYS - 1]
        owned = [(f"shardId-{at:012}", str(at * width), str(end)) for at, end in enumerate(ends)]
    else:
        owned = _open(shards)
    return requests([*words, *_inputs(paths)], owned)


def _words(stream: str, form: str, names: str, partition_key: str, format: str) -> list[str]:
    options = {
        "--to": f"kinesis://{stream}",
        "--records": form,
        "--json-names": names,
        "--partition-key": partition_key,
        "--format": format,
    }
    # Joined by a sign: a value may begin with a hyphen.
    return [*(f"{name}={value}" for name, value in options.items()), "--quiet"]


def _inputs(paths: Sequence[_Path]) -> list[str]:
    if not paths:
        message = "there is nothing to read: name files"
        raise ValueError(message)
    return ["--", *(fspath(path) for path in paths)]


def _open(shards: Sequence[dict[str, Any]]) -> list[_Shard]:
    """The shards that take records, and what they own."""
    return [
        (shard["ShardId"], shard["HashKeyRange"]["StartingHashKey"], shard["HashKeyRange"]["EndingHashKey"])
        for shard in shards
        if "EndingSequenceNumber" not in shard.get("SequenceNumberRange", {})
    ]
