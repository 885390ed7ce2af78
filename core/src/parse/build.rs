//! From rows to the text columns of a batch.

use crate::column::matrix::{Matrix, Row, TILE, window};
use crate::column::text::{Here, TextColumn, View, fill, fill_one};
use crate::field::request;
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;
use crate::simd::{Kernel, Simd};

/// The text columns of a field while they are filled; of a virtual host also its ports.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) columns: Vec<TextColumn>,
    pub(crate) ports: Option<Vec<Option<i32>>>,
}

impl Texts {
    /// Room for the text columns of a field.
    pub(crate) fn new(field: &PlannedField, rows: usize) -> Self {
        let columns = match field.kind {
            FieldKind::Request => 4,
            FieldKind::Target => 2,
            FieldKind::Host | FieldKind::Text | FieldKind::User | FieldKind::Query | FieldKind::VhostPort => {
                1
            }
            _ => 0,
        };
        let columns = std::iter::repeat_with(|| TextColumn::with_capacity(rows)).take(columns).collect();
        Self { columns, ports: (field.kind == FieldKind::VhostPort).then(Vec::new) }
    }
}

/// Fills the text columns of the wanted fields.
pub(crate) struct Build<'a> {
    /// The fields, whether their first column can be null, and their columns.
    pub(crate) fields: Vec<(&'a PlannedField, bool, &'a mut Texts)>,
    pub(crate) matrix: Matrix<'a>,
    /// The bitmap of the chunk's question marks.
    pub(crate) marks: &'a [u64],
}

impl Kernel for Build<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        for tile in self.matrix.tiles() {
            for (field, nullable, texts) in &mut self.fields {
                append(field, *nullable, texts, tile, self.marks);
            }
        }
    }
}

/// Appends a tile to the text columns of a field.
#[inline(always)]
fn append(field: &PlannedField, nullable: bool, texts: &mut Texts, tile: Matrix<'_>, marks: &[u64]) {
    let bytes = tile.bytes();
    let is_dash = |start: u32, end: u32| (end.wrapping_sub(start) == 1) & (bytes[start as usize] == b'-');
    let (from, to) = (field.start, field.end);
    match (field.kind, texts.columns.as_mut_slice()) {
        (FieldKind::Request, [method, path, query, protocol]) => {
            requests([method, path, query, protocol], field, tile, marks);
        }
        (FieldKind::Target, [path, query]) => fill::<2, false>(
            [path, query],
            tile,
            from,
            to,
            |tile, Here { row, start, end, .. }| {
                let target = (start < end && !is_dash(start, end)).then_some((start, end));
                Some(split(tile, marks, row, target))
            },
            |_, _| [View::NULL; 2],
        ),
        (FieldKind::Query, [query]) => {
            fill_one::<false>(query, tile, from, to, |tile, Here { row, start, end, .. }| {
                let valid = start < end && !is_dash(start, end);
                let mark = u32::from(valid && bytes[start as usize] == b'?');
                tile.text_if(row, start + mark, end, valid)
            });
        }
        (FieldKind::VhostPort, [vhost]) => {
            let parts = |start: u32, end: u32| line::vhost_port(&bytes[start as usize..end as usize]);
            fill_one::<true>(vhost, tile, from, to, |tile, Here { row, start, end, .. }| {
                tile.text(row, start, start + parts(start, end).0.len() as u32)
            });
            let ports = texts.ports.get_or_insert_default();
            ports.extend(tile.spans(from, to).map(|(_, start, end)| parts(start, end).1));
        }
        // Identities and users are hardly ever logged: one look at all rows saves the work on each.
        (_, [column]) if nullable && !field.quoted && all(field, tile, is_dash) => {
            column.push_nulls(tile.rows().len());
        }
        (FieldKind::User, [user]) => {
            fill_one::<false>(user, tile, from, to, |tile, Here { row, start, end, .. }| {
                let empty = end - start == 2 && *b"\"\"" == bytes[start as usize..end as usize];
                tile.text_if(row, start, if empty { start } else { end }, !is_dash(start, end))
            });
        }
        (_, [column]) if nullable => {
            fill_one::<false>(column, tile, from, to, |tile, Here { row, start, end, .. }| {
                tile.text_if(row, start, end, !is_dash(start, end))
            });
        }
        (_, [column]) => {
            fill_one::<true>(column, tile, from, to, |tile, here| tile.text(here.row, here.start, here.end));
        }
        // Values are read, not built.
        _ => {}
    }
}

/// Whether something holds for a field of all rows. No row is skipped, so that nothing has to be predicted.
#[inline(always)]
fn all(field: &PlannedField, tile: Matrix<'_>, holds: impl Fn(u32, u32) -> bool) -> bool {
    let mut all = true;
    for (_, start, end) in tile.spans(field.start, field.end) {
        all &= holds(start, end);
    }
    all
}

/// Method, path, query and protocol. Most requests have a method, a path and a protocol, and few have a query: where
/// its `?` is, is noted on the way, and if there was none at all the column is made without a look at the rows.
#[inline(always)]
fn requests(columns: [&mut TextColumn; 4], field: &PlannedField, tile: Matrix<'_>, marks: &[u64]) {
    /// Notes of a row: its request is unusual; it has no query.
    const UNUSUAL: u32 = u32::MAX;
    const NONE: u32 = u32::MAX - 1;
    let [method, path, query, protocol] = columns;
    let mut notes = [UNUSUAL; TILE];
    let (mut queries, mut unusual) = (false, false);
    fill::<3, true>(
        [method, path, protocol],
        tile,
        field.start,
        field.end,
        |tile, here| {
            let Usual { method, from, to, protocol } = usual_request(tile.bytes(), here.start, here.end)?;
            let mark = first_mark(marks, from, to);
            notes[here.number % TILE] = if mark == to { NONE } else { mark };
            queries |= mark != to;
            Some([method, tile.text(here.row, from, mark), protocol])
        },
        |tile, here| {
            unusual = true;
            let [method, path, _, protocol] = any_request(tile, marks, here);
            [method, path, protocol]
        },
    );
    if !queries && !unusual {
        return query.push_nulls(tile.rows().len());
    }
    fill_one::<false>(query, tile, field.start, field.end, |tile, here| match notes[here.number % TILE] {
        NONE => View::NULL,
        UNUSUAL => any_request(tile, marks, here)[2],
        mark => tile.text(here.row, mark + 1, here.end - USUAL_TAIL),
    });
}

/// A request of the usual form: where its target is, and the rest of it.
struct Usual {
    method: View,
    from: u32,
    to: u32,
    protocol: View,
}

/// How long the end of a usual request is: a blank and the protocol.
const USUAL_TAIL: u32 = 9;

/// Takes a request of the usual form apart in a few comparisons: `GET`, `POST` or `HEAD`, one blank, a target without
/// blanks at its ends, one blank, a protocol that is known.
#[inline(always)]
fn usual_request(bytes: &[u8], start: u32, end: u32) -> Option<Usual> {
    // The shortest is `GET / HTTP/1.0`.
    if end.wrapping_sub(start) < 14 {
        return None;
    }
    let tail: &[u8; 10] = window(bytes, end - 10)?;
    let head: &[u8; 6] = window(bytes, start)?;
    let protocol =
        match u64::from_le_bytes([tail[2], tail[3], tail[4], tail[5], tail[6], tail[7], tail[8], tail[9]]) {
            HTTP_1_0 => const { View::constant("HTTP/1.0") },
            HTTP_1_1 => const { View::constant("HTTP/1.1") },
            HTTP_2_0 => const { View::constant("HTTP/2.0") },
            HTTP_3_0 => const { View::constant("HTTP/3.0") },
            _ => return None,
        };
    let (method, length) = match u32::from_le_bytes([head[0], head[1], head[2], head[3]]) {
        GET => (const { View::constant("GET") }, 3),
        HEAD if head[4] == b' ' => (const { View::constant("HEAD") }, 4),
        POST if head[4] == b' ' => (const { View::constant("POST") }, 4),
        _ => return None,
    };
    let (from, to) = (start + length + 1, end - USUAL_TAIL);
    // `POST HTTP/1.0` and two blanks in a row are unusual.
    if from >= to || tail[1] != b' ' || tail[0] == b' ' || bytes[from as usize] == b' ' {
        return None;
    }
    Some(Usual { method, from, to, protocol })
}

const GET: u32 = u32::from_le_bytes(*b"GET ");
const HEAD: u32 = u32::from_le_bytes(*b"HEAD");
const POST: u32 = u32::from_le_bytes(*b"POST");
const HTTP_1_0: u64 = u64::from_le_bytes(*b"HTTP/1.0");
const HTTP_1_1: u64 = u64::from_le_bytes(*b"HTTP/1.1");
const HTTP_2_0: u64 = u64::from_le_bytes(*b"HTTP/2.0");
const HTTP_3_0: u64 = u64::from_le_bytes(*b"HTTP/3.0");

/// Method, path, query and protocol of any request.
#[cold]
#[inline(never)]
fn any_request(matrix: &Matrix<'_>, marks: &[u64], here: Here<'_>) -> [View; 4] {
    let Here { row, start, end, .. } = here;
    let text = &matrix.bytes()[start as usize..end as usize];
    let parts = request::split(text);
    // The parts are slices of the text: where they start is the distance of the pointers.
    let span = |part: &[u8]| {
        let from = start + (part.as_ptr() as usize - text.as_ptr() as usize) as u32;
        (from, from + part.len() as u32)
    };
    let view = |part: Option<&[u8]>| match part.map(span) {
        Some((start, end)) => matrix.text(row, start, end),
        None => View::NULL,
    };
    let [path, query] = split(matrix, marks, row, parts.target.map(span));
    [view(parts.method), path, query, view(parts.protocol)]
}

/// Path and query of a target, split at its first `?`, which the bitmap of question marks tells.
#[inline(always)]
fn split(matrix: &Matrix<'_>, marks: &[u64], row: &Row, target: Option<(u32, u32)>) -> [View; 2] {
    let Some((start, end)) = target else { return [View::NULL; 2] };
    let mark = first_mark(marks, start, end);
    let path = matrix.text(row, start, mark);
    if mark == end {
        return [path, View::NULL];
    }
    [path, matrix.text(row, mark + 1, end)]
}

/// The place of the first `?` of a range, or its end. The bitmap has a word more than the range needs.
#[inline(always)]
fn first_mark(marks: &[u64], start: u32, end: u32) -> u32 {
    let (word, bit) = ((start / 64) as usize, start % 64);
    // The 64 bits from `start` on, out of two words; shifted twice, because a shift by 64 is none.
    let bits = marks[word] >> bit | (marks[word + 1] << 1) << (63 - bit);
    if bits == 0 && end - start > 64 {
        return first_mark_far(marks, start + 64, end);
    }
    start + bits.trailing_zeros().min(end - start)
}

#[cold]
#[inline(never)]
fn first_mark_far(marks: &[u64], start: u32, end: u32) -> u32 {
    let (mut word, last) = (start / 64, end / 64);
    let mut bits = marks[word as usize] & (!0 << (start % 64));
    while bits == 0 && word < last {
        word += 1;
        bits = marks[word as usize];
    }
    (word * 64 + bits.trailing_zeros()).min(end)
}
