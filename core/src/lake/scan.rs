//! The rows of Parquet files, as rows of logs are.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewBuilder, new_null_array,
};
use arrow::compute::{CastOptions, cast, cast_with_options, max};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::util::display::FormatOptions;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::days::bounds;
use super::{BATCH, damaged, guarded, open};
use crate::error::{Error, ErrorKind, Result};
use crate::field::text::escape_invalid;
use crate::options::{Encoding, StringType};
use crate::schema::{self, Column, ColumnType, with_strings};
use crate::source::expand_all;

/// The columns that rows of logs have, as far as a scan knows them.
const COLUMNS: [Column; 16] = [
    schema::VHOST,
    schema::VHOST_PORT,
    schema::HOST,
    schema::IDENT,
    schema::AUTHUSER,
    schema::TS,
    schema::TZ_OFFSET,
    schema::METHOD,
    schema::PATH,
    schema::QUERY,
    schema::PROTOCOL,
    schema::STATUS,
    schema::BYTES,
    schema::REFERER,
    schema::USER_AGENT,
    schema::X_FORWARDED_FOR,
];

/// Names of columns by which a table of classic records is known.
const CLASSIC: [&str; 4] = ["ip", "timestamp", "url", "status_code"];

/// The Parquet files that some words of a command line name: files, patterns, and directories with files in them, at any
/// depth, as tables partitioned by day have it. Names that begin with `_` or `.` are passed over there. `None` where the
/// words name no Parquet, but logs, perhaps.
///
/// # Errors
/// [`ErrorKind::Io`] when a word names nothing, or a directory without a Parquet file; [`ErrorKind::Options`] when some
/// files are Parquet and others are not.
pub fn find<P: AsRef<Path>>(words: impl IntoIterator<Item = P>) -> Result<Option<Vec<PathBuf>>> {
    let (mut parquet, mut other): (Vec<PathBuf>, Option<PathBuf>) = (Vec::new(), None);
    for word in words {
        let word = word.as_ref();
        if word.as_os_str() == "-" {
            other.get_or_insert_with(|| word.to_owned());
            continue;
        }
        for path in expand_all(word)? {
            if path.is_dir() {
                let before = parquet.len();
                walk(&path, &mut parquet)?;
                if parquet.len() == before {
                    return Err(without_files(&path));
                }
            } else if is_parquet(&path) {
                parquet.push(path);
            } else {
                other.get_or_insert(path);
            }
        }
    }
    match (parquet.first(), other) {
        (None, _) => Ok(None),
        (Some(_), None) => Ok(Some(parquet)),
        (Some(first), Some(other)) => {
            let other = if other.as_os_str() == "-" { "standard input".to_owned() } else { shown(&other) };
            Err(Error::new(
                ErrorKind::Options,
                format!("is Parquet, and {other} is not: one run reads one of the two"),
            )
            .with_file(shown(first))
            .with_hint("read them in two runs"))
        }
    }
}

fn shown(path: &Path) -> String {
    escape_invalid(path.as_os_str().as_encoded_bytes())
}

fn without_files(path: &Path) -> Error {
    let name = shown(path);
    let hint = format!("logs in it are passed as files: '{}/*'", name.trim_end_matches('/').escape_debug());
    Error::new(ErrorKind::Io, "is a directory without a Parquet file").with_file(name).with_hint(hint)
}

/// Whether a file begins as Parquet does. What is no file, such as a pipe, is not touched.
fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"PAR1"
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::io(shown(directory), error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        // Links to directories could lead round in circles.
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        if !name.starts_with(b"_") && !name.starts_with(b".") && (is_directory || name.ends_with(b".parquet"))
        {
            paths.push((entry.path(), is_directory));
        }
    }
    paths.sort();
    for (path, is_directory) in paths {
        if is_directory {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// A row group.
#[derive(Debug, Clone)]
struct Group {
    file: usize,
    index: usize,
    rows: u64,
    bytes: u64,
    /// The first and the last time, in milliseconds, where the file says so.
    times: Option<(i64, i64)>,
}

/// Parquet files to be read as rows of logs: text as views, times as milliseconds UTC, integers as this crate has them,
/// whatever the file's writer chose. A column that a file lacks is null in it; one that all lack is left out.
///
/// ```no_run
/// use nasalogs::lake::{Scan, find};
/// let files = find(["lake"])?.expect("Parquet");
/// let scan = Scan::open(files, &["ts", "status", "bytes"], &["ts"])?;
/// std::thread::scope(|scope| {
///     for part in scan.divide(2) {
///         scope.spawn(move || part.for_each(|batch| println!("{} rows", batch.unwrap().num_rows())));
///     }
/// });
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug)]
pub struct Scan {
    shared: Arc<Shared>,
    groups: Arc<Vec<Group>>,
    rows: u64,
}

#[derive(Debug)]
struct Shared {
    files: Vec<PathBuf>,
    schema: SchemaRef,
}

impl Scan {
    /// Looks at the files' footers. Of the columns in `wanted` those that any file has are read; those in `required`
    /// must be in each.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] or [`ErrorKind::Sink`] when a file cannot be read; [`ErrorKind::Format`] when one lacks a
    /// column that is required, or has one of a type that it cannot have.
    pub fn open(files: Vec<PathBuf>, wanted: &[&str], required: &[&str]) -> Result<Self> {
        let known = |name: &str| COLUMNS.into_iter().find(|column| column.name == name);
        let mut seen: Vec<(Column, usize)> =
            wanted.iter().filter_map(|name| Some((known(name)?, 0))).collect();
        let (mut groups, mut rows) = (Vec::new(), 0);
        for (file, path) in files.iter().enumerate() {
            let name = shown(path);
            let builder = open(&name, path)?;
            for required in required {
                if builder.schema().index_of(required).is_err() {
                    return Err(lacks(&name, builder.schema(), required));
                }
            }
            for (column, files) in &mut seen {
                if let Ok(field) = builder.schema().field_with_name(&column.name) {
                    is_readable(&name, field, column.column_type)?;
                    column.nullable |= field.is_nullable();
                    *files += 1;
                }
            }
            for (index, group) in builder.metadata().row_groups().iter().enumerate() {
                let count = u64::try_from(group.num_rows()).unwrap_or_default();
                rows += count;
                groups.push(Group {
                    file,
                    index,
                    rows: count,
                    bytes: u64::try_from(group.compressed_size()).unwrap_or_default(),
                    times: times(&builder, index),
                });
            }
        }
        let fields = seen.into_iter().filter(|(_, count)| *count > 0).map(|(column, count)| {
            let data_type = column.column_type.to_arrow(StringType::View, Encoding::Escape);
            Field::new(column.name.as_ref(), data_type, column.nullable || count < files.len())
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { shared: Arc::new(Shared { files, schema }), groups: Arc::new(groups), rows })
    }

    /// The columns of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.shared.schema)
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.shared.files
    }

    /// How many rows the files have, those that are passed over among them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes there are to read, of all columns.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.groups.iter().map(|group| group.bytes).sum()
    }

    /// Passes over the row groups in which no row is of this time, in milliseconds since 1970: from `since`, and before
    /// `until`. Of the others all rows are given.
    #[must_use]
    pub fn within(self, since: Option<i64>, until: Option<i64>) -> Self {
        let is_near = |group: &Group| {
            group.times.is_none_or(|(first, last)| {
                since.is_none_or(|since| last >= since) && until.is_none_or(|until| first < until)
            })
        };
        let groups = self.groups.iter().filter(|group| is_near(group)).cloned().collect();
        Self { groups: Arc::new(groups), ..self }
    }

    /// The time of the last row, in milliseconds since 1970; `None` where there is no row. The files mostly say so; else
    /// the times are read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn last(&self) -> Result<Option<i64>> {
        let with_rows = || self.groups.iter().filter(|group| group.rows > 0);
        if with_rows().all(|group| group.times.is_some()) {
            return Ok(with_rows().filter_map(|group| Some(group.times?.1)).max());
        }
        let mut last = None;
        for part in Self::open(self.shared.files.clone(), &["ts"], &["ts"])?.divide(1) {
            for batch in part {
                let batch = batch?;
                let times = batch.column(0).as_primitive_opt::<TimestampMillisecondType>();
                last = last.max(times.and_then(max));
            }
        }
        Ok(last)
    }

    /// Iterators over the batches, one for each of some threads, which share the row groups among them: whoever is done
    /// with one takes the next. Each call begins anew.
    #[must_use]
    pub fn divide(&self, parts: usize) -> Vec<Part> {
        let (next, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        (0..parts)
            .map(|_| Part {
                shared: Arc::clone(&self.shared),
                groups: Arc::clone(&self.groups),
                next: Arc::clone(&next),
                done: Arc::clone(&done),
                current: None,
                failed: false,
            })
            .collect()
    }
}

/// The times of a row group, in milliseconds; those that are written in finer units are rounded outwards.
fn times(builder: &ParquetRecordBatchReaderBuilder<File>, group: usize) -> Option<(i64, i64)> {
    let field = builder.schema().field_with_name(&schema::TS.name).ok()?;
    let per_milli = match field.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        _ => return None,
    };
    let columns = builder.parquet_schema().columns();
    let at = columns.iter().position(|column| column.path().string() == schema::TS.name)?;
    let (first, last) = bounds(builder.metadata().row_group(group), at)?;
    Some((first.div_euclid(per_milli), last.div_euclid(per_milli)))
}

fn lacks(name: &str, schema: &Schema, required: &str) -> Error {
    let error = Error::new(ErrorKind::Format, format!("has no column {required}")).with_file(name);
    if CLASSIC.iter().all(|classic| schema.index_of(classic).is_ok()) {
        return error.with_hint(
            "these are classic records (ip, timestamp, url, status_code …); convert the log without --names classic, \
             to ts, host, method, path, status and bytes",
        );
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    error.with_hint(format!(
        "a table of `nasalogs convert` has ts, host, method, path, status, bytes; this one has {}",
        names.join(", ")
    ))
}

/// Whether a column's type is one that can be read as ours.
fn is_readable(name: &str, field: &Field, wanted: ColumnType) -> Result<()> {
    let found = field.data_type();
    let fits = match wanted {
        ColumnType::Text | ColumnType::Bytes => is_text(found) || is_bytes(found),
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => found.is_integer(),
        ColumnType::Timestamp => matches!(found, DataType::Timestamp(..)),
    };
    if fits {
        return Ok(());
    }
    let expected = match wanted {
        ColumnType::Text | ColumnType::Bytes => "text",
        ColumnType::Int16 | ColumnType::Int32 | ColumnType::Int64 => "an integer",
        ColumnType::Timestamp => "a timestamp",
    };
    Err(Error::new(
        ErrorKind::Format,
        format!("the column {} has the type {found}, and is expected to be {expected}", field.name()),
    )
    .with_file(name)
    .with_hint("write the table with `nasalogs convert`, or with its names and types (`nasalogs schema`)"))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// One of the iterators over a [`Scan`].
pub struct Part {
    shared: Arc<Shared>,
    groups: Arc<Vec<Group>>,
    next: Arc<AtomicUsize>,
    done: Arc<AtomicU64>,
    /// What is being read, of which file, and how many bytes that was.
    current: Option<(ParquetRecordBatchReader, usize, u64)>,
    failed: bool,
}

impl Part {
    /// How many bytes all parts have read together.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let Some((reader, file, bytes)) = &mut self.current else {
                let at = self.next.fetch_add(1, Ordering::Relaxed);
                let Some(group) = self.groups.get(at) else { return Ok(None) };
                let path = &self.shared.files[group.file];
                let reader = self.begin(path, group.index)?;
                self.current = Some((reader, group.file, group.bytes));
                continue;
            };
            let name = || shown(&self.shared.files[*file]);
            let next = guarded(|| {
                reader
                    .next()
                    .transpose()
                    .map_err(|error| parquet::errors::ParquetError::External(Box::new(error)))
            });
            match next.map_err(|error| damaged(&name(), error))? {
                Some(batch) => return conform(&name(), &batch, &self.shared.schema).map(Some),
                None => {
                    self.done.fetch_add(*bytes, Ordering::Relaxed);
                    self.current = None;
                }
            }
        }
    }

    fn begin(&self, path: &Path, group: usize) -> Result<ParquetRecordBatchReader> {
        let name = shown(path);
        let builder = open(&name, path)?;
        // Views of text share a dictionary's values, and its pages.
        let options = ArrowReaderOptions::new().with_schema(with_strings(builder.schema(), StringType::View));
        let metadata = Arc::clone(builder.metadata());
        let views = guarded(|| ArrowReaderMetadata::try_new(metadata, options))
            .map_err(|error| damaged(&name, error))?;
        let file = File::open(path).map_err(|error| Error::io(name.as_str(), error))?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, views);
        if group >= builder.metadata().num_row_groups() {
            return Err(Error::new(ErrorKind::Io, "has changed while it was read").with_file(name));
        }
        let wanted = |(_, field): &(usize, &Arc<Field>)| self.shared.schema.index_of(field.name()).is_ok();
        let roots = builder.schema().fields().iter().enumerate().filter(wanted).map(|(index, _)| index);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.collect::<Vec<_>>());
        let builder = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(BATCH);
        guarded(|| builder.build()).map_err(|error| damaged(&name, error))
    }
}

impl Iterator for Part {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("files", &self.shared.files.len()).finish_non_exhaustive()
    }
}

/// A status of 70,000, or a time beyond our calendar, is no null.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// A batch of a file as one of ours.
fn conform(name: &str, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let Some(column) = batch.column_by_name(field.name()) else {
            columns.push(new_null_array(field.data_type(), batch.num_rows()));
            continue;
        };
        let refuse = |error: arrow::error::ArrowError| {
            let message =
                format!("the column {} cannot be read as {}: {error}", field.name(), field.data_type());
            Error::new(ErrorKind::Format, message).with_file(name).with_source(error)
        };
        columns.push(if column.data_type() == field.data_type() {
            Arc::clone(column)
        } else if is_bytes(column.data_type()) {
            text_of(column).map_err(refuse)?
        } else if let DataType::Timestamp(_, zone) = column.data_type() {
            // An instant is one in any zone, and a time without a zone is taken as UTC's.
            let millis = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            let times = cast_with_options(column, &millis, &STRICT).map_err(refuse)?;
            let times = times.as_primitive::<TimestampMillisecondType>().clone();
            Arc::new(times.with_timezone("UTC"))
        } else {
            cast_with_options(column, field.data_type(), &STRICT).map_err(refuse)?
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Bytes as text, those that are not UTF-8 escaped, as [`Encoding::Escape`] has it.
fn text_of(column: &ArrayRef) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    let bytes = cast(column, &DataType::BinaryView)?;
    if let Ok(text) = cast(&bytes, &DataType::Utf8View)
        && text.null_count() == bytes.null_count()
    {
        return Ok(text);
    }
    let mut texts = StringViewBuilder::with_capacity(bytes.len());
    for value in bytes.as_binary_view() {
        texts.append_option(value.map(escape_invalid));
    }
    Ok(Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests;
