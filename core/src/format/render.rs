//! From values back to a line.

use super::{Field, FieldKind, LogFormat, Segment};
use crate::field::time::{MONTHS, civil_from_days};
use crate::record::{Record, Value};

impl LogFormat {
    /// Writes a line, without a line end, whose columns have the given values; a column without a value is `-`.
    ///
    /// Lines are written in one way where a format allows several: reading what this wrote gives the values back, and
    /// writing them again the same line, as long as texts hold what their field can hold.
    ///
    /// ```
    /// use nasalogs::{LogFormat, Value};
    /// let line = LogFormat::common().render(|column| match column {
    ///     "host" => Value::Text(b"example.org"),
    ///     "ts" => Value::Timestamp(804_571_201_000),
    ///     "tz_offset" => Value::Int(-240),
    ///     "method" => Value::Text(b"GET"),
    ///     "path" => Value::Text(b"/"),
    ///     "status" => Value::Int(200),
    ///     _ => Value::Null,
    /// });
    /// assert_eq!(line, br#"example.org - - [01/Jul/1995:00:00:01 -0400] "GET /" 200 -"#);
    /// ```
    pub fn render<'a>(&self, mut value: impl FnMut(&str) -> Value<'a>) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        for segment in self.segments() {
            match segment {
                Segment::Literal(bytes) => line.extend_from_slice(bytes),
                Segment::Field(field) => {
                    let values: Vec<Value<'_>> =
                        field.columns.iter().map(|column| value(&column.name)).collect();
                    render_field(field, &values, &mut line);
                }
            }
        }
        line
    }
}

impl Record<'_> {
    /// Writes the line anew from its values: see [`LogFormat::render`].
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        self.format().render(|column| self.get(column).unwrap_or(Value::Null))
    }
}

fn render_field(field: &Field, values: &[Value<'_>], line: &mut Vec<u8>) {
    let text = |number: usize| values.get(number).and_then(|value| value.as_bytes());
    let int = |number: usize| values.get(number).and_then(|value| value.as_int());
    match field.kind {
        FieldKind::User if text(0) == Some(b"") => line.extend_from_slice(b"\"\""),
        FieldKind::Host | FieldKind::Text | FieldKind::User => {
            line.extend_from_slice(text(0).unwrap_or(b"-"))
        }
        FieldKind::Request => match text(1) {
            None => line.push(b'-'),
            Some(path) => {
                line.extend(text(0).into_iter().flat_map(|method| [method, b" "]).flatten());
                push_target(path, text(2), line);
                line.extend(text(3).into_iter().flat_map(|protocol| [b" ", protocol]).flatten());
            }
        },
        FieldKind::Target => match text(0) {
            None => line.push(b'-'),
            Some(path) => push_target(path, text(1), line),
        },
        FieldKind::Query => line.extend(text(0).into_iter().flat_map(|query| [b"?", query]).flatten()),
        FieldKind::ClfTime | FieldKind::IsoTime => push_time(field.kind, int(0), int(1).unwrap_or(0), line),
        FieldKind::EpochTime(0) | FieldKind::Millis => match int(0) {
            None => line.push(b'-'),
            Some(ms) => {
                let sign = if ms < 0 { "-" } else { "" };
                let ms = ms.unsigned_abs();
                line.extend(format!("{sign}{}.{:03}", ms / 1000, ms % 1000).bytes());
            }
        },
        FieldKind::EpochTime(digits) => {
            let unit = 10i64.pow(u32::from(digits).saturating_sub(3));
            push_int(int(0).map(|ms| ms.saturating_mul(unit)), 1, line);
        }
        FieldKind::Status => push_int(int(0), 3, line),
        FieldKind::Bytes | FieldKind::Integer => push_int(int(0), 1, line),
        FieldKind::VhostPort => {
            line.extend_from_slice(text(0).unwrap_or(b"-"));
            if let Some(port) = int(1) {
                line.extend(format!(":{port}").bytes());
            }
        }
    }
}

fn push_target(path: &[u8], query: Option<&[u8]>, line: &mut Vec<u8>) {
    line.extend_from_slice(path);
    line.extend(query.into_iter().flat_map(|query| [b"?", query]).flatten());
}

fn push_int(value: Option<i64>, width: usize, line: &mut Vec<u8>) {
    match value {
        Some(value) => line.extend(format!("{value:0width$}").bytes()),
        None => line.push(b'-'),
    }
}

/// A time in the offset it was logged in.
pub(crate) fn push_time(kind: FieldKind, ms: Option<i64>, tz_offset: i64, line: &mut Vec<u8>) {
    let Some(ms) = ms else {
        line.push(b'-');
        return;
    };
    let local = ms.div_euclid(1000) + tz_offset * 60;
    let (year, month, day) = civil_from_days(local.div_euclid(86_400));
    let second = local.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let sign = if tz_offset < 0 { '-' } else { '+' };
    let (zone_hour, zone_minute) = (tz_offset.abs() / 60, tz_offset.abs() % 60);
    let text = if kind == FieldKind::IsoTime {
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{zone_hour:02}:{zone_minute:02}"
        )
    } else {
        let month = String::from_utf8_lossy(MONTHS[(month as usize - 1) % 12]);
        format!(
            "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{zone_hour:02}{zone_minute:02}"
        )
    };
    line.extend(text.bytes());
}
