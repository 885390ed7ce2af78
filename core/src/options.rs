//! What a caller can choose about parsing.

use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::format::LogFormat;
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
        self.max_line.unwrap_or(Self::MAX_LINE)
    }

    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunk.unwrap_or(Self::CHUNK)
    }

    /// The columns that batches of a format will have under these options.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a wanted column is not one of the format's.
    pub fn columns_of(&self, format: &LogFormat) -> Result<Vec<crate::schema::Column>, Error> {
        use crate::schema::EXTRA;
        let mut columns: Vec<crate::schema::Column> = match &self.columns {
            None => format.columns().cloned().collect(),
            Some(names) => names
                .iter()
                .map(|name| {
                    format.columns().chain(&EXTRA).find(|column| column.name == *name).cloned().ok_or_else(
                        || {
                            let known: Vec<&str> =
                                format.columns().map(|column| column.name.as_ref()).collect();
                            Error::new(
                                ErrorKind::Options,
                                format!("the format {} has no column {name:?}", format.name()),
                            )
                            .with_hint(format!("it has {}", known.join(", ")))
                        },
                    )
                })
                .collect::<Result<_, _>>()?,
        };
        let Extras { line, byte_offset, raw, file } = self.extras;
        for (wanted, column) in [line, byte_offset, raw, file].into_iter().zip(EXTRA) {
            if wanted && !columns.iter().any(|have| have.name == column.name) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// The Arrow schema that batches of a format will have under these options.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a wanted column is not one of the format's.
    pub fn schema(&self, format: &LogFormat) -> Result<arrow::datatypes::SchemaRef, Error> {
        Ok(crate::schema::arrow_schema(&self.columns_of(format)?, self))
    }
}
