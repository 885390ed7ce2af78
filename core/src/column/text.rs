//! String columns as views into the chunk that was read.
//!
//! A view is 16 bytes: the length; then either up to 12 bytes of text padded with zeros, or the first four bytes, the
//! number of the buffer and the place in it. Buffer 0 is the chunk; texts that had to be changed, because their bytes
//! were not UTF-8, are in buffer 1 (see [`encode`](super::encode)).

use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::matrix::{BEHIND, Edge, Matrix, Row};
use super::{plain, validity};
use crate::simd::Backend;

/// The longest text that stands in its view.
pub(super) const INLINE: u32 = 12;

/// A column while it is filled.
#[derive(Debug, Default)]
pub(crate) struct TextColumn {
    views: Vec<u128>,
    valid: Vec<u8>,
    /// Rows in which a text may start or end inside a character.
    cut: Vec<u32>,
    /// What its texts point into; none while it has only nulls.
    ground: Option<Ground>,
}

/// The chunk that texts point into, and whether they were cut as if it were all ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ground {
    chunk: *const u8,
    ascii: bool,
}

impl Ground {
    pub(super) fn of(matrix: Matrix<'_>) -> Self {
        Self { chunk: matrix.bytes().as_ptr(), ascii: matrix.is_ascii() }
    }
}

/// Masks for the first four and the next eight bytes of a text of up to 12 bytes, and of a longer one.
static MASKS: [(u32, u64); INLINE as usize + 2] = {
    let mut masks = [(0, 0); INLINE as usize + 2];
    let mut length = 1;
    while length < masks.len() {
        masks[length] = match length {
            1..=3 => ((1 << (8 * length)) - 1, 0),
            4 | 13 => (u32::MAX, 0),
            12 => (u32::MAX, u64::MAX),
            _ => (u32::MAX, (1 << (8 * (length - 4))) - 1),
        };
        length += 1;
    }
    masks
};

/// The bits of the view of a text from `start` to `end`, of which `window` is what stands from `start` on, whatever the
/// end.
///
/// Both layouts are computed and one is chosen by a mask: whether a text is short cannot be predicted.
#[inline(always)]
fn bits(window: &[u8; 16], start: u32, end: u32) -> u128 {
    let head = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
    let tail = u64::from_le_bytes([
        window[4], window[5], window[6], window[7], window[8], window[9], window[10], window[11],
    ]);
    let length = end - start;
    let (head_mask, tail_mask) = MASKS[length.min(INLINE + 1) as usize];
    let low = u64::from(length) | u64::from(head & head_mask) << 32;
    let long = u64::from(length > INLINE).wrapping_neg();
    let high = (tail & tail_mask) | ((u64::from(start) << 32) & long);
    u128::from(low) | u128::from(high) << 64
}

/// A text of the chunk, a short text from elsewhere, or a null. It can only be made right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    bits: u128,
    valid: bool,
    /// Whether the text may start or end inside a character.
    cut: bool,
}

impl View {
    /// No text.
    pub(crate) const NULL: Self = Self { bits: 0, valid: false, cut: false };

    /// A short text that is known when this is compiled.
    pub(crate) const fn constant(text: &'static str) -> Self {
        let (text, mut bits, mut index) = (text.as_bytes(), text.len() as u128, 0);
        assert!(text.len() <= INLINE as usize);
        while index < text.len() {
            bits |= (text[index] as u128) << (32 + 8 * index);
            index += 1;
        }
        Self { bits, valid: true, cut: false }
    }
}

impl Matrix<'_> {
    /// The text of a row's line from `start` to `end`.
    ///
    /// # Panics
    /// When that is no part of the line, or the line no part of the chunk.
    #[inline(always)]
    pub(crate) fn text(&self, row: &Row, start: u32, end: u32) -> View {
        let bytes = self.bytes();
        let (from, to) = (row.start, row.end);
        // Unsigned: a start before `from` is far behind `to`.
        let inside = start.wrapping_sub(from) <= to.wrapping_sub(from);
        let whole = end.wrapping_sub(start) <= to.wrapping_sub(start);
        assert!(inside & whole & (to as usize + BEHIND <= bytes.len()), "a text lies in its line");
        // SAFETY: `start` is at most `to`, behind which there are 16 bytes.
        let window = unsafe { &*bytes.as_ptr().add(start as usize).cast::<[u8; 16]>() };
        let is_inner = |at: u32| bytes[at as usize] & 0xC0 == 0x80;
        let cut = !self.is_ascii() && (is_inner(start) || is_inner(end));
        View { bits: bits(window, start, end), valid: true, cut }
    }

    /// The text, or a null.
    #[inline(always)]
    pub(crate) fn text_if(&self, row: &Row, start: u32, end: u32, valid: bool) -> View {
        View { valid, ..self.text(row, start, end) }
    }
}

/// The view of a text that is not in the chunk: in buffer 1 at `start`, or in the view itself.
fn changed_view(text: &[u8], start: u32) -> u128 {
    let mut padded = [0; 16];
    let head = text.len().min(INLINE as usize);
    padded[..head].copy_from_slice(&text[..head]);
    let mut result = bits(&padded, 0, text.len() as u32);
    if text.len() > INLINE as usize {
        result |= 1 << 64;
        result |= u128::from(start) << 96;
    }
    result
}

/// Flags beside a row's validity in the first column, until they have been dealt with: the row is not filled yet; one of
/// its texts may be cut inside a character.
const UNFILLED: u8 = 2;
const CUT: u8 = 4;

/// A row while columns are filled: its number in the tile, the row, and the places of two edges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) number: usize,
    pub(crate) row: &'a Row,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Appends the rows of a tile to columns: `usual` gives one text for each. Where it gives none, `other` is asked when
/// all other rows are done: the loop over the usual rows calls nothing and keeps what it needs in registers.
///
/// With `VALID`, the texts of usual rows are never null, and nothing is written for their validity.
#[inline(always)]
pub(crate) fn fill<const N: usize, const VALID: bool>(
    mut columns: [&mut TextColumn; N],
    tile: Matrix<'_>,
    start: Edge,
    end: Edge,
    usual: impl FnMut(&Matrix<'_>, Here<'_>) -> Option<[View; N]>,
    mut other: impl FnMut(&Matrix<'_>, Here<'_>) -> [View; N],
) {
    let first = columns[0].views.len();
    fill_rows::<N, VALID>(&mut columns, tile, start, end, usual);
    let flags = columns[0].valid[first..].iter();
    if !flags.fold(false, |marked, flags| marked | (*flags > 1)) {
        return;
    }
    for number in 0..tile.rows().len() {
        let flags = columns[0].valid[first + number];
        let mut is_cut = flags & CUT != 0;
        columns[0].valid[first + number] = flags & 1;
        if flags & UNFILLED != 0 {
            let (row, start, end) = tile.span(number, start, end);
            let views = other(&tile, Here { number, row, start, end });
            for (column, view) in columns.iter_mut().zip(views) {
                column.views[first + number] = view.bits;
                column.valid[first + number] = u8::from(view.valid);
                is_cut |= view.cut;
            }
        }
        if is_cut {
            columns.iter_mut().for_each(|column| column.cut.push((first + number) as u32));
        }
    }
}

#[inline(always)]
fn fill_rows<const N: usize, const VALID: bool>(
    columns: &mut [&mut TextColumn; N],
    tile: Matrix<'_>,
    start: Edge,
    end: Edge,
    mut usual: impl FnMut(&Matrix<'_>, Here<'_>) -> Option<[View; N]>,
) {
    let rows = tile.rows().len();
    let ends = columns.each_mut().map(|column| {
        let first = column.views.len();
        let ground = Ground::of(tile);
        assert_eq!(*column.ground.get_or_insert(ground), ground, "a column is of one chunk");
        column.views.reserve(rows);
        column.valid.resize(first + rows, u8::from(VALID));
        // SAFETY: `first` is at most the length of both arrays, which have room for `rows` more.
        unsafe { (column.views.as_mut_ptr().add(first), column.valid.as_mut_ptr().add(first)) }
    });
    for (number, (row, start, end)) in tile.spans(start, end).enumerate() {
        let usual = usual(&tile, Here { number, row, start, end });
        let views = usual.unwrap_or([View::NULL; N]);
        // SAFETY: there are as many spans as rows, which both arrays of each column have room for.
        unsafe {
            for column in 0..N {
                ends[column].0.add(number).write(views[column].bits);
                if !VALID {
                    ends[column].1.add(number).write(u8::from(views[column].valid));
                }
            }
            if usual.is_none() {
                ends[0].1.add(number).write(UNFILLED);
            } else if !tile.is_ascii() && views.iter().any(|view| view.cut) {
                ends[0].1.add(number).write(CUT | u8::from(VALID | views[0].valid));
            }
        }
    }
    for column in columns {
        // SAFETY: the loop wrote `rows` views behind the last.
        unsafe { column.views.set_len(column.views.len() + rows) };
    }
}

/// Appends the rows of a tile to a column whose texts are all found in the same way.
#[inline(always)]
pub(crate) fn fill_one<const VALID: bool>(
    column: &mut TextColumn,
    tile: Matrix<'_>,
    start: Edge,
    end: Edge,
    mut view: impl FnMut(&Matrix<'_>, Here<'_>) -> View,
) {
    fill::<1, VALID>([column], tile, start, end, |tile, here| Some([view(tile, here)]), |_, _| [View::NULL]);
}

impl TextColumn {
    /// An empty column with room for some rows.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            views: Vec::with_capacity(rows),
            valid: Vec::with_capacity(rows),
            cut: Vec::new(),
            ground: None,
        }
    }

    /// Appends nulls.
    pub(crate) fn push_nulls(&mut self, rows: usize) {
        self.views.resize(self.views.len() + rows, 0);
        self.valid.resize(self.valid.len() + rows, 0);
    }

    /// Gives the texts of some rows anew, and those that a cut may have damaged: `change` is asked for each that is
    /// not null, and appends another text to `side` or says that there is none.
    pub(super) fn change(
        &mut self,
        bytes: &[u8],
        rows: &[u32],
        side: &mut Vec<u8>,
        mut change: impl FnMut(&[u8], &mut Vec<u8>) -> bool,
    ) {
        let cut = std::mem::take(&mut self.cut);
        // Both lists are in order; a row that is in both is given anew once.
        for &row in rows.iter().chain(cut.iter().filter(|row| rows.binary_search(row).is_err())) {
            let row = row as usize;
            if self.valid[row] == 0 {
                continue;
            }
            let view = self.views[row];
            let length = view as u32;
            let inline = view.to_le_bytes();
            let text = if length <= INLINE {
                &inline[4..4 + length as usize]
            } else {
                let start = (view >> 96) as usize;
                &bytes[start..start + length as usize]
            };
            let start = side.len();
            if change(text, side) {
                self.views[row] = changed_view(&side[start..], start as u32);
            }
        }
    }

    /// Whether all texts point into a chunk and were cut accordingly, one for each of its rows.
    pub(super) fn is_of(&self, ground: Ground, rows: usize) -> bool {
        self.views.len() == rows && self.ground.is_none_or(|own| own == ground)
    }

    /// The texts themselves, copied, and the nulls.
    pub(super) fn into_plain(
        self,
        backend: Backend,
        buffers: [&[u8]; 2],
    ) -> (OffsetBuffer<i32>, Buffer, Option<NullBuffer>) {
        let nulls = validity::pack(backend, &self.valid);
        let (offsets, bytes) = plain::copied(&self.views, &self.valid, buffers);
        (offsets, bytes, nulls)
    }

    /// The views, each of which lies in the chunk, or in the buffer that [`TextColumn::change`] appended to, and the
    /// nulls.
    pub(super) fn into_parts(self, backend: Backend) -> (ScalarBuffer<u128>, Option<NullBuffer>) {
        let nulls = validity::pack(backend, &self.valid);
        (ScalarBuffer::from(self.views), nulls)
    }
}
