//! Sixteen bytes at a time.

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
};

use super::{BLOCK, Kernel, Simd};

/// The token: the processor has SSE4.2, POPCNT and PCLMULQDQ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sse42(());

impl Sse42 {
    pub(super) fn detect() -> Option<Self> {
        let able = is_x86_feature_detected!("sse4.2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        able.then_some(Self(()))
    }
}

/// The parity of all bits up to each, as a carry-less product with all ones.
///
/// # Safety
/// The processor has PCLMULQDQ.
#[inline(always)]
pub(super) unsafe fn clmul_prefix_xor(mask: u64) -> u64 {
    // SAFETY: by the contract.
    unsafe {
        let product = _mm_clmulepi64_si128(_mm_set_epi64x(0, mask as i64), _mm_set1_epi8(-1), 0);
        _mm_cvtsi128_si64(product) as u64
    }
}

impl Simd for Sse42 {
    type Block = [__m128i; 4];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        let start: *const __m128i = bytes.as_ptr().cast();
        // SAFETY: four loads of 16 bytes, which need no alignment, are within 64.
        unsafe { [0, 1, 2, 3].map(|index| _mm_loadu_si128(start.add(index))) }
    }

    #[inline(always)]
    fn eq(self, block: Self::Block, byte: u8) -> u64 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe {
            let needle = _mm_set1_epi8(byte as i8);
            let [a, b, c, d] =
                block.map(|part| u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(part, needle)) as u32));
            a | b << 16 | c << 32 | d << 48
        }
    }

    #[inline(always)]
    fn has_high(self, [a, b, c, d]: Self::Block) -> bool {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) != 0 }
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        // SAFETY: the token proves PCLMULQDQ.
        unsafe { clmul_prefix_xor(mask) }
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "sse4.2,popcnt,pclmulqdq")]
        fn compiled<K: Kernel>(token: Sse42, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: the token proves the instructions.
        unsafe { compiled(self, kernel) }
    }
}
