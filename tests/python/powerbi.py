"""The Power BI project, read by parsers that are not ours."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import dedent
from typing import Any

from tmdl_parser import parse_semantic_model_definition
from tmdlparser import TMLDParser

Json = dict[str, Any]
NAME = "nasalogs"


@dataclass
class Table:
    """What a table of the model consists of, by name."""

    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, str] = field(default_factory=dict)


Model = tuple[dict[str, Table], list[tuple[str, str]]]
# Of a column: what both parsers read.
PROPERTIES = ("dataType", "sourceColumn", "sortByColumn", "summarizeBy", "formatString")


def bare(name: str) -> str:
    """Return a name without its quotes."""
    return name.strip().strip("'")


def flat(expression: str) -> str:
    """Return an expression without what its place in the file has added."""
    return dedent("\n".join(line.rstrip() for line in expression.expandtabs(4).splitlines() if line.strip())).strip()


@dataclass(frozen=True)
class Project:
    """A copy of the project."""

    root: Path

    @property
    def definition(self) -> Path:
        """The model's text."""
        return self.root / f"{NAME}.SemanticModel" / "definition"

    @property
    def report(self) -> Path:
        """The report's folder."""
        return self.root / f"{NAME}.Report"

    @cached_property
    def model(self) -> Model:
        """The model, as powerbi-tmdl-tools reads it."""
        read = parse_semantic_model_definition(str(self.definition))
        tables = {
            bare(table["name"]): Table(
                {
                    bare(column["name"]): {key: column[key] for key in PROPERTIES if key in column}
                    for column in table["columns"]
                },
                {bare(measure["name"]): flat(measure["expression"]) for measure in table.get("measures", [])},
                {bare(partition["name"]): flat(partition["source"]) for partition in table["partitions"]},
            )
            for table in read["tables"]
        }
        return tables, [(each["fromColumn"], each["toColumn"]) for each in read["relationships"]]

    @cached_property
    def objects(self) -> dict[str, list[Any]]:
        """Every object of every file, as tmdl-parser reads them."""
        return {
            path.relative_to(self.definition).as_posix(): TMLDParser().parse_file(str(path))
            for path in sorted(self.definition.rglob("*.tmdl"))
        }

    @cached_property
    def second(self) -> Model:
        """The model again, as tmdl-parser reads it."""
        tables = {}
        for path, objects in self.objects.items():
            if not path.startswith("tables/"):
                continue
            table = Table()
            tables[bare(objects[0].element.removeprefix("table "))] = table
            for part in objects[0].properties:
                kind, _, rest = part.element.partition(" ")
                name, _, inline = rest.partition(" = ")
                settings = dict(line.strip().split(": ", 1) for line in part.properties if ": " in line)
                if kind == "column":
                    table.columns[bare(rest)] = {key: settings[key] for key in PROPERTIES if key in settings}
                elif kind == "measure":
                    table.measures[bare(name.removesuffix(" ="))] = flat(inline or part.calculation)
                elif kind == "partition":
                    table.partitions[bare(name)] = flat(part.calculation)
        ends = [
            tuple(part.element.split(": ", 1)[1] for part in each.properties)
            for each in self.objects["relationships.tmdl"]
        ]
        return tables, [(start, end) for start, end in ends]

    @cached_property
    def parameters(self) -> set[str]:
        """The names of the parameters."""
        elements = [each.element for each in self.objects["expressions.tmdl"]]
        return {bare(element.split(" ", 2)[1]) for element in elements if "IsParameterQuery = true" in element}

    @property
    def query(self) -> str:
        """The Power Query of the table of requests."""
        return self.model[0]["Access"].partitions["Access"]

    @cached_property
    def pages(self) -> dict[str, Json]:
        """The pages, by folder."""
        return {path.parent.name: load(path) for path in sorted(self.report.glob("definition/pages/*/page.json"))}

    @cached_property
    def visuals(self) -> dict[tuple[str, str], Json]:
        """The visuals, by page and folder."""
        paths = sorted(self.report.glob("definition/pages/*/visuals/*/visual.json"))
        return {(path.parents[2].name, path.parent.name): load(path) for path in paths}

    @property
    def json_files(self) -> list[Path]:
        """Every file of the project that is JSON with a schema of its own; a theme has none that is at hand."""
        suffixes = {".json", ".pbip", ".pbir", ".pbism"}
        files = [path for path in self.root.rglob("*") if path.suffix in suffixes or path.name == ".platform"]
        return sorted(path for path in files if "StaticResources" not in path.parts)

    @cached_property
    def theme(self) -> Json:
        """The report's theme."""
        return load(self.report / "StaticResources" / "RegisteredResources" / f"{NAME}.json")


def load(path: Path) -> Json:
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def nodes(value: Any) -> Iterator[Json]:
    """Walk the objects in a value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def used_fields(visual: Json) -> Iterator[tuple[str, str, str]]:
    """Kind, table and name of each field that a visual names, in its query, its order or its filters."""
    names = {
        source["Name"]: source["Entity"]
        for node in nodes(visual)
        for source in node.get("From", [])
        if "Entity" in source
    }
    for node in nodes(visual):
        for kind in ("Column", "Measure"):
            if kind in node:
                reference = node[kind]["Expression"]["SourceRef"]
                yield kind, reference.get("Entity") or names.get(reference["Source"], "?"), node[kind]["Property"]
