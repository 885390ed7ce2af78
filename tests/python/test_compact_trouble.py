"""A table that is compacted while others are at work, and by runs that are stopped or killed."""

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import BINARY, nasalogs
from stores import Cut, Fault, Proxy, Refuse, Request, Store, environment
from tables import (
    Directory,
    Prefix,
    assert_complete,
    compact,
    data_files,
    doctor,
    fill,
    first_of_each,
    look,
    parquet,
    row,
    rows_of,
    some_files,
)  # fmt: skip


def test_killed_at_any_time_nothing_is_lost(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 -- it is to be the same each time
    files = some_files(days=6, files=8)
    model = Directory(tmp_path / "model")
    fill(model, files)
    expected = first_of_each(model)
    ids = {each["line_id"] for each in expected}
    started = time.monotonic()
    compact(model)
    takes = time.monotonic() - started
    most = max(Counter(each["line_id"] for rows in files.values() for each in rows).values())
    noted = 0
    for at in range(12):
        lake = Directory(tmp_path / f"lake{at}")
        fill(lake, files)
        for _ in range(chance.randint(1, 3)):
            command: list[str | Path] = [BINARY, "compact", lake.root, "--all", "--grace", "0", "--json"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, takes))
            process.kill()
            process.wait()
            seen = look(lake)
            assert set(seen) == ids
            assert max(seen.values()) <= most + 1
            noted += any(name.startswith("_compact/") for name in lake.names())
        compact(lake)
        assert_complete(lake, expected, files)
    assert noted > 0


@pytest.mark.parametrize("damage", ["cut", "zeros", "other"])
def test_old_files_stay_where_the_new_one_is_not_what_was_put(damage: str, tmp_path: Path) -> None:
    files = some_files(days=1)
    lake = Directory(tmp_path / "lake")
    fill(lake, files)
    expected, old = first_of_each(lake), data_files(lake)
    process = subprocess.Popen([BINARY, "compact", lake.root, "--all", "--grace", "60"], stdout=subprocess.DEVNULL)
    try:
        # Only where files stay: what it stages comes and goes.
        while not (made := list(lake.root.glob("dt=*/z*.parquet"))):
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    new = [str(path.relative_to(lake.root)) for path in made]
    body = lake.get(new[0])
    lake.put(new[0], {"cut": body[:-20], "zeros": bytes(len(body)), "other": parquet([row(1)])}[damage])
    said = lake.run("compact", "--all", "--grace", "0", code=2).stderr
    assert "nothing is removed" in said
    assert all(name in data_files(lake) for name in old)
    # What it advises helps.
    (lake.root / new[0]).unlink()
    compact(lake)
    assert_complete(lake, expected, files)


def test_asked_to_stop_it_can_be_completed(tmp_path: Path) -> None:
    files = some_files(days=3)
    lake = Directory(tmp_path / "lake")
    fill(lake, files)
    expected = first_of_each(lake)
    process = subprocess.Popen(
        [BINARY, "compact", lake.root, "--grace", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    # All that is left is to wait for readers.
    while sum("/z" in name for name in lake.names()) < 3 and process.poll() is None:
        time.sleep(0.01)
    busy = nasalogs("compact", lake.root, check=False)
    assert busy.code == 2
    assert "another run is at work" in busy.stderr
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"run the same again" in stderr
    assert {each["kind"] for each in doctor(lake)} == {"compaction", "small_files"}
    report = compact(lake)
    assert [each["resumed"] for each in report["partitions"]] == [True] * 3
    assert_complete(lake, expected, files)


def killed_at(lake: Prefix, at: int, *, after: bool) -> int:
    """Compact over a line on which the command is killed at a request, before or after the store has done it."""
    process: subprocess.Popen[bytes] | None = None
    begun = threading.Event()
    seen = 0
    lock = threading.Lock()

    def rule(_: Request) -> Fault:
        nonlocal seen
        with lock:
            seen += 1
            mine = seen
        if mine < at:
            return None
        begun.wait(10)
        assert process
        process.kill()
        return Cut() if after and mine == at else Refuse(503, "SlowDown")

    with Proxy(lake.store.url, rule) as proxy:
        command: list[str | Path] = [BINARY, "compact", lake.store.at(lake.prefix), "--grace", "0"]
        process = subprocess.Popen(
            command, env=environment(proxy.url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        begun.set()
        process.wait(60)
    return seen


def test_killed_at_any_request_nothing_is_lost(moto: Store, tmp_path: Path) -> None:
    files = some_files(days=1, files=3, rows=20)
    model = Prefix(moto, f"{tmp_path.name}/model/")
    fill(model, files)
    expected = first_of_each(model)
    ids = {each["line_id"] for each in expected}
    # How many requests there are is only known of a run that nobody kills.
    requests = killed_at(model, 10_000, after=False)
    assert_complete(model, expected, files)
    for at in range(1, requests + 1):
        lake = Prefix(moto, f"{tmp_path.name}/{at}/")
        fill(lake, files)
        killed_at(lake, at, after=at % 2 == 0)
        assert set(look(lake)) == ids
        compact(lake)
        assert_complete(lake, expected, files)


@pytest.mark.parametrize("when", ["_compact/", "/z0001"])
def test_a_file_that_is_replaced_meanwhile_stays(moto: Store, tmp_path: Path, when: str) -> None:
    lake = Prefix(moto, f"{tmp_path.name}/lake/")
    files = some_files(days=1, files=3, rows=20)
    fill(lake, files)
    again = sorted(files)[1]

    def rule(request: Request) -> Fault:
        if request.puts and when in request.path:
            lake.put(again, parquet([*files[again], row(999)]))
        return None

    with Proxy(moto.url, rule) as proxy:
        address = moto.at(lake.prefix)
        run = moto.run("compact", address, "--grace", "0", url=proxy.url, code=int(when == "_compact/"))
    if when == "_compact/":
        # Before anything was visible: nothing is done.
        assert b"was removed or replaced while it was merged" in run.stdout
        assert lake.names() == sorted(files)
    else:
        assert b"1 file replaced meanwhile" in run.stdout
    assert again in lake.names()
    compact(lake)
    found = [each["line_id"] for each in rows_of(lake)]
    assert len(found) == len(set(found))
    assert row(999)["line_id"] in found
