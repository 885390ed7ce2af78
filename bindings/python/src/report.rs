//! Reports: those of the command `nasalogs report`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use nasalogs::report::{EncodedCube, TerminalOptions, html, markdown, terminal};
use nasalogs::{Result, report::Report as Numbers};
use nasalogs_cli::filter::FilterArgs;
use nasalogs_cli::interrupt::Stop;
use nasalogs_cli::object::Access;
use nasalogs_cli::report::{Args, Input, execute};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDateTime, PyInt, PyString};

use crate::choice::{Count, max_rejects, raise};
use crate::input::Inputs;
use crate::signal;

/// What happened, in numbers: `nasalogs report`, without leaving Python.
///
/// Every argument that chooses rows takes one value or several; several are alternatives, and different arguments must all
/// fit.
///
/// Args:
///     source: As in `read`; also Parquet: files, patterns, directories.
///     format: As in `read`.
///     since: Only rows from this time on: a datetime, "1995-07-01", an RFC 3339 time, or "2 hours ago", counted from the
///         log's end.
///     until: Only rows before this time.
///     status: Only these statuses: 404, "5xx", "200-299"; "-" for rows without one.
///     method: Only these methods.
///     path: Only paths that match a pattern; * is any text, with / too.
///     host: Only hosts that match a pattern, or lie in a network such as "192.0.2.0/24".
///     exclude_status, exclude_method, exclude_path, exclude_host: Not these.
///     tz: Whose hours and days: "log" (the offset of the log's first row), "utc", "+02:00", "Europe/Berlin".
///     top: How many URLs, hosts and so on are named.
///     page: Whether the page can be filtered by who reads it, for which logs are read a second time.
///     max_memory: How many bytes the counting may take; None is half of the machine's.
///     approx: Bound the memory by estimates, whose bounds the report names.
///     max_rejects: As in `read`; unless set, any number of lines may be rejected.
///     jobs: How many threads; 0 is one for each processor.
///
/// Returns:
///     A Report.
///
/// Raises:
///     OSError: An input cannot be read.
///     ParseError: No line is a row, or more were rejected than `max_rejects` allows.
///     MemoryError: Counting takes more than `max_memory`.
///     ValueError: An argument is none of those it can be.
///     TypeError: `source` is nothing that can be read.
///
/// Example:
///
///     >>> report = nasalogs.report(nasalogs.generate(1000), status="2xx", top=3, page=False)
///     >>> report.to_dict()["urls"]["rows"][0]["name"]
///     '/images/NASA-logosmall.gif'
#[pyfunction]
#[pyo3(signature = (
    source, *, format="auto", since=None, until=None, status=None, method=None, path=None, host=None,
    exclude_status=None, exclude_method=None, exclude_path=None, exclude_host=None, tz="log", top=10, page=true,
    max_memory=None, approx=false, max_rejects=None, jobs=Count(0)
), text_signature = "(source, *, format='auto', since=None, until=None, status=None, method=None, path=None, \
host=None, exclude_status=None, exclude_method=None, exclude_path=None, exclude_host=None, tz='log', top=10, \
page=True, max_memory=None, approx=False, max_rejects=None, jobs=0)")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn report(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    format: &str,
    since: Option<&Bound<'_, PyAny>>,
    until: Option<&Bound<'_, PyAny>>,
    status: Option<&Bound<'_, PyAny>>,
    method: Option<&Bound<'_, PyAny>>,
    path: Option<&Bound<'_, PyAny>>,
    host: Option<&Bound<'_, PyAny>>,
    exclude_status: Option<&Bound<'_, PyAny>>,
    exclude_method: Option<&Bound<'_, PyAny>>,
    exclude_path: Option<&Bound<'_, PyAny>>,
    exclude_host: Option<&Bound<'_, PyAny>>,
    tz: &str,
    top: usize,
    page: bool,
    max_memory: Option<u64>,
    approx: bool,
    max_rejects: Option<&Bound<'_, PyAny>>,
    jobs: Count,
) -> PyResult<Report> {
    if top == 0 {
        return Err(PyValueError::new_err("top is at least 1"));
    }
    let inputs = Inputs::new(source)?;
    let args = Args {
        inputs: Vec::new(),
        // Not written: what is asked for here is what a page needs.
        html: page.then(PathBuf::new),
        json: None,
        markdown: None,
        top,
        format: format.to_owned(),
        filter: FilterArgs {
            since: moment(py, since)?,
            until: moment(py, until)?,
            status: several(py, "status", status)?,
            method: methods(several(py, "method", method)?),
            path: several(py, "path", path)?,
            host: several(py, "host", host)?,
            exclude_status: several(py, "exclude_status", exclude_status)?,
            exclude_method: methods(several(py, "exclude_method", exclude_method)?),
            exclude_path: several(py, "exclude_path", exclude_path)?,
            exclude_host: several(py, "exclude_host", exclude_host)?,
            tz: Some(raise(py, tz.parse())?),
        },
        max_memory,
        approx,
        strict: false,
        max_rejects: max_rejects.map(|most| self::max_rejects(Some(most))).transpose()?,
        jobs: NonZeroUsize::new(jobs.0),
        overwrite: false,
        quiet: true,
        access: Access::default(),
    };
    let (numbers, cube) = raise(py, py.detach(|| run(&args, &inputs)))?;
    Ok(Report { numbers, cube })
}

fn run(args: &Args, inputs: &Inputs) -> Result<(Numbers, Option<EncodedCube>)> {
    let table = match inputs.paths() {
        Some(paths) => {
            Some(Input::find(&paths, &args.access)?).filter(|input| matches!(input, Input::Table { .. }))
        }
        None => None,
    };
    let input = match table {
        Some(table) => table,
        None => Input::Logs(inputs.sources()?),
    };
    let stop = Stop::default();
    let outcome = execute(args, input, &stop, &mut |_, _| signal::check());
    stop.clean();
    outcome.map(|outcome| (outcome.report, outcome.cube))
}

/// A time, from a datetime or from text.
fn moment<T: FromStr<Err = nasalogs::Error>>(
    py: Python<'_>,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    let text = if value.is_instance_of::<PyDateTime>() {
        value.call_method0("isoformat")?.extract::<String>()?
    } else {
        value.str()?.extract::<String>()?
    };
    raise(py, text.parse()).map(Some)
}

/// Each of them, also where one text names several, as on the command line.
fn methods(texts: Vec<String>) -> Vec<String> {
    texts.iter().flat_map(|text| text.split(',')).map(|method| method.trim().to_owned()).collect()
}

/// One value or several, each a text or a number.
fn several<T: FromStr>(py: Python<'_>, argument: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<T>>
where
    nasalogs::Error: From<Refused<T::Err>>,
{
    let Some(value) = value else { return Ok(Vec::new()) };
    let is_one =
        |value: &Bound<'_, PyAny>| value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>();
    let wrong = |value: &Bound<'_, PyAny>| {
        let name = value.get_type();
        PyTypeError::new_err(format!("{argument} is text or a list of texts, not {name}"))
    };
    let one = |value: &Bound<'_, PyAny>| -> PyResult<T> {
        if !is_one(value) {
            return Err(wrong(value));
        }
        let text = value.str()?.extract::<String>()?;
        raise(py, text.parse().map_err(|error| nasalogs::Error::from(Refused(error))))
    };
    if is_one(value) {
        return one(value).map(|value| vec![value]);
    }
    if value.is_instance_of::<PyBytes>() {
        return Err(wrong(value));
    }
    value.try_iter().map_err(|_| wrong(value))?.map(|value| one(&value?)).collect()
}

/// Why a text is no value.
struct Refused<E>(E);

impl From<Refused<nasalogs::Error>> for nasalogs::Error {
    fn from(refused: Refused<nasalogs::Error>) -> Self {
        refused.0
    }
}

impl From<Refused<std::convert::Infallible>> for nasalogs::Error {
    fn from(refused: Refused<std::convert::Infallible>) -> Self {
        match refused.0 {}
    }
}

/// What happened, in numbers.
///
/// In a notebook it shows itself as a page that its reader filters. `str()` of it is the report of the command.
///
/// Example:
///
///     >>> report = nasalogs.report(nasalogs.generate(1000))
///     >>> report
///     <nasalogs.Report: 1000 requests of 164 hosts>
///     >>> numbers = report.to_dict()
///     >>> numbers["requests"], len(numbers["urls"]["rows"])
///     (1000, 10)
#[pyclass(frozen, module = "nasalogs")]
pub struct Report {
    numbers: Numbers,
    cube: Option<EncodedCube>,
}

#[pymethods]
impl Report {
    /// All numbers, as `nasalogs report --json` has them; docs/report.md says what each is.
    ///
    /// Example:
    ///
    ///     >>> report = nasalogs.report(nasalogs.generate(1000), page=False)
    ///     >>> report.to_dict()["lines"]
    ///     {'lines': 1000, 'rows': 1000, 'rejected': 0, 'blank': 0, 'filtered': 0}
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("json")?.call_method1("loads", (self.to_json(py),))
    }

    /// All numbers as JSON, on one line.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.report(nasalogs.generate(1000), page=False).to_json()[:12]
    ///     '{"version":1'
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.numbers.to_json())
    }

    /// A page: one file, which needs no network. Its reader filters it, unless the report was made with `page=False`.
    ///
    /// Example:
    ///
    ///     >>> page = nasalogs.report(nasalogs.generate(1000)).to_html()
    ///     >>> page[:15]
    ///     '<!doctype html>'
    fn to_html(&self, py: Python<'_>) -> String {
        py.detach(|| html(&self.numbers, self.cube.as_ref()))
    }

    /// The report as Markdown.
    ///
    /// Example:
    ///
    ///     >>> nasalogs.report(nasalogs.generate(1000), page=False).to_markdown()[:2]
    ///     '# '
    fn to_markdown(&self, py: Python<'_>) -> String {
        py.detach(|| markdown(&self.numbers))
    }

    fn _repr_html_(&self, py: Python<'_>) -> String {
        // In a frame of its own, which may run its own scripts and nothing else.
        let page = self.to_html(py).replace('&', "&amp;").replace('"', "&quot;");
        format!(
            "<iframe sandbox=\"allow-scripts\" style=\"width:100%;height:48rem;border:0\" title=\"nasalogs report\" \
             srcdoc=\"{page}\"></iframe>"
        )
    }

    fn __str__(&self, py: Python<'_>) -> String {
        py.detach(|| terminal(&self.numbers, &TerminalOptions::new()))
    }

    fn __repr__(&self) -> String {
        format!(
            "<nasalogs.Report: {} requests of {} hosts>",
            self.numbers.requests, self.numbers.unique_hosts
        )
    }
}
