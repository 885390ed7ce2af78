//! Sequence numbers: 56 decimal digits, longer than 128 bits, that grow along a shard and across its children.

use std::fmt::{self, Display};

/// The counter of a sequence number that ends a closed shard: above every record's.
pub(crate) const LAST: u64 = i64::MAX as u64;

/// What a sequence number is made of. To clients it is opaque, as that of AWS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// When the shard was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Counts the records of the stream.
    pub counter: u64,
    /// When the record arrived, in milliseconds since 1970.
    pub arrival_ms: u64,
    /// The index of the shard.
    pub shard: usize,
}

impl Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created_ms, counter, arrival_ms, shard } = self;
        write!(f, "49{created_ms:014}{counter:020}{arrival_ms:014}{shard:06}")
    }
}

impl Sequence {
    /// What this text says, if it is one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 56 || !text.starts_with("49") || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            created_ms: text[2..16].parse().ok()?,
            counter: text[16..36].parse().ok()?,
            arrival_ms: text[36..50].parse().ok()?,
            shard: text[50..56].parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_six_digits_there_and_back() {
        let sequence =
            Sequence { created_ms: 1_700_000_000_000, counter: 12, arrival_ms: 1_700_000_000_001, shard: 3 };
        let text = sequence.to_string();
        assert_eq!(text.len(), 56);
        assert_eq!(Sequence::parse(&text), Some(sequence));
        let later = Sequence { counter: 13, arrival_ms: 1_700_000_000_001, ..sequence };
        assert!(later.to_string() > text);
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "12", &"9".repeat(56), &"4".repeat(57), &format!("49{}", "é".repeat(27))] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }
}
