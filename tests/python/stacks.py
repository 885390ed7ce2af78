"""CloudFormation's templates, read, and brought to where no service of CloudFormation's is."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, Final

from cfnlint.decode import cfn_yaml
from conftest import ROOT

DEPLOY: Final = ROOT / "deploy" / "aws"
ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"

Template = dict[str, Any]


def load(path: Path) -> Template:
    """A template, with functions as JSON has them."""
    template: Template = json.loads(json.dumps(cfn_yaml.load(str(path))))
    return template


def package(template: Template, client: Any, bucket: str, layer: bytes) -> Template:
    """Do what `sam deploy` and `aws cloudformation package` do: put what lies on the disk into a bucket."""

    def put(key: str, body: bytes) -> dict[str, str]:
        client.put_object(Bucket=bucket, Key=key, Body=body)
        return {"S3Bucket": bucket, "S3Key": key}

    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Lambda::LayerVersion":
            assert properties["Content"].endswith(".zip")
            properties["Content"] = put("layer.zip", layer)
        elif resource["Type"] == "AWS::Lambda::Function":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as code:
                code.write(DEPLOY / properties["Code"] / "app.py", "app.py")
            properties["Code"] = put("function.zip", packed.getvalue())
        elif resource["Type"] == "AWS::CloudFormation::Stack":
            inner = load(DEPLOY / properties["TemplateURL"])
            put("inner.json", json.dumps(inner).encode())
            properties["TemplateURL"] = f"https://{bucket}.s3.amazonaws.com/inner.json"
    return template


class Values:
    """What functions of a template give, for resources that nobody creates."""

    def __init__(self, template: Template, **parameters: str) -> None:
        """Take the defaults of parameters that are not given."""
        defaults = {name: given.get("Default") for name, given in template.get("Parameters", {}).items()}
        self.conditions = template.get("Conditions", {})
        self.values: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackName": "nasalogs",
            **{name: name.lower() for name in template["Resources"]},
            # These are called what they are named.
            "Database": "nasalogs",
            "Table": "access_log",
            "WorkGroup": "nasalogs",
            **defaults,
            **parameters,
        }

    def of(self, node: Any) -> Any:  # noqa: PLR0911 -- one for each function
        """The value of a node of the template."""
        if isinstance(node, list):
            return [value for value in map(self.of, node) if value is not None]
        if not isinstance(node, dict):
            return node
        match node:
            case {"Ref": name}:
                return None if name == "AWS::NoValue" else self.values[name]
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{([^!}]+)\}", self.name, text).replace("${!", "${")
            case {"Fn::GetAtt": [name, *_]}:
                return self.attribute(name)
            case {"Fn::If": [condition, true, false]}:
                return self.of(true if self.holds(self.conditions[condition]) else false)
            case _:
                found = {key: self.of(value) for key, value in node.items()}
                return {key: value for key, value in found.items() if value is not None}

    def name(self, match: re.Match[str]) -> str:
        """What stands for a name in a text."""
        name = match[1]
        return self.attribute(name) if "." in name else str(self.values[name])

    def attribute(self, name: str) -> str:
        """An address, which is all that is asked for."""
        return f"arn:aws:thing:{REGION}:{ACCOUNT}:{name.partition('.')[0].lower()}"

    def holds(self, condition: dict[str, Any]) -> bool:
        """Whether a condition holds."""
        function, argument = next(iter(condition.items()))
        if function == "Fn::Not":
            return not self.holds(argument[0])
        assert function == "Fn::Equals"
        return bool(str(self.of(argument[0])) == str(self.of(argument[1])))
