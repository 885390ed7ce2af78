//! `nasalogs schema`: the columns of a format.

use nasalogs::field::text::escape_control;
use nasalogs::schema::{Column, ColumnType, EXTRA};
use nasalogs::{LogFormat, Result};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output;

/// Show the columns that a format gives: name, type, whether they can be null, and what they hold.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// common, combined, vhost_common, vhost_combined, nginx_main, an Apache LogFormat or an nginx log_format string
    #[arg(long, value_name = "F", default_value = "common")]
    format: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Exit> {
    let format: LogFormat = args.format.parse()?;
    let text = if args.json { format!("{:#}\n", as_json(&format)) } else { as_text(&format) };
    output::print(&text)?;
    Ok(Exit::Clean)
}

/// The columns of a format, for programs.
pub fn as_json(format: &LogFormat) -> Value {
    let rows = |columns: &mut dyn Iterator<Item = &Column>| -> Vec<Value> {
        columns
            .map(|column| {
                json!({
                    "name": column.name,
                    "type": type_name(column.column_type),
                    "nullable": column.nullable,
                    "doc": column.doc,
                })
            })
            .collect()
    };
    json!({
        "format": format.name(),
        "pattern": format.pattern(),
        "columns": rows(&mut format.columns()),
        "optional": rows(&mut EXTRA.iter()),
    })
}

fn as_text(format: &LogFormat) -> String {
    let width = format.columns().chain(&EXTRA).map(|column| column.name.len()).max().unwrap_or(0);
    let row = |column: &Column| {
        let null = if column.nullable { "null" } else { "" };
        format!("{:width$}  {:17}  {null:4}  {}\n", column.name, type_name(column.column_type), column.doc)
    };
    let columns: String = format.columns().map(row).collect();
    let optional: String = EXTRA.iter().map(row).collect();
    format!(
        "{}: {}\n\n{columns}\nwith --with:\n{optional}",
        format.name(),
        escape_control(format.pattern().as_bytes())
    )
}

/// A column's type, in words that all engines understand.
pub fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Text => "string",
        ColumnType::Bytes => "binary",
        ColumnType::Int16 => "int16",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Timestamp => "timestamp(ms,UTC)",
    }
}
