"""`nasalogs stream` on the wire: against servers that were not written for us, and read back by other clients."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import nasalogs
from kinesis import FORMS, Emulator, aggregated, lines_of, offsets, once, read, report, stream

names = (f"web-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=["moto", "ministack", "kinesalite"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(request.param, tmp_path_factory.mktemp(request.param))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("common", 1500)


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
