//! The requests that came last, one by one.

use arrow::array::{Array, BinaryViewArray, RecordBatch};
use serde::Serialize;

use super::columns::Columns;
use crate::error::Result;

/// A request. Text is as logged: from strangers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LastRequest {
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub ts: i64,
    /// From where.
    pub host: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// What was asked for.
    pub path: Option<String>,
    /// The status.
    pub status: Option<i16>,
    /// The size of the response's body.
    pub bytes: Option<u64>,
}

/// A longer name is shown up to here.
const SHOWN: usize = 500;

/// The last rows of a batch, at most so many.
///
/// # Errors
/// As [`Tally::push`](super::Tally::push).
pub fn last(batch: &RecordBatch, most: usize) -> Result<Vec<LastRequest>> {
    let batch = batch.slice(batch.num_rows().saturating_sub(most), batch.num_rows().min(most));
    let columns = Columns::of(&batch)?;
    let text = |column: &Option<BinaryViewArray>, row: usize| {
        let name = column.as_ref().filter(|column| column.is_valid(row))?.value(row);
        let shown = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned();
        Some(if name.len() > SHOWN { shown + "…" } else { shown })
    };
    let request = |row| LastRequest {
        ts: columns.second(row),
        host: text(&columns.host, row),
        method: text(&columns.method, row),
        path: text(&columns.path, row),
        status: columns.status(row),
        bytes: columns.bytes(row),
    };
    Ok((0..columns.rows()).map(request).collect())
}
