//! Lines in memory to one batch.

use arrow::compute::concat_batches;
use nasalogs::{Decoder, LogFormat, Reject, Result};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyString};

use crate::batch::RecordBatch;
use crate::choice::{Choices, OnReject, Passed, names, pairs, raise};
use crate::error::{exception, rejected};

/// The bytes of a line: text as UTF-8, where a lone surrogate stands for the byte that it was made from.
pub fn with_line<R>(line: &Bound<'_, PyAny>, use_it: impl FnOnce(&[u8]) -> PyResult<R>) -> PyResult<R> {
    if let Ok(text) = line.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => use_it(text.as_bytes()),
            Err(_) => {
                let bytes = text.call_method1("encode", ("utf-8", "surrogateescape"))?;
                use_it(bytes.cast::<PyBytes>()?.as_bytes())
            }
        };
    }
    if let Ok(bytes) = line.cast::<PyBytes>() {
        return use_it(bytes.as_bytes());
    }
    match PyBuffer::<u8>::get(line) {
        Ok(buffer) => use_it(&buffer.to_vec(line.py())?),
        Err(_) => {
            Err(PyTypeError::new_err(format!("a line is str or bytes, not {}", line.get_type().name()?)))
        }
    }
}

/// All lines, each with its line end.
fn gather(lines: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let is_one = lines.is_instance_of::<PyString>() || PyBuffer::<u8>::get(lines).is_ok();
    if is_one {
        return with_line(lines, |text| Ok(text.to_vec()));
    }
    let hint = "expected a text, bytes, or an iterable of lines";
    if lines.is_instance_of::<PyMapping>() || lines.hasattr("__fspath__")? {
        return Err(PyTypeError::new_err(format!("{hint}; read() takes files")));
    }
    let items = lines.try_iter().map_err(|_| {
        let name = lines.get_type().name().map_or_else(|_| String::new(), |name| format!(", not {name}"));
        PyTypeError::new_err(format!("{hint}{name}"))
    })?;
    let mut text = Vec::new();
    for line in items {
        with_line(&line?, |line| {
            text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            text.push(b'\n');
            Ok(())
        })?;
    }
    Ok(text)
}

/// Parses lines in memory to one batch.
#[pyfunction]
#[pyo3(signature = (
    lines, *, format="auto", columns=None, extras=None, encoding="escape", strings="utf8", names="nasalogs", rename=None,
    on_reject=None, max_line=None
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn parse(
    py: Python<'_>,
    lines: &Bound<'_, PyAny>,
    format: &str,
    columns: Option<&Bound<'_, PyAny>>,
    extras: Option<&Bound<'_, PyAny>>,
    encoding: &str,
    strings: &str,
    names: &str,
    rename: Option<&Bound<'_, PyAny>>,
    on_reject: Option<&Bound<'_, PyAny>>,
    max_line: Option<usize>,
) -> PyResult<RecordBatch> {
    let passed = Passed {
        format,
        columns: self::names("columns", columns)?,
        extras: self::names("extras", extras)?.unwrap_or_default(),
        encoding,
        strings,
        names,
        rename: pairs(rename)?,
        max_line,
        batch_bytes: None,
    };
    let choices = passed.choices(py)?;
    let on_reject = on_reject.map_or(Ok(OnReject::Collect), OnReject::new)?;
    let text = gather(lines)?;
    let (batch, rejects) = raise(py, py.detach(|| decode(&text, choices)))?;
    let kept = match on_reject {
        OnReject::Count => Vec::new(),
        OnReject::Collect => rejects,
        OnReject::Raise => match rejects.into_iter().next() {
            Some(first) => return Err(exception(py, rejected(first))),
            None => Vec::new(),
        },
        OnReject::Call(function) => {
            let calls = rejects.into_iter().try_for_each(|reject| OnReject::call(&function, reject));
            raise(py, calls).map(|()| Vec::new())?
        }
    };
    Ok(RecordBatch::with_rejects(batch, kept))
}

fn decode(text: &[u8], choices: Choices) -> Result<(arrow::array::RecordBatch, Vec<Reject>)> {
    /// As much as a format is detected from.
    const SAMPLE: usize = 256 << 10;
    let Choices { mut options, naming } = choices;
    // Lines of no format at all are rejected one by one, as lines of the commonest.
    if options.format.is_none() {
        let found = LogFormat::detect(&text[..text.len().min(SAMPLE)]);
        options.format = Some(found.map_or_else(|_| LogFormat::common(), |found| found.format));
    }
    // One chunk, and so one batch, where that is possible.
    let mut decoder = Decoder::new(options.with_chunk(text.len() + 1))?;
    let (mut rest, mut batches) = (text, Vec::new());
    while !rest.is_empty() {
        rest = &rest[decoder.push(rest)?..];
        batches.extend(std::iter::from_fn(|| decoder.next_batch()));
    }
    decoder.finish()?;
    batches.extend(std::iter::from_fn(|| decoder.next_batch()));
    let schema = decoder.schema().ok_or_else(|| {
        nasalogs::Error::new(nasalogs::ErrorKind::Format, "a decoder that has finished knows its schema")
    })?;
    let batch = match batches.len() {
        1 => batches.remove(0),
        _ => concat_batches(&schema, &batches)?,
    };
    let named = naming.bind(&schema)?;
    let batch = if naming.is_plain() { batch } else { named.apply(&batch)? };
    Ok((batch, decoder.take_rejects()))
}
