//! What a caller can choose about parsing.

use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::format::LogFormat;
use crate::schema::{Column, EXTRA};
use crate::simd::Backend;

/// The Arrow layout of string columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StringType {
    /// `Utf8View` into the chunk that was read: nothing is copied, and a column keeps its chunk alive.
    #[default]
    View,
    /// Plain `Utf8`: copied; what every consumer understands.
    Utf8,
    /// `Utf8View` into a buffer of the column's own: copied, and independent of the chunk.
    Compact,
}

/// What becomes of bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// `\xHH` for each offending byte: readable, not reversible.
    #[default]
    Escape,
    /// Every byte is a character of Latin-1.
    Latin1,
    /// All text columns are binary: exact.
    Binary,
}

/// Adds names in both directions to an enum whose values stand on a command line.
macro_rules! named {
    ($type:ident, $what:literal, { $($name:literal => $value:ident),+ $(,)? }) => {
        impl $type {
            /// The names, as they stand on a command line.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The name, as it stands on a command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $name),+ }
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                match text {
                    $($name => Ok(Self::$value),)+
                    other => Err(Error::new(
                        ErrorKind::Options,
                        format!(concat!("unknown ", $what, " {:?}"), other),
                    )
                    .with_hint(format!("expected one of {}", Self::NAMES.join(", ")))),
                }
            }
        }
    };
}
#[cfg_attr(not(any(feature = "sink", feature = "envelope")), allow(unused_imports))]
pub(crate) use named;

named!(StringType, "string type", { "view" => View, "utf8" => Utf8, "compact" => Compact });
named!(Encoding, "encoding", { "escape" => Escape, "latin1" => Latin1, "binary" => Binary });

/// The optional columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extras {
    /// The line's number, from 1.
    pub line: bool,
    /// The byte offset of the line's start.
    pub byte_offset: bool,
    /// The line's bytes.
    pub raw: bool,
    /// The input's name.
    pub file: bool,
}

impl FromStr for Extras {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut extras = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "line" => extras.line = true,
                "byte_offset" => extras.byte_offset = true,
                "raw" => extras.raw = true,
                "file" => extras.file = true,
                other => {
                    return Err(Error::new(
                        ErrorKind::Options,
                        format!("there is no optional column {other:?}"),
                    )
                    .with_hint("expected some of line, byte_offset, raw, file"));
                }
            }
        }
        Ok(extras)
    }
}

/// How to parse.
///
/// ```
/// use nasalogs::{Encoding, LogFormat, ParseOptions};
/// let options = ParseOptions::new()
///     .with_format(LogFormat::combined())
///     .with_columns(["host", "ts", "status"])
///     .with_encoding(Encoding::Latin1);
/// assert_eq!(options.schema(options.format.as_ref().unwrap()).unwrap().fields().len(), 3);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ParseOptions {
    /// The format; `None` detects it.
    pub format: Option<LogFormat>,
    /// The wanted columns, in the wanted order; `None` means all of the format's.
    pub columns: Option<Vec<String>>,
    /// Columns that are appended to the wanted ones as far as the format has them.
    pub optional: Vec<String>,
    /// The optional columns, appended to the others.
    pub extras: Extras,
    /// What becomes of bytes that are not UTF-8.
    pub encoding: Encoding,
    /// The layout of string columns.
    pub strings: StringType,
    /// The longest line, in bytes without its line end; `None` means [`ParseOptions::MAX_LINE`].
    pub max_line: Option<usize>,
    /// How many bytes of log make a chunk, and so a batch; `None` means [`ParseOptions::CHUNK`].
    pub chunk: Option<usize>,
    /// The backend; `None` means [`Backend::chosen`].
    pub backend: Option<Backend>,
}

impl ParseOptions {
    /// The default limit of a line: 1 MiB.
    pub const MAX_LINE: usize = 1 << 20;
    /// The default size of a chunk: 512 KiB, which stays in the second-level cache with what is written for it.
    pub const CHUNK: usize = 512 << 10;

    /// The defaults: detect the format, all its columns, `escape`, views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forces a format.
    #[must_use]
    pub fn with_format(mut self, format: LogFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Chooses columns and their order. Rows and rejects do not depend on it.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Adds columns to the chosen ones, as far as the format has them: for those who take what there is.
    ///
    /// ```
    /// use nasalogs::{LogFormat, ParseOptions};
    /// let options = ParseOptions::new().with_columns(["ts"]).with_optional_columns(["status", "user_agent"]);
    /// assert_eq!(options.columns_of(&LogFormat::common())?.len(), 2);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    #[must_use]
    pub fn with_optional_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.optional = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Adds optional columns.
    #[must_use]
    pub fn with_extras(mut self, extras: Extras) -> Self {
        self.extras = extras;
        self
    }

    /// Chooses what becomes of bytes that are not UTF-8.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Chooses the layout of string columns.
    #[must_use]
    pub fn with_strings(mut self, strings: StringType) -> Self {
        self.strings = strings;
        self
    }

    /// Sets the longest line, in bytes.
    #[must_use]
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.max_line = Some(bytes.clamp(1, 1 << 28));
        self
    }

    /// Sets the size of a chunk, in bytes of log.
    #[must_use]
    pub fn with_chunk(mut self, bytes: usize) -> Self {
        self.chunk = Some(bytes.clamp(1 << 10, 1 << 26));
        self
    }

    /// Forces a backend.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    pub(crate) fn max_line_bytes(&self) -> usize {
        // Places in a chunk are 32-bit, and a chunk holds the longest line.
        self.max_line.unwrap_or(Self::MAX_LINE).clamp(1, 1 << 28)
    }

    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunk.unwrap_or(Self::CHUNK).clamp(64, 1 << 26)
    }

    /// The columns that batches of a format will have under these options.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when no column is wanted, one is wanted twice, or one is neither the format's nor an
    /// optional one.
    pub fn columns_of(&self, format: &LogFormat) -> Result<Vec<Column>, Error> {
        let mut columns = match &self.columns {
            None => format.columns().cloned().collect(),
            Some(names) => chosen(names, format)?,
        };
        for column in format.columns().filter(|column| self.optional.iter().any(|name| column.name == *name))
        {
            if !columns.iter().any(|have| have.name == column.name) {
                columns.push(column.clone());
            }
        }
        let Extras { line, byte_offset, raw, file } = self.extras;
        for (wanted, column) in [line, byte_offset, raw, file].into_iter().zip(EXTRA) {
            if wanted && !columns.iter().any(|have| have.name == column.name) {
                columns.push(column);
            }
        }
        if columns.is_empty() {
            return Err(Error::new(ErrorKind::Options, "no column is wanted").with_hint(known(format)));
        }
        Ok(columns)
    }

    /// The Arrow schema that batches of a format will have under these options.
    ///
    /// # Errors
    /// As [`ParseOptions::columns_of`].
    pub fn schema(&self, format: &LogFormat) -> Result<arrow::datatypes::SchemaRef, Error> {
        Ok(crate::schema::arrow_schema(&self.columns_of(format)?, self))
    }
}

/// The columns of these names.
fn chosen(names: &[String], format: &LogFormat) -> Result<Vec<Column>, Error> {
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for name in names {
        let refuse = |message: String| Error::new(ErrorKind::Options, message);
        let column = format.columns().chain(&EXTRA).find(|column| column.name == *name).cloned();
        let column = column.ok_or_else(|| {
            refuse(format!("the format {format} has no column {name:?}")).with_hint(known(format))
        })?;
        if columns.contains(&column) {
            return Err(refuse(format!("the column {name:?} is wanted twice")).with_hint("name it once"));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Which columns can be wanted of a format.
fn known(format: &LogFormat) -> String {
    let names = |columns: &mut dyn Iterator<Item = &Column>| {
        columns.map(|column| column.name.as_ref()).collect::<Vec<_>>().join(", ")
    };
    format!("it has {}; any format has {}", names(&mut format.columns()), names(&mut EXTRA.iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &ParseOptions) -> Vec<String> {
        let columns = options.columns_of(&LogFormat::common()).unwrap();
        columns.into_iter().map(|column| column.name.into_owned()).collect()
    }

    #[test]
    fn columns_come_in_the_order_wanted() {
        let options = ParseOptions::new().with_columns(["raw", "status", "host"]);
        assert_eq!(names(&options), ["raw", "status", "host"]);
        let extras = Extras { line: true, raw: true, ..Extras::default() };
        assert_eq!(names(&options.with_extras(extras)), ["raw", "status", "host", "line"]);
        let none: [&str; 0] = [];
        assert_eq!(names(&ParseOptions::new().with_columns(none).with_extras(extras)), ["line", "raw"]);
    }

    #[test]
    fn columns_that_cannot_be_had_are_refused() {
        let error = |columns: &[&str]| {
            let options = ParseOptions::new().with_columns(columns.iter().copied());
            let error = options.columns_of(&LogFormat::common()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Options);
            error.to_string()
        };
        assert!(error(&[]).starts_with("no column is wanted; it has host, ident"), "{}", error(&[]));
        assert_eq!(error(&["host", "ts", "host"]), "the column \"host\" is wanted twice; name it once");
        let text = error(&["user_agent"]);
        assert!(text.starts_with("the format common has no column \"user_agent\"; it has host,"), "{text}");
        assert!(text.ends_with("any format has line, byte_offset, raw, file"), "{text}");
    }

    #[test]
    fn sizes_that_were_set_past_the_builder_are_bounded_too() {
        let mut options = ParseOptions::new();
        (options.chunk, options.max_line) = (Some(0), Some(usize::MAX));
        assert_eq!((options.chunk_bytes(), options.max_line_bytes()), (64, 1 << 28));
    }
}
