"""Stores that speak like S3, on ports of this machine; and a way to them that fails when it is told to."""

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from conftest import BINARY, Run

HOST: Final = "127.0.0.1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Listener(ThreadingHTTPServer):
    """A server of this process, to whom it is no news that the other side was killed."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless somebody is gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Store:
    """A server of its own process, with a client of it and a bucket."""

    def __init__(self, name: str, folder: Path) -> None:
        """Start it, and wait until it answers."""
        port = free_port()
        programs = Path(sys.executable).parent
        environment = {**os.environ, **KEYS}
        if name == "moto":
            command = [str(programs / "moto_server"), "-H", HOST, "-p", str(port)]
        else:
            command = [str(programs / "ministack")]
            environment |= {"BIND_HOST": HOST, "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
        self.url = f"http://{HOST}:{port}"
        self.bucket = "logs"
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",  # noqa: S106 -- nobody looks at it
            config=Config(retries={"total_max_attempts": 1}),
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.create_bucket(Bucket=self.bucket)
                break
            except Exception:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop it by its number."""
        self.client.close()
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def put(self, key: str, body: bytes | Path) -> str:
        """Put an object and return its address."""
        content = body.read_bytes() if isinstance(body, Path) else body
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)
        return self.at(key)

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin so, in order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", []))

    def uploads(self) -> list[str]:
        """Return what was begun in parts and neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.bucket)
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def at(self, key: str) -> str:
        """Return a key's address."""
        return f"s3://{self.bucket}/{key}"

    def run(
        self,
        *arguments: str | Path,
        url: str | None = None,
        code: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        """Run the command against the store, and see how it ends."""
        done = subprocess.run(
            [BINARY, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment(url or self.url, env or {}),
            check=False,
        )
        run = Run(done.returncode, done.stdout, done.stderr.decode("utf-8"))
        assert run.code == code, run.stderr
        return run


def environment(url: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing but this store is found; an empty value removes a name."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    found = {**ours, "AWS_EC2_METADATA_DISABLED": "true", **KEYS, "AWS_ENDPOINT_URL": url, **(env or {})}
    return {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class Request:
    """What the command asks of the store."""

    method: str
    path: str
    range: str = ""

    @property
    def is_part(self) -> bool:
        """Whether it is a part of an object."""
        return self.method == "PUT" and "partNumber=" in self.path

    @property
    def completes(self) -> bool:
        """Whether it makes an object in parts visible."""
        return self.method == "POST" and "?uploadId=" in self.path

    @property
    def puts(self) -> bool:
        """Whether it puts a whole object."""
        return self.method == "PUT" and "?" not in self.path


@dataclass(frozen=True)
class Refuse:
    """Answer with an error of S3, and do not ask the store."""

    status: int
    code: str


@dataclass(frozen=True)
class Cut:
    """Close the connection after so many bytes of the answer; before it with none."""

    after: int = 0


Fault = Refuse | Cut | None


@dataclass
class Proxy:
    """A way to a store. The rule sees each request, may take its time, and says what goes wrong."""

    target: str
    rule: Callable[[Request], Fault]
    seen: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                proxy.pass_on(self, self.rfile.read(length))

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815 -- the library's names

        self.server = Listener((HOST, 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()
        self.url = f"http://{HOST}:{self.server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def pass_on(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Ask the store, or let it go wrong."""
        request = Request(handler.command, handler.path, handler.headers.get("Range", ""))
        self.seen.append(request)
        fault = self.rule(request)
        if isinstance(fault, Refuse):
            self.reply(handler, fault.status, {}, f"<Error><Code>{fault.code}</Code></Error>".encode())
            return
        target = urlsplit(self.target)
        assert target.hostname
        connection = http.client.HTTPConnection(target.hostname, target.port)
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
        connection.request(request.method, request.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}
        }
        length = answer.getheader("Content-Length") if request.method == "HEAD" else str(len(content))
        connection.close()
        kept["Content-Length"] = length or "0"
        if isinstance(fault, Cut):
            if fault.after:
                self.reply(handler, answer.status, kept, content[: fault.after])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        self.reply(handler, answer.status, kept, content)

    @staticmethod
    def reply(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer."""
        handler.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
