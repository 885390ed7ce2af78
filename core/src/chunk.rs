//! Bytes, cut where lines end.
//!
//! A [`Chunker`] is the state between reading and parsing: bytes are put in wherever they come from, and come out as
//! [`Chunk`]s of whole lines, padded for block-wise reading and shared with the arrays that point into them.

use std::sync::{Arc, Mutex, Weak};

use arrow::buffer::Buffer;
use memchr::{memchr, memrchr};

use crate::error::{Error, ErrorKind, Result};
use crate::options::ParseOptions;
use crate::reject::Reject;

/// How many bytes behind a chunk's last can be read: a block, and a block for a newline behind the last line.
pub(crate) const PADDING: usize = 128;

/// Whole lines of one input.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// The lines, then [`PADDING`] zeros; where the input ended without a newline, the first of them is one.
    pub(crate) padded: Buffer,
    /// How many bytes are lines.
    pub(crate) length: usize,
    /// Where they start in the input.
    pub(crate) offset: u64,
    /// How many bytes of the input have passed: of a line that is too long, more than are kept.
    pub(crate) bytes: u64,
    /// Whether the input ended in the middle of the last line.
    pub(crate) unterminated: bool,
    /// Whether this is the beginning of one line that is longer than the limit.
    pub(crate) too_long: bool,
    /// The input's name.
    pub(crate) file: Option<Arc<str>>,
}

/// Memory for chunks, used again and again: fresh memory costs a page fault for every 4 KiB and has to be zeroed.
#[derive(Debug)]
struct Pool {
    kept: Mutex<Vec<Vec<u8>>>,
    /// A buffer larger than this is given back to the allocator: it was made for a long line.
    largest: usize,
}

impl Pool {
    /// More than this many unused buffers are given back to the allocator.
    const KEEP: usize = 16;

    fn new(chunk: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), largest: 2 * (chunk + PADDING) })
    }

    fn take(self: &Arc<Self>, length: usize) -> Vec<u8> {
        let kept = self.kept.lock().ok().and_then(|mut kept| kept.pop());
        let mut bytes = kept.unwrap_or_default();
        bytes.resize(length, 0);
        bytes
    }
}

/// A buffer that returns to its pool when the last array that points into it is gone.
struct Pooled {
    bytes: Vec<u8>,
    pool: Weak<Pool>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.bytes.capacity() > pool.largest {
            return;
        }
        if let Ok(mut kept) = pool.kept.lock()
            && kept.len() < Pool::KEEP
        {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Cuts a stream of bytes into chunks of whole lines.
#[derive(Debug)]
pub(crate) struct Chunker {
    pool: Arc<Pool>,
    buffer: Vec<u8>,
    filled: usize,
    /// How many bytes are read before a chunk is cut; grows while a long line does not end.
    target: usize,
    chunk: usize,
    max_line: usize,
    /// Where `buffer` starts in the input.
    offset: u64,
    /// Up to where the input has been given as chunks.
    given: u64,
    file: Option<Arc<str>>,
    /// Whether the first bytes of the input are still to be looked at.
    at_start: bool,
    /// In a line that is longer than the limit: its beginning, and where it started.
    skipping: Option<(u64, Vec<u8>)>,
}

impl Chunker {
    pub(crate) fn new(options: &ParseOptions) -> Self {
        Self {
            pool: Pool::new(options.chunk_bytes()),
            buffer: Vec::new(),
            filled: 0,
            target: options.chunk_bytes(),
            chunk: options.chunk_bytes(),
            max_line: options.max_line_bytes(),
            offset: 0,
            given: 0,
            file: None,
            at_start: true,
            skipping: None,
        }
    }

    /// Begins with another input. What is left of the one before has to be taken first.
    pub(crate) fn begin(&mut self, file: Option<Arc<str>>) {
        debug_assert_eq!(self.filled, 0);
        *self = Self {
            file,
            pool: Arc::clone(&self.pool),
            buffer: std::mem::take(&mut self.buffer),
            filled: 0,
            target: self.chunk,
            offset: 0,
            given: 0,
            at_start: true,
            skipping: None,
            ..*self
        };
    }

    /// Where the next bytes go; never empty as long as [`Chunker::next`] is asked after every [`Chunker::advance`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.buffer.len() < self.target + PADDING {
            if self.buffer.is_empty() {
                self.buffer = self.pool.take(self.target + PADDING);
            } else {
                self.buffer.resize(self.target + PADDING, 0);
            }
        }
        &mut self.buffer[self.filled..self.target]
    }

    /// Counts in bytes that were written to [`Chunker::space`].
    pub(crate) fn advance(&mut self, count: usize) {
        self.filled += count;
    }

    /// Makes the next chunk wait for at least so many bytes.
    pub(crate) fn wait_for(&mut self, bytes: usize) {
        self.target = self.target.max(bytes);
    }

    /// A look at the bytes that are waiting.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Forgets a line that has no end, unless it is too long already: in an input that is damaged there, a size of
    /// `62` may be the beginning of `6245`.
    pub(crate) fn forget_unended(&mut self) {
        let whole = memrchr(b'\n', self.waiting()).map_or(0, |newline| newline + 1);
        let is_long = self.filled - whole > self.max_line + 1 || (whole == 0 && self.skipping.is_some());
        if !is_long {
            self.filled = whole;
        }
    }

    /// Whether [`Chunker::next`] would have a chunk to give or a longer line to wait for.
    pub(crate) fn is_due(&self, end: bool) -> bool {
        self.filled >= self.target || end
    }

    /// The next chunk, if enough bytes have come; at the end of the input, whatever is left.
    ///
    /// # Errors
    /// [`ErrorKind::Encoding`] when the input is UTF-16.
    pub(crate) fn next(&mut self, end: bool) -> Result<Option<Chunk>> {
        if self.skipping.is_some() {
            return Ok(self.skip(end));
        }
        if self.filled < self.target && !end {
            return Ok(None);
        }
        if self.at_start {
            let from = start_of_text(&self.buffer[..self.filled]).map_err(|error| match &self.file {
                Some(file) => error.with_file(file.as_ref()),
                None => error,
            })?;
            self.at_start = false;
            self.buffer.copy_within(from..self.filled, 0);
            self.filled -= from;
            self.offset += from as u64;
        }
        if self.filled == 0 {
            return Ok(None);
        }
        match memrchr(b'\n', &self.buffer[..self.filled]) {
            Some(newline) => Ok(Some(self.cut(newline + 1, false))),
            // The limit counts neither the newline nor the carriage return before it.
            None if self.filled > self.max_line + 1 => {
                let kept = self.filled.min(Reject::RAW_LIMIT);
                self.skipping = Some((self.offset, self.buffer[..kept].to_vec()));
                self.offset += self.filled as u64;
                if self.target > self.chunk {
                    self.buffer = Vec::new();
                }
                (self.filled, self.target) = (0, self.chunk);
                self.next(end)
            }
            None if end => Ok(Some(self.cut(self.filled, true))),
            None => {
                self.target = (self.target * 2).min((self.max_line + 2).max(self.target + 1));
                Ok(None)
            }
        }
    }

    /// The whole lines that wait, if there are any, without waiting for more.
    ///
    /// # Errors
    /// As [`Chunker::next`].
    pub(crate) fn next_now(&mut self) -> Result<Option<Chunk>> {
        if self.skipping.is_some() || memchr(b'\n', self.waiting()).is_none() {
            return self.next(false);
        }
        self.target = self.target.min(self.filled);
        self.next(false)
    }

    /// Makes a chunk of the first `length` bytes and keeps the rest.
    fn cut(&mut self, length: usize, unterminated: bool) -> Chunk {
        let rest = self.filled - length;
        self.target = self.chunk.max(rest + 1);
        // Arrays keep the whole of a buffer alive, however little of it they point at: few lines get one of their own
        // size.
        let is_small = (length + PADDING) * 4 <= self.buffer.len();
        let mut bytes = if is_small {
            let mut bytes = Vec::with_capacity(length + PADDING);
            bytes.extend_from_slice(&self.buffer[..length]);
            bytes.resize(length + PADDING, 0);
            self.buffer.copy_within(length..self.filled, 0);
            bytes
        } else {
            let mut next = Vec::new();
            if rest > 0 {
                next = self.pool.take(self.target + PADDING);
                next[..rest].copy_from_slice(&self.buffer[length..self.filled]);
            }
            let mut bytes = std::mem::replace(&mut self.buffer, next);
            bytes[length..length + PADDING].fill(0);
            bytes
        };
        if unterminated {
            bytes[length] = b'\n';
        }
        let offset = self.offset;
        (self.offset, self.filled) = (offset + length as u64, rest);
        let buffer = if is_small {
            Buffer::from_vec(bytes)
        } else {
            let pooled = Pooled { bytes, pool: Arc::downgrade(&self.pool) };
            Buffer::from(bytes::Bytes::from_owner(pooled))
        };
        Chunk {
            padded: buffer.slice_with_length(0, length + PADDING),
            length,
            offset,
            bytes: self.pass(),
            unterminated,
            too_long: false,
            file: self.file.clone(),
        }
    }

    /// How many bytes of the input have passed since this was last asked.
    fn pass(&mut self) -> u64 {
        let given = std::mem::replace(&mut self.given, self.offset);
        self.offset - given
    }

    /// Drops bytes up to the end of a line that is too long, then gives its beginning.
    fn skip(&mut self, end: bool) -> Option<Chunk> {
        let (_, raw) = self.skipping.as_mut()?;
        let newline = memchr(b'\n', &self.buffer[..self.filled]);
        let dropped = newline.unwrap_or(self.filled);
        let kept = dropped.min(Reject::RAW_LIMIT.saturating_sub(raw.len()));
        raw.extend_from_slice(&self.buffer[..kept]);
        let passed = newline.map_or(dropped, |newline| newline + 1);
        self.buffer.copy_within(passed..self.filled, 0);
        self.filled -= passed;
        self.offset += passed as u64;
        if newline.is_none() && !end {
            return None;
        }
        let (offset, mut raw) = self.skipping.take()?;
        let is_whole = raw.len() as u64 == self.offset - u64::from(newline.is_some()) - offset;
        if is_whole && raw.last() == Some(&b'\r') {
            raw.pop();
        }
        let length = raw.len();
        let padded = Buffer::from_vec(raw);
        Some(Chunk {
            padded,
            length,
            offset,
            bytes: self.pass(),
            unterminated: newline.is_none(),
            too_long: true,
            file: self.file.clone(),
        })
    }
}

/// Where the text starts: behind a UTF-8 byte order mark.
pub(crate) fn start_of_text(bytes: &[u8]) -> Result<usize> {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => Ok(3),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(Error::new(ErrorKind::Encoding, "the input is UTF-16")
            .with_hint("convert it first: iconv -f UTF-16 -t UTF-8")),
        _ if bytes.get(TAR_MAGIC) == Some(b"ustar") => {
            Err(Error::new(ErrorKind::Encoding, "the input is a tar archive, not a log")
                .with_hint("unpack it, or pipe it: tar -xOf FILE | nasalogs convert - …"))
        }
        _ => Ok(0),
    }
}

/// Where the header of a tar archive's first file says what it is (POSIX.1-1988).
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

#[cfg(test)]
mod tests;
