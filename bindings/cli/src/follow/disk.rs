//! Files as the system knows them: which one it is, how long it is, bytes from a place of it.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// Times of change are taken to be this coarse, also those of network file systems: what changed more recently may
/// have changed once more without showing it.
const TICK: Duration = Duration::from_secs(2);

/// Which file it is, whatever its name; the number of a deleted file is given to a new one sooner or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileKey {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// What the system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) key: FileKey,
    /// Bytes.
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// Names that it has; none when it was deleted and is only still open.
    pub(super) links: u64,
    pub(super) is_file: bool,
}

impl Stat {
    /// Of what a path leads to.
    pub(super) fn of_path(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|metadata| Self::new(&metadata))
    }

    /// Of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::new(&metadata))
    }

    #[cfg(unix)]
    fn new(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let key = FileKey { device: metadata.dev(), inode: metadata.ino() };
        Self::with(key, metadata.nlink(), metadata)
    }

    /// Where files have no numbers to be had, the time of creation must do.
    #[cfg(not(unix))]
    fn new(metadata: &Metadata) -> Self {
        let created =
            metadata.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let inode = created.map_or(0, |since| since.as_nanos() as u64);
        Self::with(FileKey { device: 0, inode }, 1, metadata)
    }

    fn with(key: FileKey, links: u64, metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self { key, size: metadata.len(), modified, links, is_file: metadata.is_file() }
    }

    /// Whether a further change could have left size and time as they are.
    pub(super) fn is_recent(&self) -> bool {
        SystemTime::now().duration_since(self.modified).map_or(true, |age| age < TICK)
    }
}

/// Fills the buffer from a place of the file; less only where the file ends.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_once(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Up to `length` bytes from a place of the file.
pub(super) fn bytes_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let count = read_at(file, &mut bytes, offset)?;
    bytes.truncate(count);
    Ok(bytes)
}

#[cfg(unix)]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
