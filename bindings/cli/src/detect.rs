//! `nasalogs detect`: which format a log is in, and what that makes of its first line.

use std::path::PathBuf;

use nasalogs::arrow::array::{Array, AsArray, RecordBatch};
use nasalogs::arrow::datatypes::TimestampMillisecondType;
use nasalogs::arrow::util::display::{ArrayFormatter, FormatOptions};
use nasalogs::field::text::{escape_control, escape_invalid};
use nasalogs::source::Source;
use nasalogs::{Decoder, Detection, Error, ErrorKind, LogFormat, ParseOptions, Result};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::interrupt::Stop;
use crate::object::{Access, expand};
use crate::output;
use crate::schema::type_name;

/// Say which format logs are in, how sure that is, which columns it gives, and what the first line becomes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or patterns, also s3://BUCKET/KEY; - is standard input
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// As JSON, an object a line for each input
    #[arg(long)]
    json: bool,
    /// How S3 is reached
    #[command(flatten)]
    access: Access,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    for (index, source) in expand(&args.inputs, &args.access)?.into_iter().enumerate() {
        stop.check()?;
        let found = Found::look(source)?;
        let separator = if index > 0 && !args.json { "\n" } else { "" };
        output::print(&format!("{separator}{}", if args.json { found.as_json() } else { found.as_text() }))?;
    }
    Ok(Exit::Clean)
}

/// What was found in one input.
struct Found {
    name: String,
    codec: &'static str,
    detection: Detection,
    /// The first line that is not blank.
    first: Vec<u8>,
    /// Its values in the order of the columns, as text; `None` for null. Or the reason why it is no row.
    values: std::result::Result<Vec<Option<String>>, String>,
}

impl Found {
    fn look(source: Source) -> Result<Self> {
        let name = source.name().map_or_else(|| "standard input".to_owned(), |name| name.to_string());
        let mut input = source.open()?;
        let sample = input.read_sample()?;
        let mut lines = sample.split(|&byte| byte == b'\n');
        let first = lines.find(|line| !line.trim_ascii().is_empty());
        let Some(first) = first.map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec()) else {
            return Err(Error::new(ErrorKind::NoRows, "holds no line, so it could be in any format")
                .with_file(name)
                .with_hint("convert makes an empty table of it"));
        };
        let detection = LogFormat::detect(&sample).map_err(|error| error.with_file(name.clone()))?;
        let values = parse(&detection.format, &first)?;
        Ok(Self { name, codec: input.codec().as_str(), detection, first, values })
    }

    fn as_json(&self) -> String {
        let columns: Vec<Value> = self
            .detection
            .format
            .columns()
            .enumerate()
            .map(|(index, column)| {
                let first = self.values.as_ref().ok().map(|values| &values[index]);
                json!({
                    "name": column.name,
                    "type": type_name(column.column_type),
                    "nullable": column.nullable,
                    "doc": column.doc,
                    "first": first,
                })
            })
            .collect();
        let report = json!({
            "file": self.name,
            "compression": self.codec,
            "format": self.detection.format.name(),
            "pattern": self.detection.format.pattern(),
            "confidence": self.detection.confidence,
            "lines": self.detection.lines,
            "fits": self.detection.fits,
            "first_line": escape_invalid(&self.first),
            "rejected": self.values.as_ref().err(),
            "columns": columns,
        });
        format!("{report}\n")
    }

    fn as_text(&self) -> String {
        let format = &self.detection.format;
        let mut text = format!(
            "{}{}: {}\n  {}\n\n  {}\n\n",
            escape_control(self.name.as_bytes()),
            if self.codec == "plain" { String::new() } else { format!(" ({})", self.codec) },
            self.detection,
            format.pattern(),
            escape_control(&self.first),
        );
        let values: Vec<String> = match &self.values {
            Ok(values) => values
                .iter()
                .map(|value| value.as_ref().map_or_else(|| "null".to_owned(), |text| shown(text)))
                .collect(),
            Err(reason) => {
                text.push_str(&format!("  The first line is no row: {reason}\n\n"));
                format.columns().map(|_| String::new()).collect()
            }
        };
        let name_width = format.columns().map(|column| column.name.len()).max().unwrap_or(0);
        let value_width = values.iter().map(|value| value.chars().count()).max().unwrap_or(0);
        for (column, value) in format.columns().zip(&values) {
            text.push_str(&format!(
                "  {:name_width$}  {:17}  {value:value_width$}  {}\n",
                column.name,
                type_name(column.column_type),
                column.doc,
            ));
        }
        text
    }
}

/// A value in a table: harmless, and not too wide; the whole line stands above.
fn shown(value: &str) -> String {
    const WIDTH: usize = 40;
    let text = escape_control(value.as_bytes());
    if text.chars().count() <= WIDTH { text } else { text.chars().take(WIDTH - 1).chain(['…']).collect() }
}

/// The values of one line, or why it has none.
fn parse(format: &LogFormat, line: &[u8]) -> Result<std::result::Result<Vec<Option<String>>, String>> {
    let mut decoder = Decoder::new(ParseOptions::new().with_format(format.clone()))?;
    let mut rest = line;
    while !rest.is_empty() {
        rest = &rest[decoder.push(rest)?..];
    }
    decoder.push(b"\n")?;
    decoder.finish()?;
    match decoder.next_batch() {
        Some(batch) => Ok(Ok(row(&batch)?)),
        None => {
            Ok(Err(decoder.take_rejects().first().map_or("", |reject| reject.reason.describe()).to_owned()))
        }
    }
}

/// The first row of a batch, as text.
fn row(batch: &RecordBatch) -> Result<Vec<Option<String>>> {
    let options = FormatOptions::new();
    let text =
        |column: &dyn Array| Ok::<_, Error>(ArrayFormatter::try_new(column, &options)?.value(0).to_string());
    batch
        .columns()
        .iter()
        .map(|column| {
            if column.is_null(0) {
                return Ok(None);
            }
            match column.as_primitive_opt::<TimestampMillisecondType>() {
                // Arrow knows the name UTC only with a data base of time zones.
                Some(times) => Ok(Some(text(&times.clone().with_timezone_opt(None::<&str>))? + "Z")),
                None => text(column).map(Some),
            }
        })
        .collect()
}
