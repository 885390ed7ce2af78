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

/// Appends the rows of a batch, one object a line.
pub(crate) fn append(batch: &RecordBatch, text: &mut Vec<u8>) -> Result<()> {
    let rows = plain::batch(batch)?;
    Ok(WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(text).write(&rows)?)
}

impl Writer for Ndjson {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(plain::ROWS) {
            let rows = batch.slice(start, plain::ROWS.min(batch.num_rows() - start));
            self.text.clear();
            append(&rows, &mut self.text).map_err(|error| self.out.label().foreign(error))?;
            self.out.write_batch(&self.text)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        Ok(self.out)
    }
}
