//! Fields that can be wrong: they are read for every line, whether their columns are wanted or not, because a line is
//! a row only if all of them are right.

use crate::field::number;
use crate::field::time::{self, CLF_LEN, ClfCache};
use crate::format::FieldKind;
use crate::parse::line;
use crate::parse::plan::PlannedField;
use crate::parse::rows::{Places, Row};
use crate::schema::ColumnType;

/// The values of a field, one a row; what a row that is not placed has, means nothing.
#[derive(Debug)]
pub(crate) enum Values {
    /// Text that cannot be wrong, or only by being empty: nothing is kept.
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

    /// Reads the field of the placed rows from number `from` on. A row whose field is wrong becomes slow.
    pub(crate) fn read(
        &mut self,
        field: &PlannedField,
        bytes: &[u8],
        places: Places<'_>,
        rows: &mut [Row],
        from: usize,
        cache: &mut ClfCache,
    ) {
        let text = |start: u32, end: u32| bytes.get(start as usize..end as usize);
        let mut reader = Reader { field, places, rows, from };
        match (self, field.kind) {
            (Values::None, FieldKind::Host | FieldKind::VhostPort) => {
                reader.each(&mut [], &mut [], |start, end| (start < end).then_some(((), ())));
            }
            (Values::Time(ms, tz), FieldKind::ClfTime) => reader.each(ms, tz, |start, _| {
                let text: &[u8; CLF_LEN] = bytes.get(start as usize..)?.first_chunk()?;
                cache.parse(text).map(|time| (time.ms, time.tz_offset))
            }),
            (Values::Time(ms, tz), FieldKind::IsoTime) => reader.each(ms, tz, |start, end| {
                time::iso(text(start, end)?).map(|time| (time.ms, time.tz_offset))
            }),
            (Values::Time(ms, tz), FieldKind::EpochTime(digits)) => {
                reader.each(ms, tz, |start, end| time::epoch(text(start, end)?, digits).map(|ms| (ms, 0)))
            }
            (Values::Int16(values, valid), FieldKind::Status) => reader.each(values, valid, |start, end| {
                let text = text(start, end)?;
                number::status(text).map(|value| (value, 1)).or_else(|| null(text, 0))
            }),
            (Values::Int64(values, valid), FieldKind::Bytes) => reader.each(values, valid, |start, end| {
                size(bytes, start, end).map(|value| (value, 1)).or_else(|| null(text(start, end)?, 0))
            }),
            (Values::Int64(values, valid), FieldKind::Millis) => reader.each(values, valid, |start, end| {
                let text = text(start, end)?;
                number::decimal(text, 3).map(|value| (value, 1)).or_else(|| null(text, 0))
            }),
            (Values::Int64(values, valid), _) => reader.each(values, valid, |start, end| {
                let text = text(start, end)?;
                line::integer(text, field.width).map(|value| (value, 1)).or_else(|| null(text, 0))
            }),
            (Values::Int32(values, valid), _) => reader.each(values, valid, |start, end| {
                let text = text(start, end)?;
                line::integer(text, field.width).map(|value| (value as i32, 1)).or_else(|| null(text, 0))
            }),
            (Values::Int16(values, valid), _) => reader.each(values, valid, |start, end| {
                let text = text(start, end)?;
                line::integer(text, field.width).map(|value| (value as i16, 1)).or_else(|| null(text, 0))
            }),
            (Values::None | Values::Time(..), _) => {}
        }
    }

    /// Drops the values of the rows that are no rows.
    pub(crate) fn retain(&mut self, rows: &[Row]) {
        fn keep<T: Copy>(values: &mut Vec<T>, rows: &[Row]) {
            let mut kept = 0;
            for (index, row) in rows.iter().enumerate() {
                values[kept] = values[index];
                kept += usize::from(row.is_placed());
            }
            values.truncate(kept);
        }
        match self {
            Values::None => {}
            Values::Time(ms, tz) => (keep(ms, rows), keep(tz, rows)).0,
            Values::Int16(values, valid) => (keep(values, rows), keep(valid, rows)).0,
            Values::Int32(values, valid) => (keep(values, rows), keep(valid, rows)).0,
            Values::Int64(values, valid) => (keep(values, rows), keep(valid, rows)).0,
        }
    }
}

/// A null where the text is `-`.
#[inline(always)]
fn null<T>(text: &[u8], value: T) -> Option<(T, u8)> {
    (text == b"-").then_some((value, 0))
}

/// What [`number::bytes`] gives; sizes of up to eight digits without a loop.
#[inline(always)]
fn size(bytes: &[u8], start: u32, end: u32) -> Option<i64> {
    let length = end - start;
    if (1..=8).contains(&length) {
        let word: [u8; 8] = *bytes.get(start as usize..)?.first_chunk()?;
        number::short_digits(u64::from_le_bytes(word), length)
    } else {
        number::bytes(bytes.get(start as usize..end as usize)?)
    }
}

/// The rows whose field is read.
struct Reader<'a> {
    field: &'a PlannedField,
    places: Places<'a>,
    rows: &'a mut [Row],
    from: usize,
}

impl Reader<'_> {
    /// Reads each placed row's field by its edges into two arrays of values.
    #[inline(always)]
    fn each<A: Copy, B: Copy>(
        &mut self,
        left: &mut [A],
        right: &mut [B],
        mut read: impl FnMut(u32, u32) -> Option<(A, B)>,
    ) {
        for (index, row) in self.rows.iter_mut().enumerate() {
            if !row.is_placed() {
                continue;
            }
            let (start, end) = (self.places.of(row, self.field.start), self.places.of(row, self.field.end));
            match read(start, end) {
                Some((a, b)) => {
                    // A field that is only judged keeps nothing.
                    if let (Some(left), Some(right)) =
                        (left.get_mut(self.from + index), right.get_mut(self.from + index))
                    {
                        (*left, *right) = (a, b);
                    }
                }
                None => row.first = Row::SLOW,
            }
        }
    }
}
