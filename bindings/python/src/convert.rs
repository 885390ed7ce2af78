//! Conversion and the command line: those of the program `nasalogs`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use nasalogs::sink::{Compression, OutputFormat, PartitionTz};
use nasalogs::{Encoding, Extras, Names, Result};
use nasalogs_cli::convert::{Args, Conversion, check_files, execute};
use nasalogs_cli::filter::FilterArgs;
use nasalogs_cli::interrupt::Stop;
use nasalogs_cli::object::Access;
use nasalogs_cli::summary::Written;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::choice::{Count, max_rejects, names, pairs, raise};
use crate::error::{exception, rejected};
use crate::input::{Inputs, path};
use crate::signal;
use crate::summary::Summary;

/// Turns logs into Parquet, Arrow, NDJSON or CSV: `nasalogs convert`, without leaving Python.
///
/// The output appears when it is complete, or not at all. Lines that are no rows are counted, and kept in a file
/// with `rejects`.
///
/// Args:
///     source: As in `read`.
///     output: The file to write; with `partition_by`, the directory of the table.
///     format: As in `read`.
///     to: "parquet", "arrow", "ndjson" or "csv"; None goes by the extension of `output`.
///     partition_by: "dt" writes a directory for each day, as Hive, Athena, Spark and DuckDB read it.
///     partition_tz: Whose days: "utc", or "log" for those of the offset that was logged.
///     compression: Of Parquet: "zstd" (also "zstd:1" to "zstd:22"), "snappy" or "none". None is "zstd".
///     columns, names, rename, extras, encoding: As in `read`.
///     csv_safe: In CSV, put ' before cells that a spreadsheet would run as a formula.
///     rejects: A file for the lines that are no rows, as NDJSON: file, line, offset, reason, raw.
///     strict: Raise ParseError if any line is rejected. The output is written all the same.
///     max_rejects: Write nothing and raise ParseError if more lines are rejected, as in `read`.
///     jobs: How many threads; 0 is one for each processor.
///     overwrite: Replace what is there: the file, or the days that are written.
///     append: Add files to a table that is there.
///
/// Returns:
///     A Summary, with what was written and how long it took.
///
/// Raises:
///     OSError: An input cannot be read, or the output not be written; FileExistsError where it is there already.
///     ParseError: No line is a row, or more were rejected than `strict` or `max_rejects` allow.
///     ValueError: An argument is none of those it can be.
///     TypeError: `source` is nothing that can be read.
///
/// Example:
///
///     >>> summary = nasalogs.convert(nasalogs.generate(1000), "july.parquet", columns=["ts", "path", "status"])
///     >>> summary.rows, summary.bytes_out > 0
///     (1000, True)
#[pyfunction]
#[pyo3(signature = (
    source, output, *, format="auto", to=None, partition_by=None, partition_tz="utc", compression=None, columns=None,
    names="nasalogs", rename=None, extras=None, encoding="escape", csv_safe=false, rejects=None, strict=false,
    max_rejects=None, jobs=Count(0), overwrite=false, append=false
), text_signature = "(source, output, *, format='auto', to=None, partition_by=None, partition_tz='utc', \
compression=None, columns=None, names='nasalogs', rename=None, extras=None, encoding='escape', csv_safe=False, \
rejects=None, strict=False, max_rejects=None, jobs=0, overwrite=False, append=False)")]
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
    jobs: Count,
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
        inputs: inputs.files(py),
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
        jobs: NonZeroUsize::new(jobs.0),
        overwrite,
        append,
        quiet: true,
        summary_json: None,
        filter: FilterArgs::default(),
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
    check_files(args)?;
    let stop = Stop::default();
    let conversion = execute(args, inputs.sources()?, &stop, &mut |_| signal::check());
    stop.clean();
    conversion
}

/// Runs the command line, whose first word is the program's name, and gives the exit code.
///
/// Example:
///
///     >>> from nasalogs._core import command_line
///     >>> command_line(["nasalogs", "generate", "--lines", "10", "-o", "ten.log"])
///     0
#[pyfunction]
pub fn command_line(py: Python<'_>, words: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| nasalogs_cli::run(words))
}
