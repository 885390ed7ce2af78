//! How pages are compressed.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use parquet::basic::ZstdLevel;

use crate::error::{Error, ErrorKind, Result};

/// The codec of a Parquet file's pages.
///
/// ```
/// use nasalogs::sink::parquet::Compression;
/// assert_eq!("zstd:3".parse::<Compression>().unwrap(), Compression::Zstd(3));
/// assert_eq!("none".parse::<Compression>().unwrap(), Compression::None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Zstandard at a level from 1 to 22.
    Zstd(i32),
    /// Snappy.
    Snappy,
    /// Not compressed.
    None,
}

impl Compression {
    /// The names, as they stand on a command line; `zstd:LEVEL` is understood too.
    pub const NAMES: &'static [&'static str] = &["zstd", "snappy", "none"];

    /// Zstandard's level where none is chosen: on these columns a higher one costs time and gains next to nothing.
    pub const ZSTD_LEVEL: i32 = 1;

    pub(super) fn codec(self) -> Result<parquet::basic::Compression> {
        Ok(match self {
            Self::Zstd(level) => {
                parquet::basic::Compression::ZSTD(ZstdLevel::try_new(level).map_err(|_| {
                    Error::new(ErrorKind::Options, format!("there is no zstd level {level}"))
                        .with_hint("expected 1 to 22")
                })?)
            }
            Self::Snappy => parquet::basic::Compression::SNAPPY,
            Self::None => parquet::basic::Compression::UNCOMPRESSED,
        })
    }

    /// Compresses a page's body into a buffer of its own.
    pub(super) fn compress(self, body: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(body.to_vec()),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(body).map_err(|source| {
                Error::new(ErrorKind::Sink, format!("a page cannot be compressed: {source}"))
                    .with_source(source)
            }),
            Self::Zstd(level) => zstd(level, body).map_err(|source| {
                Error::new(ErrorKind::Sink, format!("a page cannot be compressed: {source}"))
                    .with_source(source)
            }),
        }
    }
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
        chosen.codec()?;
        Ok(chosen)
    }
}

thread_local! {
    // A compressor has more than a megabyte of tables, and there may be many columns in many open files: one a
    // thread, with the level it is set to, and the buffer that it writes into.
    static ZSTD: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn zstd(level: i32, body: &[u8]) -> std::io::Result<Vec<u8>> {
    ZSTD.with_borrow_mut(|slot| {
        let (set, compressor) = match slot {
            Some(ready) => ready,
            None => slot.insert((level, zstd::bulk::Compressor::new(level)?)),
        };
        if *set != level {
            compressor.set_compression_level(level)?;
            *set = level;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            scratch.reserve(zstd::zstd_safe::compress_bound(body.len()));
            compressor.compress_to_buffer(body, scratch)?;
            Ok(scratch.as_slice().to_vec())
        })
    })
}
