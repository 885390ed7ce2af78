//! Events of Lambda: the records of a stream, as Python has them, to a table.

mod delivery;
mod firehose;
mod producer;
mod record;
mod reject;

use nasalogs::Encoding;
use nasalogs::intake::IntakeOptions;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub use delivery::{KinesisBatch, parse_kinesis_event};
pub use firehose::transform_firehose_event;
pub use producer::{Requests, deliver, requests};
pub use reject::StreamReject;

use crate::choice::{format, raise};
use record::raw;

/// The options that all events have, with their format and encoding.
fn options(py: Python<'_>, format: &str, encoding: &str) -> PyResult<IntakeOptions> {
    let options = match raise(py, encoding.parse::<Encoding>())? {
        Encoding::Binary => {
            return Err(PyValueError::new_err(
                "encoding is 'escape' or 'latin1' here: what comes as JSON is text, and in the same table",
            ));
        }
        encoding => IntakeOptions::new().with_encoding(encoding),
    };
    match self::format(py, format)? {
        Some(format) if !format.has_time() => Err(PyValueError::new_err(format!(
            "lines in the format {format} have no time to make days from: log it, and name it in the format"
        ))),
        Some(format) => Ok(options.with_format(format)),
        None => Ok(options),
    }
}
