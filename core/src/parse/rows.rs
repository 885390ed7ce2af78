//! Which lines of a chunk have the shape that the plan expects.

use memchr::memchr;

use crate::parse::plan::{Edge, MAX_STRIDE, Plan};
use crate::simd::Hits;

/// A line, and where its places are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Where the line starts in the chunk.
    pub(crate) start: u32,
    /// Where it ends, without its line end.
    pub(crate) end: u32,
    /// Where its places start in the array of places; [`Row::SLOW`] while they are not known.
    pub(crate) first: u32,
    /// Which line of the chunk it is, from 0.
    pub(crate) number: u32,
}

impl Row {
    /// The careful parser has to look at the line.
    pub(crate) const SLOW: u32 = u32::MAX;
    /// The line is no row.
    pub(crate) const DEAD: u32 = u32::MAX - 1;

    /// Whether the places are known.
    #[inline(always)]
    pub(crate) fn is_placed(&self) -> bool {
        self.first < Self::DEAD
    }
}

/// Resolves edges of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a>(pub(crate) &'a [u32]);

impl Places<'_> {
    /// Where an edge of a row is. The row is placed.
    #[inline(always)]
    pub(crate) fn of(self, row: &Row, edge: Edge) -> u32 {
        let place = match edge.at {
            Edge::START => row.start,
            Edge::END => row.end,
            number => self.0[(row.first + number) as usize],
        };
        place.wrapping_add_signed(edge.delta)
    }
}

/// The pattern of a plan, for comparing sixteen bytes at a time.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    words: [(u128, u128); MAX_STRIDE / 16],
    long: bool,
}

impl Pattern {
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let mut words = [(0, 0); MAX_STRIDE / 16];
        for (index, byte) in pattern.iter().enumerate() {
            let shift = index % 16 * 8;
            words[index / 16].0 |= u128::from(*byte) << shift;
            words[index / 16].1 |= 0xFF << shift;
        }
        Self { words, long: pattern.len() > 16 }
    }

    #[inline(always)]
    fn fits(&self, bytes: &[u8; MAX_STRIDE]) -> bool {
        let differ = |word: usize| {
            let bytes: [u8; 16] = bytes[word * 16..word * 16 + 16].try_into().expect("sixteen bytes");
            (u128::from_le_bytes(bytes) ^ self.words[word].0) & self.words[word].1
        };
        differ(0) == 0 && (!self.long || differ(1) == 0)
    }
}

/// Lists the lines of a chunk; those of the expected shape with their places.
pub(crate) fn find(
    plan: &Plan,
    pattern: &Pattern,
    hits: &Hits,
    bytes: &[u8],
    max_line: usize,
    rows: &mut Vec<Row>,
) {
    let (at, kinds) = (hits.at(), hits.byte());
    let stride = plan.stride;
    let (mut first, mut start, mut number) = (0, 0u32, 0);
    while first < at.len() {
        let whole = plan.is_fast() && has_pattern(pattern, &plan.pattern, &kinds[first..]);
        let newline = if whole {
            first + stride - 1
        } else {
            match memchr(b'\n', &kinds[first..]) {
                Some(offset) => first + offset,
                // What follows the last newline is padding.
                None => break,
            }
        };
        let mut end = at[newline];
        if end > start && bytes[end as usize - 1] == b'\r' {
            end -= 1;
        }
        let mut row = Row { start, end, first: first as u32, number };
        if !whole || !has_shape(plan, &at[first..=newline], &row, bytes) || (end - start) as usize > max_line
        {
            row.first = Row::SLOW;
        }
        rows.push(row);
        start = at[newline] + 1;
        number += 1;
        first = newline + 1;
    }
}

#[inline(always)]
fn has_pattern(pattern: &Pattern, plain: &[u8], kinds: &[u8]) -> bool {
    match kinds.first_chunk::<MAX_STRIDE>() {
        Some(kinds) => pattern.fits(kinds),
        None => kinds.starts_with(plain),
    }
}

/// Whether a line with the right structural bytes also has the literals and distances of the format.
#[inline(always)]
fn has_shape(plan: &Plan, at: &[u32], row: &Row, bytes: &[u8]) -> bool {
    let place = |number: u32| match number {
        Edge::START => row.start,
        Edge::END => row.end,
        number => at[number as usize],
    };
    let gaps = plan.gaps.iter().all(|gap| place(gap.to).wrapping_sub(place(gap.from)) == gap.distance);
    gaps && plan.checks.iter().all(|check| {
        let found = bytes.get(place(check.edge.at).wrapping_add_signed(check.edge.delta) as usize);
        (found == Some(&check.byte)) == check.present
    })
}
