//! Which lines of a chunk have the shape that the plan expects.

use memchr::memchr;

use crate::column::matrix::Row;
use crate::parse::plan::{Check, MAX_STRIDE, Plan};
use crate::simd::{Hits, Kernel, Simd};

/// The shape of a plan's lines, laid out for comparing many bytes and distances at a time.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    stride: usize,
    pattern: Vec<u8>,
    /// The pattern's bytes, and which of them count.
    kinds: [(u128, u128); MAX_STRIDE / 16],
    /// For each place the distance from the one before that is expected …
    distances: [u32; MAX_STRIDE],
    /// … and all ones where it counts.
    counts: [u32; MAX_STRIDE],
    /// Distances that mean an empty field: the place, and the distance.
    empty: Vec<(u32, u32)>,
    checks: Vec<Check>,
}

impl Shape {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut kinds = [(0, 0); MAX_STRIDE / 16];
        for (index, byte) in plan.pattern.iter().enumerate() {
            let shift = index % 16 * 8;
            kinds[index / 16].0 |= u128::from(*byte) << shift;
            kinds[index / 16].1 |= 0xFF << shift;
        }
        let (mut distances, mut counts) = ([0; MAX_STRIDE], [0; MAX_STRIDE]);
        for gap in plan.gaps.iter().filter(|gap| gap.equal) {
            distances[gap.to as usize] = gap.distance;
            counts[gap.to as usize] = u32::MAX;
        }
        let empty = plan.gaps.iter().filter(|gap| !gap.equal).map(|gap| (gap.to, gap.distance)).collect();
        let (pattern, checks) = (plan.pattern.clone(), plan.checks.clone());
        Self { stride: plan.stride, pattern, kinds, distances, counts, empty, checks }
    }

    /// Whether a line begins here that has the expected structural bytes.
    #[inline(always)]
    fn has_kinds(&self, kinds: &[u8]) -> bool {
        let Some(kinds) = kinds.first_chunk::<MAX_STRIDE>() else {
            return !self.pattern.is_empty() && kinds.starts_with(&self.pattern);
        };
        let differ = |word: usize| {
            let bytes: [u8; 16] = kinds[word * 16..word * 16 + 16].try_into().expect("sixteen bytes");
            (u128::from_le_bytes(bytes) ^ self.kinds[word].0) & self.kinds[word].1
        };
        self.stride != 0
            && differ(0) == 0
            && (self.stride <= 16 || differ(1) == 0)
            && !self.pattern.is_empty()
    }

    /// Whether a line with the right structural bytes also has the distances and literals of the format. `at` begins
    /// with the place before the line.
    #[inline(always)]
    fn fits(&self, at: &[u32], bytes: &[u8]) -> bool {
        // The places behind the line's are of the next lines, and do not count.
        let distances = match at.first_chunk::<17>() {
            Some(at) if self.stride <= 16 => {
                // Without a branch in between, this is a few vector instructions.
                let mut differ = 0;
                for place in 0..16 {
                    let distance = at[place + 1].wrapping_sub(at[place]);
                    differ |= (distance ^ self.distances[place]) & self.counts[place];
                }
                differ
            }
            _ => self.distances_differ(at),
        };
        let mut fits = distances == 0;
        for &(to, distance) in &self.empty {
            fits &= at[to as usize + 1].wrapping_sub(at[to as usize]) != distance;
        }
        for check in &self.checks {
            let place = at[check.edge.at.wrapping_add(1) as usize].wrapping_add_signed(check.edge.delta);
            fits &= (bytes.get(place as usize) == Some(&check.byte)) == check.present;
        }
        fits
    }

    /// Zero if the distances are as expected.
    fn distances_differ(&self, at: &[u32]) -> u32 {
        let pairs = at.iter().zip(at.iter().skip(1)).zip(self.distances.iter().zip(&self.counts));
        pairs.fold(0, |differ, ((from, to), (distance, counts))| {
            differ | ((to.wrapping_sub(*from) ^ distance) & counts)
        })
    }
}

/// Lists the lines of a chunk, and the numbers of those that do not have the expected shape: the careful parser has to
/// look at them, and until it has given them places, they have some other line's.
pub(crate) struct Find<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) hits: &'a mut Hits,
    pub(crate) bytes: &'a [u8],
    pub(crate) max_line: usize,
    pub(crate) rows: &'a mut Vec<Row>,
    pub(crate) slow: &'a mut Vec<u32>,
}

impl Kernel for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { shape, hits, bytes, max_line, rows, slow } = self;
        let (at, kinds) = hits.parts_mut();
        // The first place stands for the newline before the chunk.
        let (mut first, mut start, mut number) = (1, 0u32, 0);
        while first < kinds.len() {
            let whole = shape.has_kinds(&kinds[first..]);
            let newline = if whole {
                first + shape.stride - 1
            } else {
                match memchr(b'\n', &kinds[first..]) {
                    Some(offset) => first + offset,
                    // What follows the last newline is padding.
                    None => break,
                }
            };
            let end = at[newline];
            let mut row = Row { start, end, first: first as u32, number };
            if end > start && bytes[end as usize - 1] == b'\r' {
                row.end -= 1;
                if whole {
                    // The line ends earlier than the next one starts: it gets places of its own.
                    row.first = at.len() as u32 + 1;
                    at.extend_from_within(first - 1..=newline);
                    if let Some(last) = at.last_mut() {
                        *last = row.end;
                    }
                }
            }
            let fits = whole && shape.fits(&at[row.first as usize - 1..], bytes);
            if !fits || (row.end - start) as usize > max_line {
                row.first = 1;
                slow.push(number);
            }
            rows.push(row);
            start = end + 1;
            number += 1;
            first = newline + 1;
        }
        // Even a chunk that has no line of the expected shape has places to point at.
        let least = 1 + shape.stride;
        if at.len() < least {
            at.resize(least, 0);
        }
    }
}
