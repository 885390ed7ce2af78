//! From rows to the arrays of a batch.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Int16Type, Int32Type, Int64Type, TimestampMillisecondType};

use crate::column::text::{Ground, Line, Piece, TextColumn, fill};
use crate::column::{primitive, primitive_ref};
use crate::field::request;
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;
use crate::parse::rows::{Places, Row};
use crate::parse::value::Values;

/// What the columns of a batch are built from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The chunk with its padding, and the rows.
    pub(crate) ground: Ground<'a, Row>,
    /// The bitmap of its question marks.
    pub(crate) marks: &'a [u64],
    pub(crate) places: Places<'a>,
}

impl Line for Row {
    #[inline(always)]
    fn span(&self) -> (u32, u32) {
        (self.start, self.end)
    }
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
    let Ground { bytes, lines: rows, .. } = source.ground;
    let span = |row: usize| {
        let row = &rows[row];
        (source.places.of(row, field.start), source.places.of(row, field.end))
    };
    let is_dash = |start: u32, end: u32| end - start == 1 && bytes[start as usize] == b'-';
    let one = |pieces: &mut dyn FnMut(&mut TextColumn)| {
        let mut column = TextColumn::default();
        pieces(&mut column);
        vec![Built::Text(column)]
    };
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
        (FieldKind::Request, Values::None) => requests(source, span),
        (FieldKind::Target, Values::None) => {
            let (mut path, mut query) = (TextColumn::default(), TextColumn::default());
            fill([&mut path, &mut query], source.ground, |row| {
                let (start, end) = span(row);
                let absent = is_dash(start, end) || start == end;
                target(source.marks, start, end, !absent)
            });
            vec![Built::Text(path), Built::Text(query)]
        }
        (FieldKind::Query, Values::None) => one(&mut |column| {
            fill([column], source.ground, |row| {
                let (start, end) = span(row);
                let valid = start < end && !is_dash(start, end);
                let mark = u32::from(valid && bytes[start as usize] == b'?');
                [Piece { start: start + mark, end, valid }]
            });
        }),
        (FieldKind::User, Values::None) => one(&mut |column| {
            fill([column], source.ground, |row| {
                let (start, end) = span(row);
                let empty = end - start == 2 && bytes[start as usize..end as usize] == *b"\"\"";
                Piece { start, end: if empty { start } else { end }, valid: !is_dash(start, end) }.into()
            });
        }),
        (FieldKind::VhostPort, Values::None) => {
            let mut vhost = TextColumn::default();
            let (mut ports, mut valid) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
            fill([&mut vhost], source.ground, |row| {
                let (start, end) = span(row);
                let (name, port) = line::vhost_port(&bytes[start as usize..end as usize]);
                ports.push(port.unwrap_or(0));
                valid.push(u8::from(port.is_some()));
                [Piece { start, end: start + name.len() as u32, valid: true }]
            });
            vec![Built::Text(vhost), Built::Array(primitive_ref::<Int32Type>(ports, Some(&valid)))]
        }
        (_, Values::None) => one(&mut |column| {
            fill([column], source.ground, |row| {
                let (start, end) = span(row);
                [Piece { start, end, valid: !(nullable && is_dash(start, end)) }]
            });
        }),
    }
}

impl From<Piece> for [Piece; 1] {
    fn from(piece: Piece) -> Self {
        [piece]
    }
}

/// Method, path, query, protocol.
fn requests(source: Source<'_>, span: impl Fn(usize) -> (u32, u32)) -> Vec<Built> {
    let mut columns: [TextColumn; 4] = Default::default();
    fill(columns.each_mut(), source.ground, |row| {
        let (start, end) = span(row);
        let (method, target_span, protocol) = match usual_request(source.ground.bytes, start, end) {
            Some(parts) => parts,
            None => any_request(source.ground.bytes, start, end),
        };
        let [path, query] = target(source.marks, target_span.start, target_span.end, target_span.valid);
        [method, path, query, protocol]
    });
    columns.map(Built::Text).into()
}

/// The parts of a request of the usual form, in a few comparisons: `GET`, `POST` or `HEAD`, one blank, a target
/// without blanks at its ends, one blank, `HTTP/` and three characters.
#[inline(always)]
fn usual_request(bytes: &[u8], start: u32, end: u32) -> Option<(Piece, Piece, Piece)> {
    const PREFIX: u64 = 0xFF_FFFF_FFFF;
    const HTTP: u64 = u64::from_le_bytes(*b"HTTP/\0\0\0");
    // " HTTP/1.0" is nine bytes; the shortest method and target are five.
    if end - start < 14 {
        return None;
    }
    let tail: &[u8; 10] = bytes.get(end as usize - 10..)?.first_chunk()?;
    let head: &[u8; 6] = bytes.get(start as usize..)?.first_chunk()?;
    let protocol =
        u64::from_le_bytes([tail[2], tail[3], tail[4], tail[5], tail[6], tail[7], tail[8], tail[9]]);
    let version = [tail[7], tail[8], tail[9]];
    if protocol & PREFIX != HTTP || tail[1] != b' ' || tail[0] == b' ' || version.contains(&b' ') {
        return None;
    }
    let method = match u32::from_le_bytes([head[0], head[1], head[2], head[3]]) {
        word if word == u32::from_le_bytes(*b"GET ") => 3,
        word if word == u32::from_le_bytes(*b"HEAD") && head[4] == b' ' => 4,
        word if word == u32::from_le_bytes(*b"POST") && head[4] == b' ' => 4,
        _ => return None,
    };
    let (from, to) = (start + method + 1, end - 9);
    // Longer than the smallest request, so a target of at least one byte is left, or `POST ` runs into the protocol.
    if from >= to || bytes[from as usize] == b' ' {
        return None;
    }
    Some((
        Piece { start, end: start + method, valid: true },
        Piece { start: from, end: to, valid: true },
        Piece { start: end - 8, end, valid: true },
    ))
}

/// The parts of any request.
#[cold]
#[inline(never)]
fn any_request(bytes: &[u8], start: u32, end: u32) -> (Piece, Piece, Piece) {
    let text = &bytes[start as usize..end as usize];
    let parts = request::split(text);
    // The parts are slices of the text: where they start is the distance of the pointers.
    let piece = |part: Option<&[u8]>| match part {
        Some(part) => {
            let from = start + (part.as_ptr() as usize - text.as_ptr() as usize) as u32;
            Piece { start: from, end: from + part.len() as u32, valid: true }
        }
        None => Piece { start, end: start, valid: false },
    };
    (piece(parts.method), piece(parts.target), piece(parts.protocol))
}

/// Path and query of a target, split at its first `?`, which the bitmap of question marks tells.
#[inline(always)]
fn target(marks: &[u64], start: u32, end: u32, valid: bool) -> [Piece; 2] {
    let mark = first_mark(marks, start, end);
    let query = (mark + 1).min(end);
    [Piece { start, end: mark, valid }, Piece { start: query, end, valid: valid && mark < end }]
}

/// The place of the first `?` of a range, or its end.
#[inline(always)]
fn first_mark(marks: &[u64], start: u32, end: u32) -> u32 {
    let (mut word, last) = (start / 64, end / 64);
    let mut bits = marks[word as usize] & (!0 << (start % 64));
    while bits == 0 && word < last {
        word += 1;
        bits = marks[word as usize];
    }
    // Of an empty word the place lies behind `end` too.
    (word * 64 + bits.trailing_zeros()).min(end)
}
