//! How pages are compressed.

use std::cell::RefCell;

use parquet::basic::ZstdLevel;

use crate::error::{Error, ErrorKind, Result};
use crate::sink::Compression;

impl Compression {
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
