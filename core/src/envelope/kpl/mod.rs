//! The aggregate format of the Kinesis Producer Library: many user records in one record.
//!
//! # Layout
//! The magic `F3 89 9A C2`; a protocol buffers message `AggregatedRecord`; the MD5 of that message, 16 bytes.
//!
//! ```text
//! message AggregatedRecord {
//!   repeated string partition_key_table = 1;
//!   repeated string explicit_hash_key_table = 2;
//!   repeated Record records = 3;
//! }
//! message Record {
//!   required uint64 partition_key_index = 1;
//!   optional uint64 explicit_hash_key_index = 2;
//!   required bytes data = 3;
//!   repeated Tag tags = 4;
//! }
//! message Tag { required string key = 1; optional string value = 2; }
//! ```
//!
//! The two messages are written and read by hand: [`prost`](https://docs.rs/prost) would want a compiler of protocol
//! buffers, or code that it generated, for four fields.
//!
//! # What is in ours
//! A user record is a line without its line end. All name the explicit hash key of the record around them, for consumers
//! of the Kinesis Client Library drop what belongs to another shard than the one they read.
//!
//! A [`Run`] is a number of lines that follow each other without a gap, with line ends of one kind; its text
//! (`0123456789abcdef-42+1`: the identity of its first line, and the length of its line ends) is the partition key of its
//! lines. Where a partition key was chosen, the run is the value of a tag `line_id` on its first line, which consumers that
//! know nothing of it pass over.

mod aggregate;
mod message;

use super::record::LineId;

pub(super) use aggregate::Aggregator;
pub(super) use message::Message;

/// The first bytes of an aggregate.
pub const MAGIC: [u8; 4] = *b"\xF3\x89\x9A\xC2";

/// Bytes of the MD5 at the end.
pub(super) const DIGEST: usize = 16;

/// The key of the tag that has a run.
pub(super) const TAG: &str = "line_id";

/// Lines that follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The identity of the first line.
    pub first: LineId,
    /// Bytes of each line end: 1 or 2.
    pub line_end: u8,
}

impl Run {
    /// Reads a run as it is written.
    ///
    /// ```
    /// use nasalogs::envelope::kpl::Run;
    /// let run = Run::parse("0123456789abcdef-42+1").unwrap();
    /// assert_eq!((run.first.offset, run.line_end, run.to_string().as_str()), (42, 1, "0123456789abcdef-42+1"));
    /// assert_eq!(Run::parse("0123456789abcdef-42"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, line_end) = text.split_once('+')?;
        let line_end = match line_end {
            "1" => 1,
            "2" => 2,
            _ => return None,
        };
        Some(Self { first: LineId::parse(first)?, line_end })
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.first, self.line_end)
    }
}
