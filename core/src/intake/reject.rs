//! Lines that are no rows, and what is no line.

use std::fmt;
use std::sync::Arc;

use super::Origin;
use crate::envelope::LineId;
use crate::error::Error;
use crate::field::text::escape_control;
use crate::reject::{Reject, RejectReason};

/// Why something is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedBecause {
    /// The line says no row.
    Line(RejectReason),
    /// The record, or a part of it, cannot be unpacked: a sentence about it.
    Damaged(String),
}

impl RefusedBecause {
    /// The stable name: that of the line's reason, or `damaged_record`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            RefusedBecause::Line(reason) => reason.as_str(),
            RefusedBecause::Damaged(_) => "damaged_record",
        }
    }

    /// One sentence for people.
    #[must_use]
    pub fn describe(&self) -> &str {
        match self {
            RefusedBecause::Line(reason) => reason.describe(),
            RefusedBecause::Damaged(why) => why,
        }
    }
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line that is no row, or what is left of a record that cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name of the record that brought it.
    pub record: Arc<str>,
    /// The place of the record in its delivery, from 0.
    pub number: u32,
    /// Its place in the record, from 0.
    pub index: u32,
    /// The line's id, where it was sent with one.
    pub id: Option<LineId>,
    /// Why.
    pub reason: RefusedBecause,
    /// Its bytes, cut at [`Reject::RAW_LIMIT`].
    pub raw: Vec<u8>,
}

impl Refused {
    pub(super) fn line(names: &[Arc<str>], origin: Origin, reason: RejectReason, raw: &[u8]) -> Self {
        let record = names.get(origin.record as usize).cloned().unwrap_or_default();
        Self::new(&record, origin, RefusedBecause::Line(reason), raw)
    }

    pub(super) fn damaged(record: &Arc<str>, origin: Origin, data: &[u8], error: &Error) -> Self {
        Self::new(record, origin, RefusedBecause::Damaged(error.message().to_owned()), data)
    }

    pub(super) fn unreadable(record: &Arc<str>, origin: Origin, data: &[u8], why: &str) -> Self {
        Self::new(record, origin, RefusedBecause::Damaged(why.to_owned()), data)
    }

    fn new(record: &Arc<str>, origin: Origin, reason: RefusedBecause, raw: &[u8]) -> Self {
        let Origin { record: number, index, id } = origin;
        let raw = raw[..raw.len().min(Reject::RAW_LIMIT)].to_vec();
        Self { record: Arc::clone(record), number, index, id, reason, raw }
    }

    /// Its bytes as text: what is not UTF-8, and control characters, as `\xHH`.
    #[must_use]
    pub fn text(&self) -> String {
        escape_control(&self.raw)
    }

    /// The id under which the line would be a row.
    #[must_use]
    pub fn line_id(&self) -> String {
        match self.id {
            Some(id) => id.to_string(),
            None => format!("{}/{}", self.record, self.index),
        }
    }
}
