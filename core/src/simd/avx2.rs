//! Thirty-two bytes at a time.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use super::sse42::clmul_prefix_xor;
use super::{BLOCK, Kernel, Simd};

/// The token: the processor has AVX2, BMI 1 and 2, POPCNT, LZCNT and PCLMULQDQ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let able = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq");
        able.then_some(Self(()))
    }
}

impl Simd for Avx2 {
    type Block = [__m256i; 2];

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        let start: *const __m256i = bytes.as_ptr().cast();
        // SAFETY: the token proves AVX; two loads of 32 bytes, which need no alignment, are within 64.
        unsafe { [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))] }
    }

    #[inline(always)]
    fn eq(self, block: Self::Block, byte: u8) -> u64 {
        // SAFETY: the token proves AVX2.
        unsafe {
            let needle = _mm256_set1_epi8(byte as i8);
            let [a, b] =
                block.map(|part| u64::from(_mm256_movemask_epi8(_mm256_cmpeq_epi8(part, needle)) as u32));
            a | b << 32
        }
    }

    #[inline(always)]
    fn has_high(self, [a, b]: Self::Block) -> bool {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_movemask_epi8(_mm256_or_si256(a, b)) != 0 }
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        // SAFETY: the token proves PCLMULQDQ.
        unsafe { clmul_prefix_xor(mask) }
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
        fn compiled<K: Kernel>(token: Avx2, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: the token proves the instructions.
        unsafe { compiled(self, kernel) }
    }
}
