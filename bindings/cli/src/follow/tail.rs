//! A source, and the file in which it is at present.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use nasalogs::Error;
use nasalogs::envelope::SourceId;
use nasalogs::source::{Input, Source};

use super::checkpoint::SourceState;
use super::cutter::{Cutter, Piece};
use super::disk::{FileKey, Stat, bytes_at, read_at};
use super::identity::{HEAD, Print, WINDOW, source_id};
use super::packed::{End, fill};
use super::{Lines, Options, Part};

/// How many places are remembered that may be acknowledged; then every other one is forgotten.
const MARKS: usize = 1024;

/// A source.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) id: SourceId,
    pub(super) nonce: u64,
    pub(super) path: PathBuf,
    pub(super) name: Arc<str>,
    pub(super) content: Content,
    /// The file that it is in; none when that was truncated.
    pub(super) key: Option<FileKey>,
    /// Another file that is known to hold the same: what a compressor made of this one.
    pub(super) alias: Option<Alias>,
    /// Of the file, at the last look.
    pub(super) size: u64,
    modified: SystemTime,
    pub(super) links: u64,
    pub(super) packed: bool,
    pub(super) head: Head,
    /// The bytes before the place up to which everything was read; none after a restart, before it is found again.
    pub(super) recent: Option<Vec<u8>>,
    cutter: Cutter,
    acknowledged: u64,
    /// Bytes at or before what was acknowledged; and further ones behind it.
    pub(super) mark: Print,
    marks: VecDeque<Print>,
    /// Whether its path is one that was asked for.
    pub(super) wanted: bool,
    /// At which scan it came to its path.
    pub(super) since: u64,
    /// Whether the last listing had it.
    pub(super) seen: bool,
    /// Whether another file has, or will have, its old place.
    pub(super) superseded: bool,
    /// Whether its file is a copy that nobody writes to.
    pub(super) is_copy: bool,
    /// Since when nothing has changed.
    pub(super) changed: Instant,
    /// Whether the end was reached and nothing is expected to follow.
    pub(super) done: bool,
    /// Whether its file was found to hold it, in this run.
    pub(super) is_proven: bool,
    /// Too many files are open: this one is only as long as there is something to read.
    pub(super) is_parked: bool,
    /// Whether no input is about it: kept as it is, for another run.
    pub(super) is_dormant: bool,
    /// Compressed data that ends in the middle: why it is not read on until it changes.
    pub(super) stalled: Option<Error>,
    /// Whether its id is in the saved checkpoint.
    pub(super) saved: bool,
    /// Whether an earlier run knew it.
    pub(super) is_resumed: bool,
    /// Whether it waits to be read.
    pub(super) queued: bool,
}

/// A file that holds the same as another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alias {
    pub(super) stat: Stat,
    pub(super) packed: bool,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Content {
    Closed,
    Plain(File),
    /// The file is kept open too: it may be deleted.
    Packed {
        file: File,
        input: Input,
        at_end: bool,
    },
}

/// The first bytes, or what is known of them.
#[derive(Debug)]
pub(super) enum Head {
    Bytes(Vec<u8>),
    Print(Print),
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum Outcome {
    Lines(Vec<Lines>),
    /// These are other bytes than before.
    Changed,
    Failed(Error),
}

impl Tail {
    /// A source that is met for the first time.
    pub(super) fn new(nonce: u64, head: &[u8], path: &Path, now: Instant) -> Self {
        let id = source_id(nonce, head);
        Self {
            id,
            nonce,
            path: path.to_owned(),
            name: name_of(path),
            content: Content::Closed,
            key: None,
            alias: None,
            size: 0,
            modified: SystemTime::UNIX_EPOCH,
            links: 1,
            packed: false,
            head: Head::Bytes(head.to_owned()),
            recent: Some(Vec::new()),
            cutter: Cutter::at(0),
            acknowledged: 0,
            mark: Print::of(0, b""),
            marks: VecDeque::new(),
            wanted: true,
            since: 0,
            seen: false,
            superseded: false,
            is_copy: false,
            changed: now,
            done: false,
            is_proven: true,
            is_parked: false,
            is_dormant: false,
            stalled: None,
            saved: false,
            is_resumed: false,
            queued: false,
        }
    }

    /// A source whose first bytes were read and are gone from its file before their line was complete.
    pub(super) fn of_remains(nonce: u64, head: Vec<u8>, path: &Path, now: Instant) -> Self {
        let mut tail = Self::new(nonce, &head, path, now);
        let (mut buffer, at) = tail.cutter.room(head.len());
        buffer[at..].copy_from_slice(&head);
        tail.cutter.cut(buffer, usize::MAX);
        tail.recent = Some(head[head.len().saturating_sub(WINDOW)..].to_vec());
        tail
    }

    /// A source of an earlier run.
    pub(super) fn restore(state: &SourceState, now: Instant) -> Self {
        let path = PathBuf::from(&state.path);
        Self {
            id: SourceId(state.id),
            key: state.file,
            size: state.size,
            packed: state.compressed,
            head: Head::Print(state.head),
            recent: None,
            cutter: Cutter::at(state.offset),
            acknowledged: state.offset,
            mark: state.mark,
            done: state.finished,
            is_proven: false,
            // What came while nobody looked may be anything: the first scan counts as a rotation.
            since: 1,
            saved: true,
            is_resumed: true,
            ..Self::new(state.nonce, b"", &path, now)
        }
    }

    /// What is to be remembered.
    pub(super) fn state(&self) -> SourceState {
        SourceState {
            id: self.id.0,
            nonce: self.nonce,
            path: absolute(&self.path).as_path().into(),
            file: self.alias.map(|alias| alias.stat.key).or(self.key),
            size: self.alias.map_or(self.size, |alias| alias.stat.size),
            compressed: self.alias.map_or(self.packed, |alias| alias.packed),
            offset: self.acknowledged,
            finished: self.done && self.acknowledged == self.offset(),
            head: self.head_print(),
            mark: self.mark,
        }
    }

    pub(super) fn head_print(&self) -> Print {
        match &self.head {
            Head::Bytes(bytes) => Print::of(bytes.len() as u64, bytes),
            Head::Print(print) => *print,
        }
    }

    /// Up to where everything was given.
    pub(super) fn offset(&self) -> u64 {
        self.cutter.offset()
    }

    /// Up to where everything was read.
    pub(super) fn position(&self) -> u64 {
        self.cutter.position()
    }

    /// Up to where everything was acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// What of its file was not read, in bytes on the disk.
    pub(super) fn unread_bytes(&self) -> u64 {
        match &self.content {
            Content::Packed { input, .. } => {
                self.size.saturating_sub(input.bytes_in().load(Ordering::Relaxed))
            }
            Content::Closed if self.packed => self.size,
            Content::Closed | Content::Plain(_) => self.size.saturating_sub(self.position()),
        }
    }

    /// Whether everything that was given was acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.acknowledged == self.offset()
    }

    /// Whether a line is incomplete.
    pub(super) fn is_inside(&self) -> bool {
        self.cutter.is_inside()
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.content, Content::Closed)
    }

    /// Whether there is more to read, as far as is known.
    pub(super) fn has_more(&self) -> bool {
        match &self.content {
            Content::Closed if !self.is_parked || self.done => false,
            Content::Closed if self.packed => true,
            Content::Closed | Content::Plain(_) => self.position() < self.size,
            Content::Packed { at_end, .. } => !at_end && self.stalled.is_none(),
        }
    }

    /// The file, if it is open.
    pub(super) fn file(&self) -> Option<&File> {
        match &self.content {
            Content::Closed => None,
            Content::Plain(file) | Content::Packed { file, .. } => Some(file),
        }
    }

    /// Closes its file.
    pub(super) fn close(&mut self) -> Option<File> {
        match std::mem::replace(&mut self.content, Content::Closed) {
            Content::Closed => None,
            Content::Plain(file) | Content::Packed { file, .. } => Some(file),
        }
    }

    /// It is elsewhere now. Gives whether that is news.
    pub(super) fn rename(&mut self, path: &Path, now: Instant) -> bool {
        if self.path == path {
            return false;
        }
        // Of an earlier run, the path is known as an absolute one.
        let is_moved = self.is_proven || self.path != absolute(path);
        if is_moved {
            self.superseded = true;
            self.changed = now;
        }
        self.path = path.to_owned();
        self.name = name_of(path);
        is_moved
    }

    /// Its file holds something else now; gives that file.
    pub(super) fn lose(&mut self) -> Option<File> {
        self.key = None;
        self.close()
    }

    /// Nothing follows.
    pub(super) fn end(&mut self) {
        if let Some(Alias { stat, packed }) = self.alias.take() {
            (self.key, self.packed) = (Some(stat.key), packed);
            self.note(&stat);
        }
        self.close();
        self.stalled = None;
        self.done = true;
        // A run may meet many files. Those that are short are needed to know copies that are shorter still.
        if self.head_print().bytes == HEAD {
            self.head = Head::Print(self.head_print());
        }
    }

    /// Looks whether the file is still the one that was read, and how long it is. `false`: it is not.
    ///
    /// # Errors
    /// Those of reading it.
    pub(super) fn look(&mut self, stat: &Stat, now: Instant) -> io::Result<bool> {
        let is_changed = !self.is_as_before(stat);
        if let Content::Plain(file) = &self.content
            && (stat.size < self.position() || ((is_changed || stat.is_recent()) && !self.is_same(file)?))
        {
            return Ok(false);
        }
        if is_changed || stat.links < self.links {
            self.changed = now;
        }
        self.note(stat);
        if is_changed
            && self.stalled.is_some()
            && let Some(file) = self.file().map(File::try_clone).transpose()?
        {
            // What was incomplete may be complete now. If it cannot be read, that was said.
            let _ = self.attach(&file, *stat, now);
        }
        Ok(true)
    }

    /// Whether the file is as it was at the last look.
    pub(super) fn is_as_before(&self, stat: &Stat) -> bool {
        (stat.size, stat.modified) == (self.size, self.modified)
    }

    /// Size, time and number of names at the last look.
    pub(super) fn last_look(&self) -> (u64, SystemTime, u64) {
        (self.size, self.modified, self.links)
    }

    pub(super) fn note(&mut self, stat: &Stat) {
        (self.size, self.modified, self.links) = (stat.size, stat.modified, stat.links);
    }

    /// Whether the bytes that were read are still there.
    fn is_same(&self, file: &File) -> io::Result<bool> {
        let is_there = |bytes: &[u8], offset| Ok(bytes_at(file, offset, bytes.len())? == bytes);
        if let Head::Bytes(head) = &self.head
            && !is_there(head, 0)?
        {
            return Ok(false);
        }
        match &self.recent {
            Some(recent) if self.position() > HEAD as u64 => {
                is_there(recent, self.position() - recent.len() as u64)
            }
            _ => Ok(true),
        }
    }

    /// Reads on, and cuts lines.
    pub(super) fn read(&mut self, options: &Options) -> Outcome {
        let position = self.position();
        let buffer = match &mut self.content {
            Content::Closed => return Outcome::Lines(Vec::new()),
            Content::Plain(_) => {
                let known = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
                self.read_plain(options.chunk.min(known))
            }
            Content::Packed { input, at_end, .. } => {
                let (mut buffer, begin) = self.cutter.room(options.chunk);
                let (count, end) = fill(input, &mut buffer[begin..]);
                buffer.truncate(begin + count);
                match end {
                    End::No => {}
                    End::Whole => *at_end = true,
                    End::Cut(error) | End::Damaged(error) => self.stalled = Some(error),
                }
                Ok(Some((buffer, begin)))
            }
        };
        match buffer {
            Ok(Some((buffer, begin))) => {
                self.remember(&buffer[begin..], position);
                let pieces = self.cutter.cut(buffer, options.max_line);
                Outcome::Lines(pieces.into_iter().map(|piece| self.give(piece)).collect())
            }
            Ok(None) => Outcome::Changed,
            Err(error) => Outcome::Failed(Error::io(self.name.as_ref(), error)),
        }
    }

    /// Reads first and looks then: once truncated, a file does not get its old bytes back, so that what was read
    /// before a look that finds them is theirs.
    fn read_plain(&self, bytes: usize) -> io::Result<Option<(Vec<u8>, usize)>> {
        let Content::Plain(file) = &self.content else { return Ok(None) };
        let (mut buffer, begin) = self.cutter.room(bytes);
        let count = read_at(file, &mut buffer[begin..], self.position())?;
        buffer.truncate(begin + count);
        Ok((count > 0 && self.is_same(file)?).then_some((buffer, begin)))
    }

    fn remember(&mut self, fresh: &[u8], position: u64) {
        if let Head::Bytes(head) = &mut self.head
            && let Some(skip) = (head.len() as u64).checked_sub(position)
            && head.len() < HEAD
            && let Some(further) = usize::try_from(skip).ok().and_then(|skip| fresh.get(skip..))
        {
            head.extend_from_slice(&further[..further.len().min(HEAD - head.len())]);
        }
        let recent = self.recent.get_or_insert_default();
        if fresh.len() >= WINDOW {
            recent.clear();
        } else {
            recent.drain(..(recent.len() + fresh.len()).saturating_sub(WINDOW));
        }
        recent.extend_from_slice(&fresh[fresh.len().saturating_sub(WINDOW)..]);
    }

    fn give(&mut self, piece: Piece) -> Lines {
        let end = piece.end();
        let window = &piece.bytes[piece.bytes.len().saturating_sub(WINDOW)..];
        if self.marks.len() == MARKS {
            let mut is_kept = false;
            self.marks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
        }
        self.marks.push_back(Print::of(end, window));
        Lines {
            source: self.id,
            file: Arc::clone(&self.name),
            offset: piece.offset,
            bytes: piece.bytes,
            part: piece.part,
        }
    }

    /// What is left of an incomplete line, when nothing can follow.
    pub(super) fn finish(&mut self) -> Option<Lines> {
        let piece = self.cutter.finish()?;
        debug_assert!(matches!(piece.part, Part::Unended | Part::End));
        Some(self.give(piece))
    }

    /// Everything before `offset` is safe. Gives whether that was news.
    pub(super) fn acknowledge(&mut self, offset: u64) -> bool {
        let offset = self.cutter.resumable(offset);
        if offset <= self.acknowledged {
            return false;
        }
        self.acknowledged = offset;
        while self.marks.front().is_some_and(|mark| mark.end <= offset)
            && let Some(mark) = self.marks.pop_front()
        {
            self.mark = mark;
        }
        true
    }
}

/// A path that means the same whatever the working directory is.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path as it is shown.
pub(super) fn name_of(path: &Path) -> Arc<str> {
    Source::path(path).name().unwrap_or_default()
}
