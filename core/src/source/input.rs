//! An open source.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::codec::{self, Codec, Found};
use super::origin::{Origin, OriginError};
use crate::decoder::SAMPLE;
use crate::error::{Error, ErrorKind, Result};

/// An open source: its decompressed bytes.
///
/// Memory is bounded whatever the input says: a decoder gets 128 MiB at most.
pub struct Input {
    name: Option<Arc<str>>,
    /// What messages call it.
    called: Arc<str>,
    codec: Codec,
    total: Option<u64>,
    bytes_in: Arc<AtomicU64>,
    reader: Box<dyn Read + Send>,
    /// Decompressed bytes given on.
    offset: u64,
    failed: bool,
}

impl Input {
    pub(super) fn new(
        name: Option<Arc<str>>,
        unnamed: &'static str,
        reader: Box<dyn Read + Send>,
        total: Option<u64>,
    ) -> Result<Self> {
        let called = name.clone().unwrap_or_else(|| unnamed.into());
        let mut origin = Origin::new(reader);
        let bytes_in = Arc::clone(origin.bytes_in());
        let found = origin.peek(codec::detect).map_err(|error| read_error(&called, error))?;
        let codec = match found {
            Some(Found::Foreign(what, command)) => {
                return Err(named(
                    Error::new(ErrorKind::Compression, format!("is a {what} file, which is not read"))
                        .with_hint(format!("unpack it, or pipe it: {command} FILE | nasalogs convert - …")),
                    &called,
                ));
            }
            Some(Found::Codec(codec)) => codec,
            None => Codec::Plain,
        };
        let reader = codec::decoder(codec, origin).map_err(|error| named(error, &called))?;
        Ok(Self { name, called, codec, total, bytes_in, reader, offset: 0, failed: false })
    }

    /// The source's name.
    #[must_use]
    pub fn name(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    /// How it is compressed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The size in bytes of what is read, as it lies on the disk; `None` for pipes and readers.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// How many bytes were read so far, as they lie on the disk: a counter for a progress bar to share.
    #[must_use]
    pub fn bytes_in(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes_in)
    }

    /// How many decompressed bytes were read so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads decompressed bytes: at least one, unless the end is reached or there is no room. Plain bytes go straight
    /// from the file into the buffer.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk fails; [`ErrorKind::Compression`] when the compressed data is damaged or ends
    /// early, with the decompressed offset that was reached. All that could be decompressed was read before that.
    /// After an error there is only the error.
    pub fn read_into(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.failed {
            return Err(self.named(Error::new(ErrorKind::Io, "was read on after an error")));
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.reader.read(buffer) {
            Ok(count) => {
                self.offset += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.failed = true;
                Err(self.error(error))
            }
        }
    }

    /// Reads the beginning, for [`LogFormat::detect`](crate::LogFormat::detect): 256 KiB, or less where there is less, up
    /// to its last line end. What was read is not read again.
    ///
    /// # Errors
    /// As [`Input::read_into`].
    pub fn read_sample(&mut self) -> Result<Vec<u8>> {
        let mut sample = vec![0; SAMPLE];
        let mut length = 0;
        while length < SAMPLE {
            match self.read_into(&mut sample[length..])? {
                0 => break,
                count => length += count,
            }
        }
        // A line that was cut would speak against every format.
        if length == SAMPLE
            && let Some(newline) = memchr::memrchr(b'\n', &sample)
        {
            length = newline + 1;
        }
        sample.truncate(length);
        Ok(sample)
    }

    /// Names the input in an error.
    fn named(&self, error: Error) -> Error {
        named(error, &self.called)
    }

    fn error(&self, error: io::Error) -> Error {
        if error.get_ref().is_some_and(|inner| inner.is::<OriginError>()) {
            return read_error(&self.called, error).with_offset(self.offset);
        }
        let (message, hint) = codec::explain(self.codec, &error);
        let error = Error::new(ErrorKind::Compression, message).with_hint(hint).with_source(error);
        self.named(error).with_offset(self.offset)
    }
}

/// The same bytes; errors carry [`Error`] inside.
impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_into(buffer).map_err(|error| {
            let kind = error.io_error().map_or(io::ErrorKind::InvalidData, io::Error::kind);
            io::Error::new(kind, error)
        })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("codec", &self.codec)
            .field("total_bytes", &self.total)
            .field("bytes_in", &self.bytes_in.load(Ordering::Relaxed))
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

fn named(error: Error, name: &str) -> Error {
    error.with_file(name)
}

/// An error of the disk, out of its wrapping.
fn read_error(name: &str, error: io::Error) -> Error {
    let error = match error.downcast::<OriginError>() {
        Ok(OriginError(error)) | Err(error) => error,
    };
    // A reader may know better what went wrong and what to do.
    let error = match error.downcast::<Error>() {
        Ok(ours) => return named(ours, name),
        Err(error) => error,
    };
    let hint = match error.kind() {
        io::ErrorKind::IsADirectory => "pass the files in the directory",
        _ => "check the disk or the network it is read from",
    };
    named(
        Error::new(ErrorKind::Io, format!("cannot be read: {error}")).with_hint(hint).with_source(error),
        name,
    )
}
