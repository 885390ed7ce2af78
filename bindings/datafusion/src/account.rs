//! What became of the lines that queries have read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nasalogs::{Reject, RejectCounts, RejectReason};

/// The account of all scans of a table: `rows + rejected() + blank == lines`, always. A scan that had enough early, as
/// for a `LIMIT`, has not read all lines; a query that reads a table twice counts them twice.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Times that the table was read.
    pub scans: u64,
    /// Inputs that were read.
    pub files: u64,
    /// Lines.
    pub lines: u64,
    /// Lines that became rows, whether a condition of the query kept them or not.
    pub rows: u64,
    /// Lines that are empty or only blanks.
    pub blank: u64,
    /// The rejected ones by reason.
    pub rejects: RejectCounts,
    /// Bytes that were read, as they lie on the disk.
    pub bytes_in: u64,
    /// Bytes that were parsed, decompressed.
    pub bytes_parsed: u64,
    /// The first rejected line for each reason.
    pub first_rejects: Vec<FirstReject>,
}

impl Summary {
    /// Lines that were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejects.total()
    }
}

/// A rejected line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstReject {
    /// The input's name; `None` for standard input.
    pub file: Option<Arc<str>>,
    /// The line's number, from 1, where all before it were read too.
    pub line: Option<u64>,
    /// Byte offset of the line's start in the decompressed input.
    pub offset: u64,
    /// Why it is no row.
    pub reason: RejectReason,
    /// The line, with `\xHH` for what is no text.
    pub text: String,
}

/// A piece of an input that is read at a time: the scan, the input's number, the piece's number. Their order is that of
/// the lines.
pub(crate) type Place = (u64, usize, usize);

/// What one piece gave.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) lines: u64,
    pub(crate) rows: u64,
    pub(crate) blank: u64,
    pub(crate) rejects: RejectCounts,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_parsed: u64,
    /// Whether it was read to its end.
    pub(crate) whole: bool,
    /// The first of each reason; lines count from 1 in the piece.
    pub(crate) firsts: BTreeMap<RejectReason, Reject>,
}

/// The books of a table.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
    /// Told when a thread has nothing more to enter.
    done: Condvar,
}

/// A thread that reads, and enters what it read before this is dropped.
pub(crate) struct Reading<'a>(&'a Ledger);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.books().reading -= 1;
        self.0.done.notify_all();
    }
}

#[derive(Debug, Default)]
struct Books {
    scans: u64,
    /// Threads that read.
    reading: usize,
    total: Summary,
    files: BTreeSet<usize>,
    /// The lines of pieces that were read to their end.
    whole: BTreeMap<Place, u64>,
    firsts: BTreeMap<RejectReason, (Place, Reject)>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a scan, and gives its number.
    pub(crate) fn begin(&self) -> u64 {
        let mut books = self.books();
        books.scans += 1;
        books.total.scans += 1;
        books.scans
    }

    /// Says that a thread reads.
    pub(crate) fn reading(&self) -> Reading<'_> {
        self.books().reading += 1;
        Reading(self)
    }

    /// Waits until no thread reads, or for so long; says whether none does.
    pub(crate) fn wait(&self, most: Duration) -> bool {
        let waited = self.done.wait_timeout_while(self.books(), most, |books| books.reading > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.reading == 0
    }

    /// Enters what a piece gave.
    pub(crate) fn enter(&self, place: Place, piece: Piece) {
        let mut books = self.books();
        let total = &mut books.total;
        total.lines += piece.lines;
        total.rows += piece.rows;
        total.blank += piece.blank;
        total.rejects.merge(&piece.rejects);
        total.bytes_in += piece.bytes_in;
        total.bytes_parsed += piece.bytes_parsed;
        books.files.insert(place.1);
        if piece.whole {
            books.whole.insert(place, piece.lines);
        }
        for (reason, reject) in piece.firsts {
            let first = books.firsts.get(&reason);
            if first.is_none_or(|(other, _)| place < *other) {
                books.firsts.insert(reason, (place, reject));
            }
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        self.books().summary()
    }

    /// Gives the account and opens new books.
    pub(crate) fn take(&self) -> Summary {
        let mut books = self.books();
        let summary = books.summary();
        *books = Books { scans: books.scans, reading: books.reading, ..Books::default() };
        summary
    }
}

impl Books {
    fn summary(&self) -> Summary {
        Summary {
            files: self.files.len() as u64,
            first_rejects: self.firsts.values().map(|(place, reject)| self.first(*place, reject)).collect(),
            ..self.total.clone()
        }
    }

    fn first(&self, place: Place, reject: &Reject) -> FirstReject {
        let (scan, file, piece) = place;
        let before: Option<u64> = (0..piece).map(|piece| self.whole.get(&(scan, file, piece))).sum();
        FirstReject {
            file: reject.file.clone(),
            line: before.map(|lines| lines + reject.line),
            offset: reject.offset,
            reason: reject.reason,
            text: reject.text(),
        }
    }
}
