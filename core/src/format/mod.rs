//! A log format is data: literals and fields in the order in which a line holds them.
//!
//! Every way to name a format ends in the same list of [`Segment`]s, which `parse::plan` compiles; no format has a
//! parsing loop of its own. A further family is one more file here that makes a [`LogFormat`].

mod apache;
mod builtin;
mod detect;
mod draft;
mod name;
mod nginx;
mod render;
mod strftime;
mod table;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, ErrorKind, Result};
use crate::parse::line::LineParser;
use crate::schema::{self, Column, ColumnType};

pub use detect::Detection;
pub(crate) use detect::shown;
#[cfg(feature = "ddl")]
pub(crate) use name::is_reserved;
pub(crate) use render::push_time;
pub use table::{Directive, Family, directives};

/// What a field of a line holds, and so how it is judged and which columns it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Text that must not be empty and is never null: the client, the virtual host.
    Host,
    /// Text; null when `-`.
    Text,
    /// A user name, which may hold blanks and brackets; null when `-`, empty when `""`.
    User,
    /// `dd/Mon/yyyy:HH:MM:SS +hhmm`, without its brackets: columns `ts`, `tz_offset`.
    ClfTime,
    /// `yyyy-mm-ddTHH:MM:SS+hh:mm` (nginx `$time_iso8601`) or `…+hhmm` (strftime's `%FT%T%z`): columns `ts`,
    /// `tz_offset`.
    IsoTime,
    /// An instant as a decimal count of units since 1970: column `ts`. The number is how many digits of it make a
    /// second's fraction when no point is written: 0 for seconds (with an optional fraction after a point, as
    /// nginx's `$msec`), 3 for milliseconds, 6 for microseconds.
    EpochTime(u8),
    /// `method SP target [SP protocol]`: columns `method`, `path`, `query`, `protocol`.
    Request,
    /// A request target: columns `path`, `query`.
    Target,
    /// A query with its leading `?`, or nothing (Apache's `%q`): column `query`.
    Query,
    /// Three digits: `status`.
    Status,
    /// 1 to 19 digits that fit a signed 64-bit integer.
    Bytes,
    /// A signed decimal integer of the column's width.
    Integer,
    /// Seconds with an optional fraction, as an integer of milliseconds (nginx's `$request_time`).
    Millis,
    /// `name:port`, the port after the last colon, or only a name: a column for the name, which is never null, and a
    /// nullable 32-bit one for the port (`vhost` and `vhost_port`, but a client's name and port too).
    VhostPort,
}

/// A field of a line and the columns it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub kind: FieldKind,
    /// Its columns, in the order that [`FieldKind`] names them.
    pub columns: Vec<Column>,
}

impl Field {
    /// A field of a kind that fixes its columns.
    pub(crate) fn known(kind: FieldKind, columns: &[Column]) -> Self {
        Self { kind, columns: columns.to_vec() }
    }
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes that stand in every line.
    Literal(Vec<u8>),
    /// Bytes that differ from line to line.
    Field(Field),
}

/// A log format. Cheap to clone.
///
/// ```
/// use nasalogs::LogFormat;
/// let nginx: LogFormat = "$remote_addr [$time_local] \"$request\" $status rt=$request_time".parse()?;
/// let names: Vec<&str> = nginx.columns().map(|c| c.name.as_ref()).collect();
/// assert_eq!(names, ["host", "ts", "tz_offset", "method", "path", "query", "protocol", "status", "request_time_ms"]);
/// assert_eq!("common".parse::<LogFormat>()?, LogFormat::common());
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Clone)]
pub struct LogFormat(Arc<Inner>);

struct Inner {
    name: String,
    pattern: String,
    segments: Vec<Segment>,
    /// Made when the first line is read alone.
    parser: OnceLock<Arc<LineParser>>,
}

impl LogFormat {
    /// A format from its segments. Neighbouring literals are joined; a column name that occurs twice gets a number.
    ///
    /// # Errors
    /// [`ErrorKind::Format`] when there is no field, or when two fields touch with nothing between them.
    pub(crate) fn from_segments(
        name: impl Into<String>,
        pattern: impl Into<String>,
        segments: impl IntoIterator<Item = Segment>,
    ) -> Result<Self> {
        let (name, pattern) = (name.into(), pattern.into());
        let mut joined: Vec<Segment> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for segment in segments {
            match (joined.last_mut(), segment) {
                (_, Segment::Literal(bytes)) if bytes.is_empty() => {}
                (Some(Segment::Literal(before)), Segment::Literal(bytes)) => before.extend(bytes),
                (Some(Segment::Field(before)), Segment::Field(field)) => {
                    return Err(Error::new(
                        ErrorKind::Format,
                        format!(
                            "nothing separates the fields {} and {} of the format {pattern:?}",
                            before.columns[0].name, field.columns[0].name
                        ),
                    )
                    .with_hint("put a blank or another character between them"));
                }
                (_, Segment::Field(mut field)) => {
                    for column in &mut field.columns {
                        make_unique(column, &mut seen);
                    }
                    joined.push(Segment::Field(field));
                }
                (_, literal) => joined.push(literal),
            }
        }
        if seen.is_empty() {
            return Err(Error::new(ErrorKind::Format, format!("the format {pattern:?} names no field"))
                .with_hint(Self::how_to_name()));
        }
        Ok(Self(Arc::new(Inner { name, pattern, segments: joined, parser: OnceLock::new() })))
    }

    /// A format from a string that somebody wrote: it has a built-in name if it is a built-in format.
    ///
    /// # Errors
    /// As [`LogFormat::from_segments`].
    pub(crate) fn custom(pattern: &str, segments: impl IntoIterator<Item = Segment>) -> Result<Self> {
        let format = Self::from_segments("custom", pattern, segments)?;
        let same = Self::BUILT_IN.into_iter().filter_map(Self::built_in).find(|known| *known == format);
        Ok(match same {
            None => format,
            Some(known) => Self(Arc::new(Inner {
                name: known.name().to_owned(),
                pattern: pattern.to_owned(),
                segments: format.segments().to_vec(),
                parser: OnceLock::new(),
            })),
        })
    }

    /// Its name: a built-in one, or `custom`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The format string it was made from.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// Literals and fields, in the order in which a line holds them.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0.segments
    }

    /// The fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.0.segments.iter().filter_map(|segment| match segment {
            Segment::Field(field) => Some(field),
            Segment::Literal(_) => None,
        })
    }

    /// The columns, in order.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.fields().flat_map(|field| &field.columns)
    }

    /// Whether lines have a time, and so a column `ts`.
    #[must_use]
    pub fn has_time(&self) -> bool {
        self.columns().any(|column| column.name == schema::TS.name)
    }

    /// The format, prepared for reading lines one by one.
    pub(crate) fn line_parser(&self) -> &Arc<LineParser> {
        self.0.parser.get_or_init(|| Arc::new(LineParser::new(self)))
    }

    pub(crate) fn how_to_name() -> String {
        format!(
            "pass one of {}, an Apache LogFormat string such as '%h %l %u %t \"%r\" %>s %b', or an nginx log_format string such as '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent'",
            Self::BUILT_IN.join(", ")
        )
    }
}

/// Gives a column another name when its name is taken: `status`, `status_2`, `status_3`.
fn make_unique(column: &mut Column, seen: &mut Vec<String>) {
    let base = column.name.to_string();
    let mut count = 1;
    while seen.iter().any(|name| *name == column.name) {
        count += 1;
        column.name = Cow::Owned(format!("{base}_{count}"));
    }
    seen.push(column.name.to_string());
}

impl PartialEq for LogFormat {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.segments == other.0.segments
    }
}

impl Eq for LogFormat {}

impl fmt::Debug for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFormat").field("name", &self.0.name).field("pattern", &self.0.pattern).finish()
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.name == "custom" { &self.0.pattern } else { &self.0.name })
    }
}

impl FromStr for LogFormat {
    type Err = Error;

    /// A built-in name, an Apache `LogFormat` string or an nginx `log_format` string, or a whole line of either
    /// server's configuration that begins with one of those words.
    ///
    /// A `%` makes it one of Apache's, a `$` one of nginx's; where both occur, in directives, the more frequent.
    fn from_str(text: &str) -> Result<Self> {
        let names = |sign: char, first: fn(char) -> bool| {
            text.split(sign).skip(1).filter(|rest| rest.starts_with(first)).count()
        };
        if let Some(format) = Self::built_in(text.trim()) {
            return Ok(format);
        }
        if nginx::is_directive(text) {
            return nginx::parse(text);
        }
        if apache::is_directive(text) {
            return apache::parse(text);
        }
        match (text.contains('%'), text.contains('$')) {
            (true, false) => apache::parse(text),
            (false, true) => nginx::parse(text),
            // A `%` in an nginx string is a literal, and so is a `$` in an Apache one.
            (true, true) => {
                let apache = names('%', |first| first.is_ascii_alphanumeric() || "<>!{^".contains(first));
                let nginx = names('$', |first| first.is_ascii_alphanumeric() || "_{".contains(first));
                if apache >= nginx { apache::parse(text) } else { nginx::parse(text) }
            }
            (false, false) => Err(Error::new(ErrorKind::Format, format!("there is no format {text:?}"))
                .with_hint(Self::how_to_name())),
        }
    }
}

/// A custom column that is nullable text named after a header, a variable or a directive.
pub(crate) fn text_field(name: String, doc: String) -> Field {
    Field { kind: FieldKind::Text, columns: vec![Column::dynamic(name, ColumnType::Text, doc)] }
}
