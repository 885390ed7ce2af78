//! One line at a time.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use nasalogs::field::text::{escape_invalid, latin1_into};
use nasalogs::{
    Encoding, LogFormat, Names, Naming, ParseOptions, Reject, RejectReason, StringType, Value, schema,
};
use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyIterator, PyList, PyString};

use crate::choice::{pairs, raise};
use crate::error::parse_error;
use crate::parse::with_line;
use crate::reject::shortened;
use crate::value::datetime;

/// A line that is a row. Its attributes are the columns of its format, and so are its keys.
#[pyclass(frozen, eq, hash, module = "nasalogs")]
#[derive(PartialEq, Eq, Hash)]
pub struct Record {
    line: Box<[u8]>,
    encoding: Encoding,
    layout: Arc<Layout>,
    values: Box<[Stored]>,
}

/// The columns of records of one kind.
struct Layout {
    names: Vec<String>,
    /// The same, as keys of dicts.
    keys: Vec<Py<PyString>>,
}

impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for Layout {}

impl Hash for Layout {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names.hash(state);
    }
}

/// A value; texts are parts of the line.
#[derive(PartialEq, Eq, Hash)]
enum Stored {
    Null,
    Text(Range<u32>),
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
            Stored::Text(range) => {
                Ok(self.text(py, self.line.get(range.start as usize..range.end as usize).unwrap_or_default()))
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
        self.layout.names.iter().map(String::as_str).chain(["keys", "raw_line", "to_dict"]).collect()
    }

    /// The names of the columns; so `dict(record)` works.
    fn keys(&self) -> Vec<&str> {
        self.layout.names.iter().map(String::as_str).collect()
    }

    /// The columns and their values.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (index, key) in self.layout.keys.iter().enumerate() {
            all.set_item(key.bind(py), self.value(py, index)?)?;
        }
        Ok(all)
    }

    /// The line, without its line end.
    #[getter]
    fn raw_line<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.line)
    }

    fn __repr__(&self) -> String {
        format!("<Record {}>", shortened(&nasalogs::field::text::escape_control(&self.line)))
    }
}

/// Reads one line.
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
    with_line(line, |line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let format = known(py, format, line)?;
        let record = match format.parse_line(line) {
            _ if line.contains(&b'\n') => Err(RejectReason::TrailingData),
            read => read,
        };
        let record = record.map_err(|reason| {
            let reject = Reject { file: None, line: 1, offset: 0, reason, raw: line.to_vec() };
            let text = format!("{}: {}", reason.describe(), nasalogs::field::text::escape_control(line));
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

/// The format of a line, as it was named; a detected one where none was, and `common` where none fits.
fn known(py: Python<'_>, name: &str, line: &[u8]) -> PyResult<LogFormat> {
    /// Format strings that were understood before: a script has one or two.
    static STRINGS: LazyLock<Mutex<HashMap<String, LogFormat>>> = LazyLock::new(Mutex::default);
    const MOST: usize = 64;
    if name == "auto" {
        return Ok(LogFormat::detect(line).map_or_else(|_| LogFormat::common(), |found| found.format));
    }
    if let Some(format) = LogFormat::built_in(name) {
        return Ok(format);
    }
    let mut strings = STRINGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(format) = strings.get(name) {
        return Ok(format.clone());
    }
    let format: LogFormat = raise(py, name.parse())?;
    if strings.len() < MOST {
        strings.insert(name.to_owned(), format.clone());
    }
    Ok(format)
}

/// The names that columns of a format get.
fn layout(
    py: Python<'_>,
    format: &LogFormat,
    names: Names,
    rename: &[(String, String)],
) -> PyResult<Arc<Layout>> {
    /// By format, for each kind of names, where nothing is renamed.
    static KNOWN: LazyLock<[Mutex<HashMap<String, Arc<Layout>>>; 2]> = LazyLock::new(Default::default);
    const MOST: usize = 64;
    let make = || -> PyResult<Arc<Layout>> {
        let mut naming = Naming::new(names);
        for (from, to) in rename {
            naming = naming.with_rename(from, to);
        }
        let options = ParseOptions::new().with_strings(StringType::Utf8);
        let schema = naming.options(options).and_then(|options| options.schema(format));
        let named = raise(py, schema.and_then(|schema| naming.bind(&schema)))?;
        let names: Vec<String> = named.schema().fields().iter().map(|field| field.name().clone()).collect();
        let keys = names.iter().map(|name| PyString::intern(py, name).unbind()).collect();
        Ok(Arc::new(Layout { names, keys }))
    };
    if !rename.is_empty() {
        return make();
    }
    let known = &KNOWN[usize::from(names == Names::Classic)];
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(layout) = known.get(format.pattern()) {
        return Ok(Arc::clone(layout));
    }
    let layout = make()?;
    if known.len() < MOST {
        known.insert(format.pattern().to_owned(), Arc::clone(&layout));
    }
    Ok(layout)
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
        part(record.logged_time()),
        part(record.method()),
        url,
        part(record.protocol()),
        record.status().map_or(Stored::Null, Stored::Int),
        Stored::Int(record.bytes().unwrap_or(0)),
    ]
    .into()
}
