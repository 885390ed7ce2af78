//! From errors of the crate to exceptions.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use nasalogs::{Error, ErrorKind, Reject};
use pyo3::exceptions::{
    PyKeyboardInterrupt, PyMemoryError, PyOSError, PyRuntimeError, PyStopIteration, PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::signal;

/// A rejected line that ends a run, on its way to becoming a `ParseError`.
#[derive(Debug)]
pub struct RejectedLine(pub Reject);

impl fmt::Display for RejectedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for RejectedLine {}

/// The error that a rejected line is where none is stood.
pub fn rejected(reject: Reject) -> Error {
    Error::new(ErrorKind::TooManyRejects, said(&reject)).with_source(RejectedLine(reject))
}

/// An exception that goes through the crate and comes out again.
pub fn carry(error: PyErr) -> Error {
    // Other libraries show only the text.
    Error::new(ErrorKind::Io, error.to_string()).with_source(error)
}

/// Whether an error is Ctrl-C, as it was raised.
pub fn is_interrupt(error: &Error) -> bool {
    find::<PyErr>(error)
        .is_some_and(|raised| Python::attach(|py| raised.is_instance_of::<PyKeyboardInterrupt>(py)))
}

/// The exception for an error: one that was raised by a Python object below, as it was; otherwise by kind.
pub fn exception(py: Python<'_>, error: Error) -> PyErr {
    if let Some(raised) = find::<PyErr>(&error) {
        // In a loop it would be the end of it, and what is left would be lost in silence (as PEP 479 has it).
        if raised.is_instance_of::<PyStopIteration>(py) {
            let error =
                PyRuntimeError::new_err("a file object, an iterator or on_reject raised StopIteration");
            error.set_cause(py, Some(raised.clone_ref(py)));
            return error;
        }
        return raised.clone_ref(py);
    }
    if let Some(RejectedLine(reject)) = find(&error) {
        return parse_error(py, &said(reject), reject);
    }
    let text = named_as_here(&error.to_string());
    match error.kind() {
        ErrorKind::Interrupted => signal::keyboard_interrupt(),
        ErrorKind::Io | ErrorKind::Compression => os_error(&error),
        ErrorKind::Sink if find::<io::Error>(&error).is_some() => os_error(&error),
        ErrorKind::NoRows => located(py, &text, "no_rows", &error),
        ErrorKind::TooManyRejects => located(py, &text, "too_many_rejects", &error),
        ErrorKind::Memory => PyMemoryError::new_err(text),
        ErrorKind::Encoding => located(py, &text, "encoding", &error),
        _ => PyValueError::new_err(text),
    }
}

/// Where, why, and which line.
fn said(reject: &Reject) -> String {
    let place = match &reject.file {
        Some(file) => format!("{}:{}", file.escape_debug(), reject.line),
        None => format!("line {}", reject.line),
    };
    format!("{place}: {} ({}): {}", reject.reason, reject.reason.describe(), reject.text())
}

/// `OSError`, or the subclass that Python has for the number: `FileNotFoundError` and so on.
fn os_error(error: &Error) -> PyErr {
    let number = find::<io::Error>(error).and_then(|io| io.raw_os_error().or_else(|| number(io.kind())));
    let mut text = error.message().to_owned();
    if let Some(offset) = error.offset() {
        text.push_str(&format!(" (at byte {offset})"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("; {}", named_as_here(hint)));
    }
    match (number, error.file()) {
        (Some(number), Some(file)) => PyOSError::new_err((number, text, file.to_owned())),
        (Some(number), None) => PyOSError::new_err((number, text)),
        (None, Some(file)) => PyOSError::new_err(format!("{}: {text}", file.escape_debug())),
        (None, None) => PyOSError::new_err(text),
    }
}

/// The number of errors that the crate has made itself. These are the same on all systems.
fn number(kind: io::ErrorKind) -> Option<i32> {
    match kind {
        io::ErrorKind::NotFound => Some(2),
        io::ErrorKind::PermissionDenied => Some(13),
        io::ErrorKind::AlreadyExists => Some(17),
        io::ErrorKind::IsADirectory => Some(21),
        _ => None,
    }
}

/// An error of a type somewhere below.
fn find<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        // An I/O error hides what it was made of from `source`.
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => current.source(),
        };
    }
    None
}

/// The crate's hints speak the command line's language: `--partition-by` is `partition_by=` here.
fn named_as_here(text: &str) -> String {
    let mut parts = text.split("--");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|byte: char| !byte.is_ascii_lowercase() && byte != '-').unwrap_or(part.len());
        let (option, rest) = part.split_at(end);
        match option {
            "" => said.push_str("--"),
            "with" => said.push_str("extras="),
            "overwrite" | "append" | "strict" | "csv-safe" => {
                said.push_str(&format!("{}=True", option.replace('-', "_")));
            }
            option => said.push_str(&format!("{}=", option.replace('-', "_"))),
        }
        said.push_str(rest);
    }
    said
}

fn located(py: Python<'_>, text: &str, kind: &str, error: &Error) -> PyErr {
    make(py, text, kind, error.line(), error.offset(), None, error.file())
}

/// A `ParseError` about one line.
pub fn parse_error(py: Python<'_>, text: &str, reject: &Reject) -> PyErr {
    let Reject { file, line, offset, reason, raw } = reject;
    make(py, text, reason.as_str(), Some(*line), Some(*offset), Some(raw), file.as_deref())
}

fn make(
    py: Python<'_>,
    text: &str,
    kind: &str,
    line: Option<u64>,
    offset: Option<u64>,
    raw: Option<&[u8]>,
    file: Option<&str>,
) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    // The limited interface of Python 3.11 cannot make subclasses of exceptions: the class is written in Python.
    match CLASS.import(py, "nasalogs._error", "ParseError") {
        Ok(class) => {
            let raw = raw.map(|raw| PyBytes::new(py, raw));
            match class.call1((text, kind, line, offset, raw, file)) {
                Ok(made) => PyErr::from_value(made),
                Err(error) => error,
            }
        }
        Err(error) => error,
    }
}
