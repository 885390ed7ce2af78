//! A file that is there in full or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::failure::Label;
use super::out::BUFFER;
use crate::error::Result;

/// A file that is written under a temporary name beside its place and renamed into it at the end.
///
/// The temporary name begins with `_`, which query engines do not read, and ends in `.tmp`. Dropped without
/// [`AtomicFile::commit`], the file is removed. What is no regular file (`/dev/stdout`, a named pipe) is written
/// directly; a symbolic link is kept, and the file that it points to replaced.
///
/// ```
/// use std::io::Write;
/// use nasalogs::sink::AtomicFile;
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("a.txt");
/// let mut file = AtomicFile::create(&path, false)?;
/// file.write_all(b"all of it").unwrap();
/// assert!(!path.exists());
/// file.commit()?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"all of it");
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    /// `None` when it is written directly.
    temporary: Option<TempPath>,
    target: PathBuf,
    overwrite: bool,
}

impl AtomicFile {
    /// Starts a file. With `overwrite` a file that is there is replaced at the end, else it is an error.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the file exists or cannot be created.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        let label = Label::atomic(path);
        let mut target = path.to_owned();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(label.directory()),
            Ok(metadata) if !metadata.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(|error| label.os(error))?;
                let file = BufWriter::with_capacity(BUFFER, file);
                return Ok(Self { file, temporary: None, target, overwrite });
            }
            Ok(_) if !overwrite => return Err(label.exists()),
            // Where a symbolic link points to.
            Ok(_) => target = fs::canonicalize(path).map_err(|error| label.os(error))?,
            Err(_) => {}
        }
        let (Some(directory), Some(file_name)) = (target.parent(), target.file_name()) else {
            return Err(label.directory());
        };
        let mut prefix = std::ffi::OsString::from("_");
        // A file system's limit, mostly 255 bytes, is for the temporary name too.
        if file_name.len() <= 200 {
            prefix.push(file_name);
            prefix.push(".");
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        {
            // What any program would give it: the umask is still applied.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let (file, temporary) = builder.tempfile_in(directory).map_err(|error| label.os(error))?.into_parts();
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { file, temporary: Some(temporary), target, overwrite })
    }

    /// The path under which the file will be seen.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.target
    }

    pub(super) fn label(&self) -> Label {
        match self.temporary {
            Some(_) => Label::atomic(&self.target),
            None => Label::stream(self.target.to_string_lossy()),
        }
    }

    /// Brings the bytes to the disk, and the file into its place.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) when the last bytes cannot be written, or when a file that may not be
    /// overwritten has appeared in its place. Nothing is left behind then.
    pub fn commit(self) -> Result<()> {
        let label = self.label();
        let fail = |error| label.os(error);
        let file = self.file.into_inner().map_err(|error| fail(error.into_error()))?;
        let Some(temporary) = self.temporary else { return Ok(()) };
        file.sync_all().map_err(fail)?;
        drop(file);
        let placed = match self.overwrite {
            true => temporary.persist(&self.target),
            false => temporary.persist_noclobber(&self.target),
        };
        placed.map_err(|error| fail(error.error))?;
        sync_directory(self.target.parent().unwrap_or(Path::new("."))).map_err(fail)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Makes a rename in a directory last. Only some systems can do that.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        match File::open(directory)?.sync_all() {
            // Some network file systems have no such thing; the rename has been done.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn entries(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn appears_at_commit_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"hello").unwrap();
        let names = entries(dir.path());
        assert_eq!(names.len(), 1);
        assert!(names[0].starts_with("_a.csv.") && names[0].ends_with(".tmp"), "{names:?}");
        file.commit().unwrap();
        assert_eq!(entries(dir.path()), ["a.csv"]);
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let plain = dir.path().join("plain");
            fs::write(&plain, "").unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&path), mode(&plain), "as any program's file");
        }
    }

    #[test]
    fn dropped_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path, true).unwrap();
        file.write_all(b"new").unwrap();
        drop(file);
        assert_eq!(entries(dir.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn replaces_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        let error = AtomicFile::create(&path, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("exists already; pass --overwrite"), "{error}");
        let mut file = AtomicFile::create(&path, true).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");

        let late = dir.path().join("late");
        let file = AtomicFile::create(&late, false).unwrap();
        fs::write(&late, "first").unwrap();
        let error = file.commit().unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(fs::read(&late).unwrap(), b"first");
        assert_eq!(entries(dir.path()), ["a", "late"]);
    }

    #[test]
    fn the_longest_name_is_possible() {
        let dir = tempfile::tempdir().unwrap();
        let name = "x".repeat(255);
        AtomicFile::create(&dir.path().join(&name), false).unwrap().commit().unwrap();
        assert_eq!(entries(dir.path()), [name]);
    }

    #[test]
    fn places_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        for (path, text) in [
            ("gone/a.csv", "its directory does not exist"),
            ("file/a.csv", "no directory"),
            ("", "is a directory"),
            ("..", "is a directory"),
        ] {
            let error = AtomicFile::create(&dir.path().join(path), true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.to_string().contains(text), "{path}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut file = AtomicFile::create(&link, true).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let mut file = AtomicFile::create(Path::new("/dev/null"), false).unwrap();
        file.write_all(b"x").unwrap();
        file.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_called_that() {
        let mut file = AtomicFile::create(Path::new("/dev/full"), false).unwrap();
        file.write_all(b"x").unwrap();
        let error = file.commit().unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
}
