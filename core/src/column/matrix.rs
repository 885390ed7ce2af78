//! The lines of a chunk as a matrix of places.
//!
//! A well-formed line has always the same structural bytes in the same order, so that a field starts and ends at fixed
//! columns of the matrix that has a row of places a line. The matrix is checked once, when it is made; reading a field
//! down all rows then costs two loads a row and no further check.

/// A place in a line: a distance from one of its structural bytes, or from the newline before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The structural byte's number in the line, its newline being the last; or [`Edge::BEFORE`].
    pub(crate) at: u32,
    pub(crate) delta: i32,
}

impl Edge {
    /// The newline before the line: one less than the number of the first structural byte.
    pub(crate) const BEFORE: u32 = u32::MAX;
}

/// A line, and where its places are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Where the line starts in the chunk.
    pub(crate) start: u32,
    /// Where it ends, without its line end.
    pub(crate) end: u32,
    /// The number of its first place among all places; the one before it is the newline before the line.
    pub(crate) first: u32,
    /// Which line of the chunk it is, from 0.
    pub(crate) number: u32,
}

/// The rows of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    bytes: &'a [u8],
    ascii: bool,
    rows: &'a [Row],
    places: &'a [u32],
    stride: u32,
}

/// How many rows a tile has: their lines, places and columns take about 32 KiB.
pub(crate) const TILE: usize = 128;

/// How many bytes there are behind every line's end.
pub(super) const BEHIND: usize = 16;

impl<'a> Matrix<'a> {
    /// Joins a chunk's bytes with its rows, of `stride` places each. `ascii` says whether all bytes are ASCII.
    ///
    /// # Panics
    /// When a line is not in the chunk, with [`BEHIND`] bytes behind it, or a row's places are not among the places.
    pub(crate) fn new(
        bytes: &'a [u8],
        ascii: bool,
        rows: &'a [Row],
        places: &'a [u32],
        stride: usize,
    ) -> Self {
        let (mut sound, mut last_end, mut first, mut last) = (true, 0, u32::MAX, 0);
        for row in rows {
            sound &= row.start <= row.end;
            last_end = last_end.max(row.end);
            first = first.min(row.first);
            last = last.max(row.first);
        }
        sound &= rows.is_empty()
            || (last_end as usize + BEHIND <= bytes.len()
                && first > 0
                && last as usize + stride <= places.len());
        assert!(sound, "rows are lines of their chunk, and their places exist");
        Self { bytes, ascii, rows, places, stride: stride as u32 }
    }

    /// The same rows, some at a time: a field is read down all rows of a tile, then the next field, while the tile's lines
    /// are in the first-level cache.
    pub(crate) fn tiles(self) -> impl Iterator<Item = Self> {
        self.rows.chunks(TILE).map(move |rows| Self { rows, ..self })
    }

    /// The chunk, with what is behind its last line.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether all bytes of the chunk are ASCII.
    pub(crate) fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// The same, with bytes that need not be text: what is not cut between characters does not matter.
    pub(crate) fn as_binary(self) -> Self {
        Self { ascii: true, ..self }
    }

    /// The rows.
    pub(crate) fn rows(&self) -> &'a [Row] {
        self.rows
    }

    /// A row by its number, with the places of two edges.
    pub(crate) fn span(self, number: usize, start: Edge, end: Edge) -> (&'a Row, u32, u32) {
        let row = &self.rows[number];
        let place = |edge: Edge| {
            self.places[row.first.wrapping_add(edge.at) as usize].wrapping_add_signed(edge.delta)
        };
        (row, place(start), place(end))
    }

    /// Each row with the places of two edges.
    ///
    /// # Panics
    /// When an edge is of a structural byte that lines do not have.
    #[inline(always)]
    pub(crate) fn spans(self, start: Edge, end: Edge) -> impl ExactSizeIterator<Item = (&'a Row, u32, u32)> {
        for edge in [start, end] {
            assert!(edge.at == Edge::BEFORE || edge.at < self.stride, "an edge of the line");
        }
        let places = self.places;
        self.rows.iter().map(move |row| {
            let place = |edge: Edge| {
                let number = row.first.wrapping_add(edge.at) as usize;
                // SAFETY: `new` saw that `first - 1` and `first + stride - 1` are numbers of places, for this row as
                // for all; the edge is one of these, as was asserted above.
                let place = unsafe { *places.get_unchecked(number) };
                place.wrapping_add_signed(edge.delta)
            };
            (row, place(start), place(end))
        })
    }
}

/// `N` bytes from a place on.
#[inline(always)]
pub(crate) fn window<const N: usize>(bytes: &[u8], at: u32) -> Option<&[u8; N]> {
    bytes.get(at as usize..at as usize + N)?.try_into().ok()
}
