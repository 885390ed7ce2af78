//! Logs as batches.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use nasalogs::StringType;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::batch::{self, RecordBatch};
use crate::capsule;
use crate::choice::{OnReject, Passed, max_rejects, names, pairs, raise};
use crate::input::Inputs;
use crate::pass::{Log, Pass, Run};
use crate::reject::Reject;
use crate::schema::Schema;
use crate::summary::Summary;
use crate::{signal, value};

/// Logs, ready to be read. Each loop over it, each library that takes it, reads them from the start; file objects and
/// generators can be read once.
#[pyclass(frozen, module = "nasalogs")]
pub struct Reader {
    log: Arc<Log>,
    strings: StringType,
    schema: SchemaRef,
}

impl Reader {
    /// The whole of it, as an object of the Python half of the package makes it.
    fn frame(slf: &Bound<'_, Self>, how: &str) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("nasalogs._frame")?.call_method1(how, (slf,))?.unbind())
    }
}

#[pymethods]
impl Reader {
    /// The columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(Arc::clone(&self.schema), self.log.format())
    }

    /// The format: its name, or the format string; of several, the one with the most columns.
    #[getter]
    fn format(&self) -> Option<String> {
        self.log.format().map(ToString::to_string)
    }

    /// What the latest reading has read so far, and what became of every line.
    #[getter]
    fn summary(&self, py: Python<'_>) -> Summary {
        let pass = self.log.latest();
        Summary { summary: py.detach(|| pass.summary()), written: None }
    }

    /// The rejected lines of the latest reading, with `on_reject="collect"`.
    #[getter]
    fn rejects(&self) -> Vec<Reject> {
        self.log.rejects().into_iter().map(Reject).collect()
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Batches> {
        let pass = raise(py, py.detach(|| self.log.begin(self.strings)))?;
        Ok(Batches { log: Arc::clone(&self.log), pass })
    }

    /// The same logs with another layout of strings: `"utf8"`, `"view"` or `"compact"`. Whichever of the two is read
    /// first takes what can be read only once.
    fn with_strings(&self, py: Python<'_>, strings: &str) -> PyResult<Self> {
        let strings: StringType = raise(py, strings.parse())?;
        let schema = nasalogs::schema::with_strings(&self.schema, strings);
        Ok(Self { log: Arc::clone(&self.log), strings, schema })
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_log(py, Arc::clone(&self.log), &self.schema, self.strings, requested_schema)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_schema(py, &self.schema)
    }

    /// All rows as a `pyarrow.Table`.
    fn to_pyarrow(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_pyarrow")
    }

    /// All rows as a `pandas.DataFrame`.
    fn to_pandas(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_pandas")
    }

    /// All rows as a `polars.DataFrame`.
    fn to_polars(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_polars")
    }

    /// All rows as a DuckDB relation of a connection, or of DuckDB's default one.
    #[pyo3(signature = (connection=None))]
    fn to_duckdb(slf: &Bound<'_, Self>, connection: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("nasalogs._frame")?.call_method1("to_duckdb", (slf, connection))?.unbind())
    }

    /// All rows as dicts. Needs no other package, and much memory.
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let batches = self.__iter__(py)?;
        let rows = PyList::empty(py);
        while let Some(batch) = batches.__next__(py)? {
            value::append_rows(py, batch.batch(), &rows)?;
        }
        Ok(rows)
    }

    /// All columns as lists, by name. Needs no other package.
    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let batches = self.__iter__(py)?;
        let all = PyDict::new(py);
        for field in self.schema.fields() {
            all.set_item(field.name(), PyList::empty(py))?;
        }
        while let Some(batch) = batches.__next__(py)? {
            for (name, values) in value::columns(py, batch.batch())? {
                if let Some(list) = all.get_item(name)? {
                    list.call_method1("extend", (values,))?;
                }
            }
        }
        Ok(all)
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let format = self.log.format().map(ToString::to_string).unwrap_or_default();
        format!("<nasalogs.Reader format={format:?} columns={}>", names.join(","))
    }
}

/// One reading: gives batch after batch.
#[pyclass(frozen, module = "nasalogs")]
pub struct Batches {
    log: Arc<Log>,
    pass: Arc<Pass>,
}

#[pymethods]
impl Batches {
    /// What has been read so far.
    #[getter]
    fn summary(&self, py: Python<'_>) -> Summary {
        Summary { summary: py.detach(|| self.pass.summary()), written: None }
    }

    /// The columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(Arc::clone(self.pass.schema()), self.log.format())
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let next = py.detach(|| self.pass.next(signal::check));
        Ok(raise(py, next)?.map(batch::RecordBatch::new))
    }
}

/// Opens logs, to be read batch by batch or by any library that knows Arrow.
#[pyfunction]
#[pyo3(signature = (
    source, *, format="auto", columns=None, extras=None, encoding="escape", strings="utf8", names="nasalogs", rename=None,
    on_reject=None, max_rejects=None, strict=false, max_line=None, batch_bytes=None, jobs=0
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn read(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    format: &str,
    columns: Option<&Bound<'_, PyAny>>,
    extras: Option<&Bound<'_, PyAny>>,
    encoding: &str,
    strings: &str,
    names: &str,
    rename: Option<&Bound<'_, PyAny>>,
    on_reject: Option<&Bound<'_, PyAny>>,
    max_rejects: Option<&Bound<'_, PyAny>>,
    strict: bool,
    max_line: Option<usize>,
    batch_bytes: Option<usize>,
    jobs: usize,
) -> PyResult<Reader> {
    let passed = Passed {
        format,
        columns: self::names("columns", columns)?,
        extras: self::names("extras", extras)?.unwrap_or_default(),
        encoding,
        strings,
        names,
        rename: pairs(rename)?,
        max_line,
        batch_bytes,
    };
    let choices = passed.choices(py)?;
    let run = Run {
        jobs,
        on_reject: on_reject.map_or(Ok(OnReject::Count), OnReject::new)?,
        max_rejects: self::max_rejects(max_rejects)?,
        strict,
    };
    let inputs = Inputs::new(source)?;
    let log = Arc::new(raise(py, py.detach(|| Log::open(inputs, choices, run)))?);
    Ok(Reader { strings: log.strings(), schema: Arc::clone(log.schema()), log })
}
