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

/// Write a number to the end of a field of zeros. The formatter of the standard library pads digit by digit, which was
/// a third of the work of a small record.
pub(crate) fn digits(field: &mut [u8], mut value: u64) {
    for place in field.iter_mut().rev() {
        if value == 0 {
            break;
        }
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

impl Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl Sequence {
    /// The 56 digits.
    pub(crate) fn text(&self) -> [u8; 56] {
        let mut text = [b'0'; 56];
        text[..2].copy_from_slice(b"49");
        digits(&mut text[2..16], self.created_ms);
        digits(&mut text[16..36], self.counter);
        digits(&mut text[36..50], self.arrival_ms);
        digits(&mut text[50..], self.shard as u64);
        text
    }

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
