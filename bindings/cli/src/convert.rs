//! `nasalogs convert`: logs to Parquet, Arrow, NDJSON or CSV.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nasalogs::arrow::array::{RecordBatch, RecordBatchReader};
use nasalogs::arrow::datatypes::SchemaRef;
use nasalogs::schema::Column;
use nasalogs::sink::{
    self, BatchSink, Compression, Output, OutputFormat, PartitionOptions, PartitionTz, SinkOptions, WriteMode,
};
use nasalogs::source::Source;
use nasalogs::{
    Encoding, Error, ErrorKind, Extras, LogFormat, MaxRejects, Names, Naming, ParseOptions, Reader,
    ReaderBuilder, Reject, RejectReason, Result, schema,
};

use crate::exit::Exit;
use crate::filter::{FilterArgs, Screen};
use crate::interrupt::{Held, Stop};
use crate::object::{self, Access};
use crate::output::{self, STANDARD};
use crate::progress::Progress;
use crate::rejects::RejectFile;
use crate::summary::{Account, Written};
use crate::terminal::Terminal;
use crate::{filter, message, paths, value};

/// Turn logs into Parquet, Arrow, NDJSON or CSV, and account for every line.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Plain, gzip, zstd, bzip2 and xz inputs are told apart by their first bytes. The output appears \
                        when it is complete, or not at all; what goes to S3 is written to the directory for temporary \
                        files (TMPDIR) first. Lines that are no rows are counted by reason, and kept with --rejects."
)]
pub struct Args {
    /// Files or patterns such as 'logs/*.gz', s3://BUCKET/KEY or 's3://BUCKET/logs/*.gz'; - is standard input, which is
    /// also read when none is named
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// The file to write, or the directory with --partition-by, or the same in S3, s3://BUCKET/KEY; - is standard output
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: String,
    /// What to write; without it OUT's extension decides
    #[arg(long, value_name = "TO", value_parser = value::named::<OutputFormat>(OutputFormat::NAMES))]
    pub to: Option<OutputFormat>,
    /// Write a table with a directory for each day; with more than 64 days at a time, a day has several files
    #[arg(long, value_name = "COLUMN", value_parser = ["dt"])]
    pub partition_by: Option<String>,
    /// Whose days: UTC's, or those of the offset in the log
    #[arg(long, value_name = "TZ", requires = "partition_by", default_value = "utc", value_parser = value::named::<PartitionTz>(PartitionTz::NAMES))]
    pub partition_tz: PartitionTz,
    /// Compression of Parquet: zstd (also zstd:LEVEL), snappy or none; zstd when nothing is said
    #[arg(long, value_name = "CODEC")]
    pub compression: Option<Compression>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', value_parser = value::trimmed)]
    pub columns: Option<Vec<String>>,
    /// Whose names and shapes columns have: classic is ip, timestamp (as logged), method, url, protocol, status_code, bytes
    #[arg(long, value_name = "NAMES", default_value = "nasalogs", value_parser = value::named::<Names>(Names::NAMES))]
    pub names: Names,
    /// Other names for columns, after --names
    #[arg(long, value_name = "A=B,C=D", value_delimiter = ',', value_parser = value::renamed)]
    pub rename: Vec<(String, String)>,
    /// Further columns: line, byte_offset, raw, file
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    pub with: Extras,
    /// What becomes of bytes that are not UTF-8: \xHH, Latin-1 characters, or binary columns
    #[arg(long, value_name = "ENCODING", default_value = "escape", value_parser = value::named::<Encoding>(Encoding::NAMES))]
    pub encoding: Encoding,
    /// In CSV, put ' before cells that a spreadsheet would run as a formula
    #[arg(long)]
    pub csv_safe: bool,
    /// Write the lines that are no rows, as NDJSON: file, line, offset, reason, raw; replaces the file if it is there
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Exit with 1 when any line is rejected; the output is written all the same
    #[arg(long)]
    pub strict: bool,
    /// Write nothing and exit with 1 when more lines are rejected: a number, or a share such as 1%
    #[arg(long, value_name = "N|P%", value_parser = value::max_rejects)]
    pub max_rejects: Option<MaxRejects>,
    /// Threads; as many as there are processors when nothing is said
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Replace what is there: the file, or the days that are written
    #[arg(long, conflicts_with = "append")]
    pub overwrite: bool,
    /// Add files to a table that is there
    #[arg(long, requires = "partition_by")]
    pub append: bool,
    /// Say nothing unless it fails
    #[arg(short, long)]
    pub quiet: bool,
    /// Write what was read, rejected and written, as JSON, and replace the file if it is there; - is standard output
    #[arg(long, value_name = "FILE")]
    pub summary_json: Option<PathBuf>,
    /// How S3 is reached
    #[command(flatten)]
    pub access: Access,
    /// Which rows
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Runs it.
pub(crate) fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    check_streams(args)?;
    let standard = [PathBuf::from(STANDARD)];
    let inputs = if args.inputs.is_empty() { &standard[..] } else { &args.inputs };
    let sources = object::expand(inputs, &args.access)?;
    if sources
        .iter()
        .any(|source| object::is_remote(&args.output) && source.name().as_deref() == args.output.to_str())
    {
        return Err(Error::new(ErrorKind::Options, "--output is an input, which it would replace")
            .with_file(args.output.to_string_lossy())
            .with_hint("name another object"));
    }
    let mut bar = None;
    let conversion = execute(args, sources, stop, &mut |progress| {
        let bar = bar.get_or_insert_with(|| Progress::new(args.quiet, progress.total()));
        bar.set(progress.bytes_read());
        Ok(())
    });
    // What is said next begins on a clean line.
    drop(bar);
    let Conversion { account, failed } = conversion?;
    if let Some(path) = &args.summary_json {
        output::write_whole(path, &account.to_json()?)?;
    }
    // Where there is no row the error says it all.
    if !args.quiet && failed.as_ref().is_none_or(|error| error.kind() != ErrorKind::NoRows) {
        message::note(&account.to_text());
    }
    match failed {
        Some(error) => Err(error),
        None if args.strict && account.summary.rejected > 0 => Ok(Exit::NotClean),
        None => Ok(Exit::Clean),
    }
}

/// A conversion that came to its end.
#[derive(Debug)]
pub struct Conversion {
    /// What became of every line.
    pub account: Account,
    /// Why nothing was written, where that is for the lines' sake: too many were rejected, or all.
    pub failed: Option<Error>,
}

/// Converts these sources, whatever [`Args::inputs`] says. `watch` is called once before the first batch and after each.
///
/// # Errors
/// When the options do not go together, an input cannot be read or an output cannot be written; when `watch` fails, or
/// the run is stopped. Nothing is left behind then.
pub fn execute(
    args: &Args,
    sources: Vec<Source>,
    stop: &Stop,
    watch: &mut dyn FnMut(&nasalogs::Progress) -> Result<()>,
) -> Result<Conversion> {
    let begun = Instant::now();
    let naming = naming(args)?;
    let sink_options = sink_options(args)?;
    let options = parse_options(args, &naming)?;
    let end = if args.filter.filter().needs_end() {
        filter::end(filter::again(&sources)?, &options, args.jobs, stop, watch)?
    } else {
        None
    };
    let rejects = Rejects::create(args, stop)?;
    let (mut reader, wanted) = open(args, options, sources, stop, &rejects)?;
    let mut screen = Screen::new(&args.filter, end);
    screen.check(&reader)?;
    let named = naming.bind(&wanted.schema)?;
    let output = output(args, &naming);
    let sink = match object::is_remote(&args.output) {
        #[cfg(feature = "aws")]
        true => object::sink(output, &args.access, named.schema(), &sink_options, stop.flag())?,
        #[cfg(not(feature = "aws"))]
        true => return Err(object::unsupported(&args.output.to_string_lossy())),
        false => sink::create(output, named.schema(), &sink_options)?,
    };
    let sink = Held::new(sink, stop);

    let named = (!naming.is_plain()).then_some(named);
    let mut shape = |batch: RecordBatch| -> Result<RecordBatch> {
        let batch = wanted.of(screen.apply(batch)?)?;
        match &named {
            Some(named) => named.apply(&batch),
            None => Ok(batch),
        }
    };
    let outcome = copy(&mut reader, &mut shape, &sink, stop, watch);
    let (written, failed) = match outcome {
        Ok(bytes) => (Written::All(bytes), None),
        Err(error) if !matches!(error.kind(), ErrorKind::TooManyRejects | ErrorKind::NoRows) => {
            return Err(error);
        }
        // Whoever does not stand rejects wants to see them most of all.
        Err(error) if args.output.as_os_str() == STANDARD => (Written::Part, Some(error)),
        Err(error) => (Written::Nothing, Some(error)),
    };
    rejects.finish()?;
    let account = Account {
        summary: reader.summary(),
        filtered: screen.filtered(),
        written,
        elapsed: begun.elapsed(),
        first_rejects: rejects.firsts(),
    };
    Ok(Conversion { account, failed })
}

/// Moves all batches; gives the bytes written.
fn copy(
    reader: &mut Reader,
    shape: &mut dyn FnMut(RecordBatch) -> Result<RecordBatch>,
    sink: &Held<Box<dyn BatchSink>>,
    stop: &Stop,
    watch: &mut dyn FnMut(&nasalogs::Progress) -> Result<()>,
) -> Result<u64> {
    let progress = reader.progress();
    watch(&progress)?;
    while let Some(batch) = reader.next_batch()? {
        let batch = shape(batch)?;
        if batch.num_rows() > 0 {
            sink.with(|sink| sink.write(&batch))?;
        }
        watch(&progress)?;
        stop.check()?;
    }
    stop.check()?;
    sink.finish(|sink| {
        let finished = sink.finish()?;
        stop.disarm();
        Ok(finished.bytes)
    })
}

/// The names that columns get.
fn naming(args: &Args) -> Result<Naming> {
    let naming = Naming::new(args.names).with_renames(args.rename.iter().cloned());
    let Some(columns) = &args.columns else {
        return partitioned(args).map(|_| naming);
    };
    // A day is made from columns that need not be wanted themselves; the sink leaves them out again.
    let needed = partitioned(args)?.iter().filter(|needed| !columns.iter().any(|have| have == *needed));
    Ok(naming.with_columns(columns.iter().map(String::as_str).chain(needed.copied())))
}

/// The columns that days are made from, which have to keep their names.
fn partitioned(args: &Args) -> Result<&'static [&'static str]> {
    let needed: &[&str] = match (&args.partition_by, args.partition_tz) {
        (None, _) => &[],
        (Some(_), PartitionTz::Utc) => &["ts"],
        (Some(_), PartitionTz::Log) => &["ts", "tz_offset"],
    };
    let renamed = args.rename.iter().find(|(from, _)| needed.contains(&from.as_str()));
    if renamed.is_some() {
        return Err(Error::new(ErrorKind::Options, "days are made from the columns ts and tz_offset")
            .with_hint("leave their names as they are, or leave --partition-by away"));
    }
    if args.names == Names::Classic && !needed.is_empty() {
        return Err(Error::new(ErrorKind::Options, "classic records have no column to make days from")
            .with_hint("leave --names or --partition-by away"));
    }
    Ok(needed)
}

/// What is read and written are different things, and standard output takes one.
fn check_streams(args: &Args) -> Result<()> {
    let is_standard = |path: &PathBuf| path.as_os_str() == STANDARD;
    let takers = [Some(&args.output), args.rejects.as_ref(), args.summary_json.as_ref()];
    if takers.into_iter().flatten().filter(|path| is_standard(path)).count() > 1 {
        return Err(Error::new(ErrorKind::Options, "standard output cannot take two things")
            .with_hint("name files for --output, --rejects and --summary-json, or for all but one of them"));
    }
    check_files(args)?;
    if let Some(summary) = &args.summary_json
        && let Some(parent) =
            summary.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir())
    {
        return Err(Error::new(ErrorKind::Io, "the directory of --summary-json does not exist")
            .with_file(parent.to_string_lossy())
            .with_hint("create the directory first"));
    }
    if args.inputs.is_empty() && io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Options, "there is nothing to read")
            .with_hint("name log files, or pipe a log in"));
    }
    Ok(())
}

/// No file is read and written at once, or written twice.
///
/// # Errors
/// [`ErrorKind::Options`] with the two that are one file.
pub fn check_files(args: &Args) -> Result<()> {
    let (rejects, summary) = (args.rejects.as_deref(), args.summary_json.as_deref());
    let outputs =
        [("--output", Some(args.output.as_path())), ("--rejects", rejects), ("--summary-json", summary)];
    paths::check(&args.inputs, &outputs)
}

fn sink_options(args: &Args) -> Result<SinkOptions> {
    let is_standard = args.output.as_os_str() == STANDARD;
    let format = match args.to {
        Some(format) => format,
        None if args.partition_by.is_some() => OutputFormat::Parquet,
        None if is_standard => {
            return Err(Error::new(
                ErrorKind::Options,
                "standard output has no name that says in which format to write",
            )
            .with_hint(format!("pass --to with one of {}", OutputFormat::NAMES.join(", "))));
        }
        None => OutputFormat::from_path(&args.output)?,
    };
    let is_binary = matches!(format, OutputFormat::Parquet | OutputFormat::Arrow);
    if is_standard && args.partition_by.is_some() {
        return Err(Error::new(ErrorKind::Options, "a table of days is a directory, not a stream")
            .with_hint("name a directory with --output"));
    }
    if is_standard && is_binary && io::stdout().is_terminal() {
        return Err(Error::new(ErrorKind::Options, format!("{} is nothing for a terminal", format.as_str()))
            .with_hint("name a file with --output, redirect, or pass --to ndjson or --to csv"));
    }
    let mut options = SinkOptions::new(format).with_csv_safe(args.csv_safe);
    options.compression = args.compression;
    Ok(options)
}

fn output(args: &Args, naming: &Naming) -> Output {
    if args.partition_by.is_some() {
        let mode = match (args.overwrite, args.append) {
            (true, _) => WriteMode::Overwrite,
            (_, true) => WriteMode::Append,
            _ => WriteMode::Fail,
        };
        let mut options = PartitionOptions::new().with_tz(args.partition_tz).with_mode(mode);
        if let Some(columns) = &args.columns {
            let columns = columns.iter().cloned().chain(extra_names(args.with));
            options = options.with_columns(columns.map(|name| naming.name_of(&name).to_owned()));
        }
        Output::Partitioned { dir: args.output.clone(), options }
    } else if args.output.as_os_str() == STANDARD && io::stdout().is_terminal() {
        Output::Writer(Box::new(Terminal::new(io::stdout())))
    } else if args.output.as_os_str() == STANDARD {
        Output::Stdout
    } else {
        Output::File { path: args.output.clone(), overwrite: args.overwrite }
    }
}

/// The optional columns that were asked for.
fn extra_names(extras: Extras) -> impl Iterator<Item = String> {
    let wanted = [extras.line, extras.byte_offset, extras.raw, extras.file];
    wanted
        .into_iter()
        .zip(schema::EXTRA)
        .filter(|(wanted, _)| *wanted)
        .map(|(_, column)| column.name.into_owned())
}

fn parse_options(args: &Args, naming: &Naming) -> Result<ParseOptions> {
    let mut options = ParseOptions::new().with_extras(args.with).with_encoding(args.encoding);
    if args.format != "auto" {
        options = options.with_format(args.format.parse::<LogFormat>()?);
    }
    naming.options(options)
}

/// A reader of what is wanted, and of what the filters look at.
fn open(
    args: &Args,
    options: ParseOptions,
    sources: Vec<Source>,
    stop: &Stop,
    rejects: &Rejects,
) -> Result<(Reader, Wanted)> {
    let chosen = options.columns.is_some();
    let mut builder = ReaderBuilder::new()
        .with_options(options.clone().with_optional_columns(args.filter.columns()))
        .with_stop(stop.flag())
        .with_max_rejects(args.max_rejects.unwrap_or(MaxRejects::None))
        .with_rejects(rejects.listener());
    if let Some(jobs) = args.jobs {
        builder = builder.with_jobs(jobs.get());
    }
    let reader = builder.open_sources(sources)?;
    let format = reader.summary().format.filter(|_| chosen);
    let wanted = format.map(|format| options.columns_of(&format)).transpose()?;
    let wanted = Wanted::new(&reader.schema(), wanted.as_deref())?;
    Ok((reader, wanted))
}

/// Which columns of a batch are wanted: what only filters look at is left out again.
struct Wanted {
    schema: SchemaRef,
    /// Their places, where they are not all.
    places: Option<Vec<usize>>,
}

impl Wanted {
    fn new(schema: &SchemaRef, columns: Option<&[Column]>) -> Result<Self> {
        let Some(columns) = columns.filter(|columns| columns.len() < schema.fields().len()) else {
            return Ok(Self { schema: Arc::clone(schema), places: None });
        };
        let places: Vec<usize> =
            columns.iter().map(|column| schema.index_of(&column.name)).collect::<Result<_, _>>()?;
        Ok(Self { schema: Arc::new(schema.project(&places)?), places: Some(places) })
    }

    fn of(&self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(match &self.places {
            Some(places) => batch.project(places)?,
            None => batch,
        })
    }
}

/// What is kept of rejected lines: all of them in a file, where one is wanted, and the first of each kind.
#[derive(Clone)]
struct Rejects {
    file: Option<RejectFile>,
    firsts: Arc<Mutex<BTreeMap<RejectReason, Reject>>>,
}

impl Rejects {
    fn create(args: &Args, stop: &Stop) -> Result<Self> {
        let file = args.rejects.as_deref().map(|path| RejectFile::create(path, stop)).transpose()?;
        Ok(Self { file, firsts: Arc::default() })
    }

    fn listener(&self) -> impl FnMut(Reject) -> Result<()> + Send + 'static {
        let Self { file, firsts } = self.clone();
        move |reject| {
            if let Some(file) = &file {
                file.add(&reject)?;
            }
            let mut firsts = firsts.lock().unwrap_or_else(PoisonError::into_inner);
            firsts.entry(reject.reason).or_insert(reject);
            Ok(())
        }
    }

    fn firsts(&self) -> BTreeMap<RejectReason, Reject> {
        self.firsts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn finish(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), RejectFile::finish)
    }
}
