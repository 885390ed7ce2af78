"""The package in a process: what it imports, how much memory it keeps, what a fork leaves of it."""

import sys
from pathlib import Path

import nasalogs
import pytest
from conftest import Python
from sample import GOOD, numbered

OTHERS = ["numpy", "pyarrow", "pandas", "polars", "duckdb"]
PACKAGE = str(Path(nasalogs.__file__).parents[1])

# No site-packages, no environment: the standard library and this package.
BARE = f"import sys; sys.path.insert(0, {PACKAGE!r}); import nasalogs, io, os\n"
LINE = f"line = {GOOD!r}\n"
ALONE = ("-I", "-S")


def test_needs_nothing_else(python: Python, tmp_path: Path) -> None:
    code = (
        BARE
        + LINE
        + f"""
reader = nasalogs.read(line, extras=["line"])
assert reader.to_pylist() == [batch for b in reader for batch in b.to_pylist()]
assert reader.to_pydict()["path"] == ["/a"]
assert nasalogs.parse([line]).num_rows == 1
assert nasalogs.parse_line(line).path == "/a"
assert nasalogs.detect(line).format == "common"
assert nasalogs.convert(nasalogs.generate(100), {str(tmp_path / "x.parquet")!r}).rows == 100
try:
    nasalogs.parse_line("x")
except nasalogs.ParseError:
    pass
print(sorted(set({OTHERS!r}) & set(sys.modules)))
"""
    )
    assert python(code, flags=ALONE).stdout == "[]\n"


def test_imports_nothing_else_although_it_is_there(python: Python) -> None:
    code = f"import nasalogs, sys; print(sorted(set({OTHERS!r}) & set(sys.modules)))"
    assert python(code).stdout == "[]\n"


def test_imports_little_of_the_standard_library(python: Python) -> None:
    code = "import sys; before = set(sys.modules); import nasalogs; print(len(set(sys.modules) - before))"
    assert int(python(code).stdout) < 60


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        ("reader.to_pyarrow()", "pyarrow"),
        ("reader.to_pandas()", "pandas"),
        ("reader.to_polars()", "polars"),
        ("reader.to_duckdb()", "duckdb"),
        ("batch.to_pyarrow()", "pyarrow"),
        ("batch.to_pandas()", "pandas"),
        ("batch.to_polars()", "polars"),
        ("reader.schema.to_pyarrow()", "pyarrow"),
    ],
)
def test_says_what_is_missing(call: str, missing: str, python: Python) -> None:
    code = (
        BARE
        + LINE
        + f"""
reader = nasalogs.read(io.BytesIO(line))
batch = nasalogs.parse(line)
try:
    {call}
except ModuleNotFoundError as error:
    print(error.name, "|", error)
# What can be read once is still there.
print(len(reader.to_pylist()))
"""
    )
    method = call.rpartition(".")[2]
    expected = f"{missing} | {method} needs {missing}: pip install {missing}\n1\n"
    assert python(code, flags=ALONE).stdout == expected


def test_pandas_needs_pyarrow_too(python: Python) -> None:
    code = (
        BARE
        + LINE
        + """
import types
sys.modules["pandas"] = types.ModuleType("pandas")
try:
    nasalogs.read(line).to_pandas()
except ModuleNotFoundError as error:
    print(error)
"""
    )
    assert python(code, flags=ALONE).stdout == "to_pandas() needs pyarrow: pip install pyarrow\n"


def test_a_library_that_is_broken_is_not_said_to_be_missing(python: Python, tmp_path: Path) -> None:
    (tmp_path / "polars.py").write_text("import a_module_that_is_not_there")
    code = (
        BARE
        + LINE
        + f"""
sys.path.insert(0, {str(tmp_path)!r})
try:
    nasalogs.read(line).to_polars()
except ModuleNotFoundError as error:
    print(error.name)
"""
    )
    assert python(code, flags=ALONE).stdout == "a_module_that_is_not_there\n"


def test_the_package_says_what_it_offers() -> None:
    assert set(nasalogs.__all__) <= set(dir(nasalogs))
    for name in nasalogs.__all__:
        thing = getattr(nasalogs, name)
        assert name == "__version__" or thing.__doc__, name
        assert name == "__version__" or thing.__module__ in (
            "nasalogs",
            "nasalogs._error",
            "nasalogs._core",
        ), name
    assert (Path(nasalogs.__file__).parent / "py.typed").exists()


MEMORY = """
import gc, io, os, sys
import pyarrow as pa, polars as pl
import nasalogs

log = open(sys.argv[1], "rb").read()
lines = log.splitlines()
bad = log + b"x" * 50_000 + b"\\n"
out = sys.argv[1] + ".out"

def fails(call):
    try:
        call()
    except (nasalogs.ParseError, ZeroDivisionError):
        return
    raise AssertionError

def abandon(reader):
    batches = iter(reader)
    next(batches)
    iter(reader)
    reader.__arrow_c_stream__()

def pieces():
    yield log
    raise ZeroDivisionError

ways = {
    "batches": lambda: [b.to_pylist() for b in nasalogs.read(log)],
    "path": lambda: list(nasalogs.read(sys.argv[1])),
    "file": lambda: list(nasalogs.read(io.BytesIO(log))),
    "buffer": lambda: list(nasalogs.read(bytearray(log))),
    "pa.table": lambda: pa.table(nasalogs.read(log)),
    "views": lambda: pa.table(nasalogs.read(log, strings="view")),
    "polars": lambda: nasalogs.read(log).to_polars(),
    "one reader": lambda reader=nasalogs.read(log, on_reject="collect"): pa.table(reader),
    "rejects": lambda: list(nasalogs.read(bad, on_reject="collect")),
    "raise": lambda: fails(lambda: list(nasalogs.read(bad, on_reject="raise"))),
    "broken": lambda: fails(lambda: list(nasalogs.read(pieces()))),
    "abandoned": lambda: abandon(nasalogs.read(log, batch_bytes=10_000, jobs=2)),
    "parse": lambda: pa.record_batch(nasalogs.parse(lines)),
    "parse_line": lambda: [nasalogs.parse_line(line, format="common").to_dict() for line in lines[:200]],
    "no line": lambda: [fails(lambda: nasalogs.parse_line("x" * 1000, format="common")) for _ in range(100)],
    "convert": lambda: nasalogs.convert(log, out, to="csv", overwrite=True),
    "detect": lambda: nasalogs.detect(log).schema,
}

def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

way = ways[sys.argv[2]]
for _ in range(50):
    way()
before = resident()
for _ in range(int(sys.argv[3])):
    way()
print(resident() - before)
"""
WAYS = {
    "batches": 1000, "path": 1000, "file": 300, "buffer": 300, "pa.table": 1000, "views": 300, "polars": 300,
    "one reader": 300, "rejects": 300, "raise": 300, "broken": 300, "abandoned": 300, "parse": 1000,
    "parse_line": 300, "no line": 300, "convert": 200, "detect": 300,
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
@pytest.mark.parametrize("way", WAYS)
def test_memory_stays_flat(way: str, tmp_path: Path, python: Python) -> None:
    """A log over and over, of which nothing may stay."""
    path = tmp_path / "a.log"
    path.write_bytes(numbered(500))
    times = WAYS[way]
    grown = int(python(MEMORY, path, way, str(times)).stdout)
    assert grown < times * path.stat().st_size / 2


SPAWN = f"""
import multiprocessing, sys
import nasalogs

def work(number):
    log = {GOOD!r} + b"\\n"
    return nasalogs.read(log * number).to_pyarrow().num_rows, nasalogs.parse_line(log).path

def fail(_):
    nasalogs.parse_line("bad", format="common")

if __name__ == "__main__":
    assert nasalogs.read({GOOD!r} * 1, jobs=2).to_pyarrow().num_rows == 1
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(work, range(1, 6)))
        try:
            pool.map(fail, [1])
        except nasalogs.ParseError as error:
            print(error.kind, error.raw)
"""


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is only spawn")
def test_multiprocessing(method: str, tmp_path: Path, python: Python) -> None:
    script = tmp_path / "script.py"
    script.write_text(SPAWN)
    run = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    if method != "fork":
        # Children import the script by its path.
        run = "import os, sys; os.execv(sys.executable, [sys.executable, '-W', 'ignore', *sys.argv[1:]])"
    done = python(run, script, method)
    expected = [(number, "/a") for number in range(1, 6)]
    assert done.stdout.splitlines() == [str(expected), "missing_field b'bad'"]


def test_fork_in_the_middle_of_a_reading(big: Path, python: Python) -> None:
    code = """
import os, sys, nasalogs
batches = iter(nasalogs.read(sys.argv[1], jobs=2, batch_bytes=100_000))
next(batches)
child = os.fork()
if child == 0:
    # The threads of that reading are gone here; another one has its own.
    os._exit(nasalogs.read(sys.argv[1], jobs=2).to_pylist()[-1]["path"] != "/199999")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(sum(batch.num_rows for batch in batches) > 0)
"""
    assert python(code, big).stdout == "True\n"


def test_exit_in_the_middle_of_a_reading(big: Path, python: Python) -> None:
    code = """
import sys, nasalogs
batches = iter(nasalogs.read(open(sys.argv[1], "rb"), jobs=2, batch_bytes=100_000))
next(batches)
others = iter(nasalogs.read(iter(open(sys.argv[1], "rb")), jobs=2, on_reject=print))
next(others)
more = iter(nasalogs.read([sys.argv[1]] * 3, jobs=2))
next(more)
print("done")
"""
    done = python(code, big)
    assert done.stdout == "done\n"
    assert "Fatal" not in done.stderr
    assert "panic" not in done.stderr
