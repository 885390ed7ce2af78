//! Lines in memory to one batch.

use arrow::compute::concat_batches;
use nasalogs::{Decoder, LogFormat, Reject, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PyMemoryView, PyString};

use crate::batch::RecordBatch;
use crate::choice::{Choices, Count, OnReject, Passed, names, pairs, raise};
use crate::error::{exception, rejected};
use crate::file::bytes_of;

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
    match bytes_of(line) {
        Ok(bytes) => use_it(bytes.as_bytes()),
        Err(_) => {
            Err(PyTypeError::new_err(format!("a line is str or bytes, not {}", line.get_type().name()?)))
        }
    }
}

/// All lines, each with its line end.
fn gather(lines: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let is_one = lines.is_instance_of::<PyString>() || PyMemoryView::from(lines).is_ok();
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

/// Parses lines that are in memory to one batch. For files, see `read`.
///
/// A line that is no row is never an error here unless `on_reject` says so, not even if all lines are like that.
///
/// Args:
///     lines: A text or bytes with any number of lines, or an iterable of lines, each str or bytes, with or
///         without its line end.
///     format: As in `read`. Where "auto" finds that no line fits any format, all are read as "common".
///     columns: The wanted columns, in this order; None is all of the format.
///     extras: Further columns, behind the others: "line", "byte_offset", "raw", "file".
///     encoding: What becomes of bytes that are not UTF-8: "escape", "latin1" or "binary".
///     strings: The Arrow layout of text: "utf8", "view" or "compact".
///     names: "nasalogs" or "classic".
///     rename: Other names for columns, as {"host": "client"}.
///     on_reject: What to do with a line that is no row: "collect" it for `RecordBatch.rejects`,
///         "count" leaves it out, "raise" ParseError, or a function that is called with each Reject.
///     max_line: The longest line in bytes, without its end; longer ones are rejected. None is 1 MiB.
///
/// Returns:
///     A RecordBatch.
///
/// Raises:
///     ParseError: A line is no row, with on_reject="raise".
///     ValueError: An argument is none of those it can be.
///     TypeError: `lines` are no lines.
///
/// Example:
///
///     >>> batch = nasalogs.parse([
///     ...     'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245',
///     ...     'h - - [31/Feb/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245',
///     ... ])
///     >>> batch.num_rows
///     1
///     >>> [(reject.line, reject.kind) for reject in batch.rejects]
///     [(2, 'bad_timestamp')]
#[pyfunction]
#[pyo3(signature = (
    lines, *, format="auto", columns=None, extras=None, encoding="escape", strings="utf8", names="nasalogs", rename=None,
    on_reject=OnReject::Collect, max_line=None
), text_signature = "(lines, *, format='auto', columns=None, extras=None, encoding='escape', strings='utf8', \
names='nasalogs', rename=None, on_reject='collect', max_line=None)")]
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
    on_reject: OnReject,
    max_line: Option<Count>,
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
