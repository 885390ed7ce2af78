"""`nasalogs stream` on the wire: against servers that were not written for us, and read back by other clients."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import nasalogs
from kinesis import (
    FORMS,
    Emulator,
    Simulator,
    aggregated,
    end,
    lines_of,
    read,
    report,
    start,
    status,
    stream,
    wait_until,
)

names = (f"web-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["moto", "ministack", "kinesalite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(request.param, tmp_path_factory.mktemp(request.param))
    yield started
    started.stop()


@pytest.fixture(scope="module", params=["simulator", "kinesalite"])
def splitting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator | Simulator]:
    """Servers in which what was stored stays where it was when shards change.

    Of a shard that is split, moto moves the records to others, and ministack loses them.
    """
    if request.param == "simulator":
        simulator = Simulator("--no-limits", streams=())
        yield simulator
        simulator.stop()
    else:
        started = Emulator(request.param, tmp_path_factory.mktemp(request.param))
        yield started
        started.stop()


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("common", 4000)


def offsets(log: bytes) -> dict[int, bytes]:
    """Return where lines begin, and the lines."""
    found, offset = {}, 0
    for line in log.splitlines(keepends=True):
        found[offset] = line.removesuffix(b"\n").removesuffix(b"\r")
        offset += len(line)
    return found


def once(found: list[tuple[str, bytes]]) -> dict[int, bytes]:
    """Remove what is there twice by its id, and forget the file, of which there is one."""
    assert len({identity.partition("-")[0] for identity, _ in found}) == 1
    by_id: dict[int, bytes] = {}
    for identity, line in found:
        assert by_id.setdefault(int(identity.partition("-")[2]), line) == line
    return by_id


@pytest.mark.parametrize("key", ["random", "host"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_arrives(form: str, key: str, server: Emulator, log: Path, tmp_path: Path) -> None:
    name, content = next(names), log.read_bytes()
    server.create(name, 3)
    if form != "ndjson":
        # What has no row is carried like all the rest.
        content = b"\xff\x00 nonsense \xc3\r\n" + content + b"no end"
    (tmp_path / "access.log").write_bytes(content)
    arguments = (
        "access.log", "--to", f"kinesis://{name}", "--records", form, "--partition-key", key,
        "--format", "common", "--report", "r.json",
    )  # fmt: skip
    stream(server.url, tmp_path, *arguments)
    records, said, lines = read(server.client, name), report(tmp_path), offsets(content)
    assert (said["acknowledged"], said["possibly_duplicated"]) == (len(lines), 0)
    assert len(records) == said["records"]
    assert {shard["id"] for shard in said["shards"]} >= {record.shard for record in records}
    found = lines_of(records)
    assert len(found) == len(lines)
    if form == "ndjson":
        objects = {int(identity.partition("-")[2]): json.loads(line) for identity, line in found}
        nasalogs("convert", log, "-o", tmp_path / "rows.ndjson", "--quiet")
        rows = dict(zip(lines, map(json.loads, (tmp_path / "rows.ndjson").read_text().splitlines()), strict=True))
        assert {at: {k: v for k, v in row.items() if k != "line_id"} for at, row in objects.items()} == rows
    elif (form, key) == ("raw", "host"):
        assert Counter(line for _, line in found) == Counter(lines.values())
    else:
        assert once(found) == lines
    if form == "kpl":
        taken = aggregated(records)
        assert all(kept for _, _, kept in taken)
        assert Counter(line.removesuffix(b"\r") for _, line, _ in taken) == Counter(lines.values())
    # What is delivered is remembered, whoever it was delivered to.
    assert "nothing new" in stream(server.url, tmp_path, *arguments).stderr


def test_an_arn_is_a_name(log: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moto = Emulator("moto", tmp_path_factory.mktemp("moto"))
    try:
        moto.create("web", 1)
        arn = moto.client.describe_stream(StreamName="web")["StreamDescription"]["StreamARN"]
        stream(moto.url, tmp_path, log, "--to", f"kinesis://{arn}", "--records", "block", "--report", "r.json")
        assert once(lines_of(read(moto.client, "web"))) == offsets(log.read_bytes())
    finally:
        moto.stop()


@pytest.mark.parametrize(
    ("form", "key", "more"),
    [
        ("raw", "host", ["--ordered"]),
        ("kpl", "host", []),
        ("kpl", "host", ["--ordered"]),
        ("kpl", "random", []),
        ("block", "host", ["--ordered"]),
    ],
)
def test_shards_are_split_and_merged_meanwhile(
    form: str, key: str, more: list[str], splitting: Emulator | Simulator, log: Path, tmp_path: Path
) -> None:
    name, client = next(names), splitting.client
    client.create_stream(StreamName=name, ShardCount=2)
    wait_until("the stream", lambda: status(client, name) == "ACTIVE")
    content = log.read_bytes()
    if form == "raw":
        # One record at a time for each shard takes its time.
        content = b"".join(content.splitlines(keepends=True)[:400])
    (tmp_path / "access.log").write_bytes(content)
    rate = str(len(offsets(content)) / 2)
    process = start(
        splitting.url, tmp_path, "access.log", "--to", f"kinesis://{name}", "--records", form, "--partition-key", key,
        "--format", "common", "--max-record-size", "2048", "--rate", rate, "--report", "r.json", *more,
    )  # fmt: skip

    def stored(share: int) -> bool:
        return sum(len(line) for _, line in lines_of(read(client, name))) > len(content) * share // 8

    def open_shards() -> list[tuple[int, int, str]]:
        shards = client.list_shards(StreamName=name)["Shards"]
        ranges = [(shard["HashKeyRange"], shard) for shard in shards]
        return sorted(
            (int(ends["StartingHashKey"]), int(ends["EndingHashKey"]), shard["ShardId"])
            for ends, shard in ranges
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        )

    try:
        wait_until("records", lambda: stored(1))
        first, last, shard = open_shards()[0]
        client.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str((first + last) // 2))
        wait_until("the split", lambda: status(client, name) == "ACTIVE" and len(open_shards()) == 3)
        wait_until("records", lambda: stored(3))
        _, (_, _, left), (_, _, right) = open_shards()
        client.merge_shards(StreamName=name, ShardToMerge=left, AdjacentShardToMerge=right)
        said = end(process, 0)
    finally:
        process.kill()
        process.wait(30)
    records, account, lines = read(client, name), report(tmp_path), offsets(content)
    found = lines_of(records)
    assert account["acknowledged"] == len(lines), said
    # What came into the new shards in the old way is there a second time, and counted.
    assert len(found) - len(lines) <= account["possibly_duplicated"]
    assert {shard["id"] for shard in account["shards"]} <= {shard for _, _, shard in open_shards()}
    if (form, key) == ("raw", "host"):
        assert set(Counter(line for _, line in found)) == set(lines.values())
    else:
        assert once(found) == lines
    kept = [line for _, line in found]
    if form == "kpl":
        # Who throws away what belongs to other shards has all the same every line.
        kept = [line for _, line, is_kept in aggregated(records) if is_kept]
        assert Counter(kept) & Counter(lines.values()) == Counter(lines.values())
    if more:
        keeps_order(kept, lines)


def keeps_order(found: list[bytes], lines: dict[int, bytes]) -> None:
    """See that the lines of each host come in the order of the log, but for copies of earlier ones."""
    hosts: dict[bytes, list[bytes]] = {}
    for line in found:
        hosts.setdefault(line.split(b" ")[0], []).append(line)
    expected: dict[bytes, list[bytes]] = {}
    for line in lines.values():
        expected.setdefault(line.split(b" ")[0], []).append(line)
    for host, wanted in expected.items():
        assert list(dict.fromkeys(hosts[host])) == list(dict.fromkeys(wanted))
