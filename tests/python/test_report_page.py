"""What docs/report.md shows is run, from its start to its end, and says what it shows; every number has its row."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import ROOT, nasalogs
from pages import played

PAGE: Final = (ROOT / "docs" / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The page was run; this is what it has defined."""
    with played(PAGE, tmp_path_factory.mktemp("page")) as names:
        yield names


def fields(value: object) -> Iterator[str]:
    """All names of fields, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value[:3]:
            yield from fields(inner)


def test_every_number_is_explained(page: dict[str, Any]) -> None:
    numbers = json.loads(nasalogs("report", "access.log", "--approx", "--json").stdout)
    shown = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(fields(numbers)) - shown == set()
    assert page["numbers"]["zone"] == "Europe/Berlin"
    assert page["numbers"]["requests"] == page["numbers"]["client_errors"] > 0
    assert Path("errors.html").read_text("utf-8").startswith("<!doctype html>")


def test_every_option_that_chooses_rows_is_explained() -> None:
    told = nasalogs("report", "--help").stdout.decode()
    options = re.findall(r"^ +(--[a-z-]+)", told.split("Rows:")[1].split("\n\n\n")[0], re.MULTILINE)
    assert len(options) > 9
    assert [option for option in options if f"`{option}`" not in PAGE] == []
