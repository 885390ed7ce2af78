"""`nasalogs stream` while shards are split and merged: who throws strangers away has every line all the same."""

import itertools
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from kinesis import (
    Emulator,
    Simulator,
    aggregated,
    end,
    lines_of,
    offsets,
    once,
    read,
    report,
    start,
    status,
    wait_until,
)

names = (f"web-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Emulator | Simulator]]:
    """Start those in which what was stored stays where it was when shards change.

    Of a shard that is split, moto moves the records to others, and ministack loses them.
    """
    simulator = Simulator("--no-limits", streams=())
    try:
        emulator = Emulator("kinesalite", tmp_path_factory.mktemp("kinesalite"))
        yield {"simulator": simulator, "kinesalite": emulator}
        emulator.stop()
    finally:
        simulator.stop()


class Changing:
    """A stream whose shards change, and a log that grows."""

    def __init__(self, server: Emulator | Simulator, folder: Path, content: bytes) -> None:
        """Make the stream."""
        self.client, self.name = server.client, next(names)
        self.path, self.content, self.written = folder / "access.log", content, 0
        self.client.create_stream(StreamName=self.name, ShardCount=2)
        self.settle(2)

    def settle(self, shards: int) -> None:
        """Wait until there are so many shards, and nothing changes."""
        wait_until(
            f"{shards} shards",
            lambda: status(self.client, self.name) == "ACTIVE" and len(self.open()) == shards,
        )

    def open(self) -> list[tuple[int, int, str]]:
        """Return the ranges and names of open shards."""
        shards = self.client.list_shards(StreamName=self.name)["Shards"]
        ranges = [(shard["HashKeyRange"], shard) for shard in shards]
        return sorted(
            (int(ends["StartingHashKey"]), int(ends["EndingHashKey"]), shard["ShardId"])
            for ends, shard in ranges
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        )

    def split(self) -> None:
        """Make two of the first shard."""
        first, last, shard = self.open()[0]
        middle = str((first + last) // 2)
        self.client.split_shard(StreamName=self.name, ShardToSplit=shard, NewStartingHashKey=middle)
        self.settle(3)

    def merge(self) -> None:
        """Make one of the last two shards."""
        _, (_, _, left), (_, _, right) = self.open()
        self.client.merge_shards(StreamName=self.name, ShardToMerge=left, AdjacentShardToMerge=right)
        self.settle(2)

    def write(self, share: float) -> None:
        """Let the log grow up to a share of it."""
        until = self.content.index(b"\n", int(len(self.content) * share) - 2) + 1
        with self.path.open("ab") as file:
            file.write(self.content[self.written : until])
        self.written = until

    def wait(self) -> None:
        """Wait until all is there that was written."""
        wanted = set(offsets(self.content[: self.written]).values())
        wait_until("the lines", lambda: {line for _, line in lines_of(read(self.client, self.name))} >= wanted)

    def change(self, process: subprocess.Popen[bytes]) -> str:
        """Go through a split and a merger."""
        try:
            self.write(0.2)
            self.wait()
            # Some are on the way while it happens, and some come after it.
            self.write(0.4)
            self.split()
            self.write(0.6)
            self.wait()
            self.write(0.8)
            self.merge()
            self.write(1)
            self.wait()
            process.send_signal(signal.SIGTERM)
            return end(process, 0)
        finally:
            process.kill()
            process.wait(30)


@pytest.mark.parametrize(
    "how",
    [
        "simulator raw host --ordered",
        "simulator kpl host",
        "simulator kpl host --ordered",
        "simulator kpl random",
        "simulator block host --ordered",
        "kinesalite raw random",
        "kinesalite kpl host --ordered",
    ],
)
def test_nothing_goes_astray(
    how: str, servers: dict[str, Emulator | Simulator], generated: Callable[..., Path], tmp_path: Path
) -> None:
    server, form, key, *more = how.split()
    content = generated("common", 1500).read_bytes()
    if form == "raw":
        # One record at a time for each shard takes its time.
        content = b"".join(content.splitlines(keepends=True)[:300])
    changing, lines = Changing(servers[server], tmp_path, content), offsets(content)
    url = servers[server].url
    process = start(
        url, tmp_path, "access.log", "--to", f"kinesis://{changing.name}", "--follow", "--records", form,
        "--partition-key", key, "--format", "common", "--max-record-size", "2048", "--report", "r.json", *more,
    )  # fmt: skip
    said = changing.change(process)
    records, account = read(changing.client, changing.name), report(tmp_path)
    found = lines_of(records)
    assert account["acknowledged"] == len(lines), said
    # What came into the new shards in the old way is there a second time, and counted.
    assert len(found) - len(lines) <= account["possibly_duplicated"]
    if form != "raw":
        # Who packs by shard has to know them in the end.
        assert {shard["id"] for shard in account["shards"]} <= {shard for _, _, shard in changing.open()}
    kept = [line for _, line in found]
    if (form, key) == ("raw", "host"):
        assert set(kept) == set(lines.values())
    else:
        assert once(found) == lines
    if form == "kpl":
        kept = [line for _, line, is_kept in aggregated(records) if is_kept]
        assert Counter(kept) & Counter(lines.values()) == Counter(lines.values())
    if more:
        assert by_host(kept) == by_host(lines.values())


def by_host(lines: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the lines of each host in their order, without copies of earlier ones."""
    hosts: dict[bytes, list[bytes]] = {}
    for line in dict.fromkeys(lines):
        hosts.setdefault(line.split(b" ")[0], []).append(line)
    return hosts
