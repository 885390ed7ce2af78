//! The raw bytes under a codec: counted, and with a first look that is given back.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes the longest magic number has.
pub(super) const PEEK: usize = 16;

/// A reader whose first bytes were looked at, and whose bytes are counted as they come from the disk.
pub(super) struct Origin {
    reader: Box<dyn Read + Send>,
    peeked: [u8; PEEK],
    /// What of `peeked` was read, and what of that was given on.
    peeked_len: usize,
    peeked_pos: usize,
    /// Bytes given on; unlike `bytes_in`, without what was only looked at.
    position: u64,
    bytes_in: Arc<AtomicU64>,
}

impl Origin {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            peeked: [0; PEEK],
            peeked_len: 0,
            peeked_pos: 0,
            position: 0,
            bytes_in: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Bytes given on so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn bytes_in(&self) -> &Arc<AtomicU64> {
        &self.bytes_in
    }

    /// Reads first bytes until `decide` has an answer; the second argument says that there are no more. Only as many
    /// bytes are waited for as the answer needs, so that a slow pipe is not held up.
    pub(super) fn peek<T>(&mut self, decide: impl Fn(&[u8], bool) -> Option<T>) -> io::Result<Option<T>> {
        let mut end = false;
        loop {
            let answer = decide(&self.peeked[..self.peeked_len], end);
            if answer.is_some() || end {
                return Ok(answer);
            }
            let mut room = [0; PEEK];
            let count = self.read_raw(&mut room[self.peeked_len..])?;
            self.peeked[self.peeked_len..][..count].copy_from_slice(&room[self.peeked_len..][..count]);
            self.peeked_len += count;
            end = count == 0;
        }
    }

    fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Ok(count) => {
                    // A reader that claims more than it was given room for would make slices panic.
                    let count = count.min(buffer.len());
                    self.bytes_in.fetch_add(count as u64, Ordering::Relaxed);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::new(error.kind(), OriginError(error))),
            }
        }
    }
}

impl Read for Origin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let peeked = &self.peeked[self.peeked_pos..self.peeked_len];
        let count = if peeked.is_empty() {
            self.read_raw(buffer)?
        } else {
            let count = peeked.len().min(buffer.len());
            buffer[..count].copy_from_slice(&peeked[..count]);
            self.peeked_pos += count;
            count
        };
        self.position += count as u64;
        Ok(count)
    }
}

/// Marks an error of the disk, as opposed to one that a decoder found in the bytes.
#[derive(Debug)]
pub(super) struct OriginError(pub(super) io::Error);

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for OriginError {}
