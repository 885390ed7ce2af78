//! Comma-separated values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, StringViewBuilder};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, SchemaRef};

use super::out::Out;
use super::{Writer, plain};
use crate::error::Result;

pub(super) struct Csv {
    out: Out,
    text: Vec<u8>,
    safe: bool,
}

impl Csv {
    /// Writes the header, so that an output without rows has one.
    pub(super) fn try_new(out: Out, schema: &SchemaRef, safe: bool) -> Result<Self> {
        let mut csv = Self { out, text: Vec::new(), safe };
        csv.rows(&RecordBatch::new_empty(Arc::clone(schema)), true)?;
        Ok(csv)
    }

    fn rows(&mut self, batch: &RecordBatch, header: bool) -> Result<()> {
        let mut rows = plain::batch(batch)?;
        if self.safe {
            rows = plain::map_columns(&rows, safe_cells)?;
        }
        self.text.clear();
        WriterBuilder::new()
            .with_header(header)
            .build(&mut self.text)
            .write(&rows)
            .map_err(|error| self.out.label().foreign(error))?;
        self.out.write_batch(&self.text)
    }
}

impl Writer for Csv {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(plain::ROWS) {
            self.rows(&batch.slice(start, plain::ROWS.min(batch.num_rows() - start)), false)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Out> {
        Ok(self.out)
    }
}

/// Whether a spreadsheet could run the text as a formula (OWASP, "CSV injection").
fn is_formula(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}

/// A text column with `'` before formulas; `None` when it is no text or has none.
fn safe_cells(column: &ArrayRef) -> Option<ArrayRef> {
    let column = match column.data_type() {
        DataType::Utf8View => Arc::clone(column),
        DataType::Utf8 => Arc::new(StringViewArray::from(column.as_string::<i32>())),
        DataType::LargeUtf8 => Arc::new(column.as_string::<i64>().iter().collect::<StringViewArray>()),
        _ => return None,
    };
    let texts = column.as_string_view();
    if !texts.iter().flatten().any(is_formula) {
        return None;
    }
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    let mut quoted = String::new();
    for text in texts {
        match text {
            Some(text) if is_formula(text) => {
                quoted.clear();
                quoted.push('\'');
                quoted.push_str(text);
                builder.append_value(&quoted);
            }
            other => builder.append_option(other),
        }
    }
    Some(Arc::new(builder.finish()))
}
