"""What `deploy/aws` deploys: linted, created in moto, and held against the models of the services' clients."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.validate import ParamValidator
from conftest import nasalogs
from engines import QUERIES, ddl
from moto import mock_aws
from stacks import DEPLOY, REGION, Template, Values, load, package

FORMATS: Final = ["common", "combined", "vhost_common", "vhost_combined", "nginx_main", '%h %t "%{it\'s}i" %>s %D']
TABLE: Final = ("--location", "s3://${Lake}/access/", "--database", "${DatabaseName}", "--since", "${FirstDay}")


# What moto's CloudFormation passes over: the next test but one creates these by the services' own clients.
UNSUPPORTED: Final = {
    "AWS::Athena::NamedQuery", "AWS::Athena::WorkGroup", "AWS::CloudWatch::Alarm", "AWS::Glue::Crawler",
    "AWS::Glue::Database", "AWS::Glue::Table", "AWS::Logs::MetricFilter", "AWS::S3::BucketPolicy",
}  # fmt: skip


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Services of nobody's."""
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        yield


@pytest.fixture(scope="module")
def template() -> Template:
    return load(DEPLOY / "template.yaml")


@pytest.fixture(scope="module")
def athena() -> Template:
    return load(DEPLOY / "athena.yaml")


def test_templates_are_clean(tmp_path: Path) -> None:
    files = [DEPLOY / "template.yaml", DEPLOY / "athena.yaml"]
    for number, form in enumerate(FORMATS):
        files.append(tmp_path / f"{number}.yaml")
        run = nasalogs("ddl", "--as", "cloudformation", "--format", form, "--location", "s3://lake/access/")
        files[-1].write_bytes(run.stdout)
    program = Path(sys.executable).parent / "cfn-lint"
    # W3002: that paths are packaged is what we want.
    found = subprocess.run([program, "-i", "W3002", "--", *files], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_table_is_the_one_that_ddl_prints(template: Template) -> None:
    printed = nasalogs("ddl", "--as", "cloudformation", "--format", "combined", *TABLE).stdout.decode()
    resources = printed.split("Resources:\n")[1]
    assert resources in (DEPLOY / "template.yaml").read_text()
    values = Values(template, Lake="lake")
    found = values.of(template["Resources"]["Table"]["Properties"]["TableInput"])
    assert found == json.loads(ddl("glue", "s3://lake/access/"))
    assert values.of(template["Resources"]["Database"]["Properties"]["DatabaseInput"]) == {"Name": "nasalogs"}


def test_the_queries_are_the_files(athena: Template) -> None:
    named = [found["Properties"] for found in athena["Resources"].values() if found["Type"].endswith("NamedQuery")]
    assert {query["Name"]: query["QueryString"] for query in named} == QUERIES


def test_the_view_has_the_columns_of_the_table(template: Template) -> None:
    storage = template["Resources"]["Table"]["Properties"]["TableInput"]["StorageDescriptor"]
    columns = [column["Name"] for column in storage["Columns"]] + ["dt"]
    listed = QUERIES["distinct_lines"].split("SELECT ")[1].split("FROM")[0]
    assert [name.strip() for name in listed.split(",")] == columns


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.usefixtures("aws")
def test_glue_takes_the_table(form: str) -> None:
    text = nasalogs("ddl", "--as", "glue", "--format", form, "--location", "s3://lake/access/", "--with", "raw")
    table = json.loads(text.stdout)
    glue = boto3.client("glue")
    shape = glue.meta.service_model.shape_for("TableInput")
    report = ParamValidator().validate(table, shape)
    assert not report.has_errors(), report.generate_report()
    # The validator looks at types and least lengths only.
    assert list(too_long(table, shape)) == []
    glue.create_database(DatabaseInput={"Name": "nasalogs"})
    glue.create_table(DatabaseName="nasalogs", TableInput=table)
    stored = glue.get_table(DatabaseName="nasalogs", Name="access_log")["Table"]
    assert {key: stored[key] for key in table} == table


def too_long(value: Any, shape: Any) -> Iterator[str]:
    """Texts that are longer than the service's model allows."""
    if shape.type_name == "structure":
        for key, member in value.items():
            yield from too_long(member, shape.members[key])
    elif shape.type_name == "list":
        for item in value:
            yield from too_long(item, shape.member)
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from too_long(key, shape.key)
            yield from too_long(item, shape.value)
    elif shape.type_name == "string" and len(value) > shape.metadata.get("max", len(value)):
        yield value


@pytest.mark.usefixtures("aws")
def test_moto_creates_the_stack(template: Template) -> None:
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as packed:
        packed.writestr("python/nasalogs/__init__.py", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="packages")
    packaged = package(load(DEPLOY / "template.yaml"), s3, "packages", layer.getvalue())
    formation = boto3.client("cloudformation")
    with pytest.warns(UserWarning, match="not supported by moto") as unsupported:  # noqa: PT031 -- listing tries again
        formation.create_stack(
            StackName="nasalogs",
            TemplateBody=json.dumps(packaged),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": "AlarmEmail", "ParameterValue": "you@example.org"}],
        )
        stacks = formation.describe_stacks()["Stacks"]
        created = formation.list_stack_resources(StackName="nasalogs")["StackResourceSummaries"]
    assert {str(warning.message).split()[3] for warning in unsupported} == UNSUPPORTED - {"AWS::Glue::Crawler"}
    assert [stack["StackStatus"] for stack in stacks] == ["CREATE_COMPLETE"] * 2
    names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in created}
    expected = {name for name, found in template["Resources"].items() if found["Type"] not in UNSUPPORTED}
    # Without an option that is off.
    assert set(names) - {""} == expected - {"CrawlerRole"}

    policies = boto3.client("iam").list_policies(Scope="Local")["Policies"]
    assert len(policies) == 2
    functions = boto3.client("lambda")
    function = functions.get_function_configuration(FunctionName="nasalogs-function")
    bucket = names["Lake"]
    assert function["Environment"]["Variables"] == {
        "DEST": f"s3://{bucket}/access/",
        "REJECTS": f"s3://{bucket}/rejects/",
    }
    # moto does not give the function its layer.
    assert len(functions.list_layers()["Layers"]) == 1
    assert template["Resources"]["Function"]["Properties"]["Layers"] == [{"Ref": "Layer"}]
    stream = boto3.client("kinesis").describe_stream_summary(StreamName="access-log")["StreamDescriptionSummary"]
    assert stream["OpenShardCount"] == 1
    source = functions.list_event_source_mappings()["EventSourceMappings"][0]
    assert source["EventSourceArn"] == stream["StreamARN"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    s3.head_bucket(Bucket=bucket)


def test_nothing_of_the_table_expires(template: Template) -> None:
    lake = template["Resources"]["Lake"]
    assert lake["DeletionPolicy"] == lake["UpdateReplacePolicy"] == "Retain"
    rules = lake["Properties"]["LifecycleConfiguration"]["Rules"]
    assert set(lake["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    expiring = {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"athena/", "rejects/", "aws/lambda/"}


def test_a_batch_that_fails_is_tried_again_and_then_put_aside(template: Template) -> None:
    source = template["Resources"]["Source"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BisectBatchOnFunctionError"] is True
    assert source["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["Lake", "Arn"]}}}
    # Put aside before the stream forgets it.
    age = template["Parameters"]["MaximumAge"]["Default"]
    assert source["MaximumRecordAgeInSeconds"] == {"Ref": "MaximumAge"}
    assert age < template["Resources"]["Stream"]["Properties"]["RetentionPeriodHours"] * 3600


def lower(properties: dict[str, Any]) -> dict[str, Any]:
    """Names as the clients of logs have them."""
    return {
        key[0].lower() + key[1:]: [lower(item) for item in value] if isinstance(value, list) else value
        for key, value in properties.items()
    }


def create(kind: str, name: str, properties: dict[str, Any]) -> bool:
    """Create what moto's CloudFormation does not know, by the client, which holds it against the service's model."""
    service = kind.split("::")[1].lower()
    client: Any = boto3.client(service)
    match kind.removeprefix("AWS::"):
        case "Glue::Database":
            client.create_database(**properties | {"CatalogId": "123456789012"})
        case "Glue::Table":
            client.create_table(**properties)
        case "Glue::Crawler":
            client.create_crawler(Name=name, **properties | {"Schedule": properties["Schedule"]["ScheduleExpression"]})
        case "Athena::WorkGroup":
            del properties["RecursiveDeleteOption"]
            client.create_work_group(Configuration=properties.pop("WorkGroupConfiguration"), **properties)
        case "Athena::NamedQuery":
            client.create_named_query(**properties)
        case "CloudWatch::Alarm":
            client.put_metric_alarm(AlarmName=name, **properties)
        case "Logs::MetricFilter":
            boto3.client("logs").create_log_group(logGroupName=properties["LogGroupName"])
            client.put_metric_filter(filterName=name, **lower(properties))
        case "S3::BucketPolicy":
            client.create_bucket(Bucket=properties["Bucket"])
            client.put_bucket_policy(Bucket=properties["Bucket"], Policy=json.dumps(properties["PolicyDocument"]))
        case _:
            return False
    return True


@pytest.mark.usefixtures("aws")
def test_what_moto_does_not_create_the_clients_accept(template: Template, athena: Template) -> None:
    kinds = set()
    for stack in (template, athena):
        values = Values(stack, LakeName="lake", AlarmEmail="you@example.org")
        for name, resource in stack["Resources"].items():
            if create(resource["Type"], name, values.of(resource["Properties"])):
                kinds.add(resource["Type"])
    assert kinds == UNSUPPORTED
    queries = boto3.client("athena").list_named_queries(WorkGroup="nasalogs")["NamedQueryIds"]
    assert len(queries) == len(QUERIES)
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert {alarm["MetricName"] for alarm in alarms} == {
        "IteratorAge", "Rejects", "Errors", "Throttles", "WriteProvisionedThroughputExceeded",
        "OnFailureDestinationDeliveredEventCount", "DestinationDeliveryFailures",
    }  # fmt: skip
    assert all(len(alarm["AlarmActions"]) == 1 for alarm in alarms)


def test_nobody_may_more_than_needed(template: Template, athena: Template) -> None:
    """No wildcard for a service, none for all resources; and nobody can delete."""
    allowed: dict[str, set[str]] = {}
    for stack in (template, athena):
        for name, resource in stack["Resources"].items():
            properties = resource["Properties"]
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                documents.append(properties["PolicyDocument"])
            for statement in (statement for document in documents for statement in document["Statement"]):
                actions, resources = (as_list(statement[key]) for key in ("Action", "Resource"))
                assert not any("*" in action for action in actions), name
                assert "*" not in resources, name
                allowed.setdefault(name, set()).update(actions)
    assert set(allowed) == {"Producer", "FunctionRole", "CrawlerRole", "Analyst"}
    assert allowed["Producer"] == {"kinesis:ListShards", "kinesis:PutRecords"}
    assert not any("Delete" in action for actions in allowed.values() for action in actions)


def test_the_costs_are_worked_out() -> None:
    script = subprocess.run([sys.executable, DEPLOY / "cost.py"], capture_output=True, text=True, check=True)
    assert script.stdout in (DEPLOY / "README.md").read_text()


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
