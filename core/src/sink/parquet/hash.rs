//! Hashes and comparisons of short strings: what the dictionary of a text column spends its time on.
//!
//! A string of up to [`INLINE`] bytes is handled as the `u128` that Arrow's view layout already made of it (length,
//! then the bytes, zero padded): one register to hash and one to compare.

use std::hash::{BuildHasher, RandomState};

/// The longest string that a view holds itself.
pub(super) const INLINE: usize = 12;

/// Secret factors: logs are hostile, and a client that could predict the hash could make a dictionary crawl.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds([u64; 4]);

impl Seeds {
    /// Fresh random ones. What is written does not depend on them.
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        Self(std::array::from_fn(|i| state.hash_one(i)))
    }

    /// Hashes a string that its view holds.
    #[inline(always)]
    pub(super) fn inline(&self, view: u128) -> u32 {
        finish(fold(view as u64 ^ self.0[0], (view >> 64) as u64 ^ self.0[1]))
    }

    /// Hashes a string of more than [`INLINE`] bytes: its two ends, which overlap in most, then what is between.
    #[inline(always)]
    pub(super) fn long(&self, bytes: &[u8]) -> u32 {
        let mut state = self.0[0] ^ bytes.len() as u64;
        let (Some(head), Some(tail)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) else {
            let head = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let tail = bytes.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            return finish(fold(head ^ state, tail ^ self.0[1]));
        };
        if bytes.len() > 32 {
            let between = &bytes[..bytes.len() - 16];
            let (blocks, _) = between[16..].as_chunks::<16>();
            for block in blocks.iter().chain(between.last_chunk()) {
                let (low, high) = halves(block);
                state = fold(low ^ state, high ^ self.0[1]);
            }
        }
        let (a, b) = halves(head);
        let (c, d) = halves(tail);
        finish(fold(a ^ state, b ^ self.0[1]) ^ fold(c ^ self.0[2], d ^ self.0[3]))
    }

    /// Hashes an integer.
    #[inline(always)]
    pub(super) fn integer(&self, value: i64) -> u32 {
        finish(fold(value as u64 ^ self.0[0], self.0[1] | 1))
    }
}

/// Multiplies to 128 bits and folds them: every bit of both factors reaches the result.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline(always)]
fn finish(hash: u64) -> u32 {
    (hash >> 32) as u32 ^ hash as u32
}

#[inline(always)]
fn halves(block: &[u8; 16]) -> (u64, u64) {
    let word = u128::from_le_bytes(*block);
    (word as u64, (word >> 64) as u64)
}

/// Compares two strings of equal length, both of more than [`INLINE`] bytes.
///
/// Most are shorter than 33 bytes, where two loads from either end are all it takes; a call of `memcmp` costs more.
#[inline(always)]
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk(), b.first_chunk(), a.last_chunk(), b.last_chunk()) {
        (Some(a_head), Some(b_head), Some(a_tail), Some(b_tail)) => {
            let head = u128::from_le_bytes(*a_head) ^ u128::from_le_bytes(*b_head);
            let tail = u128::from_le_bytes(*a_tail) ^ u128::from_le_bytes(*b_tail);
            head | tail == 0 && (a.len() <= 32 || a[16..a.len() - 16] == b[16..b.len() - 16])
        }
        _ => a == b,
    }
}

/// The view of a string of up to [`INLINE`] bytes.
#[inline(always)]
pub(super) fn inline_view(bytes: &[u8]) -> u128 {
    let mut view = [0; 16];
    view[0] = bytes.len() as u8;
    view[4..4 + bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(view)
}
