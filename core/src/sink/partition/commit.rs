//! The last step of a table: from staged files to what readers see.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::day::Day;
use super::{PartitionOptions, Table, WriteMode};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::Finished;
use crate::sink::atomic::sync_directory;
use crate::sink::failure::Label;

/// The file that says that the table is complete.
const SUCCESS: &str = "_SUCCESS";

/// A complete file that is not yet in its place.
pub(super) struct Staged {
    pub(super) day: Day,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// Moves all files into their places, then removes those that they replace. When one cannot be moved, all that were
/// moved are taken back and the table is as it was.
pub(super) fn commit(
    table: &mut Table,
    staged: Vec<Staged>,
    options: &PartitionOptions,
    extension: &str,
) -> Result<Finished> {
    let directories: BTreeSet<PathBuf> =
        staged.iter().map(|file| table.dir.join(file.day.directory())).collect();
    let mut replaced = Vec::new();
    if options.mode == WriteMode::Overwrite {
        for directory in &directories {
            replaced.extend(files(directory)?);
        }
    }
    let success = table.dir.join(SUCCESS);
    let was_complete = remove(&success)?;
    let mut finished = Finished::default();
    let placed = place_all(table, staged, options, extension, &mut finished)
        .and_then(|()| directories.iter().try_for_each(|directory| sync(directory)));
    if let Err(error) = placed {
        for path in &finished.files {
            let _ = fs::remove_file(path);
        }
        if was_complete {
            let _ = fs::write(success, "");
        }
        return Err(error);
    }
    for path in replaced {
        remove(&path).map_err(|error| {
            error.with_hint("the new files are in place: remove this one by hand, or its day counts twice")
        })?;
    }
    directories.iter().try_for_each(|directory| sync(directory))?;
    Ok(finished)
}

/// Says that the table is complete.
pub(super) fn success(table: &Table) -> Result<()> {
    let path = table.dir.join(SUCCESS);
    fs::File::create(&path)
        .and_then(|file| file.sync_all())
        .map_err(|error| Label::atomic(&path).os(error))
        .and_then(|()| sync(&table.dir))
        .map_err(|error| {
            error.with_hint("the table is complete, only this mark is missing: create it by hand")
        })
}

/// What files are called: how many names of each day were tried.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Day, u64>);

impl Names {
    /// The next name for a file of a day.
    pub(super) fn next(&mut self, day: Day, options: &PartitionOptions, extension: &str) -> String {
        let next = self.0.entry(day).or_default();
        let name = match *next {
            0 => format!("{}.{extension}", options.name),
            number => format!("{}-{number}.{extension}", options.name),
        };
        *next += 1;
        name
    }
}

fn place_all(
    table: &mut Table,
    staged: Vec<Staged>,
    options: &PartitionOptions,
    extension: &str,
    finished: &mut Finished,
) -> Result<()> {
    let mut names = Names::default();
    for file in staged {
        let directory = table.dir.join(file.day.directory());
        table.create(&directory)?;
        let mut temporary =
            TempPath::try_from_path(&file.path).map_err(|error| Label::atomic(&directory).os(error))?;
        loop {
            let target = directory.join(names.next(file.day, options, extension));
            match temporary.persist_noclobber(&target) {
                Ok(()) => {
                    finished.bytes += file.bytes;
                    finished.files.push(target);
                    break;
                }
                // A name that is taken is passed over, but in a new table another run must have taken it.
                Err(error)
                    if error.error.kind() == io::ErrorKind::AlreadyExists
                        && options.mode != WriteMode::Fail =>
                {
                    temporary = error.path;
                }
                Err(error) => return Err(Label::atomic(&target).os(error.error)),
            }
        }
    }
    Ok(())
}

/// The files of a day that a new one replaces: all but those that are being written.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let label = Label::atomic(directory);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(label.os(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| label.os(error))?;
        let name = entry.file_name();
        let writing = name.as_encoded_bytes().starts_with(b"_") && name.as_encoded_bytes().ends_with(b".tmp");
        if !writing && entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// Removes a file, and says whether there was one.
fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("cannot be replaced: {error}"))
            .with_file(path.to_string_lossy())
            .with_hint("check its owner and the mode of its directory")
            .with_source(error)),
    }
}

fn sync(directory: &Path) -> Result<()> {
    sync_directory(directory).map_err(|error| Label::atomic(directory).os(error))
}
