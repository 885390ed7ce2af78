"""Traffic to try things on."""

import gzip
import io
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import nasalogs
import pytest
from conftest import Command
from sample import Whatever


def test_blocks() -> None:
    blocks = list(nasalogs.generate(20_000, seed=7))
    assert len(blocks) > 1
    assert all(isinstance(block, bytes) and block for block in blocks)
    assert b"".join(blocks).count(b"\n") == 20_000
    again = nasalogs.generate(20_000, seed=7)
    assert iter(again) is again
    assert b"".join(again) == b"".join(blocks)
    assert list(again) == []
    assert b"".join(nasalogs.generate(20_000, seed=8)) != b"".join(blocks)


def test_a_file_object() -> None:
    whole = nasalogs.generate(1000).read()
    assert whole.count(b"\n") == 1000
    file = nasalogs.generate(1000)
    assert file.read(0) == b""
    parts = [file.read(7), file.read(1000), file.read(1)]
    assert [len(part) for part in parts] == [7, 1000, 1]
    assert b"".join(parts) + file.read() == whole
    assert file.read() == file.read(9) == b""
    copied = io.BytesIO()
    shutil.copyfileobj(nasalogs.generate(1000), copied)
    assert copied.getvalue() == whole


def test_write_to(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    assert nasalogs.generate(1000).write_to(path) == path.stat().st_size
    assert path.read_bytes() == nasalogs.generate(1000).read()
    with pytest.raises(FileExistsError):
        nasalogs.generate(10).write_to(path)
    assert path.read_bytes().count(b"\n") == 1000
    nasalogs.generate(10).write_to(str(path), overwrite=True)
    assert path.read_bytes().count(b"\n") == 10
    with pytest.raises(FileNotFoundError):
        nasalogs.generate(10).write_to(tmp_path / "missing" / "out.log")
    with pytest.raises(TypeError):
        nasalogs.generate(10).write_to(5)  # type: ignore[arg-type]
    # What was taken before is not written.
    traffic = nasalogs.generate(1000)
    first = traffic.read(100)
    traffic.write_to(tmp_path / "rest.log")
    assert first + (tmp_path / "rest.log").read_bytes() == nasalogs.generate(1000).read()


@pytest.mark.parametrize("oddities", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("form", ["common", "combined"])
def test_the_tally_is_what_is_read(form: Whatever, oddities: float) -> None:
    traffic = nasalogs.generate(5000, seed=3, format=form, oddities=oddities)
    assert traffic.tally == {"lines": 0, "rows": 0, "rejected": 0, "blank": 0}
    reader = nasalogs.read(traffic.read(), format=form)
    for _ in reader:
        pass
    summary = reader.summary
    expected = {"lines": 5000, "rows": summary.rows, "rejected": summary.rejected, "blank": summary.blank}
    assert traffic.tally == expected
    assert (summary.rejected > 0) == (summary.blank > 0) == (oddities > 0)


def test_is_a_source(tmp_path: Path) -> None:
    reader = nasalogs.read(nasalogs.generate(5000, format="combined"))
    assert (reader.format, reader.to_pyarrow().num_rows) == ("combined", 5000)
    assert nasalogs.convert(nasalogs.generate(5000), tmp_path / "out.parquet").rows == 5000
    assert nasalogs.detect(nasalogs.generate(100)).format == "common"
    assert len(nasalogs.parse(nasalogs.generate(100).read())) == 100
    packed = gzip.compress(nasalogs.generate(100).read())
    assert nasalogs.read(packed).to_pyarrow().num_rows == 100


@pytest.mark.parametrize(
    ("start", "first"),
    [
        (datetime(2020, 2, 29, 12, tzinfo=UTC), "2020-02-29T12:00:00+00:00"),
        (
            datetime(2020, 2, 29, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=5.5))),
            "2020-02-29T12:00:00+05:30",
        ),
        ("2020-02-29T12:00:00-03:00", "2020-02-29T12:00:00-03:00"),
        ("29/Feb/2020:12:00:00 -0300", "2020-02-29T12:00:00-03:00"),
    ],
)
def test_start(start: Whatever, first: str) -> None:
    line = nasalogs.generate(10, start=start).read().splitlines()[0]
    assert nasalogs.parse_line(line).ts.isoformat() == first


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"format": "nope"}, ValueError),
        ({"oddities": 1.1}, ValueError),
        ({"oddities": -0.1}, ValueError),
        ({"oddities": float("nan")}, ValueError),
        ({"start": "yesterday"}, ValueError),
        ({"start": datetime(2020, 1, 1)}, ValueError),  # noqa: DTZ001 - that is the mistake
        ({"start": 5}, TypeError),
        ({"lines": -1}, (ValueError, OverflowError)),
        ({"lines": "many"}, TypeError),
        ({"seed": -1}, (ValueError, OverflowError)),
        ({"nope": 1}, TypeError),
    ],
    ids=str,
)
def test_mistakes(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        nasalogs.generate(**options)


def test_no_lines() -> None:
    assert nasalogs.generate(0).read() == b""
    assert list(nasalogs.generate(0)) == []


def test_equals_the_command_line(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.log"
    command("generate", "--lines", "2000", "--seed", "9", "--format", "combined", "--oddities", "10%", "-o", out)
    assert nasalogs.generate(2000, seed=9, format="combined", oddities=0.1).read() == out.read_bytes()
