//! Hashes and comparisons of strings, by class of length: what the dictionary of a text column spends its time on.
//!
//! Within a class, code has no branch that depends on the string: the lengths in a log are all over the place, and a
//! processor that guesses them wrong loses more time than the few loads take.

use std::hash::{BuildHasher, RandomState};

/// The longest string that a view holds itself. It is handled as the `u128` that the view is: length, then the bytes,
/// zero padded.
pub(super) const INLINE: usize = 12;

/// How many classes there are.
pub(super) const CLASSES: usize = 5;
/// Strings that are a view.
pub(super) const VIEW: usize = 0;

/// The class of a string's length: a view, up to 16, 32 or 64 bytes, or more.
#[inline(always)]
pub(super) fn class(len: usize) -> usize {
    usize::from(len > INLINE) + usize::from(len > 16) + usize::from(len > 32) + usize::from(len > 64)
}

/// Secret factors: logs are hostile, and a client that could predict the hash could make a dictionary crawl.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds([u64; 4]);

impl Seeds {
    /// Fresh random ones. What is written does not depend on them.
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        Self(std::array::from_fn(|i| state.hash_one(i)))
    }

    /// Hashes a string that is a view.
    #[inline(always)]
    pub(super) fn view(&self, view: u128) -> u32 {
        finish(self.fold(view))
    }

    /// Hashes a string of any class.
    pub(super) fn any(&self, bytes: &[u8]) -> u32 {
        match class(bytes.len()) {
            VIEW => self.view(inline_view(bytes)),
            1 => UpTo16::hash(self, bytes),
            2 => UpTo32::hash(self, bytes),
            3 => UpTo64::hash(self, bytes),
            _ => Longer::hash(self, bytes),
        }
    }

    /// Hashes an integer.
    #[inline(always)]
    pub(super) fn integer(&self, value: i64) -> u32 {
        finish(fold(value as u64 ^ self.0[0], self.0[1] | 1))
    }

    #[inline(always)]
    fn fold(&self, word: u128) -> u64 {
        fold(word as u64 ^ self.0[0], (word >> 64) as u64 ^ self.0[1])
    }

    #[inline(always)]
    fn fold_other(&self, word: u128) -> u64 {
        fold(word as u64 ^ self.0[2], (word >> 64) as u64 ^ self.0[3])
    }
}

/// What is done with the strings of a class.
pub(super) trait Class {
    /// Hashes a string.
    fn hash(seeds: &Seeds, bytes: &[u8]) -> u32;

    /// Whether two strings of equal length are the same.
    fn same(a: &[u8], b: &[u8]) -> bool;
}

/// 8 to 16 bytes: two words that may overlap.
pub(super) struct UpTo16;
/// 16 to 32 bytes.
pub(super) struct UpTo32;
/// 32 to 64 bytes.
pub(super) struct UpTo64;
/// Any number of bytes from 64.
pub(super) struct Longer;

impl Class for UpTo16 {
    #[inline(always)]
    fn hash(seeds: &Seeds, bytes: &[u8]) -> u32 {
        finish(seeds.fold(ends8(bytes)) ^ bytes.len() as u64)
    }

    #[inline(always)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        ends8(a) == ends8(b)
    }
}

impl Class for UpTo32 {
    #[inline(always)]
    fn hash(seeds: &Seeds, bytes: &[u8]) -> u32 {
        let [head, tail] = ends16(bytes);
        finish(seeds.fold(head) ^ seeds.fold_other(tail) ^ bytes.len() as u64)
    }

    #[inline(always)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        let ([a, b], [c, d]) = (ends16(a), ends16(b));
        (a ^ c) | (b ^ d) == 0
    }
}

impl Class for UpTo64 {
    #[inline(always)]
    fn hash(seeds: &Seeds, bytes: &[u8]) -> u32 {
        let [a, b, c, d] = ends32(bytes);
        let state = seeds.fold(a) ^ seeds.fold_other(d) ^ bytes.len() as u64;
        finish(state ^ seeds.fold(b).rotate_left(32) ^ seeds.fold_other(c).rotate_left(32))
    }

    #[inline(always)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        let (a, b) = (ends32(a), ends32(b));
        (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) == 0
    }
}

impl Class for Longer {
    #[inline]
    fn hash(seeds: &Seeds, bytes: &[u8]) -> u32 {
        let mut state = bytes.len() as u64;
        let (blocks, rest) = bytes.as_chunks::<16>();
        for block in blocks.iter().chain(bytes.last_chunk().filter(|_| !rest.is_empty())) {
            state = seeds.fold(u128::from_le_bytes(*block) ^ u128::from(state));
        }
        finish(state)
    }

    #[inline(always)]
    fn same(a: &[u8], b: &[u8]) -> bool {
        a == b
    }
}

/// The first and the last eight bytes, in one.
#[inline(always)]
fn ends8(bytes: &[u8]) -> u128 {
    let head = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let tail = bytes.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    u128::from(head) | u128::from(tail) << 64
}

/// The first and the last 16 bytes.
#[inline(always)]
fn ends16(bytes: &[u8]) -> [u128; 2] {
    let head = bytes.first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
    let tail = bytes.last_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
    [head, tail]
}

/// The first and the last 32 bytes.
#[inline(always)]
fn ends32(bytes: &[u8]) -> [u128; 4] {
    let [a, b] = bytes.first_chunk::<32>().map_or([0; 2], |bytes| ends16(bytes));
    let [c, d] = bytes.last_chunk::<32>().map_or([0; 2], |bytes| ends16(bytes));
    [a, b, c, d]
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

/// The view of a string of up to [`INLINE`] bytes.
#[inline(always)]
pub(super) fn inline_view(bytes: &[u8]) -> u128 {
    let mut view = [0; 16];
    view[0] = bytes.len() as u8;
    view[4..4 + bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_every_length_counts() {
        let seeds = Seeds(std::array::from_fn(|i| 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * i as u64 + 1)));
        for len in 0..150 {
            let string: Vec<u8> = (0..len).map(|i| b'a' + i % 26).collect();
            let hash = seeds.any(&string);
            assert_eq!(hash, seeds.any(&string));
            for bit in 0..8 * string.len() {
                let mut other = string.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(hash, seeds.any(&other), "bit {bit} of {len} bytes");
                let same = match class(string.len()) {
                    VIEW => inline_view(&string) == inline_view(&other),
                    1 => UpTo16::same(&string, &other),
                    2 => UpTo32::same(&string, &other),
                    3 => UpTo64::same(&string, &other),
                    _ => Longer::same(&string, &other),
                };
                assert!(!same, "bit {bit} of {len} bytes");
            }
            assert_ne!(hash, seeds.any(&[&string[..], b"\0"].concat()), "{len} bytes and a zero");
        }
    }
}
