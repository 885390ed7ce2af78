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
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All chunks of a text that comes in pieces of a size.
    fn chunks(text: &[u8], piece: usize, options: &ParseOptions) -> Vec<Chunk> {
        let mut chunker = Chunker::new(options);
        let (mut chunks, mut at) = (vec![], 0);
        while at < text.len() {
            let space = chunker.space();
            let count = piece.min(space.len()).min(text.len() - at);
            assert!(count > 0);
            space[..count].copy_from_slice(&text[at..at + count]);
            chunker.advance(count);
            at += count;
            while let Some(chunk) = chunker.next(false).unwrap() {
                chunks.push(chunk);
            }
        }
        while let Some(chunk) = chunker.next(true).unwrap() {
            chunks.push(chunk);
        }
        chunks
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_lines_are_whole(
            lines in proptest::collection::vec(0..3000usize, 0..20), piece in 1..5000usize, newline in any::<bool>(),
            returns in any::<bool>(),
        ) {
            let end: &[u8] = if returns { b"\r\n" } else { b"\n" };
            let mut text: Vec<u8> = lines.iter().flat_map(|&length| [&vec![b'x'; length], end].concat()).collect();
            if !newline { text.pop(); }
            let mut options = ParseOptions::new().with_max_line(1500);
            options.chunk = Some(1024);
            let (mut at, mut passed) = (0, 0);
            for chunk in chunks(&text, piece, &options) {
                prop_assert_eq!(chunk.offset, at as u64);
                passed += chunk.bytes;
                if chunk.too_long {
                    let end = memchr(b'\n', &text[at..]).map_or(text.len(), |newline| at + newline);
                    let line = text[at..end].strip_suffix(b"\r").unwrap_or(&text[at..end]);
                    prop_assert!(line.len() > 1500);
                    prop_assert_eq!(&chunk.padded[..chunk.length], line);
                    at = (end + 1).min(text.len());
                } else {
                    prop_assert_eq!(&chunk.padded[..chunk.length], &text[at..at + chunk.length]);
                    at += chunk.length;
                    prop_assert!(text[at - 1] == b'\n' || (at == text.len() && chunk.unterminated));
                    prop_assert_eq!(chunk.padded.len(), chunk.length + PADDING);
                    let behind = &chunk.padded[chunk.length..];
                    prop_assert_eq!(behind[0], if chunk.unterminated { b'\n' } else { 0 });
                    prop_assert!(behind[1..].iter().all(|&byte| byte == 0));
                }
            }
            prop_assert_eq!((at, passed), (text.len(), text.len() as u64));
        }
    }

    #[test]
    fn memory_returns_to_the_pool() {
        let mut options = ParseOptions::new();
        options.chunk = Some(1024);
        let mut chunker = Chunker::new(&options);
        let line = [b'x'; 511].into_iter().chain([b'\n']).collect::<Vec<u8>>();
        let mut places = std::collections::HashSet::new();
        for _ in 0..100 {
            chunker.space()[..512].copy_from_slice(&line);
            chunker.advance(512);
            if let Some(chunk) = chunker.next(false).unwrap() {
                places.insert(chunk.padded.as_ptr());
            }
        }
        assert!(places.len() <= 2, "{}", places.len());
    }

    #[test]
    fn few_lines_do_not_keep_much_memory() {
        let chunk = &chunks(b"a\nb", 2, &ParseOptions::new())[..];
        assert_eq!(chunk.len(), 2);
        assert!(chunk.iter().all(|chunk| chunk.padded.capacity() < 1000), "{chunk:?}");
        assert_eq!((&chunk[0].padded[..2], &chunk[1].padded[..2]), (&b"a\n"[..], &b"b\n"[..]));
    }

    #[test]
    fn a_line_without_end_takes_little_memory() {
        let options = ParseOptions::new();
        let mut chunker = Chunker::new(&options);
        let mut largest = 0;
        for _ in 0..400 {
            let space = chunker.space();
            space.fill(b'x');
            let count = space.len();
            chunker.advance(count);
            assert!(chunker.next(false).unwrap().is_none());
            let kept = chunker.skipping.as_ref().map_or(0, |(_, raw)| raw.capacity());
            largest = largest.max(chunker.buffer.capacity() + kept);
        }
        assert!(chunker.offset > 100 << 20, "{}", chunker.offset);
        assert!(largest < 3 * ParseOptions::MAX_LINE, "{largest}");
        assert!(chunker.buffer.capacity() < 2 * ParseOptions::CHUNK);
        chunker.space()[..3].copy_from_slice(b"\na\n");
        chunker.advance(3);
        let long = chunker.next(false).unwrap().unwrap();
        assert!(long.too_long && !long.unterminated);
        assert_eq!((long.offset, long.length), (0, Reject::RAW_LIMIT));
        let rest = chunker.next(true).unwrap().unwrap();
        assert_eq!((&rest.padded[..2], rest.offset), (&b"a\n"[..], long.bytes));
        assert!(chunker.next(true).unwrap().is_none());
    }

    #[test]
    fn buffers_of_long_lines_are_not_kept() {
        let mut options = ParseOptions::new();
        (options.chunk, options.max_line) = (Some(1024), Some(1 << 16));
        let line = [vec![b'x'; 60_000], vec![b'\n']].concat();
        let mut chunker = Chunker::new(&options);
        for mut rest in std::iter::repeat_n(&line[..], 20) {
            while !rest.is_empty() {
                let space = chunker.space();
                let count = space.len().min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                chunker.advance(count);
                rest = &rest[count..];
                drop(chunker.next(rest.is_empty()).unwrap());
            }
        }
        let kept: usize = chunker.pool.kept.lock().unwrap().iter().map(Vec::capacity).sum();
        assert!(kept <= Pool::KEEP * 2 * (1024 + PADDING), "{kept}");
    }

    #[test]
    fn the_limit_counts_no_line_end() {
        let options = ParseOptions::new().with_max_line(100);
        for (length, end, too_long) in [
            (100, "\n", false),
            (100, "\r\n", false),
            (100, "", false),
            (100, "\r", false),
            // One more carriage return is data; the parser, which sees whole lines, rejects these two.
            (101, "\n", false),
            (101, "", false),
            (101, "\r", true),
            (102, "", true),
        ] {
            let text = ["x".repeat(length), end.to_owned()].concat();
            for piece in [1, 1000] {
                let chunks = chunks(text.as_bytes(), piece, &options);
                assert_eq!(chunks.len(), 1);
                assert_eq!((chunks[0].too_long, chunks[0].bytes), (too_long, text.len() as u64), "{text:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_damaged_input_is_no_line() {
        let options = ParseOptions { max_line: Some(100), chunk: Some(64), ..ParseOptions::default() };
        let given = |text: &[u8]| {
            let mut chunker = Chunker::new(&options);
            let mut given = vec![];
            for byte in text {
                chunker.space()[0] = *byte;
                chunker.advance(1);
                given.extend(chunker.next(false).unwrap());
            }
            chunker.forget_unended();
            while let Some(chunk) = chunker.next(true).unwrap() {
                given.push(chunk);
            }
            given.iter().map(|chunk| (chunk.length, chunk.too_long)).collect::<Vec<_>>()
        };
        assert_eq!(given(b"ab\ncd"), [(3, false)]);
        assert_eq!(given(b"ab\n"), [(3, false)]);
        assert_eq!(given(b"ab"), []);
        assert_eq!(given(&[b'x'; 101]), []);
        // However it goes on, this line is too long.
        assert_eq!(given(&[b'x'; 102]), [(102, true)]);
        assert_eq!(given(&[&[b'x'; 150][..], b"\nab\ncd"].concat()), [(150, true), (3, false)]);
        assert_eq!(given(&[&[b'x'; 150][..], b"\nab"].concat()), [(150, true)]);
    }

    #[test]
    fn marks_at_the_start() {
        let options = ParseOptions::new();
        let marked = chunks(b"\xEF\xBB\xBFa\n", 1, &options);
        assert_eq!((&marked[0].padded[..2], marked[0].offset), (&b"a\n"[..], 3));
        let mut chunker = Chunker::new(&options);
        chunker.space()[..4].copy_from_slice(b"\xFF\xFEa\0");
        chunker.advance(4);
        assert_eq!(chunker.next(true).unwrap_err().kind(), ErrorKind::Encoding);
        assert!(chunks(b"", 1, &options).is_empty());
        assert!(chunks(b"\xEF\xBB\xBF", 1, &options).is_empty());
    }
}
