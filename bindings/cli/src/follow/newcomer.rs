//! Files that are not known yet.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use super::disk::Stat;

/// A file that is there, and of which it is not known yet whose bytes it holds.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) stat: Stat,
    pub(super) wanted: bool,
    /// Rotated before anybody followed.
    pub(super) before: bool,
    /// At which scan it was met.
    pub(super) met: u64,
    /// Whether it is where rotated files are.
    pub(super) is_rotated: bool,
    pub(super) seen: bool,
    /// Since when it is as it is.
    pub(super) changed: Instant,
    /// The first bytes at the last look: never a whole line of a source that is to be read.
    pub(super) head: Vec<u8>,
    pub(super) state: Waits,
    /// What was known when it was looked at: see [`super::scan`].
    pub(super) looked: Option<(u64, u64, bool, bool)>,
}

/// Why a newcomer was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// It was not looked at since it changed.
    Unseen,
    /// Its first line is incomplete.
    FirstLine,
    /// It is compressed and incomplete.
    Compressor,
    /// It looks like a copy of a source that is still where it was: that may be about to be truncated or deleted.
    Copy,
}

impl Newcomer {
    pub(super) fn new(path: PathBuf, file: File, stat: Stat, now: Instant) -> Self {
        Self {
            path,
            file,
            stat,
            wanted: true,
            before: false,
            met: 0,
            is_rotated: false,
            seen: true,
            changed: now,
            head: Vec::new(),
            state: Waits::Unseen,
            looked: None,
        }
    }

    /// Takes note of what the system says now.
    pub(super) fn note(&mut self, stat: Stat, now: Instant) {
        if (stat.size, stat.modified) != (self.stat.size, self.stat.modified) {
            self.changed = now;
            self.state = Waits::Unseen;
        }
        if stat.links < self.stat.links {
            self.changed = now;
        }
        self.stat = stat;
    }

    /// The name alone.
    pub(super) fn file_name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or("")
    }
}

/// A file that is known and not read.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) state: super::checkpoint::PassedOver,
    /// As it was when it was looked at; none in an earlier run.
    pub(super) looked: Option<(u64, SystemTime)>,
    pub(super) seen: bool,
}
