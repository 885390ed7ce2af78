//! From rows to the arrays of a batch.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Int16Type, Int32Type, Int64Type, TimestampMillisecondType};

use crate::column::matrix::{Matrix, Row, window};
use crate::column::text::{TextColumn, View, fill};
use crate::column::{primitive, primitive_ref};
use crate::field::request;
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;
use crate::parse::value::Values;

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

/// The columns of a field. `nullable` tells of each whether it can be null.
pub(crate) fn columns(
    field: &PlannedField,
    nullable: bool,
    values: Values,
    source: Source<'_>,
) -> Vec<Built> {
    let bytes = source.matrix.bytes();
    let is_dash = |start: u32, end: u32| end.wrapping_sub(start) == 1 && bytes[start as usize] == b'-';
    match (field.kind, values) {
        (_, Values::Time(ms, tz)) => {
            let time = primitive::<TimestampMillisecondType>(ms, None).with_timezone("UTC");
            vec![Built::Array(Arc::new(time)), Built::Array(primitive_ref::<Int16Type>(tz, None))]
        }
        (_, Values::Int16(values, valid)) => {
            vec![Built::Array(primitive_ref::<Int16Type>(values, Some(&valid)))]
        }
        (_, Values::Int32(values, valid)) => {
            vec![Built::Array(primitive_ref::<Int32Type>(values, Some(&valid)))]
        }
        (_, Values::Int64(values, valid)) => {
            vec![Built::Array(primitive_ref::<Int64Type>(values, Some(&valid)))]
        }
        (FieldKind::Request, Values::None) => text(field, source, |row, start, end| {
            let (method, target, protocol) =
                usual_request(bytes, start, end).unwrap_or_else(|| any_request(source, row, start, end));
            let [path, query] = split(source, row, target);
            [method, path, query, protocol]
        }),
        (FieldKind::Target, Values::None) => text(field, source, |row, start, end| {
            split(source, row, (start < end && !is_dash(start, end)).then_some((start, end)))
        }),
        (FieldKind::Query, Values::None) => text(field, source, |row, start, end| {
            let valid = start < end && !is_dash(start, end);
            let mark = u32::from(valid && bytes[start as usize] == b'?');
            [source.matrix.text_if(row, start + mark, end, valid)]
        }),
        (FieldKind::VhostPort, Values::None) => {
            let rows = source.matrix.rows().len();
            let (mut ports, mut valid) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
            let mut columns = text(field, source, |row, start, end| {
                let (name, port) = line::vhost_port(&bytes[start as usize..end as usize]);
                ports.push(port.unwrap_or(0));
                valid.push(u8::from(port.is_some()));
                [source.matrix.text(row, start, start + name.len() as u32)]
            });
            columns.push(Built::Array(primitive_ref::<Int32Type>(ports, Some(&valid))));
            columns
        }
        // Identities and users are hardly ever logged: one look at all rows saves the work on each.
        (_, Values::None) if nullable && !field.quoted && source.all(field, is_dash) => {
            vec![Built::Text(TextColumn::nulls(source.matrix.rows().len()))]
        }
        (FieldKind::User, Values::None) => text(field, source, |row, start, end| {
            let empty = end - start == 2 && *b"\"\"" == bytes[start as usize..end as usize];
            let end = if empty { start } else { end };
            [source.matrix.text_if(row, start, end, !is_dash(start, end))]
        }),
        (_, Values::None) => text(field, source, |row, start, end| {
            [source.matrix.text_if(row, start, end, !(nullable && is_dash(start, end)))]
        }),
    }
}

impl Source<'_> {
    /// Whether something holds for a field of all rows.
    #[inline(always)]
    fn all(&self, field: &PlannedField, holds: impl Fn(u32, u32) -> bool) -> bool {
        self.matrix.spans(field.start, field.end).all(|(_, start, end)| holds(start, end))
    }
}

/// Text columns of a field: `views` gives one text for each, from the row and where the field starts and ends.
#[inline(always)]
fn text<const N: usize>(
    field: &PlannedField,
    source: Source<'_>,
    views: impl FnMut(&Row, u32, u32) -> [View; N],
) -> Vec<Built> {
    fill(source.matrix, field.start, field.end, views).into_iter().map(Built::Text).collect()
}

/// A method, where the target is, and a protocol.
type Request = (View, Option<(u32, u32)>, View);

/// The parts of a request of the usual form, in a few comparisons: `GET`, `POST` or `HEAD`, one blank, a target
/// without blanks at its ends, one blank, `HTTP/` and three characters.
#[inline(always)]
fn usual_request(bytes: &[u8], start: u32, end: u32) -> Option<Request> {
    const PREFIX: u64 = 0xFF_FFFF_FFFF;
    const HTTP: u64 = u64::from_le_bytes(*b"HTTP/\0\0\0");
    // The shortest is `GET / HTTP/1.0`.
    if end - start < 14 {
        return None;
    }
    let tail: &[u8; 10] = window(bytes, end - 10)?;
    let head: &[u8; 6] = window(bytes, start)?;
    let protocol =
        u64::from_le_bytes([tail[2], tail[3], tail[4], tail[5], tail[6], tail[7], tail[8], tail[9]]);
    let version = [tail[7], tail[8], tail[9]];
    if protocol & PREFIX != HTTP || tail[1] != b' ' || tail[0] == b' ' || version.contains(&b' ') {
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
    // `POST HTTP/1.0` and two blanks in a row are for the careful way.
    if from >= to || bytes[from as usize] == b' ' {
        return None;
    }
    Some((method, Some((from, to)), View::eight(protocol)?))
}

/// The parts of any request.
#[cold]
#[inline(never)]
fn any_request(source: Source<'_>, row: &Row, start: u32, end: u32) -> Request {
    let text = &source.matrix.bytes()[start as usize..end as usize];
    let parts = request::split(text);
    // The parts are slices of the text: where they start is the distance of the pointers.
    let span = |part: &[u8]| {
        let from = start + (part.as_ptr() as usize - text.as_ptr() as usize) as u32;
        (from, from + part.len() as u32)
    };
    let view = |part: Option<&[u8]>| match part.map(span) {
        Some((start, end)) => source.matrix.text(row, start, end),
        None => View::NULL,
    };
    (view(parts.method), parts.target.map(span), view(parts.protocol))
}

/// Path and query of a target, split at its first `?`, which the bitmap of question marks tells.
#[inline(always)]
fn split(source: Source<'_>, row: &Row, target: Option<(u32, u32)>) -> [View; 2] {
    let Some((start, end)) = target else { return [View::NULL; 2] };
    let mark = first_mark(source.marks, start, end);
    let path = source.matrix.text(row, start, mark);
    if mark == end {
        return [path, View::NULL];
    }
    [path, source.matrix.text(row, mark + 1, end)]
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
