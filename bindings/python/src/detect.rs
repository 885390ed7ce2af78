//! Which format a log is in.

use nasalogs::{Error, ErrorKind, LogFormat, ParseOptions, ReaderBuilder, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::choice::raise;
use crate::input::Inputs;
use crate::schema::Schema;

/// Which format a log is in, and how sure that is.
#[pyclass(frozen, module = "nasalogs")]
pub struct Detection(nasalogs::Detection);

#[pymethods]
impl Detection {
    /// The format's name, which `read` and others take.
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

    /// How many lines were looked at.
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

    /// The columns.
    #[getter]
    fn schema(&self, py: Python<'_>) -> PyResult<Schema> {
        let options = ParseOptions::new().with_strings(nasalogs::StringType::Utf8);
        Ok(Schema::new(raise(py, options.schema(&self.0.format))?, Some(&self.0.format)))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Detection {}>", self.0)
    }
}

/// Finds the format of a log.
#[pyfunction]
pub fn detect(py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<Detection> {
    let inputs = Inputs::new(source)?;
    raise(py, py.detach(|| look(&inputs))).map(Detection)
}

fn look(inputs: &Inputs) -> Result<nasalogs::Detection> {
    let sources = inputs.sources()?;
    if sources.len() != 1 {
        return Err(Error::new(ErrorKind::Options, format!("these are {} inputs", sources.len()))
            .with_hint("detect() looks at one; read() detects the format of each"));
    }
    let reader = ReaderBuilder::new().open_sources(sources)?;
    match reader.summary().detections.into_iter().next() {
        Some((_, found)) => Ok(found),
        // There was no line to tell by.
        None => LogFormat::detect(b""),
    }
}
