"""What the documentation shows is run, and what it and the types say is compared with what there is."""

import doctest
import gzip
import importlib.util
import inspect
import io
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import nasalogs
import nasalogs.aws
import pytest
from nasalogs import _core

TESTS: Final = Path(__file__).resolve().parent
ROOT: Final = TESTS.parents[2]
PACKAGE: Final = Path(nasalogs.__file__).parent
PAGE: Final = (ROOT / "docs" / "python.md").read_text("utf-8")
AWS_PAGE: Final = (ROOT / "docs" / "aws.md").read_text("utf-8")
README: Final = (ROOT / "README.md").read_text("utf-8")

PUBLIC: Final = [name for name in nasalogs.__all__ if not name.startswith("__")]
FUNCTIONS: Final = [name for name in PUBLIC if inspect.isroutine(getattr(nasalogs, name))]


def members() -> Iterator[tuple[str, Any]]:
    """Whatever of the package can have documentation: modules, functions, classes, and what these have themselves."""
    yield "nasalogs", nasalogs
    yield "nasalogs.aws", nasalogs.aws
    yield "nasalogs._core.command_line", _core.command_line
    things = [(f"nasalogs.{name}", getattr(nasalogs, name)) for name in PUBLIC]
    things += [(f"nasalogs.aws.{name}", getattr(nasalogs.aws, name)) for name in nasalogs.aws.__all__]
    for name, thing in things:
        yield name, thing
        if inspect.isclass(thing):
            for own, member in vars(thing).items():
                if not own.startswith("_"):
                    yield f"{name}.{own}", member


MEMBERS: Final = dict(members())
CALLED: Final = [name for name, thing in MEMBERS.items() if callable(thing)]
# Of classes, those that callers make.
AWS: Final = [
    "nasalogs.aws.KinesisHandler",
    "nasalogs.aws.FirehoseHandler",
    "nasalogs.aws.Producer",
    "nasalogs.aws.Producer.send_file",
    *(f"nasalogs.aws.{name}" for name in nasalogs.aws.__all__ if inspect.isroutine(getattr(nasalogs.aws, name))),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(parts: list[tuple[str, int, str]], file: str, names: dict[str, Any]) -> None:
    """Run pieces of a page, one after the other, in one namespace."""
    for kind, line, code in parts:
        if kind == "python":
            # Blank lines before it, so that tracebacks show lines of the page.
            exec(compile("\n" * line + code, file, "exec"), names)  # noqa: S102 - the page is ours
        elif kind == "pycon":
            check(code, file, line, names)
        else:
            for command in re.findall(r"^\$ (.*)$", code, re.MULTILINE):
                words = shlex.split(command)
                words = words[2:] if words[:2] == ["python", "-m"] else words
                done = python("-m", *words)
                assert done.returncode == 0, done.stderr


def check(text: str, file: str, line: int, names: dict[str, Any]) -> None:
    """Run what stands behind `>>>`, and compare what it gives with what it is said to give."""
    test = doctest.DocTestParser().get_doctest(text, {}, file, file, line)
    test.globs = names
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append, clear_globs=False)
    assert runner.failures == 0, "".join(said)


def blocks(page: str, kinds: str = "python|pycon|console") -> list[tuple[str, int, str]]:
    """The fenced pieces of a page: kind, line, text."""
    found = re.finditer(rf"^```({kinds})\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [(block[1], page.count("\n", 0, block.start(2)), block[2]) for block in found]


def python(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a module of Python's in a process of its own."""
    words = [sys.executable, "-W", "ignore::RuntimeWarning", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


# Docstrings


@pytest.mark.parametrize("name", MEMBERS)
def test_what_is_public_says_what_it_is(name: str) -> None:
    first = (inspect.getdoc(MEMBERS[name]) or "").partition("\n\n")[0]
    assert first, f"{name} has no docstring"
    assert first[0].isupper()
    assert first.endswith(".")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", CALLED)
def test_what_can_be_called_has_an_example_that_works(name: str) -> None:
    # The finder of doctest passes over what is not written in Python.
    text = inspect.getdoc(MEMBERS[name]) or ""
    assert ">>> " in text
    check(text, name, 0, {"nasalogs": nasalogs})


@pytest.mark.usefixtures("folder")
def test_the_examples_of_the_package() -> None:
    check(inspect.getdoc(nasalogs) or "", "nasalogs", 0, {})


@pytest.mark.parametrize("name", [f"nasalogs.{name}" for name in FUNCTIONS] + AWS)
def test_arguments_are_described(name: str) -> None:
    function = MEMBERS[name]
    arguments = (inspect.getdoc(function) or "").partition("Args:\n")[2].partition("\n\n")[0]
    described = re.findall(r"^ {4}(\w[\w, ]*): ", arguments, re.MULTILINE)
    described = [one for several in described for one in several.split(", ")]
    assert sorted(described) == sorted(name for name in inspect.signature(function).parameters if name != "self")


# Pages


class Client:
    """What of boto3's clients the page calls."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.sent: list[dict[str, Any]] = []

    def put_record(self, **record: str) -> None:
        """Kinesis: one record."""
        self.sent.append(record)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        """S3: a body that is read once, piece by piece."""
        return {"Body": io.BufferedReader(io.BytesIO(self.objects[f"{Bucket}/{Key}"]))}

    def upload_file(self, name: str, bucket: str, key: str) -> None:
        """S3: a file to an object."""
        self.objects[f"{bucket}/{key}"] = Path(name).read_bytes()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> dict[str, Client]:
    """Clients of AWS that a module `boto3` gives, which need no AWS."""
    objects: dict[str, bytes] = {}
    found = {name: Client(objects) for name in ("kinesis", "s3")}
    boto3 = ModuleType("boto3")
    boto3.__dict__["client"] = found.__getitem__
    monkeypatch.setitem(sys.modules, "boto3", boto3)
    monkeypatch.setenv("TABLE_BUCKET", "tables")
    return found


@pytest.fixture
def names(folder: Path, clients: dict[str, Client]) -> dict[str, Any]:
    """The page was run from its start to its end, with the logs it takes for granted; this is what it has defined."""
    (folder / "logs").mkdir()
    for day in (1, 2):
        log = nasalogs.generate(2000, seed=day, oddities=0.01, start=f"1995-07-0{day}T00:00:01-04:00").read()
        (folder / "logs" / f"{day}.log.gz").write_bytes(gzip.compress(log, mtime=0))
    nasalogs.generate(1000, format="combined").write_to(folder / "combined.log")
    assert clients
    found: dict[str, Any] = {"__name__": "page"}
    run(blocks(PAGE), "docs/python.md", found)
    return found


@pytest.mark.usefixtures("names")
def test_the_page_runs_and_both_scripts_send_the_same(clients: dict[str, Client]) -> None:
    sent = clients["kinesis"].sent
    records = [json.loads(record["Data"]) for record in sent]
    assert {record["StreamName"] for record in sent} == {"website-traffic-stream"}
    # The expression, the changed line, batch by batch.
    rows = nasalogs.read("access.log", names="classic", encoding="latin1").to_pylist()
    before = len(records) - 2 * len(rows)
    assert records[before:] == rows * 2
    assert 0 < before < len(rows)
    assert all(record in rows or record["bytes"] >= 2**63 for record in records[:before])
    assert list(records[0]) == list(rows[0])


def test_what_the_page_says_about_the_expression(names: dict[str, Any], folder: Path) -> None:
    log = folder / "odd.log"
    nasalogs.generate(5000, oddities=0.2).write_to(log)
    reader = nasalogs.read(log, names="classic", encoding="latin1", extras=["line"], on_reject="collect")
    after = {row.pop("line"): row for row in reader.to_pylist()}
    rejected = {reject.line: reject.kind for reject in reader.rejects}
    befores = names["records"](log)
    why = Counter[str]()
    for number, line in enumerate(log.read_bytes().splitlines(), start=1):
        now = after.get(number)
        if not names["LINE"].match(line.decode("latin-1")):
            if now is not None:
                why[lost(line, now)] += 1
            continue
        before = next(befores)
        if now is None:
            assert rejected[number] in {"bad_timestamp", "bad_bytes"}
            why["rejected"] += 1
            continue
        assert before == now
        record = nasalogs.parse_line(line, format="common", names="classic", encoding="latin1")
        assert record.to_dict() == before
    assert next(befores, None) is None
    assert set(why) == {"no protocol", "no request", "no status", "blank in the user", "blank in the URL", "rejected"}


def lost(line: bytes, now: dict[str, Any]) -> str:
    """Why the expression does not take a line, in the words of the page."""
    if now["status_code"] is None:
        return "no status"
    if now["method"] is None:
        return "no request"
    if now["protocol"] is None:
        return "no protocol"
    if re.match(rb"\S+ \S+ .* .* \[\d\d/", line):
        return "blank in the user"
    found = re.search(rb'"(.*)"', line)
    return "blank in the URL" if found and found[1].count(b" ") > 2 else f"something else: {line!r}"


def test_the_function_of_the_page(names: dict[str, Any], clients: dict[str, Client]) -> None:
    objects = clients["s3"].objects
    objects["logs/july 1.gz"] = Path("logs/1.log.gz").read_bytes()
    event = {"Records": [{"s3": {"bucket": {"name": "logs"}, "object": {"key": "july+1.gz"}}}]}
    given = names["handler"](event, None)
    assert given == {"lines": 2000, "rejected": nasalogs.convert("logs/1.log.gz", "one.parquet").rejected}
    assert objects["tables/logs/july 1.gz.parquet"] == Path("one.parquet").read_bytes()


@pytest.mark.usefixtures("folder", "clients")
def test_the_section_of_the_readme() -> None:
    section = README.partition("\n## In Python\n")[2].partition("\n## ")[0]
    assert section, "the README has a section `In Python`"
    nasalogs.generate(5000, oddities=0.01).write_to("access.log")
    run(blocks(section, "python|pycon"), "README.md", {})


@pytest.mark.parametrize("name", PUBLIC)
def test_the_page_has_every_name(name: str) -> None:
    assert re.search(rf"`(nasalogs\.)?{name}\b", PAGE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_page_has_every_argument(name: str) -> None:
    for argument in inspect.signature(getattr(nasalogs, name)).parameters:
        assert re.search(rf"[`(, ]{argument}\b", PAGE), argument


def test_the_page_has_every_member() -> None:
    table, aws = (page.partition("\n## What there is\n")[2] for page in (PAGE, AWS_PAGE))
    for name in MEMBERS:
        own = name.rpartition(".")[2]
        if name.startswith("nasalogs.aws"):
            assert re.search(rf"\b{own}\b", aws), name
        else:
            assert own.startswith("to_") or re.search(rf"\b{own}\b", table) or own == "command_line", name


@pytest.mark.parametrize("name", AWS)
def test_the_page_of_aws_has_every_argument_as_it_is(name: str) -> None:
    own, signature = name.removeprefix("nasalogs.aws."), inspect.signature(MEMBERS[name])
    arguments = [argument.replace(annotation=inspect.Parameter.empty) for argument in signature.parameters.values()]
    arguments = [argument for argument in arguments if argument.name != "self"]
    shown = inspect.Signature(arguments)
    assert f"| `{own}{shown}` |".replace("'", '"') in AWS_PAGE


# Types

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")


@needs_mypy
def test_the_package_is_typed(tmp_path: Path) -> None:
    done = python("-m", "mypy", "--strict", "--cache-dir", tmp_path, PACKAGE, TESTS / "typed.py")
    assert done.returncode == 0, done.stdout


@needs_mypy
def test_stubs_are_what_there_is() -> None:
    done = python("-m", "mypy.stubtest", "nasalogs", "--allowlist", TESTS / "stubtest.allow")
    assert done.returncode == 0, done.stdout


@needs_mypy
def test_types_allow_what_the_page_shows(tmp_path: Path) -> None:
    code = "\n".join(text for _, _, text in blocks(PAGE, "python"))
    (tmp_path / "page.py").write_text(code)
    # Others' types are their affair.
    config = "[mypy]\ncheck_untyped_defs = true\nallow_redefinition = true\n"
    for module in ("boto3", "duckdb", "pandas", "polars", "pyarrow"):
        config += f"[mypy-{module}.*]\nfollow_imports = skip\nignore_missing_imports = true\n"
    (tmp_path / "mypy.ini").write_text(config)
    where = ("--config-file", tmp_path / "mypy.ini", "--cache-dir", tmp_path / "cache")
    done = python("-m", "mypy", *where, tmp_path / "page.py")
    assert done.returncode == 0, done.stdout


def test_the_stubs_name_every_column_of_formats_with_names() -> None:
    stubs = (PACKAGE / "_core.pyi").read_text("utf-8")
    record = stubs.partition("class Record(")[2].partition("@final")[0]
    for format in ("common", "combined", "vhost_common", "vhost_combined", "nginx_main"):  # noqa: A001
        for names in ("nasalogs", "classic"):
            for column in nasalogs.schema(format, names=names).names:
                assert f"def {column}(self)" in record
