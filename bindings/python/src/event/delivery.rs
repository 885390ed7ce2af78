//! One event, taken in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array as arrays;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use base64_simd::STANDARD;
use nasalogs::envelope::LineIdColumn;
use nasalogs::intake::{Arrival, Intake, IntakeOptions, Taken};
use nasalogs::schema::with_strings;
use nasalogs::sink::parquet::ParquetOptions;
use nasalogs::sink::{Compression, PartitionTz};
use nasalogs::{ParseOptions, Result, StringType};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyList};

use super::record::{Data, Incoming, incoming};
use super::reject::StreamReject;
use crate::batch::RecordBatch;
use crate::capsule;
use crate::choice::{Count, raise};

/// The rows of one event of Kinesis, and an account of what is none. `parse_kinesis_event` makes it.
///
/// Any library that knows Arrow takes it without a copy.
///
/// Example:
///
///     >>> nasalogs.aws.parse_kinesis_event([])
///     <KinesisBatch records=0 rows=0 rejected=0 days=0>
#[pyclass(frozen, module = "nasalogs.aws")]
pub struct KinesisBatch {
    taken: Taken,
    days: BTreeMap<String, Vec<arrays::RecordBatch>>,
    compression: Compression,
    /// Shards and sequence numbers, in the order of the event.
    records: Vec<(String, String)>,
    /// The place of the first record that found no room.
    rest: Option<usize>,
    arrived: Option<f64>,
}

/// How a batch is made.
struct Choices {
    options: IntakeOptions,
    tz: PartitionTz,
    compression: Compression,
}

impl KinesisBatch {
    fn take(incoming: &[Incoming], choices: Choices) -> Result<Self> {
        let Choices { options, tz, compression } = choices;
        let mut intake = Intake::new(options);
        let (mut name, mut decoded) = (String::new(), Vec::new());
        let mut rest = None;
        for (record, at) in incoming.iter().zip(0..) {
            name.clear();
            // Into memory, which does not fail.
            let _ = write!(name, "{}:{}", record.shard, &*record.sequence);
            let data = match &record.data {
                Data::Bytes(bytes) => &bytes[..],
                Data::Text(text) => {
                    decoded.clear();
                    if let Err(error) = STANDARD.decode_append(text.as_bytes(), &mut decoded) {
                        intake.refuse(&name, text.as_bytes(), &format!("the data is no Base64: {error}"));
                        continue;
                    }
                    &decoded[..]
                }
            };
            let partition_key = record.partition_key.as_deref().unwrap_or_default();
            if !intake.push(Arrival { name: &name, data, partition_key }) {
                rest = Some(at);
                break;
            }
        }
        let taken = intake.finish()?;
        let days = taken.days(tz)?;
        let records =
            incoming.iter().map(|record| (record.shard.clone(), record.sequence.to_string())).collect();
        let arrived = incoming.first().and_then(|record| record.arrived);
        Ok(Self { taken, days, compression, records, rest, arrived })
    }

    /// The records that are in it.
    fn covered(&self) -> &[(String, String)] {
        &self.records[..self.rest.unwrap_or(self.records.len())]
    }

    /// What the objects of this batch are called: shard, first and last sequence number, which sort as they count.
    fn name(&self) -> String {
        match (self.covered().first(), self.covered().last()) {
            (Some((shard, first)), Some((_, last))) => format!("{shard}-{first:0>56}-{last:0>56}"),
            _ => "empty".to_owned(),
        }
    }

    fn only_day(&self) -> PyResult<&str> {
        let mut days = self.days.keys();
        match (days.next(), days.next()) {
            (Some(day), None) => Ok(day),
            (None, _) => Err(PyValueError::new_err("there is no row, and so no day: look at `rows` first")),
            (Some(first), Some(_)) => Err(PyValueError::new_err(format!(
                "the rows are of {} days from {first} on: pass one of `days`, or take all with `objects`",
                self.days.len()
            ))),
        }
    }

    fn rows_of(&self, day: &str) -> PyResult<&[arrays::RecordBatch]> {
        let rows = self.days.get(day).map(Vec::as_slice);
        rows.ok_or_else(|| PyValueError::new_err(format!("no row is of the day {day:?}: see `days`")))
    }

    fn parquet(&self, py: Python<'_>, rows: &[arrays::RecordBatch]) -> PyResult<Vec<u8>> {
        let options = ParquetOptions::new().with_compression(self.compression);
        raise(py, py.detach(|| Taken::parquet(rows, options)))
    }

    /// All rows as one batch, with plain strings, as readings have them.
    fn whole(&self, py: Python<'_>) -> PyResult<RecordBatch> {
        let schema = match self.taken.batches.first() {
            Some(batch) => batch.schema(),
            None => {
                let schema = raise(py, ParseOptions::new().schema(&self.taken.format))?;
                let fields = schema.fields().iter().cloned().chain([Arc::new(LineIdColumn::field())]);
                Arc::new(Schema::new(fields.collect::<Vec<_>>()))
            }
        };
        let plain = with_strings(&schema, StringType::Utf8);
        let batch = py.detach(|| -> std::result::Result<_, ArrowError> {
            let batch = concat_batches(&schema, &self.taken.batches)?;
            let columns = batch.columns().iter().zip(plain.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type()));
            arrays::RecordBatch::try_new(Arc::clone(&plain), columns.collect::<std::result::Result<_, _>>()?)
        });
        Ok(RecordBatch::new(raise(py, batch.map_err(nasalogs::Error::from))?))
    }
}

#[pymethods]
impl KinesisBatch {
    /// How many records of the event are in it.
    #[getter]
    fn records(&self) -> usize {
        self.covered().len()
    }

    /// How many rows.
    #[getter]
    fn rows(&self) -> u64 {
        self.taken.counts.rows
    }

    /// How many lines that are no rows, and records that cannot be unpacked.
    #[getter]
    fn rejected(&self) -> u64 {
        self.taken.counts.rejected
    }

    /// What became of everything: rows + rejected + blank == lines.
    #[getter]
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = self.taken.counts;
        let dict = PyDict::new(py);
        for (name, count) in [
            ("records", counts.records),
            ("lines", counts.lines),
            ("rows", counts.rows),
            ("rejected", counts.rejected),
            ("blank", counts.blanks),
            ("objects", counts.objects),
            ("bytes", counts.bytes),
        ] {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }

    /// What is no row, in the order of the records.
    #[getter]
    fn rejects(&self) -> Vec<StreamReject> {
        self.taken.rejects.iter().cloned().map(StreamReject).collect()
    }

    /// The format of the raw lines.
    #[getter]
    fn format(&self) -> String {
        self.taken.format.to_string()
    }

    /// The days of the rows, "1995-07-01", in order: the partitions `dt` that they belong to.
    #[getter]
    fn days(&self) -> Vec<&str> {
        self.days.keys().map(String::as_str).collect()
    }

    /// The sequence numbers of the records that are in it, in the order of the event.
    #[getter]
    fn sequence_numbers(&self) -> Vec<&str> {
        self.covered().iter().map(|(_, sequence)| sequence.as_str()).collect()
    }

    /// The sequence number of the first record that found no room, if the event decompresses to more than `limit`.
    #[getter]
    fn unread(&self) -> Option<&str> {
        self.rest.and_then(|at| self.records.get(at)).map(|(_, sequence)| sequence.as_str())
    }

    /// The key of an object for the rows, or for those of a day: the same whenever the same records come.
    ///
    /// Raises:
    ///     ValueError: The rows are of several days, or there are none; no row is of that day.
    ///
    /// Example:
    ///
    ///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> record = {"Data": line, "SequenceNumber": "4711", "PartitionKey": "k"}
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([record], shard="shardId-0")
    ///     >>> key = batch.key("access/")
    ///     >>> key.startswith("access/dt=1995-07-01/shardId-0-"), key.endswith("4711.parquet")
    ///     (True, True)
    #[pyo3(signature = (prefix="", *, dt=None))]
    fn key(&self, prefix: &str, dt: Option<&str>) -> PyResult<String> {
        let day = match dt {
            Some(day) => {
                self.rows_of(day)?;
                day
            }
            None => self.only_day()?,
        };
        Ok(format!("{prefix}dt={day}/{}.parquet", self.name()))
    }

    /// The rows, or those of a day, as a Parquet file: the same bytes whenever the same records come.
    ///
    /// Raises:
    ///     ValueError: As `key`.
    ///
    /// Example:
    ///
    ///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> record = {"Data": line, "SequenceNumber": "4711", "PartitionKey": "k"}
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([record], shard="shardId-0")
    ///     >>> batch.to_parquet()[:4]
    ///     b'PAR1'
    #[pyo3(signature = (*, dt=None))]
    fn to_parquet<'py>(&self, py: Python<'py>, dt: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
        let day = match dt {
            Some(day) => day,
            None => self.only_day()?,
        };
        Ok(PyBytes::new(py, &self.parquet(py, self.rows_of(day)?)?))
    }

    /// Keys and bodies of the objects for all rows, one for each day.
    ///
    /// Example:
    ///
    ///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> record = {"Data": line, "SequenceNumber": "4711", "PartitionKey": "k"}
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([record], shard="shardId-0")
    ///     >>> [(key[:20], body[:4]) for key, body in batch.objects("access/")]
    ///     [('access/dt=1995-07-01', b'PAR1')]
    #[pyo3(signature = (prefix=""))]
    fn objects<'py>(&self, py: Python<'py>, prefix: &str) -> PyResult<Bound<'py, PyList>> {
        let objects = PyList::empty(py);
        for (day, rows) in &self.days {
            let body = PyBytes::new(py, &self.parquet(py, rows)?);
            objects.append((format!("{prefix}dt={day}/{}.parquet", self.name()), body))?;
        }
        Ok(objects)
    }

    /// The key of an object for the rejects, by the day on which the stream took the first record.
    ///
    /// Example:
    ///
    ///     >>> kinesis = {"data": "bm9uc2Vuc2U=", "sequenceNumber": "4711", "approximateArrivalTimestamp": 804571201.5}
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([{"kinesis": kinesis}])
    ///     >>> batch.rejects_key("rejects/")[:21], batch.rejects[0].raw
    ///     ('rejects/dt=1995-07-01', b'nonsense')
    #[pyo3(signature = (prefix=""))]
    fn rejects_key(&self, prefix: &str) -> String {
        let day = nasalogs::intake::day(self.arrived.map_or(0, |seconds| (seconds * 1000.0) as i64));
        format!("{prefix}dt={day}/{}.ndjson", self.name())
    }

    /// What Lambda is answered: which records are to be delivered again. None unless one found no room, or `failed` names
    /// a sequence number: that record, and all behind it, come again.
    ///
    /// Example:
    ///
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([])
    ///     >>> batch.response(), batch.response("4711")
    ///     ({'batchItemFailures': []}, {'batchItemFailures': [{'itemIdentifier': '4711'}]})
    #[pyo3(signature = (failed=None))]
    fn response<'py>(&self, py: Python<'py>, failed: Option<&str>) -> PyResult<Bound<'py, PyDict>> {
        let failures = PyList::empty(py);
        if let Some(sequence) = failed.or(self.unread()) {
            let item = PyDict::new(py);
            item.set_item("itemIdentifier", sequence)?;
            failures.append(item)?;
        }
        let response = PyDict::new(py);
        response.set_item("batchItemFailures", failures)?;
        Ok(response)
    }

    /// All rows as one batch, with every way out that a batch has.
    ///
    /// Example:
    ///
    ///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
    ///     >>> record = {"Data": line, "SequenceNumber": "4711", "PartitionKey": "k"}
    ///     >>> batch = nasalogs.aws.parse_kinesis_event([record], shard="shardId-0")
    ///     >>> batch.to_batch().column("line_id")
    ///     ['shardId-0:4711/0']
    fn to_batch(&self, py: Python<'_>) -> PyResult<RecordBatch> {
        self.whole(py)
    }

    fn __len__(&self) -> usize {
        self.taken.counts.rows as usize
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::of_one(py, self.whole(py)?.batch(), requested_schema)
    }

    fn __repr__(&self) -> String {
        let counts = self.taken.counts;
        format!(
            "<KinesisBatch records={} rows={} rejected={} days={}>",
            self.records(),
            counts.rows,
            counts.rejected,
            self.days.len()
        )
    }
}

/// Takes in the records of an event of Kinesis, as Lambda passes it: one call, and the interpreter is free meanwhile.
///
/// Records may be raw lines, many lines each, JSON objects of lines (ours, and those of scripts around a regular
/// expression: ip, timestamp, method, url, protocol, status_code, bytes), aggregates of the Kinesis Producer Library,
/// gzip, Zstandard, or blocks of `nasalogs stream`; each is known by its bytes. What is no row is among the rejects, and
/// fails nothing.
///
/// Args:
///     event: The event; its list of records; an object of aws-lambda-powertools; JSON; or what `get_records` of boto3
///         gives under "Records".
///     format: The format of raw lines; "auto" detects it.
///     encoding: What becomes of bytes that are not UTF-8: "escape" or "latin1".
///     partition_tz: Whose days: "utc" or "log".
///     compression: Inside Parquet: "zstd", "snappy", "gzip", "none".
///     limit: How many bytes of lines, decompressed, are taken at once; records behind are for the next delivery.
///     shard: The shard, where the records do not say.
///
/// Returns:
///     A KinesisBatch.
///
/// Raises:
///     ValueError: It is no event of Kinesis; an argument is none of those it can be.
///
/// Example:
///
///     >>> import base64
///     >>> line = b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245'
///     >>> kinesis = {"data": base64.b64encode(line).decode(), "sequenceNumber": "4711", "partitionKey": "k"}
///     >>> batch = nasalogs.aws.parse_kinesis_event({"Records": [{"kinesis": kinesis, "eventID": "shardId-0:4711"}]})
///     >>> batch.rows, batch.days, batch.to_parquet()[:4], batch.response()
///     (1, ['1995-07-01'], b'PAR1', {'batchItemFailures': []})
#[pyfunction]
#[pyo3(signature = (
    event, *, format="auto", encoding="escape", partition_tz="utc", compression="zstd", limit=None, shard=None
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn parse_kinesis_event(
    py: Python<'_>,
    event: &Bound<'_, PyAny>,
    format: &str,
    encoding: &str,
    partition_tz: &str,
    compression: &str,
    limit: Option<Count>,
    shard: Option<&str>,
) -> PyResult<KinesisBatch> {
    let mut options = super::options(py, format, encoding)?;
    if let Some(Count(bytes)) = limit {
        options = options.with_limit(bytes);
    }
    let tz = raise(py, partition_tz.parse::<PartitionTz>())?;
    let compression = raise(py, compression.parse::<Compression>())?;
    let incoming = incoming(event, shard)?;
    raise(py, py.detach(|| KinesisBatch::take(&incoming, Choices { options, tz, compression })))
}
