//! What a follower gives, cut into lines.

use std::collections::HashMap;
use std::sync::Arc;

use memchr::memchr;
use nasalogs::envelope::{LineId, SourceId};
use nasalogs::{Reject, RejectReason};

use super::destination::SourceLine;
use crate::follow::{Lines, Part};

/// Cuts what a follower gives into lines. A line that came in parts is too long, and is put together only as far as a
/// reject shows it.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    chunk: Option<Lines>,
    /// How much of the chunk is done.
    at: usize,
    /// Lines that come in parts, of sources whose last part is still to come.
    parts: HashMap<SourceId, Long>,
}

/// A line that is longer than what is read in one piece.
#[derive(Debug)]
struct Long {
    offset: u64,
    raw: Vec<u8>,
}

/// Something to do.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A line.
    Line(SourceLine<'a>),
    /// A line that is too long to be read in one piece, for the rejects.
    TooLong {
        id: LineId,
        end: u64,
        /// As much as a reject keeps.
        raw: Vec<u8>,
    },
}

impl Cutter {
    /// Takes the next lines, of any source. Those before have to be done.
    pub(super) fn feed(&mut self, lines: Lines) {
        debug_assert!(self.chunk.is_none(), "the chunk before is done");
        (self.chunk, self.at) = (Some(lines), 0);
    }

    /// Whether there is nothing to be cut.
    pub(super) fn is_done(&self) -> bool {
        self.chunk.is_none()
    }

    /// The source of what is being cut, and its file.
    pub(super) fn source(&self) -> Option<(SourceId, &Arc<str>)> {
        self.chunk.as_ref().map(|chunk| (chunk.source, &chunk.file))
    }

    /// The next line, which stays the next one until [`Cutter::done`].
    ///
    /// A line that came in parts has to be done at once: it is put together only once.
    pub(super) fn peek(&mut self) -> Option<Piece<'_>> {
        let (source, part, offset) =
            self.chunk.as_ref().map(|chunk| (chunk.source, chunk.part, chunk.offset))?;
        if matches!(part, Part::Begin | Part::Middle) {
            let long = self.parts.entry(source).or_insert_with(|| Long { offset, raw: Vec::new() });
            long.add(&self.chunk.take()?.bytes);
            return None;
        }
        let chunk = self.chunk.as_ref()?;
        if part == Part::End {
            let mut long = self.parts.remove(&source).unwrap_or_else(|| Long { offset, raw: Vec::new() });
            long.add(&chunk.bytes);
            while long.raw.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
                long.raw.pop();
            }
            let end = offset + chunk.bytes.len() as u64;
            return Some(Piece::TooLong { id: LineId { source, offset: long.offset }, end, raw: long.raw });
        }
        let rest = &chunk.bytes[self.at..];
        let offset = offset + self.at as u64;
        let (line, used) = match memchr(b'\n', rest) {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        let id = LineId { source, offset };
        Some(Piece::Line(SourceLine {
            bytes: line.strip_suffix(b"\r").filter(|_| used > line.len()).unwrap_or(line),
            id,
            known_as: id,
            end: offset + used as u64,
        }))
    }

    /// Goes on to what begins at this offset.
    pub(super) fn done(&mut self, end: u64) {
        let Some(chunk) = &self.chunk else { return };
        self.at = usize::try_from(end.saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        if self.at >= chunk.bytes.len() {
            self.chunk = None;
        }
    }
}

impl Long {
    fn add(&mut self, bytes: &[u8]) {
        let room = Reject::RAW_LIMIT.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// A line for the rejects.
pub(super) fn reject(file: &Arc<str>, line: u64, offset: u64, reason: RejectReason, bytes: &[u8]) -> Reject {
    let raw = bytes[..bytes.len().min(Reject::RAW_LIMIT)].to_vec();
    Reject { file: Some(Arc::clone(file)), line, offset, reason, raw }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(offset: u64, bytes: &'static [u8], part: Part) -> Lines {
        Lines { source: SourceId(1), file: "a.log".into(), offset, bytes: bytes.into(), part }
    }

    /// What there is, as text.
    fn drain(cutter: &mut Cutter) -> Vec<(String, u64, u64)> {
        let mut all = Vec::new();
        while let Some(piece) = cutter.peek() {
            let (text, offset, end) = match piece {
                Piece::Line(line) => (line.bytes.to_vec(), line.id.offset, line.end),
                Piece::TooLong { id, end, raw } => ([b"long:", &raw[..]].concat(), id.offset, end),
            };
            all.push((String::from_utf8(text).unwrap(), offset, end));
            cutter.done(end);
        }
        assert!(cutter.is_done());
        all
    }

    fn owned(all: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        all.iter().map(|(text, offset, end)| ((*text).to_owned(), *offset, *end)).collect()
    }

    #[test]
    fn lines_have_their_offsets() {
        let mut cutter = Cutter::default();
        cutter.feed(lines(7, b"a\nbc\r\n\n\r\n", Part::Lines));
        assert_eq!(cutter.source().map(|(id, _)| id), Some(SourceId(1)));
        assert_eq!(drain(&mut cutter), owned(&[("a", 7, 9), ("bc", 9, 13), ("", 13, 14), ("", 14, 16)]));
        cutter.feed(lines(16, b"last\r", Part::Unended));
        assert_eq!(drain(&mut cutter), owned(&[("last\r", 16, 21)]));
    }

    #[test]
    fn long_lines_are_put_together() {
        let mut cutter = Cutter::default();
        cutter.feed(lines(0, b"abc", Part::Begin));
        assert_eq!(drain(&mut cutter), []);
        // Another source comes between.
        cutter.feed(Lines { source: SourceId(2), ..lines(0, b"other\n", Part::Lines) });
        assert_eq!(drain(&mut cutter), owned(&[("other", 0, 6)]));
        cutter.feed(lines(3, b"def", Part::Middle));
        assert_eq!(drain(&mut cutter), []);
        cutter.feed(lines(6, b"g\r\n", Part::End));
        assert_eq!(drain(&mut cutter), owned(&[("long:abcdefg", 0, 9)]));
        cutter.feed(lines(9, b"", Part::End));
        assert_eq!(drain(&mut cutter), owned(&[("long:", 9, 9)]));
    }

    #[test]
    fn what_is_kept_of_a_line_is_bounded() {
        let mut cutter = Cutter::default();
        let much: &'static [u8] = Box::leak(vec![b'x'; Reject::RAW_LIMIT + 5].into_boxed_slice());
        cutter.feed(lines(0, much, Part::Begin));
        drain(&mut cutter);
        cutter.feed(lines(much.len() as u64, b"y\n", Part::End));
        let all = drain(&mut cutter);
        assert_eq!((all[0].0.len(), all[0].2), (5 + Reject::RAW_LIMIT, much.len() as u64 + 2));
    }
}
