//! Statements: Athena's (Hive's DDL), Spark's, DuckDB's.

use std::fmt::Write as _;

use super::{DT, Table, comment, hive_type};
use crate::format::is_reserved;
use crate::schema::{Column, ColumnType};

/// One statement: Athena runs one at a time.
pub(super) fn athena(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(hive_column).collect();
    let mut text = format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {} (\n{}\n)\nCOMMENT {}\n",
        name(table, '`'),
        columns.join(",\n"),
        hive_text(&table.description()),
    );
    if table.partitioned {
        _ = writeln!(text, "PARTITIONED BY ({})", hive_column(&DT).trim_start());
    }
    _ = writeln!(text, "STORED AS PARQUET\nLOCATION {}", hive_text(&table.location));
    let properties = table.properties("${dt}");
    let properties = properties.iter().map(|(key, value)| format!("  '{key}' = {}", hive_text(value)));
    _ = writeln!(text, "TBLPROPERTIES (\n{}\n)", properties.collect::<Vec<_>>().join(",\n"));
    text
}

/// The day is one of the columns; and Spark has to be told of the days that there are.
pub(super) fn spark(table: &Table) -> String {
    let days = table.partitioned.then_some(&DT);
    let columns: Vec<String> = table.columns.iter().chain(days).map(hive_column).collect();
    let name = name(table, '`');
    let mut text = format!(
        "CREATE DATABASE IF NOT EXISTS {};\nCREATE TABLE IF NOT EXISTS {name} (\n{}\n)\nUSING PARQUET\n",
        quoted(&table.database, '`'),
        columns.join(",\n"),
    );
    if table.partitioned {
        text.push_str("PARTITIONED BY (dt)\n");
    }
    _ = writeln!(
        text,
        "LOCATION {}\nCOMMENT {};",
        hive_text(&table.location),
        hive_text(&table.description())
    );
    if table.partitioned {
        _ = writeln!(text, "MSCK REPAIR TABLE {name};");
    }
    text
}

/// A view. Columns that no file has are null, as in the other engines: they come from a row of the right types that is
/// not there.
pub(super) fn duckdb(table: &Table) -> String {
    let days = table.partitioned.then_some(&DT);
    let columns: Vec<&Column> = table.columns.iter().chain(days).collect();
    let selected = columns.iter().map(|column| match column.column_type {
        ColumnType::Timestamp => format!("  {0} AT TIME ZONE 'UTC' AS {0}", column.name),
        _ => format!("  {}", column.name),
    });
    let nothing = columns.iter().map(|column| format!("NULL::{} AS {}", duckdb_type(column), column.name));
    let (pattern, days) = match table.partitioned {
        true => ("dt=*/*.parquet", ", hive_partitioning = true, hive_types = {'dt': VARCHAR}"),
        false => ("*.parquet", ""),
    };
    format!(
        "CREATE SCHEMA IF NOT EXISTS {};\nCREATE OR REPLACE VIEW {} AS\nSELECT\n{}\nFROM (\n  \
         SELECT {}\n  WHERE false\n  UNION ALL BY NAME\n  \
         SELECT * FROM read_parquet({}, union_by_name = true{days})\n);\n",
        quoted(&table.database, '"'),
        name(table, '"'),
        selected.collect::<Vec<_>>().join(",\n"),
        nothing.collect::<Vec<_>>().join(", "),
        duckdb_text(&format!("{}{pattern}", duckdb_folder(&table.location))),
    )
}

fn duckdb_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Text => "VARCHAR",
        ColumnType::Bytes => "BLOB",
        ColumnType::Int16 => "SMALLINT",
        ColumnType::Int32 => "INTEGER",
        ColumnType::Int64 => "BIGINT",
        ColumnType::Timestamp => "TIMESTAMPTZ",
    }
}

/// Names of columns need no quotes anywhere: that is a promise of the schema.
fn hive_column(column: &Column) -> String {
    format!("  {} {} COMMENT {}", column.name, hive_type(column), hive_text(&comment(column)))
}

fn name(table: &Table, quote: char) -> String {
    format!("{}.{}", quoted(&table.database, quote), quoted(&table.name, quote))
}

/// A name, in quotes where some engine needs them. There is none in a name that was checked.
fn quoted(name: &str, quote: char) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase()) && !is_reserved(name);
    if plain { name.to_owned() } else { format!("{quote}{name}{quote}") }
}

/// A literal of Hive's and Spark's.
fn hive_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A folder as part of a pattern of DuckDB's: itself, whatever its name is.
fn duckdb_folder(folder: &str) -> String {
    let mut text = String::with_capacity(folder.len());
    for each in folder.chars() {
        match each {
            '*' | '?' | '[' => text.extend(['[', each, ']']),
            _ => text.push(each),
        }
    }
    text
}

/// A literal of DuckDB's.
fn duckdb_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
