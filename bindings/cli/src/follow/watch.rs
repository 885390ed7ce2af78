//! What was asked for, and which files that is now.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use glob::{MatchOptions, Pattern};
use nasalogs::{Error, ErrorKind, Result};

use super::disk::{FileKey, Stat};
use super::rotation::earlier_names;
use super::tail::absolute;

/// As a shell does it, and as `convert` does.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
/// How often directories are looked for, where their names are a pattern.
const DIRECTORIES_EVERY: Duration = Duration::from_secs(1);

/// A file that is there.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) stat: Stat,
    /// Asked for; else it is only called as a rotated form of one that is.
    pub(super) wanted: bool,
    /// Rotated before anybody followed.
    pub(super) before: bool,
}

/// An input: a path, a pattern, or a directory.
#[derive(Debug)]
pub(super) struct Watch {
    /// As it was given.
    pub(super) input: PathBuf,
    wanted: Wanted,
    /// A pattern for directories, and when it was last applied.
    deep: Option<(String, Option<Instant>)>,
    listings: Vec<Listing>,
    /// Whether rotated files that are there were there before anybody followed.
    pub(super) is_first: bool,
}

#[derive(Debug, Clone)]
enum Wanted {
    Name(OsString),
    Pattern(Pattern),
    All,
}

impl Wanted {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Pattern(pattern) => pattern.matches_with(name, OPTIONS),
            // Hidden files, and those that are being written by ourselves or by compressors.
            Self::All => !(name.starts_with('.') || (name.starts_with('_') && name.ends_with(".tmp"))),
        }
    }
}

impl Watch {
    pub(super) fn new(input: &Path, is_first: bool) -> Result<Self> {
        let with = |wanted, directory: &Path| Self {
            input: input.to_owned(),
            wanted,
            deep: None,
            listings: vec![Listing::new(directory)],
            is_first,
        };
        let exists = fs::metadata(input);
        if exists.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Ok(with(Wanted::All, input));
        }
        let parent = input.parent().unwrap_or(Path::new(""));
        let Some(name) = input.file_name() else {
            return Err(Error::new(ErrorKind::Io, "is no name of a file").with_file(input.to_string_lossy()));
        };
        let pattern = input.to_str().filter(|text| exists.is_err() && text.contains(['*', '?', '[']));
        let (Some(pattern), Some(name_pattern)) = (pattern, name.to_str()) else {
            return Ok(with(Wanted::Name(name.to_owned()), parent));
        };
        let check = |text: &str| {
            Pattern::new(text).map_err(|error| {
                Error::new(ErrorKind::Io, format!("no such file, and no valid pattern: {}", error.msg))
                    .with_file(pattern)
                    .with_hint("write '[[]' for a literal '['")
            })
        };
        let mut watch = with(Wanted::Pattern(check(name_pattern)?), parent);
        if let Some(directories) = parent.to_str().filter(|text| text.contains(['*', '?', '['])) {
            check(directories)?;
            watch.deep = Some((directories.to_owned(), None));
            watch.listings.clear();
        }
        Ok(watch)
    }

    /// Whether an absolute path is of a file that is asked for, or is called as a rotated form of one.
    pub(super) fn covers(&self, path: &Path) -> bool {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let is_here = match &self.deep {
            Some((pattern, _)) => absolute(Path::new(pattern))
                .to_str()
                .and_then(|pattern| Pattern::new(pattern).ok())
                .is_some_and(|pattern| pattern.matches_path_with(directory, OPTIONS)),
            None => self.listings.iter().any(|listing| absolute(listing.here()) == directory),
        };
        let name = name.to_string_lossy();
        is_here && (self.wanted.is(&name) || earlier_names(&name).iter().any(|name| self.wanted.is(name)))
    }

    /// The files that are there now. Names are read again when a directory has changed, or when that is `forced`. Of files
    /// that were not asked for, only those that are `parked` are looked at otherwise.
    ///
    /// # Errors
    /// Those of directories that cannot be read; the others are there all the same.
    pub(super) fn files(
        &mut self,
        forced: bool,
        parked: &HashSet<FileKey>,
        now: Instant,
        files: &mut Vec<Found>,
    ) -> Vec<Error> {
        if let Some((pattern, last)) = &mut self.deep
            && (forced || last.is_none_or(|last| now.duration_since(last) >= DIRECTORIES_EVERY))
        {
            *last = Some(now);
            let directories = glob::glob_with(pattern, OPTIONS).into_iter().flatten().flatten();
            let mut old = std::mem::take(&mut self.listings);
            for directory in directories.filter(|path| path.is_dir()) {
                let known = old.iter().position(|listing| listing.directory == directory);
                self.listings.push(match known {
                    Some(known) => old.swap_remove(known),
                    None => Listing::new(&directory),
                });
            }
        }
        let mut errors = Vec::new();
        for listing in &mut self.listings {
            if let Err(error) = listing.refresh(&self.wanted, forced) {
                errors.push(Error::io(listing.directory.to_string_lossy(), error));
            }
            files.extend(listing.names.iter_mut().filter_map(|listed| {
                if listed.is_looked_at(parked) {
                    listed.stat = Stat::of_path(&listed.path).ok();
                }
                let stat = listed.stat?;
                let before = self.is_first && !listed.wanted;
                Some(Found { path: listed.path.clone(), stat, wanted: listed.wanted, before })
            }));
        }
        errors
    }
}

impl Watch {
    /// Whether nothing has happened since the last look at the files. That is most often so, and costs a fraction.
    pub(super) fn is_as_before(&self, parked: &HashSet<FileKey>, now: Instant) -> bool {
        let is_deep_due =
            |last: Option<Instant>| last.is_none_or(|last| now.duration_since(last) >= DIRECTORIES_EVERY);
        !self.deep.as_ref().is_some_and(|(_, last)| is_deep_due(*last))
            && self.listings.iter().all(|listing| {
                let directory = Stat::of_path(listing.here()).ok();
                listing.changed == directory.map(|stat| stat.modified)
                    && listing.names.iter().filter(|listed| listed.is_looked_at(parked)).all(|listed| {
                        Stat::of_path(&listed.path).ok() == listed.stat
                            && !listed.stat.is_some_and(|stat| stat.is_recent())
                    })
            })
    }
}

/// What of a directory matters.
#[derive(Debug)]
struct Listing {
    directory: PathBuf,
    /// When the directory had changed, as of the last reading; none when it has to be read again in any case.
    changed: Option<SystemTime>,
    names: Vec<Listed>,
}

#[derive(Debug)]
struct Listed {
    path: PathBuf,
    wanted: bool,
    /// As of the last look: those that are wanted or parked are asked for every time, others when names are read.
    stat: Option<Stat>,
}

impl Listed {
    /// Whether only its name tells what becomes of it: no file of those is open.
    fn is_looked_at(&self, parked: &HashSet<FileKey>) -> bool {
        self.wanted || self.stat.is_some_and(|stat| parked.contains(&stat.key))
    }
}

impl Listing {
    fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), changed: None, names: Vec::new() }
    }

    fn here(&self) -> &Path {
        if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory }
    }

    fn refresh(&mut self, wanted: &Wanted, forced: bool) -> io::Result<()> {
        let here = self.here().to_owned();
        let here = here.as_path();
        let stat = match Stat::of_path(here) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.changed, self.names) = (None, Vec::new());
                return Ok(());
            }
            Err(error) => {
                self.changed = None;
                return Err(error);
            }
        };
        if self.changed == Some(stat.modified) && !forced {
            return Ok(());
        }
        // What cannot be read now is as it was, and is read again by the next look.
        self.changed = None;
        let entries = fs::read_dir(here)?.collect::<io::Result<Vec<_>>>()?;
        // Asked for before reading: what changes meanwhile shows at the next look.
        self.changed = (!stat.is_recent()).then_some(stat.modified);
        self.names.clear();
        if let Wanted::Name(name) = wanted {
            // It may be there although names may not be read.
            self.names.push(Listed { path: self.directory.join(name), wanted: true, stat: None });
        }
        let is_wanted = |name: &str| wanted.is(name);
        for entry in entries {
            let name = entry.file_name();
            if matches!(wanted, Wanted::Name(wanted) if *wanted == name) {
                continue;
            }
            // Patterns are text; a name that is none is only found by itself or in a directory.
            let (path, name) = (self.directory.join(&name), name.to_string_lossy());
            let wanted = is_wanted(&name);
            if !wanted && !earlier_names(&name).iter().any(|name| is_wanted(name)) {
                continue;
            }
            let Ok(stat) = Stat::of_path(&path) else { continue };
            if stat.is_file {
                self.names.push(Listed { path, wanted, stat: (!wanted).then_some(stat) });
            }
        }
        // Old ones first: that is the order of their lines.
        self.names.sort_by(|a, b| {
            let modified = |listed: &Listed| listed.stat.map(|stat| stat.modified);
            a.wanted
                .cmp(&b.wanted)
                .then_with(|| modified(a).cmp(&modified(b)))
                .then_with(|| a.path.cmp(&b.path))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(watch: &mut Watch) -> Vec<(String, bool)> {
        let mut files = Vec::new();
        assert!(watch.files(false, &HashSet::new(), Instant::now(), &mut files).is_empty());
        let name = |found: &Found| found.path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|found| (name(found), found.wanted)).collect()
    }

    #[test]
    fn paths_patterns_and_directories() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "a.log.1", "b.log", "a-2024.log", ".hidden.log", "readme"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("d.log")).unwrap();
        let watch = |input: &str| Watch::new(&dir.path().join(input), true).unwrap();
        let mut one = watch("a.log");
        assert_eq!(names(&mut one).last().unwrap(), &("a.log".to_owned(), true));
        let mut rotated = names(&mut one);
        rotated.sort();
        assert_eq!(rotated.len(), 3);
        let mut all = watch("*.log");
        let mut found = names(&mut all);
        found.sort();
        let expected = [("a-2024.log", true), ("a.log", true), ("a.log.1", false), ("b.log", true)];
        assert_eq!(found, expected.map(|(name, wanted)| (name.to_owned(), wanted)));
        let mut directory = Watch::new(dir.path(), true).unwrap();
        assert_eq!(names(&mut directory).len(), 5);

        let mut later = watch("later.log");
        assert_eq!(names(&mut later), []);
        fs::write(dir.path().join("later.log"), "").unwrap();
        assert_eq!(names(&mut later), [("later.log".to_owned(), true)]);
    }

    #[test]
    fn a_directory_that_could_not_be_read_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("logs");
        let mut listing = Listing::new(&there);
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let age = |listing: &mut Listing, forced: bool| {
            fs::File::open(&there).unwrap().set_modified(long_ago).unwrap();
            listing.refresh(&Wanted::All, forced)
        };
        fs::create_dir(&there).unwrap();
        fs::write(there.join("a.log"), "a").unwrap();
        age(&mut listing, false).unwrap();
        // What is there, but is no directory, cannot be read.
        fs::rename(&there, dir.path().join("aside")).unwrap();
        fs::write(&there, "").unwrap();
        assert!(age(&mut listing, true).is_err());
        assert_eq!(listing.names.len(), 1, "nobody knows what is there");
        fs::remove_file(&there).unwrap();
        fs::rename(dir.path().join("aside"), &there).unwrap();
        fs::write(there.join("b.log"), "b").unwrap();
        age(&mut listing, false).unwrap();
        assert_eq!(listing.names.len(), 2);
    }

    #[test]
    fn patterns_of_directories() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(&dir.path().join("*/a.log"), true).unwrap();
        let (mut files, now) = (Vec::new(), Instant::now());
        watch.files(false, &HashSet::new(), now, &mut files);
        assert!(files.is_empty());
        for name in ["x", "y"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("a.log"), name).unwrap();
        }
        watch.files(false, &HashSet::new(), now + DIRECTORIES_EVERY, &mut files);
        assert_eq!(files.len(), 2);
        assert!(Watch::new(&dir.path().join("a[.log"), true).is_err());
    }
}
