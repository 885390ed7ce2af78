//! The lines of one source that become files together.

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Instant;

use memchr::{memchr, memrchr};
use nasalogs::envelope::SourceId;
use nasalogs::{Error, ErrorKind, Reject, RejectReason, Result};
use tempfile::SpooledTempFile;

use crate::follow::{Lines, Part};
use crate::stream::spool::Identities;

/// From how many bytes on a roll is on the disk.
const IN_MEMORY: usize = 64 << 10;

/// Whole lines of a source, from an offset to an offset.
#[derive(Debug)]
pub(super) struct Roll {
    source: SourceId,
    file: Arc<str>,
    begin: u64,
    end: u64,
    /// Where an earlier run has decided that it ends.
    until: Option<u64>,
    opened: Instant,
    spool: SpooledTempFile,
    length: u64,
    /// Where the spool's bytes lie in the source: from this place in the spool on, they begin at this offset.
    segments: Vec<(u64, u64)>,
    /// Lines that are longer than any that could be a row.
    long: Vec<Reject>,
    /// Such a line, of which the end is still to come.
    inside: Option<Reject>,
    /// The source has ended.
    is_last: bool,
    /// What its lines are known as, where that is not where they are.
    identities: Option<Arc<Identities>>,
}

impl Roll {
    pub(super) fn new(
        lines: &Lines,
        until: Option<u64>,
        identities: Option<Arc<Identities>>,
        now: Instant,
    ) -> Self {
        Self {
            source: lines.source,
            file: Arc::clone(&lines.file),
            begin: lines.offset,
            end: lines.offset,
            until,
            opened: now,
            spool: SpooledTempFile::new(IN_MEMORY),
            length: 0,
            segments: Vec::new(),
            long: Vec::new(),
            inside: None,
            is_last: false,
            identities,
        }
    }

    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// When its first line came.
    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// How many bytes wait in it.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether it may end now, where it is.
    pub(super) fn may_end(&self) -> bool {
        self.until.is_none() && self.inside.is_none() && self.end > self.begin
    }

    /// Whether it ends now.
    pub(super) fn is_done(&self, size: u64) -> bool {
        let is_full = match self.until {
            Some(until) => self.end >= until,
            None => self.end - self.begin >= size,
        };
        self.inside.is_none() && (is_full || self.is_last) && self.end > self.begin
    }

    /// Takes lines up to where the roll ends, and says how many bytes that were.
    pub(super) fn add(&mut self, lines: &Lines, size: u64) -> Result<usize> {
        self.file = Arc::clone(&lines.file);
        let length = lines.bytes.len();
        let goal = self.until.unwrap_or(self.begin.saturating_add(size));
        // Where an earlier run has decided on the end, it is there, also in a line that has grown since.
        let count = match (self.until, lines.part) {
            (Some(_), _) => room(lines.offset, goal).min(length),
            (None, Part::Lines) => cut(&lines.bytes, lines.offset, goal),
            (None, _) => length,
        };
        let bytes = &lines.bytes[..count];
        // Where the end lies in a gap, what follows it belongs to the next roll.
        self.end = if count == 0 && length > 0 { goal } else { lines.offset + count as u64 };
        match lines.part {
            Part::Lines | Part::Unended => {
                self.append(lines.offset, bytes)?;
                self.is_last |= lines.part == Part::Unended && count == length;
            }
            Part::Begin | Part::Middle | Part::End => {
                if count > 0 || length == 0 {
                    let raw = self.begin_line(lines.offset);
                    let room = Reject::RAW_LIMIT.saturating_sub(raw.len());
                    raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                if lines.part == Part::End || count < length {
                    self.end_line();
                }
            }
        }
        Ok(count)
    }

    /// Nothing more comes: a line of which the end has not come is one all the same, and where an earlier run has read
    /// further, the rest is lost.
    pub(super) fn end_source(&mut self) {
        self.end_line();
        self.end = self.end.max(self.until.unwrap_or(0));
    }

    /// What is kept of a line that is too long.
    fn begin_line(&mut self, offset: u64) -> &mut Vec<u8> {
        let line = self.inside.get_or_insert_with(|| Reject {
            file: Some(Arc::clone(&self.file)),
            line: 0,
            offset,
            reason: RejectReason::LineTooLong,
            raw: Vec::new(),
        });
        &mut line.raw
    }

    fn end_line(&mut self) {
        if let Some(mut line) = self.inside.take() {
            while matches!(line.raw.last(), Some(b'\n' | b'\r')) {
                line.raw.pop();
            }
            self.long.push(line);
        }
    }

    /// The bytes, from their beginning; and what else is to be known about them.
    pub(super) fn open(&mut self) -> Result<&mut SpooledTempFile> {
        self.spool.seek(SeekFrom::Start(0)).map_err(spool_error)?;
        Ok(&mut self.spool)
    }

    /// The lines that are too long.
    pub(super) fn take_long(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.long)
    }

    /// What its lines are known as, where that is not where they are.
    pub(super) fn identities(&self) -> Option<&Arc<Identities>> {
        self.identities.as_ref()
    }

    /// Where the spool's bytes lie in the source.
    pub(super) fn segments(&self) -> &[(u64, u64)] {
        &self.segments
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let follows =
            self.segments.last().is_some_and(|(place, begin)| begin + (self.length - place) == offset);
        if !follows {
            self.segments.push((self.length, offset));
        }
        self.spool.write_all(bytes).map_err(spool_error)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// How many bytes lie between two offsets.
fn room(offset: u64, goal: u64) -> usize {
    usize::try_from(goal.saturating_sub(offset)).unwrap_or(usize::MAX)
}

/// How many bytes of whole lines go up to an offset, or to the first line end behind it. At least one line does, unless
/// the lines begin there.
fn cut(bytes: &[u8], offset: u64, goal: u64) -> usize {
    let room = room(offset, goal);
    if room >= bytes.len() {
        return bytes.len();
    }
    if room == 0 {
        return 0;
    }
    // The line in which the goal lies is the last one, whoever decided it: a goal at a line's end is behind that line.
    match memchr(b'\n', &bytes[room - 1..]) {
        Some(newline) => room + newline,
        None => memrchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1),
    }
}

/// The disk that rolls wait on.
pub(super) fn spool_error(error: io::Error) -> Error {
    let place = std::env::temp_dir();
    Error::new(ErrorKind::Io, format!("lines that wait to be written cannot be kept: {error}"))
        .with_file(place.to_string_lossy())
        .with_hint("make room there, or set TMPDIR to another directory")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn rolls_end_behind_lines() {
        let bytes = b"aa\nbb\ncc\n";
        for (goal, expected) in
            [(9, 0), (10, 0), (11, 3), (12, 3), (13, 3), (14, 6), (16, 6), (17, 9), (18, 9), (19, 9), (99, 9)]
        {
            assert_eq!(cut(bytes, 10, goal), expected, "{goal}");
        }
    }
}
