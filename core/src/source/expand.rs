//! From what stands on a command line to sources.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::{Source, directory_error, open_error, path_name};
use crate::error::{Error, ErrorKind, Result};

/// As a shell does it. That `*` does not match hidden files is seen to here: the library's own way panics where a name is
/// not UTF-8.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Turns arguments into sources, in the order given.
///
/// Each is `-` (standard input), a path, or a glob such as `logs/access.log.*` (its files sorted by name; directories
/// among them are passed over). A path that exists is taken as it is, even if it could be read as a glob.
///
/// # Errors
/// [`ErrorKind::Io`] when a path does not exist, is a directory, or a glob matches no file or meets a directory that
/// it may not list; [`ErrorKind::Options`] when `-` stands there twice.
pub fn expand<P: AsRef<OsStr>>(patterns: impl IntoIterator<Item = P>) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut stdin = false;
    for pattern in patterns {
        let pattern = pattern.as_ref();
        if pattern == "-" {
            if stdin {
                return Err(Error::new(ErrorKind::Options, "standard input can be read only once")
                    .with_hint("pass '-' once"));
            }
            stdin = true;
            sources.push(Source::stdin());
            continue;
        }
        let path = Path::new(pattern);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(directory_error(path)),
            Ok(_) => sources.push(Source::path(path)),
            Err(error) => sources.extend(glob_files(path, error)?.into_iter().map(Source::path)),
        }
    }
    Ok(sources)
}

/// The files and directories that a word names: a path as it is, or whatever matches a pattern.
///
/// # Errors
/// As [`expand`], but for directories.
#[cfg(feature = "lake")]
pub(crate) fn expand_all(path: &Path) -> Result<Vec<PathBuf>> {
    match fs::metadata(path) {
        Ok(_) => Ok(vec![path.to_owned()]),
        Err(error) => {
            let Found { mut files, mut directories } = glob_all(path, error)?;
            files.append(&mut directories);
            if files.is_empty() {
                Err(no_match(path, "nothing matches this pattern"))
            } else {
                Ok(sorted(files))
            }
        }
    }
}

/// The files that a pattern matches; `missing` says why it is no path.
fn glob_files(path: &Path, missing: io::Error) -> Result<Vec<PathBuf>> {
    let Found { files, directories } = glob_all(path, missing)?;
    if files.is_empty() {
        let is_empty = directories.is_empty();
        let message = if is_empty { "no file matches this pattern" } else { "matches only directories" };
        return Err(no_match(path, message));
    }
    Ok(sorted(files))
}

fn sorted(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    paths.dedup();
    paths
}

fn no_match(path: &Path, message: &str) -> Error {
    Error::new(ErrorKind::Io, message)
        .with_file(path_name(path).as_ref())
        .with_hint("check the pattern; '*' does not cross '/' and does not match hidden files")
        .with_source(io::Error::from(io::ErrorKind::NotFound))
}

/// What a pattern matches; `missing` says why it is no path.
fn glob_all(path: &Path, missing: io::Error) -> Result<Found> {
    let steps = path.components().map(step).collect::<Result<Vec<Step>>>().map_err(|error| {
        error.with_file(path_name(path).as_ref()).with_hint("write '[[]' for a literal '['")
    })?;
    if steps.iter().all(|step| matches!(step, Step::Name(_))) {
        return Err(open_error(path, missing));
    }
    let mut found = Found::default();
    walk(PathBuf::new(), &steps, &mut found)?;
    Ok(found)
}

/// One component of a pattern.
enum Step {
    /// As it stands.
    Name(OsString),
    /// The names that match.
    Names(Pattern),
    /// `**`: any number of directories.
    Any,
}

/// Names need not be text; what is not in one is matched as the character that stands for it.
fn step(component: Component<'_>) -> Result<Step> {
    let name = component.as_os_str();
    let is_pattern = name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte));
    Ok(match (component, is_pattern) {
        (Component::Normal(_), true) if name == "**" => Step::Any,
        (Component::Normal(_), true) => {
            Step::Names(Pattern::new(&name.to_string_lossy()).map_err(|error| {
                Error::new(ErrorKind::Io, format!("no such file, and no valid pattern: {}", error.msg))
                    .with_source(error)
            })?)
        }
        _ => Step::Name(name.to_owned()),
    })
}

#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

fn walk(base: PathBuf, steps: &[Step], found: &mut Found) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        match fs::metadata(&base) {
            Ok(metadata) if metadata.is_dir() => found.directories.push(base),
            // A link that leads nowhere matched all the same; opening it says what is wrong.
            _ if fs::symlink_metadata(&base).is_ok() => found.files.push(base),
            _ => {}
        }
        return Ok(());
    };
    match step {
        Step::Name(name) => walk(base.join(name), rest, found),
        Step::Names(pattern) => {
            let hidden = pattern.as_str().starts_with('.');
            for name in names(&base)? {
                if (hidden || !is_hidden(&name)) && pattern.matches_with(&name.to_string_lossy(), OPTIONS) {
                    walk(base.join(name), rest, found)?;
                }
            }
            Ok(())
        }
        Step::Any => {
            walk(base.clone(), rest, found)?;
            for name in names(&base)?.into_iter().filter(|name| !is_hidden(name)) {
                let below = base.join(name);
                // Links could lead round in circles.
                if fs::symlink_metadata(&below).is_ok_and(|metadata| metadata.is_dir()) {
                    walk(below, steps, found)?;
                }
            }
            Ok(())
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// The names in a directory; none where there is no such directory.
fn names(base: &Path) -> Result<Vec<OsString>> {
    let place = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let failed = |error| open_error(place, error);
    match fs::read_dir(place) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(failed(error)),
    }
}
