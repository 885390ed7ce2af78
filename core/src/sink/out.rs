//! The bytes of one output, on their way.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::atomic::AtomicFile;
use super::failure::Label;
use crate::error::Result;

/// Bytes that are collected before they are written.
pub(super) const BUFFER: usize = 128 << 10;

/// An output: buffered, counted, named.
pub(super) struct Out {
    place: Place,
    label: Label,
    bytes: u64,
}

enum Place {
    /// Becomes visible by a rename of its own.
    Atomic(AtomicFile),
    /// Somebody else makes it visible.
    Staged(BufWriter<File>),
    /// Visible as it is written.
    Stream(BufWriter<Box<dyn Write + Send>>),
}

impl Out {
    pub(super) fn stdout() -> Self {
        Self::stream(stdout(), "standard output")
    }

    pub(super) fn stream(writer: Box<dyn Write + Send>, name: &str) -> Self {
        let place = Place::Stream(BufWriter::with_capacity(BUFFER, writer));
        Self { place, label: Label::stream(name), bytes: 0 }
    }

    pub(super) fn atomic(file: AtomicFile) -> Self {
        let label = file.label();
        Self { place: Place::Atomic(file), label, bytes: 0 }
    }

    pub(super) fn staged(file: File, label: Label) -> Self {
        Self { place: Place::Staged(BufWriter::with_capacity(BUFFER, file)), label, bytes: 0 }
    }

    /// What errors say about it.
    #[cfg(any(feature = "parquet", feature = "ipc", feature = "csv", feature = "ndjson"))]
    pub(super) fn label(&self) -> &Label {
        &self.label
    }

    /// Whether it is visible as it is written.
    #[cfg(any(feature = "ipc", feature = "csv", feature = "ndjson"))]
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.place, Place::Stream(_))
    }

    /// Writes what a batch became. Who reads a stream gets it at once.
    #[cfg(any(feature = "csv", feature = "ndjson"))]
    pub(super) fn write_batch(&mut self, bytes: &[u8]) -> Result<()> {
        let result =
            self.write_all(bytes).and_then(|()| if self.is_stream() { self.flush() } else { Ok(()) });
        result.map_err(|error| self.label.os(error))
    }

    /// Brings all bytes to where they belong, and says how many they were.
    pub(super) fn commit(self) -> Result<u64> {
        let Self { place, label, bytes } = self;
        let fail = |error| label.os(error);
        match place {
            Place::Atomic(file) => file.commit()?,
            Place::Staged(file) => {
                let file = file.into_inner().map_err(|error| fail(error.into_error()))?;
                file.sync_all().map_err(fail)?;
            }
            Place::Stream(mut writer) => writer.flush().map_err(fail)?,
        }
        Ok(bytes)
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.place {
            Place::Atomic(file) => file.write(bytes),
            Place::Staged(file) => file.write(bytes),
            Place::Stream(writer) => writer.write(bytes),
        }?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Atomic(file) => file.flush(),
            Place::Staged(file) => file.flush(),
            Place::Stream(writer) => writer.flush(),
        }
    }
}

/// Standard output without the standard library's buffer, which looks for newlines.
fn stdout() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        if let Ok(fd) = io::stdout().as_fd().try_clone_to_owned() {
            return Box::new(File::from(fd));
        }
    }
    Box::new(io::stdout())
}
