//! Lines as they were logged.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use super::{IntakeCounts, Origin, Refused};
use crate::decoder::{Decoder, SAMPLE};
use crate::error::{Error, ErrorKind, Result};
use crate::format::LogFormat;
use crate::options::{Encoding, Extras, ParseOptions};
use crate::schema::{LINE, LINE_ID};

/// Lines, one after the other, and where each came from.
#[derive(Debug)]
pub(super) struct Lines {
    text: Vec<u8>,
    origins: Vec<Origin>,
}

impl Default for Lines {
    fn default() -> Self {
        // A mark that opens a file of text is one only there: an empty line keeps the first line from being taken for it.
        Self { text: vec![b'\n'], origins: Vec::new() }
    }
}

impl Lines {
    pub(super) fn push(&mut self, line: &[u8], origin: Origin) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.origins.push(origin);
    }

    pub(super) fn mark(&self) -> (usize, usize) {
        (self.text.len(), self.origins.len())
    }

    /// Drops all that came after a mark.
    pub(super) fn cut(&mut self, (text, origins): (usize, usize)) {
        self.text.truncate(text);
        self.origins.truncate(origins);
    }

    pub(super) fn len(&self) -> u64 {
        self.origins.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The format of most.
    pub(super) fn format(&self) -> LogFormat {
        LogFormat::detect_or_common(&self.text[1..self.text.len().min(SAMPLE)])
    }

    /// The rows of these lines, with their ids.
    pub(super) fn read(
        self,
        format: &LogFormat,
        encoding: Encoding,
        names: &[Arc<str>],
        rejects: &mut Vec<Refused>,
        counts: &mut IntakeCounts,
    ) -> Result<Vec<RecordBatch>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let extras = Extras { line: true, ..Extras::default() };
        let options = ParseOptions::new().with_format(format.clone()).with_encoding(encoding);
        let mut decoder = Decoder::new(options.with_extras(extras))?;
        let mut batches = Vec::new();
        let mut rest = &self.text[..];
        let mut is_end = false;
        while !is_end {
            is_end = rest.is_empty();
            if is_end {
                decoder.finish()?;
            } else {
                rest = &rest[decoder.push(rest)?..];
            }
            while let Some(batch) = decoder.next_batch() {
                batches.push(self.identify(&batch, names)?);
            }
            for reject in decoder.take_rejects() {
                let origin = self.origin(reject.line).ok_or_else(lacks)?;
                rejects.push(Refused::line(names, origin, reject.reason, &reject.raw));
            }
        }
        let seen = decoder.counts();
        counts.rows += seen.rows;
        counts.rejected += seen.rejected();
        // The first is none of theirs.
        counts.blanks += seen.blanks - 1;
        Ok(batches)
    }

    /// Where the line of a number came from; the first line is none.
    fn origin(&self, line: u64) -> Option<Origin> {
        self.origins.get(usize::try_from(line).ok()?.checked_sub(2)?).copied()
    }

    /// The batch with ids instead of numbers.
    fn identify(&self, batch: &RecordBatch, names: &[Arc<str>]) -> Result<RecordBatch> {
        let at = batch.schema_ref().index_of(&LINE.name).map_err(|_| lacks())?;
        let numbers = batch.column(at).as_primitive_opt::<Int64Type>().ok_or_else(lacks)?;
        let mut ids = Ids::new(numbers.len(), names);
        for number in numbers.values() {
            ids.push(self.origin(*number as u64).ok_or_else(lacks)?);
        }
        let schema = batch.schema_ref();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(Arc::clone).collect();
        let mut columns = batch.columns().to_vec();
        fields[at] = Arc::new(field());
        columns[at] = ids.finish();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}

/// The field of the ids.
pub(super) fn field() -> Field {
    Field::new(LINE_ID.name.as_ref(), DataType::Utf8, LINE_ID.nullable)
}

/// A column of ids.
pub(super) struct Ids<'a> {
    column: StringBuilder,
    names: &'a [Arc<str>],
}

impl<'a> Ids<'a> {
    pub(super) fn new(rows: usize, names: &'a [Arc<str>]) -> Self {
        Self { column: StringBuilder::with_capacity(rows, rows * 28), names }
    }

    pub(super) fn push(&mut self, origin: Origin) {
        // Both write into memory, which does not fail.
        let _ = match origin.id {
            Some(id) => write!(self.column, "{id}"),
            None => {
                let name = self.names.get(origin.record as usize).map_or("", |name| name);
                write!(self.column, "{name}/{}", origin.index)
            }
        };
        self.column.append_value("");
    }

    pub(super) fn finish(mut self) -> ArrayRef {
        Arc::new(self.column.finish())
    }
}

fn lacks() -> Error {
    Error::new(ErrorKind::Sink, "a batch does not say which its lines are")
}
