"""The package is the one that was built."""

import tomllib
from pathlib import Path

import nasalogs

ROOT = Path(__file__).resolve().parents[3]


def test_the_version_is_that_of_the_workspace() -> None:
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert nasalogs.__version__ == manifest["workspace"]["package"]["version"]
