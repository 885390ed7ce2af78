//! Traffic to try things on.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nasalogs::field::time::{self, Instant};
use nasalogs::generate::{GenerateOptions, Generator, Outcome};
use nasalogs::sink::AtomicFile;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::choice::raise;
use crate::input::path;
use crate::signal;

/// Lines of traffic as they are made: a loop over it gives blocks of bytes, and so does `read`, so that it is a binary
/// file object too.
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

    /// The next `size` bytes, or all that are left.
    #[pyo3(signature = (size=-1, /))]
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

    /// Writes what is left to a file, which appears when it is complete; gives its size in bytes.
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

    /// How many lines were made so far, and how many of them have to be rows, rejected and blank.
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

/// Makes traffic that looks like NASA's of July 1995.
#[pyfunction]
#[pyo3(signature = (lines=1_000_000, *, seed=0, format="common", start=None, oddities=0.0))]
pub fn generate(
    py: Python<'_>,
    lines: u64,
    seed: u64,
    format: &str,
    start: Option<&Bound<'_, PyAny>>,
    oddities: f64,
) -> PyResult<Traffic> {
    let mut options = GenerateOptions::new()
        .with_lines(lines)
        .with_seed(seed)
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
        Err(_) => start.extract()?,
    };
    let read = time::iso(text.as_bytes()).or_else(|| time::clf(text.as_bytes()));
    read.ok_or_else(|| {
        PyValueError::new_err(format!(
            "start is {text:?}; expected a datetime with a timezone, or a text such as 1995-07-01T00:00:01-04:00"
        ))
    })
}
