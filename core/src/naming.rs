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
use crate::format::{FieldKind, push_time};
use crate::options::{ParseOptions, named};

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
        for (from, to) in &self.renames {
            let Some((field, _)) = columns.iter_mut().find(|(field, _)| field.name() == from) else {
                let names: Vec<&str> = columns.iter().map(|(field, _)| field.name().as_str()).collect();
                return Err(Error::new(ErrorKind::Options, format!("there is no column {from:?} to rename"))
                    .with_hint(format!("there are {}", names.join(", "))));
            };
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
mod tests {
    use arrow::array::StringArray;

    use super::*;
    use crate::options::{Encoding, Extras, StringType};
    use crate::source::Source;
    use crate::{LogFormat, ReaderBuilder};

    fn read(naming: &Naming, options: ParseOptions, log: &str) -> Result<RecordBatch> {
        let mut reader = ReaderBuilder::new()
            .with_options(naming.options(options)?)
            .open_sources(vec![Source::memory(log.as_bytes().to_vec())])?;
        let named = naming.bind(&arrow::array::RecordBatchReader::schema(&reader))?;
        let batch = named.apply(&reader.next_batch()?.expect("rows"))?;
        assert_eq!(batch.schema(), named.schema());
        Ok(batch)
    }

    fn line(time: &str, request: &str, rest: &str) -> String {
        format!("h - - [{time}] \"{request}\" {rest}\n")
    }

    fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
        let column = batch.column_by_name(name).unwrap();
        let text = arrow::compute::cast(column, &DataType::Utf8).unwrap();
        text.as_any()
            .downcast_ref::<StringArray>()
            .unwrap()
            .iter()
            .map(|value| value.map(str::to_owned))
            .collect()
    }

    #[test]
    fn times_are_as_they_were_logged() {
        let times = [
            "01/Jul/1995:00:00:01 -0400",
            "01/Jul/1995:00:00:01 -0400",
            "30/Jun/1995:23:59:60 -0400",
            "01/Jul/1995:00:00:00 -0400",
            "01/Jul/1995:00:00:00 +0000",
            "01/Jul/1995:00:00:00 -0000",
            "30/Jun/1995:23:59:60 -0000",
            "30/Jun/1995:23:59:60 +0000",
            "01/Jul/1995:07:08:09 +0000",
            "01/Jul/1995:07:08:09 -0000",
            "31/Dec/9999:23:59:59 +0545",
        ];
        let log: String = times.iter().map(|time| line(time, "GET / HTTP/1.0", "200 1")).collect();
        for strings in [StringType::View, StringType::Utf8, StringType::Compact] {
            let options = ParseOptions::new().with_strings(strings);
            let batch = read(&Naming::new(Names::Classic), options, &log).unwrap();
            let given = texts(&batch, "timestamp");
            assert_eq!(given.iter().flatten().collect::<Vec<_>>(), times);
        }
    }

    #[test]
    fn targets_are_whole_and_sizes_are_numbers() {
        let log = [
            ("GET /a?b?c HTTP/1.0", "200 7"),
            ("GET /a? HTTP/1.0", "404 -"),
            ("GET /a", "304 0"),
            ("-", "- -"),
        ]
        .map(|(request, rest)| line("01/Jul/1995:00:00:01 -0400", request, rest))
        .concat();
        for (strings, encoding) in [
            (StringType::View, Encoding::Escape),
            (StringType::Utf8, Encoding::Latin1),
            (StringType::Compact, Encoding::Binary),
            (StringType::Utf8, Encoding::Binary),
        ] {
            let options = ParseOptions::new().with_strings(strings).with_encoding(encoding);
            let batch = read(&Naming::new(Names::Classic), options, &log).unwrap();
            let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(names, Names::CLASSIC);
            let url: Vec<_> = texts(&batch, "url");
            assert_eq!(
                url,
                [Some("/a?b?c"), Some("/a?"), Some("/a"), None].map(|url| url.map(str::to_owned))
            );
            assert_eq!(batch["bytes"].as_primitive::<Int64Type>().values(), &[7, 0, 0, 0]);
            assert_eq!(texts(&batch, "protocol")[2], None);
            assert!(batch["status_code"].is_null(3) && !batch["status_code"].is_null(0));
        }
    }

    #[test]
    fn columns_are_chosen_by_the_names_they_have_before_they_are_renamed() {
        let log = line("01/Jul/1995:00:00:01 -0400", "GET /a?b HTTP/1.0", "200 7");
        let naming =
            Naming::new(Names::Classic).with_columns(["url", "ip", "line"]).with_rename("ip", "client");
        let extras = Extras { byte_offset: true, ..Extras::default() };
        let batch = read(&naming, ParseOptions::new().with_extras(extras), &log).unwrap();
        let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["url", "client", "line", "byte_offset"]);

        let naming = Naming::default().with_columns(["host", "status"]).with_rename("host", "client");
        let batch = read(&naming, ParseOptions::new(), &log).unwrap();
        assert_eq!(texts(&batch, "client"), [Some("h".to_owned())]);
        assert_eq!(batch.num_columns(), 2);
        assert!(!naming.is_plain() && Naming::default().is_plain());
    }

    #[test]
    fn what_cannot_be_named_so_is_refused() {
        let log = line("01/Jul/1995:00:00:01 -0400", "GET /a?b HTTP/1.0", "200 7");
        let error = |naming: Naming, options: ParseOptions| {
            let error = read(&naming, options, &log).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Options);
            error.to_string()
        };
        let plain = Naming::default;
        let text = error(plain().with_rename("nothing", "x"), ParseOptions::new());
        assert!(text.contains("no column \"nothing\" to rename; there are host, ident"), "{text}");
        let text = error(plain().with_rename("host", "ident"), ParseOptions::new());
        assert!(text.contains("two columns would be called \"ident\""), "{text}");
        let text = error(Naming::new(Names::Classic).with_columns(["host"]), ParseOptions::new());
        assert!(text.contains("no classic column \"host\"; expected some of ip, timestamp"), "{text}");
        let format: LogFormat =
            "%h %l %u [%{%s}t] \"%r\" %s %b".parse().unwrap_or_else(|_| LogFormat::common());
        if format.columns().all(|column| column.name != "status") {
            error(Naming::new(Names::Classic), ParseOptions::new().with_format(format));
        }
    }
}
