"""Reports are those of the command."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nasalogs
import pytest

ODD = nasalogs.generate(20_000, format="combined", oddities=0.01)


def numbers(report: nasalogs.Report) -> dict[str, object]:
    """What does not depend on when and from where."""
    return {key: value for key, value in report.to_dict().items() if key not in ("generated", "inputs", "format")}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "access.log"
    path.write_bytes(b"".join(ODD))
    return path


def test_it_is_what_a_count_by_hand_gives(log: Path) -> None:
    rows = nasalogs.read(log, on_reject="count").to_pylist()
    report = nasalogs.report(log, top=5).to_dict()
    assert report["requests"] == len(rows)
    assert report["bytes"] == sum(row["bytes"] or 0 for row in rows)
    assert report["unique_hosts"] == len({row["host"] for row in rows})
    paths = Counter(row["path"] for row in rows if row["path"] is not None)
    first = sorted(paths.items(), key=lambda item: (-item[1], item[0].encode()))[:5]
    assert [(row["name"], row["requests"]) for row in report["urls"]["rows"]] == first
    statuses = Counter(row["status"] for row in rows)
    assert {row["status"]: row["requests"] for row in report["statuses"]} == statuses
    assert sum(row["lines"] for row in report["rejects"]) == report["lines"]["rejected"] > 0


def test_whatever_can_be_read_can_be_reported(log: Path, tmp_path: Path) -> None:
    expected = numbers(nasalogs.report(log, page=False))
    data = log.read_bytes()
    pieces = [data[:1000], data[1000:]]
    with log.open("rb") as file:
        for source in (data, file, pieces, iter(pieces), str(log)):
            report = nasalogs.report(source)
            assert numbers(report)["urls"] == expected["urls"], type(source)
            assert '"cells":' in report.to_html()
    nasalogs.convert(log, tmp_path / "table", partition_by="dt")
    nasalogs.convert(log, tmp_path / "one.parquet")
    for table in (tmp_path / "table", tmp_path / "one.parquet"):
        report = nasalogs.report(table)
        assert report.to_dict()["format"] == "parquet"
        apart = ("lines", "rejects")
        assert {**numbers(report), **dict.fromkeys(apart)} == {**expected, **dict.fromkeys(apart)}


def test_rows_are_chosen(log: Path) -> None:
    rows = nasalogs.read(log, on_reject="count").to_pylist()
    noon = datetime(1995, 7, 1, 12, tzinfo=UTC)
    cases: tuple[tuple[dict[str, Any], Any], ...] = (
        ({"status": 404}, lambda row: row["status"] == 404),
        ({"status": ["5xx", 404]}, lambda row: row["status"] is not None and row["status"] in {404, *range(500, 600)}),
        (
            {"method": "get", "path": "*.gif"},
            lambda row: (row["method"] or "").upper() == "GET" and (row["path"] or "").endswith(".gif"),
        ),
        (
            {"exclude_path": ["/images/*", "/shuttle/*"]},
            lambda row: not (row["path"] or "").startswith(("/images/", "/shuttle/")),
        ),
        ({"method": "HEAD, POST"}, lambda row: (row["method"] or "").upper() in {"HEAD", "POST"}),
        ({"host": "*.com"}, lambda row: row["host"].endswith(".com")),
        ({"since": noon}, lambda row: row["ts"] >= noon),
        ({"until": "1995-07-01T12:00:00Z"}, lambda row: row["ts"] < noon),
    )
    for arguments, holds in cases:
        report = nasalogs.report(log, page=False, **arguments).to_dict()
        chosen = sum(1 for row in rows if holds(row))
        assert (report["requests"], report["lines"]["filtered"]) == (chosen, len(rows) - chosen), arguments
        assert 0 < chosen < len(rows)
        assert report["filters"]


def test_it_is_what_the_command_says(log: Path) -> None:
    words = ["report", str(log), "--json", "--tz", "Europe/Berlin", "--status", "2xx"]
    told = subprocess.run([sys.executable, "-m", "nasalogs", *words], check=True, capture_output=True).stdout
    report = nasalogs.report(log, tz="Europe/Berlin", status="2xx").to_dict()
    expected = json.loads(told)
    assert {**report, "generated": 0} == {**expected, "generated": 0}


def test_it_shows_itself(log: Path) -> None:
    report = nasalogs.report(log)
    assert (
        repr(report)
        == f"<nasalogs.Report: {report.to_dict()['requests']} requests of {report.to_dict()['unique_hosts']} hosts>"
    )
    assert "/images/NASA-logosmall.gif" in str(report)
    assert str(report).isascii()
    frame = report._repr_html_()
    assert frame.startswith('<iframe sandbox="allow-scripts"')
    # One attribute holds the whole page.
    assert frame.count('"') == 2 * 4
    assert report.to_markdown().startswith("# ")
    plain = nasalogs.report(log, page=False).to_html()
    assert len(plain) < len(report.to_html())


def test_names_are_text(tmp_path: Path) -> None:
    path = tmp_path / "hostile.log"
    path.write_text(
        "</script><script>alert(1)</script> - - [01/Jul/1995:00:00:01 -0400] "
        '"GET /<b>\\x1b[31m HTTP/1.0" 200 5 "-" "&<x>"\n'
    )
    report = nasalogs.report(path)
    assert "<script>alert" not in report.to_html()
    assert "\x1b" not in str(report)
    assert report.to_dict()["hosts"]["rows"][0]["name"].startswith("</script>")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"status": "6xy"}, ValueError, "6xy"),
        ({"status": 4.5}, TypeError, "status"),
        ({"path": b"/a"}, TypeError, "path"),
        ({"tz": "Mars/Base"}, ValueError, "no time zone"),
        ({"since": "soon"}, ValueError, "soon"),
        ({"host": "10.0.0.0/99"}, ValueError, "10.0.0.0/99"),
        ({"top": 0}, ValueError, "top"),
        ({"max_memory": 1000}, MemoryError, "approx"),
        ({"max_rejects": 0}, nasalogs.ParseError, "rejected"),
        ({"format": "%h %s"}, ValueError, "time"),
    ],
)
def test_what_cannot_be_is_said(log: Path, arguments: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        nasalogs.report(log, **arguments)  # type: ignore[arg-type]


def test_estimates_say_so(log: Path) -> None:
    report = nasalogs.report(log, approx=True, page=False).to_dict()
    assert report["exact"] is False
    assert report["bounds"]
    exact = nasalogs.report(log, page=False).to_dict()
    assert report["urls"]["rows"][0]["requests"] == exact["urls"]["rows"][0]["requests"]
