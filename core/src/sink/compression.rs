//! How the data in a file is compressed.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// How the data in a file is compressed.
///
/// ```
/// use nasalogs::sink::Compression;
/// assert_eq!("zstd:3".parse::<Compression>().unwrap(), Compression::Zstd(3));
/// assert_eq!("none".parse::<Compression>().unwrap(), Compression::None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Zstandard at a level from 1 to 22.
    Zstd(i32),
    /// Snappy.
    Snappy,
    /// Not at all.
    None,
}

impl Compression {
    /// The names, as they stand on a command line; `zstd:LEVEL` is understood too.
    pub const NAMES: &'static [&'static str] = &["zstd", "snappy", "none"];

    /// Zstandard's level where none is chosen: on these columns a higher one costs time and gains next to nothing.
    pub const ZSTD_LEVEL: i32 = 1;
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(Self::ZSTD_LEVEL)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::Snappy => f.write_str("snappy"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let chosen = match text {
            "zstd" => Some(Self::default()),
            "snappy" => Some(Self::Snappy),
            "none" => Some(Self::None),
            other => other.strip_prefix("zstd:").and_then(|level| level.parse().ok()).map(Self::Zstd),
        };
        let chosen = chosen.ok_or_else(|| {
            Error::new(ErrorKind::Options, format!("unknown compression {text:?}"))
                .with_hint(format!("expected one of {}, or zstd:LEVEL", Self::NAMES.join(", ")))
        })?;
        match chosen {
            Self::Zstd(level) if !(1..=22).contains(&level) => {
                Err(Error::new(ErrorKind::Options, format!("there is no zstd level {level}"))
                    .with_hint("expected 1 to 22"))
            }
            chosen => Ok(chosen),
        }
    }
}
