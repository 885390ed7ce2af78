//! What went wrong with an output, for people; and for programs, with the operating system's error kept findable
//! under whatever a library wrapped around it.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// What errors say about an output: its name, and whether a failure leaves a part of it behind.
#[derive(Debug, Clone)]
pub(super) struct Label {
    name: String,
    atomic: bool,
}

impl Label {
    /// An output that is there in full or not at all.
    pub(super) fn atomic(path: &Path) -> Self {
        Self { name: path.to_string_lossy().into_owned(), atomic: true }
    }

    /// An output that is visible as it is written.
    pub(super) fn stream(name: impl Into<String>) -> Self {
        Self { name: name.into(), atomic: false }
    }

    /// An error of the operating system.
    pub(super) fn os(&self, error: io::Error) -> Error {
        use io::ErrorKind::{
            AlreadyExists, BrokenPipe, FileTooLarge, IsADirectory, NotADirectory, NotFound, PermissionDenied,
            QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let (message, hint) = match error.kind() {
            StorageFull => ("the disk is full", "make room, or write to another disk"),
            QuotaExceeded => ("the disk quota is used up", "make room, or write to another disk"),
            FileTooLarge => (
                "the file would be larger than the file system or a limit allows",
                "check 'ulimit -f', or write to another disk",
            ),
            PermissionDenied => ("permission denied", "write to another directory, or change its mode"),
            ReadOnlyFilesystem => ("the file system is read-only", "write to another disk"),
            NotFound => ("its directory does not exist", "create the directory first"),
            NotADirectory => ("a part of its path is no directory", "check the path"),
            AlreadyExists => return self.exists(),
            IsADirectory => return self.directory(),
            BrokenPipe => ("the reader of the output is gone", "nothing more can be written"),
            _ => {
                return Error::new(ErrorKind::Io, format!("cannot be written: {error}"))
                    .with_file(&self.name)
                    .with_hint("check the disk or the network it lies on")
                    .with_source(error);
            }
        };
        let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        let left = if full && self.atomic { "nothing was left behind; " } else { "" };
        Error::new(ErrorKind::Io, message)
            .with_file(&self.name)
            .with_hint(format!("{left}{hint}"))
            .with_source(error)
    }

    /// It is already there.
    pub(super) fn exists(&self) -> Error {
        Error::new(ErrorKind::Io, "exists already")
            .with_file(&self.name)
            .with_hint("pass --overwrite to replace it, or choose another name")
            .with_source(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// A directory is there.
    pub(super) fn directory(&self) -> Error {
        Error::new(ErrorKind::Io, "is a directory")
            .with_file(&self.name)
            .with_hint("name a file in it, or pass --partition-by dt to write a table")
            .with_source(io::Error::from(io::ErrorKind::IsADirectory))
    }

    /// An error out of Arrow, Parquet or the like. Where the operating system's error is the cause, that is said.
    pub(super) fn foreign(&self, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let error = error.into();
        let mut cause: Option<&(dyn StdError + 'static)> = Some(error.as_ref());
        while let Some(at) = cause {
            if let Some(found) = at.downcast_ref::<io::Error>() {
                return self.os(copy(found));
            }
            cause = at.source();
        }
        match error.downcast::<Error>() {
            Ok(ours) => ours.with_file(&self.name),
            Err(error) => {
                Error::new(ErrorKind::Sink, error.to_string()).with_file(&self.name).with_source(error)
            }
        }
    }
}

/// An `io::Error` cannot be cloned: the same number, or the same kind and text.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::error::ArrowError;

    #[test]
    fn a_broken_pipe_is_found_under_wrappings() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let nested = ArrowError::ExternalError(Box::new(ArrowError::from(pipe())));
        let label = Label::stream("standard output");
        for error in [label.os(pipe()), label.foreign(ArrowError::from(pipe())), label.foreign(nested)] {
            assert_eq!(error.kind(), ErrorKind::Io);
            assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::BrokenPipe);
        }
        #[cfg(feature = "parquet")]
        {
            let error = label.foreign(parquet::errors::ParquetError::from(pipe()));
            assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::BrokenPipe);
        }
        let error = label.foreign(ArrowError::CsvError("odd".to_owned()));
        assert_eq!(error.kind(), ErrorKind::Sink);
        assert!(error.to_string().contains("odd"));
    }

    #[test]
    fn a_full_disk_says_so() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let text = Label::atomic(Path::new("out.csv")).os(full()).to_string();
        assert!(text.starts_with("out.csv: the disk is full; nothing was left behind"), "{text}");
        let text = Label::stream("standard output").os(full()).to_string();
        assert_eq!(text, "standard output: the disk is full; make room, or write to another disk");
    }
}
