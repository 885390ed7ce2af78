//! A table that is there, as those see it who look after it: its files, their bytes, and a lock.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nasalogs::{Error, ErrorKind, Result};

#[cfg(feature = "aws")]
use super::failure;
use super::{Depot, Place, sync};
#[cfg(feature = "aws")]
use crate::object::store::Store;
use crate::object::{Access, Location};

/// How deep directories are looked into: a link can lead in circles.
const DEPTH: usize = 16;

/// How much of a file's end is read for its footer; where that is longer, all of it is.
#[cfg(feature = "aws")]
const FOOTER: u64 = 256 << 10;

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name below the table's place, with slashes.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// A text that is another one when the file is.
    pub version: String,
}

/// A file that can be opened here.
#[derive(Debug)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    _copy: Option<tempfile::TempPath>,
}

impl Depot {
    /// Opens a table to look at it: it must be there, and nothing is written.
    ///
    /// # Errors
    /// When it is not there; [`ErrorKind::Options`] when this build does not speak to S3.
    pub fn visit(location: &Location, access: &Access) -> Result<Self> {
        match location {
            Location::Directory(path) => {
                check(path)?;
                Ok(Self(Place::Directory(path.clone(), None)))
            }
            Location::Bucket { .. } => Self::open(location, access),
        }
    }

    /// Opens a table that is there, to work on it. Nobody else opens it so meanwhile, where it is a directory.
    ///
    /// # Errors
    /// As [`Depot::visit`]; when somebody else is at work.
    pub fn enter(location: &Location, access: &Access) -> Result<(Self, Option<File>)> {
        let mut lock = None;
        if let Location::Directory(path) = location {
            check(path)?;
            lock = lock_directory(path)?;
        }
        Ok((Self::open(location, access)?, lock))
    }

    /// The files whose names begin with a text, sorted by name.
    ///
    /// # Errors
    /// When the place cannot be listed.
    pub fn files(&self, prefix: &str) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        match &self.0 {
            Place::Directory(path, _) => {
                walk(path, "", prefix, DEPTH, &mut found).map_err(|(at, error)| unreadable(&at, error))?;
            }
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix: place } => {
                store.list(&format!("{place}{prefix}"), false, |object| {
                    if let Some(name) = object.key.strip_prefix(place) {
                        found.push(Entry {
                            name: name.to_owned(),
                            size: object.size,
                            version: object.version,
                        });
                    }
                    true
                })?
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// A file to open: itself in a directory, a copy in `copies` from a bucket.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn fetch(&self, name: &str, copies: &Path) -> Result<Fetched> {
        match &self.0 {
            Place::Directory(path, _) => {
                let _ = copies;
                Ok(Fetched { path: path.join(name), _copy: None })
            }
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => copy(store, &format!("{prefix}{name}"), copies),
        }
    }

    /// The same, where nothing but the footer is to be read: of a copy, the rest may be missing.
    ///
    /// # Errors
    /// As [`Depot::fetch`].
    pub fn fetch_footer(&self, entry: &Entry, copies: &Path) -> Result<Fetched> {
        match &self.0 {
            Place::Directory(..) => self.fetch(&entry.name, copies),
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => {
                let key = format!("{prefix}{}", entry.name);
                match copy_footer(store, &key, entry.size, copies)? {
                    Some(copy) => Ok(copy),
                    None => copy(store, &key, copies),
                }
            }
        }
    }

    /// The bytes of a short file; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match &self.0 {
            Place::Directory(path, _) => match fs::read(path.join(name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreadable(&path.join(name), error)),
            },
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => store.get(&format!("{prefix}{name}")),
        }
    }

    /// Makes last what was removed under a name, where the place does not do that by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn settle(&self, name: &str) -> Result<()> {
        match &self.0 {
            Place::Directory(path, _) => sync(&path.join(name)),
            #[cfg(feature = "aws")]
            Place::Bucket { .. } => Ok(()),
        }
    }

    /// Removes a directory that has become empty; a bucket has none.
    pub fn tidy(&self, name: &str) {
        match &self.0 {
            // It is not empty, or was not there.
            Place::Directory(path, _) => drop(fs::remove_dir(path.join(name))),
            #[cfg(feature = "aws")]
            Place::Bucket { .. } => {}
        }
    }
}

fn check(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::Io, "is no directory")
            .with_file(path.to_string_lossy())
            .with_hint("name the directory in which the partitions are, dt=…")),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Locks a directory as long as the process lives, where the system can do that.
fn lock_directory(path: &Path) -> Result<Option<File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let directory = File::open(path).map_err(|error| unreadable(path, error))?;
    match directory.try_lock() {
        Ok(()) => Ok(Some(directory)),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::Io, "another run is at work on this table")
                .with_file(path.to_string_lossy())
                .with_hint("wait until it is done"))
        }
        // A file system without locks.
        Err(fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// The files below a directory. What is removed meanwhile is not there.
fn walk(
    directory: &Path,
    above: &str,
    prefix: &str,
    depth: usize,
    found: &mut Vec<Entry>,
) -> Result<(), (PathBuf, io::Error)> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !above.is_empty() => return Ok(()),
        Err(error) => return Err((directory.to_owned(), error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| (directory.to_owned(), error))?.path();
        let Some(own) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{above}{own}");
        let is_on_the_way = name.starts_with(prefix) || prefix.starts_with(&format!("{name}/"));
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if is_on_the_way => metadata,
            _ => continue,
        };
        if metadata.is_dir() {
            if depth > 0 {
                walk(&path, &format!("{name}/"), prefix, depth - 1, found)?;
            }
        } else if metadata.is_file() && name.starts_with(prefix) {
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let version = modified.map(|since| since.as_nanos().to_string()).unwrap_or_default();
            found.push(Entry { name, size: metadata.len(), version });
        }
    }
    Ok(())
}

#[cfg(feature = "aws")]
fn copy(store: &Store, key: &str, copies: &Path) -> Result<Fetched> {
    let local = |error| failure(copies, error);
    let mut file = tempfile::NamedTempFile::new_in(copies).map_err(local)?;
    let mut object = store.read(key)?;
    let mut block = vec![0; 1 << 16];
    loop {
        let count =
            io::Read::read(&mut object, &mut block).map_err(|error| match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => Error::io(store.name(key), error),
            })?;
        if count == 0 {
            break;
        }
        io::Write::write_all(&mut file, &block[..count]).map_err(local)?;
    }
    let path = file.into_temp_path();
    Ok(Fetched { path: path.to_path_buf(), _copy: Some(path) })
}

/// A file of an object's size, with its end where it belongs; nothing where the footer is longer.
#[cfg(feature = "aws")]
fn copy_footer(store: &Store, key: &str, size: u64, copies: &Path) -> Result<Option<Fetched>> {
    let start = size.saturating_sub(FOOTER);
    if start == 0 {
        return Ok(None);
    }
    let end = store.range(key, start..size)?;
    // Its length, and the mark behind.
    let length =
        end.last_chunk::<8>().map_or(0, |last| u32::from_le_bytes([last[0], last[1], last[2], last[3]]));
    if u64::from(length) + 8 > FOOTER {
        return Ok(None);
    }
    let local = |error| failure(copies, error);
    let mut file = tempfile::NamedTempFile::new_in(copies).map_err(local)?;
    file.as_file().set_len(size).map_err(local)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(start)).map_err(local)?;
    io::Write::write_all(&mut file, &end).map_err(local)?;
    let path = file.into_temp_path();
    Ok(Some(Fetched { path: path.to_path_buf(), _copy: Some(path) }))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot be read: {error}"))
        .with_file(path.to_string_lossy())
        .with_source(error)
}
