//! Compressed files, which are read from their beginning whatever is wanted of them.

use std::fs::File;
use std::io::{self, Seek};
use std::sync::Arc;

use nasalogs::source::{Codec, Input, Source};
use nasalogs::{Error, ErrorKind, Result};

use super::disk::bytes_at;
use super::identity::HEAD;

/// The first bytes of a file, decompressed.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) head: Vec<u8>,
    pub(super) packed: bool,
    /// Whether there is nothing behind them.
    pub(super) is_whole: bool,
    /// Whether the compressed data ends in the middle: somebody is writing it, or was.
    pub(super) is_cut: bool,
}

impl Look {
    pub(super) fn at(file: &File, name: &Arc<str>) -> Result<Self> {
        let raw = bytes_at(file, 0, HEAD).map_err(|error| Error::io(name.as_ref(), error))?;
        if raw.is_empty() {
            return Ok(Self { is_whole: true, ..Self::default() });
        }
        let mut input = match unpack(file, name) {
            Ok(Some(input)) => input,
            Ok(None) => {
                return Ok(Self { is_whole: raw.len() < HEAD, head: raw, ..Self::default() });
            }
            Err(error) => return Err(error),
        };
        let mut look = Self { head: vec![0; HEAD], packed: true, ..Self::default() };
        let (count, end) = fill(&mut input, &mut look.head);
        look.head.truncate(count);
        match end {
            End::No => {}
            End::Whole => look.is_whole = true,
            End::Cut(_) => look.is_cut = true,
            End::Damaged(error) => return Err(error),
        }
        Ok(look)
    }
}

/// The decompressed bytes of a file from its first, if it is compressed.
pub(super) fn unpack(file: &File, name: &Arc<str>) -> Result<Option<Input>> {
    let failed = |error| Error::io(name.as_ref(), error);
    // The place in the file belongs to the decoder: everything else reads at places that it names.
    let mut file = file.try_clone().map_err(failed)?;
    file.rewind().map_err(failed)?;
    let input = Source::reader(file).with_name(Arc::clone(name)).open()?;
    Ok((input.codec() != Codec::Plain).then_some(input))
}

/// How a reading ended.
pub(super) enum End {
    /// There may be more.
    No,
    /// That was all.
    Whole,
    /// In the middle of compressed data.
    Cut(Error),
    Damaged(Error),
}

/// Fills a buffer as far as the input goes.
pub(super) fn fill(input: &mut Input, buffer: &mut [u8]) -> (usize, End) {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read_into(&mut buffer[filled..]) {
            Ok(0) => return (filled, End::Whole),
            Ok(count) => filled += count,
            Err(error) => {
                let is_cut = error.kind() == ErrorKind::Compression
                    && error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
                return (filled, if is_cut { End::Cut(error) } else { End::Damaged(error) });
            }
        }
    }
    (filled, End::No)
}
