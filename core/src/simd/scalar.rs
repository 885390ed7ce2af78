//! Eight bytes at a time in a general register ("SWAR"). No instruction that some processor lacks: what aarch64 and
//! old x86-64 run.

use super::{BLOCK, Kernel, Simd};

/// The token: every processor can.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scalar;

impl Scalar {
    pub(super) fn detect() -> Option<Self> {
        Some(Self)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7F * ONES;

/// Bit `i` tells whether byte `i` of the word is zero.
///
/// `(x & 0x7F) + 0x7F` has its high bit set unless the low seven bits are zero, and never carries into the next byte,
/// so that the answer is exact for every byte. The multiplication gathers the eight high bits in the top byte.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    let high = !(((word & LOW) + LOW) | word | LOW);
    (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl Simd for Scalar {
    type Block = [u64; BLOCK / 8];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        let mut words = [0; BLOCK / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    #[inline(always)]
    fn eq(self, block: Self::Block, byte: u8) -> u64 {
        let needle = ONES * u64::from(byte);
        let mut mask = 0;
        for (index, word) in block.into_iter().enumerate() {
            mask |= zero_bytes(word ^ needle) << (8 * index);
        }
        mask
    }

    #[inline(always)]
    fn has_high(self, block: Self::Block) -> bool {
        block.into_iter().fold(0, |all, word| all | word) & !LOW != 0
    }

    #[inline(always)]
    fn prefix_xor(self, mut mask: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            mask ^= mask << shift;
        }
        mask
    }

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
}
