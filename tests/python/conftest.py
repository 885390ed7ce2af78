"""Fixtures: the binary, logs that it generated, and genuine ones where there are any."""

import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nasalogs as nasalogs_package
import pytest

if TYPE_CHECKING:
    from browser import Browser
    from stores import Store

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("NASALOGS") or ROOT / "target" / "debug" / "nasalogs")


@dataclass(frozen=True)
class Run:
    """What a run of the command left behind."""

    code: int
    stdout: bytes
    stderr: str


def nasalogs(*arguments: str | Path, check: bool = True) -> Run:
    """Run the command."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    run = Run(done.returncode, done.stdout, done.stderr.decode("utf-8"))
    assert not check or run.code == 0, run.stderr
    return run


def convert(log: Path, out: Path, *arguments: str | Path, check: bool = True) -> dict[str, Any]:
    """Convert a log and return the summary, having seen that it accounts for every line."""
    summary = out.with_name(out.name + ".summary.json")
    nasalogs("convert", log, "-o", out, "--quiet", "--summary-json", summary, *arguments, check=check)
    found: dict[str, Any] = json.loads(summary.read_text())
    assert found["rows"] + found["rejected"] + found["blank"] == found["lines"]
    assert sum(found["rejects_by_reason"].values()) == found["rejected"]
    return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    """Debian's Chromium, or another; one for all tests of pages."""
    from browser import Browser, chromium  # noqa: PLC0415 -- it needs this module, by way of others
    from kinesis import skip  # noqa: PLC0415 -- likewise

    program = chromium()
    if program is None:
        skip("the page: there is no Chromium")
    assert program
    with Browser(program, tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def binary() -> Path:
    """The command under test."""
    assert BINARY.exists(), f"{BINARY} is not built: run `cargo build -p nasalogs-cli`, or set NASALOGS"
    return BINARY


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a log once for each set of arguments."""
    folder = tmp_path_factory.mktemp("generated")

    def generate(form: str = "common", lines: int = 20_000, *, oddities: str = "0%") -> Path:
        path = folder / f"{form}-{lines}-{oddities}.log"
        if not path.exists():
            nasalogs(
                "generate", "--lines", str(lines), "--seed", "1995", "--format", form,
                "--oddities", oddities, "-o", path,
            )  # fmt: skip
        return path

    return generate


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer of Lambda: what `NASALOGS_LAYER` names, or one of the package that is under test."""
    if named := os.environ.get("NASALOGS_LAYER"):
        assert Path(named).exists(), f"NASALOGS_LAYER is {named}, which is not there: run `make lambda`"
        return Path(named)
    made = tmp_path_factory.mktemp("layer") / "layer.zip"
    package = Path(nasalogs_package.__file__).parent
    with zipfile.ZipFile(made, "w") as target:
        for file in sorted(package.rglob("*")):
            if file.is_file() and file.parent.name != "__pycache__":
                target.write(file, f"python/nasalogs/{file.relative_to(package)}")
    return made


@pytest.fixture(scope="session")
def genuine() -> Callable[[str], Path]:
    """Find a genuine log, or skip the test."""
    folder = Path(os.environ.get("NASALOGS_DATA") or ROOT.parent / "shared" / "data")

    def find(name: str) -> Path:
        path = folder / name
        if not path.exists():
            if os.environ.get("NASALOGS_NO_SKIPS") == "1":
                pytest.fail(f"no genuine log at {path}, and NASALOGS_NO_SKIPS is set")
            pytest.skip(f"no genuine log at {path}")
        return path

    return find


@pytest.fixture(scope="module", params=["moto", "ministack"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Store"]:
    """What speaks like S3: each of two that were not written for us."""
    yield from serve(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Store"]:
    """For what is a matter of ours: one server is enough."""
    yield from serve("moto", tmp_path_factory)


def serve(name: str, folders: pytest.TempPathFactory) -> Iterator["Store"]:
    """Start a server, and stop it."""
    from stores import Store  # noqa: PLC0415 -- it builds on this file

    started = Store(name, folders.mktemp(name))
    yield started
    started.stop()
