//! The account of a run.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The account of a run: what was read, and what became of every line.
///
/// `rows + rejected + blank == lines`, always.
///
/// Example:
///
///     >>> reader = nasalogs.read(nasalogs.generate(1000, oddities=0.1))
///     >>> rows = reader.to_pylist()
///     >>> summary = reader.summary
///     >>> summary.rows + summary.rejected + summary.blank == summary.lines == 1000
///     True
#[pyclass(frozen, module = "nasalogs")]
pub struct Summary {
    pub summary: nasalogs::Summary,
    /// What was written, and how long it took, where something was.
    pub written: Option<(u64, f64)>,
}

#[pymethods]
impl Summary {
    /// Inputs that were read.
    #[getter]
    fn files(&self) -> u64 {
        self.summary.files
    }

    /// Lines.
    #[getter]
    fn lines(&self) -> u64 {
        self.summary.lines
    }

    /// Lines that became rows.
    #[getter]
    fn rows(&self) -> u64 {
        self.summary.rows
    }

    /// Lines that were rejected.
    #[getter]
    fn rejected(&self) -> u64 {
        self.summary.rejected
    }

    /// Lines that are empty, or only blanks.
    #[getter]
    fn blank(&self) -> u64 {
        self.summary.blank
    }

    /// How many lines were rejected for each reason; reasons that did not occur are missing.
    #[getter]
    fn rejects_by_reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (reason, count) in self.summary.rejects.iter() {
            counts.set_item(reason.as_str(), count)?;
        }
        Ok(counts)
    }

    /// Bytes that were read, compressed ones as they are.
    #[getter]
    fn bytes_in(&self) -> u64 {
        self.summary.bytes_in
    }

    /// Bytes of log, decompressed.
    #[getter]
    fn bytes_parsed(&self) -> u64 {
        self.summary.bytes_parsed
    }

    /// Bytes that `convert` has written; None for a reading.
    #[getter]
    fn bytes_out(&self) -> Option<u64> {
        self.written.map(|(bytes, _)| bytes)
    }

    /// How long `convert` took; None for a reading, whose pace is the caller's.
    #[getter]
    fn seconds(&self) -> Option<f64> {
        self.written.map(|(_, seconds)| seconds)
    }

    /// The format that was read: its name, or the format string; None before it is known.
    #[getter]
    fn format(&self) -> Option<String> {
        self.summary.format.as_ref().map(ToString::to_string)
    }

    /// All of it, for JSON.
    ///
    /// Example:
    ///
    ///     >>> import json
    ///     >>> reader = nasalogs.read(nasalogs.generate(10))
    ///     >>> rows = reader.to_pylist()
    ///     >>> json.dumps(reader.summary.to_dict())
    ///     '{"files": 1, "lines": 10, "rows": 10, ...}'
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        all.set_item("files", self.files())?;
        all.set_item("lines", self.lines())?;
        all.set_item("rows", self.rows())?;
        all.set_item("rejected", self.rejected())?;
        all.set_item("blank", self.blank())?;
        all.set_item("rejects_by_reason", self.rejects_by_reason(py)?)?;
        all.set_item("bytes_in", self.bytes_in())?;
        all.set_item("bytes_parsed", self.bytes_parsed())?;
        all.set_item("bytes_out", self.bytes_out())?;
        all.set_item("seconds", self.seconds())?;
        all.set_item("format", self.format())?;
        Ok(all)
    }

    fn __repr__(&self) -> String {
        let nasalogs::Summary { files, lines, rows, rejected, blank, .. } = &self.summary;
        format!("Summary(files={files}, lines={lines}, rows={rows}, rejected={rejected}, blank={blank})")
    }
}
