//! An answer as Parquet. The library's own writer takes the types that logs have; an answer can have any.

use std::io::{self, Write};
use std::sync::Arc;

use nasalogs::arrow::array::RecordBatch;
use nasalogs::arrow::compute::{CastOptions, cast_with_options};
use nasalogs::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use nasalogs::sink::{BatchSink, Finished};
use nasalogs::{Error, ErrorKind, Result};
use nasalogs_datafusion::datafusion::parquet::arrow::ArrowWriter;
use nasalogs_datafusion::datafusion::parquet::basic::{Compression, ZstdLevel};
use nasalogs_datafusion::datafusion::parquet::errors::ParquetError;
use nasalogs_datafusion::datafusion::parquet::file::properties::WriterProperties;

use crate::output::Output;

/// Writes a file that all engines read.
pub struct ParquetFile {
    writer: ArrowWriter<Bytes>,
    schema: SchemaRef,
}

impl ParquetFile {
    /// Begins it.
    ///
    /// # Errors
    /// When Parquet cannot hold such columns.
    pub fn try_new(out: Output, schema: &SchemaRef) -> Result<Self> {
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), widely_read(field.data_type()), field.is_nullable()))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let properties =
            WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let writer = ArrowWriter::try_new(Bytes(out, 0), schema.clone(), Some(properties)).map_err(failed)?;
        Ok(Self { writer, schema })
    }
}

impl BatchSink for ParquetFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // A number that does not fit is no null.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns = columns.map(|(column, field)| cast_with_options(column, field.data_type(), &strict));
        let batch = RecordBatch::try_new(self.schema.clone(), columns.collect::<Result<_, _>>()?)?;
        self.writer.write(&batch).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<Finished> {
        // Writes the footer too.
        let Bytes(out, written) = self.writer.into_inner().map_err(failed)?;
        out.finish()?;
        let mut finished = Finished::default();
        finished.bytes = written;
        Ok(finished)
    }
}

/// The type, or the next one that every engine reads: no views, no unsigned numbers, no nanoseconds.
fn widely_read(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Timestamp(TimeUnit::Nanosecond | TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        other => other.clone(),
    }
}

fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => Error::new(ErrorKind::Io, error.to_string()).with_source(*error),
            Err(inner) => Error::new(ErrorKind::Sink, inner.to_string()),
        },
        other => Error::new(ErrorKind::Sink, other.to_string())
            .with_hint("cast the column, or choose another --output"),
    }
}

/// An output as the writer wants it, and how many bytes it has taken.
struct Bytes(Output, u64);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let failed = |error: Error| {
            let kind = error.io_error().map_or(io::ErrorKind::Other, io::Error::kind);
            io::Error::new(kind, error.to_string())
        };
        self.0.write(bytes).map_err(failed)?;
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
