//! What can go wrong with a run, as opposed to with a line (see [`Reject`](crate::Reject)).

use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong: for programs; people read the [`Error`]'s text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be opened, read or written.
    Io,
    /// A compressed input is damaged.
    Compression,
    /// The input is not bytes of a log: UTF-16, or binary.
    Encoding,
    /// A format string that cannot be understood, or files of one run whose formats do not fit together.
    Format,
    /// Lines were read and none of them fits the format.
    NoRows,
    /// More lines were rejected than the caller allows.
    TooManyRejects,
    /// Options that contradict each other, or name something that does not exist.
    Options,
    /// Arrow, Parquet or an output format refused what it was given.
    Sink,
    /// A service could not be reached, or refused what it was given.
    Delivery,
    /// The answer needs more memory than it may have.
    Memory,
    /// Ctrl-C, or another request to stop.
    Interrupted,
}

/// A run that could not go on: what happened, where, and what to do.
///
/// ```
/// use nasalogs::{ErrorKind, read_batches};
/// let error = read_batches("no/such/access.log").err().unwrap();
/// assert_eq!(error.kind(), ErrorKind::Io);
/// assert!(error.to_string().contains("no/such/access.log"));
/// ```
pub struct Error {
    // Boxed, so that a `Result` stays small on the paths that do not fail.
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    file: Option<String>,
    line: Option<u64>,
    offset: Option<u64>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with a text that says what happened.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                file: None,
                line: None,
                offset: None,
                hint: None,
                source: None,
            }),
        }
    }

    /// An I/O error on a named file.
    pub fn io(file: impl Into<String>, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, source.to_string()).with_file(file).with_source(source)
    }

    /// Names the file.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<String>) -> Self {
        self.inner.file = Some(file.into());
        self
    }

    /// Names the line, counted from 1.
    #[must_use]
    pub fn with_line(mut self, line: u64) -> Self {
        self.inner.line = Some(line);
        self
    }

    /// Names the byte offset, counted from 0 in the decompressed stream (or in the format string).
    #[must_use]
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.inner.offset = Some(offset);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What happened, without the place and the advice.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The file, where one is to blame.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.inner.file.as_deref()
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.inner.line
    }

    /// The byte offset, counted from 0 in the decompressed stream (or in the format string).
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.inner.offset
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The operating system's error underneath, if there is one.
    #[must_use]
    pub fn io_error(&self) -> Option<&std::io::Error> {
        self.inner.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.inner;
        // A file's name may come from an attacker too (a glob over uploads): escape it.
        if let Some(file) = &inner.file {
            write!(f, "{}", file.escape_debug())?;
            if let Some(line) = inner.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        } else if let Some(line) = inner.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(offset) = inner.offset {
            write!(f, " (at byte {offset})")?;
        }
        if let Some(hint) = &inner.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.to_string())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.inner.source.as_deref()?)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        // Our own errors travel through Arrow's `RecordBatchReader` as external ones: unwrap them.
        match error {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => Self::new(ErrorKind::Sink, inner.to_string()).with_source(inner),
            },
            other => Self::new(ErrorKind::Sink, other.to_string()).with_source(other),
        }
    }
}

impl From<Error> for arrow::error::ArrowError {
    fn from(error: Error) -> Self {
        arrow::error::ArrowError::ExternalError(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_where_and_what_to_do() {
        let error = Error::new(ErrorKind::Format, "the fourth field is no time")
            .with_file("a\u{1b}[31m.log")
            .with_line(7)
            .with_offset(40)
            .with_hint("pass --format");
        assert_eq!(
            error.to_string(),
            "a\\u{1b}[31m.log:7: the fourth field is no time (at byte 40); pass --format"
        );
    }

    #[test]
    fn survives_a_trip_through_arrow() {
        let there = arrow::error::ArrowError::from(Error::new(ErrorKind::NoRows, "none"));
        assert_eq!(Error::from(there).kind(), ErrorKind::NoRows);
    }
}
