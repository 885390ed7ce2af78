//! A record of a stream, and which lines of which source it carries.

use std::fmt;

use bytes::Bytes;

/// Which source a line came from: stays the same while a file grows, is renamed, or is read again after a restart, and
/// differs between copies of a file (see `docs/stream.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u64);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The identity of a line: its source, and the byte offset of its first byte in the source's decompressed bytes. Written
/// `0123456789abcdef-42`: sixteen hexadecimal digits, a hyphen, a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId {
    /// The source.
    pub source: SourceId,
    /// Where the line begins, in bytes from the source's first.
    pub offset: u64,
}

impl LineId {
    /// Reads an id as it is written; `None` for any other text.
    ///
    /// ```
    /// use nasalogs::envelope::LineId;
    /// let id = LineId::parse("0123456789abcdef-42").unwrap();
    /// assert_eq!((id.source.0, id.offset, id.to_string().as_str()), (0x0123_4567_89ab_cdef, 42, "0123456789abcdef-42"));
    /// assert_eq!(LineId::parse("0123456789ABCDEF-42"), None);
    /// assert_eq!(LineId::parse("0123456789abcdef-042"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (source, offset) = text.split_once('-')?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if source.len() != 16 || !source.bytes().all(is_hex) {
            return None;
        }
        // One id, one text: no signs, no leading zeros.
        let canonical = offset == "0" || offset.starts_with(|first| matches!(first, '1'..='9'));
        if !canonical || !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let source = SourceId(u64::from_str_radix(source, 16).ok()?);
        Some(Self { source, offset: offset.parse().ok()? })
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.offset)
    }
}

/// The part of a source that a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The source.
    pub source: SourceId,
    /// Where the first line begins.
    pub begin: u64,
    /// One past the last line's end, its line end included.
    pub end: u64,
    /// How many lines.
    pub lines: u64,
}

/// A record, ready to be put into a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// What the consumer gets.
    pub data: Bytes,
    /// The partition key, 1 to 256 characters.
    pub partition_key: String,
    /// The hash key that chooses the shard instead of the partition key's, where that matters.
    pub explicit_hash_key: Option<u128>,
    /// The lines in it.
    pub span: Span,
}

impl StreamRecord {
    /// What the record counts for in the limits of a stream: data and partition key, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}
