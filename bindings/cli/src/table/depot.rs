//! Where a table lies: a directory or a bucket. What is put there is visible as a whole, replaces nothing, and stays.

mod lake;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nasalogs::envelope::SourceId;
use nasalogs::{Error, ErrorKind, Result};
use tempfile::{TempDir, TempPath};

pub use lake::{Entry, Fetched};

#[cfg(feature = "aws")]
use crate::object::store::Store;
use crate::object::{Access, Location};
#[cfg(feature = "aws")]
use crate::object::{Mode, Put};

/// Where it is noted which rolls were begun. Query engines do not look into what begins with `_`.
const NOTES: &str = "_rolls";

/// The place of a table.
#[derive(Debug)]
pub struct Depot(Place);

#[derive(Debug)]
enum Place {
    /// A directory; what is not complete lies in one of its own, where somebody writes.
    Directory(PathBuf, Option<Staging>),
    #[cfg(feature = "aws")]
    Bucket { store: Store, prefix: String },
}

impl Depot {
    /// Opens a place, which is made if it is not there.
    ///
    /// # Errors
    /// When nothing can be written there; [`ErrorKind::Options`] when this build does not speak to S3.
    pub fn open(location: &Location, access: &Access) -> Result<Self> {
        match location {
            Location::Directory(path) => {
                fs::create_dir_all(path).map_err(|error| failure(path, error))?;
                let staging = Staging::create(path).map_err(|error| failure(path, error))?;
                Ok(Self(Place::Directory(path.clone(), Some(staging))))
            }
            #[cfg(feature = "aws")]
            Location::Bucket { bucket, key } => {
                let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
                Ok(Self(Place::Bucket { store: Store::open(bucket, access)?, prefix }))
            }
            #[cfg(not(feature = "aws"))]
            Location::Bucket { .. } => {
                let _ = access;
                Err(crate::object::unsupported(&location.to_string()))
            }
        }
    }

    /// An empty directory for files that are to be put: for a directory on the same disk, so that they can be renamed.
    pub(crate) fn staging(&self) -> Result<TempDir> {
        match &self.0 {
            Place::Directory(path, staging) => {
                let staging = staging.as_ref().map_or(path.as_path(), |staging| staging.root.path());
                tempfile::tempdir_in(staging).map_err(|error| failure(path, error))
            }
            #[cfg(feature = "aws")]
            Place::Bucket { .. } => {
                tempfile::Builder::new().prefix("nasalogs.").tempdir().map_err(super::roll::spool_error)
            }
        }
    }

    /// Puts a file of [`Depot::staging`] under a name, and says whether it is new.
    pub(crate) fn put(&self, name: &str, file: &Path, stop: &Arc<AtomicBool>) -> Result<bool> {
        match &self.0 {
            Place::Directory(path, _) => {
                let _ = stop;
                place(path, name, file)
            }
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => {
                Ok(store.put_file(&format!("{prefix}{name}"), file, Mode::Create, stop)? == Put::Done)
            }
        }
    }

    /// Notes that the lines of a source from one offset to another become files together, and gives the note's name. To
    /// note it again is no error; to note another end is.
    pub(super) fn note(&self, source: SourceId, begin: u64, end: u64) -> Result<String> {
        let name = format!("{NOTES}/{source}-{begin:020}");
        if !self.put_text(&name, &format!("{{\"end\":{end}}}\n"))?
            && let Some(other) = self.note_of(&name, begin)?
            && other != end
        {
            return Err(Error::new(
                ErrorKind::Io,
                format!(
                    "another run writes lines of the same source: from byte {begin} to {other}, not to {end}"
                ),
            )
            .with_file(self.name(&name))
            .with_hint("let one run at a time use a checkpoint; if no other does, start this one again"));
        }
        Ok(name)
    }

    /// The notes that are there: source, beginning and name of each.
    pub(crate) fn notes(&self) -> Result<BTreeMap<(SourceId, u64), String>> {
        let mut found = BTreeMap::new();
        let mut add = |name: &str| {
            if let Some(key) = read_name(name) {
                found.insert(key, format!("{NOTES}/{name}"));
            }
        };
        match &self.0 {
            Place::Directory(path, _) => {
                let path = path.join(NOTES);
                let entries = match fs::read_dir(&path) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
                    Err(error) => return Err(failure(&path, error)),
                };
                for entry in entries {
                    add(&entry.map_err(|error| failure(&path, error))?.file_name().to_string_lossy());
                }
            }
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => {
                let prefix = format!("{prefix}{NOTES}/");
                store.list(&prefix, true, |object| {
                    add(object.key.strip_prefix(&prefix).unwrap_or_default());
                    true
                })?;
            }
        }
        Ok(found)
    }

    /// The end that is noted under a name, of a roll that begins there.
    pub(super) fn note_of(&self, name: &str, begin: u64) -> Result<Option<u64>> {
        let text = match &self.0 {
            Place::Directory(path, _) => match fs::read(path.join(name)) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failure(&path.join(name), error)),
            },
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => match store.get(&format!("{prefix}{name}"))? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let end = serde_json::from_slice::<serde_json::Value>(&text)
            .ok()
            .and_then(|note| note.get("end")?.as_u64())
            // A roll of no lines would never be done.
            .filter(|end| *end > begin);
        end.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Io, "does not say where a roll ends")
                .with_file(self.name(name))
                .with_hint("remove it; the lines of that roll may then come twice")
        })
    }

    /// Removes a note.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        match &self.0 {
            Place::Directory(path, _) => match fs::remove_file(path.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(failure(&path.join(name), error))
                }
                _ => Ok(()),
            },
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => store.delete(&format!("{prefix}{name}")),
        }
    }

    /// Puts a short text under a name, and says whether it is new.
    pub(crate) fn put_text(&self, name: &str, text: &str) -> Result<bool> {
        match &self.0 {
            Place::Directory(path, _) => {
                // What is not complete is where it is removed after a crash.
                let staging = self.staging()?;
                let file = staging.path().join("text");
                fs::write(&file, text)
                    .and_then(|()| File::open(&file)?.sync_all())
                    .map_err(|error| failure(&file, error))?;
                place(path, name, &file)
            }
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => {
                let key = format!("{prefix}{name}");
                Ok(store.put(&key, text.as_bytes().to_vec(), Mode::Create)? == Put::Done)
            }
        }
    }

    /// Whether it is a directory of this machine.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.0, Place::Directory(..))
    }

    /// What a name stands for, for people.
    pub(crate) fn name(&self, name: &str) -> String {
        match &self.0 {
            Place::Directory(path, _) => path.join(name).to_string_lossy().into_owned(),
            #[cfg(feature = "aws")]
            Place::Bucket { store, prefix } => store.name(&format!("{prefix}{name}")),
        }
    }
}

/// A directory in a table for what is not complete. A file in it is locked as long as its process lives.
#[derive(Debug)]
pub(super) struct Staging {
    // Closed before it is removed.
    _lock: File,
    root: TempDir,
}

impl Staging {
    const PREFIX: &str = "_stream.";
    const LOCK: &str = "lock";

    /// Makes one, and removes those that were left behind by processes that were killed.
    fn create(table: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(table)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(Self::PREFIX.as_bytes()) {
                let lock = path.join(Self::LOCK);
                let is_left = match File::open(&lock) {
                    Ok(lock) => lock.try_lock().is_ok(),
                    // The lock is made first: one that is empty may have no lock yet, another one has none any more.
                    Err(_) => fs::remove_dir(&path).is_err() && !lock.exists(),
                };
                if is_left {
                    // Somebody else may be doing the same.
                    let _ = fs::remove_dir_all(&path);
                }
            }
        }
        loop {
            let root = tempfile::Builder::new().prefix(Self::PREFIX).suffix(".tmp").tempdir_in(table)?;
            let path = root.path().join(Self::LOCK);
            let lock = match File::create_new(&path) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::NotFound && table.is_dir() => continue,
                Err(error) => return Err(error),
            };
            lock.lock()?;
            // Another one that was being made at the same time may have taken it for one that was left behind.
            if path.exists() {
                return Ok(Self { _lock: lock, root });
            }
        }
    }
}

/// Source and beginning, out of a note's name.
fn read_name(name: &str) -> Option<(SourceId, u64)> {
    let (source, begin) = name.split_once('-')?;
    Some((SourceId(u64::from_str_radix(source, 16).ok()?), begin.parse().ok()?))
}

/// Moves a file of the same disk to its name in a table, where it replaces nothing, and says whether it is new.
fn place(table: &Path, name: &str, file: &Path) -> Result<bool> {
    let target = table.join(name);
    let parent = target.parent().unwrap_or(table);
    if !parent.is_dir() {
        fs::create_dir_all(parent).map_err(|error| failure(parent, error))?;
        sync(table)?;
    }
    let file = TempPath::try_from_path(file).map_err(|error| failure(file, error))?;
    match file.persist_noclobber(&target).map_err(|error| error.error) {
        Ok(()) => {
            sync(parent)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failure(&target, error)),
    }
}

/// Makes a rename in a directory last, where the system can do that.
fn sync(directory: &Path) -> Result<()> {
    if cfg!(unix) {
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                return Err(failure(directory, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn failure(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot be written: {error}"))
        .with_file(path.to_string_lossy())
        .with_hint("make room, or see who may write there; then run the same again: it goes on where it was")
        .with_source(error)
}
