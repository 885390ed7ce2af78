//! The Parquet arm: joins an output and the Parquet writer.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::failure::Label;
use super::out::Out;
use super::parquet::{ParquetOptions, ParquetWriter};
use super::{SinkOptions, Writer};
use crate::error::Result;

pub(super) struct ParquetFile {
    writer: ParquetWriter<Out>,
    label: Label,
}

impl ParquetFile {
    pub(super) fn try_new(out: Out, schema: &SchemaRef, options: &SinkOptions) -> Result<Self> {
        let label = out.label().clone();
        let parquet = ParquetOptions::new().with_compression(options.compression.unwrap_or_default());
        let writer =
            ParquetWriter::try_new(out, schema.clone(), parquet).map_err(|error| label.foreign(error))?;
        Ok(Self { writer, label })
    }
}

impl Writer for ParquetFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| self.label.foreign(error))
    }

    fn buffered(&self) -> usize {
        self.writer.bytes_buffered()
    }

    fn rest(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| self.label.foreign(error))
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        let label = self.label;
        let (out, _) = self.writer.finish().map_err(|error| label.foreign(error))?;
        Ok(out)
    }
}
