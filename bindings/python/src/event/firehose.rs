//! Records of Firehose to JSON lines, one record for each.

use base64_simd::STANDARD;
use nasalogs::intake::{Arrival, Intake, IntakeOptions, Taken};
use nasalogs::sink::PartitionTz;
use nasalogs::{LogFormat, Result};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyList};

use crate::choice::{Count, raise};

/// From how many bytes of data the format is detected.
const SAMPLE: usize = 256 << 10;

/// What becomes of a record.
enum Fate {
    /// Rows, as text in Base64, and the day of the first.
    Rows(String, String),
    /// There is no row in it, and nothing that should be one.
    Dropped,
    /// It is for Firehose's own place for what failed: the record as it came.
    Failed,
}

struct Record {
    id: PyBackedStr,
    data: PyBackedStr,
}

/// Turns the records of Firehose into JSON lines that its conversion to Parquet takes: what Lambda is asked for as a
/// transformation. Each record in is one record out, with the same id.
///
/// A record with a line that is no row, or that cannot be unpacked, is "ProcessingFailed": Firehose keeps it as it came
/// where it keeps what failed, and none of its lines are in the table. One with nothing in it is "Dropped".
///
/// Args:
///     event: The event, or its list of records.
///     format: The format of raw lines; "auto" detects it.
///     encoding: What becomes of bytes that are not UTF-8: "escape" or "latin1".
///     partition_tz: Whose day the partition key `dt` is, the day of the record's first row: "utc" or "log".
///     limit: How many bytes the answer may have: what is behind fails, to be delivered by other means.
///
/// Returns:
///     The answer: {"records": [{"recordId", "result", "data", "metadata": {"partitionKeys": {"dt"}}}]}.
///
/// Raises:
///     ValueError: It is no event of Firehose; an argument is none of those it can be.
///
/// Example:
///
///     >>> import base64
///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
///     >>> event = {"records": [{"recordId": "1", "data": base64.b64encode(line).decode()}]}
///     >>> [record] = nasalogs.aws.transform_firehose_event(event)["records"]
///     >>> record["result"], record["metadata"]
///     ('Ok', {'partitionKeys': {'dt': '1995-07-01'}})
#[pyfunction]
#[pyo3(signature = (event, *, format="auto", encoding="escape", partition_tz="utc", limit=Count(6_000_000)),
    text_signature = "(event, *, format='auto', encoding='escape', partition_tz='utc', limit=6000000)")]
pub fn transform_firehose_event<'py>(
    py: Python<'py>,
    event: &Bound<'py, PyAny>,
    format: &str,
    encoding: &str,
    partition_tz: &str,
    limit: Count,
) -> PyResult<Bound<'py, PyDict>> {
    let options = super::options(py, format, encoding)?;
    let tz = raise(py, partition_tz.parse::<PartitionTz>())?;
    let records = records(event)?;
    let fates = raise(py, py.detach(|| transform(&records, options, tz, limit.0)))?;
    let answers = PyList::empty(py);
    for (record, fate) in records.iter().zip(fates) {
        let answer = PyDict::new(py);
        answer.set_item("recordId", &*record.id)?;
        match fate {
            Fate::Rows(data, day) => {
                answer.set_item("result", "Ok")?;
                answer.set_item("data", data)?;
                let (metadata, keys) = (PyDict::new(py), PyDict::new(py));
                keys.set_item("dt", day)?;
                metadata.set_item("partitionKeys", keys)?;
                answer.set_item("metadata", metadata)?;
            }
            Fate::Dropped => answer.set_item("result", "Dropped")?,
            // Without data: Firehose keeps the record as it came.
            Fate::Failed => answer.set_item("result", "ProcessingFailed")?,
        }
        answers.append(answer)?;
    }
    let answer = PyDict::new(py);
    answer.set_item("records", answers)?;
    Ok(answer)
}

fn records(event: &Bound<'_, PyAny>) -> PyResult<Vec<Record>> {
    let event = super::raw(event)?;
    let records = match event.cast::<PyDict>() {
        Ok(event) => event.get_item("records")?.ok_or_else(|| {
            PyValueError::new_err("the event has no \"records\": is it one of a transformation of Firehose?")
        })?,
        Err(_) => event,
    };
    let records = records.try_iter().map_err(|_| {
        PyTypeError::new_err("expected an event of Firehose as Lambda passes it, or a list of its records")
    })?;
    records
        .enumerate()
        .map(|(at, record)| {
            let record = super::raw(&record?)?;
            let text = |key: &str| {
                let value = record.get_item(key).and_then(|value| value.extract::<PyBackedStr>());
                value.map_err(|_| {
                    PyValueError::new_err(format!(
                        "record {at} of the event has no text under {key:?}: is it one of Firehose?"
                    ))
                })
            };
            Ok(Record { id: text("recordId")?, data: text("data")? })
        })
        .collect()
}

fn transform(
    records: &[Record],
    mut options: IntakeOptions,
    tz: PartitionTz,
    limit: usize,
) -> Result<Vec<Fate>> {
    let data: Vec<Option<Vec<u8>>> =
        records.iter().map(|record| STANDARD.decode_to_vec(record.data.as_bytes()).ok()).collect();
    // A row is longer as JSON than as a line: what is more than an answer can hold need not be unpacked.
    options = options.with_limit(limit);
    if options.format.is_none() {
        let format = detect(&data, options.clone());
        options = options.with_format(format);
    }
    let mut room = limit;
    records
        .iter()
        .zip(&data)
        .map(|(record, data)| {
            let fate = match data {
                Some(data) if room > 0 => one(&record.id, data, options.clone(), tz)?,
                _ => Fate::Failed,
            };
            // What stands around the data, and around an answer without: its id, names and quotes.
            let size = 150 + record.id.len() + if let Fate::Rows(text, _) = &fate { text.len() } else { 0 };
            let fits = size <= room;
            room -= size.min(room);
            Ok(if fits { fate } else { Fate::Failed })
        })
        .collect()
}

/// The format of the first records.
fn detect(data: &[Option<Vec<u8>>], options: IntakeOptions) -> LogFormat {
    let mut intake = Intake::new(options);
    let mut seen = 0;
    for data in data.iter().flatten().take_while(|data| {
        seen += data.len();
        seen - data.len() < SAMPLE
    }) {
        let _ = intake.push(Arrival { name: "", data, partition_key: "" });
    }
    intake.format()
}

fn one(id: &str, data: &[u8], options: IntakeOptions, tz: PartitionTz) -> Result<Fate> {
    let mut intake = Intake::new(options);
    // The first of a delivery is always taken, as rows or as a reject.
    let _ = intake.push(Arrival { name: id, data, partition_key: "" });
    let taken = intake.finish()?;
    if taken.counts.rejected > 0 {
        return Ok(Fate::Failed);
    }
    let Some(first) = taken.batches.first() else { return Ok(Fate::Dropped) };
    let days = Taken::split(&first.slice(0, 1), tz)?;
    let day = days.into_iter().map(|(day, _)| day).next().unwrap_or_default();
    Ok(Fate::Rows(STANDARD.encode_to_string(taken.ndjson()?), day))
}
