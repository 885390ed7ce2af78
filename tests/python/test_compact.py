"""A table whose small files are merged: which rows are there, before, after, meanwhile, and when somebody is killed."""

import io
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BINARY, nasalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import Cut, Fault, Proxy, Refuse, Request, Store, environment
from tables import (
    FIELDS,
    Directory,
    Lake,
    Prefix,
    Row,
    compact,
    data_files,
    doctor,
    look,
    parquet,
    row,
    rows_of,
)  # fmt: skip

Files = dict[str, list[Row]]
SHARD = "shardId-000000000003"


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Lake]:
    """Make lakes of one kind, each by its name."""
    if request.param == "directory":
        return lambda name: Directory(tmp_path / name)
    store: Store = request.getfixturevalue("moto")
    return lambda name: Prefix(store, f"{tmp_path.name}/{name}/")


both = pytest.mark.parametrize("fresh", ["directory", "bucket"], indirect=True)


def fill(lake: Lake, files: Files) -> None:
    for name, rows in files.items():
        lake.put(name, parquet(rows))


def first_of_each(lake: Lake) -> list[Row]:
    """Return what the view that removes duplicates gives, in the order of the files' names."""
    seen: set[str] = set()
    found = []
    for each in rows_of(lake):
        if each["line_id"] is None or each["line_id"] not in seen:
            seen.add(each["line_id"])
            found.append(each)
    return found


def some_files(*, days: int = 4, files: int = 6, rows: int = 50, seed: int = 1995) -> Files:
    """Make files of several days in which each row is there, some of them twice."""
    chance = random.Random(seed)  # noqa: S311 -- it is to be the same each time
    made: Files = {}
    for day in range(days):
        numbers = [day * 1_000_000 + at for at in range(files * rows)]
        for at in range(files):
            own = numbers[at * rows : (at + 1) * rows]
            again = chance.sample(numbers, rows // 5)
            name = f"dt=1995-07-{day + 1:02}/{SHARD}-{at:056}-{at + 1:056}.parquet"
            made[name] = [row(number % 1_000_000, day=day) | {"line_id": f"id{number}"} for number in own + again]
    return made


@st.composite
def lakes(draw: st.DrawFn) -> list[Files]:
    """Make files that are there at first, and files that are added between one run and the next."""
    number = st.integers(0, 60)
    stages = []
    for stage in range(draw(st.integers(1, 3))):
        files: Files = {}
        for at in range(draw(st.integers(0, 5))):
            day = draw(st.integers(0, 2))
            kind = draw(st.sampled_from(["shardId-0", "0123456789abcdef", "part"]))
            # The id of a line tells its day, too: rows of one id are the same.
            numbers = [each * 3 + day for each in draw(st.lists(number, max_size=30))]
            files[f"dt=1995-07-{day + 1:02}/{kind}-{stage}-{at}.parquet"] = [row(each, day=day) for each in numbers]
        stages.append(files)
    return stages


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stages=lakes())
@pytest.mark.parametrize("fresh", ["directory"], indirect=True)
def test_what_is_left_is_what_the_view_shows(fresh: Callable[[str], Lake], stages: list[Files]) -> None:
    lake = fresh(os.urandom(8).hex())
    assert isinstance(lake, Directory)
    lake.root.mkdir(parents=True)
    everything = 0
    for files in filter(None, stages):
        fill(lake, files)
        before = data_files(lake)
        # Merged files come first: they are older than what was added to them.
        ordered = sorted(before, key=lambda name: (name.split("/")[0], "/z" not in name, name))
        seen: set[str] = set()
        expected = [
            each
            for each in rows_of(lake, ordered)
            if not (each["line_id"] in seen or seen.add(each["line_id"]))  # type: ignore[func-returns-value]
        ]
        pattern = f"{lake.root}/dt=*/*.parquet"
        query = f"""
            SELECT line_id, epoch_ms(ts), status, bytes, host FROM read_parquet('{pattern}', filename = true)
            QUALIFY row_number() OVER (PARTITION BY line_id ORDER BY filename) = 1 ORDER BY line_id
        """
        view = duckdb.execute(query).fetchall() if expected else []
        report = compact(lake)
        assert rows_of(lake) == expected
        if expected:
            left = f"SELECT line_id, epoch_ms(ts), status, bytes, host FROM '{pattern}' ORDER BY line_id"
            assert duckdb.execute(left).fetchall() == view
        everything += report["total"]["duplicates_removed"]
        assert report["refused"] == []
        # What is merged stays so.
        there = lake.names()
        assert compact(lake)["partitions"] == []
        assert lake.names() == there
    assert all(name.startswith("dt=") for name in lake.names())


@both
def test_files_become_one_of_a_day(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    files = some_files()
    fill(lake, files)
    expected = first_of_each(lake)
    planned = json.loads(lake.run("compact", "--dry-run", "--json").stdout)
    assert (planned["dry_run"], planned["total"]["files_before"], planned["total"]["files_after"]) == (True, 24, 4)
    assert lake.names() == sorted(files)
    report = compact(lake)
    assert report["total"] | {"bytes_before": 0, "bytes_after": 0} == {
        "files_before": 24, "files_after": 4, "bytes_before": 0, "bytes_after": 0,
        "rows": len(expected), "duplicates_removed": 24 * 60 - len(expected),
    }  # fmt: skip
    assert report["total"]["bytes_after"] == sum(len(lake.get(name)) for name in data_files(lake))
    assert rows_of(lake) == expected
    assert [name.split("/")[0] for name in lake.names()] == [f"dt=1995-07-{day:02}" for day in range(1, 5)]
    assert doctor(lake, code=0) == []
    text = lake.run("compact").stdout.decode()
    assert text == "nothing merged\n4 partitions need nothing\n"

    # What comes late is merged with the rest, and what was there before it stays away.
    late = [row(7), row(10_000)]
    late[0]["line_id"] = "id7"
    lake.put(f"dt=1995-07-01/{SHARD}-9-9.parquet", parquet(late))
    merged = compact(lake)["partitions"]
    assert [(each["partition"], each["files_before"], each["duplicates_removed"]) for each in merged] == [
        ("dt=1995-07-01", 2, 1)
    ]
    assert len(rows_of(lake)) == len(expected) + 1
    assert len(lake.names()) == 4


@both
def test_days_are_chosen(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    fill(lake, some_files())
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    for at in range(2):
        lake.put(f"dt={tomorrow}/{at}.parquet", parquet([row(at)]))

    def merged(*arguments: str) -> list[str]:
        report = json.loads(lake.run("compact", "--json", "--grace", "0", *arguments).stdout)
        return [each["partition"].removeprefix("dt=") for each in report["partitions"]]

    assert merged("--dt", "1995-07-02") == ["1995-07-02"]
    assert merged("--dt", "1995-07-03..") == ["1995-07-03", "1995-07-04", tomorrow]
    assert merged() == ["1995-07-01"]
    assert merged("--all") == []
    lake.run("compact", "--dt", "1995-07-03..1995-07-01", code=2)
    lake.run("compact", "--dt", "1995-07-01", "--all", code=2)


def test_large_files_have_the_size_that_was_asked_for(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", 400_000)
    lake = Directory(tmp_path / "lake")
    nasalogs("convert", log, "-o", lake.root, "--partition-by", "dt", "--quiet", "--columns", "host,ts,path,bytes")
    [*days] = {name.split("/")[0] for name in data_files(lake)}
    [day, *_] = sorted(days, key=lambda day: -sum(len(lake.get(n)) for n in data_files(lake) if n.startswith(day)))
    whole = lake.root / day / "part.parquet"
    size = whole.stat().st_size
    rows = pq.read_table(whole)
    for at in range(3):
        (lake.root / day / f"copy{at}.parquet").write_bytes(whole.read_bytes())
    report = compact(lake, "--target-size", "1MB")
    [merged] = [each for each in report["partitions"] if each["partition"] == day]
    # Without ids of lines nothing is a duplicate.
    assert (merged["files_before"], merged["duplicates_removed"], merged["rows"]) == (4, 0, 4 * rows.num_rows)
    made = sorted((lake.root / day).iterdir())
    assert merged["files_after"] == len(made)
    assert sum(path.stat().st_size for path in made) < 4.2 * size
    found = pa.concat_tables(pq.read_table(path) for path in made)
    assert found.equals(pa.concat_tables([rows] * 4))
    # One file of a day without ids is as good as it gets.
    assert len(report["partitions"]) == 1


@both
def test_columns_that_were_added_are_null_before(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    lake.put("dt=1995-07-01/a.parquet", parquet([row(1)]))
    lake.put("dt=1995-07-01/b.parquet", parquet([row(2) | {"referer": "x"}], {**FIELDS, "referer": pa.string()}))
    compact(lake)
    assert [each["referer"] for each in rows_of(lake)] == [None, "x"]
    assert list(rows_of(lake)[0])[:-1] == ["host", "ts", "status", "bytes", "referer", "line_id"]


@both
def test_what_does_not_fit_is_left_and_named(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    fill(lake, some_files(days=1))
    text = parquet([row(1) | {"bytes": "many"}], {**FIELDS, "bytes": pa.string()})
    lake.put("dt=1995-07-02/a.parquet", parquet([row(1, day=1)]))
    lake.put("dt=1995-07-02/b.parquet", text)
    lake.put("dt=1995-07-03/a.parquet", parquet([row(1, day=2)])[:-9])
    lake.put("dt=1995-07-04/a.parquet", parquet([row(1)], {**FIELDS, "bytes": pa.uint64()}))
    before = [name for name in lake.names() if "07-01" not in name]
    report = json.loads(lake.run("compact", "--json", "--grace", "0", code=1).stdout)
    assert [each["partition"] for each in report["partitions"]] == ["dt=1995-07-01"]
    reasons = {each["partition"]: each["reason"] for each in report["refused"]}
    assert 'b.parquet: column "bytes" has the type Utf8, but Int64 in' in reasons["dt=1995-07-02"]
    assert "a.parquet: cannot be read as Parquet" in reasons["dt=1995-07-03"]
    assert "a.parquet" in reasons["dt=1995-07-04"]
    assert "UInt64" in reasons["dt=1995-07-04"]
    assert [name for name in lake.names() if "07-01" not in name] == before
    assert b"is left as it is" in lake.run("compact", code=1).stdout


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    assert "No such file" in nasalogs("compact", tmp_path / "none", check=False).stderr
    file = tmp_path / "file"
    file.write_text("x")
    assert nasalogs("compact", file, check=False).code == 2
    assert nasalogs("doctor", tmp_path / "none", check=False).code == 2
    for command in ("compact", "doctor"):
        wrong = nasalogs(command, tmp_path, check=False)
        assert (wrong.code, "has no files of a table" in wrong.stderr) == (2, True)
    assert nasalogs("compact", "ftp://x/y", check=False).code == 2


@both
def test_files_of_a_stream_at_work_are_left(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    source = "0123456789abcdef"
    names = [f"dt=1995-07-01/{source}-{begin:020}-{begin + 9:020}.parquet" for begin in (0, 9, 18)]
    for at, name in enumerate(names):
        lake.put(name, parquet([row(at)]))
    note = f"_rolls/{source}-{18:020}"
    lake.put(note, b'{"end":27}\n')
    report = compact(lake)
    assert (report["files_in_flight"], report["total"]["files_before"]) == (1, 2)
    assert names[2] in lake.names()
    assert [each["kind"] for each in doctor(lake, code=0)] == ["roll", "small_files"]
    # The roll is written once more, acknowledged, and its note removed.
    if isinstance(lake, Directory):
        (lake.root / note).unlink()
    else:
        assert isinstance(lake, Prefix)
        lake.store.client.delete_object(Bucket=lake.store.bucket, Key=f"{lake.prefix}{note}")
    assert compact(lake)["total"]["files_before"] == 2
    assert [each["line_id"] for each in rows_of(lake)] == [row(at)["line_id"] for at in range(3)]


def assert_complete(lake: Lake, expected: list[Row], files: Files) -> None:
    """See that all is merged, and nothing lies around."""
    assert rows_of(lake) == expected
    assert len(lake.names()) == len({name.split("/")[0] for name in files}), lake.names()


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


def test_two_columns_of_one_name_are_left_alone(tmp_path: Path) -> None:
    table = pa.table([["a", "b"], ["X", "Y"], ["1", "2"]], names=["host", "HOST", "line_id"])
    for names in (["host", "host", "line_id"], ["host", "HOST", "line_id"], ["host", "line_id", "line_id"]):
        lake = Directory(tmp_path / "-".join(names))
        out = io.BytesIO()
        pq.write_table(table.rename_columns(names), out)
        lake.put("dt=1995-07-01/a.parquet", out.getvalue())
        assert b"two columns are called" in lake.run("compact", "--all", "--grace", "0", code=1).stdout
        assert lake.get("dt=1995-07-01/a.parquet") == out.getvalue()


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


@both
def test_readers_meanwhile_miss_nothing(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    files = some_files(days=3, files=8)
    fill(lake, files)
    expected = first_of_each(lake)
    ids = {each["line_id"] for each in expected}
    done = threading.Event()
    failures: list[Any] = []
    looks = 0

    def read() -> None:
        nonlocal looks
        while not done.is_set():
            missing = ids - set(look(lake))
            looks += 1
            if missing:
                failures.append(missing)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for stage in range(3):
            compact(lake, grace=0.5)
            for day in range(1, 4):
                lake.put(f"dt=1995-07-{day:02}/late-{stage}.parquet", parquet([row(stage)]))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert looks > 0
    assert failures == []


@both
def test_a_note_of_what_has_changed_is_dropped(fresh: Callable[[str], Lake]) -> None:
    lake = fresh("lake")
    fill(lake, some_files(days=1))
    gone = {"name": "dt=1995-07-01/gone.parquet", "size": 9, "version": "1"}
    made = {"name": "dt=1995-07-01/z0001-0123456789abcdef-0000.parquet", "rows": 1, "size": 9}
    note = {"version": 1, "partition": "dt=1995-07-01", "inputs": [gone], "outputs": [made], "duplicates": 0}
    expected = first_of_each(lake)
    lake.put("_compact/dt=1995-07-01.json", json.dumps(note).encode())
    compact(lake)
    assert rows_of(lake) == expected
    # One of a version to come, or that leads elsewhere, is not touched.
    for wrong in ({"version": 2}, {"inputs": [{**gone, "name": "../x"}]}):
        lake.put("_compact/dt=1995-07-01.json", json.dumps({**note, **wrong}).encode())
        assert "is a note of compact" in lake.run("compact", code=2).stderr


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
