//! Fields that can be wrong: they are read for every line, whether their columns are wanted or not, because a line is
//! a row only if all of them are right.

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMillisecondArray};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};

use crate::column::matrix::{Matrix, Row, window};
use crate::column::primitive;
use crate::field::number;
use crate::field::time::{self, ClfCache};
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;

use crate::schema::ColumnType;
use crate::simd::{Backend, Kernel, Simd};

/// The values of a field, one a row; what a slow row has, means nothing.
#[derive(Debug)]
pub(crate) enum Values {
    /// Text that cannot be wrong, or only by being empty, which its shape tells: nothing is kept.
    None,
    /// Instants, and offsets from UTC in minutes.
    Time(Vec<i64>, Vec<i16>),
    /// Values, and whether each is valid.
    Int16(Vec<i16>, Vec<u8>),
    /// Values, and whether each is valid.
    Int32(Vec<i32>, Vec<u8>),
    /// Values, and whether each is valid.
    Int64(Vec<i64>, Vec<u8>),
}

impl Values {
    /// Room for the values of a field.
    pub(crate) fn new(field: &PlannedField, rows: usize) -> Self {
        match (field.kind, field.width) {
            (FieldKind::ClfTime | FieldKind::IsoTime | FieldKind::EpochTime(_), _) => {
                Values::Time(vec![0; rows], vec![0; rows])
            }
            (FieldKind::Status | FieldKind::Bytes | FieldKind::Integer | FieldKind::Millis, width) => {
                match width {
                    ColumnType::Int16 => Values::Int16(vec![0; rows], vec![0; rows]),
                    ColumnType::Int32 => Values::Int32(vec![0; rows], vec![0; rows]),
                    _ => Values::Int64(vec![0; rows], vec![0; rows]),
                }
            }
            _ => Values::None,
        }
    }

    /// Reads a field of all rows into the values from number `from` on; gives the numbers of the rows whose field is
    /// wrong to `slow`.
    #[inline(always)]
    fn read(
        &mut self,
        field: &PlannedField,
        matrix: Matrix<'_>,
        from: usize,
        cache: &mut ClfCache,
        slow: &mut Vec<u32>,
    ) {
        let bytes = matrix.bytes();
        let text = |start: u32, end: u32| bytes.get(start as usize..end as usize);
        let spans = matrix.spans(field.start, field.end);
        match (self, field.kind) {
            (Values::Time(ms, tz), FieldKind::ClfTime) if field.framed => {
                each(spans, &mut ms[from..], &mut tz[from..], slow, |start, _| {
                    cache.parse(window(bytes, start.wrapping_sub(1))?).map(|time| (time.ms, time.tz_offset))
                });
            }
            (Values::Time(ms, tz), kind) => {
                each(spans, &mut ms[from..], &mut tz[from..], slow, |start, end| {
                    let text = text(start, end)?;
                    match kind {
                        FieldKind::EpochTime(digits) => time::epoch(text, digits).map(|ms| (ms, 0)),
                        FieldKind::ClfTime => time::clf(text).map(|time| (time.ms, time.tz_offset)),
                        _ => time::iso(text).map(|time| (time.ms, time.tz_offset)),
                    }
                })
            }
            (Values::Int16(values, valid), FieldKind::Status) => {
                each(spans, &mut values[from..], &mut valid[from..], slow, |start, end| {
                    status(bytes, start, end).map(|value| (value, 1)).or_else(|| null(text(start, end)?))
                });
            }
            (Values::Int64(values, valid), FieldKind::Bytes) => {
                each(spans, &mut values[from..], &mut valid[from..], slow, |start, end| {
                    size(bytes, start, end).map(|value| (value, 1)).or_else(|| null(text(start, end)?))
                });
            }
            (Values::Int64(values, valid), kind) => {
                each(spans, &mut values[from..], &mut valid[from..], slow, |start, end| {
                    let text = text(start, end)?;
                    let value = match kind {
                        FieldKind::Millis => number::decimal(text, 3),
                        _ => line::integer(text, field.width),
                    };
                    value.map(|value| (value, 1)).or_else(|| null(text))
                });
            }
            (Values::Int32(values, valid), _) => {
                each(spans, &mut values[from..], &mut valid[from..], slow, |start, end| {
                    let text = text(start, end)?;
                    line::integer(text, field.width).map(|value| (value as i32, 1)).or_else(|| null(text))
                });
            }
            (Values::Int16(values, valid), _) => {
                each(spans, &mut values[from..], &mut valid[from..], slow, |start, end| {
                    let text = text(start, end)?;
                    line::integer(text, field.width).map(|value| (value as i16, 1)).or_else(|| null(text))
                });
            }
            (Values::None, _) => {}
        }
    }

    /// The values as columns; none for text.
    pub(crate) fn finish(self, backend: Backend) -> Vec<ArrayRef> {
        match self {
            Values::None => Vec::new(),
            Values::Time(ms, tz) => {
                let time = TimestampMillisecondArray::new(ms.into(), None).with_timezone("UTC");
                vec![Arc::new(time), primitive::<Int16Type>(backend, tz, None)]
            }
            Values::Int16(values, valid) => vec![primitive::<Int16Type>(backend, values, Some(&valid))],
            Values::Int32(values, valid) => vec![primitive::<Int32Type>(backend, values, Some(&valid))],
            Values::Int64(values, valid) => vec![primitive::<Int64Type>(backend, values, Some(&valid))],
        }
    }

    /// Drops the values of rows, whose numbers are in order.
    pub(crate) fn remove(&mut self, dead: &[u32]) {
        match self {
            Values::None => {}
            Values::Time(ms, tz) => {
                remove(ms, dead);
                remove(tz, dead);
            }
            Values::Int16(values, valid) => {
                remove(values, dead);
                remove(valid, dead);
            }
            Values::Int32(values, valid) => {
                remove(values, dead);
                remove(valid, dead);
            }
            Values::Int64(values, valid) => {
                remove(values, dead);
                remove(valid, dead);
            }
        }
    }
}

/// Drops the elements of the given numbers, which are in order: what is between two of them moves as a whole.
pub(crate) fn remove<T: Copy>(values: &mut Vec<T>, dead: &[u32]) {
    let mut to = dead.first().map_or(values.len(), |&first| first as usize);
    for (index, &number) in dead.iter().enumerate() {
        let from = number as usize + 1;
        let end = dead.get(index + 1).map_or(values.len(), |&next| next as usize);
        values.copy_within(from..end, to);
        to += end - from;
    }
    values.truncate(to);
}

/// Reads the fields of all rows of a matrix, the first of which has the number `from`.
pub(crate) struct Read<'a> {
    pub(crate) fields: &'a [PlannedField],
    pub(crate) values: &'a mut [Values],
    pub(crate) matrix: Matrix<'a>,
    pub(crate) from: usize,
    pub(crate) cache: &'a mut ClfCache,
    pub(crate) slow: &'a mut Vec<u32>,
}

impl Kernel for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let mut from = self.from;
        for tile in self.matrix.tiles() {
            for (field, values) in self.fields.iter().zip(&mut *self.values) {
                values.read(field, tile, from, self.cache, self.slow);
            }
            from += tile.rows().len();
        }
    }
}

/// A null where the text is `-`.
#[cold]
fn null<T: Default>(text: &[u8]) -> Option<(T, u8)> {
    (text == b"-").then(|| (T::default(), 0))
}

/// What [`number::status`] gives.
#[inline(always)]
fn status(bytes: &[u8], start: u32, end: u32) -> Option<i16> {
    if end.wrapping_sub(start) != 3 {
        return None;
    }
    number::three_digits(u32::from_le_bytes(*window(bytes, start)?))
}

/// What [`number::bytes`] gives; sizes of up to eight digits without a loop.
#[inline(always)]
fn size(bytes: &[u8], start: u32, end: u32) -> Option<i64> {
    let length = end.wrapping_sub(start);
    if length.wrapping_sub(1) < 8 {
        number::short_digits(u64::from_le_bytes(*window(bytes, start)?), length)
    } else {
        number::bytes(bytes.get(start as usize..end as usize)?)
    }
}

/// Reads a field of each row, by where it starts and ends, into two arrays of values.
#[inline(always)]
fn each<'a, A, B>(
    spans: impl Iterator<Item = (&'a Row, u32, u32)>,
    left: &mut [A],
    right: &mut [B],
    slow: &mut Vec<u32>,
    mut read: impl FnMut(u32, u32) -> Option<(A, B)>,
) {
    for (((row, start, end), left), right) in spans.zip(left).zip(right) {
        match read(start, end) {
            Some(value) => (*left, *right) = value,
            None => slow.push(row.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::remove;

    #[test]
    fn what_is_between_moves_together() {
        let all: Vec<u32> = (0..10).collect();
        for dead in [vec![], vec![0], vec![9], vec![0, 1, 2], vec![3, 5, 9], (0..10).collect()] {
            let mut left = all.clone();
            remove(&mut left, &dead);
            let expected: Vec<u32> = all.iter().copied().filter(|value| !dead.contains(value)).collect();
            assert_eq!(left, expected);
        }
    }
}
