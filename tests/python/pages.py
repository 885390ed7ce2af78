"""Pages of the documentation, taken apart and run; and an AWS that is not AWS's for them to be run against."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BINARY, ROOT
from kinesis import REGION, Emulator
from stores import KEYS


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced pieces of a page that are run: kind and text."""
    return re.findall(r"^```(python|console|sql)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@contextlib.contextmanager
def played(page: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Run a page of commands and Python in a folder, from its start to its end; this is what it has defined."""
    path = os.pathsep.join([str(BINARY.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        names: dict[str, Any] = {"__name__": "page"}
        for kind, text in blocks(page):
            if kind == "python":
                exec(compile(text, "page", "exec"), names)  # noqa: S102 -- the page is ours
            else:
                console(text)
        yield names


def sections(page: str) -> dict[str, str]:
    """The sections of a page by their titles, each without those below it."""
    return dict(re.findall(r"^##+ (.+?)\n(.*?)(?=^## |^### |\Z)", page, re.MULTILINE | re.DOTALL))


def table(text: str) -> list[list[str]]:
    """The cells of a table in a section, without its head."""
    rows = re.findall(r"^\|(.*)\|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
    return [row for row in cells[1:] if set(row[0]) != {"-"}]


@contextlib.contextmanager
def aws(folder: Path) -> Iterator[str]:
    """A moto server, and the environment in which everything finds it."""
    server = Emulator("moto", folder)
    environment = {**KEYS, "AWS_ENDPOINT_URL": server.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    environment |= {"XDG_STATE_HOME": str(folder / "state"), "AWS_EC2_METADATA_DISABLED": "true"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            yield server.url
    finally:
        server.stop()


def console(text: str) -> None:
    """Run commands, and compare what they say where the page shows it; `…` stands for anything."""
    for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        if "--follow" in command:
            follow(command)
            continue
        words = ["/bin/sh", "-c", f"exec 2>&1; {command}"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        said = done.stdout.decode()
        # Rejected lines are no failure here.
        assert done.returncode in {0, 1}, f"{command}\n{said}"
        if shown:
            pattern = ".*".join(re.escape(part) for part in shown.split("…"))
            assert re.fullmatch(pattern, said, re.DOTALL), f"{command}\n{said}"


def follow(command: str) -> None:
    """Run a command until it has begun, and ask it to stop."""
    running = subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stderr=subprocess.PIPE)
    locks = Path(os.environ["XDG_STATE_HOME"]) / "nasalogs"
    until = time.monotonic() + 60
    while f"{running.pid}\n" not in [lock.read_text() for lock in locks.glob("*.lock")]:
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode in {0, 1}, said


def messages(section: str) -> list[str]:
    """What a page says that a program says: the pieces between the points of the first column's quotes."""
    found = [message for row in table(section) for message in re.findall(r"`([^`]+)`", row[0])]
    return [part.strip() for message in found for part in message.split("…")]


def program(*places: str) -> str:
    """What all sources say, each text in one piece."""
    found = [path for place in places for path in (ROOT / place).rglob("*") if path.suffix in {".rs", ".py"}]
    text = "\n".join(path.read_text("utf-8") for path in found)
    return re.sub(r'\s*\\\n\s*|"\s*\n\s*"', " ", text).replace('\\"', '"')
