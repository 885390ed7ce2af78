"""Fixtures: logs on the disk, Python and the command line in processes of their own, and genuine logs."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sample import Whatever, numbered

# How long a process may take that should be done in a moment: it is killed after that, and the test fails.
PATIENCE = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of 100 lines."""
    found = tmp_path / "access.log"
    found.write_bytes(numbered(100))
    return found


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that takes a while: 200,000 lines."""
    found = tmp_path_factory.mktemp("big") / "big.log"
    found.write_bytes(numbered(200_000))
    return found


Python = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run a piece of Python, or with `flags` something else, in a process of its own."""

    def run(
        code: str,
        *arguments: str | Path,
        flags: tuple[str, ...] = (),
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        **options: Whatever,
    ) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-W", "ignore::RuntimeWarning", *flags, "-c", code, *map(str, arguments)]
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", tmp_path)
        done: subprocess.CompletedProcess[str] = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, **(environment or {})},
            **options,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


_run: Whatever = subprocess.run
Command = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def command() -> Command:
    """Run the command line of the package."""

    def run(*arguments: str | Path, check: bool = True, **options: Whatever) -> subprocess.CompletedProcess[bytes]:
        words = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "nasalogs", *map(str, arguments)]
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        done: subprocess.CompletedProcess[bytes] = _run(words, check=False, timeout=PATIENCE, **options)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    return run


def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def genuine() -> Callable[[str], Path]:
    """Find a genuine log, or skip the test."""
    folder = Path(os.environ.get("NASALOGS_DATA") or repository().parent / "shared" / "data")

    def find(name: str) -> Path:
        found = folder / name
        if not found.exists():
            if os.environ.get("NASALOGS_NO_SKIPS") == "1":
                pytest.fail(f"no genuine log at {found}, and NASALOGS_NO_SKIPS is set")
            pytest.skip(f"no genuine log at {found}")
        return found

    return find
