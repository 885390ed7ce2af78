//! Where bytes go that are no batches: standard output, or a file that appears whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Stdout, Write};
use std::path::Path;

use nasalogs::sink::AtomicFile;
use nasalogs::{Error, Result};

/// The name of standard input and standard output on the command line.
pub const STANDARD: &str = "-";

/// A place for bytes. Dropped without [`Output::finish`], a file is not left behind.
#[derive(Debug)]
pub enum Output {
    /// Standard output, as it comes.
    Standard(Stdout),
    /// A file, or a device.
    File(AtomicFile),
    /// A file that grows, and its name.
    Appended(File, String),
}

impl Output {
    /// Opens a place by its name. A file that is there is replaced at the end.
    ///
    /// # Errors
    /// When it is a directory, or nothing can be written there.
    pub fn create(path: &Path) -> Result<Self> {
        if path.as_os_str() == STANDARD {
            Ok(Self::Standard(io::stdout()))
        } else {
            AtomicFile::create(path, true).map(Self::File)
        }
    }

    /// Opens a place by its name. A file that is there is added to, on a line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(path: &Path) -> Result<Self> {
        if path.as_os_str() == STANDARD {
            return Ok(Self::Standard(io::stdout()));
        }
        let name = path.to_string_lossy().into_owned();
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
            // What was cut when it was written last stays visible, and takes nothing with it.
            if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            Ok(file)
        };
        open().map(|file| Self::Appended(file, name.clone())).map_err(|error| Error::io(name, error))
    }

    /// Brings what was written to the disk, where it is a file that grows.
    ///
    /// # Errors
    /// As the system has it, with the place's name.
    pub fn sync(&self) -> Result<()> {
        match self {
            Self::Appended(file, name) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
                file.sync_data().map_err(|error| Error::io(name.clone(), error))
            }
            _ => Ok(()),
        }
    }

    /// Writes all of some bytes.
    ///
    /// # Errors
    /// As the system has it, with the place's name.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Standard(stdout) => stdout.write_all(bytes).map_err(standard_error),
            Self::File(file) => file.write_all(bytes).map_err(|error| file.failure(error)),
            Self::Appended(file, name) => {
                file.write_all(bytes).map_err(|error| Error::io(name.clone(), error))
            }
        }
    }

    /// Brings the last bytes to where they belong, and the file into its place.
    ///
    /// # Errors
    /// As the system has it, with the place's name.
    pub fn finish(self) -> Result<()> {
        match self {
            Self::Standard(mut stdout) => stdout.flush().map_err(standard_error),
            Self::File(file) => file.commit(),
            Self::Appended(..) => self.sync(),
        }
    }
}

fn standard_error(error: io::Error) -> Error {
    Error::io("standard output", error)
}

/// Writes a text to standard output.
///
/// # Errors
/// As the system has it.
pub fn print(text: &str) -> Result<()> {
    write_whole(Path::new(STANDARD), text)
}

/// Writes a text to a place.
///
/// # Errors
/// As [`Output`] has them.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write(text.as_bytes())?;
    output.finish()
}
