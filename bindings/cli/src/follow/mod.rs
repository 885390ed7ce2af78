//! Files that are read once or while they grow, and a checkpoint of how far each was delivered.
//!
//! A [`Follower`] gives whole lines of many sources with their [`SourceId`] and offset. A *source* is one sequence of
//! bytes, however often the file that holds it is renamed, copied and truncated, or compressed. It is never reordered,
//! and nothing of it comes twice, except after a restart what was not acknowledged, under the same ids.
//!
//! # How a source is followed
//! Every 75 ms the follower asks for the size and the number (device and inode) of every file; less often where that
//! takes long (network file systems, thousands of files), for looking may take a hundredth of the time, and twice a second
//! at least. That works on every file system, and costs hardly more than waking up does.
//! - **Renamed**: the file is read on under its new name, as long as its writer keeps it open ([`Options::linger`]), and
//!   what is new under the old name is a new source.
//! - **Copied and truncated**: a file is truncated when it is shorter than what was read of it, or when its first 4 KiB
//!   or the 1 KiB before the place of reading have changed; both are looked at after reading and before anything is
//!   given. The rest of the source is read from the copy, which is the file under a rotated name (`access.log.1`,
//!   `access.log-20240131`, `access-20240131.log`, any of these compressed) that has the same first bytes and the same
//!   bytes before the place of reading. While the original is as it was, a file that looks like its copy waits; after
//!   [`Options::grace`] it is a source of its own if it was asked for.
//! - **Deleted**: the file is read to its end, and closed when it was quiet for [`Options::grace`].
//! - **Compressed**: the file that is deleted then is read to its end all the same; after a restart the compressed one
//!   is, from the place that was reached.
//! - **Replaced by a longer one that begins with the same bytes** (rsync): read on in that one.
//! - **Rotated twice between two looks, or while nobody looked**: files that are called as rotated forms of what is
//!   followed, and were not there before it was followed first, are read too; but not those that appear while what is
//!   followed stays where it is.
//!
//! What cannot be had any more is a [`Gap`].

mod attach;
mod checkpoint;
mod cutter;
mod disk;
mod follower;
mod identity;
mod newcomer;
mod packed;
mod pipe;
mod recognise;
mod rotation;
mod scan;
mod settle;
mod tail;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nasalogs::Error;
use nasalogs::envelope::SourceId;

pub use checkpoint::Checkpoint;
pub use follower::Follower;

/// How sources are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Go on when the ends are reached; else every input is read once.
    pub follow: bool,
    /// How many bytes are read at once.
    pub chunk: usize,
    /// A line of more bytes is given in parts.
    pub max_line: usize,
    /// How long a file that was rotated or deleted has to be quiet until nothing more is expected of it: its last line
    /// is given even if it is incomplete, and a deleted file is closed.
    pub grace: Duration,
    /// How long a file that was renamed has to be quiet until it is closed.
    pub linger: Duration,
    /// How many files are open at the same time; further ones are opened to be looked at and read, and closed again.
    /// Those of which it is not known yet what they are, empty ones above all, are open beside them.
    pub max_open: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            follow: false,
            chunk: 256 << 10,
            max_line: 1 << 20,
            grace: Duration::from_secs(10),
            linger: Duration::from_secs(3600),
            max_open: 256,
        }
    }
}

/// What a step of a [`Follower`] brought.
#[derive(Debug)]
pub enum Poll {
    /// Lines of a source.
    Lines(Lines),
    /// Lines of a source are lost.
    Gap(Gap),
    /// Something could not be read; the rest goes on.
    Trouble(Error),
    /// Nothing at present.
    Idle,
    /// Every input was read.
    End,
}

/// Lines of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// Which source.
    pub source: SourceId,
    /// The file in which it is at present, as it is shown.
    pub file: Arc<str>,
    /// Where the bytes begin in the source, decompressed.
    pub offset: u64,
    /// The bytes with their line ends.
    pub bytes: Bytes,
    /// What they are.
    pub part: Part,
}

/// What [`Lines`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whole lines, each with its end.
    Lines,
    /// The last line of a source, which has no end.
    Unended,
    /// The beginning of a line that is longer than [`Options::max_line`].
    Begin,
    /// More of that line.
    Middle,
    /// The last part of that line, with its end; empty if the source ends inside of the line.
    End,
}

/// Bytes of a source that were not read and cannot be read any more: it was truncated, and no copy was found; or it was
/// not found again after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which source.
    pub source: SourceId,
    /// Where it was last seen.
    pub file: Arc<str>,
    /// Where they begin.
    pub offset: u64,
    /// How many bytes are known to be lost. More may have been written that nobody saw, even where this is zero.
    pub at_least: u64,
}
