//! Null bitmaps.
//!
//! While a column is filled, validity is a byte a row: one store without a dependency on the row before. The bitmap is
//! packed at the end, 64 rows at a time.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

use crate::simd::{BLOCK, Backend, Kernel, Simd};

/// Packs bytes that are 0 or 1 into a null buffer; `None` when all are 1.
pub(crate) fn pack(backend: Backend, valid: &[u8]) -> Option<NullBuffer> {
    let (words, set) = backend.run(Pack(valid));
    if set == valid.len() {
        return None;
    }
    let buffer = BooleanBuffer::new(Buffer::from_vec(words), 0, valid.len());
    // SAFETY: the count is of this bitmap.
    Some(unsafe { NullBuffer::new_unchecked(buffer, valid.len() - set) })
}

struct Pack<'a>(&'a [u8]);

impl Kernel for Pack<'_> {
    /// The bitmap, in words whose lowest bit is the first row, and how many bits are set.
    type Output = (Vec<u64>, usize);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (Vec<u64>, usize) {
        let (blocks, rest) = self.0.as_chunks::<BLOCK>();
        let mut words = Vec::with_capacity(blocks.len() + 1);
        let mut set = 0;
        let mut push = |word: u64| {
            set += word.count_ones() as usize;
            words.push(word.to_le());
        };
        for block in blocks {
            push(simd.eq(simd.load(block), 1));
        }
        if !rest.is_empty() {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            push(simd.eq(simd.load(&last), 1));
        }
        (words, set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_a_byte(valid in proptest::collection::vec(0..2u8, 0..200)) {
            let expected: Vec<bool> = valid.iter().map(|&byte| byte == 1).collect();
            for backend in Backend::available() {
                match pack(backend, &valid) {
                    None => prop_assert!(expected.iter().all(|&valid| valid)),
                    Some(nulls) => {
                        prop_assert_eq!(nulls.iter().collect::<Vec<bool>>(), expected.clone());
                        prop_assert_eq!(nulls.null_count(), expected.iter().filter(|&&valid| !valid).count());
                    }
                }
            }
        }
    }
}
