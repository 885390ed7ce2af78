"""What can be wrong with the Power BI project, and seen without a table of logs: each check yields it in words."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any

from pbi_parsers import dax
from powerbi import Json, Project, Table, bare, load, used_fields


def problems(project: Project) -> list[str]:
    """Return everything that is wrong."""
    checks = (
        missing_fields, wrong_dax, two_models, wrong_columns, wrong_relationships, unmarked_dates, bare_objects,
        wrong_pages, misplaced_visuals, nameless_visuals, overlapping_visuals, wrong_order, doubled_filters,
        faint_colours,
    )  # fmt: skip
    return [problem for each in checks for problem in each(project)]


def missing_fields(project: Project) -> Iterator[str]:
    tables, _ = project.model
    for (page, name), visual in project.visuals.items():
        found = list(used_fields(visual))
        if not found:
            yield f"{page}/{name} shows nothing"
        for kind, table, field_name in found:
            owner = tables.get(table, Table())
            if field_name not in (owner.columns if kind == "Column" else owner.measures):
                yield f"{page}/{name} names {kind} {table}[{field_name}], which the model does not have"


def dax_nodes(expression: Any) -> Iterator[Any]:
    yield expression
    for child in expression.children():
        yield from dax_nodes(child)


# The slowest of all that is done to a copy of the project.
@cache
def parse(expression: str) -> Any:
    try:
        return dax.to_ast(expression)
    except (AssertionError, ValueError):
        return None


def references(expression: Any) -> Iterator[tuple[str, str]]:
    """Table and column, nothing and measure, or table and nothing of all that an expression refers to."""
    found = list(dax_nodes(expression))
    # TOPN's direction is a word of the language.
    known = {"DESC"} | {node.var_name.text for node in found if isinstance(node, dax.exprs.VariableExpression)}
    for node in found:
        match node:
            case dax.exprs.ColumnExpression():
                yield bare(node.table.text), node.column.text[1:-1]
            case dax.exprs.MeasureExpression():
                yield "", node.name.text[1:-1]
            case dax.exprs.IdentifierExpression() | dax.exprs.TableExpression() if node.name.text not in known:
                yield bare(node.name.text), ""


def wrong_dax(project: Project) -> Iterator[str]:
    tables, _ = project.model
    there = {("", measure) for table in tables.values() for measure in table.measures}
    there |= {(name, column) for name, table in tables.items() for column in ("", *table.columns)}
    expressions = [(name, text, there) for table in tables.values() for name, text in table.measures.items()]
    # A calculated table names the columns that it makes without their table.
    own = {("", column) for column in tables["Date"].columns}
    expressions.append(("table Date", tables["Date"].partitions["Date"], there | own))
    for name, text, known in expressions:
        parsed = parse(text)
        if parsed is None:
            yield f"{name} is not DAX"
            continue
        for table, column in references(parsed):
            if (table, column) not in known:
                yield f"{name} refers to {table}[{column}], which the model does not have"


def two_models(project: Project) -> Iterator[str]:
    if project.model != project.second:
        yield "two parsers read two models"


def wrong_columns(project: Project) -> Iterator[str]:
    for name, table in project.model[0].items():
        taken = [each.lower() for each in (*table.columns, *table.measures)]
        yield from (f"{name} has two of {each}" for each in sorted(set(taken)) if taken.count(each) > 1)
        for column, settings in table.columns.items():
            sort = settings.get("sortByColumn")
            if sort and bare(sort) not in table.columns:
                yield f"{name}[{column}] is sorted by {sort}, which is not there"
            if settings.get("summarizeBy") != "none":
                yield f"{name}[{column}] would be added up: that is for measures"


def wrong_relationships(project: Project) -> Iterator[str]:
    tables, relationships = project.model
    for ends in relationships:
        kinds = set()
        for end in ends:
            table, _, column = end.partition(".")
            settings = tables.get(bare(table), Table()).columns.get(bare(column), {})
            kinds.add(settings.get("dataType", f"nothing: there is no {end}"))
        if len(kinds) > 1:
            yield f"{' and '.join(ends)} are related, but are {', '.join(sorted(kinds))}"


def unmarked_dates(project: Project) -> Iterator[str]:
    parts = project.objects["tables/Date.tmdl"][0].properties
    keys = [part.element for part in parts if any(line.strip() == "isKey" for line in part.properties)]
    if "dataCategory: Time" not in [part.element for part in parts] or keys != ["column Date"]:
        yield "the table of dates is not marked as one"


def bare_objects(project: Project) -> Iterator[str]:
    files = [objects for path, objects in project.objects.items() if path.startswith("tables/")]
    for part in [part for objects in files for part in (objects[0], *objects[0].properties)]:
        kind = part.element.split(" ")[0]
        if kind in {"table", "column", "measure"} and not part.description:
            yield f"{part.element} is not described"
        if kind == "measure" and not any(line.startswith("formatString: ") for line in part.properties):
            yield f"{part.element} has no format"


def wrong_pages(project: Project) -> Iterator[str]:
    order = load(project.report / "definition" / "pages" / "pages.json")["pageOrder"]
    if sorted(order) != sorted(project.pages):
        yield f"pages are {sorted(project.pages)}, but in order {order}"
    for page, settings in project.pages.items():
        if settings["name"] != page:
            yield f"{page} calls itself {settings['name']}"


def misplaced_visuals(project: Project) -> Iterator[str]:
    for (page, name), visual in project.visuals.items():
        place, limits = visual["position"], project.pages[page]
        right, bottom = place["x"] + place["width"], place["y"] + place["height"]
        if min(place["x"], place["y"]) < 0 or right > limits["width"] or bottom > limits["height"]:
            yield f"{page}/{name} leaves its page"


def literal(container: Json, thing: str, name: str) -> str:
    """Return the text of a property of a visual's container, or nothing."""
    for each in container.get(thing, []):
        if name in each["properties"]:
            value: str = each["properties"][name]["expr"]["Literal"]["Value"]
            return value.strip("'")
    return ""


def nameless_visuals(project: Project) -> Iterator[str]:
    for (page, name), visual in project.visuals.items():
        container = visual["visual"].get("visualContainerObjects", {})
        if visual["name"] != name:
            yield f"{page}/{name} calls itself {visual['name']}"
        if literal(container, "title", "show") != "true" or not literal(container, "title", "text"):
            yield f"{page}/{name} has no title"
        if not literal(container, "general", "altText"):
            yield f"{page}/{name} has no alternative text"


def overlapping_visuals(project: Project) -> Iterator[str]:
    for ((page, one), first), ((other_page, other), second) in combinations(project.visuals.items(), 2):
        a, b = first["position"], second["position"]
        sides = (("x", "width"), ("y", "height"))
        if page == other_page and all(a[s] < b[s] + b[size] and b[s] < a[s] + a[size] for s, size in sides):
            yield f"{page}/{one} and {other} overlap"


def wrong_order(project: Project) -> Iterator[str]:
    for page in project.pages:
        places = [visual["position"] for (of, _), visual in project.visuals.items() if of == page]
        if len({place["tabOrder"] for place in places}) < len(places):
            yield f"two visuals of {page} are reached at once"
        # By keyboard as the eye goes: from the top, and from the left.
        if sorted(places, key=lambda it: it["tabOrder"]) != sorted(places, key=lambda it: (it["y"], it["x"])):
            yield f"{page} is not reached in the order in which it is read"


def doubled_filters(project: Project) -> Iterator[str]:
    configurations = [visual.get("filterConfig", {}) for visual in project.visuals.values()]
    names = [each["name"] for configuration in configurations for each in configuration.get("filters", [])]
    yield from (f"two filters are {name}" for name in sorted(set(names)) if names.count(name) > 1)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, from 1 to 21, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def faint_colours(project: Project) -> Iterator[str]:
    theme = project.theme
    ink = [theme["foreground"], theme["foregroundNeutralSecondary"]]
    for colour, least in [(colour, 3.0) for colour in theme["dataColors"]] + [(colour, 4.5) for colour in ink]:
        for paper in (theme["background"], theme["secondaryBackground"]):
            if contrast(colour, paper) < least:
                yield f"{colour} is hard to see on {paper}"
