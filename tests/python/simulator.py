"""The Kinesis simulator in a process, and boto3's client of it."""

import json
import subprocess
import urllib.request
from typing import Any, Final

import boto3
from botocore.config import Config
from conftest import BINARY

STREAM: Final = "s"
SIMULATOR: Final = BINARY.with_name("nasalogs-simulator")


class Simulator:
    """A process, and a client of it that never retries."""

    def __init__(self, *flags: str) -> None:
        """Start it with these flags, and wait until it listens."""
        self.process = subprocess.Popen(
            [SIMULATOR, "--stop-with-stdin", "--stream", f"{STREAM}:3", *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.client: Any = boto3.client(
            "kinesis",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 -- nobody looks at it
            config=Config(retries={"total_max_attempts": 1}),
        )

    def ask(self, path: str, patch: dict[str, Any] | None = None) -> bytes:
        """Read one of the pages beside the protocol, or write to it."""
        data = None if patch is None else json.dumps(patch).encode()
        with urllib.request.urlopen(self.url + path, data=data) as answer:  # noqa: S310 -- our own
            content: bytes = answer.read()
            return content

    def records(self) -> list[dict[str, Any]]:
        """Return what was stored, acknowledged or not."""
        return [json.loads(line) for line in self.ask(f"/_records?stream={STREAM}").splitlines()]

    def stop(self) -> int:
        """Stop it by the end of its input."""
        assert self.process.stdin
        assert self.process.stdout
        self.client.close()
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)
