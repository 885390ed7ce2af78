//! From rows to the arrays of a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, TimestampMillisecondArray};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};

use crate::column::matrix::{Matrix, Row, window};
use crate::column::primitive;
use crate::column::text::{TextColumn, View, fill, fill_all};
use crate::field::request;
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;
use crate::parse::value::Values;
use crate::simd::{Backend, Kernel, Simd};

/// What the columns of a batch are built from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) matrix: Matrix<'a>,
    /// The bitmap of the chunk's question marks.
    pub(crate) marks: &'a [u64],
}

/// A column that is built, or, for text, filled: bytes that are not UTF-8 have still to be dealt with.
#[derive(Debug)]
pub(crate) enum Built {
    Array(ArrayRef),
    Text(TextColumn),
}

/// Builds the columns of a field.
pub(crate) struct Build<'a> {
    pub(crate) backend: Backend,
    pub(crate) field: &'a PlannedField,
    /// Whether they can be null.
    pub(crate) nullable: bool,
    pub(crate) values: Values,
    pub(crate) source: Source<'a>,
}

impl Kernel for Build<'_> {
    type Output = Vec<Built>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Vec<Built> {
        columns(self.backend, self.field, self.nullable, self.values, self.source)
    }
}

#[inline(always)]
fn columns(
    backend: Backend,
    field: &PlannedField,
    nullable: bool,
    values: Values,
    source: Source<'_>,
) -> Vec<Built> {
    let bytes = source.matrix.bytes();
    let is_dash = |start: u32, end: u32| (end.wrapping_sub(start) == 1) & (bytes[start as usize] == b'-');
    match (field.kind, values) {
        (_, Values::Time(ms, tz)) => {
            let time = TimestampMillisecondArray::new(ms.into(), None).with_timezone("UTC");
            vec![Built::Array(Arc::new(time)), Built::Array(primitive::<Int16Type>(backend, tz, None))]
        }
        (_, Values::Int16(values, valid)) => {
            vec![Built::Array(primitive::<Int16Type>(backend, values, Some(&valid)))]
        }
        (_, Values::Int32(values, valid)) => {
            vec![Built::Array(primitive::<Int32Type>(backend, values, Some(&valid)))]
        }
        (_, Values::Int64(values, valid)) => {
            vec![Built::Array(primitive::<Int64Type>(backend, values, Some(&valid)))]
        }
        (FieldKind::Request, Values::None) => built(fill(
            source.matrix,
            field.start,
            field.end,
            |matrix, row, start, end| usual_request(matrix, source.marks, row, start, end),
            |matrix, row, start, end| any_request(matrix, source.marks, row, start, end),
        )),
        (FieldKind::Target, Values::None) => text(field, source, |matrix, row, start, end| {
            let valid = start < end && !is_dash(start, end);
            split(matrix, source.marks, row, valid.then_some((start, end)))
        }),
        (FieldKind::Query, Values::None) => text(field, source, |matrix, row, start, end| {
            let valid = start < end && !is_dash(start, end);
            let mark = u32::from(valid && bytes[start as usize] == b'?');
            [matrix.text_if(row, start + mark, end, valid)]
        }),
        (FieldKind::VhostPort, Values::None) => {
            let parts = |start: u32, end: u32| line::vhost_port(&bytes[start as usize..end as usize]);
            let mut columns = text(field, source, |matrix, row, start, end| {
                [matrix.text(row, start, start + parts(start, end).0.len() as u32)]
            });
            let ports =
                source.matrix.spans(field.start, field.end).map(|(_, start, end)| parts(start, end).1);
            columns.push(Built::Array(Arc::new(Int32Array::from_iter(ports))));
            columns
        }
        // Identities and users are hardly ever logged: one look at all rows saves the work on each.
        (_, Values::None) if nullable && !field.quoted && source.all(field, is_dash) => {
            vec![Built::Text(TextColumn::nulls(source.matrix.rows().len()))]
        }
        (FieldKind::User, Values::None) => text(field, source, |matrix, row, start, end| {
            let empty = end - start == 2 && *b"\"\"" == bytes[start as usize..end as usize];
            [matrix.text_if(row, start, if empty { start } else { end }, !is_dash(start, end))]
        }),
        (_, Values::None) => text(field, source, |matrix, row, start, end| {
            [matrix.text_if(row, start, end, !(nullable && is_dash(start, end)))]
        }),
    }
}

impl Source<'_> {
    /// Whether something holds for a field of all rows. No row is skipped, so that nothing has to be predicted.
    #[inline(always)]
    fn all(&self, field: &PlannedField, holds: impl Fn(u32, u32) -> bool) -> bool {
        let mut all = true;
        for (_, start, end) in self.matrix.spans(field.start, field.end) {
            all &= holds(start, end);
        }
        all
    }
}

/// Text columns of a field: `views` gives one text for each, from the row and where the field starts and ends.
#[inline(always)]
fn text<const N: usize>(
    field: &PlannedField,
    source: Source<'_>,
    views: impl Fn(&Matrix<'_>, &Row, u32, u32) -> [View; N],
) -> Vec<Built> {
    built(fill_all(source.matrix, field.start, field.end, views))
}

fn built<const N: usize>(columns: [TextColumn; N]) -> Vec<Built> {
    columns.into_iter().map(Built::Text).collect()
}

/// Method, path, query and protocol of a request of the usual form, in a few comparisons: `GET`, `POST` or `HEAD`, one
/// blank, a target without blanks at its ends, one blank, `HTTP/` and three characters.
#[inline(always)]
fn usual_request(matrix: &Matrix<'_>, marks: &[u64], row: &Row, start: u32, end: u32) -> Option<[View; 4]> {
    const PREFIX: u64 = 0xFF_FFFF_FFFF;
    const HTTP: u64 = u64::from_le_bytes(*b"HTTP/\0\0\0");
    let bytes = matrix.bytes();
    // The shortest is `GET / HTTP/1.0`.
    if end.wrapping_sub(start) < 14 {
        return None;
    }
    let tail: &[u8; 10] = window(bytes, end - 10)?;
    let head: &[u8; 6] = window(bytes, start)?;
    let protocol =
        u64::from_le_bytes([tail[2], tail[3], tail[4], tail[5], tail[6], tail[7], tail[8], tail[9]]);
    if protocol & PREFIX != HTTP || tail[1] != b' ' || tail[0] == b' ' || has_blank(tail[7], tail[8], tail[9])
    {
        return None;
    }
    let (method, length) = match u32::from_le_bytes([head[0], head[1], head[2], head[3]]) {
        word if word == u32::from_le_bytes(*b"GET ") => (const { View::constant("GET") }, 3),
        word if word == u32::from_le_bytes(*b"HEAD") && head[4] == b' ' => {
            (const { View::constant("HEAD") }, 4)
        }
        word if word == u32::from_le_bytes(*b"POST") && head[4] == b' ' => {
            (const { View::constant("POST") }, 4)
        }
        _ => return None,
    };
    let (from, to) = (start + length + 1, end - 9);
    // `POST HTTP/1.0` and two blanks in a row are unusual.
    if from >= to || bytes[from as usize] == b' ' {
        return None;
    }
    let [path, query] = split(matrix, marks, row, Some((from, to)));
    Some([method, path, query, View::eight(protocol)?])
}

/// Compared one by one: `contains` would call a search for these three.
#[inline(always)]
fn has_blank(a: u8, b: u8, c: u8) -> bool {
    (a == b' ') | (b == b' ') | (c == b' ')
}

/// Method, path, query and protocol of any request.
#[cold]
#[inline(never)]
fn any_request(matrix: &Matrix<'_>, marks: &[u64], row: &Row, start: u32, end: u32) -> [View; 4] {
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
