//! The records of an event.

use pyo3::exceptions::{PyKeyError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString};

/// Data as it came.
pub enum Data {
    /// Lambda's: Base64.
    Text(PyBackedStr),
    /// Boto3's.
    Bytes(PyBackedBytes),
}

/// A record, without a copy of its data.
pub struct Incoming {
    pub shard: String,
    pub sequence: PyBackedStr,
    pub partition_key: Option<PyBackedStr>,
    pub data: Data,
    /// Seconds since 1970, when the stream took it.
    pub arrived: Option<f64>,
}

/// The records of an event, of an object of aws-lambda-powertools, or of a list of records.
pub fn incoming(event: &Bound<'_, PyAny>, shard: Option<&str>) -> PyResult<Vec<Incoming>> {
    let event = raw(event)?;
    let event = match event.is_instance_of::<PyString>() || event.is_instance_of::<PyBytes>() {
        true => event.py().import("json")?.call_method1("loads", (event,))?,
        false => event,
    };
    let records = match event.cast::<PyMapping>() {
        Ok(event) => event.get_item("Records").map_err(|_| {
            PyValueError::new_err("the event has no \"Records\": is it one of a Kinesis event source?")
        })?,
        Err(_) => event,
    };
    let records = records.try_iter().map_err(|_| {
        PyTypeError::new_err("expected an event of Kinesis as Lambda passes it, or a list of its records")
    })?;
    records.enumerate().map(|(at, record)| one(&raw(&record?)?, shard, at)).collect()
}

/// What powertools has wrapped.
pub fn raw<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if object.is_instance_of::<PyDict>() || object.is_instance_of::<PyList>() {
        return Ok(object.clone());
    }
    match object.getattr_opt("raw_event")? {
        Some(event) => Ok(event),
        None => Ok(object.clone()),
    }
}

fn one(record: &Bound<'_, PyAny>, shard: Option<&str>, at: usize) -> PyResult<Incoming> {
    let wrong = |what: &str| {
        PyValueError::new_err(format!(
            "record {at} of the event has no {what}: is it one of a Kinesis event source?"
        ))
    };
    let get = |from: &Bound<'_, PyAny>, key: &str| -> PyResult<Option<Py<PyAny>>> {
        match from.get_item(key) {
            Ok(value) => Ok(Some(value.unbind())),
            Err(error) if error.is_instance_of::<PyKeyError>(from.py()) => Ok(None),
            Err(_) => Err(wrong(&format!("{key:?}"))),
        }
    };
    let py = record.py();
    let text = |value: Option<Py<PyAny>>| value.and_then(|value| value.extract::<PyBackedStr>(py).ok());
    if let Some(data) = get(record, "Data")? {
        let bytes = data.extract::<PyBackedBytes>(py).map_err(|_| wrong("bytes under \"Data\""))?;
        // Boto3 makes a datetime of it.
        let arrived = get(record, "ApproximateArrivalTimestamp")?
            .and_then(|value| value.call_method0(py, "timestamp").unwrap_or(value).extract(py).ok());
        return Ok(Incoming {
            shard: shard.unwrap_or("shard").to_owned(),
            sequence: text(get(record, "SequenceNumber")?).ok_or_else(|| wrong("\"SequenceNumber\""))?,
            partition_key: text(get(record, "PartitionKey")?),
            data: Data::Bytes(bytes),
            arrived,
        });
    }
    let kinesis = get(record, "kinesis")?.ok_or_else(|| wrong("\"kinesis\""))?;
    let kinesis = kinesis.bind(py);
    let arrived = get(kinesis, "approximateArrivalTimestamp")?.and_then(|value| value.extract(py).ok());
    // `shardId-000000000006:49590338271490256608559692538361571095921575989136588898`
    let id = text(get(record, "eventID")?);
    let of_id = id.as_deref().and_then(|id| id.split_once(':')).map(|(shard, _)| shard);
    Ok(Incoming {
        shard: shard.or(of_id).unwrap_or("shard").to_owned(),
        sequence: text(get(kinesis, "sequenceNumber")?).ok_or_else(|| wrong("\"sequenceNumber\""))?,
        partition_key: text(get(kinesis, "partitionKey")?),
        data: Data::Text(text(get(kinesis, "data")?).ok_or_else(|| wrong("text under \"data\""))?),
        arrived,
    })
}
