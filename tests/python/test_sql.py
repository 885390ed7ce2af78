"""`nasalogs sql`: the answers are DuckDB's on the same lines, whatever they are read from and written to."""

import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import BINARY, Run, convert, nasalogs
from engines import QUERIES, TABLE, VIEW, DuckDb, translate
from terminal import Terminal

#: What people ask; every answer is in an order of its own, or sorted here.
QUESTIONS: Final = [
    "SELECT count(*) AS n FROM logs",
    "SELECT path, count(*) AS hits FROM logs WHERE path IS NOT NULL GROUP BY path ORDER BY hits DESC, path LIMIT 10",
    "SELECT host, count(*) AS hits, sum(bytes) AS sent FROM logs GROUP BY host ORDER BY hits DESC, host LIMIT 10",
    "SELECT status, count(*) AS n FROM logs GROUP BY status ORDER BY status",
    "SELECT date_trunc('hour', ts) AS hour, count(*) AS n FROM logs GROUP BY 1 ORDER BY 1",
    "SELECT method, protocol, count(*) AS n FROM logs GROUP BY ALL ORDER BY n DESC, method, protocol",
    "SELECT * FROM logs WHERE status >= 400 AND method = 'GET'",
    "SELECT host, ts, path, query FROM logs WHERE query IS NOT NULL",
    "SELECT count(DISTINCT host) AS hosts, min(ts) AS first, max(ts) AS last, avg(bytes) AS mean FROM logs",
    "SELECT host, bytes FROM logs WHERE path LIKE '%.gif' AND bytes > 1000 ORDER BY bytes DESC, host LIMIT 20",
    "SELECT length(host) AS l, count(*) FROM logs WHERE host NOT LIKE '%.%' OR ident IS NULL GROUP BY 1 ORDER BY 1",
    (
        "SELECT a.host, count(*) AS n FROM logs a JOIN (SELECT DISTINCT host FROM logs WHERE status = 404) b "
        "ON a.host = b.host GROUP BY a.host ORDER BY n DESC, a.host LIMIT 5"
    ),
    (
        "WITH per AS (SELECT host, count(*) AS n FROM logs GROUP BY host) "
        "SELECT n, count(*) AS hosts FROM per GROUP BY n ORDER BY n"
    ),
    (
        "SELECT host, path, row_number() OVER (PARTITION BY host ORDER BY ts, path, bytes, status) AS k FROM logs "
        "WHERE status = 200 QUALIFY k = 1"
    ),
    "SELECT ts, host FROM logs WHERE ts BETWEEN '1995-07-01T05:00:00Z' AND '1995-07-01T06:00:00Z'",
    (
        "SELECT upper(method) AS m, "
        "CASE WHEN bytes IS NULL THEN 'none' WHEN bytes = 0 THEN 'zero' ELSE 'some' END AS size, "
        "count(*) AS n FROM logs GROUP BY 1, 2 ORDER BY 1, 2"
    ),
    "SELECT regexp_replace(path, '[0-9]+', 'N') AS p, count(*) AS n FROM logs GROUP BY 1 ORDER BY n DESC, p LIMIT 10",
    "SELECT authuser, tz_offset, count(*) AS n FROM logs GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT path FROM logs WHERE status = 404 UNION SELECT path FROM logs WHERE status = 500",
    "SELECT count(*) AS n FROM logs WHERE false",
]


def sql(*arguments: str | Path, check: bool = True) -> Run:
    return nasalogs("sql", *arguments, check=check)


@dataclass(frozen=True)
class Lines:
    """The same lines as log, compressed, as a file and as a table of days."""

    log: Path
    gz: Path
    parquet: Path
    lake: Path


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    folder = tmp_path_factory.mktemp("lines")
    found = Lines(folder / "a.log", folder / "a.log.gz", folder / "a.parquet", folder / "lake")
    nasalogs("generate", "--lines", "30000", "--seed", "6", "--oddities", "3%", "-o", found.log)
    found.gz.write_bytes(gzip.compress(found.log.read_bytes()))
    convert(found.log, found.parquet)
    convert(found.log, found.lake, "--partition-by", "dt")
    return found


@pytest.fixture(scope="module")
def duck(lines: Lines) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW logs AS SELECT * FROM '{lines.parquet}'")
    yield connection
    connection.close()


def plain(value: object) -> object:
    """A value as both sides have it."""
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return value.astimezone(UTC)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return round(value, 9) if isinstance(value, float) else value


def answer(question: str, out: Path, *inputs: str | Path) -> list[tuple[object, ...]]:
    """The rows that the command writes."""
    sql(question, *inputs, "-q", "-o", out, "--overwrite")
    table = pq.read_table(out)
    return [tuple(map(plain, row.values())) for row in table.to_pylist()]


def expected(duck: duckdb.DuckDBPyConnection, question: str) -> list[tuple[object, ...]]:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        duck.execute(f"COPY ({question}) TO '{file.name}' (FORMAT parquet)")
        return [tuple(map(plain, row.values())) for row in pq.read_table(file.name).to_pylist()]


def ordered(rows: list[tuple[object, ...]], question: str) -> list[tuple[object, ...]]:
    return rows if "ORDER BY" in question and "OVER" not in question else sorted(rows, key=repr)


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_duckdbs(question: str, lines: Lines, duck: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    right = ordered(expected(duck, question), question)
    for source in (lines.log, lines.gz, lines.parquet):
        assert ordered(answer(question, tmp_path / "out.parquet", source), question) == right, source
    if "*" not in question.partition("FROM")[0] or "count(*)" in question:
        assert ordered(answer(question, tmp_path / "out.parquet", lines.lake), question) == right


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    for start, seed in [("1995-07-01T00:00:01-04:00", "1"), ("1995-07-02T22:00:00-04:00", "2")]:
        log = folder / f"{seed}.log"
        nasalogs("generate", "--lines", "6000", "--seed", seed, "--start", start, "--oddities", "5%", "-o", log)
        convert(log, folder / "table", "--to", "parquet", "--partition-by", "dt", "--append")
    return folder / "table"


def test_days_are_a_column_of_a_table_of_days(lake: Path) -> None:
    days = sql("SELECT dt, count(*) AS n FROM logs GROUP BY dt ORDER BY dt", lake, "--output", "csv").stdout
    found = {row["dt"]: int(row["n"]) for row in csv.DictReader(io.StringIO(days.decode()))}
    assert found == {
        folder.name.removeprefix("dt="): sum(pq.read_metadata(file).num_rows for file in folder.glob("*.parquet"))
        for folder in lake.glob("dt=*")
    }
    first = min(found)
    plan = sql(f"EXPLAIN SELECT count(*) FROM logs WHERE dt = '{first}'", lake, "--output", "ndjson").stdout.decode()
    others = [day for day in found if day != first]
    assert others
    assert all(f"dt={day}" not in plan for day in others), plan


@pytest.mark.parametrize("name", [name for name in QUERIES if name != VIEW])
def test_queries_for_athena_run_unchanged(name: str, lake: Path, tmp_path: Path) -> None:
    days = ("1995-07-01", "1995-07-03")
    query = tmp_path / "query.sql"
    query.write_text(QUERIES[name])
    out = tmp_path / "out.parquet"
    parameters = [word for day in days for word in ("--param", day)]
    sql("--file", query, *parameters, "--table", f"{TABLE}={lake}", "-o", out)
    engine = DuckDb()
    engine.define(lake)
    right = engine.ask(translate(QUERIES[name], engine.name, TABLE), days)
    engine.close()
    found = [{key: plain(value) for key, value in row.items()} for row in pq.read_table(out).to_pylist()]
    assert found == [{key: plain(value) for key, value in row.items()} for row in right]
    assert found or name == "server_errors"


def test_the_view_for_athena_runs(tmp_path: Path) -> None:
    ids = pa.array(["a-0", "a-0", "b-9", None, None])
    names = ["host", "ident", "authuser", "method", "path", "query", "protocol", "referer", "user_agent"]
    columns: dict[str, Any] = {name: pa.array(["x"] * 5, pa.string()) for name in names}
    columns |= {"ts": pa.array([0] * 5, pa.timestamp("ms", "UTC")), "tz_offset": pa.array([0] * 5, pa.int16())}
    columns |= {"status": pa.array([200] * 5, pa.int16()), "bytes": pa.array([1] * 5), "line_id": ids}
    day = tmp_path / "table" / "dt=1970-01-01"
    day.mkdir(parents=True)
    pq.write_table(pa.table(columns), day / "a.parquet")
    (day / "b.parquet").touch()
    (tmp_path / "table" / "_commits").mkdir()
    query = tmp_path / "view.sql"
    query.write_text(f"{QUERIES[VIEW].rstrip().rstrip(';')};\nSELECT count(*) AS n FROM {TABLE}_distinct")
    run = sql("-f", query, "-t", f"{TABLE}={tmp_path / 'table'}", "--output", "csv")
    assert run.stdout == b"n\n4\n"


def test_what_is_laid_out_otherwise_is_no_part_of_a_table(lines: Lines, lake: Path, tmp_path: Path) -> None:
    """It would be left out without a word."""
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(lines.parquet, flat / "a.parquet")
    count = "SELECT count(*) AS n FROM logs"
    for inputs in ((lake, flat), (flat, lake), (lake, lines.parquet), (lines.parquet, flat)):
        run = sql(count, *inputs, check=False)
        assert run.code == 2, inputs
        assert "is not laid out as" in run.stderr
    assert sql(count, flat, flat, "--output", "csv").code == 0


def test_an_answer_replaces_nothing_that_was_asked(lines: Lines, tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    shutil.copy(lines.log, log)
    query = tmp_path / "query.sql"
    query.write_text("SELECT count(*) AS n FROM logs")
    before = log.read_bytes()
    cases: list[tuple[Path, list[str | Path]]] = [
        (log, [query.read_text(), tmp_path / "*.log"]),
        (query, ["-f", query, log]),
    ]
    for out, words in cases:
        run = sql(*words, "-o", out, "--output", "csv", "--overwrite", check=False)
        assert run.code == 2
        assert "is an input" in run.stderr
    assert (log.read_bytes(), query.read_text()) == (before, "SELECT count(*) AS n FROM logs")


def test_a_statement_from_standard_input_leaves_no_log_there(lines: Lines) -> None:
    def asked(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [BINARY, "sql", "-f", "-", *words],
            input=b"SELECT count(*) AS n FROM logs",
            capture_output=True,
            check=False,
        )

    assert asked().returncode == 2
    both = asked("-")
    assert both.returncode == 2
    assert b"both standard input" in both.stderr
    assert asked(lines.log, "--output", "csv").stdout.startswith(b"n\n")


def test_any_value_is_one_if_there_is_one(lines: Lines) -> None:
    for name in ("arbitrary", "any_value"):
        question = f"SELECT {name}(x) AS x FROM (VALUES (NULL), (1)) t (x)"
        assert sql(question, lines.log, "--output", "csv").stdout == b"x\n1\n"


def test_what_does_not_fit_is_no_null(lines: Lines, tmp_path: Path) -> None:
    question = (
        "SELECT CASE WHEN status > 0 THEN arrow_cast('18446744073709551615', 'UInt64') END AS x FROM logs LIMIT 3"
    )
    assert sql(question, lines.log, "-o", tmp_path / "x.parquet", check=False).code == 2


def test_one_long_value_pads_no_others(tmp_path: Path) -> None:
    line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET /{} HTTP/1.0" 200 5\n'
    log = tmp_path / "long.log"
    log.write_text(line.format("x" * 600_000) + line.format("y") * 2000)
    found = sql("SELECT path, status FROM logs", log).stdout
    assert len(found) < 600_000 + 2001 * 250


def test_every_shape_can_be_read_back(lines: Lines, tmp_path: Path) -> None:
    question = "SELECT host, ts, status, bytes, path FROM logs WHERE status >= 400 ORDER BY ts, host, path, bytes"
    right = answer(question, tmp_path / "right.parquet", lines.log)
    assert len(right) > 100

    def typed(row: dict[str, Any]) -> tuple[object, ...]:
        row = {key: value if value not in {"", None} else None for key, value in row.items()}
        status, size = (int(row[key]) if row[key] is not None else None for key in ("status", "bytes"))
        return (row["host"], datetime.fromisoformat(row["ts"]), status, size, row["path"])

    csv_rows = csv.DictReader(io.StringIO(sql(question, lines.log, "--output", "csv").stdout.decode(), newline=""))
    assert [typed(row) for row in csv_rows] == right
    objects = sql(question, lines.log, "--output", "ndjson").stdout.splitlines()
    assert [typed(json.loads(line)) for line in objects] == right
    assert [typed(row) for row in json.loads(sql(question, lines.log, "--output", "json").stdout)] == right
    assert json.loads(sql("SELECT 1 AS a WHERE false", "--output", "json").stdout) == []
    stream = pa.ipc.open_stream(sql(question, lines.log, "--output", "arrow").stdout)
    assert [tuple(map(plain, row.values())) for row in stream.read_all().to_pylist()] == right
    for name in ("out.json", "out.csv", "out.ndjson", "out.arrow", "out.parquet", "out.txt"):
        sql(question, lines.log, "-o", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
        again = sql(question, lines.log, "-o", tmp_path / name, check=False)
        assert again.code == 2
        assert "exist" in again.stderr
    assert not list(tmp_path.glob(".*"))
    table = sql("SELECT NULL AS a, 1 AS b, '' AS c, 'x' || chr(27) AS d", "--output", "table").stdout.decode()
    assert table == " a    | b | c | d\n------+---+---+-------\n NULL | 1 |   | x\\x1B\n(1 row)\n"


def test_what_was_read_is_accounted_for(lines: Lines, tmp_path: Path) -> None:
    found = convert(lines.log, tmp_path / "a.parquet")
    for source in (lines.log, lines.gz):
        said = sql("SELECT count(*) FROM logs", source).stderr
        counts = [int(text.replace(",", "")) for text in re.findall(r"([\d,]+) (?:lines|rows|rejected|blank)\b", said)]
        assert counts[:4] == [found["lines"], found["rows"], found["rejected"], found["blank"]], said
        reasons = re.findall(r"^  ([\d,]+) (\w+):", said, re.MULTILINE)
        assert {reason: int(count.replace(",", "")) for count, reason in reasons} == found["rejects_by_reason"]
    firsts = re.findall(r"first \S+:(\d+): ", said)
    assert len(firsts) == len(reasons)
    assert sql("SELECT 1 FROM logs", lines.log, "-q").stderr == ""
    assert sql("SELECT count(*) FROM logs", lines.log, "--strict", check=False).code == 1


def test_standard_input_is_read_once(lines: Lines) -> None:
    def pipe(*words: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [BINARY, "sql", *words, "-q", "--output", "csv"], input=log, capture_output=True, check=False
        )

    log = lines.gz.read_bytes()
    rows = sql("SELECT count(*) AS n FROM logs", lines.log, "--output", "csv").stdout
    assert pipe("SELECT count(*) AS n FROM logs", "-").stdout == rows
    assert pipe("SELECT count(*) AS n FROM logs").stdout == rows
    twice = pipe("SELECT count(*) FROM logs a JOIN logs b ON a.host = b.host", "-")
    assert twice.returncode == 2
    assert b"standard input: can be read only once" in twice.stderr
    assert b"hint: write it to a file" in twice.stderr


def test_tables_have_names(lines: Lines) -> None:
    question = "SELECT (SELECT count(*) FROM logs) - (SELECT count(*) FROM old) AS d"
    assert sql(question, lines.log, "-t", f"old={lines.parquet}", "--output", "csv").stdout == b"d\n0\n"
    mixed = sql("SELECT 1 FROM logs", lines.log, lines.parquet, check=False)
    assert mixed.code == 2
    assert "is Parquet, and" in mixed.stderr
    pattern = sql("SELECT count(*) AS n FROM logs", str(lines.log.parent / "a.log*"), "--output", "csv").stdout
    one = sql("SELECT count(*) * 2 AS n FROM logs", lines.log, "--output", "csv").stdout
    assert pattern == one
    with_file = sql(
        "SELECT DISTINCT file FROM logs WHERE line = 7", lines.log, "--with", "line,file", "--output", "csv"
    )
    assert with_file.stdout.decode() == f"file\n{lines.log}\n"


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("SELECT stauts FROM logs", "column 8\n  SELECT stauts FROM logs\n         ^^^^^^\nhint: did you mean status?"),
        ("SELECT host\nFROM log", "line 2, column 6\n  FROM log\n       ^^^\nhint: did you mean logs?"),
        ("SELECT host FORM logs", "line 1, column 18\n  SELECT host FORM logs\n                   ^^^^"),
        ("SELECT 'host FROM logs", "line 1, column 8\n  SELECT 'host FROM logs\n         ^"),
        ("SELECT cuont(*) FROM logs", "did you mean count?"),
        ("SELECT host FROM logs WHERE status = ?", "the statement has 1 ?, and there are 0 --param"),
        ("INSERT INTO logs SELECT * FROM logs", "nothing is changed here"),
        ("COPY logs TO 'x.csv'", "nothing is changed here"),
        (" ;", "there is no statement"),
    ],
)  # fmt: skip
def test_an_error_points_at_its_place(question: str, said: str, lines: Lines) -> None:
    run = sql(question, lines.log, check=False)
    assert run.code == 2, run.stderr
    assert said.lower() in run.stderr.lower(), run.stderr
    assert run.stderr.startswith("nasalogs: ")
    assert run.stdout == b""


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    run = sql("SELECT 1 FROM logs", tmp_path / "none.log", check=False)
    assert run.code == 2
    assert "none.log: no such file" in run.stderr
    (tmp_path / "empty").mkdir()
    assert "holds no Parquet file" in sql("SELECT 1", tmp_path / "empty", check=False).stderr
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    assert sql("SELECT 1 FROM logs", tmp_path / "a.parquet", check=False).code == 2
    none = sql(check=False)
    assert none.code == 2
    assert "there is no statement, and no terminal" in none.stderr


def test_a_reader_that_has_enough_is_no_failure(lines: Lines) -> None:
    command = f"{BINARY} sql 'SELECT * FROM logs' {lines.log} --output csv -q | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"0", done.stderr
    assert done.stderr == b""


def test_memory_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    nasalogs("generate", "--lines", "300000", "--seed", "9", "-o", log)
    question = "SELECT * FROM logs ORDER BY path, host, ts, bytes"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    words: list[str | Path] = [
        BINARY,
        "sql",
        question,
        log,
        "-q",
        "--max-memory",
        "160MiB",
        "-o",
        tmp_path / "a.parquet",
    ]
    subprocess.run(words, env=environment, check=True)
    assert pq.read_metadata(tmp_path / "a.parquet").num_rows == 300_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.parquet"]
    # A bound that nothing fits in is an error that says so.
    little = sql(question, log, "-q", "--max-memory", "2MB", "--output", "csv", check=False)
    assert little.code == 2
    assert "--max-memory" in little.stderr


@pytest.fixture
def terminal(tmp_path: Path, lines: Lines) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        if os.environ.get("NASALOGS_NO_SKIPS") == "1":
            pytest.fail("no tmux, and NASALOGS_NO_SKIPS is set")
        pytest.skip("no tmux, in which the prompt is driven")
    found = Terminal(tmp_path, lines.log)
    yield found
    found.end()


def test_the_prompt(terminal: Terminal, lines: Lines, tmp_path: Path) -> None:
    terminal.wait("^nasalogs>")
    terminal.type("\\d")
    terminal.wait(r"^ logs\n\(1 row, ")
    terminal.type("\\d logs")
    terminal.wait(r"^ status +\| smallint +\| yes")
    terminal.type("SELECT status, count(*) AS n")
    terminal.type("FROM logs WHERE status = 404")
    terminal.type("GROUP BY status;")
    right = sql("SELECT count(*) AS n FROM logs WHERE status = 404", lines.log, "--output", "csv").stdout.split()[1]
    terminal.wait(rf"^    404 \| {right.decode()}$")
    terminal.type("SELECT NULL AS nothing, chr(27) || '[31m' AS red;")
    terminal.wait(r"^ NULL +\| \\x1B\[31m")
    terminal.type("SELECT * FROM logs LIMIT 2;")
    # Thirteen columns have no room beside each other.
    terminal.wait(r"^-\[ 2 \]-+\nhost +\| ")
    terminal.type("SELECT stauts FROM logs;")
    terminal.wait(r"^hint: did you mean status\?")
    # A query without an end is stopped, and the prompt is there for the next.
    terminal.type("SELECT count(*) FROM logs a, logs b, logs c WHERE a.bytes + b.bytes + c.bytes = 7;")
    time.sleep(0.5)
    terminal.type("", "C-c")
    terminal.wait("^stopped")
    terminal.type("SELECT 40 + 2 AS answer;")
    terminal.wait(r"^     42$")
    # A line that was begun is given up.
    terminal.type("SELECT nonsense", "C-c")
    terminal.type("SELECT 6 * 7 + 1 AS next;")
    terminal.wait(r"^   43$")
    terminal.type("\\q")
    until = time.monotonic() + 30
    while terminal.is_there():
        assert time.monotonic() < until
        time.sleep(0.05)
    history = (tmp_path / "state" / "nasalogs" / "sql_history").read_text()
    assert "SELECT 40 + 2 AS answer;" in history
    again = Terminal(tmp_path, lines.log)
    try:
        again.wait("^nasalogs>")
        again.type("", "Up")
        again.type("", "Up")
        again.wait(r"^nasalogs> SELECT 6 \* 7 \+ 1 AS next;")
        again.type("", "C-c")
        again.type("", "C-d")
    finally:
        again.end()


def test_ctrl_c_ends_a_statement_that_runs_alone(lines: Lines, tmp_path: Path) -> None:
    words = "SELECT count(*) FROM logs a, logs b, logs c WHERE a.bytes + b.bytes + c.bytes = 7"
    out = tmp_path / "out.csv"
    running = subprocess.Popen([BINARY, "sql", words, lines.log, "-o", out], stderr=subprocess.PIPE)
    time.sleep(1)
    running.send_signal(2)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert b"interrupted" in said
    assert list(tmp_path.iterdir()) == []
