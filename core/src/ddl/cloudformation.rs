//! A template of CloudFormation, in YAML, with a line for each column, so that people can read it and paste it.

use std::fmt::Write as _;

use super::check::{has_reference, only_reference};
use super::glue::{INPUT_FORMAT, OUTPUT_FORMAT, SERDE};
use super::{DT, Table, comment, hive_type};
use crate::schema::Column;

pub(super) fn template(table: &Table) -> String {
    // Where references are filled in, what is to stay gets an exclamation mark.
    let day = if has_reference(&table.location) { "${!dt}" } else { DAY };
    let mut parameters = String::new();
    for (key, value) in table.properties(day) {
        let value = if value.contains(DAY) { quoted(&value) } else { scalar(&value) };
        _ = writeln!(parameters, "          {key}: {value}");
    }
    let keys = match table.partitioned {
        true => format!("        PartitionKeys:\n          {}\n", entry(&DT)),
        false => String::new(),
    };
    let columns: String =
        table.columns.iter().map(|column| format!("            {}\n", entry(column))).collect();
    format!(
        r#"AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Database:
    Type: AWS::Glue::Database
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseInput:
        Name: {database}
  Table:
    Type: AWS::Glue::Table
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseName: !Ref Database
      TableInput:
        Name: {name}
        Description: {description}
        TableType: EXTERNAL_TABLE
        Parameters:
          EXTERNAL: "TRUE"
{parameters}{keys}        StorageDescriptor:
          Columns:
{columns}          Location: {location}
          InputFormat: {INPUT_FORMAT}
          OutputFormat: {OUTPUT_FORMAT}
          SerdeInfo:
            SerializationLibrary: {SERDE}
            Parameters:
              serialization.format: "1"
"#,
        database = scalar(&table.database),
        name = scalar(&table.name),
        description = quoted(&table.description()),
        location = scalar(&table.location),
    )
}

fn entry(column: &Column) -> String {
    format!(
        "- {{ Name: {}, Type: {}, Comment: {} }}",
        quoted(&column.name),
        hive_type(column),
        quoted(&comment(column))
    )
}

/// What Athena fills in, and nobody else.
const DAY: &str = "${dt}";

/// A text, or what refers to other resources and parameters.
fn scalar(text: &str) -> String {
    match only_reference(text) {
        Some(name) => format!("!Ref {name}"),
        None if has_reference(text) => format!("!Sub {}", quoted(text)),
        None => quoted(text),
    }
}

/// In double quotes YAML is JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
