"""What docs/sql.md shows is run, from its start to its end, and says what it shows."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import ROOT, nasalogs
from pages import played, sections, table

PAGE: Final = (ROOT / "docs" / "sql.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The page was run; this is what it has defined."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(ROOT / "deploy" / "aws" / "queries", folder / "deploy/aws/queries")
    with played(PAGE, folder) as names:
        yield names


def test_the_recipes_in_python_find_what_the_command_finds(page: dict[str, Any]) -> None:
    question = "SELECT status, count(*) AS n FROM logs WHERE status >= 400 GROUP BY status ORDER BY status"
    lines = nasalogs("sql", "-q", question, "access.log", "--output", "csv").stdout.decode().split()[1:]
    assert [f"{status},{count}" for status, count in page["errors"].fetchall()] == lines
    shown = re.search(r"^ method .*?^\(", sections(PAGE)["The prompt"], re.MULTILINE | re.DOTALL)
    assert shown
    rows = [[cell.strip() for cell in line.split("|")] for line in shown[0].splitlines()[2:-1]]
    assert dict(page["methods"].rows()) == {None if name == "NULL" else name: int(count) for name, count in rows}


def test_what_athena_says_is_understood(page: dict[str, Any]) -> None:
    del page
    known = table(sections(PAGE)["Queries for Athena"])
    assert len(known) > 5
    for expression in (
        "count_if(status = 200)",
        "max(ts + 2 * INTERVAL '1' MINUTE)",
        "max(ts + INTERVAL '1' MINUTE * 2)",
        *(f"max({part}(ts))" for part in ("year", "quarter", "month", "week", "day", "hour", "minute", "second")),
        "max(day_of_week(ts))",
        "max(day_of_year(ts))",
        "approx_percentile(bytes, 0.5)",
        "arbitrary(host)",
        "any_value(host)",
    ):
        name = re.findall(r"[a-z_]+(?=\()", expression)[-1]
        assert name == "max" or any(name in row[0] for row in known), name
        assert nasalogs(
            "sql", "-q", f"SELECT {expression} AS x FROM logs", Path("access.log"), "--output", "csv"
        ).stdout


def test_the_page_of_rust_is_the_crates_own() -> None:
    crate = (ROOT / "bindings/datafusion/src/lib.rs").read_text("utf-8")
    shown = sections(PAGE)["From Rust"]
    for word in ("SessionContext::new()", "LogTable::open(", 'ctx.register_table("logs", logs.clone())?', ".summary()"):
        assert word in shown
        assert word in crate
