//! What a run has read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::format::{Detection, LogFormat};
use crate::parse::Parsed;
use crate::reject::RejectCounts;

/// The account of a run: `rows + rejected + blank == lines`, always.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Inputs that were read, the last of them perhaps not to its end.
    pub files: u64,
    /// Lines.
    pub lines: u64,
    /// Lines that became rows.
    pub rows: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Lines that are empty or only blanks.
    pub blank: u64,
    /// The rejected ones by reason.
    pub rejects: RejectCounts,
    /// Bytes that were read, as they lie on the disk.
    pub bytes_in: u64,
    /// Bytes that were parsed, decompressed.
    pub bytes_parsed: u64,
    /// The format; of several, the one with the most columns.
    pub format: Option<LogFormat>,
    /// For each input whose format was detected, its name and what was found.
    pub detections: Vec<(Option<Arc<str>>, Detection)>,
}

impl Summary {
    pub(super) fn add(&mut self, parsed: &Parsed) {
        self.lines += parsed.lines;
        self.rows += parsed.batch.num_rows() as u64;
        self.rejected += parsed.counts.total();
        self.blank += parsed.blanks;
        self.rejects.merge(&parsed.counts);
        self.bytes_parsed += parsed.bytes;
    }
}

/// How far the reading is. Cheap to clone, and to ask from another thread.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    total: Option<u64>,
    /// Bytes of the inputs that are done.
    done: AtomicU64,
    /// The counter of the input that is being read.
    current: Mutex<Arc<AtomicU64>>,
}

impl Progress {
    pub(super) fn new(total: Option<u64>) -> Self {
        Self(Arc::new(Inner { total, ..Inner::default() }))
    }

    /// Bytes read so far, as they lie on the disk.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.done.load(Ordering::Relaxed) + current.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs together; `None` where one has no known size, as a pipe.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.0.total
    }

    /// Goes on to another input, whose counter this is.
    pub(super) fn begin(&self, counter: Arc<AtomicU64>) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.done.fetch_add(current.load(Ordering::Relaxed), Ordering::Relaxed);
        *current = counter;
    }
}
