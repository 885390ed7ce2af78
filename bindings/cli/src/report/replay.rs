//! Inputs that are read more than once, and give the same bytes each time.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nasalogs::source::{Input, Source};
use nasalogs::{Error, Result};

/// Inputs of several passes. A file that grows meanwhile is read as far as the first pass came; what can be read only
/// once, such as standard input, is copied to a temporary file without a name.
pub(super) struct Replay {
    inputs: Vec<Kept>,
    passes: usize,
}

enum Kept {
    /// A file, and how far the first pass came.
    File { path: PathBuf, name: Option<Arc<str>>, length: Arc<AtomicU64> },
    /// What changes only as a whole, such as an object in a store.
    Again(Source),
    /// What can be read only once, and the file of it when it has been read.
    Copied { first: Option<Source>, name: Option<Arc<str>>, copy: Copy, file: Option<File> },
}

impl Replay {
    pub(super) fn new(sources: Vec<Source>) -> Result<Self> {
        let keep = |source: Source| {
            let name = source.name();
            Ok(match (source.again(), source.as_path().map(Path::to_owned)) {
                (Some(again), Some(path)) => {
                    // What is wrong with a file is said as ever.
                    again.open()?;
                    Kept::File { path, name, length: Arc::default() }
                }
                (Some(again), None) => Kept::Again(again),
                (None, _) => Kept::Copied { first: Some(source), name, copy: Copy::new()?, file: None },
            })
        };
        let inputs = sources.into_iter().map(keep).collect::<Result<_>>()?;
        Ok(Self { inputs, passes: 0 })
    }

    /// The sources of the next pass. The one before it has to have come to its end.
    pub(super) fn next(&mut self) -> Result<Vec<Source>> {
        let is_first = self.passes == 0;
        self.passes += 1;
        self.inputs.iter_mut().map(|input| input.source(is_first)).collect()
    }
}

impl Kept {
    fn source(&mut self, is_first: bool) -> Result<Source> {
        let (source, name) = match self {
            Self::Again(source) => return Ok(source.again().expect("it was asked before")),
            Self::File { path, name, length } => {
                let total = path.metadata().ok().map(|metadata| metadata.len());
                let (path, length) = (path.clone(), Arc::clone(length));
                let open = move || -> Result<Box<dyn Read + Send>> {
                    let file = File::open(&path).map_err(|error| Error::io(path.to_string_lossy(), error))?;
                    Ok(if is_first {
                        Box::new(Counted { file, read: 0, length: Arc::clone(&length) })
                    } else {
                        Box::new(file.take(length.load(Ordering::Relaxed)))
                    })
                };
                (Source::opener(open, total), name.clone())
            }
            Self::Copied { first, name, copy, file } => match first.take() {
                Some(source) => {
                    (Source::reader(Copying { input: source.open()?, copy: copy.clone() }), name.clone())
                }
                None => {
                    let written = match file.take() {
                        Some(file) => file,
                        None => copy.finish()?,
                    };
                    let file = file.insert(written).try_clone().map_err(|error| copy_error(&error))?;
                    let open = move || -> Result<Box<dyn Read + Send>> {
                        let again = || {
                            let mut file = file.try_clone()?;
                            file.seek(SeekFrom::Start(0))?;
                            zstd::Decoder::new(file)
                        };
                        Ok(Box::new(again().map_err(|error| copy_error(&error))?))
                    };
                    (Source::opener(open, None), name.clone())
                }
            },
        };
        Ok(match name {
            Some(name) => source.with_name(name),
            None => source,
        })
    }
}

/// A file whose bytes are counted. It may be opened twice, the first time to detect its format.
struct Counted {
    file: File,
    read: u64,
    length: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read += count as u64;
        self.length.fetch_max(self.read, Ordering::Relaxed);
        Ok(count)
    }
}

/// A temporary file of what was read, compressed, and without a name, so that nothing is left of it. Clones are the same.
#[derive(Clone)]
struct Copy(Arc<Mutex<Option<zstd::Encoder<'static, File>>>>);

impl Copy {
    /// Faster than any log is parsed.
    const LEVEL: i32 = 1;

    fn new() -> Result<Self> {
        let encoder = tempfile::tempfile().and_then(|file| zstd::Encoder::new(file, Self::LEVEL));
        Ok(Self(Arc::new(Mutex::new(Some(encoder.map_err(|error| copy_error(&error))?)))))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut encoder = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        encoder.as_mut().map_or(Ok(()), |encoder| encoder.write_all(bytes))
    }

    /// The file, when all is written.
    fn finish(&self) -> Result<File> {
        let encoder = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let encoder = encoder.ok_or_else(|| copy_error(&io::Error::other("it was closed before")))?;
        encoder.finish().map_err(|error| copy_error(&error))
    }
}

fn copy_error(error: &io::Error) -> Error {
    let kind = error.kind();
    let what = format!("the temporary copy of the input failed: {error}");
    Error::new(nasalogs::ErrorKind::Io, what)
        .with_file(std::env::temp_dir().to_string_lossy())
        .with_hint("make room there, name another directory with TMPDIR, or pass the log as a file")
        .with_source(io::Error::from(kind))
}

/// An input that is copied while it is read.
struct Copying {
    input: Input,
    copy: Copy,
}

impl Read for Copying {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.copy.write(&buffer[..count]).map_err(|error| io::Error::other(copy_error(&error)))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sources: Vec<Source>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for source in sources {
            source.open().unwrap().read_to_end(&mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn each_pass_reads_what_the_first_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "first\n").unwrap();
        let once = Source::reader(io::Cursor::new(b"once\n".repeat(100_000)));
        let mut replay = Replay::new(vec![Source::path(&path), once]).unwrap();
        let first = read(replay.next().unwrap());
        assert_eq!((&first[..11], first.len()), (&b"first\nonce\n"[..], 500_006));
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"later\n").unwrap();
        for _ in 0..3 {
            assert!(read(replay.next().unwrap()) == first);
        }
    }
}
