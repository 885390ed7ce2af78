"""What is wrong with a table: files that some engine cannot read, made by others; and what runs have left."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import nasalogs
from tables import DAY, FIELDS, FIRST, Directory, Lake, Prefix, doctor, parquet, row

GOOD = "dt=1995-07-01/good.parquet"
BAD = "dt=1995-07-01/bad.parquet"
ROWS = [row(at) for at in range(100)]


@pytest.fixture(params=["directory", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """Make a table with one file that is sound, and large enough by itself."""
    made: Lake = Directory(tmp_path / "lake")
    if request.param == "bucket":
        made = Prefix(request.getfixturevalue("moto"), f"{tmp_path.name}/lake/")
    made.put(GOOD, parquet(ROWS))
    return made


def as_type(column: str, kind: pa.DataType) -> dict[str, pa.DataType]:
    return {**FIELDS, column: kind}


BODIES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not_parquet": lambda: b"host,ts\na,1995-07-01\n",
    "truncated": lambda: parquet(ROWS)[:-20],
    "unsigned": lambda: parquet(ROWS, as_type("bytes", pa.uint64())),
    "nanoseconds": lambda: parquet(
        [{**each, "ts": each["ts"] * 1_000_000} for each in ROWS], as_type("ts", pa.timestamp("ns", "UTC"))
    ),
    "local_time": lambda: parquet(ROWS, as_type("ts", pa.timestamp("ms"))),
    "int96": lambda: parquet(ROWS, use_deprecated_int96_timestamps=True),
    "float16": lambda: parquet([{**each, "share": 0.5} for each in ROWS], {**FIELDS, "share": pa.float16()}),
    "page_v2": lambda: parquet(ROWS, data_page_version="2.0"),
    "type": lambda: parquet(ROWS, as_type("status", pa.int64())),
    "type: microseconds": lambda: parquet(
        [{**each, "ts": each["ts"] * 1000} for each in ROWS], as_type("ts", pa.timestamp("us", "UTC"))
    ),
    "type: doubles": lambda: parquet([{**each, "share": 0.5} for each in ROWS], {**FIELDS, "share": pa.float64()}),
    "type: lists": lambda: parquet([{**each, "tags": []} for each in ROWS], {**FIELDS, "tags": pa.list_(pa.string())}),
    "type: narrower": lambda: parquet(ROWS, as_type("status", pa.int32())),
    "name_case": lambda: parquet([{**each, "Host": "x"} for each in ROWS], {**FIELDS, "Host": pa.string()}),
    "wrong_day": lambda: parquet([{**ROWS[0], "ts": FIRST - 1}, *ROWS]),
}
ENCODINGS = {
    "DELTA_BINARY_PACKED": "bytes",
    "DELTA_LENGTH_BYTE_ARRAY": "host",
    "DELTA_BYTE_ARRAY": "host",
    "BYTE_STREAM_SPLIT": "bytes",
}
CODECS = ["brotli", "lz4"]


@pytest.mark.parametrize("kind", BODIES)
def test_each_ailment_is_named(lake: Lake, kind: str) -> None:
    lake.put(BAD, BODIES[kind]())
    found = [each for each in doctor(lake) if each["kind"] != "small_files"]
    kind = kind.partition(":")[0]
    assert [(each["file"], each["level"], each["kind"]) for each in found] == [(BAD, "error", kind)], found
    text = lake.run("doctor", code=1).stdout.decode()
    assert f"error: {BAD}: {found[0]['message']}\n" in text
    assert "2 files" in text.splitlines()[-1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_are_seen_in_the_pages(lake: Lake, encoding: str) -> None:
    column = ENCODINGS[encoding]
    lake.put(BAD, parquet(ROWS, use_dictionary=False, column_encoding={column: encoding}))
    found = [each for each in doctor(lake) if each["kind"] != "small_files"]
    assert [(each["kind"], each["column"]) for each in found] == [("encoding", column)]
    assert encoding in found[0]["message"]


@pytest.mark.parametrize("codec", CODECS)
def test_codecs_that_not_all_have(lake: Lake, codec: str) -> None:
    lake.put(BAD, parquet(ROWS, compression=codec))
    found = [each for each in doctor(lake) if each["kind"] != "small_files"]
    assert [each["kind"] for each in found] == ["codec"]
    assert codec.upper() in found[0]["message"]


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "none"])
def test_codecs_that_all_have(lake: Lake, codec: str) -> None:
    lake.put(BAD, parquet(ROWS, compression=codec))
    assert [each["kind"] for each in doctor(lake, code=0)] == ["small_files"]


def test_a_page_that_is_damaged(lake: Lake) -> None:
    sound = parquet(ROWS, compression="zstd")
    lake.put(BAD, sound[:4] + bytes(60) + sound[64:])
    found = [each for each in doctor(lake) if each["kind"] != "small_files"]
    assert {each["kind"] for each in found} == {"damaged"}


def test_a_value_that_is_damaged_in_a_page_that_is_not(lake: Lake) -> None:
    body = bytearray(parquet(ROWS, compression="none", use_dictionary=False))
    # The length of a text says more than there is.
    at = body.index(b"host0.example") - 4
    body[at : at + 4] = b"XXXX"
    lake.put(BAD, bytes(body))
    assert {each["kind"] for each in doctor(lake) if each.get("file") == BAD} == {"damaged"}


def test_places_where_nobody_looks(lake: Lake) -> None:
    for name in ("stray.parquet", "dt=yesterday/a.parquet", "year=1995/a.parquet", "README.txt", "_x/a.parquet"):
        lake.put(name, parquet(ROWS) if name.endswith(".parquet") else b"text")
    found = doctor(lake)
    assert [(each["file"], each["kind"]) for each in found] == [
        ("dt=yesterday/a.parquet", "partition"),
        ("stray.parquet", "outside"),
        ("year=1995/a.parquet", "outside"),
    ]
    lake.put("dt=1995-07-01/notes.txt", b"engines read this")
    assert {"file": "dt=1995-07-01/notes.txt", "kind": "not_parquet"}.items() <= doctor(lake)[0].items()


def test_tables_below_are_not_this_one(lake: Lake) -> None:
    alone = json.loads(lake.run("doctor", "--json").stdout)
    for name in ("a.parquet", "b.parquet"):
        lake.put(f"x/other/dt=1995-07-01/{name}", parquet(ROWS, as_type("bytes", pa.uint64())))
    lake.put("rejects/dt=1995-07-01/a.ndjson", b"{}\n")
    both = json.loads(lake.run("doctor", "--json", code=1).stdout)
    assert [(each["file"], each["kind"]) for each in both["findings"]] == [("x/other", "nested")]
    counts = ("files", "bytes", "rows", "partitions")
    assert [both[name] for name in counts] == [alone[name] for name in counts]


def test_days_are_those_of_the_log_too(generated: Callable[..., Path], tmp_path: Path) -> None:
    log = generated("common", 20_000)
    for tz in ("utc", "log"):
        table = tmp_path / tz
        nasalogs("convert", log, "-o", table, "--partition-by", "dt", "--partition-tz", tz, "--quiet")
        assert doctor(Directory(table), code=0) == []
    # Summer time ends, so that the statistics do not tell; the rows do.
    fields = {**FIELDS, "tz_offset": pa.int16()}
    ends = [
        {**row(0), "ts": FIRST + hour * 3_600_000, "tz_offset": minutes} for hour, minutes in ((4, -240), (28, -300))
    ]
    lake = Directory(tmp_path / "lake")
    lake.put(GOOD, parquet(ends, fields))
    assert doctor(lake, code=0) == []
    lake.put(GOOD, parquet([*ends, {**ends[0], "ts": FIRST + 2 * DAY}], fields))
    [found] = doctor(lake)
    assert "1 of its 3 rows" in found["message"]


def test_what_runs_have_left(lake: Lake) -> None:
    lake.put("_compact/dt=1995-07-01.json", b"{}")
    lake.put("_stream.abc.tmp/x/1.parquet", b"PAR1")
    lake.put("dt=1995-07-01/_part.xyz.tmp", b"PAR1")
    lake.put(f"_rolls/0123456789abcdef-{0:020}", b"{}")
    found = {each["file"]: (each["kind"], each["level"]) for each in doctor(lake)}
    assert found == {
        "_compact/dt=1995-07-01.json": ("compaction", "error"),
        "_rolls": ("roll", "advice"),
        "_stream.abc.tmp": ("temporary", "advice"),
        "dt=1995-07-01/_part.xyz.tmp": ("temporary", "advice"),
    }


def test_objects_without_a_commit(lake: Lake) -> None:
    shard, first = "shardId-000000000003", 49590338271490256608559692538361571095921575989136588898

    def name(begin: int, end: int) -> str:
        return f"dt=1995-07-01/{shard}-{begin}-{end}.parquet"

    committed, cut, alone = name(first, first + 9), name(first, first + 4), name(first + 20, first + 21)
    for each in (committed, cut, alone):
        lake.put(each, parquet(ROWS))
    countdown = str(first).rjust(56, "0").translate(str.maketrans("0123456789", "9876543210"))
    content = {"records": [str(first)], "objects": [f"some/prefix/{committed}"]}
    lake.put(f"_commits/{shard}/{countdown}.json.gz", gzip.compress(json.dumps(content).encode()))
    found = [each for each in doctor(lake, code=0) if each["kind"] != "small_files"]
    assert [(each["file"], each["kind"]) for each in found] == [(cut, "uncommitted"), (alone, "uncommitted")]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b cut", gzip.compress(b"{}"), gzip.compress(b"[1")])
def test_what_is_no_commit_is_named_and_the_visit_goes_on(lake: Lake, content: bytes) -> None:
    lake.put("dt=1995-07-01/shardId-0-12-13.parquet", b"")
    commit = f"_commits/shardId-0/{'9' * 54}87.json.gz"
    lake.put(commit, content)
    found = [(each["file"], each["kind"]) for each in doctor(lake) if each["file"]]
    assert found == [(commit, "commit"), ("dt=1995-07-01/shardId-0-12-13.parquet", "empty")]


def test_without_a_table_it_is_about_the_program(tmp_path: Path) -> None:
    found: dict[str, Any] = json.loads(nasalogs("doctor", "--json").stdout)
    assert found["backend"]
    # Of the build that is tested: what a directory can do, any can.
    needs = nasalogs("doctor", "s3://x/y", "--endpoint-url", "http://127.0.0.1:1", check=False).stderr
    assert found["features"] == ([] if "does not speak to S3" in needs else ["aws"])
    assert "has no files of a table" in nasalogs("doctor", tmp_path, check=False).stderr
    assert nasalogs("doctor", "--dt", "1995-07-01", check=False).code == 2


def test_days_that_are_not_there_are_not_a_wrong_place(lake: Lake) -> None:
    assert "has no files of these days" in lake.run("doctor", "--dt", "2001-01-01", code=2).stderr


def test_only_some_days(lake: Lake) -> None:
    lake.put("dt=1995-07-02/bad.parquet", b"")
    assert doctor(lake, "--dt", "1995-07-01", code=0) == []
    assert [each["kind"] for each in doctor(lake, "--dt", "1995-07-02..")] == ["empty"]
