//! Null bitmaps.
//!
//! While a column is filled, validity is a byte a row: one store without a dependency on the row before. The bitmap is
//! packed at the end, eight rows a multiplication.

use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

/// Packs bytes that are 0 or 1 into a null buffer; `None` when all are 1.
pub(crate) fn pack(valid: &[u8]) -> Option<NullBuffer> {
    let (words, rest) = valid.as_chunks::<8>();
    let mut bits = Vec::with_capacity(valid.len().div_ceil(8));
    // The product brings bit 0 of byte i to bit 56 + i: no two of the shifted copies meet below.
    bits.extend(
        words.iter().map(|word| (u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8),
    );
    if !rest.is_empty() {
        bits.push(rest.iter().zip(0..).fold(0, |byte, (valid, bit)| byte | valid << bit));
    }
    let set: usize = bits.iter().map(|byte| byte.count_ones() as usize).sum();
    if set == valid.len() {
        return None;
    }
    let buffer = BooleanBuffer::new(Buffer::from_vec(bits), 0, valid.len());
    // SAFETY: the count is of this bitmap.
    Some(unsafe { NullBuffer::new_unchecked(buffer, valid.len() - set) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_a_byte(valid in proptest::collection::vec(0..2u8, 0..200)) {
            let expected: Vec<bool> = valid.iter().map(|&byte| byte == 1).collect();
            match pack(&valid) {
                None => prop_assert!(expected.iter().all(|&valid| valid)),
                Some(nulls) => {
                    prop_assert_eq!(nulls.iter().collect::<Vec<bool>>(), expected.clone());
                    prop_assert_eq!(nulls.null_count(), expected.iter().filter(|&&valid| !valid).count());
                }
            }
        }
    }
}
