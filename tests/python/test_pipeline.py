"""All of it: a log, the stream, the function, the lake, the catalogue, and the four questions.

The stack of `deploy/aws` is created in ministack, with its event source, Lambda (in processes) and Athena (on DuckDB).
Athena's words go to DuckDB as they are, so sqlglot translates them first; there are no named queries, and no views.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import duckdb
import lakes
import pytest
from conftest import BINARY
from engines import DATABASE, QUERIES, TABLE, VIEW, translate
from events import shards
from stacks import DEPLOY, REGION, Values, load, package
from stores import KEYS, Store, environment

STACK: Final = "nasalogs"
# The same of a log as it is after `nasalogs convert`.
BY_ITSELF: Final = {
    "top_urls": """SELECT path || coalesce('?' || query, ''), count(*) FROM log WHERE path IS NOT NULL
                   GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    "status_codes": "SELECT status, count(*) FROM log GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST",
    "traffic_per_hour": """SELECT date_trunc('hour', ts AT TIME ZONE 'UTC' + to_minutes(tz_offset)), count(*) FROM log
                           GROUP BY 1 ORDER BY 1""",
    "top_hosts": "SELECT host, count(*) FROM log GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
}


class Cloud:
    """The stack, created, and clients of what is in it."""

    def __init__(self, store: Store, layer: bytes) -> None:
        """Deploy it, as `aws cloudformation package` and `deploy` do."""
        self.store = store
        template = package(load(DEPLOY / "template.yaml"), store.client, store.bucket, layer)
        # Named queries are what ministack's CloudFormation lacks: the workgroup is made by Athena's own client.
        del template["Resources"]["Athena"]
        for output in ("AnalystPolicy", "WorkGroup"):
            del template["Outputs"][output]
        formation = self.client("cloudformation")
        formation.create_stack(StackName=STACK, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"])
        formation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        [stack] = formation.describe_stacks(StackName=STACK)["Stacks"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        store.bucket = self.outputs["LakeLocation"].split("/")[2]
        athena = load(DEPLOY / "athena.yaml")
        values = Values(athena, LakeName=store.bucket)
        group = values.of(athena["Resources"]["WorkGroup"]["Properties"])
        self.group = group["Name"]
        self.athena = self.client("athena")
        self.athena.create_work_group(Name=self.group, Configuration=group["WorkGroupConfiguration"])

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        keys = {name.lower(): value for name, value in KEYS.items()}
        return boto3.client(service, endpoint_url=self.store.url, region_name=REGION, **keys)

    def stream(self, log: Path, form: str, folder: Path) -> dict[str, Any]:
        """Send a log at once, and return the report."""
        report = folder / "report.json"
        done = subprocess.run(
            [BINARY, "stream", log, "--to", self.outputs["StreamTo"], "--replay", "max", "--records", form,
             "--max-record-size", "50000", "--no-checkpoint", "--quiet", "--report", report],
            env=environment(self.store.url, {"AWS_REGION": REGION}), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    def wait(self, folder: Path, *, patience: int = 120) -> None:
        """Wait until commits name every record of the stream."""
        name = self.outputs["StreamTo"].removeprefix("kinesis://")
        stream = shards(self.client("kinesis"), name)
        records = {record["kinesis"]["sequenceNumber"] for shard in stream for record in shard}
        deadline = time.monotonic() + patience
        while True:
            lakes.fetch(self.store, "access/_commits/", folder)
            if lakes.records(folder) == records:
                return
            assert time.monotonic() < deadline, (folder.parent / "ministack.log").read_text()[-5000:]
            time.sleep(0.2)

    def ask(self, query: str) -> list[tuple[str | None, ...]]:
        """What Athena answers: text."""
        started = self.athena.start_query_execution(
            QueryString=query, WorkGroup=self.group, QueryExecutionContext={"Database": DATABASE}
        )
        name = started["QueryExecutionId"]
        while True:
            status = self.athena.get_query_execution(QueryExecutionId=name)["QueryExecution"]["Status"]
            if status["State"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.05)
        assert status["State"] == "SUCCEEDED", status
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=name)
        rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
        # The first has the names.
        return [tuple(cell.get("VarCharValue") for cell in row) for row in rows[1:]]


def question(name: str, *, condition: str = "") -> str:
    """One of the queries over all days, of the view with each line once, in DuckDB's words."""
    # Where files lack a column of the table Athena has null, and ministack no column. Athena's times have no zone.
    view = QUERIES[VIEW].split(" AS\n", 1)[1].replace("referer, user_agent,", "")
    view = view.replace("authuser, ts,", "authuser, ts AT TIME ZONE 'UTC' AS ts,")
    query = QUERIES[name].split("\n", 1)[1].replace(TABLE, "once")
    query = query.replace("BETWEEN ? AND ?", f"BETWEEN '1995-01-01' AND '2099-12-31'{condition}")
    return translate(f"WITH once AS ({view}) {query}", "duckdb")


@pytest.fixture
def cloud(layer: Path, tmp_path: Path) -> Iterator[Cloud]:
    store = Store("ministack", tmp_path)
    try:
        yield Cloud(store, layer.read_bytes())
    finally:
        store.stop()


def carry(cloud: Cloud, log: Path, form: str, folder: Path) -> None:
    """Send a log through all of it; it arrives as it is, and Athena says of it what it says itself."""
    report = cloud.stream(log, form, folder)
    assert report["acknowledged"] == report["lines"]
    cloud.wait(folder / "store")
    lakes.fetch(cloud.store, "", folder / "store")
    lake = lakes.database(folder / "store/access")
    assert lakes.differences(lake, log, folder) == []
    lake.close()
    assert lakes.rejected(folder / "store/rejects") == lakes.expected_rejects(log)
    with duckdb.connect() as plain:
        plain.execute(f"CREATE VIEW log AS SELECT * FROM read_parquet('{folder / 'expected.parquet'}')")
        for name, query in BY_ITSELF.items():
            answer = [tuple(cell if cell is None else str(cell) for cell in row) for row in plain.sql(query).fetchall()]
            assert cloud.ask(question(name)) == answer, name


@pytest.mark.parametrize("form", ["raw", "kpl", "block"])
def test_from_a_log_to_answers(form: str, cloud: Cloud, generated: Callable[..., Path], tmp_path: Path) -> None:
    carry(cloud, generated("common", 4_000, oddities="2%"), form, tmp_path)


def test_the_first_hours_of_july_1995(cloud: Cloud, genuine: Callable[[str], Path], tmp_path: Path) -> None:
    """Scripts around a regular expression drop lines without a protocol. Those are rows here, and can be left out."""
    carry(cloud, genuine("nasa/jul95_first_11277.log"), "block", tmp_path)
    hours = [f"1995-07-01 0{hour}:00:00" for hour in range(4)]
    everything, classic = (3565, 3004, 2268, 1734), (3558, 2989, 2268, 1723)
    for condition, counts in {"": everything, " AND protocol IS NOT NULL": classic}.items():
        found = cloud.ask(question("traffic_per_hour", condition=condition))
        assert found[:4] == list(zip(hours, map(str, counts), strict=True))
