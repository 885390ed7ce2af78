//! What a caller can choose, from keyword arguments.

use nasalogs::{
    Encoding, Extras, LogFormat, MaxRejects, Names, Naming, ParseOptions, Reject, Result, StringType,
};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use crate::error::{carry, exception};
use crate::reject;

/// Turns a crate's result into Python's.
pub fn raise<T>(py: Python<'_>, result: Result<T>) -> PyResult<T> {
    result.map_err(|error| exception(py, error))
}

/// A format by its name or as a format string; none for `auto`.
pub fn format(py: Python<'_>, text: &str) -> PyResult<Option<LogFormat>> {
    if text == "auto" { Ok(None) } else { raise(py, text.parse().map(Some)) }
}

/// The arguments that say how to parse.
#[derive(Clone)]
pub struct Choices {
    pub options: ParseOptions,
    pub naming: Naming,
}

/// Those arguments as they were passed.
pub struct Passed<'a> {
    pub format: &'a str,
    pub columns: Option<Vec<String>>,
    pub extras: Vec<String>,
    pub encoding: &'a str,
    pub strings: &'a str,
    pub names: &'a str,
    pub rename: Option<Vec<(String, String)>>,
    pub max_line: Option<Count>,
    pub batch_bytes: Option<Count>,
}

impl Passed<'_> {
    /// Judges them.
    ///
    /// # Errors
    /// `ValueError` that says what was expected.
    pub fn choices(self, py: Python<'_>) -> PyResult<Choices> {
        let mut options = ParseOptions::new()
            .with_extras(raise(py, self.extras.join(",").parse::<Extras>())?)
            .with_encoding(raise(py, self.encoding.parse::<Encoding>())?)
            .with_strings(raise(py, self.strings.parse::<StringType>())?);
        if let Some(format) = format(py, self.format)? {
            options = options.with_format(format);
        }
        if let Some(Count(bytes)) = self.max_line {
            options = options.with_max_line(bytes);
        }
        if let Some(Count(bytes)) = self.batch_bytes {
            options = options.with_chunk(bytes);
        }
        let mut naming = Naming::new(raise(py, self.names.parse::<Names>())?);
        for (from, to) in self.rename.unwrap_or_default() {
            naming = naming.with_rename(from, to);
        }
        if let Some(columns) = self.columns {
            naming = naming.with_columns(columns);
        }
        let options = raise(py, naming.options(options))?;
        Ok(Choices { options, naming })
    }
}

/// A number of something: an int that is not negative.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub usize);

impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).map_err(|error| {
            if error.is_instance_of::<PyOverflowError>(object.py()) {
                return PyValueError::new_err(format!("expected a whole number from 0 on, not {}", &*object));
            }
            error
        })
    }
}

/// The pairs of a mapping, in its order.
pub fn pairs(rename: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<(String, String)>>> {
    let Some(rename) = rename else { return Ok(None) };
    let items = rename
        .call_method0("items")
        .map_err(|_| PyTypeError::new_err("rename has to be a mapping, such as {\"host\": \"client\"}"))?;
    items.try_iter()?.map(|item| item?.extract()).collect::<PyResult<_>>().map(Some)
}

/// Names of columns: a sequence of them, not one string.
pub fn names(argument: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<String>>> {
    let Some(value) = value else { return Ok(None) };
    let expected = || {
        let name = value.get_type().name().map_or_else(|_| String::new(), |name| format!(", not {name}"));
        PyTypeError::new_err(format!("{argument} has to be a list of column names{name}"))
    };
    if value.is_instance_of::<PyString>() {
        return Err(expected());
    }
    let items = value.try_iter().map_err(|_| expected())?;
    items.map(|item| item?.extract().map_err(|_| expected())).collect::<PyResult<_>>().map(Some)
}

/// How many rejected lines are stood: a count, a share as a `float`, or either as text: `"100"`, `"0.5%"`.
pub fn max_rejects(value: Option<&Bound<'_, PyAny>>) -> PyResult<MaxRejects> {
    let Some(value) = value else { return Ok(MaxRejects::None) };
    let wrong = || {
        PyValueError::new_err(
            "max_rejects is a number of lines such as 100, a share of them such as 0.005, or \"0.5%\"",
        )
    };
    if value.is_instance_of::<PyBool>() {
        return Err(wrong());
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract().map(MaxRejects::Count).map_err(|_| wrong());
    }
    let share = |share: f64| {
        if (0.0..=1.0).contains(&share) { Ok(MaxRejects::Share(share)) } else { Err(wrong()) }
    };
    if value.is_instance_of::<PyFloat>() {
        return share(value.extract()?);
    }
    let text: String = value.extract().map_err(|_| wrong())?;
    match text.strip_suffix('%') {
        Some(percent) => share(percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0),
        None => text.trim().parse().map(MaxRejects::Count).map_err(|_| wrong()),
    }
}

/// What is done with rejected lines.
#[derive(Debug)]
pub enum OnReject {
    /// They are counted.
    Count,
    /// They are kept.
    Collect,
    /// The first ends the run.
    Raise,
    /// Each is given to a function.
    Call(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for OnReject {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_callable() {
            return Ok(Self::Call(value.to_owned().unbind()));
        }
        match value.extract::<String>().as_deref() {
            Ok("count") => Ok(Self::Count),
            Ok("collect") => Ok(Self::Collect),
            Ok("raise") => Ok(Self::Raise),
            Ok(other) => Err(PyValueError::new_err(format!(
                "unknown on_reject {other:?}; expected \"count\", \"collect\", \"raise\" or a function"
            ))),
            Err(_) => {
                Err(PyTypeError::new_err("on_reject is \"count\", \"collect\", \"raise\" or a function"))
            }
        }
    }
}

impl OnReject {
    /// Gives a rejected line to a function.
    pub fn call(function: &Py<PyAny>, reject: Reject) -> Result<()> {
        Python::attach(|py| function.call1(py, (reject::Reject(reject),)).map(drop).map_err(carry))
    }
}
