//! Lines that are no rows.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A line that is no row, and why. With str(), as a message.
///
/// Example:
///
///     >>> [reject] = nasalogs.parse(["no log line"]).rejects
///     >>> reject.kind, reject.line, reject.raw
///     ('missing_field', 1, b'no log line')
#[pyclass(frozen, eq, module = "nasalogs")]
#[derive(PartialEq, Eq)]
pub struct Reject(pub nasalogs::Reject);

#[pymethods]
impl Reject {
    /// Why, as one word that programs can rely on, such as "bad_timestamp".
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.reason.as_str()
    }

    /// Why, as a sentence.
    #[getter]
    fn message(&self) -> &'static str {
        self.0.reason.describe()
    }

    /// The input's name, if it has one.
    #[getter]
    fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The line's number in its input, from 1.
    #[getter]
    fn line(&self) -> u64 {
        self.0.line
    }

    /// The byte offset of the line's start in the decompressed input, from 0.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The line's bytes without its line end, at most 64 KiB of them.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.raw)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Reject {} at line {}: {}>", self.kind(), self.line(), shortened(&self.0.text()))
    }
}

/// What of a text a representation shows.
pub fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}
