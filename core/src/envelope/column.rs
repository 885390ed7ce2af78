//! The column of ids that a table of lines has.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};

use super::record::{LineId, SourceId};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::LINE_ID;

/// Makes the column [`LINE_ID`], id by id. The ids of one source all begin alike, which is written once.
///
/// ```
/// use nasalogs::arrow::array::AsArray;
/// use nasalogs::envelope::{LineId, LineIdColumn, SourceId};
/// let mut ids = LineIdColumn::with_capacity(2);
/// ids.push(LineId { source: SourceId(7), offset: 42 });
/// ids.push_named("shard:4711", 0);
/// let column = ids.finish();
/// assert_eq!(column.as_string::<i32>().value(0), "0000000000000007-42");
/// assert_eq!(column.as_string::<i32>().value(1), "shard:4711/0");
/// ```
#[derive(Debug)]
pub struct LineIdColumn {
    column: StringBuilder,
    /// The id before, and how much of it is its source's.
    text: String,
    source: Option<(SourceId, usize)>,
}

impl LineIdColumn {
    /// Room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        // Sixteen digits, a hyphen, and an offset of up to eleven.
        Self { column: StringBuilder::with_capacity(rows, rows * 28), text: String::new(), source: None }
    }

    /// Appends the id of a line.
    pub fn push(&mut self, id: LineId) {
        match self.source {
            Some((source, length)) if source == id.source => self.text.truncate(length),
            _ => {
                self.text.clear();
                // Into memory, which does not fail.
                let _ = write!(self.text, "{}-", id.source);
                self.source = Some((id.source, self.text.len()));
            }
        }
        self.append(id.offset);
    }

    /// Appends what a line is known by that was sent without an id: the name of what brought it, and its place in that.
    pub fn push_named(&mut self, name: &str, place: u32) {
        self.source = None;
        self.text.clear();
        self.text.push_str(name);
        self.text.push('/');
        self.append(place.into());
    }

    fn append(&mut self, number: u64) {
        let _ = write!(self.text, "{number}");
        self.column.append_value(&self.text);
    }

    /// The column.
    #[must_use]
    pub fn finish(mut self) -> ArrayRef {
        Arc::new(self.column.finish())
    }

    /// Its field.
    #[must_use]
    pub fn field() -> Field {
        Field::new(LINE_ID.name.as_ref(), DataType::Utf8, LINE_ID.nullable)
    }

    /// The column in place of another one, by which its lines were known before.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`] when the batch has no such column, or another number of rows.
    pub fn replace(self, batch: &RecordBatch, column: &str) -> Result<RecordBatch> {
        let at = batch.schema_ref().index_of(column).map_err(|_| {
            Error::new(ErrorKind::Sink, format!("a batch has no column {column:?} to tell its lines by"))
        })?;
        let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields().iter().map(Arc::clone).collect();
        let mut columns = batch.columns().to_vec();
        fields[at] = Arc::new(Self::field());
        columns[at] = self.finish();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}
