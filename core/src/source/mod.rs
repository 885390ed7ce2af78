//! Where bytes come from: files, globs, standard input, any [`Read`], memory; decompressed by what they contain.
//!
//! ```
//! use nasalogs::source::Source;
//! let mut input = Source::memory(b"a log").with_name("memory").open()?;
//! let mut buffer = [0; 16];
//! assert_eq!(input.read_into(&mut buffer)?, 5);
//! assert_eq!(input.read_into(&mut buffer)?, 0);
//! # Ok::<(), nasalogs::Error>(())
//! ```

// Without codecs, what they stand on is not used.
#[cfg_attr(not(any(feature = "gzip", feature = "bzip2")), allow(dead_code, unused_imports, unused_variables))]
mod codec;
mod expand;
mod input;
#[cfg_attr(not(any(feature = "gzip", feature = "bzip2")), allow(dead_code))]
mod origin;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use codec::Codec;
pub use expand::expand;
#[cfg(feature = "lake")]
pub(crate) use expand::expand_all;
pub use input::Input;

use crate::error::{Error, ErrorKind, Result};

/// Something that can be opened and read once, from its start to its end.
pub struct Source {
    name: Option<Arc<str>>,
    place: Place,
}

enum Place {
    Path(PathBuf),
    Stdin,
    Reader { reader: Box<dyn Read + Send>, total: Option<u64> },
    Opener { open: Arc<Open>, total: Option<u64> },
}

type Open = dyn Fn() -> Result<Box<dyn Read + Send>> + Send + Sync;

impl Source {
    /// A file. Its name is the path; bytes of it that are not UTF-8 are written as `\xHH`.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: Some(path_name(&path)), place: Place::Path(path) }
    }

    /// Standard input. It has no name.
    #[must_use]
    pub fn stdin() -> Self {
        Self { name: None, place: Place::Stdin }
    }

    /// Any reader. It has no name unless [`Source::with_name`] gives it one.
    pub fn reader(reader: impl Read + Send + 'static) -> Self {
        Self { name: None, place: Place::Reader { reader: Box::new(reader), total: None } }
    }

    /// Something that is opened when it is needed and can be opened again, such as an object in a store; and its size in
    /// bytes, where that is known. Any number of them can be read in one run: few are open at a time.
    ///
    /// ```
    /// use nasalogs::source::Source;
    /// let source = Source::opener(|| Ok(Box::new(&b"a log"[..])), Some(5)).with_name("store:a.log");
    /// assert_eq!(source.open()?.read_into(&mut [0; 16])?, 5);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    pub fn opener(
        open: impl Fn() -> Result<Box<dyn Read + Send>> + Send + Sync + 'static,
        total: Option<u64>,
    ) -> Self {
        Self { name: None, place: Place::Opener { open: Arc::new(open), total } }
    }

    /// Bytes in memory, compressed or not.
    pub fn memory(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        let total = bytes.as_ref().len() as u64;
        let reader = Box::new(io::Cursor::new(bytes));
        Self { name: None, place: Place::Reader { reader, total: Some(total) } }
    }

    /// Gives it a name, for messages and for the column `file`.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The name; `None` for standard input and for readers that were given none.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    /// The file's path, if it is a file.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The same once more, where it can be opened twice: a named pipe, which has a path too, cannot.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let place = match &self.place {
            Place::Path(path) if path.metadata().is_ok_and(|metadata| metadata.is_file()) => {
                Place::Path(path.clone())
            }
            Place::Opener { open, total } => Place::Opener { open: Arc::clone(open), total: *total },
            _ => return None,
        };
        Some(Self { name: self.name.clone(), place })
    }

    /// Its size in bytes as it lies there, where that is known before it is opened.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        match &self.place {
            Place::Path(path) => {
                path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
            Place::Opener { total, .. } => *total,
            Place::Stdin | Place::Reader { .. } => None,
        }
    }

    /// Opens it, looks at its first bytes and decompresses what they say.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it cannot be opened or read or is a directory; [`ErrorKind::Compression`] when it is
    /// compressed in a way that this build does not read.
    pub fn open(self) -> Result<Input> {
        let unnamed = if matches!(self.place, Place::Stdin) { "standard input" } else { "the input" };
        let (reader, total): (Box<dyn Read + Send>, Option<u64>) = match self.place {
            Place::Path(path) => {
                let (file, total) = open_file(&path)?;
                (Box::new(file), total)
            }
            Place::Stdin => (Box::new(io::stdin()), None),
            Place::Reader { reader, total } => (reader, total),
            Place::Opener { open, total } => {
                let named = |error: Error| match (&self.name, error.file()) {
                    (Some(name), None) => error.with_file(name.as_ref()),
                    _ => error,
                };
                (open().map_err(named)?, total)
            }
        };
        Input::new(self.name, unnamed, reader, total)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Path(_) => "path",
            Place::Stdin => "stdin",
            Place::Reader { .. } => "reader",
            Place::Opener { .. } => "opener",
        };
        f.debug_struct("Source").field("name", &self.name).field("place", &place).finish()
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::path(path)
    }
}

/// A path as text; what is not UTF-8 in it as `\xHH`.
fn path_name(path: &Path) -> Arc<str> {
    crate::field::text::escape_invalid(path.as_os_str().as_encoded_bytes()).into()
}

/// Opens a file and says how long it is, where that means something.
fn open_file(path: &Path) -> Result<(File, Option<u64>)> {
    let file = File::open(path).map_err(|error| open_error(path, error))?;
    let metadata = file.metadata().map_err(|error| open_error(path, error))?;
    if metadata.is_dir() {
        return Err(directory_error(path));
    }
    let total = metadata.is_file().then_some(metadata.len());
    Ok((file, total))
}

/// A file that cannot be opened: what is wrong and what to do.
fn open_error(path: &Path, error: io::Error) -> Error {
    let (message, hint) = match error.kind() {
        io::ErrorKind::NotFound => ("no such file".to_owned(), "check the path"),
        io::ErrorKind::PermissionDenied => {
            ("permission denied".to_owned(), "run as a user who may read the file, or change its mode")
        }
        // Opening a directory succeeds on Unix and is refused on Windows, where this is not reached.
        io::ErrorKind::IsADirectory => return directory_error(path),
        _ => (format!("cannot be opened: {error}"), "check the path and the file's mode"),
    };
    Error::new(ErrorKind::Io, message).with_file(path_name(path).as_ref()).with_hint(hint).with_source(error)
}

fn directory_error(path: &Path) -> Error {
    let name = path_name(path);
    Error::new(ErrorKind::Io, "is a directory, not a log")
        .with_file(name.as_ref())
        .with_hint(format!("pass the files in it: '{}/*'", name.trim_end_matches('/').escape_debug()))
        .with_source(io::Error::from(io::ErrorKind::IsADirectory))
}

#[cfg(test)]
mod tests;
