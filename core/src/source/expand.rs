//! From what stands on a command line to sources.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::{Source, directory_error, open_error, path_name};
use crate::error::{Error, ErrorKind, Result};

/// As a shell does it: `*` stops at `/` and does not match hidden files.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

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

/// The files that a pattern matches; `missing` says why it is no path.
fn glob_files(path: &Path, missing: io::Error) -> Result<Vec<PathBuf>> {
    // Globs are text; a path that is not can only be meant literally.
    let Some(pattern) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return Err(open_error(path, missing));
    };
    let matches = glob::glob_with(pattern, OPTIONS).map_err(|error| {
        Error::new(ErrorKind::Io, format!("no such file, and no valid pattern: {}", error.msg))
            .with_file(path_name(path).as_ref())
            .with_hint("write '[[]' for a literal '['")
            .with_source(error)
    })?;
    let mut files = Vec::new();
    let mut directories = false;
    for found in matches {
        let found = found.map_err(|error| {
            let place = error.path().to_owned();
            open_error(&place, error.into())
        })?;
        if found.is_dir() {
            directories = true;
        } else {
            files.push(found);
        }
    }
    if files.is_empty() {
        let message = if directories { "matches only directories" } else { "no file matches this pattern" };
        return Err(Error::new(ErrorKind::Io, message)
            .with_file(path_name(path).as_ref())
            .with_hint("check the pattern; '*' does not cross '/' and does not match hidden files")
            .with_source(io::Error::from(io::ErrorKind::NotFound)));
    }
    files.sort();
    Ok(files)
}
