"""The Power BI project: whether it fits itself, Microsoft's schemas, and the tables that nasalogs writes."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import mashup
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
from conftest import ROOT, convert, nasalogs
from jsonschema import Draft7Validator
from powerbi import NAME, Project, load
from powerbi_problem import problems
from pqtools.evaluate import EvalError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

PROJECT = ROOT / "deploy" / "powerbi"
ACCESS = f"{NAME}.SemanticModel/definition/tables/Access.tmdl"
PAGES = f"{NAME}.Report/definition/pages"
SCHEMAS = "https://developer.microsoft.com/json-schemas/"
# What the query makes of a row, beyond the columns in the files.
ADDED = {"dt", "date", "hour", "hour_of_day", "status_class"}
TYPES = {"text": "string", "datetime": "dateTime", "date": "dateTime", "Int64.Type": "int64"}
ARROW = {
    pa.string(): "string", pa.int16(): "int64", pa.int32(): "int64", pa.int64(): "int64",
    pa.timestamp("ms", "UTC"): "dateTime",
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> Project:
    """The project as it is."""
    return Project(PROJECT)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that passes midnight in UTC."""
    path = tmp_path_factory.mktemp("powerbi") / "access.log"
    nasalogs("generate", "--lines", "300", "--oddities", "5%", "--start", "1995-07-01T19:58:00-04:00", "-o", path)
    return path


@pytest.fixture(scope="module")
def lake(log: Path) -> Path:
    """A table of it by days, in a folder whose own name is one that below it would not count."""
    path = log.parent / "_own" / "lake"
    path.parent.mkdir()
    convert(log, path, "--to", "parquet", "--partition-by", "dt")
    assert len(list(path.glob("dt=*/*.parquet"))) == 2
    return path


@pytest.fixture(scope="module")
def rows(project: Project, lake: Path) -> mashup.Rows:
    """What the query makes of it."""
    return mashup.run(project.query, str(lake))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project to spoil."""
    return shutil.copytree(PROJECT, tmp_path / "powerbi")


def edit(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old}"
    (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")


def schema_errors(project: Project, schemas: Path) -> list[str]:
    def retrieve(uri: str) -> Resource[Any]:
        return Resource.from_contents(load(schemas / uri.removeprefix(SCHEMAS)), default_specification=DRAFT7)

    # Its types know nothing of what it takes.
    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    found = []
    for path in project.json_files:
        content = load(path)
        validator = Draft7Validator(retrieve(content["$schema"]).contents, registry=registry)
        found += [f"{path.name}: {error.json_path}: {error.message:.200}" for error in validator.iter_errors(content)]
    return found


def wrong_sources(project: Project, rows: mashup.Rows, schema: pa.Schema) -> Iterator[str]:
    """Columns that the query does not give, or whose types are not those of the files."""
    columns = project.model[0]["Access"].columns
    sources = {settings["sourceColumn"]: settings["dataType"] for settings in columns.values()}
    yield from (f"the query gives no {name}" for name in sorted(sources.keys() - rows[0].keys()))
    yield from (f"the model leaves out {name}" for name in sorted(rows[0].keys() - sources.keys()))
    yield from (f"no Parquet has {name}" for name in sorted(sources.keys() - ADDED - set(schema.names)))
    typed = dict(re.findall(r'\{"(\w+)", (?:type )?([\w.]+)\}', project.query.split("Typed =")[1]))
    if typed.keys() != rows[0].keys():
        yield f"the query types {sorted(typed)}"
    for name, kind in sources.items():
        if TYPES.get(typed.get(name, "")) != kind:
            yield f"{name} is {kind} in the model, but {typed.get(name)} in the query"
        if name in schema.names and ARROW[schema.field(name).type] != kind:
            yield f"{name} is {kind} in the model, but {schema.field(name).type} in Parquet"


def test_nothing_is_wrong(project: Project) -> None:
    assert problems(project) == []
    assert mashup.complaints(project.query, project.parameters) == []
    assert project.parameters == {"Lake", "AthenaTable"}


def test_files_fit_their_schemas(project: Project, genuine: Callable[[str], Path]) -> None:
    assert len(project.json_files) > 20
    assert schema_errors(project, genuine("pbip-schemas")) == []


def test_pages_show_what_they_are_for(project: Project) -> None:
    kinds = {name: visual["visual"]["visualType"] for (_, name), visual in project.visuals.items()}
    classic = {"top-urls": "clusteredBarChart", "traffic-per-hour": "lineChart"}
    classic |= {"top-hosts": "clusteredColumnChart", "status-codes": "donutChart"}
    assert classic.items() <= kinds.items()
    shown = {page: set[str]() for page in project.pages}
    for (page, _), visual in project.visuals.items():
        for role in visual["visual"]["query"]["queryState"].values():
            shown[page] |= {each["nativeQueryRef"] for each in role["projections"]}
    assert shown["traffic"] >= {"Path", "Host", "Status", "Hour of day", "Requests"}
    assert shown["health"] >= {"Error %", "Not found (404)", "Server errors (5xx)", "Bytes", "Unique hosts"}
    assert "Peak requests per hour" in shown["health"]


def test_ids_are_unique(project: Project) -> None:
    platforms = [load(path)["config"]["logicalId"] for path in PROJECT.rglob(".platform")]
    assert len(set(platforms)) == len(platforms) == 2
    reference_path = load(project.report / "definition.pbir")["datasetReference"]["byPath"]["path"]
    assert (project.report / reference_path).resolve() == project.definition.parent


@pytest.mark.parametrize("form", ["common", "combined"])
def test_columns_are_those_of_the_files(
    form: str, project: Project, generated: Callable[..., Path], tmp_path: Path
) -> None:
    convert(generated(form, 50), tmp_path / "lake", "--to", "parquet", "--partition-by", "dt")
    (file,) = (tmp_path / "lake").rglob("*.parquet")
    rows = mashup.run(project.query, str(tmp_path / "lake"))
    assert list(wrong_sources(project, rows, pq.read_schema(file))) == []
    known = {column["name"] for column in json.loads(nasalogs("schema", "--format", form, "--json").stdout)["columns"]}
    assert set(rows[0]) - ADDED <= known


def test_query_reads_what_was_logged(rows: mashup.Rows, log: Path) -> None:
    def made(row: reference.Row) -> dict[str, Any]:
        milliseconds, offset, status = row["ts"], row["tz_offset"], row["status"]
        assert isinstance(milliseconds, int)
        assert isinstance(offset, int)
        assert status is None or isinstance(status, int)
        utc = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(milliseconds=milliseconds)
        local = utc + timedelta(minutes=offset)
        return {
            **row, "ts": utc, "dt": utc.date(), "date": local.date(), "hour_of_day": local.hour,
            "hour": local.replace(minute=0, second=0, microsecond=0),
            "status_class": "none" if status is None else f"{status // 100}xx",
        }  # fmt: skip

    for row, logged in zip(rows, reference.table(log.read_bytes())[0], strict=True):
        assert row == made({name: logged[name] for name in reference.COMMON})
    # By the log's clock it is one day, and in UTC two.
    assert {row["date"] for row in rows} == {date(1995, 7, 1)}
    assert {row["dt"] for row in rows} == {date(1995, 7, 1), date(1995, 7, 2)}


def counted(rows: mashup.Rows) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(sorted(row.items())) for row in rows)


def with_ids(table: pa.Table) -> pa.Table:
    ids = pa.array([f"s-{number}" for number in range(table.num_rows)])
    return table.append_column(pa.field("line_id", pa.string(), nullable=False), ids)


def test_query_takes_each_line_once_and_leaves_apart_what_is(
    project: Project, rows: mashup.Rows, lake: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(lake, tmp_path / "lake")
    first, second = sorted(copy.glob("dt=*/*.parquet"))
    named = with_ids(pq.read_table(first, partitioning=None))
    pq.write_table(named, first)
    # Delivered again, in part and all over; and the second file is without ids.
    pq.write_table(named.slice(0, 100), first.with_name("again.parquet"))
    pq.write_table(named, first.with_name("whole.parquet"))
    for apart in ("_rolls/dt=1995-07-01", "rejects", ".staging", "dt=1995-07-01/_temporary"):
        (copy / apart).mkdir(parents=True)
        shutil.copy(second, copy / apart / "part.parquet")
    shutil.copy(second, second.with_name("_part.parquet"))
    (copy / "rejects.ndjson").write_text("{}\n")
    assert counted(mashup.run(project.query, str(copy))) == counted(rows)
    # A separator at the end changes nothing.
    assert counted(mashup.run(project.query, f"{copy}/")) == counted(rows)


def test_query_takes_the_day_from_the_time_only_for_want_of_a_path(
    project: Project, rows: mashup.Rows, lake: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(lake.glob("dt=*/*.parquet"))):
        shutil.copy(path, tmp_path / f"{number}.PARQUET")
    assert counted(mashup.run(project.query, str(tmp_path))) == counted(rows)


@pytest.mark.parametrize("ids", [True, False])
def test_query_asks_athena_for_the_same(ids: bool, project: Project, rows: mashup.Rows, lake: Path) -> None:  # noqa: FBT001
    # The text that is sent is such as both Athena and DuckDB understand.
    with duckdb.connect() as athena:
        table = pa.concat_tables(
            pq.read_table(path, partitioning=None).append_column("dt", pa.array([path.parent.name[3:]] * number))
            for path in sorted(lake.glob("dt=*/*.parquet"))
            for number in [pq.read_metadata(path).num_rows]
        )
        # Athena's timestamps have no zone.
        at = table.schema.get_field_index("ts")
        table = table.set_column(at, "ts", table["ts"].cast(pa.timestamp("ms")))
        if ids:
            table = with_ids(table)
            table = pa.concat_tables([table, table.slice(5, 50)])
        athena.register("access", table)
        assert counted(mashup.run(project.query, "dsn=nasalogs", athena)) == counted(rows)


def test_query_refuses_what_it_cannot_read(project: Project, generated: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(mashup.Refused, match=r"no \.parquet file below"):
        mashup.run(project.query, str(tmp_path))
    convert(generated("common", 50), tmp_path / "classic.parquet", "--names", "classic")
    with pytest.raises(mashup.Refused, match=r"classic\.parquet lacks one of host, ts"):
        mashup.run(project.query, str(tmp_path))


# What each measure means, said again in SQL over the rows that the query gives: no engine of DAX is at hand.
MEANINGS = {
    "Requests": "count(*)",
    "Unique hosts": "count(DISTINCT lower(host))",
    "Peak requests per hour": "(SELECT max(n) FROM (SELECT count(*) AS n FROM access GROUP BY hour))",
    "Peak hour": "(SELECT hour FROM access GROUP BY hour ORDER BY count(*) DESC, hour DESC LIMIT 1)",
    "Bytes": "sum(bytes)::BIGINT",
    "Bytes per request": "sum(bytes) / count(*)",
    "Errors": "count(*) FILTER (status BETWEEN 400 AND 599)",
    "Error %": "avg(CASE WHEN status BETWEEN 400 AND 599 THEN 1 ELSE 0 END)",
    "Not found (404)": "count(*) FILTER (status = 404)",
    "Server errors (5xx)": "count(*) FILTER (status BETWEEN 500 AND 599)",
}


def test_measures_are_sensible(project: Project, rows: mashup.Rows, log: Path) -> None:
    assert project.model[0]["Access"].measures.keys() == MEANINGS.keys()
    with duckdb.connect() as database:
        database.register("access", pa.Table.from_pylist(rows))
        query = ", ".join(f"{meaning} AS '{name}'" for name, meaning in MEANINGS.items())
        answer = database.execute(f"SELECT {query} FROM access")
        found = dict(zip([column[0] for column in answer.description], answer.fetchall()[0], strict=True))
    logged, _, _ = reference.table(log.read_bytes())
    statuses = [row["status"] for row in logged if isinstance(row["status"], int)]
    sizes = [row["bytes"] for row in logged if isinstance(row["bytes"], int)]
    assert found["Requests"] == len(logged)
    assert found["Unique hosts"] == len({str(row["host"]).lower() for row in logged})
    assert found["Bytes"] == sum(sizes)
    assert found["Errors"] == sum(400 <= status < 600 for status in statuses) > 0
    assert found["Error %"] == pytest.approx(found["Errors"] / found["Requests"])
    assert found["Not found (404)"] == statuses.count(404) > 0
    assert found["Not found (404)"] + found["Server errors (5xx)"] <= found["Errors"]
    assert found["Bytes per request"] == pytest.approx(found["Bytes"] / found["Requests"])
    assert found["Peak hour"] in {row["hour"] for row in rows}
    assert found["Requests"] / 24 <= found["Peak requests per hour"] <= found["Requests"]


DATE = f"{NAME}.SemanticModel/definition/tables/Date.tmdl"
TIES = f"{NAME}.SemanticModel/definition/relationships.tmdl"
URLS = f"{PAGES}/traffic/visuals/top-urls/visual.json"
THEME = f"{NAME}.Report/StaticResources/RegisteredResources/{NAME}.json"


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        (ACCESS, "column Path", "column Target", "top-urls names Column Access[Path]"),
        (ACCESS, "column Host", "column Client", "Unique hosts refers to Access[Host]"),
        (ACCESS, "measure Requests", "measure Lines", "refers to [Requests], which"),
        (ACCESS, "COUNTROWS ( Access )", "COUNTROWS ( Requests )", "refers to Requests[]"),
        (ACCESS, "SUM ( Access[Response bytes] )", "SUM ( Access[Response bytes]", "Bytes is not DAX"),
        (ACCESS, "measure Bytes", "measure host", "Access has two of host"),
        (ACCESS, "\t/// Requests logged\n", "", "measure Requests = COUNTROWS ( Access ) is not described"),
        (ACCESS, "\t\tformatString: #,0\n", "", "has no format"),
        (ACCESS, "summarizeBy: none", "summarizeBy: sum", "would be added up"),
        (DATE, "dataCategory: Time", "dataCategory: Other", "not marked"),
        (DATE, "\t\tisKey\n", "", "not marked"),
        (DATE, "sortByColumn: 'Month start'", "sortByColumn: Start", "sorted by Start"),
        (DATE, '"Weekday", FORMAT ( [Date]', '"Weekday", FORMAT ( [Day]', "table Date refers to [Day]"),
        (TIES, "toColumn: Date.Date", "toColumn: Date.Day", "there is no Date.Day"),
        (TIES, "toColumn: Date.Date", "toColumn: Date.Year", "dateTime, int64"),
        (URLS, '"Property": "Requests"', '"Property": "Hits"', "names Measure Access[Hits]"),
        (URLS, '"Entity": "Access",\n', '"Entity": "Log",\n', "names Column Log[Path]"),
        (URLS, '"x": 16', '"x": 1016', "leaves its page"),
        (URLS, '"width": 618', '"width": 700', "top-urls and traffic-per-hour overlap"),
        (URLS, "altText", "subtitle", "top-urls has no alternative text"),
        (URLS, "'Top 10 URLs'", "''", "top-urls has no title"),
        (URLS, '"tabOrder": 5000', '"tabOrder": 0', "two visuals of traffic are reached at once"),
        (URLS, '"tabOrder": 5000', '"tabOrder": 9000', "not reached in the order"),
        (URLS, '"name": "top-urls"', '"name": "urls"', "calls itself urls"),
        (f"{PAGES}/pages.json", '"health"', '"wealth"', "but in order"),
        (THEME, "#0067A5", "#A0D8FF", "hard to see"),
    ],
)
def test_what_is_spoilt_is_seen(path: str, old: str, new: str, complaint: str, copy: Path) -> None:
    edit(copy, path, old, new)
    found = problems(Project(copy))
    assert any(complaint in problem for problem in found), found


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("sourceColumn: host", "sourceColumn: client", "the query gives no client"),
        ("sourceColumn: status\n", "sourceColumn: state\n", "no Parquet has state"),
        ("column Status\n\t\tdataType: int64", "column Status\n\t\tdataType: string", "status is string in the model"),
        ('{"bytes", Int64.Type}', '{"bytes", type text}', "but text in the query"),
    ],
)
def test_a_column_that_is_not_there_is_seen(old: str, new: str, complaint: str, copy: Path, lake: Path) -> None:
    edit(copy, ACCESS, old, new)
    spoilt = Project(copy)
    found = list(
        wrong_sources(spoilt, mashup.run(spoilt.query, str(lake)), pq.read_schema(next(lake.rglob("*.parquet"))))
    )
    assert any(complaint in problem for problem in found), found


def test_a_query_that_is_none_is_seen(copy: Path) -> None:
    edit(copy, ACCESS, "Rows = if InAthena then", "Rows = if InOlympia then")
    assert mashup.complaints(Project(copy).query, {"Lake", "AthenaTable"})
    edit(copy, ACCESS, "in\n\t\t\t\t    Typed", "in in")
    assert mashup.complaints(Project(copy).query, set())


def test_a_query_that_drops_a_column_is_seen(copy: Path, lake: Path) -> None:
    edit(copy, ACCESS, '"method", "query"', '"method", "verb"')
    with pytest.raises(EvalError, match="column not found: query"):
        mashup.run(Project(copy).query, str(lake))


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (URLS, "visualType", "visualKind"),
        (URLS, '"Direction": 2', '"Direction": "down"'),
        (f"{NAME}.pbip", "version", "v"),
    ],
)
def test_what_fits_no_schema_is_seen(path: str, old: str, new: str, copy: Path, genuine: Callable[[str], Path]) -> None:
    edit(copy, path, old, new)
    assert schema_errors(Project(copy), genuine("pbip-schemas"))
