//! The files that a run reads and writes, and that no two of them are one.

use std::fs;
use std::path::{Path, PathBuf};

use nasalogs::{Error, ErrorKind, Result};

use crate::object::is_remote;
use crate::output::STANDARD;

/// Refuses outputs that are an input, or each other: whichever is written last would be all that is left.
///
/// # Errors
/// [`ErrorKind::Options`] with the two that are one file; or with one in S3 that cannot be written there.
pub fn check(inputs: &[PathBuf], outputs: &[(&str, Option<&Path>)]) -> Result<()> {
    for (option, path) in outputs.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        if is_remote(path) && option != "--output" {
            return Err(Error::new(ErrorKind::Options, format!("{option} is not written to S3"))
                .with_file(path.to_string_lossy())
                .with_hint("name a file on this machine"));
        }
    }
    let outputs: Vec<(&str, &Path, PathBuf)> = outputs
        .iter()
        .filter_map(|(option, path)| Some((*option, (*path)?, place(path.as_ref()?)?)))
        .collect();
    for (index, (option, path, own)) in outputs.iter().enumerate() {
        if let Some((other, _, _)) = outputs[..index].iter().find(|(_, _, place)| place == own) {
            return Err(Error::new(ErrorKind::Options, format!("{other} and {option} are the same file"))
                .with_file(path.to_string_lossy())
                .with_hint("name two files"));
        }
    }
    if outputs.is_empty() {
        return Ok(());
    }
    for input in nasalogs::source::expand(inputs.iter().filter(|input| !is_remote(input)))? {
        let Some(read) = input.as_path().and_then(place) else { continue };
        if let Some((option, path, _)) = outputs.iter().find(|(_, _, place)| *place == read) {
            return Err(Error::new(
                ErrorKind::Options,
                format!("{option} is an input, which it would replace"),
            )
            .with_file(path.to_string_lossy())
            .with_hint("name another file"));
        }
    }
    Ok(())
}

/// Where a path leads, links resolved; none for standard streams and for what is no file, such as a device. A file
/// that is not there yet is a name in its directory.
fn place(path: &Path) -> Option<PathBuf> {
    if path.as_os_str() == STANDARD {
        return None;
    }
    match fs::canonicalize(path) {
        Ok(place) => fs::metadata(&place).is_ok_and(|metadata| metadata.is_file()).then_some(place),
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Some(fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_not_two() {
        let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let again = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/../Cargo.toml");
        let new = Path::new("new.parquet");
        let check = |output: &Path, rejects: Option<&Path>| {
            super::check(std::slice::from_ref(&log), &[("--output", Some(output)), ("--rejects", rejects)])
        };
        assert!(check(new, None).is_ok());
        assert!(check(new, Some(Path::new("/dev/null"))).is_ok());
        assert!(check(Path::new("-"), Some(Path::new("-"))).is_ok());
        assert!(check(&again, None).unwrap_err().to_string().contains("--output is an input"));
        assert!(check(new, Some(&again)).unwrap_err().to_string().contains("--rejects is an input"));
        let error = check(new, Some(Path::new("./new.parquet"))).unwrap_err().to_string();
        assert!(error.contains("--output and --rejects are the same file"), "{error}");
    }
}
