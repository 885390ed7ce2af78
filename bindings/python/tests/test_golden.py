"""The golden corpus and genuine logs, through every library, and equal to what the command line writes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import golden
import nasalogs
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import shape
from conftest import Command
from golden import Group
from sample import Row, Whatever

GROUPS = [group for name in golden.NAMES for group in golden.read(name)]
TOGETHER = [group for group in GROUPS if not group.alone]
EXTRAS: Final[list[Literal["line", "byte_offset", "raw"]]] = ["line", "byte_offset", "raw"]
# An `int64` that can be missing is a `float64` in pandas, which cannot hold all of them.
EXACT = 1 << 53


def name_of(group: Group) -> str:
    """The first line of a group."""
    return group.cases[0].place


def same(found: list[Row], expected: list[Row], *, how: str) -> None:
    """Compare row by row, so that a difference can be read."""
    floats = how in ("to_pandas", "pd.from_arrow")
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        if floats:
            large = [name for name, value in wanted.items() if isinstance(value, int) and value > EXACT]
            wanted = wanted | {name: float(wanted[name]) for name in large}  # noqa: PLW2901
        assert row == wanted


def test_the_corpus_is_there() -> None:
    assert sum(len(group.cases) for group in GROUPS) > 400
    assert len(TOGETHER) >= 10


@pytest.mark.parametrize("how", shape.WAYS)
@pytest.mark.parametrize("group", TOGETHER, ids=name_of)
def test_read(group: Group, how: str) -> None:
    for batch_bytes in (None, 4096):
        reader = nasalogs.read(group.log, extras=EXTRAS, batch_bytes=batch_bytes, on_reject="collect", **group.options)
        same(shape.WAYS[how](reader), group.expected(), how=how)
        found = [(reject.line, reject.kind, reject.raw) for reject in reader.rejects]
        assert found == group.rejected()
        summary = reader.summary
        assert (summary.rows, summary.rejected) == (len(group.expected()), len(found))
        assert summary.rows + summary.rejected + summary.blank == summary.lines == len(group.cases)


@pytest.mark.parametrize("group", TOGETHER, ids=name_of)
def test_parse(group: Group) -> None:
    lines = [case.content for case in group.cases]
    for source in (group.log, lines, iter(lines)):
        for strings in ("utf8", "view", "compact"):
            batch = nasalogs.parse(source, extras=EXTRAS, strings=strings, **group.options)
            same(batch.to_pylist(), group.expected(), how="parse")
            assert shape.of_table(pa.table(batch)) == batch.to_pylist()
            assert [(it.line, it.kind, it.raw) for it in batch.rejects] == group.rejected()
            if not isinstance(source, bytes | list):
                break


@pytest.mark.parametrize("group", GROUPS, ids=name_of)
def test_each_line_alone(group: Group) -> None:
    for case in group.cases:
        batch = nasalogs.parse(case.content, **group.options)
        kinds = [reject.kind for reject in batch.rejects]
        assert (batch.to_pylist(), kinds) == (
            [case.row] if case.row else [],
            [case.reject] if case.reject else [],
        ), case.place


@pytest.mark.parametrize("group", [group for group in GROUPS if not group.max_line], ids=name_of)
def test_parse_line(group: Group) -> None:
    options: Whatever = {"format": group.format, "encoding": group.encoding}
    for case in group.cases:
        if case.content.startswith(golden.MARK):
            continue  # It is a file that begins with it.
        if case.row is None:
            with pytest.raises(nasalogs.ParseError) as caught:
                nasalogs.parse_line(case.content, **options)
            if case.reject not in (None, "truncated", "line_too_long"):
                assert (caught.value.kind, caught.value.raw) == (case.reject, case.line), case.place
            continue
        record = nasalogs.parse_line(case.content, **options)
        assert record.to_dict() == case.row, case.place
        assert record.raw_line == case.line
        if "ts" in case.row:
            # The leap second at the end of 9999 has no datetime but in UTC.
            last = case.row["ts"].timestamp() + 60 * (case.row.get("tz_offset") or 0) >= END
            assert offset(record.ts) == (0 if last else case.row.get("tz_offset") or 0)


END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() + 1


def offset(time: datetime) -> int:
    """Minutes east."""
    east = time.utcoffset()
    assert east is not None
    return int(east.total_seconds()) // 60


@pytest.mark.parametrize("group", [group for group in TOGETHER if not group.max_line], ids=name_of)
def test_the_command_line_gives_the_same(group: Group, tmp_path: Path, command: Command) -> None:
    log = tmp_path / "group.log"
    log.write_bytes(group.log)
    wanted = ["--format", group.format, "--encoding", group.encoding, "--with", ",".join(EXTRAS)]
    for name in ("out.parquet", "out.arrow", "out.ndjson"):
        command("convert", log, "-o", tmp_path / name, "--quiet", *wanted)
    table = nasalogs.read(log, extras=EXTRAS, **group.options).to_pyarrow()
    assert table.to_pylist() == group.expected()
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.cast(table.schema) == table
    with pa.ipc.open_file(tmp_path / "out.arrow") as file:
        assert file.read_all().cast(table.schema) == table
    if group.encoding != "binary":
        rows = [json.loads(line) for line in (tmp_path / "out.ndjson").read_bytes().splitlines()]
        assert [plain(row) for row in rows] == [plain(row) for row in group.expected()]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its bytes, and with times as text alike."""
    row = {name: value for name, value in row.items() if name != "raw"}
    if isinstance(row.get("ts"), str):
        row["ts"] = datetime.fromisoformat(row["ts"])
    return row


GENUINE = {
    "nasa/jul95_first_11277.log": ("common", 11_277, 0),
    "nasa/jul95_5xx_all_76.log": ("common", 76, 0),
    "nasa/odd_lines_jul95.log": ("common", None, 1),
    "clf/apache_1406.log": ("common", 1406, 0),
    "combined/nginx_shop_1000.log": ("nginx_main", 1000, 0),
    "combined/apachelogs_vhost_combined.log": ("vhost_combined", 6, 1),
}


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_logs(name: str, genuine: Callable[[str], Path], tmp_path: Path, command: Command) -> None:
    log = genuine(name)
    form, rows, rejected = GENUINE[name]
    reader = nasalogs.read(log, extras=EXTRAS, on_reject="collect")
    expected = reader.to_pylist()
    assert (reader.format, reader.summary.rejected) == (form, rejected)
    assert rows is None or reader.summary.rows == rows
    for how, way in shape.WAYS.items():
        same(way(reader), expected, how=how)
    out = tmp_path / "out.parquet"
    command("convert", log, "-o", out, "--quiet", "--with", ",".join(EXTRAS))
    table = reader.to_pyarrow()
    assert pq.read_table(out).cast(table.schema) == table
    # Line by line it is the same, too.
    raw = {row["line"]: row for row in expected}
    missed = 0
    for number, line in enumerate(log.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = nasalogs.parse_line(line, format=form)
        except nasalogs.ParseError:
            missed += 1
            assert number not in raw
        else:
            assert record.to_dict() | {name: raw[number][name] for name in EXTRAS} == raw[number]
    assert missed == rejected


def test_known_counts_of_nasa(genuine: Callable[[str], Path]) -> None:
    reader = nasalogs.read(genuine("nasa/jul95_first_11277.log"), columns=["ts", "protocol"])
    per_hour = [0] * 4
    for row in reader.to_pylist():
        hour = row["ts"].hour - 4
        if row["protocol"] is not None and 0 <= hour < 4:
            per_hour[hour] += 1
    assert per_hour == [3558, 2989, 2268, 1723]


def test_odd_lines(genuine: Callable[[str], Path]) -> None:
    folder = genuine("odd/00_ok.log").parent
    logs = sorted(folder.glob("*.log"))
    assert len(logs) > 20
    kinds = {}
    for log in logs:
        batch = nasalogs.parse(log.read_bytes(), format="common", on_reject="collect")
        kinds[log.stem[:2]] = [reject.kind for reject in batch.rejects] or batch.num_rows
    rejects = {name: kind[0] for name, kind in kinds.items() if isinstance(kind, list)}
    assert rejects == {
        "20": "bad_bytes",
        "22": "bad_bytes",
        "24": "missing_field",
        "26": "missing_field",
        "28": "bad_timestamp",
        "36": "trailing_data",
        "38": "missing_field",
    }
    assert {name for name, kind in kinds.items() if kind == 0} == {"32", "34"}
