"""Objects in S3 as inputs and outputs, on servers that were not written for us, and over lines that break."""

import gzip
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from conftest import BINARY, nasalogs
from pyarrow.fs import S3FileSystem
from stores import KEYS, Cut, Fault, Proxy, Refuse, Request, Store, environment

PART = 8 << 20


@pytest.fixture(scope="module")
def log(generated: Callable[..., Path]) -> Path:
    return generated("common", 20_000, oddities="2%")


@pytest.fixture(scope="module")
def large(generated: Callable[..., Path]) -> Path:
    """As NDJSON more than two parts."""
    return generated("common", 90_000)


def local(log: Path, out: Path, *arguments: str) -> bytes:
    nasalogs("convert", log, "-o", out, "--quiet", *arguments)
    return out.read_bytes()


def test_inputs_are_what_files_are(store: Store, log: Path, tmp_path: Path) -> None:
    expected = local(log, tmp_path / "local.parquet")
    plain = store.put("in/access.log", log)
    packed = store.put("in/day=1/access log+é%20.gz", gzip.compress(log.read_bytes()))
    for address in (plain, packed):
        out = tmp_path / "out.parquet"
        store.run("convert", address, "-o", out, "--quiet", "--overwrite")
        assert out.read_bytes() == expected, address
    assert store.run("detect", plain, "--json").stdout.startswith(b"{")
    assert b"memchr" in store.run("bench", store.put("in/short.log", log.read_bytes()[:20_000])).stdout


def test_patterns_match_as_for_files(store: Store, log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    pieces = [b"".join(lines[begin : begin + 5000]) for begin in range(0, len(lines), 5000)]
    for number, piece in enumerate(pieces):
        store.put(f"many/{number}.log", piece)
    for key in ("many/deep/9.log", "many/.hidden.log", "many/other.txt", "many2/0.log"):
        store.put(key, b"nonsense\n")
    store.put("many/[x].log", pieces[0])
    out = tmp_path / "out.csv"
    store.run("convert", store.at("many/[0-9].log"), "-o", out, "--quiet")
    assert out.read_bytes() == local(log, tmp_path / "local.csv")
    store.run("convert", store.at("many/[x].log"), "-o", out, "--quiet", "--overwrite")
    (tmp_path / "first.log").write_bytes(pieces[0])
    assert out.read_bytes() == local(tmp_path / "first.log", tmp_path / "first.csv")
    # Files and objects in the order in which they stand there.
    store.run("convert", store.at("many/*/9.log"), tmp_path / "first.log", "--format", "common",
              "--with", "file", "-o", out, "--quiet", "--overwrite")  # fmt: skip
    assert out.read_text().splitlines()[1].endswith("first.log")


def test_outputs_are_what_files_are(store: Store, log: Path, large: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow", "a.csv", "a.ndjson"):
        expected = local(log, tmp_path / name)
        run = store.run("convert", log, "-o", store.at(f"out/{name}"))
        assert store.get(f"out/{name}") == expected
        assert "written" in run.stderr
    expected = local(large, tmp_path / "large.ndjson")
    assert len(expected) > 2 * PART
    store.run("convert", large, "-o", store.at("out/large.ndjson"), "--quiet")
    assert store.get("out/large.ndjson") == expected
    found = store.client.head_object(Bucket=store.bucket, Key="out/large.ndjson")
    assert found["ETag"].strip('"').endswith(f"-{-(-len(expected) // PART)}")
    assert found["ContentType"] == "application/x-ndjson"
    assert store.uploads() == []


def test_what_is_there_stays_unless_it_may_go(store: Store, log: Path, large: Path, tmp_path: Path) -> None:
    for source, key in ((log, "there.csv"), (large, "there.ndjson")):
        store.put(key, b"before")
        run = store.run("convert", source, "-o", store.at(key), code=2)
        assert "exists already" in run.stderr
        assert "--overwrite" in run.stderr
        assert store.get(key) == b"before"
        store.run("convert", source, "-o", store.at(key), "--quiet", "--overwrite")
        assert store.get(key) == local(source, tmp_path / key)


def test_a_table_is_what_a_directory_is(store: Store, log: Path, tmp_path: Path) -> None:
    arguments = ("--partition-by", "dt", "--quiet")
    table = tmp_path / "table"
    nasalogs("convert", log, "-o", table, *arguments)
    files = {str(file.relative_to(table)): file.read_bytes() for file in table.rglob("*") if file.is_file()}
    store.run("convert", log, "-o", store.at("table/"), *arguments)
    assert {key.removeprefix("table/"): store.get(key) for key in store.keys("table/")} == files

    again = store.run("convert", log, "-o", store.at("table"), *arguments, code=2)
    assert "--append" in again.stderr
    store.run("convert", log, "-o", store.at("table"), *arguments, "--append")
    assert len(store.keys("table/")) == 2 * len(files) - 1
    files_of = S3FileSystem(
        access_key="key",
        secret_key="secret",  # noqa: S106 -- nobody looks at it
        endpoint_override=store.url,
        region="us-east-1",
    )

    def rows() -> int:
        dataset = ds.dataset(f"{store.bucket}/table", filesystem=files_of, partitioning="hive")
        return int(dataset.count_rows())

    one = int(ds.dataset(table, partitioning="hive").count_rows())
    assert rows() == 2 * one
    store.run("convert", log, "-o", store.at("table"), *arguments, "--overwrite")
    assert rows() == one
    assert "table/_SUCCESS" in store.keys("table/")


def test_a_run_that_fails_leaves_nothing(moto: Store, large: Path, log: Path) -> None:
    run = moto.run("convert", log, "-o", moto.at("few.csv"), "--max-rejects", "1", code=1)
    assert "no output was written" in run.stderr

    def second_part(request: Request) -> Fault:
        return Refuse(403, "AccessDenied") if request.is_part and "partNumber=2" in request.path else None

    with Proxy(moto.url, second_part) as proxy:
        run = moto.run("convert", large, "-o", moto.at("few.ndjson"), url=proxy.url, code=2)
    assert "few.ndjson: access is denied" in run.stderr
    days = 0

    def third_day(request: Request) -> Fault:
        nonlocal days
        days += request.puts
        return Refuse(403, "AccessDenied") if request.puts and days == 2 else None

    with Proxy(moto.url, third_day) as proxy:
        moto.run("convert", large, "-o", moto.at("few"), "--partition-by", "dt", url=proxy.url, code=2)
    assert moto.keys("few") == []
    assert moto.uploads() == []


def test_a_rival_that_comes_first_wins(moto: Store, log: Path, large: Path) -> None:
    for source, key in ((log, "rival.csv"), (large, "rival.ndjson")):

        def rival(request: Request, key: str = key) -> Fault:
            if (request.puts and request.path.endswith(key)) or request.completes:
                moto.put(key, b"theirs")
            return None

        with Proxy(moto.url, rival) as proxy:
            run = moto.run("convert", source, "-o", moto.at(key), url=proxy.url, code=2)
        assert "exists already" in run.stderr
        assert moto.get(key) == b"theirs"
    assert moto.uploads() == []


def test_an_answer_that_is_lost_is_no_rival(moto: Store, log: Path, large: Path, tmp_path: Path) -> None:
    for source, key in ((log, "lost.csv"), (large, "lost.ndjson")):
        lost: list[Request] = []

        def lose(request: Request, lost: list[Request] = lost) -> Fault:
            if not lost and (request.puts or request.completes):
                lost.append(request)
                return Cut()
            return None

        with Proxy(moto.url, lose) as proxy:
            moto.run("convert", source, "-o", moto.at(key), "--quiet", url=proxy.url)
        assert lost
        assert moto.get(key) == local(source, tmp_path / key)
    assert moto.uploads() == []


def test_reading_goes_on_where_the_connection_dropped(moto: Store, large: Path, tmp_path: Path) -> None:
    address = moto.put("in/large.log", large)
    drops: dict[int, int] = {}

    def drop(request: Request) -> Fault:
        if request.method != "GET":
            return None
        number = len(drops)
        drops[number] = 0
        # Most answers break off somewhere, some at once.
        return Cut(number % 3 * 50_000) if number % 4 else None

    with Proxy(moto.url, drop) as proxy:
        out = tmp_path / "out.parquet"
        moto.run("convert", address, "-o", out, "--quiet", url=proxy.url)
    assert len(drops) > 8
    assert out.read_bytes() == local(large, tmp_path / "local.parquet")


def test_an_object_that_is_replaced_while_it_is_read(moto: Store, large: Path, tmp_path: Path) -> None:
    address = moto.put("in/changing.log", large)
    asked = 0

    def replace(request: Request) -> Fault:
        nonlocal asked
        asked += request.method == "GET"
        if asked == 4:
            moto.put("in/changing.log", large.read_bytes() + b"more\n")
        return None

    with Proxy(moto.url, replace) as proxy:
        run = moto.run("convert", address, "--format", "common", "-o", tmp_path / "x.csv", url=proxy.url, code=2)
    assert "changing.log: was replaced while it was read" in run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Refuse(403, "AccessDenied"), "access is denied"),
        (Refuse(400, "ExpiredToken"), "the credentials have expired"),
        (Refuse(403, "InvalidAccessKeyId"), "the credentials are not valid"),
        (Refuse(403, "SignatureDoesNotMatch"), "the credentials are not valid"),
        (Refuse(403, "RequestTimeTooSkewed"), "the clock of this machine is wrong"),
        (Refuse(301, "PermanentRedirect"), "not in the region us-east-1"),
        (Refuse(400, "AuthorizationHeaderMalformed"), "not in the region us-east-1"),
        (Refuse(503, "SlowDown"), "fewer requests"),
    ],
)
def test_refusals_are_explained(answer: Refuse, says: str, moto: Store, log: Path, tmp_path: Path) -> None:
    with Proxy(moto.url, lambda _: answer) as proxy:
        run = moto.run("convert", moto.at("in/a.log"), "-o", tmp_path / "x.csv", url=proxy.url, code=2)
        assert says in run.stderr
        assert "hint: " in run.stderr
        run = moto.run("convert", log, "-o", moto.at("new/"), "--partition-by", "dt", url=proxy.url, code=2)
        assert says in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_reached_is_named(moto: Store, tmp_path: Path) -> None:
    def refused(*arguments: str, env: Mapping[str, str] | None = None) -> str:
        out = str(tmp_path / "x.csv")
        run = moto.run("convert", *arguments, *(() if "-o" in arguments else ("-o", out)), code=2, env=env)
        assert list(tmp_path.iterdir()) == []
        return run.stderr

    there = moto.put("in/there.log", b"")
    assert "there is no such object" in refused(moto.at("in/missing.log"))
    assert f"'{moto.at('in')}/*'" in refused(moto.at("in"))
    assert f"'{moto.at('in')}/*'" in refused(moto.at("in/"))
    assert "no object matches this pattern" in refused(moto.at("in/*.zip"))
    assert "there is no such bucket" in refused("s3://nowhere/a.log")
    assert "there is no such bucket" in refused(there, "-o", "s3://nowhere/a.csv")
    assert "names no bucket" in refused("s3://")
    assert "names no object" in refused(there, "--to", "csv", "-o", moto.at(""))
    for word in (there, moto.at("in/ther?.log")):
        assert "is an input" in refused(word, "--to", "csv", "--overwrite", "-o", there)
    assert "not written to S3" in refused(there, "--rejects", moto.at("rejects"))
    unreachable = "http://127.0.0.1:1"
    assert f"{unreachable} cannot be reached" in refused(there, "--endpoint-url", unreachable)
    assert "is no URL" in refused(there, "--endpoint-url", "127.0.0.1")
    assert "the region of the bucket is not known" in refused(there, env={"AWS_ENDPOINT_URL": ""})
    nobody = {**dict.fromkeys(KEYS, ""), "HOME": str(tmp_path)}
    assert "no credentials were found" in refused(there, env=nobody)
    moto.client.put_object_acl(Bucket=moto.bucket, Key="in/there.log", ACL="public-read")
    moto.run("convert", there, "-o", tmp_path / "x.csv", env={**nobody, "AWS_SKIP_SIGNATURE": "true"})


def test_a_profile_is_enough(moto: Store, log: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile test]\nregion = eu-west-1\nendpoint_url = {moto.url}\n")
    (folder / "credentials").write_text("[test]\naws_access_key_id = a\naws_secret_access_key = b\n")
    nobody = dict.fromkeys([*KEYS, "AWS_ENDPOINT_URL"], "")
    env = {**nobody, "HOME": str(tmp_path), "AWS_PROFILE": "test"}
    moto.run("detect", moto.put("in/p.log", log), env=env)


def test_an_interrupted_upload_is_aborted(moto: Store, large: Path) -> None:
    reached = threading.Event()
    go_on = threading.Event()

    def wait(request: Request) -> Fault:
        if request.is_part:
            reached.set()
            go_on.wait(60)
        return None

    with Proxy(moto.url, wait) as proxy:
        process = subprocess.Popen(
            [BINARY, "convert", large, "-o", moto.at("stopped.ndjson")],
            env=environment(proxy.url),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert reached.wait(120)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        go_on.set()
    assert process.returncode == 130, stderr
    assert moto.keys("stopped") == []
    assert moto.uploads() == []
