//! Traffic to try things on.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nasalogs::field::time::{self, Instant};
use nasalogs::generate::{GenerateOptions, Generator, Outcome};
use nasalogs::sink::AtomicFile;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::choice::{Count, raise};
use crate::input::path;
use crate::signal;

/// Invented lines, made as they are asked for: what `generate` gives.
///
/// A loop over it gives blocks of bytes; it has `read`, and so is a binary file object that `read`, `detect` and
/// `convert` take. Its lines come once.
///
/// Example:
///
///     >>> traffic = nasalogs.generate(2)
///     >>> traffic.read().count(b"\n")
///     2
///     >>> traffic.read()
///     b''
#[pyclass(frozen, module = "nasalogs")]
pub struct Traffic(Mutex<Generator>);

impl Traffic {
    fn generator(&self) -> MutexGuard<'_, Generator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Traffic {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let block = self.read(py, Generator::BLOCK as isize)?;
        Ok((!block.as_bytes().is_empty()).then_some(block))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<nasalogs.Traffic lines={}>", py.detach(|| self.generator().tally().lines))
    }

    /// The next `size` bytes; all that are left where it is negative or missing.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.generate(1).read(13)
    ///     b'161.243.56.77'
    #[pyo3(signature = (size=-1, /), text_signature = "($self, size=-1, /)")]
    fn read<'py>(&self, py: Python<'py>, size: isize) -> PyResult<Bound<'py, PyBytes>> {
        let block = py.detach(|| {
            let mut block = Vec::new();
            let mut generator = self.generator();
            match u64::try_from(size) {
                Ok(size) => (&mut *generator).take(size).read_to_end(&mut block),
                Err(_) => generator.read_to_end(&mut block),
            }
            .map(|_| block)
        })?;
        Ok(PyBytes::new(py, &block))
    }

    /// Writes what is left to a file, which appears when it is complete, and gives its size in bytes.
    ///
    /// Raises FileExistsError where the file is there and `overwrite` is not true.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.generate(1000).write_to("traffic.log") > 0
    ///     True
    #[pyo3(signature = (path, *, overwrite=false))]
    fn write_to(&self, py: Python<'_>, path: &Bound<'_, PyAny>, overwrite: bool) -> PyResult<u64> {
        let path = PathBuf::from(self::path(path)?);
        let written = py.detach(|| {
            let mut file = AtomicFile::create(&path, overwrite)?;
            let (mut block, mut size) = (Vec::new(), 0);
            loop {
                signal::check()?;
                block.resize(Generator::BLOCK, 0);
                let count = self
                    .generator()
                    .read(&mut block)
                    .map_err(|error| nasalogs::Error::io("traffic", error))?;
                if count == 0 {
                    file.commit()?;
                    return Ok(size);
                }
                file.write_all(&block[..count]).map_err(|error| file.failure(error))?;
                size += count as u64;
            }
        });
        raise(py, written)
    }

    /// How many lines were made so far, and what they have to become: `lines`, `rows`, `rejected`, `blank`.
    ///
    /// Example:
    ///
    ///     >>> traffic = nasalogs.generate(1000)
    ///     >>> reader = nasalogs.read(traffic)
    ///     >>> len(reader.to_pylist()) == traffic.tally["rows"]
    ///     True
    #[getter]
    fn tally<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let tally = self.generator().tally();
        let counts = PyDict::new(py);
        counts.set_item("lines", tally.lines)?;
        let (rows, blank) = (tally.count(Outcome::Row), tally.count(Outcome::Blank));
        counts.set_item("rows", rows)?;
        counts.set_item("rejected", tally.lines - rows - blank)?;
        counts.set_item("blank", blank)?;
        Ok(counts)
    }
}

/// Makes traffic that looks like NASA's web servers' of July 1995. The same arguments always give the same bytes.
///
/// Args:
///     lines: How many lines.
///     seed: Another seed gives other traffic.
///     format: "common" or "combined".
///     start: The time of the first line: a datetime with a timezone, or a text such as
///         "1995-07-01T00:00:01-04:00", which is what None means.
///     oddities: The share of lines that are odd, as logs have them, from 0 to 1: no protocol, quotes, blanks,
///         bytes that are not UTF-8, cut short.
///
/// Returns:
///     A Traffic: bytes in blocks, or a file object.
///
/// Raises:
///     ValueError: An argument is none of those it can be.
///
/// Example:
///
///     >>> traffic = nasalogs.generate(10_000, seed=7, oddities=0.001)
///     >>> nasalogs.read(traffic).to_pyarrow().num_rows > 9_900
///     True
#[pyfunction]
#[pyo3(signature = (lines=Count(1_000_000), *, seed=Count(0), format="common", start=None, oddities=0.0), text_signature = "(lines=1000000, *, seed=0, format='common', start=None, oddities=0.0)")]
pub fn generate(
    py: Python<'_>,
    lines: Count,
    seed: Count,
    format: &str,
    start: Option<&Bound<'_, PyAny>>,
    oddities: f64,
) -> PyResult<Traffic> {
    let mut options = GenerateOptions::new()
        .with_lines(lines.0 as u64)
        .with_seed(seed.0 as u64)
        .with_traffic(raise(py, format.parse())?)
        .with_oddities(oddities);
    if let Some(start) = start {
        let Instant { ms, tz_offset } = instant(start)?;
        options = options.with_start(ms, tz_offset);
    }
    let generator = raise(py, py.detach(|| Generator::new(options)))?;
    Ok(Traffic(Mutex::new(generator)))
}

/// A time with its offset: an aware datetime, or a text as logs and ISO 8601 have it.
fn instant(start: &Bound<'_, PyAny>) -> PyResult<Instant> {
    let text: String = match start.call_method1("isoformat", ("T", "seconds")) {
        Ok(text) => text.extract()?,
        Err(_) => start.extract().map_err(|_| {
            PyTypeError::new_err(
                "start is a datetime with a timezone, or a text such as 1995-07-01T00:00:01-04:00",
            )
        })?,
    };
    let read = time::iso(text.as_bytes()).or_else(|| time::clf(text.as_bytes()));
    read.ok_or_else(|| {
        PyValueError::new_err(format!(
            "start is {text:?}; expected a datetime with a timezone, or a text such as 1995-07-01T00:00:01-04:00"
        ))
    })
}
