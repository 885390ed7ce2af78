//! Columns under other names, for consumers that were there before.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BinaryViewBuilder, Int64Array, RecordBatch, RecordBatchOptions,
    StringBuilder, StringViewBuilder,
};
use arrow::datatypes::{DataType, Field, Int16Type, Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use memchr::memmem;

use crate::error::{Error, ErrorKind, Result};
use crate::field::time::CLF_LEN;
use crate::format::{FieldKind, LogFormat, push_time};
use crate::options::{ParseOptions, named};
use crate::schema::{Column, EXTRA};

/// Whose names and shapes columns have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Names {
    /// Those of [`schema`](crate::schema).
    #[default]
    Nasalogs,
    /// The records that scripts around a regular expression have made of Common Log Format lines since long: see
    /// [`Names::CLASSIC`].
    Classic,
}

named!(Names, "names of columns", { "nasalogs" => Nasalogs, "classic" => Classic });

impl Names {
    /// The columns of [`Names::Classic`], in their order: `ip` is the host; `timestamp` the time as it was logged, such as
    /// `01/Jul/1995:00:00:01 -0400`; `url` the whole target, path and query; `status_code` the status; `bytes` is 0 where
    /// `-` was logged. What a request lacks is null.
    pub const CLASSIC: [&'static str; 7] =
        ["ip", "timestamp", "method", "url", "protocol", "status_code", "bytes"];
}

/// The columns that each classic column is made from; each optional column is its own.
const SOURCES: [(&str, &[&str]); 11] = [
    ("ip", &["host"]),
    // The line tells what the instant does not: a second 60, and -0000.
    ("timestamp", &["ts", "tz_offset", "raw"]),
    ("method", &["method"]),
    ("url", &["path", "query"]),
    ("protocol", &["protocol"]),
    ("status_code", &["status"]),
    ("bytes", &["bytes"]),
    ("line", &["line"]),
    ("byte_offset", &["byte_offset"]),
    ("raw", &["raw"]),
    ("file", &["file"]),
];

/// What the classic columns hold.
const DOCS: [(&str, &str); Names::CLASSIC.len()] = [
    ("ip", "client: a name, IPv4 or IPv6 address, as logged"),
    ("timestamp", "time of the request as it was logged, as `01/Jul/1995:00:00:01 -0400`"),
    ("method", "request method; null when the request is `-`, empty or has none"),
    ("url", "request target, path and query; null when the request is `-` or empty"),
    ("protocol", "request protocol, as `HTTP/1.0`; null when none is logged"),
    ("status_code", "HTTP status; null when `-`"),
    ("bytes", "size of the response body in bytes; 0 when `-`"),
];

/// The optional columns, for references that outlive a call.
static EXTRAS: [Column; 4] = EXTRA;

/// Other names for columns: first [`Names`], then any that are renamed one by one.
///
/// ```
/// use nasalogs::{Names, Naming, ParseOptions, ReaderBuilder, source::Source};
/// let naming = Naming::new(Names::Classic).with_rename("ip", "client");
/// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET /a?b HTTP/1.0\" 200 -\n";
/// let mut reader = ReaderBuilder::new()
///     .with_options(naming.options(ParseOptions::new())?)
///     .open_sources(vec![Source::memory(log)])?;
/// let batch = reader.next_batch()?.unwrap();
/// let named = naming.bind(&batch.schema())?.apply(&batch)?;
/// assert_eq!(named.schema().field(0).name(), "client");
/// assert_eq!(named.schema().field(3).name(), "url");
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Naming {
    names: Names,
    renames: Vec<(String, String)>,
    /// The columns that were chosen, by the names before they are renamed.
    chosen: Option<Vec<String>>,
}

impl Naming {
    /// These names, none of them renamed.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    /// Renames one column.
    #[must_use]
    pub fn with_rename(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.renames.push((from.into(), to.into()));
        self
    }

    /// Chooses columns and their order, by their names before they are renamed.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.chosen = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Whether columns stay as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.names == Names::Nasalogs && self.renames.is_empty()
    }

    /// What a column of these names holds, where that is known: as its format has it, or as classic records have it.
    #[must_use]
    pub fn doc(&self, name: &str, format: Option<&LogFormat>) -> Option<String> {
        let before = self.renames.iter().find(|(_, to)| to == name).map_or(name, |(from, _)| from);
        if self.names == Names::Classic
            && let Some((_, doc)) = DOCS.into_iter().find(|(classic, _)| *classic == before)
        {
            return Some(doc.to_owned());
        }
        let mut known = format.into_iter().flat_map(LogFormat::columns).chain(&EXTRAS);
        known.find(|column| column.name == before).map(|column| column.doc.to_string())
    }

    /// What a column is called after it was renamed.
    #[must_use]
    pub fn name_of<'a>(&'a self, column: &'a str) -> &'a str {
        self.renames.iter().find(|(from, _)| from == column).map_or(column, |(_, to)| to)
    }

    /// Options under which the parser gives what these names are made from.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a classic column was chosen that does not exist.
    pub fn options(&self, options: ParseOptions) -> Result<ParseOptions> {
        let mut needed: Vec<String> = Vec::new();
        match (self.names, &self.chosen) {
            (Names::Nasalogs, None) => return Ok(options),
            (Names::Nasalogs, Some(chosen)) => needed.clone_from(chosen),
            (Names::Classic, _) => {
                for source in self.classic()?.into_iter().flat_map(|(_, sources)| sources) {
                    if !needed.iter().any(|have| have == source) {
                        needed.push((*source).to_owned());
                    }
                }
            }
        }
        Ok(options.with_columns(needed))
    }

    /// The classic columns that were chosen, and what they are made from.
    fn classic(&self) -> Result<Vec<(&'static str, &'static [&'static str])>> {
        let Some(chosen) = &self.chosen else {
            return Ok(SOURCES[..Names::CLASSIC.len()].to_vec());
        };
        let find = |name: &String| {
            SOURCES.into_iter().find(|(classic, _)| classic == name).ok_or_else(|| {
                Error::new(ErrorKind::Options, format!("there is no classic column {name:?}"))
                    .with_hint(format!("expected some of {}", Names::CLASSIC.join(", ")))
            })
        };
        chosen.iter().map(find).collect()
    }

    /// Works out how batches of a schema become batches under these names.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a column that is renamed does not exist, when two columns would have one name, or
    /// when the format lacks what a classic column is made from.
    pub fn bind(&self, schema: &SchemaRef) -> Result<Named> {
        let find = |name: &str| {
            schema.index_of(name).map_err(|_| {
                Error::new(
                    ErrorKind::Options,
                    format!("the format has no {name}, which classic records need"),
                )
                .with_hint("choose other columns, or leave the classic names away")
            })
        };
        let mut columns: Vec<(Field, Make)> = Vec::new();
        match self.names {
            Names::Nasalogs => {
                let keep = |(index, field): (usize, &Arc<Field>)| (field.as_ref().clone(), Make::Keep(index));
                columns.extend(schema.fields().iter().enumerate().map(keep));
            }
            Names::Classic => {
                let mut used: Vec<&str> = Vec::new();
                for (name, sources) in self.classic()? {
                    used.extend(sources);
                    let at = sources.iter().map(|source| find(source)).collect::<Result<Vec<usize>>>()?;
                    let field = schema.field(at[0]).clone().with_name(name);
                    columns.push(match (name, &at[..]) {
                        ("timestamp", &[ts, tz_offset, raw]) => {
                            let text = schema.field(raw).data_type() == &DataType::BinaryView;
                            let text = if text { DataType::Utf8View } else { DataType::Utf8 };
                            (field.with_data_type(text), Make::Time { ts, tz_offset, raw })
                        }
                        ("url", &[path, query]) => (field, Make::Url { path, query }),
                        ("bytes", &[bytes]) => (field.with_nullable(false), Make::Bytes(bytes)),
                        _ => (field, Make::Keep(at[0])),
                    });
                }
                // What was asked for besides, as the number of the line, comes after them.
                for (index, field) in schema.fields().iter().enumerate() {
                    if !used.contains(&field.name().as_str()) {
                        columns.push((field.as_ref().clone(), Make::Keep(index)));
                    }
                }
            }
        }
        for (number, (from, _)) in self.renames.iter().enumerate() {
            if !columns.iter().any(|(field, _)| field.name() == from) {
                let names: Vec<&str> = columns.iter().map(|(field, _)| field.name().as_str()).collect();
                return Err(Error::new(ErrorKind::Options, format!("there is no column {from:?} to rename"))
                    .with_hint(format!("there are {}", names.join(", "))));
            }
            if self.renames[..number].iter().any(|(other, _)| other == from) {
                return Err(Error::new(ErrorKind::Options, format!("the column {from:?} is renamed twice"))
                    .with_hint("name it once"));
            }
        }
        // All at once: two columns can change their names with each other.
        for (field, _) in &mut columns {
            let to = self.name_of(field.name()).to_owned();
            *field = field.clone().with_name(to);
        }
        let (fields, makes): (Vec<Field>, Vec<Make>) = columns.into_iter().unzip();
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|other| other.name() == field.name()) {
                let message = format!("two columns would be called {:?}", field.name());
                return Err(Error::new(ErrorKind::Options, message).with_hint("choose another name"));
            }
        }
        Ok(Named { schema: Arc::new(Schema::new(fields)), makes })
    }
}

/// How a column comes about.
#[derive(Debug, Clone)]
enum Make {
    Keep(usize),
    Time { ts: usize, tz_offset: usize, raw: usize },
    Url { path: usize, query: usize },
    Bytes(usize),
}

/// A [`Naming`] for batches of one schema.
#[derive(Debug, Clone)]
pub struct Named {
    schema: SchemaRef,
    makes: Vec<Make>,
}

impl Named {
    /// The schema under the new names.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// A batch under the new names. Columns that only change their name are not copied.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`] when the batch is of another schema than the one that was bound.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column = |index: usize| {
            batch.columns().get(index).ok_or_else(|| {
                Error::new(ErrorKind::Sink, "a batch has fewer columns than its schema was said to have")
            })
        };
        let make = |make: &Make| -> Result<ArrayRef> {
            Ok(match *make {
                Make::Keep(index) => Arc::clone(column(index)?),
                Make::Time { ts, tz_offset, raw } => {
                    logged_times(column(ts)?, column(tz_offset)?, column(raw)?)?
                }
                Make::Url { path, query } => targets(column(path)?, column(query)?)?,
                Make::Bytes(index) => {
                    let bytes = column(index)?.as_primitive_opt::<Int64Type>().ok_or_else(other_types)?;
                    Arc::new(bytes.iter().map(|value| value.unwrap_or(0)).collect::<Int64Array>())
                }
            })
        };
        let columns = self.makes.iter().map(make).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema(), columns, &options)?)
    }
}

fn other_types() -> Error {
    Error::new(ErrorKind::Sink, "a batch has other types than its schema was said to have")
}

/// The times as they were logged.
fn logged_times(ts: &ArrayRef, tz_offset: &ArrayRef, raw: &ArrayRef) -> Result<ArrayRef> {
    let ts = ts.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(other_types)?;
    let tz_offset = tz_offset.as_primitive_opt::<Int16Type>().ok_or_else(other_types)?;
    let mut times = LoggedTimes::default();
    let mut time = |row: usize, line: &[u8]| times.find(ts.value(row), tz_offset.value(row), line).to_owned();
    let rows = 0..ts.len();
    Ok(match raw.data_type() {
        DataType::Binary => {
            let lines = raw.as_binary::<i32>();
            let mut texts = StringBuilder::with_capacity(rows.len(), rows.len() * CLF_LEN);
            rows.for_each(|row| texts.append_value(time(row, lines.value(row))));
            Arc::new(texts.finish())
        }
        DataType::BinaryView => {
            let lines = raw.as_binary_view();
            let mut texts = StringViewBuilder::with_capacity(rows.len());
            rows.for_each(|row| texts.append_value(time(row, lines.value(row))));
            Arc::new(texts.finish())
        }
        _ => return Err(other_types()),
    })
}

/// Instants as Common Log Format text. Neighbouring lines share their second mostly: it is written once.
#[derive(Default)]
struct LoggedTimes {
    last: Option<(i64, i16)>,
    text: String,
}

impl LoggedTimes {
    /// How a line has written an instant: a second 60 is the next minute, and -0000 is +0000, so these are looked for.
    fn find(&mut self, ms: i64, zone: i16, line: &[u8]) -> &str {
        if self.last != Some((ms, zone)) {
            self.text = usual(ms, zone);
            self.last = Some((ms, zone));
        }
        let is_odd = ms.rem_euclid(60_000) < 1000 || zone == 0;
        if is_odd && memmem::find(line, self.text.as_bytes()).is_none() {
            let way =
                other_ways(ms, zone).into_iter().find(|way| memmem::find(line, way.as_bytes()).is_some());
            if let Some(way) = way {
                (self.text, self.last) = (way, None);
            }
        }
        &self.text
    }
}

fn usual(ms: i64, zone: i16) -> String {
    let mut text = Vec::with_capacity(CLF_LEN);
    push_time(FieldKind::ClfTime, Some(ms), zone.into(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The other texts that mean an instant.
fn other_ways(ms: i64, zone: i16) -> Vec<String> {
    let mut ways = vec![usual(ms, zone)];
    if ms.rem_euclid(60_000) < 1000 {
        ways.push(usual(ms - 1000, zone).replacen(":59 ", ":60 ", 1));
    }
    if zone == 0 {
        let west: Vec<String> = ways.iter().map(|way| way.replacen('+', "-", 1)).collect();
        ways.extend(west);
    }
    ways
}

/// Path and query together again.
fn targets(path: &ArrayRef, query: &ArrayRef) -> Result<ArrayRef> {
    /// The layouts of text and of bytes differ in nothing but names.
    macro_rules! join {
        ($as:ident $(::<$size:ty>)?, $builder:ty, $mark:expr) => {{
            let (paths, queries) = (path.$as$(::<$size>)?(), query.$as$(::<$size>)?());
            let mut targets = <$builder>::new();
            for (path, query) in paths.iter().zip(queries.iter()) {
                match (path, query) {
                    (None, _) => targets.append_null(),
                    (Some(path), None) => targets.append_value(path),
                    (Some(path), Some(query)) => {
                        targets.append_value([path, $mark, query].concat());
                    }
                }
            }
            Arc::new(targets.finish())
        }};
    }
    if path.data_type() != query.data_type() {
        return Err(other_types());
    }
    Ok(match path.data_type() {
        DataType::Utf8 => join!(as_string::<i32>, StringBuilder, "?"),
        DataType::Utf8View => join!(as_string_view, StringViewBuilder, "?"),
        DataType::Binary => join!(as_binary::<i32>, BinaryBuilder, &b"?"[..]),
        DataType::BinaryView => join!(as_binary_view, BinaryViewBuilder, &b"?"[..]),
        _ => return Err(other_types()),
    })
}

#[cfg(test)]
mod tests;
