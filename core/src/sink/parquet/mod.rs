//! Parquet, with dictionaries of our own.
//!
//! parquet-rs hashes every value that it writes; with the many hosts and paths of a log that takes ten times as long
//! as parsing it did. Here a column's values are looked up in blocks, short strings as the register that their view
//! already is, and pages are handed to parquet-rs, which lays out the file and its footer.
//!
//! What is written is what every reader understands: v1 data pages, PLAIN and RLE_DICTIONARY only, signed integers,
//! UTC milliseconds, statistics for each column chunk, an offset index, bounds of each page for integers and times,
//! and the Arrow schema without views.

mod column;
mod compression;
mod dictionary;
mod hash;
mod integer;
mod job;
mod page;
mod rle;
mod source;
mod statistic;
#[cfg(test)]
mod tests;
mod text;
mod trial;

use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use self::column::Column;
use self::page::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::options::StringType;
use crate::schema::with_strings;
use crate::sink::Compression;

/// How a Parquet file is written.
///
/// ```
/// use nasalogs::sink::{Compression, parquet::ParquetOptions};
/// let options = ParquetOptions::new().with_compression(Compression::Snappy).with_row_group_rows(250_000);
/// assert_eq!(options.row_group_rows, 250_000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParquetOptions {
    /// The codec of the pages.
    pub compression: Compression,
    /// How many rows a row group has at most. One that has outgrown its dictionaries ends sooner, with 131,072 rows or
    /// more.
    pub row_group_rows: usize,
    /// Whether columns are encoded on the threads of the current rayon pool. Without the feature `parallel` it has
    /// no effect.
    pub parallel: bool,
}

impl ParquetOptions {
    /// The default size of a row group, in rows.
    pub const ROW_GROUP_ROWS: usize = 1 << 20;

    /// The defaults: Zstandard, a million rows to the row group, parallel.
    #[must_use]
    pub fn new() -> Self {
        Self { compression: Compression::default(), row_group_rows: Self::ROW_GROUP_ROWS, parallel: true }
    }

    /// Chooses the codec.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets how many rows a row group has at most.
    #[must_use]
    pub fn with_row_group_rows(mut self, rows: usize) -> Self {
        self.row_group_rows = rows.clamp(1, i32::MAX as usize);
        self
    }

    /// Chooses whether columns are encoded on several threads.
    #[must_use]
    pub fn with_parallel(mut self, parallel: bool) -> Self {
        self.parallel = parallel;
        self
    }
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Batches are held back until there are this many rows: enough to share out to threads, and for a column's
/// dictionary to stay in the cache while it is filled.
const GROUP_ROWS: usize = 1 << 14;
/// Or this many batches: each may keep a chunk of its input alive.
const GROUP_BATCHES: usize = 4;
/// A row group that takes more memory than this ends, however few rows it has.
const ROW_GROUP_BYTES: usize = 64 << 20;
/// Fewer rows are encoded sooner than threads are woken for them: the small batches of a log that is partitioned.
const SHARED_ROWS: usize = 1 << 11;

/// Writes record batches to one Parquet file.
///
/// ```
/// use std::sync::Arc;
/// use nasalogs::arrow::array::{Int16Array, RecordBatch};
/// use nasalogs::sink::parquet::{ParquetOptions, ParquetWriter};
///
/// let statuses = Int16Array::from(vec![Some(200), Some(404), None]);
/// let batch = RecordBatch::try_from_iter([("status", Arc::new(statuses) as _)])?;
/// let mut writer = ParquetWriter::try_new(Vec::new(), batch.schema(), ParquetOptions::new())?;
/// writer.write(&batch)?;
/// let (file, bytes) = writer.finish()?;
/// assert_eq!(file.len() as u64, bytes);
/// # Ok::<(), nasalogs::Error>(())
/// ```
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<Output<W>>,
    schema: SchemaRef,
    options: ParquetOptions,
    codec: parquet::basic::Compression,
    columns: Vec<Column>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    /// Rows of the open row group that its columns have.
    rows: usize,
    /// The chunks of the row group before it, until they are written.
    ended: Vec<Chunk>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`] when a column has a type that is not written: only strings, binary, signed integers of
    /// 16, 32 and 64 bits and UTC milliseconds are. [`ErrorKind::Io`] when the file cannot be written.
    pub fn try_new(out: W, schema: SchemaRef, options: ParquetOptions) -> Result<Self> {
        if let Some(field) = schema.fields().iter().find(|field| !Column::supports(field.data_type())) {
            return Err(Error::new(
                ErrorKind::Sink,
                format!(
                    "column {:?} has the type {}, which is not written to Parquet",
                    field.name(),
                    field.data_type()
                ),
            )
            .with_hint("strings, binary, Int16, Int32, Int64 and Timestamp(ms, \"UTC\") are"));
        }
        let codec = options.compression.codec()?;
        let rows = options.row_group_rows;
        let options = options.with_row_group_rows(rows);
        // A reader that knows no views must not be told of them.
        let stored = with_strings(&schema, StringType::Utf8);
        let descriptor = ArrowSchemaConverter::new().convert(&stored).map_err(error)?;
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("nasalogs version ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        add_encoded_arrow_schema_to_metadata(&stored, &mut properties);
        let columns = schema
            .fields()
            .iter()
            .zip(descriptor.columns())
            .map(|(field, column)| Column::new(field.data_type(), column.clone(), options.compression))
            .collect();
        let file =
            SerializedFileWriter::new(Output::new(out), descriptor.root_schema_ptr(), Arc::new(properties))
                .map_err(error)?;
        Ok(Self {
            file,
            schema,
            options,
            codec,
            columns,
            pending: Vec::new(),
            pending_rows: 0,
            rows: 0,
            ended: Vec::new(),
        })
    }

    /// Appends a batch. It may be held back, so that errors can come later.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`] when the batch does not have the schema; [`ErrorKind::Io`] when the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check(batch)?;
        let mut at = 0;
        while at < batch.num_rows() {
            let room = self.options.row_group_rows - self.rows - self.pending_rows;
            let rows = room.min(batch.num_rows() - at);
            self.pending.push(batch.slice(at, rows));
            self.pending_rows += rows;
            at += rows;
            if rows == room {
                self.end_row_group()?;
            } else if self.pending_rows >= GROUP_ROWS || self.pending.len() >= GROUP_BATCHES {
                self.encode()?;
                // Long texts that no dictionary shortens, or more of them than a dictionary holds: the row group ends
                // before its rows are many.
                let buffered: usize = self.columns.iter().map(Column::memory).sum();
                if buffered > ROW_GROUP_BYTES || self.columns.iter().any(Column::is_outgrown) {
                    self.end_row_group()?;
                }
            }
        }
        Ok(())
    }

    /// Bytes of memory that the writer holds: encoded pages of the open row group, its dictionaries, open pages.
    /// Batches that are held back, at most four, are not counted.
    #[must_use]
    pub fn bytes_buffered(&self) -> usize {
        self.columns.iter().map(Column::memory).sum::<usize>()
            + self.ended.iter().map(Chunk::bytes).sum::<usize>()
    }

    /// Bytes that are in the file: those of the row groups that were written.
    #[must_use]
    pub fn bytes_written(&self) -> usize {
        self.file.bytes_written()
    }

    /// Ends the row group, writes it out and gives back the memory that it took: what to do with a file that is open
    /// but rests.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.end_row_group()?;
        self.append_row_group()?;
        self.columns.iter_mut().for_each(Column::release);
        Ok(())
    }

    /// Writes what is left and the footer; gives the output back, flushed, and how many bytes the file has.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the file cannot be written.
    pub fn finish(mut self) -> Result<(W, u64)> {
        self.end_row_group()?;
        self.append_row_group()?;
        self.file.finish().map_err(error)?;
        let bytes = self.file.bytes_written() as u64;
        Ok((self.file.inner_mut().take()?, bytes))
    }

    fn end_row_group(&mut self) -> Result<()> {
        self.encode()?;
        if self.rows == 0 {
            return Ok(());
        }
        self.append_row_group()?;
        let parallel = self.options.parallel;
        self.ended = self.for_each_column(parallel, |_, column| column.end_chunk(parallel))?;
        self.rows = 0;
        Ok(())
    }

    /// Writes the row group that has ended, and waits for what is in the making.
    fn append_row_group(&mut self) -> Result<()> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(error)?;
        for chunk in self.ended.drain(..) {
            chunk.append_to(&mut group, self.codec)?;
        }
        group.close().map_err(error)?;
        Ok(())
    }

    fn check(&self, batch: &RecordBatch) -> Result<()> {
        let (fields, columns) = (self.schema.fields(), batch.columns());
        if fields.len() != columns.len() {
            return Err(Error::new(
                ErrorKind::Sink,
                format!("a batch has {} columns, the Parquet file {}", columns.len(), fields.len()),
            ));
        }
        for (field, column) in fields.iter().zip(columns) {
            if field.data_type() != column.data_type() {
                return Err(Error::new(
                    ErrorKind::Sink,
                    format!(
                        "column {:?} of a batch is {}, in the Parquet file it is {}",
                        field.name(),
                        column.data_type(),
                        field.data_type()
                    ),
                ));
            }
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::new(
                    ErrorKind::Sink,
                    format!("column {:?} of a batch has nulls, which the schema excludes", field.name()),
                ));
            }
        }
        Ok(())
    }

    /// Encodes what is held back.
    fn encode(&mut self) -> Result<()> {
        if !self.ended.is_empty() && self.ended.iter().all(Chunk::is_ready) {
            self.append_row_group()?;
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let rows = std::mem::take(&mut self.pending_rows);
        self.rows += rows;
        let parallel = self.options.parallel && rows >= SHARED_ROWS;
        self.for_each_column(parallel, |at, column| {
            pending.iter().try_for_each(|batch| column.write(batch.column(at)))
        })?;
        Ok(())
    }

    fn for_each_column<T: Send>(
        &mut self,
        parallel: bool,
        work: impl Fn(usize, &mut Column) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        #[cfg(feature = "parallel")]
        if parallel {
            use rayon::prelude::*;
            let columns = self.columns.par_iter_mut().enumerate().with_max_len(1);
            return columns.map(|(at, column)| work(at, column)).collect();
        }
        let _ = parallel;
        self.columns.iter_mut().enumerate().map(|(at, column)| work(at, column)).collect()
    }
}

/// Whether a column of a type can be written.
#[cfg(feature = "lake")]
pub(crate) fn is_written(data_type: &arrow::datatypes::DataType) -> bool {
    Column::supports(data_type)
}

/// The output below parquet-rs: larger writes than its own buffer makes, and a way to get the output back together
/// with a typed error.
struct Output<W: Write>(Option<BufWriter<W>>);

impl<W: Write> Output<W> {
    fn new(out: W) -> Self {
        Self(Some(BufWriter::with_capacity(1 << 17, out)))
    }

    fn take(&mut self) -> Result<W> {
        let out =
            self.0.take().ok_or_else(closed).and_then(|out| out.into_inner().map_err(|e| e.into_error()));
        out.map_err(|source| Error::new(ErrorKind::Io, source.to_string()).with_source(source))
    }
}

fn closed() -> std::io::Error {
    std::io::Error::other("the Parquet file is closed")
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.as_mut().ok_or_else(closed)?.flush()
    }
}

/// An error of parquet-rs; one of the operating system stays visible as such.
fn error(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => Error::new(ErrorKind::Io, source.to_string()).with_source(*source),
            Err(inner) => Error::new(ErrorKind::Sink, inner.to_string()).with_source(inner),
        },
        other => Error::new(ErrorKind::Sink, other.to_string()).with_source(other),
    }
}
