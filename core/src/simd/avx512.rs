//! Sixty-four bytes at a time, with mask registers and a compress instruction that turns a mask into places without a
//! loop over its bits.

use std::arch::x86_64::{
    __m512i, _mm_storeu_si128, _mm512_add_epi32, _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask,
    _mm512_cvtepu8_epi32, _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8,
    _mm512_movepi8_mask, _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512,
};

use super::sse42::clmul_prefix_xor;
use super::{BLOCK, Hits, Kernel, Simd};

/// The token: the processor has AVX-512 F, BW and VBMI2, and what [`Avx2`](super::avx2::Avx2) needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let able = super::avx2::Avx2::detect().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi2");
        able.then_some(Self(()))
    }
}

/// 0, 1, 2 … 63.
static INDEX: [u8; BLOCK] = {
    let mut index = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        index[at] = at as u8;
        at += 1;
    }
    index
};

impl Simd for Avx512 {
    type Block = __m512i;

    #[inline(always)]
    fn load(self, bytes: &[u8; BLOCK]) -> Self::Block {
        // SAFETY: the token proves AVX-512F; the load needs no alignment.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn eq(self, block: Self::Block, byte: u8) -> u64 {
        // SAFETY: the token proves AVX-512BW.
        unsafe { _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    fn has_high(self, block: Self::Block) -> bool {
        // SAFETY: the token proves AVX-512BW.
        unsafe { _mm512_movepi8_mask(block) != 0 }
    }

    #[inline(always)]
    fn prefix_xor(self, mask: u64) -> u64 {
        // SAFETY: the token proves PCLMULQDQ.
        unsafe { clmul_prefix_xor(mask) }
    }

    /// Compresses the indices and the bytes of the mask to the front, then widens the indices to places, sixteen at a
    /// time. The compress works on registers: its form that writes to memory is microcoded on Zen 4.
    #[inline(always)]
    fn push(self, hits: &mut Hits, _: &[u8; BLOCK], block: Self::Block, mask: u64, base: u32) {
        let count = mask.count_ones() as usize;
        let (at, byte) = hits.room();
        // SAFETY: the token proves AVX-512F, BW and VBMI2. `room` gave space for 64 entries behind both pointers, and
        // no store reaches further: one of 16 or 64 bytes at the first, up to four of 16 entries at the second. At
        // least `count` entries are written before they are counted in.
        unsafe {
            let index = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(INDEX.as_ptr().cast()));
            let bytes = _mm512_maskz_compress_epi8(mask, block);
            let base = _mm512_set1_epi32(base as i32);
            let widen = |part| _mm512_add_epi32(_mm512_cvtepu8_epi32(part), base);
            _mm_storeu_si128(byte.cast(), _mm512_castsi512_si128(bytes));
            _mm512_storeu_si512(at.cast(), widen(_mm512_castsi512_si128(index)));
            if count > 16 {
                _mm512_storeu_si512(byte.cast(), bytes);
                _mm512_storeu_si512(at.add(16).cast(), widen(_mm512_extracti32x4_epi32::<1>(index)));
                _mm512_storeu_si512(at.add(32).cast(), widen(_mm512_extracti32x4_epi32::<2>(index)));
                _mm512_storeu_si512(at.add(48).cast(), widen(_mm512_extracti32x4_epi32::<3>(index)));
            }
            hits.advance(count);
        }
    }

    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
        fn compiled<K: Kernel>(token: Avx512, kernel: K) -> K::Output {
            kernel.run(token)
        }
        // SAFETY: the token proves the instructions.
        unsafe { compiled(self, kernel) }
    }
}
