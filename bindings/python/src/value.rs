//! Columns as lists of Python values.

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use nasalogs::field::time::civil_from_days;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyDelta, PyDict, PyList, PyString, PyTzInfo};

/// The values of a column.
pub fn column<'py>(py: Python<'py>, array: &ArrayRef) -> PyResult<Bound<'py, PyList>> {
    match array.data_type() {
        DataType::Utf8 => PyList::new(py, array.as_string::<i32>().iter().collect::<Vec<_>>()),
        DataType::Utf8View => PyList::new(py, array.as_string_view().iter().collect::<Vec<_>>()),
        DataType::Binary => bytes(py, array.as_binary::<i32>().iter()),
        DataType::BinaryView => bytes(py, array.as_binary_view().iter()),
        DataType::Int16 => PyList::new(py, array.as_primitive::<Int16Type>().iter().collect::<Vec<_>>()),
        DataType::Int32 => PyList::new(py, array.as_primitive::<Int32Type>().iter().collect::<Vec<_>>()),
        DataType::Int64 => PyList::new(py, array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let list = PyList::empty(py);
            // Neighbouring lines share their second mostly, and the object can be shared too.
            let mut last: Option<(i64, Bound<'py, PyDateTime>)> = None;
            for value in array.as_primitive::<TimestampMillisecondType>() {
                let Some(ms) = value else {
                    list.append(py.None())?;
                    continue;
                };
                let time = match last.take().filter(|(of, _)| *of == ms) {
                    Some((_, time)) => time,
                    None => datetime(py, ms, 0)?,
                };
                list.append(&time)?;
                last = Some((ms, time));
            }
            Ok(list)
        }
        other => Err(PyTypeError::new_err(format!("no column has the type {other}"))),
    }
}

fn bytes<'a, 'py>(
    py: Python<'py>,
    values: impl Iterator<Item = Option<&'a [u8]>>,
) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, values.map(|value| value.map(|bytes| PyBytes::new(py, bytes))).collect::<Vec<_>>())
}

/// An instant, in milliseconds since 1970 UTC, as an aware datetime in an offset of so many minutes east.
pub fn datetime(py: Python<'_>, ms: i64, tz_offset: i16) -> PyResult<Bound<'_, PyDateTime>> {
    let local = ms + i64::from(tz_offset) * 60_000;
    // A leap second at the end of 9999 is in the year after it, which Python has only in UTC, where it was not yet then.
    let is_known = (1..=9999).contains(&civil_from_days(local.div_euclid(86_400_000)).0);
    let (local, tz_offset) = if is_known { (local, tz_offset) } else { (ms, 0) };
    let zone = zone(py, tz_offset)?;
    let (year, month, day) = civil_from_days(local.div_euclid(86_400_000));
    let of_day = local.rem_euclid(86_400_000);
    let (second, milli) = (of_day / 1000, of_day % 1000);
    // Each of these is less than 60, or less than a million.
    let small = |number: i64| number as u8;
    PyDateTime::new(
        py,
        year,
        month as u8,
        day as u8,
        small(second / 3600),
        small(second / 60 % 60),
        small(second % 60),
        (milli * 1000) as u32,
        Some(&zone),
    )
}

/// The timezone of an offset. A log has one or two: they are kept.
fn zone(py: Python<'_>, tz_offset: i16) -> PyResult<Bound<'_, PyTzInfo>> {
    static LAST: Mutex<Option<(i16, Py<PyTzInfo>)>> = Mutex::new(None);
    if tz_offset == 0 {
        return Ok(PyTzInfo::utc(py)?.to_owned());
    }
    // Never held while Python makes an object, which can run anything, also this.
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = last().as_ref().filter(|(of, _)| *of == tz_offset).map(|(_, zone)| zone.clone_ref(py));
    if let Some(zone) = kept {
        return Ok(zone.into_bound(py));
    }
    let zone = PyTzInfo::fixed_offset(py, PyDelta::new(py, 0, i32::from(tz_offset) * 60, 0, true)?)?;
    let before = last().replace((tz_offset, zone.clone().unbind()));
    drop(before);
    Ok(zone)
}

/// The columns of a batch by name.
pub fn columns<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        all.set_item(field.name(), column(py, array)?)?;
    }
    Ok(all)
}

/// The rows of a batch, appended to a list, each by the names of its columns.
pub fn append_rows(py: Python<'_>, batch: &RecordBatch, rows: &Bound<'_, PyList>) -> PyResult<()> {
    let names: Vec<Bound<'_, PyString>> =
        batch.schema_ref().fields().iter().map(|field| PyString::intern(py, field.name())).collect();
    let columns: Vec<Bound<'_, PyList>> =
        batch.columns().iter().map(|array| column(py, array)).collect::<PyResult<_>>()?;
    for row in 0..batch.num_rows() {
        let values = PyDict::new(py);
        for (name, column) in names.iter().zip(&columns) {
            values.set_item(name, column.get_item(row)?)?;
        }
        rows.append(values)?;
    }
    Ok(())
}
