"""The function under AWS's own runtime client, behind an event source that retries and bisects, killed at random."""

import json
import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lakes
import pytest
from conftest import BINARY
from events import EventSource, Records, shards
from kinesis import Simulator
from nasalogs.aws import parse_kinesis_event
from runtime import FailedError, Function
from stacks import REGION
from stores import Cut, Fault, Proxy, Refuse, Request, Store, environment

LINES = 2_000
# What a record holds, how the stream behaves, and how many records a batch has at most.
RUNS = {
    1: ("raw", ["--lose-ack", "0.1"], 400),
    2: ("kpl", ["--fail-request-stored", "0.3", "--reshard-every", "5"], 3),
    3: ("block", ["--fail-record-stored", "0.3"], 2),
    4: ("ndjson", ["--lose-ack", "0.1", "--reshard-every", "9"], 300),
    5: ("raw", [], 200),
}


@dataclass
class Trouble:
    """What goes wrong between the function and its store, until there was enough of it."""

    seed: int
    kill: Callable[[], None] = lambda: None
    left: int = 16
    seen: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the seed."""
        self.random = random.Random(self.seed)  # noqa: S311

    def __call__(self, _request: Request) -> Fault:
        """Let one request in four go wrong: before the store has done it, or after."""
        if not self.left or self.random.random() > 0.25:
            return None
        self.left -= 1
        kind = self.random.choice(["refuse", "lose", "kill before", "kill after"])
        self.seen[kind] = self.seen.get(kind, 0) + 1
        if kind.startswith("kill"):
            self.kill()
        if kind in ("refuse", "kill before"):
            return Refuse(503, "SlowDown")
        return Cut() if kind == "lose" else None


def send(log: Path, form: str, simulator: Simulator, refused: Path) -> None:
    """Send a log to the stream by the command itself."""
    done = subprocess.run(
        [BINARY, "stream", log, "--to", "kinesis://s", "--replay", "max", "--format", "common", "--quiet",
         "--records", form, "--max-record-size", "8000", "--no-checkpoint", "--rejects", refused],
        env=environment(simulator.url, {"AWS_REGION": REGION}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Objects can only be made of lines that are rows.
    assert done.returncode == (1 if form == "ndjson" else 0), done.stderr


def drain(function: Function, arrived: Iterable[Records], most: int, chance: random.Random) -> None:
    """Deliver what each shard holds, in batches of any size; some come twice, as if nobody had noted the answer."""

    def invoke(event: dict[str, Any], context: object) -> dict[str, Any]:
        # While it parses and compresses it asks for nothing by which it could be caught.
        killer = threading.Timer(chance.uniform(0, 0.1), function.kill) if chance.random() < 0.1 else None
        if killer:
            killer.start()
        try:
            return function(event, context)
        finally:
            if killer:
                killer.cancel()
                killer.join()

    for records in arrived:
        at = 0
        while at < len(records):
            size = chance.randint(1, most)
            EventSource(invoke).deliver(records[at : at + size])
            if chance.random() < 0.2:
                again = max(0, at - chance.randint(0, most))
                EventSource(invoke).deliver(records[again : at + chance.randint(1, size)])
            at += size


@pytest.mark.parametrize("seed", RUNS)
def test_whatever_is_killed_nothing_is_lost(
    seed: int, moto: Store, layer: Path, generated: Callable[..., Path], tmp_path: Path
) -> None:
    form, flags, most = RUNS[seed]
    log = generated("common", LINES, oddities="3%")
    refused = tmp_path / "refused.ndjson"
    simulator = Simulator("--no-limits", "--seed", str(seed), *flags)
    try:
        send(log, form, simulator, refused)
        arrived = list(shards(simulator.client, "s"))
    finally:
        assert simulator.stop() == 0
    trouble, prefix = Trouble(seed), f"{seed}/"
    with Proxy(moto.url, trouble) as proxy:
        function = Function(layer, tmp_path)
        for name, value in function.variables.items():
            function.environment[name] = value.replace("s3://lake/", moto.at(prefix))
        function.environment |= {"AWS_ENDPOINT_URL": proxy.url, "AWS_MAX_ATTEMPTS": "1"}
        trouble.kill = function.kill
        try:
            drain(function, arrived, most, trouble.random)
        finally:
            function.stop()
    assert trouble.seen.keys() == {"refuse", "lose", "kill before", "kill after"}
    assert function.starts > 5

    there = tmp_path / "store"
    lakes.fetch(moto, prefix, there)
    lake = lakes.database(there / prefix / "access")
    assert lakes.differences(lake, log, tmp_path) == []
    lake.close()
    # What commits name holds each line as often as the stream does, whatever else was left behind.
    sent = Counter[str]()
    for records in filter(None, arrived):
        sent.update(parse_kinesis_event({"Records": records}).to_batch().column("line_id"))
    assert lakes.committed(there) == sent
    rejects = lakes.rejected(there / prefix / "rejects")
    counted = sum(said.get("rejected", 0) for said in function.said())
    if form == "ndjson":
        # What is no row was refused before it was sent.
        assert (rejects.total(), counted) == (0, 0)
        rejects = Counter(json.loads(line)["raw"] for line in refused.read_text().splitlines())
    else:
        # CloudWatch counts those that the log names; a batch that came twice may be counted twice.
        assert counted >= rejects.total()
    assert rejects == lakes.expected_rejects(log)


def test_an_event_that_is_none_is_an_error_of_the_function(layer: Path, tmp_path: Path) -> None:
    function = Function(layer, tmp_path)
    try:
        assert function({"Records": []}) == {"batchItemFailures": []}
        process = function.process
        with pytest.raises(FailedError, match="Records"):
            function({"nothing": []})
        assert function({"Records": []}) == {"batchItemFailures": []}
        assert function.process is process
    finally:
        function.stop()
