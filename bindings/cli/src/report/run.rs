//! From inputs to numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nasalogs::arrow::array::{RecordBatch, RecordBatchReader};
use nasalogs::filter::{Filter, Zone};
use nasalogs::lake::{Scan, find};
use nasalogs::report::{
    Account, COLUMNS, CubeOptions, Cubes, EncodedCube, Lines, Report, ReportOptions, Tallies, Tally,
};
use nasalogs::source::Source;
use nasalogs::{
    Error, ErrorKind, LogFormat, MaxRejects, ParseOptions, Progress, ReaderBuilder, Reject, RejectReason,
    Result, Summary,
};

use super::Args;
use super::count::{Crew, Desk, Reception, table, watched};
use super::replay::Replay;
use crate::filter::{self, first_offset};
use crate::interrupt::Stop;
use crate::memory;
use crate::object::{self, is_remote};

/// What a report is made of.
#[derive(Debug)]
pub enum Input {
    /// Logs.
    Logs(Vec<Source>),
    /// A table.
    Table {
        /// Its Parquet files.
        files: Vec<PathBuf>,
        /// What was said to name them.
        names: Vec<String>,
    },
}

impl Input {
    /// What some words of a command line name: logs, or Parquet.
    ///
    /// # Errors
    /// When one names nothing, or one names logs and another Parquet.
    pub fn find(words: &[PathBuf], access: &object::Access) -> Result<Self> {
        let (remote, local): (Vec<&PathBuf>, Vec<&PathBuf>) = words.iter().partition(|word| is_remote(word));
        if let Some(remote) = remote.iter().find(|word| word.to_string_lossy().ends_with(".parquet")) {
            return Err(Error::new(ErrorKind::Options, "Parquet is read from files, not from S3")
                .with_file(remote.to_string_lossy())
                .with_hint("copy it to this machine, or query it where it is (`nasalogs ddl`)"));
        }
        match find(&local)? {
            None => object::expand(words, access).map(Self::Logs),
            Some(_) if !remote.is_empty() => {
                Err(Error::new(ErrorKind::Options, "one run reads either Parquet or logs")
                    .with_hint("read them in two runs"))
            }
            Some(files) => Ok(Self::Table {
                files,
                names: local.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            }),
        }
    }
}

/// A report, and what its page is filtered with.
#[derive(Debug)]
pub struct Outcome {
    /// The numbers.
    pub report: Report,
    /// What the reader of the page filters, where a page was asked for.
    pub cube: Option<EncodedCube>,
}

/// Called with the bytes that have been read, and with those that there are, where that is known; for each pass anew.
pub type Watch<'a> = dyn FnMut(u64, Option<u64>) -> Result<()> + 'a;

/// Counts.
///
/// # Errors
/// When the options do not go together, an input cannot be read or is no log, more lines are rejected than may be, or
/// more memory would be needed; when `watch` fails, or the run is stopped.
pub fn execute(args: &Args, input: Input, stop: &Stop, watch: &mut Watch<'_>) -> Result<Outcome> {
    let jobs = args.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        std::num::NonZero::get,
    );
    let run = Run { args, filter: args.filter.filter(), jobs: jobs.min(256), stop };
    match input {
        Input::Logs(sources) => run.logs(sources, watch),
        Input::Table { files, names } => run.table(files, names, watch),
    }
}

struct Run<'a> {
    args: &'a Args,
    filter: Filter,
    jobs: usize,
    stop: &'a Stop,
}

type Firsts = Arc<Mutex<BTreeMap<RejectReason, Reject>>>;

impl Run<'_> {
    fn has_page(&self) -> bool {
        self.args.html.is_some()
    }

    fn logs(&self, sources: Vec<Source>, watch: &mut Watch<'_>) -> Result<Outcome> {
        let name = |source: &Source| source.name().as_deref().unwrap_or("standard input").to_owned();
        let names: Vec<String> = sources.iter().map(name).collect();
        let options = self.parse_options()?;
        let mut passes = if self.has_page() || self.filter.needs_end() {
            Passes::Several(Replay::new(sources)?)
        } else {
            Passes::One(Some(sources))
        };
        let end = if self.filter.needs_end() {
            let mut watch = |progress: &Progress| watch(progress.bytes_read(), progress.total());
            filter::end(passes.next()?, &options, self.args.jobs, self.stop, &mut watch)?
        } else {
            None
        };
        let (counting, firsts) = (Reception::new(), Firsts::default());
        let set_up = |first: Option<&RecordBatch>| {
            let zone = self.zone(first);
            let sieve = self.filter.settle(&zone, end)?;
            Ok(Desk { sieve, crew: Tallies::new(self.report_options(zone)) })
        };
        let summary = self.read(passes.next()?, &options, &counting, Some(&firsts), set_up, watch)?;
        let tally = counting.close().crew.merge()?;
        let report = tally.report(&self.account(names, &summary, &tally, &firsts), self.args.top);
        if !self.has_page() {
            return Ok(Outcome { report, cube: None });
        }
        let cubes = Reception::new();
        let set_up = |_: Option<&RecordBatch>| {
            let crew = Cubes::new(&tally, &CubeOptions::new());
            Ok(Desk { sieve: counting.close().sieve.clone(), crew })
        };
        let again = self.read(passes.next()?, &options, &cubes, None, set_up, watch)?;
        if (again.lines, again.rows) != (summary.lines, summary.rows) {
            return Err(Error::new(
                ErrorKind::Io,
                "the log has changed while it was read, other than by growing: its page would not be true",
            )
            .with_hint("run it again, or pipe the log in"));
        }
        Ok(Outcome { report, cube: Some(cubes.close().crew.merge().encode()) })
    }

    /// Reads logs to their end, and has their rows counted.
    fn read<C: Crew>(
        &self,
        sources: Vec<Source>,
        options: &ParseOptions,
        reception: &Reception<C>,
        firsts: Option<&Firsts>,
        set_up: impl Fn(Option<&RecordBatch>) -> Result<Desk<C>> + Send,
        watch: &mut Watch<'_>,
    ) -> Result<Summary> {
        let ended = Arc::new(AtomicBool::new(false));
        let has_ended = Arc::clone(&ended);
        let mut builder = ReaderBuilder::new()
            .with_options(options.clone())
            .with_jobs(self.jobs)
            .with_stop(self.stop.flag())
            .with_watch(move || match has_ended.load(Ordering::Relaxed) {
                true => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
                false => Ok(()),
            })
            .with_max_rejects(self.args.max_rejects.unwrap_or(MaxRejects::None));
        if let Some(firsts) = firsts {
            let firsts = Arc::clone(firsts);
            builder = builder.with_rejects(move |reject| {
                let mut firsts = firsts.lock().unwrap_or_else(PoisonError::into_inner);
                firsts.entry(reject.reason).or_insert(reject);
                Ok(())
            });
        }
        let mut reader = reception.attend(builder).open_sources(sources)?;
        let (schema, format) = (reader.schema(), reader.summary().format.map(|format| format.to_string()));
        self.filter.check(&schema, format.as_deref())?;
        if schema.index_of("ts").is_err() {
            let format = format.unwrap_or_default();
            return Err(Error::new(
                ErrorKind::Options,
                format!("the format {format} has no time of the request"),
            )
            .with_hint("a report counts by time: add %t to the format, or read other logs"));
        }
        let progress = reader.progress();
        let reading = &mut reader;
        let work = move |_: &AtomicBool| reception.read(reading, set_up);
        watched([work], &|| progress.bytes_read(), &ended, &mut |read| watch(read, progress.total()))?;
        Ok(reader.summary())
    }

    fn table(&self, files: Vec<PathBuf>, names: Vec<String>, watch: &mut Watch<'_>) -> Result<Outcome> {
        let looked_at = self.filter.columns();
        let mut required: Vec<&str> = looked_at.iter().map(|(column, _)| *column).collect();
        let mut wanted = COLUMNS.to_vec();
        wanted.extend(required.iter().filter(|column| !COLUMNS.contains(column)));
        required.retain(|column| *column != "ts");
        required.insert(0, "ts");
        let scan = Scan::open(files, &wanted, &required)?;
        let rows = scan.rows();
        let end = if self.filter.needs_end() { scan.last()? } else { None };
        let first = scan.divide(1).into_iter().flatten().next().transpose()?;
        let zone = self.zone(first.as_ref());
        let sieve = self.filter.settle(&zone, end)?;
        let scan = scan.within(sieve.since(), sieve.until());
        let total = Some(scan.bytes());
        let desk = Desk { sieve, crew: Tallies::new(self.report_options(zone)) };
        table(scan.divide(self.jobs), &desk, self.stop, &mut |read| watch(read, total))?;
        let tally = desk.crew.merge()?;
        let filtered = rows.saturating_sub(tally.requests());
        let account = Account {
            inputs: names,
            format: Some("parquet".to_owned()),
            filters: self.filter.terms(),
            generated: now(),
            lines: Lines { lines: rows, rows, filtered, ..Lines::default() },
            ..Account::default()
        };
        let report = tally.report(&account, self.args.top);
        if !self.has_page() {
            return Ok(Outcome { report, cube: None });
        }
        let desk = Desk { sieve: desk.sieve, crew: Cubes::new(&tally, &CubeOptions::new()) };
        table(scan.divide(self.jobs), &desk, self.stop, &mut |read| watch(read, total))?;
        Ok(Outcome { report, cube: Some(desk.crew.merge().encode()) })
    }

    fn parse_options(&self) -> Result<ParseOptions> {
        let options = ParseOptions::new().with_columns([""; 0]);
        let filtered = self.filter.columns();
        let columns = COLUMNS.into_iter().chain(filtered.iter().map(|(column, _)| *column));
        let options = options.with_optional_columns(columns);
        Ok(if self.args.format == "auto" {
            options
        } else {
            options.with_format(self.args.format.parse::<LogFormat>()?)
        })
    }

    /// The zone, now that the first rows are there.
    fn zone(&self, first: Option<&RecordBatch>) -> Zone {
        self.args.filter.zone().resolve(first.map_or(0, first_offset))
    }

    fn report_options(&self, zone: Zone) -> ReportOptions {
        let most = self.args.max_memory.unwrap_or_else(|| memory::total() / 2);
        ReportOptions::new().with_zone(zone).with_max_memory(most).with_approx(self.args.approx)
    }

    fn account(
        &self,
        inputs: Vec<String>,
        summary: &Summary,
        tally: &Tally,
        firsts: &Mutex<BTreeMap<RejectReason, Reject>>,
    ) -> Account {
        let firsts = firsts.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |reject: &Reject| match &reject.file {
            Some(file) => format!("{file}:{}", reject.line),
            None => format!("line {}", reject.line),
        };
        Account {
            inputs,
            format: summary.format.as_ref().map(ToString::to_string),
            filters: self.filter.terms(),
            generated: now(),
            lines: Lines {
                lines: summary.lines,
                rows: summary.rows,
                rejected: summary.rejected,
                blank: summary.blank,
                filtered: summary.rows.saturating_sub(tally.requests()),
            },
            rejects: summary.rejects,
            first_rejects: firsts.iter().map(|(reason, reject)| (*reason, place(reject))).collect(),
        }
    }
}

/// Sources for one pass, or for several.
enum Passes {
    One(Option<Vec<Source>>),
    Several(Replay),
}

impl Passes {
    fn next(&mut self) -> Result<Vec<Source>> {
        match self {
            Self::One(sources) => Ok(sources.take().expect("one pass was asked for")),
            Self::Several(replay) => replay.next(),
        }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
