//! The plain layout of texts: one after the other, and where each ends.
//!
//! Texts are copied sixteen bytes at a time, whatever their length: what is too much is overwritten by the next one. The
//! loop has no call and, for texts of up to sixteen bytes, one well predicted branch.

use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use super::text::INLINE;

/// How much is copied at a time.
const STEP: usize = 16;

/// The texts that views point at. A row whose `valid` is 0 has none, whatever its view says.
///
/// # Panics
/// When a view points beyond its buffer, or all texts together have 2 GiB.
pub(super) fn copied(views: &[u128], valid: &[u8], buffers: [&[u8]; 2]) -> (OffsetBuffer<i32>, Buffer) {
    assert_eq!(views.len(), valid.len(), "each row is valid or not");
    let length = |view: u128, valid: u8| if valid == 0 { 0 } else { view as u32 as usize };
    let total: usize = views.iter().zip(valid).map(|(&view, &valid)| length(view, valid)).sum();
    assert!(i32::try_from(total).is_ok(), "the texts of a chunk have less than 2 GiB");

    if total == 0 {
        // As identities and users are, mostly.
        return (OffsetBuffer::new_zeroed(views.len()), Buffer::from_vec(Vec::<u8>::new()));
    }
    let mut offsets: Vec<i32> = Vec::with_capacity(views.len() + 1);
    offsets.push(0);
    let mut bytes: Vec<u8> = Vec::with_capacity(total + STEP);
    let mut at = 0;
    for (&view, &valid) in views.iter().zip(valid) {
        let length = length(view, valid);
        // SAFETY: `at` and `length` add up to no more than `total`, as the same sum did above, and there is room for STEP
        // bytes more; so the last step that begins within the text ends within the room.
        unsafe {
            let to = bytes.as_mut_ptr().add(at);
            if length <= INLINE as usize {
                to.cast::<u128>().write_unaligned((view >> 32).to_le());
            } else {
                let from = &buffers[(view >> 64) as u32 as usize][(view >> 96) as usize..];
                assert!(length <= from.len(), "a text lies in its buffer");
                if length.next_multiple_of(STEP) <= from.len() {
                    for step in (0..length).step_by(STEP) {
                        let window = from.as_ptr().add(step).cast::<[u8; STEP]>().read();
                        to.add(step).cast::<[u8; STEP]>().write(window);
                    }
                } else {
                    to.copy_from_nonoverlapping(from.as_ptr(), length);
                }
            }
        }
        at += length;
        // No more than `total`, which fits.
        offsets.push(at as i32);
    }
    // SAFETY: the loop wrote `at` bytes without a gap.
    unsafe { bytes.set_len(at) };
    // SAFETY: the offsets begin at 0 and never go back.
    let offsets = unsafe { OffsetBuffer::new_unchecked(ScalarBuffer::from(offsets)) };
    (offsets, Buffer::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, BinaryArray, BinaryViewArray};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As arrow's own cast has it, from any buffer, near its end too.
        #[test]
        fn texts_are_those_of_the_views(
            texts in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..70)), 0..40),
            seconds in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let mut buffers = [Vec::new(), Vec::new()];
            let (mut views, mut valid): (Vec<u128>, Vec<u8>) = (vec![], vec![]);
            for (row, text) in texts.iter().enumerate() {
                let second = usize::from(seconds[row]);
                let start = buffers[second].len() as u32;
                let bytes = text.clone().unwrap_or_else(|| b"what a null row may hold".to_vec());
                buffers[second].extend_from_slice(&bytes);
                views.push(arrow::array::builder::make_view(&bytes, second as u32, start));
                valid.push(u8::from(text.is_some()));
            }
            let (offsets, values) = copied(&views, &valid, [&buffers[0], &buffers[1]]);
            let nulls = arrow::buffer::NullBuffer::from_iter(valid.iter().map(|&valid| valid == 1));
            let made = BinaryArray::try_new(offsets, values, Some(nulls.clone())).unwrap();
            let expected: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_deref()).collect();
            prop_assert_eq!(made.iter().collect::<Vec<_>>(), expected);
            let [first, second] = buffers.map(Buffer::from_vec);
            let viewed = BinaryViewArray::try_new(views.into(), vec![first, second], Some(nulls)).unwrap();
            let cast = arrow::compute::cast(&viewed, made.data_type()).unwrap();
            prop_assert_eq!(cast.to_data(), made.to_data());
        }
    }

    #[test]
    #[should_panic(expected = "a text lies in its buffer")]
    fn a_text_beyond_its_buffer_is_refused() {
        copied(&[20 | 5 << 96], &[1], [&[b'x'; 20], &[]]);
    }
}
