//! The Parquet arm: joins an output and the Parquet writer.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::failure::Label;
use super::out::Out;
use super::{Compression, SinkOptions, Writer, compact};
use crate::error::Result;

/// Rows of a row group, until which all of it is in memory.
const ROW_GROUP: usize = 128 << 10;

pub(super) struct ParquetFile {
    writer: ArrowWriter<Out>,
    /// Without views.
    schema: SchemaRef,
    label: Label,
}

impl ParquetFile {
    pub(super) fn try_new(out: Out, schema: &SchemaRef, options: &SinkOptions) -> Result<Self> {
        let label = out.label().clone();
        let schema = compact::schema(schema);
        let codec = match options.compression {
            Some(Compression::None) => Codec::UNCOMPRESSED,
            Some(Compression::Snappy) => Codec::SNAPPY,
            None | Some(Compression::Zstd) => Codec::ZSTD(ZstdLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))
            .map_err(|error| label.library(error))?;
        Ok(Self { writer, schema, label })
    }
}

impl Writer for ParquetFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = compact::batch(batch, &self.schema, &self.label)?;
        self.writer.write(&batch).map_err(|error| self.label.library(error))
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        let label = self.label;
        self.writer.into_inner().map_err(|error| label.library(error))
    }
}
