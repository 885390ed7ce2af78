//! What is in a Parquet file that some engine cannot read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{Compression, ConvertedType, Encoding, LogicalType, TimeUnit, Type};
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::{batches, days, guarded, is_sane, open, text};
use crate::error::{Error, Result};
use crate::schema::ColumnType;
use crate::sink::parquet::is_written;

/// What can be wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Ailment {
    /// It has no bytes.
    Empty,
    /// It is something else.
    NotParquet,
    /// It begins as Parquet, and does not end so.
    Truncated,
    /// Its footer or a page cannot be read.
    Damaged,
    /// Integers without a sign.
    Unsigned,
    /// Times in nanoseconds.
    Nanoseconds,
    /// Times that do not say of which zone they are.
    LocalTime,
    /// Times of 96 bits.
    Int96,
    /// Floating-point numbers of 16 bits.
    Float16,
    /// A page that is encoded as old readers do not know it: `DELTA_*`, `BYTE_STREAM_SPLIT`.
    Encoding,
    /// A page of version 2.
    PageV2,
    /// A codec that not all have: Brotli, LZ4, LZO.
    Codec,
    /// A type that tables of ours do not have, so that files with it are not merged. Who sees all files of a table finds
    /// more: a type that the column has not in the others.
    Type,
    /// Two columns of one name.
    SameName,
    /// A name with upper-case letters, which engines fold or do not find.
    NameCase,
    /// Rows of another day than the one in the path.
    WrongDay,
}

impl Ailment {
    /// The name, for programs: `page_v2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotParquet => "not_parquet",
            Self::Truncated => "truncated",
            Self::Damaged => "damaged",
            Self::Unsigned => "unsigned",
            Self::Nanoseconds => "nanoseconds",
            Self::LocalTime => "local_time",
            Self::Int96 => "int96",
            Self::Float16 => "float16",
            Self::Encoding => "encoding",
            Self::PageV2 => "page_v2",
            Self::Codec => "codec",
            Self::Type => "type",
            Self::SameName => "same_name",
            Self::NameCase => "name_case",
            Self::WrongDay => "wrong_day",
        }
    }

    /// Whether it is about a column's type by itself.
    #[must_use]
    pub fn is_of_type(self) -> bool {
        matches!(
            self,
            Self::Unsigned | Self::Nanoseconds | Self::LocalTime | Self::Int96 | Self::Float16 | Self::Type
        )
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub ailment: Ailment,
    /// In which column, where it is in one.
    pub column: Option<String>,
    /// The same for people: what there is, and who minds.
    pub message: String,
}

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileColumn {
    /// Its name, with those of the groups that it is in.
    pub name: String,
    /// Its type as engines tell types apart: see [`column_type`].
    pub data_type: String,
}

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Its rows.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<FileColumn>,
    /// What is wrong: once for a column, or, of codecs and versions, once.
    pub problems: Vec<Problem>,
}

/// Looks into a file: its footer, the header of each page, and, where the day is given that its path names
/// (`1995-07-01`), whether its rows are of that day, in UTC or as logged. Every value is read, so that damage is seen.
///
/// ```
/// use nasalogs::lake::{Ailment, inspect};
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("a.parquet");
/// std::fs::write(&path, "no table").unwrap();
/// let found = inspect(&path, Some("1995-07-01"))?;
/// assert_eq!(found.problems[0].ailment, Ailment::NotParquet);
/// # Ok::<(), nasalogs::Error>(())
/// ```
///
/// # Errors
/// When the file cannot be read at all. What is wrong with its content is no error.
pub fn inspect(path: &Path, day: Option<&str>) -> Result<Inspection> {
    let failed = |error| Error::io(path.to_string_lossy(), error);
    let file = File::open(path).map_err(failed)?;
    let mut found = Found::default();
    if let Some((ailment, message)) = frame(&file).map_err(failed)? {
        found.add(ailment, None, message);
        return Ok(found.0);
    }
    let opened = guarded(|| {
        let reader = SerializedFileReader::new(file.try_clone()?)?;
        is_sane(reader.metadata(), &file)?;
        Ok(reader)
    });
    match opened {
        Ok(reader) => look(&reader, path, day, &mut found),
        Err(error) => {
            found.add(Ailment::Damaged, None, format!("its footer cannot be read: {}", text(&error)))
        }
    }
    Ok(found.0)
}

/// A column's type, as engines and a [`Merge`](super::Merge) tell types apart: `STRING`, `BINARY`, `INT16`, `INT32`,
/// `INT64`, `UINT32`, `TIMESTAMP` (of milliseconds, in UTC) …
#[must_use]
pub fn column_type(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Text => "STRING",
        ColumnType::Bytes => "BINARY",
        ColumnType::Int16 => "INT16",
        ColumnType::Int32 => "INT32",
        ColumnType::Int64 => "INT64",
        ColumnType::Timestamp => "TIMESTAMP",
    }
}

#[derive(Default)]
struct Found(Inspection);

impl Found {
    fn add(&mut self, ailment: Ailment, column: Option<&str>, message: String) {
        let same = |problem: &Problem| problem.ailment == ailment && problem.column.as_deref() == column;
        if !self.0.problems.iter().any(same) {
            self.0.problems.push(Problem { ailment, column: column.map(ToOwned::to_owned), message });
        }
    }
}

/// What its first and last bytes say.
fn frame(mut file: &File) -> std::io::Result<Option<(Ailment, String)>> {
    const MAGIC: &[u8; 4] = b"PAR1";
    // So begin and end files whose footer is encrypted.
    const ENCRYPTED: &[u8; 4] = b"PARE";
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Some((
            Ailment::Empty,
            "has no bytes: no Parquet file, and engines fail on it".to_owned(),
        )));
    }
    let mut ends = [[0; 4]; 2];
    if length >= 4 {
        file.read_exact(&mut ends[0])?;
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut ends[1])?;
        file.rewind()?;
    }
    if ends[1] == *ENCRYPTED && matches!(&ends[0], MAGIC | ENCRYPTED) {
        return Ok(Some((
            Ailment::NotParquet,
            "its footer is encrypted: Athena and Power BI have no key for it".to_owned(),
        )));
    }
    Ok(match (matches!(&ends[0], MAGIC | ENCRYPTED), &ends[1] == MAGIC) {
        (true, true) if length >= 12 => None,
        (true, _) => Some((Ailment::Truncated, "is cut off: it does not end as Parquet does".to_owned())),
        (false, _) => {
            Some((Ailment::NotParquet, "is no Parquet file, and engines read all that is here".to_owned()))
        }
    })
}

fn look(reader: &SerializedFileReader<File>, path: &Path, day: Option<&str>, found: &mut Found) {
    let metadata = reader.metadata();
    found.0.rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
    for column in metadata.file_metadata().schema_descr().columns() {
        let name = column.path().string();
        look_at_type(column, &name, found);
        if name.chars().any(char::is_uppercase) {
            let message =
                format!("column {name:?} has upper-case letters: Athena folds them, Power BI does not");
            found.add(Ailment::NameCase, Some(&name), message);
        }
        found.0.columns.push(FileColumn { data_type: type_of(column), name });
    }
    look_at_columns(metadata, found);
    for group in 0..metadata.num_row_groups() {
        for at in 0..metadata.row_group(group).num_columns() {
            look_at_pages(reader, metadata, group, at, found);
        }
    }
    let has = |found: &Found, ailments: &[Ailment]| {
        found.0.problems.iter().any(|problem| ailments.contains(&problem.ailment))
    };
    // A page that is whole can hold values that are not: who reads them finds out. What nobody here decompresses is said.
    if !has(found, &[Ailment::Damaged, Ailment::Codec]) {
        match values(path) {
            Ok(rows) if rows == found.0.rows => {}
            Ok(rows) => {
                let message = format!("has {rows} rows, and {} as its footer says", found.0.rows);
                found.add(Ailment::Damaged, None, message);
                found.0.rows = rows;
            }
            Err(error) => found.add(Ailment::Damaged, None, error.message().to_owned()),
        }
    }
    let is_damaged = has(found, &[Ailment::Damaged]);
    if let Some(day) = day
        && !is_damaged
        && let Some((rows, example)) = days::strangers(metadata, path, day)
    {
        let message = format!(
            "{rows} of its {} rows are not of {day}, but of {example}, say: who asks by dt misses them",
            found.0.rows
        );
        found.add(Ailment::WrongDay, None, message);
    }
}

/// Reads every value, and counts the rows.
fn values(path: &Path) -> Result<u64> {
    let name = path.to_string_lossy();
    let mut rows = 0;
    for batch in batches(&name, open(&name, path)?)? {
        rows += batch?.num_rows() as u64;
    }
    Ok(rows)
}

/// What a merge refuses of the columns by themselves, where that has not been said.
fn look_at_columns(metadata: &ParquetMetaData, found: &mut Found) {
    let schema = guarded(|| parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None));
    let fields = match &schema {
        Ok(schema) => schema.fields(),
        Err(error) => {
            return found.add(Ailment::Damaged, None, format!("its columns make no table: {}", text(error)));
        }
    };
    for (at, field) in fields.iter().enumerate() {
        let name = field.name();
        if fields[..at].iter().any(|other| other.name() == name) {
            let message = format!("has two columns {name:?}: engines take one of them, or fail");
            found.add(Ailment::SameName, Some(name), message);
        }
        let is_said = |problem: &Problem| {
            problem.ailment.is_of_type() && problem.column.as_deref() == Some(name.as_str())
        };
        if !is_written(field.data_type()) && !found.0.problems.iter().any(is_said) {
            let message = format!(
                "column {name:?} is {}, which tables here do not have: its partition is not merged",
                field.data_type()
            );
            found.add(Ailment::Type, Some(name), message);
        }
    }
}

fn look_at_type(column: &ColumnDescriptor, name: &str, found: &mut Found) {
    let unsigned = matches!(
        column.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    );
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) if !integer.is_signed => {}
        _ if unsigned => {}
        Some(LogicalType::Timestamp(time)) => {
            if time.unit == TimeUnit::NANOS {
                let message = format!(
                    "column {name:?} has times in nanoseconds: Athena and Spark fail or read numbers"
                );
                found.add(Ailment::Nanoseconds, Some(name), message);
            }
            if !time.is_adjusted_to_u_t_c {
                let message = format!(
                    "column {name:?} has times without a zone: engines read them as different instants"
                );
                found.add(Ailment::LocalTime, Some(name), message);
            }
            return;
        }
        Some(LogicalType::Float16) => {
            let message =
                format!("column {name:?} has numbers of 16 bits (FLOAT16): Athena, Spark and Power BI fail");
            found.add(Ailment::Float16, Some(name), message);
            return;
        }
        _ if column.physical_type() == Type::INT96 => {
            let message =
                format!("column {name:?} has times of 96 bits (INT96): deprecated, and without statistics");
            found.add(Ailment::Int96, Some(name), message);
            return;
        }
        _ => return,
    }
    let message =
        format!("column {name:?} has integers without a sign: Athena has no such type, nor has Hive");
    found.add(Ailment::Unsigned, Some(name), message);
}

fn look_at_pages(
    reader: &SerializedFileReader<File>,
    metadata: &ParquetMetaData,
    group: usize,
    at: usize,
    found: &mut Found,
) {
    let chunk = metadata.row_group(group).column(at);
    let name = chunk.column_path().string();
    match chunk.compression() {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_) => {}
        // What nobody here decompresses is known from the footer.
        other => {
            let codec = format!("{other:?}");
            let codec = codec.split('(').next().unwrap_or_default();
            found.add(Ailment::Codec, None, format!("is compressed by {codec}, which not all engines have"));
            chunk.encodings().for_each(|encoding| look_at_encoding(encoding, &name, found));
            return;
        }
    }
    if let Err(error) = guarded(|| walk(reader, group, at, chunk, &name, found)) {
        let message = format!("column {name:?} of row group {group} cannot be read: {}", text(&error));
        found.add(Ailment::Damaged, Some(&name), message);
    }
}

fn walk(
    reader: &SerializedFileReader<File>,
    group: usize,
    at: usize,
    chunk: &ColumnChunkMetaData,
    name: &str,
    found: &mut Found,
) -> std::result::Result<(), ParquetError> {
    let mut pages = reader.get_row_group(group)?.get_column_page_reader(at)?;
    let mut values = 0;
    while let Some(page) = pages.get_next_page()? {
        match page {
            Page::DictionaryPage { .. } => {}
            Page::DataPage { num_values, encoding, .. } => {
                values += i64::from(num_values);
                look_at_encoding(encoding, name, found);
            }
            Page::DataPageV2 { num_values, encoding, .. } => {
                values += i64::from(num_values);
                look_at_encoding(encoding, name, found);
                let message =
                    "has data pages of version 2, which Power BI's service and older engines fail on";
                found.add(Ailment::PageV2, None, message.to_owned());
            }
        }
    }
    if values != chunk.num_values() {
        return Err(ParquetError::General(format!("{values} values of {}", chunk.num_values())));
    }
    Ok(())
}

fn look_at_encoding(encoding: Encoding, name: &str, found: &mut Found) {
    if matches!(
        encoding,
        Encoding::DELTA_BINARY_PACKED
            | Encoding::DELTA_BYTE_ARRAY
            | Encoding::DELTA_LENGTH_BYTE_ARRAY
            | Encoding::BYTE_STREAM_SPLIT
    ) {
        let message = format!("column {name:?} is encoded as {encoding}, which some engines fail on");
        found.add(Ailment::Encoding, Some(name), message);
    }
}

fn type_of(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type();
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) => match (integer.is_signed, integer.bit_width) {
            (true, bits) => format!("INT{bits}"),
            (false, bits) => format!("UINT{bits}"),
        },
        Some(LogicalType::Timestamp(time)) => match (time.is_adjusted_to_u_t_c, &time.unit) {
            (true, TimeUnit::MILLIS) => "TIMESTAMP".to_owned(),
            (utc, unit) => format!("TIMESTAMP({unit:?}, {})", if utc { "UTC" } else { "local" }),
        },
        Some(LogicalType::String) => "STRING".to_owned(),
        Some(other) => {
            let other = format!("{other:?}").to_uppercase();
            other.split(['(', ' ']).next().unwrap_or_default().to_owned()
        }
        None => match (column.converted_type(), physical) {
            (ConvertedType::UTF8, _) => "STRING".to_owned(),
            (ConvertedType::TIMESTAMP_MILLIS, _) => "TIMESTAMP".to_owned(),
            (ConvertedType::NONE, Type::BYTE_ARRAY) => "BINARY".to_owned(),
            (ConvertedType::NONE, physical) => physical.to_string(),
            (converted, _) => converted.to_string().replace("INT_", "INT"),
        },
    }
}
