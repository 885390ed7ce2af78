//! Conversion and the command line: those of the program `nasalogs`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nasalogs::sink::{Compression, OutputFormat, PartitionTz};
use nasalogs::{Encoding, Extras, Names, Result};
use nasalogs_cli::convert::{Args, Conversion, check_files, execute};
use nasalogs_cli::interrupt::Stop;
use nasalogs_cli::object::Access;
use nasalogs_cli::summary::Written;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::choice::{max_rejects, names, pairs, raise};
use crate::error::{exception, rejected};
use crate::input::{Inputs, path};
use crate::signal;
use crate::summary::Summary;

/// Turns logs into Parquet, Arrow, NDJSON or CSV.
#[pyfunction]
#[pyo3(signature = (
    source, output, *, format="auto", to=None, partition_by=None, partition_tz="utc", compression=None, columns=None,
    names="nasalogs", rename=None, extras=None, encoding="escape", csv_safe=false, rejects=None, strict=false,
    max_rejects=None, jobs=0, overwrite=false, append=false
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn convert(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    output: &Bound<'_, PyAny>,
    format: &str,
    to: Option<&str>,
    partition_by: Option<String>,
    partition_tz: &str,
    compression: Option<&str>,
    columns: Option<&Bound<'_, PyAny>>,
    names: &str,
    rename: Option<&Bound<'_, PyAny>>,
    extras: Option<&Bound<'_, PyAny>>,
    encoding: &str,
    csv_safe: bool,
    rejects: Option<&Bound<'_, PyAny>>,
    strict: bool,
    max_rejects: Option<&Bound<'_, PyAny>>,
    jobs: usize,
    overwrite: bool,
    append: bool,
) -> PyResult<Summary> {
    if let Some(other) = partition_by.as_deref().filter(|by| *by != "dt") {
        return Err(PyValueError::new_err(format!("partition_by is \"dt\", or nothing; not {other:?}")));
    }
    if overwrite && append {
        return Err(PyValueError::new_err("overwrite and append exclude each other; leave one of them away"));
    }
    if append && partition_by.is_none() {
        return Err(PyValueError::new_err("append adds to a table of days; pass partition_by=\"dt\" too"));
    }
    let inputs = Inputs::new(source)?;
    let args = Args {
        inputs: inputs.paths().map(PathBuf::from).collect(),
        output: path(output)?.into(),
        format: format.to_owned(),
        to: raise(py, to.map(str::parse::<OutputFormat>).transpose())?,
        partition_by,
        partition_tz: raise(py, partition_tz.parse::<PartitionTz>())?,
        compression: raise(py, compression.map(str::parse::<Compression>).transpose())?,
        columns: self::names("columns", columns)?,
        names: raise(py, names.parse::<Names>())?,
        rename: pairs(rename)?.unwrap_or_default(),
        with: raise(py, self::names("extras", extras)?.unwrap_or_default().join(",").parse::<Extras>())?,
        encoding: raise(py, encoding.parse::<Encoding>())?,
        csv_safe,
        rejects: rejects.map(|rejects| path(rejects).map(PathBuf::from)).transpose()?,
        strict,
        max_rejects: Some(self::max_rejects(max_rejects)?),
        jobs: NonZeroUsize::new(jobs),
        overwrite,
        append,
        quiet: true,
        summary_json: None,
        access: Access::default(),
    };
    let Conversion { account, failed } = raise(py, py.detach(|| run(&args, &inputs)))?;
    if let Some(error) = failed {
        return Err(exception(py, error));
    }
    if let (true, Some(first)) = (args.strict, account.first_rejects.values().min_by_key(|first| first.line))
    {
        return Err(exception(py, rejected(first.clone())));
    }
    let bytes = if let Written::All(bytes) = account.written { bytes } else { 0 };
    Ok(Summary { summary: account.summary, written: Some((bytes, account.elapsed.as_secs_f64())) })
}

fn run(args: &Args, inputs: &Inputs) -> Result<Conversion> {
    /// How often Ctrl-C is looked for.
    const EVERY: Duration = Duration::from_millis(50);
    check_files(args)?;
    let stop = Stop::default();
    let mut looked = Instant::now();
    let conversion = execute(args, inputs.sources()?, &stop, &mut |_| {
        if looked.elapsed() < EVERY {
            return Ok(());
        }
        looked = Instant::now();
        signal::check()
    });
    stop.clean();
    conversion
}

/// Runs the command line, whose first word is the program's name, and gives the exit code.
#[pyfunction]
pub fn command_line(py: Python<'_>, words: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| nasalogs_cli::run(words))
}
