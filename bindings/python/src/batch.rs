//! A batch of rows.

use arrow::array as arrays;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList, PyTuple};

use crate::reject::Reject;
use crate::schema::Schema;
use crate::{capsule, value};

/// Rows, column by column: what a loop over a Reader gives, and what `parse` returns.
///
/// Any library that knows Arrow takes it without a copy (`__arrow_c_array__`, `__arrow_c_stream__`).
///
/// Example:
///
///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
///     >>> batch = nasalogs.parse([line, line])
///     >>> len(batch), batch.column("bytes")
///     (2, [6245, 6245])
///     >>> import pyarrow
///     >>> pyarrow.record_batch(batch).num_columns
///     11
#[pyclass(frozen, module = "nasalogs")]
pub struct RecordBatch {
    batch: arrays::RecordBatch,
    rejects: Vec<nasalogs::Reject>,
}

impl RecordBatch {
    /// A batch of a reading.
    pub fn new(batch: arrays::RecordBatch) -> Self {
        Self { batch, rejects: Vec::new() }
    }

    /// A batch with the lines that are no rows.
    pub fn with_rejects(batch: arrays::RecordBatch, rejects: Vec<nasalogs::Reject>) -> Self {
        Self { batch, rejects }
    }

    /// The rows.
    pub fn batch(&self) -> &arrays::RecordBatch {
        &self.batch
    }

    fn frame(slf: &Bound<'_, Self>, how: &str) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("nasalogs._frame")?.call_method1(how, (slf,))?.unbind())
    }
}

#[pymethods]
impl RecordBatch {
    /// How many rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// How many columns.
    #[getter]
    fn num_columns(&self) -> usize {
        self.batch.num_columns()
    }

    /// The names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(self.batch.schema(), None, &nasalogs::Naming::default())
    }

    /// The lines that are no rows, of a batch that `parse` gave; else empty.
    #[getter]
    fn rejects(&self) -> Vec<Reject> {
        self.rejects.iter().cloned().map(Reject).collect()
    }

    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    /// The values of a column, as a list; times are UTC datetimes. Raises KeyError where there is no such column.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line]).column("ts")
    ///     [datetime.datetime(1995, 7, 1, 4, 0, 1, tzinfo=datetime.timezone.utc)]
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        let array = self.batch.column_by_name(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        value::column(py, array)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        capsule::of_batch(py, &self.batch, requested_schema)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_one(py, &self.batch, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_schema(py, &self.batch.schema())
    }

    /// The rows as a `pyarrow.RecordBatch`. Needs pyarrow.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line]).to_pyarrow().column("status")[0].as_py()
    ///     200
    fn to_pyarrow(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "batch_to_pyarrow")
    }

    /// The rows as a `pandas.DataFrame`. Needs pandas and pyarrow.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line]).to_pandas().shape
    ///     (1, 11)
    fn to_pandas(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "batch_to_pandas")
    }

    /// The rows as a `polars.DataFrame`. Needs polars.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line]).to_polars().item(0, "status")
    ///     200
    fn to_polars(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "batch_to_polars")
    }

    /// The rows as dicts by column. Needs no other package.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line], columns=["path", "status"]).to_pylist()
    ///     [{'path': '/', 'status': 200}]
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        value::append_rows(py, &self.batch, &rows)?;
        Ok(rows)
    }

    /// The columns as lists, by name. Needs no other package.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> nasalogs.parse([line], columns=["path", "status"]).to_pydict()
    ///     {'path': ['/'], 'status': [200]}
    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        value::columns(py, &self.batch)
    }

    fn __repr__(&self) -> String {
        let names = self.column_names().join(",");
        format!("<nasalogs.RecordBatch rows={} columns={names}>", self.num_rows())
    }
}
