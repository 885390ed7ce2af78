//! One line at a time.

use std::ops::Range;
use std::sync::Arc;

use nasalogs::field::text::{escape_invalid, latin1_into};
use nasalogs::{Encoding, Names, Reject, RejectReason, Value, schema};
use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyString};

use crate::choice::{pairs, raise};
use crate::error::parse_error;
use crate::layout::{Layout, known, layout};
use crate::parse::with_line;
use crate::reject::shortened;
use crate::value::datetime;

/// One line, parsed: what `parse_line` gives. Its columns are attributes, and keys too; what was not logged is
/// None.
///
/// `ts` is a datetime in the offset that was logged. A value becomes a Python object when it is asked for.
///
/// Example:
///
///     >>> record = nasalogs.parse_line('h - - [01/Jul/1995:00:00:01 -0400] "GET /a HTTP/1.0" 200 -')
///     >>> record.host, record["status"], record.bytes
///     ('h', 200, None)
///     >>> dict(record)["path"]
///     '/a'
#[pyclass(frozen, eq, hash, module = "nasalogs")]
#[derive(PartialEq, Eq, Hash)]
pub struct Record {
    line: Box<[u8]>,
    encoding: Encoding,
    layout: Arc<Layout>,
    values: Box<[Stored]>,
}

/// A value; texts are parts of the line.
#[derive(PartialEq, Eq, Hash)]
enum Stored {
    Null,
    Text(Range<u32>),
    /// A part of the line that is text whatever the encoding.
    Ascii(Range<u32>),
    /// A text that is no part of the line.
    Made(Box<[u8]>),
    Int(i64),
    /// Milliseconds since 1970 UTC, and minutes east.
    Time(i64, i16),
}

impl Record {
    /// The number of a column.
    fn find(&self, name: &str) -> Option<usize> {
        self.layout.names.iter().position(|known| known == name)
    }

    fn value<'py>(&self, py: Python<'py>, column: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.values[column] {
            Stored::Null => Ok(py.None().into_bound(py)),
            Stored::Text(range) => Ok(self.text(py, part(&self.line, range))),
            Stored::Ascii(range) => {
                Ok(PyString::new(py, &String::from_utf8_lossy(part(&self.line, range))).into_any())
            }
            Stored::Made(bytes) => Ok(self.text(py, bytes)),
            Stored::Int(value) => Ok(value.into_pyobject(py)?.into_any()),
            Stored::Time(ms, tz_offset) => Ok(datetime(py, *ms, *tz_offset)?.into_any()),
        }
    }

    fn attribute<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let missing = || {
            let names = self.layout.names.join(", ");
            PyAttributeError::new_err(format!("the record has no column {name:?}; it has {names}"))
        };
        self.value(py, self.find(name).ok_or_else(missing)?)
    }

    fn text<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyAny> {
        match (self.encoding, std::str::from_utf8(bytes)) {
            (Encoding::Binary, _) => PyBytes::new(py, bytes).into_any(),
            (Encoding::Latin1, _) if !bytes.is_ascii() => {
                let mut text = String::new();
                latin1_into(bytes, &mut text);
                PyString::new(py, &text).into_any()
            }
            (_, Ok(text)) => PyString::new(py, text).into_any(),
            (_, Err(_)) => PyString::new(py, &escape_invalid(bytes)).into_any(),
        }
    }
}

// The usual columns are attributes that Python knows, which is several times faster than to ask `__getattr__` for them; that is
// asked for all others.
#[pymethods]
impl Record {
    /// The virtual host.
    #[getter]
    fn vhost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "vhost")
    }

    /// The virtual host's port.
    #[getter]
    fn vhost_port<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "vhost_port")
    }

    /// The client: a name or an address, as logged.
    #[getter]
    fn host<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "host")
    }

    /// RFC 1413 identity.
    #[getter]
    fn ident<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "ident")
    }

    /// The user of HTTP authentication.
    #[getter]
    fn authuser<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "authuser")
    }

    /// The time of the request, in the offset that was logged.
    #[getter]
    fn ts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "ts")
    }

    /// The logged UTC offset, in minutes east.
    #[getter]
    fn tz_offset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "tz_offset")
    }

    /// The request's method.
    #[getter]
    fn method<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "method")
    }

    /// The request's target up to its first `?`.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "path")
    }

    /// What follows that `?`.
    #[getter]
    fn query<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "query")
    }

    /// The request's protocol.
    #[getter]
    fn protocol<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "protocol")
    }

    /// The HTTP status.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "status")
    }

    /// The size of the response body, in bytes; `None` when `-` was logged.
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "bytes")
    }

    /// The Referer header.
    #[getter]
    fn referer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "referer")
    }

    /// The User-Agent header.
    #[getter]
    fn user_agent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "user_agent")
    }

    /// The X-Forwarded-For header.
    #[getter]
    fn x_forwarded_for<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, "x_forwarded_for")
    }

    fn __getattr__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.attribute(py, name)
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.value(py, self.find(name).ok_or_else(|| PyKeyError::new_err(name.to_owned()))?)
    }

    fn __contains__(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn __len__(&self) -> usize {
        self.values.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        PyList::new(py, &self.layout.names)?.try_iter()
    }

    fn __dir__(&self) -> Vec<&str> {
        self.layout
            .names
            .iter()
            .map(String::as_str)
            .chain(["get", "items", "keys", "raw_line", "to_dict", "values"])
            .collect()
    }

    /// The names of the columns, so that `dict(record)` works.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 -'
    ///     >>> nasalogs.parse_line(line, names="classic").keys()
    ///     ['ip', 'timestamp', 'method', 'url', 'protocol', 'status_code', 'bytes']
    fn keys(&self) -> Vec<&str> {
        self.layout.names.iter().map(String::as_str).collect()
    }

    /// The columns and their values.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 -'
    ///     >>> record = nasalogs.parse_line(line, names="classic").to_dict()
    ///     >>> record["url"], record["bytes"]
    ///     ('/a?b', 0)
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (index, key) in self.layout.keys.iter().enumerate() {
            all.set_item(key.bind(py), self.value(py, index)?)?;
        }
        Ok(all)
    }

    /// The value of a column, or another where there is no such column.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 1'
    ///     >>> nasalogs.parse_line(line).get("user_agent", "unknown")
    ///     'unknown'
    #[pyo3(signature = (name, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.find(name) {
            Some(column) => self.value(py, column),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    /// The values of the columns, in order.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 1'
    ///     >>> nasalogs.parse_line(line).values()[-2:]
    ///     [200, 1]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        (0..self.values.len()).map(|column| self.value(py, column)).collect()
    }

    /// The names of the columns and their values, in order.
    ///
    /// Example:
    ///
    ///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 1'
    ///     >>> nasalogs.parse_line(line).items()[-2:]
    ///     [('status', 200), ('bytes', 1)]
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Vec<(&str, Bound<'py, PyAny>)>> {
        self.keys().into_iter().zip(self.values(py)?).map(Ok).collect()
    }

    /// The line's bytes, without its line end.
    #[getter]
    fn raw_line<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.line)
    }

    fn __repr__(&self) -> String {
        format!("<Record {}>", shortened(&nasalogs::field::text::escape_control(&self.line)))
    }
}

/// Parses one line.
///
/// Args:
///     line: The line, as str or bytes, with or without its line end.
///     format: As in `read`. "auto" looks at the line each time: name the format where speed counts.
///     encoding: What becomes of bytes that are not UTF-8: "escape", "latin1" or "binary".
///     names: "nasalogs" or "classic".
///     rename: Other names for columns, as {"host": "client"}.
///
/// Returns:
///     A Record: its columns are attributes and keys.
///
/// Raises:
///     ParseError: The line is no row; `kind` says why.
///     ValueError: An argument is none of those it can be.
///     TypeError: `line` is neither str nor bytes.
///
/// Example:
///
///     >>> line = 'h - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245'
///     >>> record = nasalogs.parse_line(line)
///     >>> record.path, record["query"], record.status
///     ('/a', 'b', 200)
///     >>> record.ts.isoformat()
///     '1995-07-01T00:00:01-04:00'
///     >>> nasalogs.parse_line(line, names="classic").url
///     '/a?b'
#[pyfunction]
#[pyo3(signature = (line, *, format="auto", encoding="escape", names="nasalogs", rename=None))]
pub fn parse_line(
    py: Python<'_>,
    line: &Bound<'_, PyAny>,
    format: &str,
    encoding: &str,
    names: &str,
    rename: Option<&Bound<'_, PyAny>>,
) -> PyResult<Record> {
    let names: Names = raise(py, names.parse())?;
    let encoding: Encoding = raise(py, encoding.parse())?;
    let rename = pairs(rename)?.unwrap_or_default();
    with_line(line, |whole| {
        let line = whole.strip_suffix(b"\n").unwrap_or(whole);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let format = known(py, format, whole)?;
        let record = match format.parse_line(whole) {
            _ if line.contains(&b'\n') => Err(RejectReason::TrailingData),
            read => read,
        };
        let record = record.map_err(|reason| {
            let reject = Reject { file: None, line: 1, offset: 0, reason, raw: line.to_vec() };
            let text = format!("{reason} ({}): {}", reason.describe(), reject.text());
            parse_error(py, &text, reason.as_str(), Some(&reject))
        })?;
        let values = match names {
            Names::Nasalogs => stored(&record),
            Names::Classic => classic(&record),
        };
        let layout = layout(py, &format, names, &rename)?;
        Ok(Record { line: line.into(), encoding, layout, values })
    })
}

/// The values of all columns.
fn stored(record: &nasalogs::Record<'_>) -> Box<[Stored]> {
    // Where there is an offset it stands behind the time; else the time is UTC's.
    let mut values: Vec<Stored> = Vec::with_capacity(16);
    let mut time = None;
    for (column, value) in record.values() {
        if column.name == schema::TS.name {
            time = Some(values.len());
        } else if let (true, Some(at), Some(offset)) =
            (column.name == schema::TZ_OFFSET.name, time, value.as_int())
            && let Stored::Time(_, tz_offset) = &mut values[at]
        {
            *tz_offset = i16::try_from(offset).unwrap_or(0);
        }
        values.push(store(record.line(), value));
    }
    values.into()
}

fn store(line: &[u8], value: Value<'_>) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Int(value) => Stored::Int(value),
        Value::Timestamp(ms) => Stored::Time(ms, 0),
        Value::Text(bytes) => text(line, bytes),
    }
}

fn part<'a>(line: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    line.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// A text, as a part of the line if it is one.
fn text(line: &[u8], bytes: &[u8]) -> Stored {
    let start = (bytes.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize);
    let range = start..start.saturating_add(bytes.len());
    match (u32::try_from(range.start), u32::try_from(range.end)) {
        (Ok(start), Ok(end)) if line.get(range).is_some_and(|part| part == bytes) => Stored::Text(start..end),
        _ => Stored::Made(bytes.into()),
    }
}

/// The values of [`Names::CLASSIC`].
fn classic(record: &nasalogs::Record<'_>) -> Box<[Stored]> {
    let line = record.line();
    let part = |bytes: Option<&[u8]>| bytes.map_or(Stored::Null, |bytes| text(line, bytes));
    let url = match (record.path(), record.query()) {
        (Some(path), Some(query)) => Stored::Made([path, b"?", query].concat().into()),
        (path, _) => part(path),
    };
    [
        part(record.host()),
        match part(record.logged_time()) {
            Stored::Text(range) => Stored::Ascii(range),
            other => other,
        },
        part(record.method()),
        url,
        part(record.protocol()),
        record.status().map_or(Stored::Null, Stored::Int),
        Stored::Int(record.bytes().unwrap_or(0)),
    ]
    .into()
}
