//! Arrow's layouts of strings, seen alike, and strings on their way into a dictionary.

use std::ops::Range;

use arrow::array::{GenericByteArray, GenericByteViewArray};
use arrow::datatypes::{ByteArrayType, ByteViewType};

use super::hash::{CLASSES, INLINE, VIEW, class, inline_view};

/// How many strings are looked up together.
pub(super) const BLOCK: usize = 64;

/// Some strings, sorted by class, and what is found out about them.
pub(super) struct Block<'a> {
    len: usize,
    /// The strings that are a view; of the others only the length is there.
    pub(super) views: [u128; BLOCK],
    /// The others.
    pub(super) bytes: [&'a [u8]; BLOCK],
    lists: [[u8; BLOCK]; CLASSES],
    counts: [usize; CLASSES],
    pub(super) hashes: [u32; BLOCK],
    pub(super) slots: [u32; BLOCK],
    /// Id (lower half) and length of the record that the slot leads to.
    pub(super) heads: [u64; BLOCK],
}

impl<'a> Block<'a> {
    pub(super) fn new() -> Self {
        Self {
            len: 0,
            views: [0; BLOCK],
            bytes: [&[]; BLOCK],
            lists: [[0; BLOCK]; CLASSES],
            counts: [0; CLASSES],
            hashes: [0; BLOCK],
            slots: [0; BLOCK],
            heads: [0; BLOCK],
        }
    }

    /// How many strings there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many strings of a class there are.
    #[inline(always)]
    pub(super) fn count(&self, class: usize) -> usize {
        self.counts[class]
    }

    /// Where a string of a class is.
    #[inline(always)]
    pub(super) fn place(&self, class: usize, at: usize) -> usize {
        self.lists[class][at % BLOCK] as usize % BLOCK
    }

    /// A string that is a view.
    #[inline(always)]
    pub(super) fn view(&self, at: usize) -> Option<u128> {
        let view = self.views[at];
        (view as u32 as usize <= INLINE).then_some(view)
    }

    /// Takes a string; the block must not be full.
    #[inline(always)]
    fn push(&mut self, view: u128, bytes: impl FnOnce() -> &'a [u8]) {
        let at = self.len % BLOCK;
        let len = view as u32 as usize;
        self.views[at] = view;
        if len > INLINE {
            self.bytes[at] = bytes();
        }
        let class = class(len);
        self.lists[class][self.counts[class] % BLOCK] = at as u8;
        self.counts[class] += 1;
        self.len = at + 1;
    }

    /// Makes room for others.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.counts = [0; CLASSES];
    }
}

/// An array of strings.
pub(super) trait Source {
    /// The string.
    fn bytes(&self, at: usize) -> &[u8];

    /// Adds strings to a block, which must have room for them.
    fn load<'a>(&'a self, range: Range<usize>, block: &mut Block<'a>);

    /// How many strings at the start of a range are the one of a view; may say none where that cannot be told at a
    /// glance.
    fn run(&self, range: Range<usize>, view: u128) -> usize;

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
    fn load<'a>(&'a self, range: Range<usize>, block: &mut Block<'a>) {
        let buffers = self.data_buffers();
        for &view in &self.views()[range] {
            block.push(view, || {
                let (buffer, offset) = ((view >> 64) as u32 as usize, (view >> 96) as u32 as usize);
                &buffers[buffer].as_slice()[offset..offset + view as u32 as usize]
            });
        }
    }

    #[inline(always)]
    fn run(&self, range: Range<usize>, view: u128) -> usize {
        let (groups, rest) = self.views()[range].as_chunks::<8>();
        let same = |group: &&[u128; 8]| group.iter().fold(0, |all, other| all | (other ^ view)) == 0;
        let whole = groups.iter().take_while(same).count();
        let next = groups.get(whole).map_or(rest, |group| &group[..]);
        8 * whole + next.iter().take_while(|&&other| other == view).count()
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
    fn load<'a>(&'a self, range: Range<usize>, block: &mut Block<'a>) {
        for at in range {
            let bytes = self.bytes(at);
            let view = if class(bytes.len()) == VIEW { inline_view(bytes) } else { bytes.len() as u128 };
            block.push(view, || bytes);
        }
    }

    #[inline(always)]
    fn run(&self, _: Range<usize>, _: u128) -> usize {
        0
    }

    #[inline(always)]
    fn total(&self, range: Range<usize>) -> usize {
        let offsets = self.value_offsets();
        (offsets[range.end] - offsets[range.start]) as usize
    }
}
