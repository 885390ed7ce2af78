//! Blocks: many lines of one source, compressed, in one record.
//!
//! # Layout, version 1
//! Integers are unsigned and little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | magic: `F5 4E 4C 42`. `F5` occurs in no UTF-8 |
//! | 4 | version: 1 |
//! | 5 | flags: 0. A reader refuses flags that it does not know |
//! | 6–7 | zero |
//! | 8–15 | the source's identity |
//! | 16–23 | offset of the first line in its source |
//! | 24–27 | number of lines, at least 1 |
//! | 28–31 | number of gaps |
//! | 32–35 | length of the content, uncompressed |
//! | 36–39 | CRC-32 (that of gzip) of bytes 0–35 and 40 to the end |
//! | 40–end | the content as one or more Zstandard frames |
//!
//! The content is the lines, each with its line end (`\n` or `\r\n`), and then the gaps, 12 bytes each: the number of the
//! line in the block, from 0, before which bytes of the source are missing (4 bytes; each greater than the one
//! before), and how many (8 bytes). A line's offset is that of the first, and the lengths of the lines before it with
//! their line ends, and the gaps up to it.
//!
//! A line whose line end a source lacks (its last) has one all the same.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Crc;
use memchr::memchr_iter;
use zstd::stream::write::Encoder;
use zstd::zstd_safe::{self, compress_bound};

use super::encode::{Line, Refusal, follows};
use super::option::EncodeOptions;
use super::record::{LineId, SourceId, Span, StreamRecord};
use crate::error::{Error, ErrorKind, Result};

/// The first bytes of a block.
pub const MAGIC: [u8; 4] = *b"\xF5NLB";

/// The version that is written.
pub const VERSION: u8 = 1;

/// Bytes before the compressed content.
pub const HEADER: usize = 40;

/// Where the checksum is.
const CHECKSUM: std::ops::Range<usize> = 36..40;

/// Bytes of a gap.
const GAP: usize = 12;

/// A block is closed at this much content, 32 MiB: half of what a decoder takes unless told otherwise.
const MAX_CONTENT: usize = 32 << 20;

/// More than what the frame's header, its end and the ends of flushed parts can take beyond their bounds.
const MARGIN: usize = 64;

/// Zstandard is given lines in pieces of this size, not one by one.
const STAGE: usize = 32 << 10;

/// Fills records with blocks.
#[derive(Debug)]
pub(super) struct BlockBuilder {
    options: EncodeOptions,
    open: Option<Open>,
}

/// A block that is being filled.
struct Open {
    span: Span,
    key: String,
    /// Compresses behind the place of the header.
    frame: Encoder<'static, Vec<u8>>,
    staged: Vec<u8>,
    /// Bytes given to the compressor since it was last flushed.
    unflushed: usize,
    /// Bytes of lines.
    text: usize,
    gaps: Vec<u8>,
    /// Where a decoder expects the next line.
    next: u64,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("span", &self.span).field("text", &self.text).finish_non_exhaustive()
    }
}

impl Open {
    fn new(line: &Line<'_>, level: i32) -> Self {
        let frame = Encoder::new(vec![0; HEADER], level).expect("the levels are those of Zstandard");
        Self {
            span: Span { lines: 0, ..line.span() },
            key: line.key.map_or_else(|| line.id.to_string(), str::to_owned),
            frame,
            staged: Vec::with_capacity(STAGE),
            unflushed: 0,
            text: 0,
            gaps: Vec::new(),
            next: line.id.offset,
        }
    }

    /// The largest that the record can become if it is closed with so many bytes more.
    fn worst(&self, more: usize) -> usize {
        let open = self.unflushed + self.staged.len() + self.gaps.len() + more;
        self.key.len() + self.frame.get_ref().len() + compress_bound(open) + MARGIN
    }

    fn compress(&mut self) {
        self.frame.write_all(&self.staged).expect("memory takes everything");
        self.unflushed += self.staged.len();
        self.staged.clear();
    }

    fn flush(&mut self) {
        self.compress();
        self.frame.flush().expect("memory takes everything");
        self.unflushed = 0;
    }

    fn add(&mut self, line: &Line<'_>) {
        let gap = line.id.offset - self.next;
        if gap > 0 {
            self.gaps.extend_from_slice(&(self.span.lines as u32).to_le_bytes());
            self.gaps.extend_from_slice(&gap.to_le_bytes());
        }
        let end: &[u8] = if line.line_end() == 2 { b"\r\n" } else { b"\n" };
        if self.staged.len() + line.bytes.len() + end.len() > STAGE {
            self.compress();
        }
        self.staged.extend_from_slice(line.bytes);
        self.staged.extend_from_slice(end);
        self.text += line.bytes.len() + end.len();
        self.next = line.next_offset();
        self.span.end = line.end;
        self.span.lines += 1;
    }

    /// The data of the record.
    fn close(mut self) -> (Vec<u8>, String, Span) {
        self.staged.extend_from_slice(&self.gaps);
        self.compress();
        let mut data = self.frame.finish().expect("memory takes everything");
        let header = Header {
            first: LineId { source: self.span.source, offset: self.span.begin },
            lines: self.span.lines as u32,
            gaps: (self.gaps.len() / GAP) as u32,
            content: (self.text + self.gaps.len()) as u32,
        };
        header.write(&mut data);
        (data, self.key, self.span)
    }
}

impl BlockBuilder {
    pub(super) fn new(options: &EncodeOptions) -> Self {
        Self { options: options.clone(), open: None }
    }

    pub(super) fn span(&self) -> Option<Span> {
        self.open.as_ref().map(|open| open.span)
    }

    pub(super) fn push(
        &mut self,
        line: &Line<'_>,
        ready: &mut VecDeque<StreamRecord>,
    ) -> Result<(), Refusal> {
        let more = line.bytes.len() + 2 + GAP;
        if !self.has_room(line, more) {
            ready.extend(self.finish());
        }
        let level = self.options.level;
        let limit = self.options.max_record;
        let open = self.open.get_or_insert_with(|| Open::new(line, level));
        if open.span.lines > 0 || open.worst(more) <= limit {
            open.add(line);
            return Ok(());
        }
        // It may still fit when it is compressed. If so, nothing else will.
        open.add(line);
        let record = self.finish().expect("a line is in it");
        let size = record.size();
        if size > limit {
            return Err(Refusal::Oversize { size, limit });
        }
        ready.push_back(record);
        Ok(())
    }

    /// Whether the block that is being filled takes a line of at most so many bytes.
    fn has_room(&mut self, line: &Line<'_>, more: usize) -> bool {
        let Some(open) = &mut self.open else { return true };
        let limit = self.options.max_record;
        if !follows(Some(open.span), line, open.next)
            || open.text + open.gaps.len() + more > MAX_CONTENT
            || open.span.lines == u64::from(u32::MAX)
        {
            return false;
        }
        if open.worst(more) <= limit {
            return true;
        }
        // The bound knows nothing of how well lines compress: look. Towards the end, looking again and again would cost
        // more than a record that is not quite full.
        open.flush();
        open.worst(more.max(limit / 32)) <= limit
    }

    pub(super) fn finish(&mut self) -> Option<StreamRecord> {
        let (data, partition_key, span) = self.open.take()?.close();
        Some(StreamRecord {
            data: Bytes::from(data),
            partition_key,
            explicit_hash_key: self.options.shard.as_ref().map(|range| *range.start()),
            span,
        })
    }
}

/// The block of one line.
pub(super) fn single(line: &Line<'_>, level: i32) -> Vec<u8> {
    let mut open = Open::new(line, level);
    open.add(line);
    open.close().0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    first: LineId,
    lines: u32,
    gaps: u32,
    content: u32,
}

fn checksum(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&data[..CHECKSUM.start]);
    crc.update(&data[CHECKSUM.end..]);
    crc.sum()
}

impl Header {
    /// Writes it over the first bytes.
    fn write(&self, data: &mut [u8]) {
        data[..4].copy_from_slice(&MAGIC);
        data[4..8].copy_from_slice(&[VERSION, 0, 0, 0]);
        data[8..16].copy_from_slice(&self.first.source.0.to_le_bytes());
        data[16..24].copy_from_slice(&self.first.offset.to_le_bytes());
        data[24..28].copy_from_slice(&self.lines.to_le_bytes());
        data[28..32].copy_from_slice(&self.gaps.to_le_bytes());
        data[32..36].copy_from_slice(&self.content.to_le_bytes());
        let sum = checksum(data);
        data[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }

    fn read(data: &[u8]) -> Result<Self> {
        let Some((header, _)) = data.split_first_chunk::<HEADER>() else {
            return Err(damaged(format!("has {} bytes, fewer than its header", data.len())));
        };
        let u32_at =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let (version, flags) = (header[4], header[5]);
        if version != VERSION || flags != 0 || header[6..8] != [0, 0] {
            return Err(Error::new(
                ErrorKind::Encoding,
                format!(
                    "the record is a block of version {version} with flags {flags:#04x}, of which only version \
                     {VERSION} without flags is known"
                ),
            )
            .with_hint("read it with the release of nasalogs that wrote it, or a later one"));
        }
        if checksum(data) != u32_at(CHECKSUM.start) {
            return Err(damaged("has another checksum than its header says".to_owned()));
        }
        Ok(Self {
            first: LineId { source: SourceId(u64_at(8)), offset: u64_at(16) },
            lines: u32_at(24),
            gaps: u32_at(28),
            content: u32_at(32),
        })
    }
}

fn damaged(what: String) -> Error {
    Error::new(ErrorKind::Encoding, format!("the block {what}"))
        .with_hint("it was damaged on its way, or not written by nasalogs")
}

/// A block, checked: all that is left is to walk over it.
#[derive(Debug)]
pub(super) struct Block {
    header: Header,
    content: Vec<u8>,
    text: usize,
}

impl Block {
    /// Decompresses and checks a block; takes what that is off the budget, whatever comes of it.
    pub(super) fn read(data: &[u8], budget: &mut usize) -> Result<Self> {
        let header = Header::read(data)?;
        let length = header.content as usize;
        *budget = budget.checked_sub(length).ok_or_else(|| too_large(*budget))?;
        let content = decompress_known(&data[HEADER..], length)?;
        if content.len() != length {
            return Err(damaged(format!("holds {} bytes, its header says {length}", content.len())));
        }
        let gaps = (header.gaps as usize).checked_mul(GAP);
        let Some(text) = gaps.and_then(|gaps| length.checked_sub(gaps)) else {
            return Err(damaged(format!(
                "says it has {} gaps, which its content has no room for",
                header.gaps
            )));
        };
        let block = Self { header, content, text };
        let newlines = memchr_iter(b'\n', block.text()).count();
        if newlines != header.lines as usize || newlines == 0 || !block.text().ends_with(b"\n") {
            return Err(damaged(format!("holds {newlines} lines, its header says {}", header.lines)));
        }
        let mut last = None;
        let mut end = header.first.offset.checked_add(text as u64);
        for (line, skipped) in block.gaps() {
            end = end.and_then(|end| end.checked_add(skipped));
            if last >= Some(line) || line >= header.lines {
                return Err(damaged(format!("has an impossible gap before line {line}")));
            }
            last = Some(line);
        }
        if end.is_none() {
            return Err(damaged("says that its lines end beyond the last offset there is".to_owned()));
        }
        Ok(block)
    }

    fn text(&self) -> &[u8] {
        &self.content[..self.text]
    }

    fn gaps(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.content[self.text..].chunks_exact(GAP).map(|gap| {
            let (line, skipped) = gap.split_at(4);
            let number =
                |bytes: &[u8]| bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
            (number(line) as u32, number(skipped))
        })
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (&[u8], LineId)> {
        let mut gaps = self.gaps().peekable();
        let mut id = self.header.first;
        let mut start = 0;
        memchr_iter(b'\n', self.text()).zip(0u32..).map(move |(newline, number)| {
            if let Some((_, skipped)) = gaps.next_if(|&(before, _)| before == number) {
                id.offset += skipped;
            }
            let line = &self.content[start..newline];
            let here = id;
            id.offset += (newline + 1 - start) as u64;
            start = newline + 1;
            (line.strip_suffix(b"\r").unwrap_or(line), here)
        })
    }
}

pub(super) fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::Compression,
        format!("the record decompresses to more than the limit of {limit} bytes"),
    )
    .with_hint("if it is to be trusted, set a higher limit")
}

/// Decompresses Zstandard frames that hold a known number of bytes, at once: the output is the window, and nothing is copied
/// as it grows.
fn decompress_known(frames: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(length);
    match zstd_safe::decompress(&mut out, frames) {
        Ok(_) => Ok(out),
        Err(code) => match zstd_safe::get_error_name(code) {
            "Destination buffer is too small" => Err(too_large(length)),
            why => {
                Err(Error::new(ErrorKind::Compression, format!("the record's zstd data is damaged: {why}")))
            }
        },
    }
}

/// Decompresses Zstandard frames; an error if that is more than the budget, off which it is taken.
pub(super) fn decompress(frames: &[u8], budget: &mut usize) -> Result<Vec<u8>> {
    let broken = |error: std::io::Error| {
        Error::new(ErrorKind::Compression, format!("the record's zstd data is damaged: {error}"))
            .with_source(error)
    };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frames).map_err(broken)?;
    // A window is memory that the data asks for: no more than what comes out needs, but the 8 MiB of any usual level.
    let window = (usize::BITS - budget.leading_zeros()).clamp(23, 27);
    decoder.window_log_max(window).map_err(broken)?;
    read_all(decoder, budget, broken)
}

/// Reads to the end; an error if that is more than the budget. What was read is taken off it, also where that was in vain:
/// else each part of a record could have all of it.
pub(super) fn read_all(
    reader: impl Read,
    budget: &mut usize,
    broken: impl Fn(std::io::Error) -> Error,
) -> Result<Vec<u8>> {
    let (mut out, limit) = (Vec::new(), *budget);
    let read = reader.take(limit as u64 + 1).read_to_end(&mut out);
    *budget = limit.saturating_sub(out.len());
    read.map_err(broken)?;
    if out.len() > limit { Err(too_large(limit)) } else { Ok(out) }
}
