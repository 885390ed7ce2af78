"""What is needed of S3."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


def split(url: str) -> tuple[str, str]:
    """Bucket and prefix of an s3:// address; the prefix ends in a slash, or is empty."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        message = f"expected an address such as s3://bucket/prefix/, not {url!r}"
        raise ValueError(message)
    prefix = parts.path.lstrip("/")
    return parts.netloc, f"{prefix.rstrip('/')}/" if prefix else ""


class Store:
    """A bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Put an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def put_new(self, key: str, body: bytes) -> bool:
        """Put an object unless there is one of that name; says whether it was put."""
        # Whoever has a client has it. Neither library ships types.
        errors = import_module("botocore.exceptions")
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
        except errors.ClientError as error:
            # Two that put at the same moment: the store asks one of them to look again.
            if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                return False
            raise
        return True

    def get(self, key: str) -> bytes:
        """Read an object."""
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def keys(self, prefix: str, behind: str) -> Iterator[str]:
        """The names under a prefix that sort behind a text, in order."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, StartAfter=behind):
            for entry in page.get("Contents", ()):
                yield entry["Key"]
