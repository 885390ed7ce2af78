"""What docs/aws.md shows is run, from its start to its end, against an AWS that is not AWS's."""

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import nasalogs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BINARY, ROOT
from events import Bucket, event
from nasalogs.aws import KinesisHandler, transform_firehose_event
from pages import aws, blocks, console, messages, program, sections, table
from stacks import DEPLOY, load

PAGE: Final = (ROOT / "docs" / "aws.md").read_text("utf-8")
SECTIONS: Final = sections(PAGE)
WORDS: Final = re.compile(r"`([^`]+)`")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The page was run; this is what it has defined."""
    folder = tmp_path_factory.mktemp("page")
    with aws(tmp_path_factory.mktemp("moto")), pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setenv("PATH", f"{BINARY.parent}{os.pathsep}{os.environ['PATH']}")
        names: dict[str, Any] = {"__name__": "page", "PAUSE": 0}
        for kind, text in blocks(PAGE):
            if kind == "python":
                exec(compile(text, "docs/aws.md", "exec"), names)  # noqa: S102 -- the page is ours
                if "create_bucket" in text:
                    for stream in ("classic", "classic-now"):
                        names["kinesis"].create_stream(StreamName=stream, ShardCount=1)
                elif "put_record(" in text:
                    # The old one sends a call for each line.
                    names["sent"] = sum(len(each["Records"]) for each in names["events"]("classic"))
            elif kind == "sql":
                answer = duckdb.sql(text)
                assert answer
                assert len(answer.fetchall()) == 10
            else:
                if "access.log" in text:
                    assert not Path("access.log").exists()
                console(text)
        yield names
        duckdb.execute("DROP SCHEMA nasalogs CASCADE")
        for name in ("kinesis", "s3", "firehose", "client"):
            names[name].close()


def rows(page: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The rows of a table in the bucket."""
    pages = page["s3"].get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=f"{prefix}/dt=")
    keys = [found["Key"] for each in pages for found in each["Contents"]]
    bodies = [page["s3"].get_object(Bucket="lake", Key=key)["Body"].read() for key in keys]
    found: list[dict[str, Any]] = pa.concat_tables([pq.read_table(io.BytesIO(body)) for body in bodies]).to_pylist()
    return found


def without_id(found: list[dict[str, Any]]) -> list[str]:
    """Rows in an order of their own, as texts, by what they say and not by where they are from."""
    plain = [{**row, "line_id": None, "ts": row["ts"].timestamp()} for row in found]
    return sorted(repr(sorted(row.items())) for row in plain)


def test_the_table_is_the_log(page: dict[str, Any]) -> None:
    log = nasalogs.read("access.log", format="common", on_reject="collect")
    expected = without_id(log.to_pylist())
    assert 900 < len(expected) < 1_000
    for prefix in ("access", "own"):
        found = rows(page, prefix)
        assert without_id(found) == expected
        assert len({row["line_id"] for row in found}) == len(found)
    local = pa.concat_tables([pq.read_table(path, partitioning=None) for path in Path("lake").glob("dt=*/*.parquet")])
    assert without_id(local.to_pylist()) == expected
    pages = page["s3"].list_objects_v2(Bucket="lake", Prefix="rejects/dt=")["Contents"]
    rejects = [page["s3"].get_object(Bucket="lake", Key=found["Key"])["Body"].read() for found in pages]
    lines = [json.loads(line) for line in b"".join(rejects).splitlines()]
    assert len(lines) == len(log.rejects) > 5
    named = "`record`, `line_id`, `kind`, `message`, `raw`"
    assert named in SECTIONS["The function"]
    assert list(lines[0]) == WORDS.findall(named)


def test_both_functions_and_both_producers_give_the_same(page: dict[str, Any]) -> None:
    with Path("access.log").open(encoding="latin-1") as log:
        before = [record for line in log if (record := page["parse_log_line"](line))]
    assert len(before) == page["sent"]
    listed = page["s3"].list_objects_v2(Bucket="lake", Prefix="classic/")["KeyCount"]
    assert listed == min(page["sent"], 1000)
    found = rows(page, "table")
    assert len(found) == page["sent"]
    wanted = sorted((record["url"], record["status_code"], record["bytes"]) for record in before)
    assert sorted((url(row), row["status"], row["bytes"]) for row in found) == wanted
    assert len({row["line_id"] for row in found}) == len(found)
    after = [
        json.loads(line)
        for delivery in page["events"]("classic-now")
        for record in delivery["Records"]
        for line in base64.b64decode(record["kinesis"]["data"]).splitlines()
    ]
    assert len(after) > len(before)
    assert list(after[0]) == [*before[0], "line_id"]
    assert len(rows(page, "old")) == listed


def url(row: dict[str, Any]) -> str:
    """The target of a request, as the old records have it."""
    return str(row["path"]) if row["query"] is None else f"{row['path']}?{row['query']}"


def test_both_parsers_say_the_same(page: dict[str, Any]) -> None:
    more = 0
    with Path("access.log").open(encoding="latin-1") as log:
        for line in log:
            before, now = page["parse_log_line"](line), page["parse_log_line_now"](line)
            more += before is None and now is not None
            # What is no time, and sizes beyond 64 bits, the expression lets through.
            assert before in (None, now) or now is None
    assert more > 10


def test_the_producers_deliver_every_line(page: dict[str, Any]) -> None:
    assert page["report"]["acknowledged"] == 1_000
    assert page["report"]["possibly_duplicated"] == 0
    ids = [
        each
        for delivery in page["events"]("access-log")
        for each in page["parse_kinesis_event"](delivery, format="common").to_batch().column("line_id")
    ]
    # The command, the producer, and the packer have drawn sources of their own.
    assert len(ids) == 3 * len(rows(page, "access"))
    assert len({each.rpartition("-")[0] for each in ids}) == 3


def test_a_megabyte_of_lines_fits_into_an_answer_of_firehose_and_three_do_not() -> None:
    # A hundredth of each.
    lines = nasalogs.generate(400).read().splitlines()

    def results(size: int) -> set[str]:
        records, total = [], 0
        for at, line in enumerate(lines):
            total += len(line)
            if total > size:
                break
            records.append({"recordId": f"{at:056}", "data": base64.b64encode(line).decode()})
        assert total > size
        answer = transform_firehose_event(records, format="common", limit=60_000)
        return {record["result"] for record in answer["records"]}

    assert results(10_000) == {"Ok"}
    assert results(30_000) == {"Ok", "ProcessingFailed"}


def test_what_a_reader_sees_of_a_delivery_that_was_cut_off() -> None:
    bucket = Bucket()

    def cut(operation: str, key: str) -> None:
        if "_commits/" in key and operation == "put":
            raise ConnectionError(key)

    def ids() -> Counter[str]:
        files = [pq.read_table(io.BytesIO(body)) for key, body in bucket.objects.items() if "/dt=" in key]
        return Counter(each for file in files for each in file["line_id"].to_pylist())

    handler = KinesisHandler("s3://lake/access/", client=bucket)
    whole = event(*nasalogs.generate(100).read().splitlines())
    records = whole["Records"]
    assert not bucket.objects
    bucket.before = cut
    first = {"batchItemFailures": [{"itemIdentifier": records[0]["kinesis"]["sequenceNumber"]}]}
    # Its files are there, and it is to come again: as it was, which changes nothing; then in halves.
    for _ in range(2):
        assert handler(whole) == first
        assert set(ids().values()) == {1}
    bucket.before = Bucket.before
    for half in (records[:50], records[50:]):
        assert handler({"Records": half}) == {"batchItemFailures": []}
    assert set(ids().values()) == {2}
    assert len(ids()) == 100
    # What has a commit is not written again, however it comes.
    puts = bucket.puts
    for part in (records, records[20:70], records[90:]):
        assert handler({"Records": part}) == {"batchItemFailures": []}
    assert bucket.puts == puts


def test_messages_are_those_of_the_program() -> None:
    said = program("core/src", "bindings/python/src", "bindings/python/python")
    shown = messages(SECTIONS["Troubleshooting"]) + messages(SECTIONS["The function"])
    foreign = {"AccessDenied", "SlowDown", "message"}
    assert len(shown) > 20
    assert [each for each in shown if each.removeprefix("nasalogs: ") not in said and each not in foreign] == []


def test_permissions_are_those_of_the_templates() -> None:
    resources = load(DEPLOY / "template.yaml")["Resources"]
    documents = [resources["Producer"]["Properties"]["PolicyDocument"]]
    documents += [each["PolicyDocument"] for each in resources["FunctionRole"]["Properties"]["Policies"]]
    allowed = set()
    for document in documents:
        for statement in document["Statement"]:
            actions = statement["Action"]
            allowed |= {actions} if isinstance(actions, str) else set(actions)
    shown = {
        action for row in table(SECTIONS["Permissions"])[:3] + table(SECTIONS["Permissions"])[4:5]
        for action in WORDS.findall(row[1])
    }  # fmt: skip
    assert shown == allowed


def test_alarms_outputs_and_queries_are_those_of_the_template() -> None:
    template = load(DEPLOY / "template.yaml")
    alarms = {name for name, each in template["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert {name for row in table(SECTIONS["Alarms"]) for name in WORDS.findall(row[0])} == alarms
    parameters = set(template["Parameters"])
    [overrides] = re.findall(r"--parameter-overrides (.*)", PAGE)
    shown = re.findall(r"(\w+)=", overrides) + re.findall(r"`([A-Z]\w+)=[a-z]\w+`", PAGE)
    assert len(shown) > 3
    assert set(shown) <= parameters
    for name in ("ProducerPolicy", "AnalystPolicy"):
        assert name in PAGE
        assert name in template["Outputs"]
    named = [name for row in table(SECTIONS["The queries"]) for name in WORDS.findall(row[1]) if name != "ts"]
    assert len(named) == 4
    assert all((DEPLOY / "queries" / f"{name}.sql").exists() for name in named)


def test_costs_are_those_that_are_worked_out() -> None:
    script = subprocess.run([sys.executable, DEPLOY / "cost.py"], capture_output=True, text=True, check=True)
    worked = {row[0]: row[-1] for row in table(script.stdout)}
    assert dict(table(SECTIONS["Cost"])) == worked
