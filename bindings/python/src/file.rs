//! Bytes out of Python objects.

use std::io::{self, Read};

use pyo3::exceptions::{PyBlockingIOError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView, PySlice, PyString};

/// Makes an exception an error of reading, out of which [`crate::error::exception`] takes it again.
fn carried(error: PyErr) -> io::Error {
    io::Error::other(error)
}

/// What an object that gives bytes piece by piece gave, and how much of it was passed on.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    at: usize,
}

impl Piece {
    fn give(&mut self, space: &mut [u8]) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        count
    }

    /// Passes on what there is room for, and keeps the rest.
    fn put(&mut self, given: &[u8], space: &mut [u8]) -> usize {
        let count = given.len().min(space.len());
        space[..count].copy_from_slice(&given[..count]);
        self.bytes.clear();
        self.bytes.extend_from_slice(&given[count..]);
        self.at = 0;
        count
    }
}

/// The bytes of an object: `bytes`, or anything with a buffer.
fn with_bytes<R>(object: &Bound<'_, PyAny>, wanted: &str, use_it: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(use_it(bytes.as_bytes()));
    }
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{wanted} gave str, not bytes; open it in binary mode")));
    }
    let bytes = bytes_of(object).map_err(|_| {
        let name =
            object.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{wanted} gave {name}, not bytes"))
    })?;
    Ok(use_it(bytes.as_bytes()))
}

/// A copy of what is in a buffer of bytes.
///
/// # Errors
/// `TypeError` when it is no buffer, its items are larger, or they do not lie side by side.
pub fn bytes_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let view = PyMemoryView::from(object)?;
    if view.getattr("itemsize")?.extract::<usize>()? != 1 {
        return Err(PyTypeError::new_err("the buffer holds numbers, not bytes"));
    }
    Ok(view.call_method1("cast", ("B",))?.call_method0("tobytes")?.cast_into::<PyBytes>()?)
}

/// A file object: anything with a method `read` that gives bytes.
pub struct File {
    object: Py<PyAny>,
    rest: Piece,
    /// Whether it was opened here, and is closed here.
    own: bool,
}

impl Drop for File {
    fn drop(&mut self) {
        if self.own {
            // Nobody can be told; nothing was written.
            let _ = Python::attach(|py| self.object.call_method0(py, "close").map(drop));
        }
    }
}

impl File {
    /// Reads from where the object stands. The object is not closed.
    pub fn new(object: Py<PyAny>) -> Self {
        Self { object, rest: Piece::default(), own: false }
    }

    /// Reads an object that is closed when it is no longer needed.
    pub fn owned(object: Py<PyAny>) -> Self {
        Self { object, rest: Piece::default(), own: true }
    }
}

impl Read for File {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.give(space);
        if left > 0 || space.is_empty() {
            return Ok(left);
        }
        Python::attach(|py| {
            let given = self.object.bind(py).call_method1("read", (space.len(),))?;
            if given.is_none() {
                return Err(PyBlockingIOError::new_err(
                    "the file object is non-blocking and has nothing to give; pass a blocking one",
                ));
            }
            with_bytes(&given, "the file object's read()", |given| self.rest.put(given, space))
        })
        .map_err(carried)
    }
}

/// An iterator over pieces of a log, cut anywhere.
pub struct Pieces {
    /// The first piece, where somebody has looked at it.
    first: Option<Py<PyAny>>,
    iterator: Py<PyAny>,
    rest: Piece,
}

impl Pieces {
    /// Takes pieces until there are no more.
    pub fn new(first: Option<Py<PyAny>>, iterator: Py<PyAny>) -> Self {
        Self { first, iterator, rest: Piece::default() }
    }
}

impl Read for Pieces {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.give(space);
        if left > 0 || space.is_empty() {
            return Ok(left);
        }
        Python::attach(|py| {
            let first = self.first.take().map(|first| Ok(first.into_bound(py)));
            for piece in first.into_iter().chain(self.iterator.bind(py).try_iter()?) {
                let count = with_bytes(&piece?, "the iterable", |piece| self.rest.put(piece, space))?;
                // An empty piece is not the end.
                if count > 0 {
                    return Ok(count);
                }
            }
            Ok(0)
        })
        .map_err(carried)
    }
}

/// A buffer that others can write to: copied a little at a time, so that no byte is looked at twice.
pub struct Buffer {
    view: Py<PyAny>,
    at: usize,
}

impl Buffer {
    /// Reads a buffer from its start.
    ///
    /// # Errors
    /// `TypeError` when its bytes do not lie side by side.
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let view = PyMemoryView::from(object)?.call_method1("cast", ("B",))?;
        Ok(Self { view: view.unbind(), at: 0 })
    }
}

impl Read for Buffer {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let (start, end) = (self.at as isize, self.at.saturating_add(space.len()) as isize);
            let part =
                self.view.bind(py).get_item(PySlice::new(py, start, end, 1))?.call_method0("tobytes")?;
            let part = part.cast::<PyBytes>()?.as_bytes();
            space[..part.len()].copy_from_slice(part);
            self.at += part.len();
            Ok(part.len())
        })
        .map_err(carried)
    }
}

/// `bytes`, which nobody can change: read in place.
pub struct Bytes(pub PyBackedBytes);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
