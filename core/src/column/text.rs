//! String columns as views into the chunk that was read.
//!
//! A view is 16 bytes: the length; then either up to 12 bytes of text padded with zeros, or the first four bytes, the
//! number of the buffer and the place in it. Buffer 0 is the chunk; texts that had to be changed, because their bytes
//! were not UTF-8, are in buffer 1 (see [`encode`](super::encode)).

use arrow::buffer::{NullBuffer, ScalarBuffer};

use super::validity;

/// A row that knows where its line is.
pub(crate) trait Line {
    /// Where the line starts in the chunk, and where it ends.
    fn span(&self) -> (u32, u32);
}

/// What texts are cut from: the lines of a chunk.
#[derive(Debug)]
pub(crate) struct Ground<'a, L> {
    /// The chunk's bytes, with at least 16 behind the last line's end.
    pub(crate) bytes: &'a [u8],
    /// Whether they are all ASCII.
    pub(crate) ascii: bool,
    /// The rows.
    pub(crate) lines: &'a [L],
}

impl<L> Clone for Ground<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Ground<'_, L> {}

/// A text of the chunk, or a null.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) valid: bool,
}

/// The longest text that stands in its view.
const INLINE: u32 = 12;

/// A column while it is filled.
#[derive(Debug, Default)]
pub(crate) struct TextColumn {
    views: Vec<u128>,
    valid: Vec<u8>,
    /// Rows in which a text may start or end inside a character.
    cut: Vec<u32>,
}

/// Masks for the first four and the next eight bytes of a text of up to 12 bytes.
static MASKS: [(u32, u64); INLINE as usize + 1] = {
    let mut masks = [(0, 0); INLINE as usize + 1];
    let mut length = 1;
    while length <= INLINE as usize {
        masks[length] = match length {
            1..=3 => ((1 << (8 * length)) - 1, 0),
            4 => (u32::MAX, 0),
            12 => (u32::MAX, u64::MAX),
            _ => (u32::MAX, (1 << (8 * (length - 4))) - 1),
        };
        length += 1;
    }
    masks
};

/// The view of `bytes[start..end]`, of which 16 bytes from `start` can be read whatever the end.
#[inline(always)]
fn view(bytes: &[u8], start: u32, end: u32) -> u128 {
    let at = start as usize;
    let window = &bytes[at..at + 16];
    let head = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
    let tail = u64::from_le_bytes([
        window[4], window[5], window[6], window[7], window[8], window[9], window[10], window[11],
    ]);
    let length = end - start;
    let (head_mask, tail_mask) = MASKS[length.min(INLINE) as usize];
    let low = u64::from(length) | u64::from(head & head_mask) << 32;
    let high = if length <= INLINE { tail & tail_mask } else { u64::from(start) << 32 };
    u128::from(low) | u128::from(high) << 64
}

/// The view of a text that is not in the chunk: in buffer 1 at `start`, or in the view itself.
fn changed_view(text: &[u8], start: u32) -> u128 {
    let mut padded = [0; 16];
    let head = text.len().min(INLINE as usize);
    padded[..head].copy_from_slice(&text[..head]);
    let mut result = view(&padded, 0, text.len() as u32);
    if text.len() > INLINE as usize {
        result |= 1 << 64;
        result |= u128::from(start) << 96;
    }
    result
}

/// Fills columns row by row: `pieces(row)` gives one text for each.
///
/// # Panics
/// When a piece is not part of its row's line.
#[inline(always)]
pub(crate) fn fill<const N: usize, L: Line>(
    columns: [&mut TextColumn; N],
    ground: Ground<'_, L>,
    mut pieces: impl FnMut(usize) -> [Piece; N],
) {
    let Ground { bytes, ascii, lines } = ground;
    let rows = lines.len();
    let mut columns = columns.map(|column| {
        column.views.clear();
        column.valid.clear();
        column.views.reserve_exact(rows);
        column.valid.reserve_exact(rows);
        column
    });
    let mut slots = columns.each_mut().map(|column| {
        (&mut column.views.spare_capacity_mut()[..rows], &mut column.valid.spare_capacity_mut()[..rows])
    });
    let mut cut = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let (from, to) = line.span();
        let pieces = pieces(row);
        for ((views, valid), Piece { start, end, valid: is_valid }) in slots.iter_mut().zip(pieces) {
            assert!(from <= start && start <= end && end <= to, "a text lies in its line");
            if !ascii {
                assert!(
                    !is_inner(bytes[start as usize]) && !is_inner(bytes[end as usize]),
                    "characters stay whole"
                );
            }
            views[row].write(view(bytes, start, end));
            valid[row].write(u8::from(is_valid));
        }
    }
    for column in columns {
        // SAFETY: the loop wrote every slot of both arrays up to `rows`, which are their reserved lengths.
        unsafe {
            column.views.set_len(rows);
            column.valid.set_len(rows);
        }
        column.cut.clone_from(&cut);
    }
}

/// Whether a byte is the second or a later one of a character in UTF-8.
fn is_inner(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

impl TextColumn {
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

    /// The views, each of which lies in the chunk, or in the buffer that [`TextColumn::change`] appended to, and the
    /// nulls.
    pub(super) fn into_parts(self) -> (ScalarBuffer<u128>, Option<NullBuffer>) {
        let nulls = validity::pack(&self.valid);
        (ScalarBuffer::from(self.views), nulls)
    }
}
