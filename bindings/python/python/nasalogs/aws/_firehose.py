"""The whole Lambda function of a transformation of Firehose."""

from __future__ import annotations

from typing import Any, Literal

from nasalogs._core import transform_firehose_event


class FirehoseHandler:
    """A Lambda function that turns records of Firehose into JSON lines, which Firehose converts to Parquet.

    Args:
        format: The format of raw lines; "auto" detects it for each delivery.
        encoding: What becomes of bytes that are not UTF-8: "escape" or "latin1".
        partition_tz: Whose day the partition key `dt` is: "utc" or "log".

    Raises:
        ValueError: An argument is none of those it can be.

    Example:
        >>> handler = nasalogs.aws.FirehoseHandler()
        >>> handler({"records": []})
        {'records': []}

    """

    def __init__(
        self,
        *,
        format: str = "auto",
        encoding: Literal["escape", "latin1"] = "escape",
        partition_tz: Literal["utc", "log"] = "utc",
    ) -> None:
        self._options: dict[str, Any] = {"format": format, "encoding": encoding, "partition_tz": partition_tz}
        # Wrong choices are said when the function starts, not when records come.
        transform_firehose_event([], **self._options)

    def __call__(self, event: Any, context: object = None) -> dict[str, Any]:
        """Turn what an event brings into what Firehose is answered."""
        return transform_firehose_event(event, **self._options)
