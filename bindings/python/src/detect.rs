//! Which format a log is in.

use nasalogs::{Error, ErrorKind, LogFormat, Naming, ParseOptions, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::choice::raise;
use crate::input::Inputs;
use crate::schema::Schema;
use crate::signal;

/// Which format a log is in, and how sure that is: what `detect` gives.
///
/// Example:
///
///     >>> print(nasalogs.detect(nasalogs.generate(1000, format="combined")))
///     combined: 256 of 256 lines fit (100 %)
#[pyclass(frozen, module = "nasalogs")]
pub struct Detection(nasalogs::Detection);

#[pymethods]
impl Detection {
    /// The format's name, as `read` and others take it.
    #[getter]
    fn format(&self) -> &str {
        self.0.format.name()
    }

    /// The format as a format string.
    #[getter]
    fn pattern(&self) -> &str {
        self.0.format.pattern()
    }

    /// The share of the lines looked at that fit, from 0 to 1; 0 when there were none.
    #[getter]
    fn confidence(&self) -> f64 {
        self.0.confidence
    }

    /// How many lines were looked at: 256 at most.
    #[getter]
    fn lines(&self) -> usize {
        self.0.lines
    }

    /// How many of them fit.
    #[getter]
    fn fits(&self) -> usize {
        self.0.fits
    }

    /// How many lines fit each built-in format.
    #[getter]
    fn candidates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (format, fits) in &self.0.candidates {
            all.set_item(format.name(), fits)?;
        }
        Ok(all)
    }

    /// The columns that the format gives.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        let options = ParseOptions::new().with_strings(nasalogs::StringType::Utf8);
        Ok(Schema::new(raise(py, options.schema(&self.0.format))?, Some(&self.0.format), &Naming::default()))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Detection {}>", self.0)
    }
}

/// Finds the format of a log. It looks at up to 256 lines of the first 256 KiB.
///
/// Args:
///     source: One input, as in `read`. A file object has been read from after that.
///
/// Returns:
///     A Detection. Of an empty log it is "common", with a confidence of 0.
///
/// Raises:
///     ParseError: No line is in a format that has a name.
///     OSError: The input cannot be opened or read.
///
/// Example:
///
///     >>> found = nasalogs.detect(b'h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 6245\n')
///     >>> found.format, found.pattern, found.confidence
///     ('common', '%h %l %u %t "%r" %>s %b', 1.0)
#[pyfunction]
pub fn detect(py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<Detection> {
    let inputs = Inputs::new(source)?;
    raise(py, py.detach(|| look(&inputs))).map(Detection)
}

fn look(inputs: &Inputs) -> Result<nasalogs::Detection> {
    /// How much of the input is looked at.
    const SAMPLE: usize = 256 << 10;
    let sources = inputs.sources()?;
    if sources.len() != 1 {
        return Err(Error::new(ErrorKind::Options, format!("these are {} inputs", sources.len()))
            .with_hint("detect() looks at one; read() detects the format of each"));
    }
    let Some(source) = sources.into_iter().next() else { return LogFormat::detect(b"") };
    let mut input = source.open()?;
    let mut sample = vec![0; SAMPLE];
    let mut length = 0;
    while length < SAMPLE {
        signal::check()?;
        match input.read_into(&mut sample[length..])? {
            0 => break,
            count => length += count,
        }
    }
    let whole = match (length, memchr::memrchr(b'\n', &sample[..length])) {
        // A line that was cut here would speak against every format.
        (SAMPLE, Some(newline)) => newline + 1,
        _ => length,
    };
    LogFormat::detect(&sample[..whole])
}
