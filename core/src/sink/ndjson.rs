//! Newline-delimited JSON.

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use super::out::Out;
use super::{Writer, plain};
use crate::error::Result;

pub(super) struct Ndjson {
    out: Out,
    text: Vec<u8>,
}

impl Ndjson {
    pub(super) fn new(out: Out) -> Self {
        Self { out, text: Vec::new() }
    }
}

impl Writer for Ndjson {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(plain::ROWS) {
            let rows = plain::batch(&batch.slice(start, plain::ROWS.min(batch.num_rows() - start)))?;
            self.text.clear();
            WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, LineDelimited>(&mut self.text)
                .write(&rows)
                .map_err(|error| self.out.label().foreign(error))?;
            self.out.write_batch(&self.text)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        Ok(self.out)
    }
}
