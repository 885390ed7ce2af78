//! What can be read: from Python objects to sources.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use nasalogs::source::{Source, expand};
use nasalogs::{Error, ErrorKind, Result};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyMapping, PyMemoryView, PyString, PyTuple};

use crate::error::carry;
use crate::file::{Buffer, Bytes, File, Pieces};

/// One input.
enum Input {
    /// A path, a pattern, or `-`.
    Path(OsString),
    Bytes(Py<PyBytes>),
    Buffer(Py<PyAny>),
    /// An object with `read`.
    File(Py<PyAny>),
    /// A list of bytes.
    Pieces(Py<PyAny>),
    /// An iterator over bytes, after its first.
    Stream(Py<PyAny>, Py<PyAny>),
}

/// What a caller passed to be read, in order.
pub struct Inputs {
    inputs: Vec<Input>,
    /// Whether one of them can be read once only.
    once: bool,
    taken: AtomicBool,
}

const EXPECTED: &str =
    "a path, a pattern, bytes, a binary file object, an iterable of bytes or of paths, or a list of such";

impl Inputs {
    /// Sorts out what was passed.
    ///
    /// # Errors
    /// `TypeError` when it is nothing that can be read, `ValueError` for an empty list.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let is_list = object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>();
        let inputs = if is_list {
            let items: Vec<Bound<'_, PyAny>> = object.try_iter()?.collect::<PyResult<_>>()?;
            if items.is_empty() {
                return Err(PyValueError::new_err("there is nothing to read: the list is empty"));
            }
            let is_bytes = |item: &Bound<'_, PyAny>| has_buffer(item);
            if items.iter().all(is_bytes) {
                // Pieces of one log, as a generator of them would be.
                vec![Input::Pieces(object.clone().unbind())]
            } else {
                items.iter().map(one).collect::<PyResult<_>>()?
            }
        } else if is_iterator(object)? {
            stream(object)?
        } else {
            vec![one(object)?]
        };
        let once = inputs.iter().any(|input| match input {
            Input::Path(path) => path == "-" || !is_regular(path),
            Input::Bytes(_) | Input::Buffer(_) | Input::Pieces(_) => false,
            Input::File(_) | Input::Stream(..) => true,
        });
        Ok(Self { inputs, once, taken: AtomicBool::new(false) })
    }

    /// The sources, to be read from their start. Called detached.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when a path does not exist; [`ErrorKind::Options`] when what can be read only once is asked for
    /// again; whatever a Python object raises.
    pub fn sources(&self) -> Result<Vec<Source>> {
        if self.once && self.taken.swap(true, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Options, "it was read already, and can be read only once")
                .with_hint(
                    "keep what the first reading gave, or call read() again with a fresh file object",
                ));
        }
        let mut sources = Vec::new();
        for input in &self.inputs {
            match input {
                Input::Path(path) if path == "-" => {
                    sources.push(Python::attach(|py| standard_input(py).map_err(carry))?);
                }
                Input::Path(path) => {
                    for source in expand([path])? {
                        sources.push(interruptible(source)?);
                    }
                }
                Input::Bytes(bytes) => {
                    let bytes = Python::attach(|py| PyBackedBytes::from(bytes.bind(py).clone()));
                    sources.push(Source::memory(Bytes(bytes)));
                }
                Input::Buffer(object) => {
                    let buffer = Python::attach(|py| Buffer::new(object.bind(py)).map_err(carry))?;
                    sources.push(Source::reader(buffer));
                }
                Input::File(object) => sources.push(Python::attach(|py| file(object.bind(py)))),
                Input::Pieces(object) => {
                    let iterator = Python::attach(|py| {
                        object.bind(py).try_iter().map(|iterator| iterator.into_any().unbind()).map_err(carry)
                    })?;
                    sources.push(Source::reader(Pieces::new(None, iterator)));
                }
                Input::Stream(first, rest) => {
                    let (first, rest) = Python::attach(|py| (first.clone_ref(py), rest.clone_ref(py)));
                    sources.push(Source::reader(Pieces::new(Some(first), rest)));
                }
            }
        }
        Ok(sources)
    }

    /// The paths and patterns, where there is nothing else.
    pub fn paths(&self) -> Option<Vec<PathBuf>> {
        let path = |input: &Input| match input {
            Input::Path(path) if path != "-" => Some(PathBuf::from(path)),
            _ => None,
        };
        self.inputs.iter().map(path).collect()
    }

    /// The files among them, as they were named: also those that somebody has opened.
    pub fn files(&self, py: Python<'_>) -> Vec<PathBuf> {
        let file = |input: &Input| match input {
            Input::Path(path) => Some(PathBuf::from(path)),
            Input::File(object) => {
                let name: PathBuf = object.bind(py).getattr("name").ok()?.extract().ok()?;
                name.is_file().then_some(name)
            }
            _ => None,
        };
        self.inputs.iter().filter_map(file).collect()
    }
}

fn one(object: &Bound<'_, PyAny>) -> PyResult<Input> {
    if object.is_instance_of::<PyString>() || object.hasattr("__fspath__")? {
        return Ok(Input::Path(path(object)?));
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Input::Bytes(bytes.clone().unbind()));
    }
    if has_buffer(object) {
        Buffer::new(object)?;
        return Ok(Input::Buffer(object.clone().unbind()));
    }
    if object.hasattr("read")? {
        if is_text(object)? {
            return Err(PyTypeError::new_err(
                "the file is open as text; open it in binary mode: open(path, \"rb\")",
            ));
        }
        return Ok(Input::File(object.clone().unbind()));
    }
    Err(PyTypeError::new_err(format!("expected {EXPECTED}, not {}", object.get_type().name()?)))
}

/// Whether it is something to iterate over, and nothing else that can be read.
fn is_iterator(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_other = object.is_instance_of::<PyString>()
        || object.hasattr("__fspath__")?
        || has_buffer(object)
        || object.hasattr("read")?
        || object.is_instance_of::<PyMapping>();
    Ok(!is_other && object.hasattr("__iter__")?)
}

/// Paths, where the first that an iterator gives is one; else pieces of one log.
fn stream(object: &Bound<'_, PyAny>) -> PyResult<Vec<Input>> {
    let mut items = object.try_iter()?;
    let Some(first) = items.next().transpose()? else {
        return Ok(vec![Input::Bytes(PyBytes::new(object.py(), b"").unbind())]);
    };
    if first.is_instance_of::<PyString>() || first.hasattr("__fspath__")? {
        let rest = items.map(|item| one(&item?));
        return std::iter::once(one(&first)).chain(rest).collect();
    }
    Ok(vec![Input::Stream(first.unbind(), items.into_any().unbind())])
}

/// A path of any kind; bytes that are no text in it are kept.
pub fn path(object: &Bound<'_, PyAny>) -> PyResult<OsString> {
    object.py().import("os")?.call_method1("fsdecode", (object,))?.extract()
}

fn has_buffer(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyBytes>() || PyMemoryView::from(object).is_ok()
}

fn is_text(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.is_instance(&object.py().import("io")?.getattr("TextIOBase")?)
}

/// Whether a path can be opened again and again: patterns match such files.
fn is_regular(path: &OsString) -> bool {
    fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// A file object, named after its file where it has one.
fn file(object: &Bound<'_, PyAny>) -> Source {
    let source = Source::reader(File::new(object.clone().unbind()));
    match object.getattr("name").and_then(|name| name.extract::<String>()) {
        Ok(name) => source.with_name(name),
        Err(_) => source,
    }
}

fn standard_input(py: Python<'_>) -> PyResult<Source> {
    let buffer = py.import("sys")?.getattr("stdin")?.getattr("buffer")?;
    Ok(Source::reader(File::new(buffer.unbind())))
}

/// Pipes and devices are opened and read by Python, which listens to Ctrl-C while they block.
fn interruptible(source: Source) -> Result<Source> {
    let Some(path) = source.as_path().filter(|path| fs::metadata(path).is_ok_and(|found| !found.is_file()))
    else {
        return Ok(source);
    };
    let name = source.name();
    let opened = Python::attach(|py| {
        let opened = py.import("io")?.call_method1("FileIO", (path.as_os_str(),))?;
        Ok(Source::reader(File::owned(opened.unbind())))
    });
    let opened = opened.map_err(carry)?;
    Ok(match name {
        Some(name) => opened.with_name(name),
        None => opened,
    })
}
