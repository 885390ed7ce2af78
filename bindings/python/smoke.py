"""What a user does first, with the wheel and nothing else installed: for its tests, and each platform of a release.

Run it with `-I`, so that what is imported is what is installed. How long an import takes is printed, not judged.
"""

import importlib.metadata
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import nasalogs
from nasalogs._core import __debug_build__

LINE = b'example.org - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245\n'
ROWS = 10_000


def alone() -> None:
    """Importing it has imported nothing but itself and the standard library."""
    tops = {name.partition(".")[0] for name in sys.modules}
    strangers = tops - sys.stdlib_module_names - {"nasalogs", "__main__"}
    assert not strangers, strangers
    assert not importlib.metadata.requires("nasalogs")


def optimised() -> None:
    """It is the library of a release, and of the version that the metadata says."""
    assert not __debug_build__
    assert nasalogs.__version__ == importlib.metadata.version("nasalogs")


def reads(folder: Path) -> None:
    """Bytes, a line, and a file to another file; the numbers add up."""
    assert sum(batch.num_rows for batch in nasalogs.read(LINE * ROWS)) == ROWS
    record = nasalogs.parse_line(LINE.strip())
    assert (record.host, record.status, record.bytes) == ("example.org", 200, 6245)
    log, table = folder / "access.log", folder / "access.parquet"
    log.write_bytes(LINE * ROWS + b"garbage\n")
    summary = nasalogs.convert(log, table)
    assert (summary.rows, summary.rejected) == (ROWS, 1)
    assert table.read_bytes()[:4] == b"PAR1"


def commands(folder: Path) -> None:
    """The console command is installed, and is the same as the module."""
    script = Path(sysconfig.get_path("scripts")) / ("nasalogs.exe" if sys.platform == "win32" else "nasalogs")
    for words in ([str(script)], [sys.executable, "-I", "-m", "nasalogs"]):
        run = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
        assert run.stdout == f"nasalogs {nasalogs.__version__}\n", run
        rows = folder / "rows.ndjson"
        subprocess.run(
            [*words, "convert", str(folder / "access.log"), "-o", str(rows), "--overwrite", "--quiet"], check=True
        )
        assert rows.read_bytes().count(b"\n") == ROWS


def import_milliseconds(times: int = 20) -> float:
    """The median of what `import nasalogs` adds to the start of Python, as Python counts it."""
    found = []
    for _ in range(times):
        words = [sys.executable, "-I", "-X", "importtime", "-c", "import nasalogs"]
        last = subprocess.run(words, capture_output=True, text=True, check=True).stderr.splitlines()[-1]
        found.append(int(last.split("|")[1]) / 1000)
    return statistics.median(found)


def main() -> None:
    """All of it."""
    alone()
    optimised()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reads(folder)
        commands(folder)
    version = f"{sys.implementation.name} {sys.version.split()[0]}"
    print(f"nasalogs {nasalogs.__version__} in {version}: sound; imported in {import_milliseconds():.1f} ms")


if __name__ == "__main__":
    main()
