"""Ctrl-C: `KeyboardInterrupt`, wherever it comes, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import PATIENCE, Python
from sample import numbered

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")

# A second thread sends the signal as soon as there are rows; what is read takes long.
LONG = """
import os, signal, sys, threading, time
import duckdb, polars as pl, pyarrow as pa
import nasalogs

reader = nasalogs.read([sys.argv[1]] * 100, columns=["status"], jobs=int(sys.argv[2]))

def interrupt():
    while reader.summary.rows == 0:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    try:
        {call}
    except Exception as error:
        # Foreign readers of streams make an error of it; the interrupt comes as soon as Python runs again.
        for _ in range(1000):
            time.sleep(0.001)
        # DuckDB looks for signals too, and tells of them in its own way.
        if str(error) != "Query interrupted":
            print("lost:", error)
        raise KeyboardInterrupt from None
except KeyboardInterrupt:
    print("interrupted", 0 < reader.summary.rows < 20_000_000)
    # Once, and not again later.
    for _ in range(1000):
        nasalogs.parse_line('h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 1')
    # Another reading is none the worse.
    print(nasalogs.read(sys.argv[1]).to_pyarrow().num_rows)
"""

CALLS = {
    "loop": "[None for _ in reader]",
    "to_pylist": "reader.to_pylist()",
    "to_pydict": "reader.to_pydict()",
    "to_pyarrow": "reader.to_pyarrow()",
    "to_pandas": "reader.to_pandas()",
    "to_polars": "reader.to_polars()",
    "pa.table": "pa.table(reader)",
    "pl.DataFrame": "pl.DataFrame(reader)",
    "from_stream": "pa.RecordBatchReader.from_stream(reader).read_all()",
    "duckdb": "duckdb.sql('SELECT sum(status) FROM reader').fetchall()",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("jobs", [1, 2])
def test_while_a_big_file_is_read(call: str, jobs: int, big: Path, python: Python) -> None:
    done = python(LONG.format(call=CALLS[call]), big, str(jobs))
    assert done.stdout.splitlines() == ["interrupted True", "200000"]


CONVERT = """
import os, signal, sys, threading, time
import nasalogs

folder = sys.argv[2]

def interrupt():
    while not os.listdir(folder):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    nasalogs.convert([sys.argv[1]] * 100, folder + "/out", {options})
except KeyboardInterrupt:
    print("interrupted", os.listdir(folder))
"""


@pytest.mark.parametrize(
    "options",
    [
        'to="parquet"',
        'to="csv"',
        'to="ndjson", rejects=folder + "/rejects"',
        'partition_by="dt"',
        'to="arrow", jobs=1',
    ],
)
def test_while_converting(options: str, big: Path, tmp_path: Path, python: Python) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    done = python(CONVERT.format(options=options), big, folder)
    assert done.stdout == "interrupted []\n"


WRITE = """
import os, signal, sys, threading, time
import nasalogs

def interrupt():
    while not os.listdir(sys.argv[1]):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    nasalogs.generate(1 << 40).write_to(sys.argv[1] + "/out.log")
except KeyboardInterrupt:
    print("interrupted", os.listdir(sys.argv[1]))
"""


def test_while_traffic_is_written(tmp_path: Path, python: Python) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert python(WRITE, folder).stdout == "interrupted []\n"


WAITING = """
import os, sys, time
import nasalogs

print("ready", flush=True)
try:
    try:
        {call}
    except Exception as error:
        for _ in range(1000):
            time.sleep(0.001)
        print("lost:", error, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def is_asleep(process: "subprocess.Popen[str]") -> bool:
    """Whether all its threads wait for something."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.exists():
        return True
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
    return set(states) == {"S"}


@pytest.mark.parametrize("written", [None, 0, 100, 30_000])
@pytest.mark.parametrize(
    "call",
    [
        "nasalogs.read(sys.argv[1], jobs=1).to_pylist()",
        "nasalogs.read(sys.argv[1], jobs=2).to_pyarrow()",
        "nasalogs.read(open(sys.argv[1], 'rb', 0)).to_pylist()",
        "nasalogs.detect(sys.argv[1])",
        "nasalogs.convert(sys.argv[1], sys.argv[1] + '.parquet')",
        "import pyarrow; pyarrow.table(nasalogs.read(sys.argv[1]))",
    ],
)
def test_while_nobody_writes_to_a_fifo(call: str, written: int | None, tmp_path: Path) -> None:
    if "detect" in call and (written or 0) > 1000:
        # It has seen enough, and does not wait.
        written = 1000
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    words = [sys.executable, "-W", "ignore", "-c", WAITING.format(call=call), str(fifo)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    held = []

    def write() -> None:
        file = fifo.open("wb", buffering=0)
        held.append(file)
        file.write(numbered(written or 0))

    writer = threading.Thread(target=write, daemon=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if written is not None:
            writer.start()
            writer.join(PATIENCE)
            assert not writer.is_alive()
        # Asleep, and asleep still: it waits for what does not come.
        pause = threading.Event()
        asleep = 0
        while asleep < 10:
            assert process.poll() is None, process.communicate()
            asleep = asleep + 1 if is_asleep(process) else 0
            pause.wait(0.02)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE)
        assert (out, errors) == ("interrupted\n", "")
    finally:
        process.kill()
        process.wait()
        for file in held:
            file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_an_interrupt_that_nobody_catches(big: Path, python: Python) -> None:
    code = """
import os, signal, sys, threading, time, nasalogs
reader = nasalogs.read([sys.argv[1]] * 100, columns=["status"])
def interrupt():
    while reader.summary.rows == 0:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
reader.to_pyarrow()
"""
    done = python(code, big, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


def test_a_handler_of_ones_own(big: Path, python: Python) -> None:
    """It runs meanwhile; when it raises nothing, the reading goes on."""
    code = """
import os, signal, sys, threading, time, nasalogs
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, handler)
reader = nasalogs.read([sys.argv[1]] * 5, columns=["status"])
def interrupt():
    while reader.summary.rows == 0:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
thread = threading.Thread(target=interrupt)
thread.start()
print(reader.to_pyarrow().num_rows, count)
thread.join()
"""
    assert python(code, big).stdout == "1000000 1\n"


def test_reading_in_another_thread(big: Path, python: Python) -> None:
    """The main thread is told; the other one is not its business."""
    code = """
import os, signal, sys, threading, nasalogs
found = []
reader = nasalogs.read([sys.argv[1]] * 3, columns=["status"])
thread = threading.Thread(target=lambda: found.append(reader.to_pyarrow().num_rows))
thread.start()
try:
    os.kill(os.getpid(), signal.SIGINT)
    while thread.is_alive():
        thread.join(0.01)
except KeyboardInterrupt:
    thread.join()
    print("interrupted", found)
"""
    assert python(code, big).stdout == "interrupted [600000]\n"
