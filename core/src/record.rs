//! One line at a time, borrowed, without Arrow: for callers who want a line and not a batch.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::memchr;

use crate::field::{number, request, text, time};
use crate::format::{Field, FieldKind, LogFormat};
use crate::options::ParseOptions;
use crate::parse::line::{LineParser, Span, integer, vhost_port};
use crate::reject::{Reject, RejectReason};
use crate::schema::{self, Column};

/// A value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// None was logged.
    Null,
    /// Text, as its bytes were logged.
    Text(&'a [u8]),
    /// A number.
    Int(i64),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl<'a> Value<'a> {
    /// The bytes of a text.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A text; bytes of it that are not UTF-8 are written as `\xHH`.
    #[must_use]
    pub fn as_text(self) -> Option<Cow<'a, str>> {
        let bytes = self.as_bytes()?;
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(text::escape_invalid(bytes)),
        })
    }

    /// A number, or the milliseconds of an instant.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        match self {
            Value::Int(value) | Value::Timestamp(value) => Some(value),
            _ => None,
        }
    }
}

/// The value of a field's column number `column` in a text that [`judge`](crate::parse::line::judge) let pass.
fn value<'a>(field: &Field, column: usize, bytes: &'a [u8]) -> Value<'a> {
    let text = |text: Option<&'a [u8]>| text.map_or(Value::Null, Value::Text);
    let int = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
    let instant = |instant: Option<time::Instant>| match (instant, column) {
        (Some(instant), 0) => Value::Timestamp(instant.ms),
        (Some(instant), _) => Value::Int(instant.tz_offset.into()),
        (None, _) => Value::Null,
    };
    let target = |target: Option<&'a [u8]>, column: usize| match target.map(request::split_target) {
        Some((path, _)) if column == 0 => Value::Text(path),
        Some((_, query)) => text(query),
        None => Value::Null,
    };
    let is_dash = bytes == b"-";
    match field.kind {
        FieldKind::Text if is_dash && field.columns[0].nullable => Value::Null,
        FieldKind::Host | FieldKind::Text => Value::Text(bytes),
        FieldKind::User if is_dash => Value::Null,
        FieldKind::User => Value::Text(if bytes == b"\"\"" { &bytes[..0] } else { bytes }),
        FieldKind::ClfTime => instant(time::clf(bytes)),
        FieldKind::IsoTime => instant(time::iso(bytes)),
        FieldKind::EpochTime(digits) => time::epoch(bytes, digits).map_or(Value::Null, Value::Timestamp),
        FieldKind::Request => {
            let parts = request::split(bytes);
            match column {
                0 => text(parts.method),
                3 => text(parts.protocol),
                part => target(parts.target, part - 1),
            }
        }
        FieldKind::Target => target(Some(bytes).filter(|_| !bytes.is_empty() && !is_dash), column),
        FieldKind::Query if bytes.is_empty() || is_dash => Value::Null,
        FieldKind::Query => Value::Text(bytes.strip_prefix(b"?").unwrap_or(bytes)),
        FieldKind::Status => int(number::status(bytes).map(i64::from)),
        FieldKind::Bytes => int(number::bytes(bytes)),
        FieldKind::Integer => int(integer(bytes, field.columns[0].column_type)),
        FieldKind::Millis => int(number::decimal(bytes, 3)),
        FieldKind::VhostPort => match (vhost_port(bytes), column) {
            ((name, _), 0) => Value::Text(name),
            ((_, port), _) => int(port.map(i64::from)),
        },
    }
}

/// A line that is a row.
///
/// ```
/// use nasalogs::LogFormat;
/// let line = br#"host - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245"#;
/// let record = LogFormat::common().parse_line(line).unwrap();
/// assert_eq!(record.host(), Some(&b"host"[..]));
/// assert_eq!((record.status(), record.bytes(), record.ts()), (Some(200), Some(6245), Some(804_571_201_000)));
/// assert_eq!(record.get("query").unwrap().as_text().unwrap(), "b");
/// ```
#[derive(Debug, Clone)]
pub struct Record<'a> {
    line: &'a [u8],
    number: u64,
    offset: u64,
    format: LogFormat,
    spans: Box<[Span]>,
}

/// Typed access to the usual columns.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $column:ident, $how:ident;)+) => {
        impl<'a> Record<'a> {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> Option<$type> {
                self.get(&schema::$column.name)?.$how()
            })+
        }
    };
}

accessors! {
    /// The client.
    host: &'a [u8] = HOST, as_bytes;
    /// The identity, if one was logged.
    ident: &'a [u8] = IDENT, as_bytes;
    /// The user, if one was logged.
    authuser: &'a [u8] = AUTHUSER, as_bytes;
    /// Milliseconds since 1970-01-01T00:00:00Z.
    ts: i64 = TS, as_int;
    /// Minutes east of UTC, as logged.
    tz_offset: i64 = TZ_OFFSET, as_int;
    /// The method.
    method: &'a [u8] = METHOD, as_bytes;
    /// The target up to its first `?`.
    path: &'a [u8] = PATH, as_bytes;
    /// What follows that `?`.
    query: &'a [u8] = QUERY, as_bytes;
    /// The protocol.
    protocol: &'a [u8] = PROTOCOL, as_bytes;
    /// The status.
    status: i64 = STATUS, as_int;
    /// The size of the answer.
    bytes: i64 = BYTES, as_int;
    /// The `Referer` header.
    referer: &'a [u8] = REFERER, as_bytes;
    /// The `User-Agent` header.
    user_agent: &'a [u8] = USER_AGENT, as_bytes;
}

impl<'a> Record<'a> {
    /// Reads a line that is not blank, without its line end, as the first of its input.
    pub(crate) fn read(
        format: &LogFormat,
        parser: &LineParser,
        line: &'a [u8],
    ) -> Result<Self, RejectReason> {
        let spans = read(format, parser, line)?;
        Ok(Record { line, number: 1, offset: 0, format: format.clone(), spans })
    }

    /// The text of the first Common Log Format time.
    #[cfg(feature = "envelope")]
    pub(crate) fn clf_time(&self) -> Option<&'a [u8]> {
        let mut fields = self.format.fields().zip(&self.spans);
        let (_, span) = fields.find(|(field, _)| field.kind == FieldKind::ClfTime)?;
        Some(&self.line[span.start as usize..span.end as usize])
    }

    /// The line, without its line end.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The line's number, from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.number
    }

    /// The byte offset of the line's start.
    #[must_use]
    pub fn byte_offset(&self) -> u64 {
        self.offset
    }

    /// The format it was read in.
    #[must_use]
    pub fn format(&self) -> &LogFormat {
        &self.format
    }

    /// The value of a column; `None` when the format has no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.values().find(|(column, _)| column.name == name).map(|(_, value)| value)
    }

    /// The time as it was logged, without brackets; `None` when the format has none.
    ///
    /// ```
    /// use nasalogs::LogFormat;
    /// let line = br#"h - - [30/Jun/1995:23:59:60 -0000] "GET / HTTP/1.0" 200 5"#;
    /// let record = LogFormat::common().parse_line(line).unwrap();
    /// assert_eq!(record.logged_time(), Some(&b"30/Jun/1995:23:59:60 -0000"[..]));
    /// ```
    #[must_use]
    pub fn logged_time(&self) -> Option<&'a [u8]> {
        let mut fields = self.format.fields().zip(&self.spans);
        let is_time =
            |field: &Field| field.columns.first().is_some_and(|column| column.name == schema::TS.name);
        let (_, span) = fields.find(|(field, _)| is_time(field))?;
        Some(&self.line[span.start as usize..span.end as usize])
    }

    /// The columns and their values, in order.
    pub fn values(&self) -> impl Iterator<Item = (&Column, Value<'a>)> {
        self.format.fields().zip(&self.spans).flat_map(move |(field, span)| {
            let bytes = &self.line[span.start as usize..span.end as usize];
            field
                .columns
                .iter()
                .enumerate()
                .map(move |(number, column)| (column, value(field, number, bytes)))
        })
    }
}

/// The lines of a log in memory, one by one. Made by [`records`] or [`LogFormat::records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    format: LogFormat,
    parser: Arc<LineParser>,
    input: &'a [u8],
    at: usize,
    line: u64,
}

/// Reads a log in memory line by line, in its detected format, or as `common` where none fits.
///
/// Nothing is copied: records and their values point into the input. They agree with the batches of a
/// [`Decoder`](crate::Decoder) on every line, which is much faster where all lines are wanted.
///
/// ```
/// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\nnonsense\n";
/// let mut records = nasalogs::records(log);
/// assert_eq!(records.next().unwrap().unwrap().status(), Some(200));
/// assert_eq!(records.next().unwrap().unwrap_err().reason.as_str(), "missing_field");
/// assert!(records.next().is_none());
/// ```
#[must_use]
pub fn records(input: &[u8]) -> Records<'_> {
    LogFormat::detect_or_common(input).records(input)
}

impl LogFormat {
    /// Reads a log in memory line by line.
    #[must_use]
    pub fn records<'a>(&self, input: &'a [u8]) -> Records<'a> {
        let at = if input.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Records { format: self.clone(), parser: Arc::clone(self.line_parser()), input, at, line: 0 }
    }

    /// Reads one line, with or without its line end.
    ///
    /// # Errors
    /// Why it is no row; a blank line lacks its first field.
    pub fn parse_line<'a>(&self, line: &'a [u8]) -> Result<Record<'a>, RejectReason> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if LineParser::is_blank(line) {
            return Err(RejectReason::MissingField);
        }
        Record::read(self, self.line_parser(), line)
    }
}

fn read(format: &LogFormat, parser: &LineParser, line: &[u8]) -> Result<Box<[Span]>, RejectReason> {
    if line.len() > ParseOptions::MAX_LINE {
        return Err(RejectReason::LineTooLong);
    }
    let mut spans = vec![Span::default(); format.fields().count()].into_boxed_slice();
    parser.read(line, &mut spans)?;
    Ok(spans)
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            if start >= self.input.len() {
                return None;
            }
            let newline = memchr(b'\n', &self.input[start..]);
            let end = newline.map_or(self.input.len(), |length| start + length);
            self.at = end + 1;
            self.line += 1;
            let line = &self.input[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if LineParser::is_blank(line) && line.len() <= ParseOptions::MAX_LINE {
                continue;
            }
            let (number, offset) = (self.line, start as u64);
            return Some(match read(&self.format, &self.parser, line) {
                Ok(spans) => Ok(Record { line, number, offset, format: self.format.clone(), spans }),
                Err(reason) => Err(Reject {
                    file: None,
                    line: number,
                    offset,
                    reason: if newline.is_none() { reason.at_end() } else { reason },
                    raw: line[..line.len().min(Reject::RAW_LIMIT)].to_vec(),
                }),
            });
        }
    }
}
