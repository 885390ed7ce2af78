"""How much memory `nasalogs stream` takes when lines come faster than they go: always the same."""

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kinesis import FORMS, Simulator, end, report, start, wait_until

MIB = 1 << 20
# What waits may take 32 MiB. What is under way is there several times: as records, as text, and on the wire.
BOUND = 192 * MIB
ENDLESS = 10 * BOUND

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much it was")


def lines(number: int) -> bytes:
    """A mebibyte that nothing can make smaller, of rows."""
    rows = []
    for row in range(1024):
        path = base64.urlsafe_b64encode(os.urandom(700)).decode()
        rows.append(f'h{row % 50} - - [01/Jul/1995:00:00:01 -0400] "GET /{number}/{path} HTTP/1.0" 200 5\n')
    return "".join(rows).encode()


class Feeder:
    """Writes lines to a command for as long as it takes them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Begin."""
        self.process, self.written, self.count, self.most = process, 0, 0, ENDLESS
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()

    def feed(self) -> None:
        """Write, a piece at a time."""
        assert self.process.stdin
        number = 0
        try:
            while self.written < self.most:
                content, number = lines(number), number + 1
                for begin in range(0, len(content), 1 << 16):
                    self.written += os.write(self.process.stdin.fileno(), content[begin : begin + (1 << 16)])
                self.count += 1024
            self.process.stdin.close()
            self.process.stdin = None
        except OSError:
            """It has ended."""

    def is_stuck(self) -> bool:
        """Whether nothing was taken for a while."""
        before = self.written
        time.sleep(1)
        return self.written == before


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    started = Simulator("--keep=count", "--no-limits", streams=["s:16"])
    yield started
    started.stop()


@pytest.mark.parametrize("form", FORMS)
def test_who_cannot_send_does_not_read(form: str, simulator: Simulator, tmp_path: Path) -> None:
    process = start(
        simulator.url, tmp_path, "-", "--to", "kinesis://s", "--records", form, "--partition-key", "host",
        "--format", "common", "--on-exhausted", "spool=spool", "--report", "r.json", stdin=subprocess.PIPE,
    )  # fmt: skip
    try:
        simulator.ask("/_control", {"faults": {"throttle_request": 1.0}})
        feeder = Feeder(process)
        wait_until("a full buffer", lambda: feeder.written > 16 * MIB and feeder.is_stuck())
        full = feeder.written
        assert full < BOUND
        assert peak(process) < BOUND
        # Then it flows, several times as much as may wait.
        feeder.most = full + (32 * MIB if form == "kpl" else 2 * MIB)
        simulator.ask("/_control", {"faults": {"throttle_request": 0.0}})
        wait_until("the end of it", lambda: not feeder.thread.is_alive())
        assert peak(process) < BOUND
        end(process, 0)
    finally:
        process.kill()
        process.wait(30)
    said = report(tmp_path)
    assert (said["lines"], said["acknowledged"]) == (feeder.count, feeder.count)


def peak(process: subprocess.Popen[bytes]) -> int:
    """Return how much memory it had at most, in bytes."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell")  # noqa: EM101, TRY003
