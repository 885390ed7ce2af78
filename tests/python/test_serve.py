"""The live page: in a headless Chromium, under rotation, with slow and with many readers, over a long run."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final, Self

from browser import Browser, Page
from conftest import BINARY, nasalogs

PATIENCE: Final = 60.0
READERS: Final = 50
# What the process may take, the program itself and all buffers included, while the counting may take 32 MB.
MOST_MEMORY: Final = 400 << 20


class Server:
    """`nasalogs serve`, on a port that was free."""

    def __init__(self, *arguments: str | Path, stdin: int | IO[bytes] = subprocess.DEVNULL) -> None:
        """Start it, and wait until it says where it is."""
        command = [BINARY, "serve", *arguments, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdin=stdin, stderr=subprocess.PIPE)
        assert self.process.stderr
        said = self.process.stderr.readline().decode()
        found = re.search(r"http://[\d.:]+/", said)
        assert found, said
        self.url = found[0]
        self.port = int(self.url.split(":")[2].strip("/"))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ctrl-C ends it, and that is its normal end."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0
        assert self.process.stderr
        self.process.stderr.close()

    def get(self, path: str) -> bytes:
        """What is answered."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:  # noqa: S310
            found: bytes = answer.read()
        return found

    def report(self) -> dict[str, Any]:
        """The numbers."""
        found: dict[str, Any] = json.loads(self.get("report.json"))
        return found

    def wait_for(self, requests: int) -> dict[str, Any]:
        """Until so many were counted."""
        deadline = time.monotonic() + PATIENCE
        while (report := self.report())["requests"] < requests:
            assert time.monotonic() < deadline, f"{report['requests']} of {requests}"
            time.sleep(0.05)
        return report

    def memory(self) -> int:
        """Bytes of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]

    def listen(self) -> "Reader":
        """One more reader."""
        return Reader(self.port)


class Reader:
    """Someone who reads events, or does not."""

    def __init__(self, port: int) -> None:
        """Ask."""
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.buffer = b""

    def until(self, *wanted: bytes) -> None:
        """Read until all of these have come."""
        while not all(each in self.buffer for each in wanted):
            chunk = self.socket.recv(1 << 16)
            assert chunk, self.buffer[-200:]
            self.buffer += chunk

    def close(self) -> None:
        """Go away."""
        self.socket.close()


def requests(page: Page) -> int:
    """The number on the first tile."""
    title = page.value("""document.querySelector('.tile[data-tile="requests"] .value').title""")
    found = re.search(r"\d[\d,]*", title)
    assert found, title
    return int(found[0].replace(",", ""))


def wait_for(page: Page, number: int) -> None:
    """Until the page says it."""
    deadline = time.monotonic() + PATIENCE
    while (found := requests(page)) != number:
        assert time.monotonic() < deadline, f"{found}, not {number}"
        time.sleep(0.05)


def append(path: Path, lines: list[bytes]) -> None:
    """As a server does."""
    with path.open("ab") as file:
        file.write(b"".join(lines))


def failed(lines: list[bytes]) -> int:
    """How many have a status of 400 to 499."""
    return sum(1 for line in lines if re.search(rb'" 4\d\d [\d-]+$', line.strip()))


def test_the_page_follows_the_log_and_keeps_its_filter(
    browser: Browser, generated: Callable[..., Path], tmp_path: Path
) -> None:
    """Tiles rise as the log grows, also under a filter and through a rotation; new names can be filtered by."""
    lines = generated("common", 20_000).read_bytes().splitlines(keepends=True)
    log = tmp_path / "access.log"
    append(log, lines[:10_000])
    with Server("--follow", log) as server:
        server.wait_for(10_000)
        page = browser.page()
        page.open(server.url)
        page.wait("document.querySelector('.live')?.dataset.state === 'live'")
        wait_for(page, 10_000)
        page.wait("document.querySelector('#panel-urls button.name') !== null")
        # A name that was never met before has an entry from its first request on.
        stamp = re.search(rb"\[[^\]]*\]", lines[9_999])
        assert stamp
        append(log, [b'new.example - - %s "GET /new/page.html HTTP/1.0" 200 77\n' % stamp[0]] * 3)
        wait_for(page, 10_003)
        page.wait("document.querySelector('#panel-last').textContent.includes('/new/page.html')")
        page.value("location.hash = '#url=' + encodeURIComponent('/new/page.html'); null")
        wait_for(page, 3)
        # A class of statuses, kept while the log is rotated.
        page.value("location.hash = '#class=4xx'; null")
        wait_for(page, failed(lines[:10_000]))
        log.rename(tmp_path / "access.log.1")
        append(log, lines[10_000:])
        server.wait_for(20_003)
        wait_for(page, failed(lines))
        page.value("location.hash = ''; null")
        wait_for(page, 20_003)
        page.wait("document.querySelector('#panel-now .rate').textContent.length > 0")
        assert not page.complaints()
        assert all(url.startswith((server.url, "about:", "data:")) for url in page.requests())
        page.close()


def test_a_replay_through_a_pipe(generated: Callable[..., Path]) -> None:
    """`stream --replay --to - | serve -`: it follows, and stays when the pipe ends."""
    log = generated("common", 20_000)
    source = subprocess.Popen(
        [BINARY, "stream", log, "--replay", "100000x", "--to", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert source.stdout
    with Server("-", stdin=source.stdout) as server:
        source.stdout.close()
        report = server.wait_for(20_000)
        assert source.wait(PATIENCE) == 0
        alone = json.loads(nasalogs("report", log, "--json").stdout)
        for name in ("urls", "hosts", "statuses", "time", "hours", "bytes", "peak"):
            assert report[name] == alone[name], name
        assert server.get("healthz") == b"ok\n"


def test_slow_readers_do_not_stop_the_others(generated: Callable[..., Path], tmp_path: Path) -> None:
    """One that reads nothing, and many that do: all of these hear of the last line."""
    lines = generated("common", 20_000).read_bytes().splitlines(keepends=True)
    log = tmp_path / "access.log"
    append(log, lines[:1000])
    with Server("--follow", log) as server:
        server.wait_for(1000)
        slow = server.listen()
        readers = [server.listen() for _ in range(READERS)]
        for reader in readers:
            reader.until(b"event: report\n", b"event: cube\n", b"event: now\n")
        assert f"nasalogs_readers {READERS + 1}\n".encode() in server.get("metrics")
        for at in range(1000, 20_000, 1900):
            append(log, lines[at : at + 1900])
            time.sleep(0.2)
        for reader in readers:
            reader.until(b'"requests":20000,')
            reader.close()
        slow.until(b'"requests":20000,')
        slow.close()
        deadline = time.monotonic() + PATIENCE
        while b"nasalogs_readers 0\n" not in server.get("metrics"):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_there_are_only_so_many_readers(generated: Callable[..., Path]) -> None:
    """Beyond 256 they are told to come again."""
    with Server(generated("common", 1000)) as server:
        readers = [server.listen() for _ in range(256)]
        for reader in readers:
            reader.until(b"event: report\n")
        more = server.listen()
        more.until(b"503 Service Unavailable", b"too many readers")
        for reader in [*readers, more]:
            reader.close()


def test_memory_stays_bounded() -> None:
    """Millions of lines, most of them with a URL and a host of their own: estimates, within their bounds."""
    size = 2_000_000
    with Server("-", "--format", "common", "--max-memory", "32MB", stdin=subprocess.PIPE) as server:
        assert server.process.stdin
        most, watched = 0, server.listen()
        for begin in range(0, size, 20_000):
            text = "".join(
                f"h{at % 700_001}.example - - "
                f"[{1 + at // 100_000:02}/Jul/1995:{at // 4200 % 24:02}:{at // 70 % 60:02}:{at % 60:02} "
                f'+0000] "GET {"/popular" if at % 2 else f"/{at}"} HTTP/1.0" 200 {at % 5000}\n'
                for at in range(begin, begin + 20_000)
            )
            server.process.stdin.write(text.encode())
            most = max(most, server.memory())
        server.process.stdin.close()
        report = server.wait_for(size)
        most = max(most, server.memory())
        assert most < MOST_MEMORY, f"{most >> 20} MB"
        assert not report["exact"]
        assert {bound["of"] for bound in report["bounds"]} >= {"urls", "hosts"}
        assert report["requests"] == size
        assert report["urls"]["rows"][0] == {**report["urls"]["rows"][0], "name": "/popular", "requests": size // 2}
        assert abs(report["unique_hosts"] / 700_001 - 1) < 0.1
        assert abs(report["unique_urls"] / (size // 2 + 1) - 1) < 0.1
        assert int(re.search(rb"nasalogs_memory_bytes (\d+)", server.get("metrics"))[1]) < 64 << 20  # type: ignore[index]
        cube = json.loads(server.get("cube"))
        assert cube["meta"]["cells"] <= 300_000
        watched.close()
