//! What tells one source from another: its id, and prints of its bytes by which it is known again.
//!
//! The id of a source is `xxh3_64(first line, seed = nonce)`: the first line is what stands before the first `\n`, at
//! most 4,096 bytes of it; the nonce is a random number, drawn when the source is first met and kept in the checkpoint.
//! Growing and renaming change neither; copies have nonces of their own.

use std::hash::{BuildHasher, RandomState};

use nasalogs::envelope::SourceId;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::checkpoint::hex;

/// How many of a source's first bytes it is known by.
pub(super) const HEAD: usize = 4096;
/// How many bytes before a place are looked at to know whether they are those that were read.
pub(super) const WINDOW: usize = 1024;

/// A random number that no other source has.
pub(super) fn nonce() -> u64 {
    // Its keys come from the system's random numbers.
    RandomState::new().hash_one("source")
}

/// The id of a source whose first bytes are these: from the first line, or what there is of it.
pub(super) fn source_id(nonce: u64, head: &[u8]) -> SourceId {
    let line = first_line(head).unwrap_or(&head[..head.len().min(HEAD)]);
    SourceId(XxHash3_64::oneshot_with_seed(nonce, line))
}

/// The first line without its end, or as much of it as is looked at; none while it is incomplete.
pub(super) fn first_line(head: &[u8]) -> Option<&[u8]> {
    let head = &head[..head.len().min(HEAD)];
    match memchr::memchr(b'\n', head) {
        Some(end) => Some(&head[..end]),
        None => (head.len() == HEAD).then_some(head),
    }
}

/// The bytes that end at a place, as their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    /// One past the last byte.
    pub(super) end: u64,
    /// How many bytes.
    pub(super) bytes: usize,
    #[serde(with = "hex")]
    pub(super) hash: u64,
}

impl Print {
    /// Of bytes that end at `end`.
    pub(super) fn of(end: u64, bytes: &[u8]) -> Self {
        Self { end, bytes: bytes.len(), hash: XxHash3_64::oneshot(bytes) }
    }

    /// Where they begin.
    pub(super) fn begin(&self) -> u64 {
        self.end.saturating_sub(self.bytes as u64)
    }

    /// Whether these are the bytes.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.bytes && XxHash3_64::oneshot(bytes) == self.hash
    }

    /// Whether something begins with the bytes, if they are first bytes. Nothing begins with none.
    pub(super) fn begins(&self, head: &[u8]) -> bool {
        self.bytes > 0 && head.get(..self.bytes).is_some_and(|head| self.is_of(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_the_first_line_and_the_nonce() {
        let id = source_id(7, b"first\nsecond\n");
        assert_eq!(id, source_id(7, b"first\nother, and longer\n"));
        assert_eq!(id, source_id(7, b"first"));
        assert_ne!(id, source_id(8, b"first\nsecond\n"));
        assert_ne!(id, source_id(7, b"First\n"));
        let long = vec![b'x'; HEAD + 9];
        assert_eq!(source_id(1, &long), source_id(1, &long[..HEAD]));
        assert_ne!(nonce(), nonce());
        // What ids are must not change between releases: checkpoints and consumers keep them.
        assert_eq!(source_id(7, b"first\n").to_string(), "07391409043d6830");
    }

    #[test]
    fn a_first_line_is_complete_or_long() {
        assert_eq!(first_line(b""), None);
        assert_eq!(first_line(b"abc"), None);
        assert_eq!(first_line(b"\nabc"), Some(&b""[..]));
        assert_eq!(first_line(b"abc\nd"), Some(&b"abc"[..]));
        assert_eq!(first_line(&[b'x'; HEAD + 1]), Some(&[b'x'; HEAD][..]));
    }

    #[test]
    fn prints_know_their_bytes() {
        let print = Print::of(3, b"abc");
        assert!(print.begins(b"abcd") && !print.begins(b"ab") && !print.begins(b"abd"));
        assert!(!Print::of(0, b"").begins(b"abc"));
        assert_eq!(Print::of(10, b"abc").begin(), 7);
    }
}
