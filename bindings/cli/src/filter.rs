//! Which rows are wanted, on the command line: the same options wherever rows are chosen.

use std::num::NonZeroUsize;

use nasalogs::arrow::array::{Array, AsArray, RecordBatch, RecordBatchReader};
use nasalogs::arrow::compute::max;
use nasalogs::arrow::datatypes::{Int16Type, TimestampMillisecondType};
use nasalogs::filter::{Filter, Glob, HostRule, Moment, Sieve, Statuses, Zone};
use nasalogs::source::Source;
use nasalogs::{Error, ErrorKind, ParseOptions, Progress, Reader, ReaderBuilder, Result};

use crate::interrupt::Stop;
use crate::value;

/// Which rows are wanted. Several values of one option are alternatives; different options must all fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Rows")]
pub struct FilterArgs {
    /// Only rows from this time on: 1995-07-01, '1995-07-01 06:30', an RFC 3339 time, yesterday, or '2 hours ago',
    /// counted from the log's end
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Only rows before this time, which is written as for --since
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only these statuses: 404, 5xx, 200-299, a list of them, and - for rows without one
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub status: Vec<Statuses>,
    /// Only these methods, a list; case does not count
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = value::trimmed)]
    pub method: Vec<String>,
    /// Only paths that match, the query left aside: * is any text (with /), ? one character, [a-z] one of some
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<Glob>,
    /// Only these hosts: a pattern as for --path, an address, or a network such as 192.0.2.0/24
    #[arg(long, value_name = "GLOB|CIDR")]
    pub host: Vec<HostRule>,
    /// Not these statuses
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub exclude_status: Vec<Statuses>,
    /// Not these methods
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = value::trimmed)]
    pub exclude_method: Vec<String>,
    /// Not paths that match
    #[arg(long, value_name = "GLOB")]
    pub exclude_path: Vec<Glob>,
    /// Not these hosts
    #[arg(long, value_name = "GLOB|CIDR")]
    pub exclude_host: Vec<HostRule>,
    /// Whose clock: log (the offset of its first row), utc, an offset such as -04:00, or a name such as Europe/Berlin
    /// [default: log]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    pub tz: Option<Zone>,
}

impl FilterArgs {
    /// What was asked for.
    #[must_use]
    pub fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        (filter.since, filter.until) = (self.since.clone(), self.until.clone());
        filter.include.statuses.clone_from(&self.status);
        filter.include.methods.clone_from(&self.method);
        filter.include.paths.clone_from(&self.path);
        filter.include.hosts.clone_from(&self.host);
        filter.exclude.statuses.clone_from(&self.exclude_status);
        filter.exclude.methods.clone_from(&self.exclude_method);
        filter.exclude.paths.clone_from(&self.exclude_path);
        filter.exclude.hosts.clone_from(&self.exclude_host);
        filter
    }

    /// Whose clock.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.tz.clone().unwrap_or(Zone::log())
    }

    /// The columns that are looked at.
    #[must_use]
    pub fn columns(&self) -> Vec<&'static str> {
        let filter = self.filter();
        let mut columns: Vec<&str> = filter.columns().into_iter().map(|(column, _)| column).collect();
        if filter.needs_zone() && self.zone().is_log() {
            columns.push("tz_offset");
        }
        columns
    }
}

/// Lets rows through that are wanted. What times mean is worked out when the first row is there, whose offset may be that
/// of the log.
#[derive(Debug)]
pub struct Screen {
    filter: Filter,
    zone: Zone,
    end: Option<i64>,
    sieve: Option<Sieve>,
    filtered: u64,
}

impl Screen {
    /// One for these options; `end` is the time of the log's last row, in milliseconds, where that is needed.
    #[must_use]
    pub fn new(args: &FilterArgs, end: Option<i64>) -> Self {
        Self { filter: args.filter(), zone: args.zone(), end, sieve: None, filtered: 0 }
    }

    /// Whether the log has the columns.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] with the one that it lacks.
    pub fn check(&self, reader: &Reader) -> Result<()> {
        let format = reader.summary().format.map(|format| format.to_string());
        self.filter.check(&reader.schema(), format.as_deref())
    }

    /// The rows of a batch that are wanted.
    ///
    /// # Errors
    /// As [`Sieve::apply`].
    pub fn apply(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.filter.is_empty() {
            return Ok(batch);
        }
        let sieve = match &self.sieve {
            Some(sieve) => sieve,
            None => {
                let zone = self.zone.resolve(first_offset(&batch));
                self.sieve.insert(self.filter.settle(&zone, self.end)?)
            }
        };
        let rows = batch.num_rows();
        let batch = sieve.apply(batch)?;
        self.filtered += (rows - batch.num_rows()) as u64;
        Ok(batch)
    }

    /// How many rows were not wanted.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.filtered
    }
}

/// The offset of a batch's first row, in minutes east of UTC; 0 where it has none.
#[must_use]
pub fn first_offset(batch: &RecordBatch) -> i16 {
    let offsets = batch.column_by_name("tz_offset").and_then(|column| column.as_primitive_opt::<Int16Type>());
    offsets.filter(|offsets| !offsets.is_empty() && offsets.is_valid(0)).map_or(0, |offsets| offsets.value(0))
}

/// The same sources once more, for those who have to read them twice.
///
/// # Errors
/// [`ErrorKind::Options`] when one cannot be read twice.
pub fn again(sources: &[Source]) -> Result<Vec<Source>> {
    let again = |source: &Source| {
        source.again().ok_or_else(|| {
            let message = "cannot be read twice, as times counted from a log's end ask for";
            Error::new(ErrorKind::Options, message)
                .with_file(source.name().as_deref().unwrap_or("standard input"))
                .with_hint("name a date or a time with --since and --until, or pass the log as a file")
        })
    };
    sources.iter().map(again).collect()
}

/// The time of the last row of some logs, in milliseconds since 1970; `None` where there is no row. They are read for it.
///
/// `watch` is called before the first batch and after each.
///
/// # Errors
/// Those of reading, and what `watch` fails with.
pub fn end(
    sources: Vec<Source>,
    options: &ParseOptions,
    jobs: Option<NonZeroUsize>,
    stop: &Stop,
    watch: &mut dyn FnMut(&Progress) -> Result<()>,
) -> Result<Option<i64>> {
    let mut options = options.clone().with_columns(["ts"]).with_optional_columns([""; 0]);
    options.extras = nasalogs::Extras::default();
    let mut builder = ReaderBuilder::new().with_options(options).with_stop(stop.flag());
    if let Some(jobs) = jobs {
        builder = builder.with_jobs(jobs.get());
    }
    let mut reader = builder.open_sources(sources)?;
    let mut end = None;
    loop {
        watch(&reader.progress())?;
        match reader.next_batch() {
            Ok(Some(batch)) => {
                let times = batch.column(0).as_primitive_opt::<TimestampMillisecondType>();
                end = end.max(times.and_then(max));
            }
            Ok(None) => return Ok(end),
            // The run itself says it, with all that is known then.
            Err(error) if error.kind() == ErrorKind::NoRows => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
