"""Engines that answer the queries of `deploy/aws`: DuckDB, and Spark with Hive's catalogue.

The queries are written for Athena, which cannot be had here. sqlglot turns them into each engine's own words, and what
it does not understand is a failure.
"""

import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import sqlglot
from conftest import ROOT, nasalogs
from sqlglot import exp

Answer = list[dict[str, Any]]

DATABASE: Final = "nasalogs"
TABLE: Final = "access_log"
QUERIES: Final = {path.stem: path.read_text() for path in sorted((ROOT / "deploy/aws/queries").glob("*.sql"))}
# The one that is a view, and takes no days.
VIEW: Final = "distinct_lines"


def ddl(engine: str, location: Path | str, *arguments: str) -> str:
    """A definition of the table, of as many columns as the template's."""
    run = nasalogs("ddl", "--as", engine, "--location", str(location), "--format", "combined", *arguments)
    return run.stdout.decode()


def translate(query: str, engine: str, table: str = TABLE) -> str:
    """A query of Athena's in an engine's words, of another table if one is named."""
    parsed = sqlglot.parse_one(query, read="athena")
    assert not list(parsed.find_all(exp.Command)), query
    if table != TABLE:
        for found in parsed.find_all(exp.Table):
            if found.name == TABLE:
                found.set("this", exp.to_identifier(table))
    return parsed.sql(dialect=engine, comments=False)


def plain(value: object) -> object:
    """A value without its zone, which is always UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


class DuckDb:
    """A database in memory, whose view of the files is the one that `nasalogs ddl` defines."""

    name: Final = "duckdb"

    def __init__(self) -> None:
        """Set a zone that no query may depend on."""
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'Asia/Tokyo'")

    def define(self, lake: Path, table: str = TABLE) -> None:
        """Make the view, and the one of distinct lines."""
        self.connection.execute(ddl(self.name, lake, "--table", table))
        self.connection.execute(f"USE {DATABASE}")

    def execute(self, statement: str) -> None:
        """Run a statement of ours."""
        self.connection.execute(statement)

    def ask(self, query: str, parameters: Sequence[str] = ()) -> Answer:
        """Rows of an answer, in its order."""
        result = self.connection.execute(query, list(parameters))
        names = [column[0] for column in result.description]
        return [dict(zip(names, map(plain, row), strict=True)) for row in result.fetchall()]

    def plan(self, query: str, parameters: Sequence[str] = ()) -> str:
        """What it would do."""
        return "\n".join(row[1] for row in self.connection.execute(f"EXPLAIN {query}", list(parameters)).fetchall())

    def close(self) -> None:
        """End it."""
        self.connection.close()


class Spark:
    """A session on this machine, with Hive's catalogue in memory."""

    name: Final = "spark"

    @staticmethod
    def is_here() -> bool:
        """Whether there is the Java that it needs."""
        home = os.environ.get("JAVA_HOME")
        return shutil.which("java") is not None or (home is not None and (Path(home) / "bin/java").exists())

    def __init__(self, folder: Path) -> None:
        """Start it; what it writes goes into the folder."""
        os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:metastore;create=true",
        }
        with warnings.catch_warnings():
            # It says of pandas 3 that not all of it is supported; none of it is used.
            warnings.simplefilter("ignore")
            from pyspark.sql import SparkSession  # noqa: PLC0415 -- slow, and only for some

            builder = SparkSession.builder.master("local[2]").appName("nasalogs")
            for key, value in settings.items():
                builder = builder.config(key, value)
            self.session: Any = builder.enableHiveSupport().getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def define(self, lake: Path, table: str = TABLE) -> None:
        """Make the table, and register its days."""
        for statement in ddl(self.name, lake, "--table", table).split(";\n"):
            if statement:
                self.execute(statement)
        self.execute(f"USE {DATABASE}")

    def define_as_hive(self, lake: Path, table: str) -> None:
        """Make the table by Athena's own statement: it is Hive's, and Spark has a parser for that."""
        statement = ddl("athena", "s3://lake/", "--table", table)
        assert statement.count("s3://lake/") == 2
        self.execute(statement.replace("s3://lake/", f"{lake.as_uri()}/"))
        self.execute(f"MSCK REPAIR TABLE {DATABASE}.{table}")

    def execute(self, statement: str) -> None:
        """Run a statement of ours."""
        self.session.sql(statement)

    def ask(self, query: str, parameters: Sequence[str] = ()) -> Answer:
        """Rows of an answer, in its order."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows: Answer = self.session.sql(query, args=list(parameters)).toArrow().to_pylist()
        return [{name: plain(value) for name, value in row.items()} for row in rows]

    def plan(self, query: str, parameters: Sequence[str] = ()) -> str:
        """What it would do."""
        planned = self.session.sql(query, args=list(parameters))._jdf.queryExecution()  # noqa: SLF001 -- no other way
        return str(planned.toString())

    def close(self) -> None:
        """End it, and the process that it runs in."""
        gateway = self.session.sparkContext._gateway  # noqa: SLF001
        self.session.stop()
        gateway.shutdown()
        if process := getattr(gateway, "proc", None):
            process.stdin.close()
            process.wait(30)
