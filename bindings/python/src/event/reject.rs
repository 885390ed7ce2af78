//! What of a record is no row.

use nasalogs::intake::Refused;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::reject::shortened;

/// A line of a record that is no row, or a record that cannot be unpacked; and why. With str(), as a message.
///
/// Example:
///
///     >>> record = {"Data": b"nonsense", "SequenceNumber": "4711", "PartitionKey": "k"}
///     >>> nasalogs.aws.parse_kinesis_event([record], shard="shardId-0").rejects
///     [<StreamReject missing_field in shardId-0:4711: nonsense>]
#[pyclass(frozen, eq, module = "nasalogs.aws")]
#[derive(PartialEq, Eq)]
pub struct StreamReject(pub Refused);

#[pymethods]
impl StreamReject {
    /// Why, as one word that programs can rely on, such as "bad_timestamp"; "damaged_record" for what is no line.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.reason.as_str()
    }

    /// Why, as a sentence.
    #[getter]
    fn message(&self) -> &str {
        self.0.reason.describe()
    }

    /// Shard and sequence number of the record that brought it, with a colon between.
    #[getter]
    fn record(&self) -> &str {
        &self.0.record
    }

    /// The id under which the line would be a row.
    #[getter]
    fn line_id(&self) -> String {
        self.0.line_id()
    }

    /// Its bytes, at most 64 KiB of them.
    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.raw)
    }

    fn __str__(&self) -> String {
        format!("{}: {} ({}): {}", self.record(), self.kind(), self.message(), self.0.text())
    }

    fn __repr__(&self) -> String {
        format!("<StreamReject {} in {}: {}>", self.kind(), self.record(), shortened(&self.0.text()))
    }
}
