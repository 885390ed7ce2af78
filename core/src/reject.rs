//! A line that is no row: which, where and why.

use std::fmt;
use std::sync::Arc;

/// Why a line was rejected: a closed set, each with a stable name.
///
/// ```
/// use nasalogs::RejectReason;
/// assert_eq!(RejectReason::BadStatus.as_str(), "bad_status");
/// assert_eq!(RejectReason::ALL.len(), 9);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The line ends before the field; also an empty host.
    MissingField,
    /// A quote opens and never closes.
    UnterminatedRequest,
    /// Either of the two above, at the end of a file without a newline.
    Truncated,
    /// The time is not `dd/Mon/yyyy:HH:MM:SS +hhmm`, or no such day exists.
    BadTimestamp,
    /// The status is neither three digits nor `-`.
    BadStatus,
    /// The bytes are neither 1 to 19 digits that fit a signed 64-bit integer nor `-`.
    BadBytes,
    /// Another numeric field of a custom format does not hold a number in range.
    BadNumber,
    /// Something follows a complete line.
    TrailingData,
    /// The line is longer than the limit.
    LineTooLong,
}

impl RejectReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [RejectReason; 9] = [
        RejectReason::MissingField,
        RejectReason::UnterminatedRequest,
        RejectReason::Truncated,
        RejectReason::BadTimestamp,
        RejectReason::BadStatus,
        RejectReason::BadBytes,
        RejectReason::BadNumber,
        RejectReason::TrailingData,
        RejectReason::LineTooLong,
    ];

    /// The stable name, as it stands in reports and in `rejects_by_reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RejectReason::MissingField => "missing_field",
            RejectReason::UnterminatedRequest => "unterminated_request",
            RejectReason::Truncated => "truncated",
            RejectReason::BadTimestamp => "bad_timestamp",
            RejectReason::BadStatus => "bad_status",
            RejectReason::BadBytes => "bad_bytes",
            RejectReason::BadNumber => "bad_number",
            RejectReason::TrailingData => "trailing_data",
            RejectReason::LineTooLong => "line_too_long",
        }
    }

    /// The reason where a line that ends too early is the last of an input and has no newline: the input was cut.
    pub(crate) const fn at_end(self) -> Self {
        match self {
            RejectReason::MissingField | RejectReason::UnterminatedRequest => RejectReason::Truncated,
            other => other,
        }
    }

    /// One sentence for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            RejectReason::MissingField => "the line ends before a field, or its host is empty",
            RejectReason::UnterminatedRequest => "a quote opens and never closes",
            RejectReason::Truncated => "the file ends in the middle of the line",
            RejectReason::BadTimestamp => {
                "the time is not [dd/Mon/yyyy:HH:MM:SS +hhmm], or no such day exists"
            }
            RejectReason::BadStatus => "the status is neither three digits nor -",
            RejectReason::BadBytes => "the size is neither a number that fits 64 bits nor -",
            RejectReason::BadNumber => "a numeric field does not hold a number in its range",
            RejectReason::TrailingData => "something follows a complete line: is it another format?",
            RejectReason::LineTooLong => "the line is longer than the limit",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rejected line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The input's name; `None` for bytes that came from no file.
    pub file: Option<Arc<str>>,
    /// The line's number in its input, from 1.
    pub line: u64,
    /// The byte offset of the line's start in the decompressed input, from 0.
    pub offset: u64,
    /// Why.
    pub reason: RejectReason,
    /// The line's bytes without its line end, cut at [`Reject::RAW_LIMIT`].
    pub raw: Vec<u8>,
}

impl Reject {
    /// How much of a rejected line is kept: 64 KiB.
    pub const RAW_LIMIT: usize = 64 * 1024;

    /// The line as text: bytes that are not UTF-8, and control characters, as `\xHH`.
    ///
    /// ```
    /// # use nasalogs::{Reject, RejectReason};
    /// let reject = Reject { file: None, line: 1, offset: 0, reason: RejectReason::MissingField, raw: b"caf\xe9\x1b".to_vec() };
    /// assert_eq!(reject.text(), r"caf\xE9\x1B");
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        crate::field::text::escape_control(&self.raw)
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.escape_debug())?;
        }
        write!(f, "{}: {} (at byte {}): {}", self.line, self.reason, self.offset, self.text())
    }
}

/// How many lines were rejected for each reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RejectCounts([u64; RejectReason::ALL.len()]);

impl RejectCounts {
    /// Counts one more.
    pub fn add(&mut self, reason: RejectReason) {
        self.0[reason as usize] += 1;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &RejectCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// How many for one reason.
    #[must_use]
    pub fn get(&self, reason: RejectReason) -> u64 {
        self.0[reason as usize]
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u64)> + '_ {
        RejectReason::ALL.into_iter().map(|reason| (reason, self.get(reason))).filter(|(_, count)| *count > 0)
    }
}

/// The rejected lines of a chunk, which share its bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejects {
    pub(crate) chunk: arrow::buffer::Buffer,
    pub(crate) file: Option<Arc<str>>,
    /// Where the chunk starts in its input.
    pub(crate) offset: u64,
    /// How many lines of the input come before the chunk.
    pub(crate) lines_before: u64,
    pub(crate) entries: Vec<RejectEntry>,
}

/// One of [`Rejects`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RejectEntry {
    /// The line's number in the chunk, from 0.
    pub(crate) number: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) reason: RejectReason,
}

impl Rejects {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Reject> + '_ {
        self.entries.iter().map(|entry| {
            let (start, end) = (entry.start as usize, entry.end as usize);
            Reject {
                file: self.file.clone(),
                line: self.lines_before + u64::from(entry.number) + 1,
                offset: self.offset + u64::from(entry.start),
                reason: entry.reason,
                raw: self.chunk[start..end.min(start + Reject::RAW_LIMIT)].to_vec(),
            }
        })
    }
}
