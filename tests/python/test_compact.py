"""A table whose small files are merged: which rows are there, before, after and meanwhile."""

import io
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import nasalogs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores import Proxy, Request, Store
from tables import (
    FIELDS,
    SHARD,
    Directory,
    Files,
    Lake,
    Prefix,
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


@pytest.fixture
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Lake]:
    """Make lakes of one kind, each by its name."""
    if request.param == "directory":
        return lambda name: Directory(tmp_path / name)
    store: Store = request.getfixturevalue("moto")
    return lambda name: Prefix(store, f"{tmp_path.name}/{name}/")


both = pytest.mark.parametrize("fresh", ["directory", "bucket"], indirect=True)


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
    planned = json.loads(lake.run("compact", "--json", "--dry-run", code=1).stdout)
    report = json.loads(lake.run("compact", "--json", "--grace", "0", code=1).stdout)
    assert [each["partition"] for each in report["partitions"]] == ["dt=1995-07-01"]
    reasons = {each["partition"]: each["reason"] for each in report["refused"]}
    assert 'b.parquet: column "bytes" has the type Utf8, but Int64 in' in reasons["dt=1995-07-02"]
    assert "a.parquet: cannot be read as Parquet" in reasons["dt=1995-07-03"]
    assert "a.parquet" in reasons["dt=1995-07-04"]
    assert "UInt64" in reasons["dt=1995-07-04"]
    assert [name for name in lake.names() if "07-01" not in name] == before
    # What a run refuses is not promised.
    assert planned["refused"] == report["refused"]
    assert [each["partition"] for each in planned["partitions"]] == ["dt=1995-07-01"]
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


def test_two_columns_of_one_name_are_left_alone(tmp_path: Path) -> None:
    table = pa.table([["a", "b"], ["X", "Y"], ["1", "2"]], names=["host", "HOST", "line_id"])
    for names in (["host", "host", "line_id"], ["host", "HOST", "line_id"], ["host", "line_id", "line_id"]):
        lake = Directory(tmp_path / "-".join(names))
        out = io.BytesIO()
        pq.write_table(table.rename_columns(names), out)
        lake.put("dt=1995-07-01/a.parquet", out.getvalue())
        assert b"two columns are called" in lake.run("compact", "--all", "--grace", "0", code=1).stdout
        assert lake.get("dt=1995-07-01/a.parquet") == out.getvalue()


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


def test_names_command_no_terminal(tmp_path: Path) -> None:
    lake = Directory(tmp_path / "lake")
    lake.put("dt=1995-07-01/\x1b[2J\n.parquet", b"")
    # A note says which partition it is about.
    hostile = "dt=\x1b[2J"
    lake.put(f"{hostile}/text", b"")
    note = {"version": 1, "partition": hostile, "inputs": [], "outputs": [], "duplicates": 0}
    lake.put(f"_compact/{hostile}.json", json.dumps(note).encode())
    said = lake.run("compact", "--grace", "0", code=1).stdout
    assert b"\x1b" not in said
    assert said.startswith(b"dt=\\x1B[2J: 0 files"), said
    assert b"\n.parquet" not in said


def test_of_a_bucket_only_footers_are_read_to_plan(moto: Store, tmp_path: Path) -> None:
    lake = Prefix(moto, f"{tmp_path.name}/lake/")
    # As large as they are, as nothing in them repeats.
    noise = random.Random(1995)  # noqa: S311 -- it is to be the same each time
    for name in "ab":
        lake.put(
            f"dt=1995-07-01/{name}.parquet",
            parquet([row(at) | {"host": noise.randbytes(16).hex()} for at in range(40_000)]),
        )
    bytes_before = sum(len(lake.get(name)) for name in lake.names())
    read = 0

    def rule(request: Request) -> None:
        nonlocal read
        if request.path.endswith(".parquet"):
            first, _, last = request.range.removeprefix("bytes=").partition("-")
            read += int(last) - int(first) + 1

    with Proxy(moto.url, rule) as proxy:
        run = moto.run("compact", moto.at(lake.prefix), "--dry-run", "--json", url=proxy.url)
    assert json.loads(run.stdout)["total"]["files_before"] == 2
    assert 0 < read < bytes_before / 2
