"""`nasalogs stream` with full disks, and services that are not what they should be: what is said; nothing is lost."""

import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kinesis import (
    Emulator,
    Simulator,
    end,
    kinesalite,
    lines_of,
    offsets,
    once,
    read,
    report,
    start,
    stream,
    wait_until,
)
from stores import HOST, KEYS

# Root can make small disks; who is not has a limit of the size of files.
DISKS = ["limit", "tmpfs"] if sys.platform == "linux" and os.geteuid() == 0 else ["limit"]
FULL = {
    "limit": ["or a limit allows", "File too large"],
    "tmpfs": ["the disk is full", "No space left on device"],
}
CASES = {
    "job.json": ["--records", "raw", "--checkpoint", "disk/job.json"],
    ".log": ["--records", "kpl", "--attempts", "1", "--on-exhausted", "spool=disk/spool"],
    "bad.ndjson": ["--records", "ndjson", "--rejects", "disk/bad.ndjson"],
}
NOBODY = dict.fromkeys([*KEYS, "AWS_PROFILE"], "")


def found(command: str) -> str:
    """Return where a command of the system is."""
    return shutil.which(command) or command


class Disk:
    """A folder in which there is no room, from some time on."""

    def __init__(self, kind: str, folder: Path) -> None:
        """Make it."""
        self.kind, self.folder = kind, folder
        folder.mkdir()
        if kind == "tmpfs":
            subprocess.run([found("mount"), "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)

    def remove(self) -> None:
        """Take it away."""
        if self.kind == "tmpfs":
            subprocess.run([found("umount"), self.folder], check=True)

    def limits(self, most: int) -> dict[str, Any]:
        """Return how a command is started that has it: where files are limited, to so many bytes."""

        def limit() -> None:
            # Python's own way of starting programs would give this signal back its meaning, which is death.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        return {"preexec_fn": limit, "restore_signals": False} if self.kind == "limit" else {}

    def fill(self) -> None:
        """Leave no room."""
        if self.kind == "tmpfs":
            with (self.folder / "filler").open("wb", buffering=0) as filler:
                try:
                    while True:
                        filler.write(bytes(4096))
                except OSError:
                    """It is full."""

    def free(self) -> None:
        """Make room."""
        (self.folder / "filler").unlink(missing_ok=True)


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    made = Disk(request.param, tmp_path / "disk")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    started = Simulator("--no-limits", streams=())
    yield started
    started.stop()


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator("moto", tmp_path_factory.mktemp("moto"))
    started.create("web", 1)
    yield started
    started.stop()


@pytest.mark.parametrize("what", CASES)
def test_a_full_disk(
    what: str, disk: Disk, simulator: Simulator, generated: Callable[..., Path], tmp_path: Path
) -> None:
    name = f"{what.strip('.').replace('.', '-')}-{disk.kind}"
    simulator.client.create_stream(StreamName=name, ShardCount=2)
    log = generated("common", 4000, oddities="10%").read_bytes()
    (tmp_path / "access.log").write_bytes(log)
    spools, rejects = what == ".log", what == "bad.ndjson"
    arguments = ["access.log", "--to", f"kinesis://{name}", "--format", "common", *CASES[what]]
    # A checkpoint is larger than the one, and smaller than the other.
    limits = disk.limits(200 if what == "job.json" else 4096)
    process = start(simulator.url, tmp_path, *arguments, "--rate", "1500/s", **limits)
    try:
        wait_until("records", lambda: read(simulator.client, name) or process.poll() is not None)
        disk.fill()
        if spools:
            simulator.ask("/_control", {"faults": {"fail_request": 1.0}})
        said = end(process, 2)
    finally:
        simulator.ask("/_control", {"faults": {"fail_request": 0.0}})
        process.kill()
        process.wait(30)
    failure = next(line for line in said.splitlines() if line.startswith("nasalogs: "))
    assert "disk/" in failure
    assert f"{what}: " in failure or f"{what}.ids: " in failure
    assert any(text in failure for text in FULL[disk.kind])
    assert "hint: " in said
    assert "nothing new" not in said
    # Nothing that is half there is left behind.
    assert not [path for path in (tmp_path / "disk").rglob("*") if path.name.startswith("_")]
    disk.free()
    stream(simulator.url, tmp_path, *arguments, "--report", "r.json", code=1 if rejects else 0)
    if spools and list((tmp_path / "disk/spool").glob("*.log")):
        stream(simulator.url, tmp_path, "disk/spool", *arguments[1:])
    found, wanted = once(lines_of(read(simulator.client, name))), offsets(log)
    if not rejects:
        assert found == wanted
        return
    # Every line is a row or a reject.
    bad = (tmp_path / "disk/bad.ndjson").read_text()
    assert {at for at in wanted if at not in found and wanted[at].strip()} <= {
        int(line.partition('"offset":')[2].partition(",")[0]) for line in bad.splitlines() if '"offset":' in line
    }
    assert report(tmp_path)["ended"] == "complete"


def test_what_is_not_there_is_named(moto: Emulator, generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", 100)

    def refused(*arguments: str, to: str = "kinesis://web", env: dict[str, str] | None = None) -> str:
        said = stream(moto.url, tmp_path, log, "--to", to, *arguments, code=2, env=env).stderr
        # It is known before anything begins.
        assert sorted(path.name for path in tmp_path.iterdir()) == []
        return said

    at = f"at {moto.url}: "
    assert f"kinesis://other in us-east-1 {at}there is no such stream" in refused(to="kinesis://other")
    said = refused("--region", "eu-west-1")
    assert f"kinesis://web in eu-west-1 {at}there is no such stream" in said
    assert "hint: check the name and --region" in said
    assert "there are no AWS credentials" in refused(env={**NOBODY, "HOME": "/nonexistent"})
    assert "there is no AWS region" in refused(env={"AWS_REGION": "", "HOME": "/nonexistent"})
    said = refused("--endpoint-url", moto.url.replace("http:", "https:"))
    assert "no secure connection: " in said
    assert "hint: " in said
    assert "the endpoint '127.0.0.1:4566' is no URL" in refused("--endpoint-url", "127.0.0.1:4566")
    assert "the endpoint 'localhost' is no URL" in refused(env={"AWS_ENDPOINT_URL": "localhost"})


def test_a_certificate_that_nobody_vouches_for(generated: Callable[..., Path], tmp_path: Path) -> None:
    keys = kinesalite() / "node_modules" / "kinesalite" / "ssl"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(keys / "server-crt.pem", keys / "server-key.pem")
    with socket.create_server((HOST, 0)) as listener:

        def shake_hands() -> None:
            try:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                """That is what is wanted."""

        thread = threading.Thread(target=shake_hands, daemon=True)
        thread.start()
        url = f"https://{HOST}:{listener.getsockname()[1]}"
        run = stream(url, tmp_path, generated("common", 100), "--to", "kinesis://web", code=2)
        thread.join(60)
    assert f"kinesis://web in us-east-1 at {url}: no secure connection: " in run.stderr
    assert "certificate" in run.stderr
    assert "hint: " in run.stderr
    assert "SSL_CERT_FILE" in run.stderr
