//! Where bytes go that are no batches: standard output, or a file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Stdout, Write};
use std::path::{Path, PathBuf};

use nasalogs::{Error, ErrorKind, Result};
use tempfile::NamedTempFile;

/// The name of standard input and standard output on the command line.
pub const STANDARD: &str = "-";

/// A place for bytes.
#[derive(Debug)]
pub struct Output {
    name: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Standard(Stdout),
    /// A device or a pipe: there is nothing to rename.
    Device(File),
    /// Under a temporary name beside its own, and gone if it is dropped.
    File(NamedTempFile, PathBuf),
}

impl Output {
    /// Opens a place by its name.
    ///
    /// # Errors
    /// When it is a directory, or nothing can be written there.
    pub fn create(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        if path.as_os_str() == STANDARD {
            return Ok(Self {
                name: "standard output".to_owned(),
                place: Place::Standard(io::stdout()),
            });
        }
        let place = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                return Err(Error::new(ErrorKind::Io, "cannot write a file in a directory's place")
                    .with_file(name)
                    .with_hint("name a file in it"));
            }
            Ok(meta) if !meta.is_file() => File::options().write(true).open(path).map(Place::Device),
            // A link keeps being one: what it points to is replaced.
            Ok(_) => fs::canonicalize(path).and_then(temporary),
            Err(_) => temporary(path.to_owned()),
        };
        let place = place.map_err(|error| Error::io(name.clone(), error))?;
        Ok(Self { name, place })
    }

    /// Makes the file appear.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn finish(self) -> Result<()> {
        let done = match self.place {
            Place::Standard(mut stdout) => stdout.flush(),
            Place::Device(mut file) => file.flush(),
            Place::File(file, path) => {
                file.as_file().sync_all().and_then(|()| file.persist(path).map(drop).map_err(|e| e.error))
            }
        };
        done.map_err(|error| Error::io(self.name, error))
    }

    /// Writes all of some bytes.
    ///
    /// # Errors
    /// As the system has it, with the place's name.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let done = match &mut self.place {
            Place::Standard(stdout) => stdout.write_all(bytes),
            Place::Device(file) => file.write_all(bytes),
            Place::File(file, _) => file.write_all(bytes),
        };
        done.map_err(|error| Error::io(self.name.clone(), error))
    }
}

/// A temporary file in the same directory, so that it can be renamed; with the usual permissions, not private ones.
fn temporary(path: PathBuf) -> io::Result<Place> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nasalogs-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(directory)?;
    Ok(Place::File(file, path))
}

/// Writes a text to standard output.
///
/// # Errors
/// As the system has it.
pub fn print(text: &str) -> Result<()> {
    let mut output = Output::create(Path::new(STANDARD))?;
    output.write(text.as_bytes())?;
    output.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        let mut output = Output::create(&path).unwrap();
        output.write(b"half").unwrap();
        assert!(!path.exists());
        drop(output);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);

        let mut output = Output::create(&path).unwrap();
        output.write(b"whole").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = Output::create(directory.path()).unwrap_err();
        assert!(error.hint().is_some());
        assert!(directory.path().exists());
    }
}
