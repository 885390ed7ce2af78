//! Arrow's layouts of strings, seen alike.

use std::ops::Range;

use arrow::array::{GenericByteArray, GenericByteViewArray};
use arrow::datatypes::{ByteArrayType, ByteViewType};

use super::hash::{INLINE, inline_view};

/// A string on its way into a dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key<'a> {
    /// Up to [`INLINE`] bytes, as a view.
    Inline(u128),
    /// More bytes than that.
    Long(&'a [u8]),
}

/// An array of strings.
pub(super) trait Source {
    /// The string.
    fn bytes(&self, at: usize) -> &[u8];

    /// The string as a dictionary wants it.
    fn key(&self, at: usize) -> Key<'_>;

    /// Whether all strings of a range are the one of a view; may say no where that cannot be told at a glance.
    fn uniform(&self, range: Range<usize>, view: u128) -> bool;

    /// How many bytes the strings of a range have together.
    fn total(&self, range: Range<usize>) -> usize;
}

/// `Utf8View` and `BinaryView`.
impl<T: ByteViewType + ?Sized> Source for GenericByteViewArray<T> {
    #[inline(always)]
    fn bytes(&self, at: usize) -> &[u8] {
        self.value(at).as_ref()
    }

    #[inline(always)]
    fn key(&self, at: usize) -> Key<'_> {
        let view = self.views()[at];
        let len = view as u32 as usize;
        if len <= INLINE {
            return Key::Inline(view);
        }
        let (buffer, offset) = ((view >> 64) as u32 as usize, (view >> 96) as u32 as usize);
        Key::Long(&self.data_buffers()[buffer].as_slice()[offset..offset + len])
    }

    #[inline(always)]
    fn uniform(&self, range: Range<usize>, view: u128) -> bool {
        self.views()[range].iter().fold(0, |difference, other| difference | (other ^ view)) == 0
    }

    #[inline(always)]
    fn total(&self, range: Range<usize>) -> usize {
        self.views()[range].iter().map(|&view| view as u32 as usize).sum()
    }
}

/// `Utf8` and `Binary`.
impl<T: ByteArrayType<Offset = i32>> Source for GenericByteArray<T> {
    #[inline(always)]
    fn bytes(&self, at: usize) -> &[u8] {
        self.value(at).as_ref()
    }

    #[inline(always)]
    fn key(&self, at: usize) -> Key<'_> {
        let bytes = self.bytes(at);
        if bytes.len() <= INLINE { Key::Inline(inline_view(bytes)) } else { Key::Long(bytes) }
    }

    #[inline(always)]
    fn uniform(&self, _: Range<usize>, _: u128) -> bool {
        false
    }

    #[inline(always)]
    fn total(&self, range: Range<usize>) -> usize {
        let offsets = self.value_offsets();
        (offsets[range.end] - offsets[range.start]) as usize
    }
}
