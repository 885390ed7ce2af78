"""The command line that comes with the package: what it does and its exit codes are those of the program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nasalogs
import nasalogs.__main__
import pyarrow.parquet as pq
import pytest
from conftest import PATIENCE, Command
from nasalogs._core import command_line
from sample import BAD, GOOD, log, numbered


def test_version(command: Command) -> None:
    assert command("--version").stdout.decode() == f"nasalogs {nasalogs.__version__}\n"


def test_help(command: Command) -> None:
    said = command("--help").stdout.decode()
    for word in ("convert", "detect", "schema", "generate", "Exit codes"):
        assert word in said


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nope"],
        ["convert"],
        ["convert", "--nope"],
        ["convert", "missing.log", "-o", "out.parquet"],
        ["convert", "missing.log", "-o", "out.nope"],
        ["detect", "missing.log"],
        ["schema", "nope"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done(words: list[str], command: Command, tmp_path: Path) -> None:
    done = command(*words, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr != b""
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_convert(path: Path, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = command("convert", path, "-o", out)
    assert done.stdout == b""
    assert b"100" in done.stderr
    assert pq.read_table(out).to_pylist() == nasalogs.read(path).to_pylist()


def test_rejected_lines(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(log(GOOD, *BAD))
    assert command("convert", path, "-o", tmp_path / "a.csv").returncode == 0
    assert command("convert", path, "-o", tmp_path / "b.csv", "--strict", check=False).returncode == 1
    assert (tmp_path / "b.csv").exists()
    assert command("convert", path, "-o", tmp_path / "c.csv", "--max-rejects", "0", check=False).returncode == 1
    assert not (tmp_path / "c.csv").exists()


def test_pipes(command: Command) -> None:
    done = command("convert", "-", "-o", "-", "--to", "ndjson", input=numbered(10))
    assert done.stdout.count(b"\n") == 10


WORDS = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "nasalogs"]


def test_a_closed_pipe_is_no_failure(big: Path) -> None:
    words = [*WORDS, "convert", str(big), "-o", "-", "--to", "ndjson", "--quiet"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run(number: signal.Signals, tmp_path: Path) -> None:
    fifo, out = tmp_path / "fifo", tmp_path / "out.parquet"
    os.mkfifo(fifo)
    process = subprocess.Popen([*WORDS, "convert", str(fifo), "-o", str(out)], stderr=subprocess.PIPE)
    try:
        # Opened from both ends: the run has begun.
        with fifo.open("wb", buffering=0) as file:
            file.write(numbered(100))
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


def test_in_a_process_of_ones_own(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Arguments that are no good give an exit code, and end no process."""
    assert command_line(["nasalogs", "--nope"]) == 2
    assert "--nope" in capfd.readouterr().err
    with pytest.raises(TypeError):
        command_line([5])  # type: ignore[list-item]
    assert path.exists()
