//! Logs as batches.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use nasalogs::StringType;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::batch::{self, RecordBatch};
use crate::capsule;
use crate::choice::{Count, OnReject, Passed, max_rejects, names, pairs, raise};
use crate::input::Inputs;
use crate::pass::{Log, Pass, Run};
use crate::reject::Reject;
use crate::schema::Schema;
use crate::summary::Summary;
use crate::value;

/// Logs, ready to be read: what `read` gives.
///
/// Each loop over it, and each library that takes it, reads the logs from their start; file objects and
/// generators can be read once. It is an Arrow stream (`__arrow_c_stream__`), so that pyarrow, Polars, DuckDB
/// and others take it as it is.
///
/// Example:
///
///     >>> reader = nasalogs.read(nasalogs.generate(3).read())
///     >>> [batch.num_rows for batch in reader]
///     [3]
///     >>> import duckdb
///     >>> duckdb.sql("SELECT count(*) FROM reader").fetchall()
///     [(3,)]
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
        Schema::new(Arc::clone(&self.schema), self.log.format(), self.log.naming())
    }

    /// The format: its name, or the format string; of several, the one with the most columns.
    #[getter]
    fn format(&self) -> Option<String> {
        self.log.format().map(ToString::to_string)
    }

    /// What the latest reading has read so far, and what became of every line.
    #[getter]
    fn summary(&self, py: Python<'_>) -> PyResult<Summary> {
        let pass = self.log.latest();
        let summary = raise(py, py.detach(|| pass.summary()))?;
        Ok(Summary { summary, written: None })
    }

    /// The rejected lines of the latest reading, with `on_reject="collect"`.
    #[getter]
    fn rejects(&self) -> Vec<Reject> {
        self.log.rejects().into_iter().map(Reject).collect()
    }

    /// Begins a reading from the start.
    fn __iter__(&self, py: Python<'_>) -> PyResult<Batches> {
        let pass = raise(py, py.detach(|| self.log.begin(self.strings)))?;
        Ok(Batches { log: Arc::clone(&self.log), pass })
    }

    /// The same logs with text in another Arrow layout: "utf8", "view" or "compact", as in `read`.
    ///
    /// Whichever of the two is read first takes what can be read only once.
    ///
    /// Example:
    ///
    ///     >>> reader = nasalogs.read(nasalogs.generate(3).read(), columns=["path"])
    ///     >>> reader.with_strings("view").to_pyarrow().schema.field("path").type
    ///     DataType(string_view)
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

    /// All rows as a `pyarrow.Table`. Needs pyarrow.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.read(nasalogs.generate(1000)).to_pyarrow().num_rows
    ///     1000
    fn to_pyarrow(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_pyarrow")
    }

    /// All rows as a `pandas.DataFrame`. Needs pandas and pyarrow.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.read(nasalogs.generate(1000)).to_pandas().shape
    ///     (1000, 11)
    fn to_pandas(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_pandas")
    }

    /// All rows as a `polars.DataFrame`. Text is not copied out of the log: the layout is "view", whatever was
    /// chosen. Needs polars.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.read(nasalogs.generate(1000)).to_polars().shape
    ///     (1000, 11)
    fn to_polars(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Self::frame(slf, "to_polars")
    }

    /// All rows as a `duckdb.DuckDBPyRelation`. Needs duckdb.
    ///
    /// It reads the log when it is queried, and anew for each query; `.create("logs")` keeps the rows in a table.
    ///
    /// Args:
    ///     connection: The connection that the relation belongs to; None is DuckDB's default one.
    ///
    /// Example:
    ///
    ///     >>> logs = nasalogs.read(nasalogs.generate(1000).read()).to_duckdb()
    ///     >>> logs.aggregate("count(*)").fetchall()
    ///     [(1000,)]
    #[pyo3(signature = (connection=None))]
    fn to_duckdb(slf: &Bound<'_, Self>, connection: Option<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("nasalogs._frame")?.call_method1("to_duckdb", (slf, connection))?.unbind())
    }

    /// All rows as dicts by column. Needs no other package, but about 1 KB of memory a row: loop over the batches of
    /// a large log.
    ///
    /// Example:
    ///
    ///     >>> log = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245\n'
    ///     >>> nasalogs.read(log, columns=["host", "bytes"]).to_pylist()
    ///     [{'host': 'h', 'bytes': 6245}]
    fn to_pylist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let batches = self.__iter__(py)?;
        let rows = PyList::empty(py);
        while let Some(batch) = batches.__next__(py)? {
            value::append_rows(py, batch.batch(), &rows)?;
        }
        Ok(rows)
    }

    /// All columns as lists, by name. Needs no other package.
    ///
    /// Example:
    ///
    ///     >>> log = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245\n'
    ///     >>> nasalogs.read(log, columns=["host", "bytes"]).to_pydict()
    ///     {'host': ['h'], 'bytes': [6245]}
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

/// One reading of a log: an iterator that gives batch after batch, each of some thousand rows.
///
/// Threads may share it: each batch goes to one of them.
///
/// Example:
///
///     >>> batches = iter(nasalogs.read(nasalogs.generate(10_000)))
///     >>> sum(batch.num_rows for batch in batches)
///     10000
///     >>> batches.summary.rows
///     10000
#[pyclass(frozen, module = "nasalogs")]
pub struct Batches {
    log: Arc<Log>,
    pass: Arc<Pass>,
}

#[pymethods]
impl Batches {
    /// What has been read so far.
    #[getter]
    fn summary(&self, py: Python<'_>) -> PyResult<Summary> {
        let summary = raise(py, py.detach(|| self.pass.summary()))?;
        Ok(Summary { summary, written: None })
    }

    /// The columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema::new(Arc::clone(self.pass.schema()), self.log.format(), self.log.naming())
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let next = py.detach(|| self.pass.next());
        Ok(raise(py, next)?.map(batch::RecordBatch::new))
    }
}

/// Opens logs, to be read batch by batch, or whole by any library that knows Arrow.
///
/// The format of each input is detected at once, from its first 256 KiB; the rest is read when somebody asks
/// for it, decompressed and parsed on threads of its own. Lines that are no rows do not end the reading: they
/// are counted by reason, unless `on_reject`, `max_rejects` or `strict` say otherwise.
///
/// Args:
///     source: A path or a pattern such as "logs/*.gz" (str or os.PathLike; "-" is standard input); bytes or
///         another object with a buffer; a binary file object, which is read from where it stands; an iterable
///         of bytes, cut anywhere; or a list of these, which is read as one log. gzip, Zstandard, bzip2 and xz
///         are known by their first bytes.
///     format: "auto", the name of a format ("common", "combined", "vhost_common", "vhost_combined",
///         "nginx_main"), or an Apache LogFormat or nginx log_format string.
///     columns: The wanted columns, in this order; None is all of the format. Rows and rejects do not depend
///         on it.
///     extras: Further columns, behind the others: "line", "byte_offset", "raw", "file".
///     encoding: What becomes of bytes that are not UTF-8: "escape" writes each as \xHH, "latin1" reads every
///         byte as a character, "binary" makes text columns binary.
///     strings: The Arrow layout of text: "utf8" is plain and what every library understands; "view" points
///         into the log, without a copy; "compact" is views of a copy.
///     names: "nasalogs", or "classic" for ip, timestamp (as logged), method, url, protocol, status_code and
///         bytes (0 for "-").
///     rename: Other names for columns, as {"host": "client"}; `columns` means the names before that.
///     on_reject: What to do with a line that is no row: "count" it, "collect" it for
///         `Reader.rejects`, "raise" ParseError, or a function that is called with each Reject.
///     max_rejects: Raise ParseError if more lines are rejected, a share of them at the end: a number of lines such as 100, a
///         share of them such as 0.005, or "0.5%". None allows any number, but not that all are.
///     strict: Raise ParseError at the end if any line is rejected.
///     max_line: The longest line in bytes, without its end; longer ones are rejected. None is 1 MiB.
///     batch_bytes: How many bytes of log make a batch, from 1 KiB to 64 MiB. None is 512 KiB.
///     jobs: How many threads parse; 0 is one for each processor.
///
/// Returns:
///     A Reader. It can be read again and again, if its inputs can.
///
/// Raises:
///     OSError: An input cannot be opened or read, or is damaged.
///     ParseError: No line of the log is a row, or the log is UTF-16.
///     ValueError: An argument is none of those it can be.
///     TypeError: `source`, or what it gives, is nothing that can be read.
///
/// Example:
///
///     >>> log = b'h - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245\nno log line\n'
///     >>> reader = nasalogs.read(log, columns=["path", "status"])
///     >>> reader.to_pylist()
///     [{'path': '/a', 'status': 200}]
///     >>> reader.summary
///     Summary(files=1, lines=2, rows=1, rejected=1, blank=0)
#[pyfunction]
#[pyo3(signature = (
    source, *, format="auto", columns=None, extras=None, encoding="escape", strings="utf8", names="nasalogs", rename=None,
    on_reject=OnReject::Count, max_rejects=None, strict=false, max_line=None, batch_bytes=None, jobs=Count(0)
), text_signature = "(source, *, format='auto', columns=None, extras=None, encoding='escape', strings='utf8', \
names='nasalogs', rename=None, on_reject='count', max_rejects=None, strict=False, max_line=None, batch_bytes=None, \
jobs=0)")]
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
    on_reject: OnReject,
    max_rejects: Option<&Bound<'_, PyAny>>,
    strict: bool,
    max_line: Option<Count>,
    batch_bytes: Option<Count>,
    jobs: Count,
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
    let run = Run { jobs: jobs.0, on_reject, max_rejects: self::max_rejects(max_rejects)?, strict };
    let inputs = Inputs::new(source)?;
    let log = Arc::new(raise(py, py.detach(|| Log::open(inputs, choices, run)))?);
    Ok(Reader { strings: log.strings(), schema: Arc::clone(log.schema()), log })
}
