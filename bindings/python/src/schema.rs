//! Columns: their names, types and meanings.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use nasalogs::{LogFormat, Naming};
use pyo3::exceptions::{PyIndexError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyInt, PyIterator};

use crate::capsule;
use crate::choice::{Passed, names, pairs, raise};

/// A column: its name, its type, whether it can be null, and what it means.
///
/// Example:
///
///     >>> nasalogs.schema("common")["bytes"]
///     Field("bytes", int64, nullable)
#[pyclass(frozen, eq, hash, module = "nasalogs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name.
    #[pyo3(get)]
    name: String,
    /// The type, in words: `string`, `binary`, `int16`, `int32`, `int64` or `timestamp(ms, UTC)`.
    #[pyo3(get, name = "type")]
    data_type: String,
    /// Whether it can be null.
    #[pyo3(get)]
    nullable: bool,
    /// What it holds, its unit, and when it is null.
    #[pyo3(get)]
    doc: Option<String>,
}

#[pymethods]
impl Field {
    fn __repr__(&self) -> String {
        let null = if self.nullable { ", nullable" } else { "" };
        format!("Field({:?}, {}{null})", self.name, self.data_type)
    }
}

/// The columns of a table, by number and by name. Any library that knows Arrow takes it (`__arrow_c_schema__`).
///
/// Example:
///
///     >>> schema = nasalogs.schema("common")
///     >>> schema.names[:3], len(schema), "status" in schema
///     (['host', 'ident', 'authuser'], 11, True)
///     >>> schema["status"].doc
///     'HTTP status; null when `-`'
#[pyclass(frozen, eq, module = "nasalogs")]
#[derive(PartialEq, Eq)]
pub struct Schema {
    schema: SchemaRef,
    fields: Vec<Field>,
}

impl Schema {
    /// A schema, with the meanings that a format has for its columns.
    pub fn new(schema: SchemaRef, format: Option<&LogFormat>, naming: &Naming) -> Self {
        let doc = |name: &str| naming.doc(name, format);
        let fields = schema
            .fields()
            .iter()
            .map(|field| Field {
                name: field.name().clone(),
                data_type: type_name(field.data_type()),
                nullable: field.is_nullable(),
                doc: doc(field.name()),
            })
            .collect();
        Self { schema, fields }
    }
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::BinaryView => "binary".to_owned(),
        DataType::Timestamp(_, _) => "timestamp(ms, UTC)".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

#[pymethods]
impl Schema {
    /// The names of the columns.
    #[getter]
    fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|field| field.name.as_str()).collect()
    }

    fn __len__(&self) -> usize {
        self.fields.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.fields.clone().into_pyobject(py)?.try_iter()
    }

    fn __getitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<Field> {
        if key.is_instance_of::<PyInt>() {
            let index: isize = key.extract()?;
            let at = if index < 0 { index + self.fields.len() as isize } else { index };
            let field = usize::try_from(at).ok().and_then(|at| self.fields.get(at)).cloned();
            return field.ok_or_else(|| PyIndexError::new_err(format!("there is no column {index}")));
        }
        let name: String = key.extract()?;
        self.fields.iter().find(|field| field.name == name).cloned().ok_or_else(|| PyKeyError::new_err(name))
    }

    fn __contains__(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_schema(py, &self.schema)
    }

    /// The columns as a `pyarrow.Schema`. Needs pyarrow.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.schema("common").to_pyarrow().field("ts").type
    ///     TimestampType(timestamp[ms, tz=UTC])
    fn to_pyarrow(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        Ok(slf.py().import("nasalogs._frame")?.call_method1("schema_to_pyarrow", (slf,))?.unbind())
    }

    fn __repr__(&self) -> String {
        let lines: Vec<String> = self
            .fields
            .iter()
            .map(|field| {
                format!(
                    "{}: {}{}",
                    field.name,
                    field.data_type,
                    if field.nullable { "" } else { " not null" }
                )
            })
            .collect();
        lines.join("\n")
    }
}

/// The columns that a format gives under these options, without any log.
///
/// Args:
///     format: The name of a format, or an Apache LogFormat or nginx log_format string.
///     columns, extras, encoding, strings, names, rename: As in `read`.
///
/// Returns:
///     A Schema.
///
/// Raises:
///     ValueError: There is no such format or column.
///
/// Example:
///
///     >>> print(nasalogs.schema("$remote_addr [$time_local] $status", columns=["host", "status"]))
///     host: string not null
///     status: int16
#[pyfunction]
#[pyo3(signature = (
    format, *, columns=None, extras=None, encoding="escape", strings="utf8", names="nasalogs", rename=None
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn schema(
    py: Python<'_>,
    format: &str,
    columns: Option<&Bound<'_, PyAny>>,
    extras: Option<&Bound<'_, PyAny>>,
    encoding: &str,
    strings: &str,
    names: &str,
    rename: Option<&Bound<'_, PyAny>>,
) -> PyResult<Schema> {
    // There is nothing to detect one from: `auto` is no format here.
    let of: LogFormat = raise(py, format.parse())?;
    let passed = Passed {
        format,
        columns: self::names("columns", columns)?,
        extras: self::names("extras", extras)?.unwrap_or_default(),
        encoding,
        strings,
        names,
        rename: pairs(rename)?,
        max_line: None,
        batch_bytes: None,
    };
    let choices = passed.choices(py)?;
    let schema = raise(py, choices.options.schema(&of))?;
    let named = raise(py, choices.naming.bind(&schema))?;
    Ok(Schema::new(Arc::clone(&named.schema()), Some(&of), &choices.naming))
}
