//! `nasalogs convert`: logs to Parquet, Arrow, NDJSON or CSV.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nasalogs::arrow::array::RecordBatchReader;
use nasalogs::sink::{
    self, BatchSink, Compression, Output, OutputFormat, PartitionOptions, PartitionTz, SinkOptions, WriteMode,
};
use nasalogs::{
    Encoding, Error, ErrorKind, Extras, LogFormat, MaxRejects, ParseOptions, Reader, ReaderBuilder, Reject,
    RejectReason, Result, schema,
};

use crate::exit::Exit;
use crate::interrupt::{Held, Stop};
use crate::output::{self, STANDARD};
use crate::progress::Progress;
use crate::rejects::RejectFile;
use crate::summary::{Account, Written};
use crate::terminal::Terminal;
use crate::{message, paths, value};

/// Turn logs into Parquet, Arrow, NDJSON or CSV, and account for every line.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Plain, gzip, zstd, bzip2 and xz inputs are told apart by their first bytes. The output appears \
                        when it is complete, or not at all. Lines that are no rows are counted by reason, and kept \
                        with --rejects."
)]
pub struct Args {
    /// Files or patterns such as 'logs/*.gz'; - is standard input, which is also read when none is named
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The file to write, or the directory with --partition-by; - is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: String,
    /// What to write; without it OUT's extension decides
    #[arg(long, value_name = "TO", value_parser = value::named::<OutputFormat>(OutputFormat::NAMES))]
    to: Option<OutputFormat>,
    /// Write a table with a directory for each day; with more than 64 days at a time, a day has several files
    #[arg(long, value_name = "COLUMN", value_parser = ["dt"])]
    partition_by: Option<String>,
    /// Whose days: UTC's, or those of the offset in the log
    #[arg(long, value_name = "TZ", requires = "partition_by", default_value = "utc", value_parser = value::named::<PartitionTz>(PartitionTz::NAMES))]
    partition_tz: PartitionTz,
    /// Compression of Parquet: zstd (also zstd:LEVEL), snappy or none; zstd when nothing is said
    #[arg(long, value_name = "CODEC")]
    compression: Option<Compression>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', value_parser = value::trimmed)]
    columns: Option<Vec<String>>,
    /// Further columns: line, byte_offset, raw, file
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    with: Extras,
    /// What becomes of bytes that are not UTF-8: \xHH, Latin-1 characters, or binary columns
    #[arg(long, value_name = "ENCODING", default_value = "escape", value_parser = value::named::<Encoding>(Encoding::NAMES))]
    encoding: Encoding,
    /// In CSV, put ' before cells that a spreadsheet would run as a formula
    #[arg(long)]
    csv_safe: bool,
    /// Write the lines that are no rows, as NDJSON: file, line, offset, reason, raw; replaces the file if it is there
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Exit with 1 when any line is rejected; the output is written all the same
    #[arg(long)]
    strict: bool,
    /// Write nothing and exit with 1 when more lines are rejected: a number, or a share such as 1%
    #[arg(long, value_name = "N|P%", value_parser = value::max_rejects)]
    max_rejects: Option<MaxRejects>,
    /// Threads; as many as there are processors when nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Replace what is there: the file, or the days that are written
    #[arg(long, conflicts_with = "append")]
    overwrite: bool,
    /// Add files to a table that is there
    #[arg(long, requires = "partition_by")]
    append: bool,
    /// Say nothing unless it fails
    #[arg(short, long)]
    quiet: bool,
    /// Write what was read, rejected and written, as JSON, and replace the file if it is there; - is standard output
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    let begun = Instant::now();
    check_streams(args)?;
    let sink_options = sink_options(args)?;
    let rejects = Rejects::create(args, stop)?;
    let mut reader = open(args, stop, &rejects)?;
    let sink = Held::new(sink::create(output(args), reader.schema(), &sink_options)?, stop);

    let outcome = copy(&mut reader, &sink, args.quiet, stop);
    let written = match &outcome {
        Ok(bytes) => Written::All(*bytes),
        Err(error) if !matches!(error.kind(), ErrorKind::TooManyRejects | ErrorKind::NoRows) => {
            return outcome.map(|_| Exit::Clean);
        }
        // Whoever does not stand rejects wants to see them most of all.
        Err(_) if args.output.as_os_str() == STANDARD => Written::Part,
        Err(_) => Written::Nothing,
    };
    rejects.finish()?;
    let account = Account {
        summary: reader.summary(),
        written,
        elapsed: begun.elapsed(),
        first_rejects: rejects.firsts(),
    };
    if let Some(path) = &args.summary_json {
        output::write_whole(path, &account.to_json()?)?;
    }
    // Where there is no row the error says it all.
    if !args.quiet && !matches!(&outcome, Err(error) if error.kind() == ErrorKind::NoRows) {
        message::note(&account.to_text());
    }
    outcome?;
    Ok(if args.strict && account.summary.rejected > 0 { Exit::NotClean } else { Exit::Clean })
}

/// Moves all batches; gives the bytes written.
fn copy(reader: &mut Reader, sink: &Held<Box<dyn BatchSink>>, quiet: bool, stop: &Stop) -> Result<u64> {
    let handle = reader.progress();
    let progress = Progress::new(quiet, handle.total());
    while let Some(batch) = reader.next_batch()? {
        sink.with(|sink| sink.write(&batch))?;
        progress.set(handle.bytes_read());
        stop.check()?;
    }
    stop.check()?;
    sink.finish(|sink| {
        let finished = sink.finish()?;
        stop.disarm();
        Ok(finished.bytes)
    })
}

/// What is read and written are different things, and standard output takes one.
fn check_streams(args: &Args) -> Result<()> {
    let is_standard = |path: &PathBuf| path.as_os_str() == STANDARD;
    let takers = [Some(&args.output), args.rejects.as_ref(), args.summary_json.as_ref()];
    if takers.into_iter().flatten().filter(|path| is_standard(path)).count() > 1 {
        return Err(Error::new(ErrorKind::Options, "standard output cannot take two things")
            .with_hint("name files for --output, --rejects and --summary-json, or for all but one of them"));
    }
    let (rejects, summary) = (args.rejects.as_deref(), args.summary_json.as_deref());
    let outputs =
        [("--output", Some(args.output.as_path())), ("--rejects", rejects), ("--summary-json", summary)];
    paths::check(&args.inputs, &outputs)?;
    if let Some(summary) = summary
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

fn output(args: &Args) -> Output {
    if args.partition_by.is_some() {
        let mode = match (args.overwrite, args.append) {
            (true, _) => WriteMode::Overwrite,
            (_, true) => WriteMode::Append,
            _ => WriteMode::Fail,
        };
        let mut options = PartitionOptions::new().with_tz(args.partition_tz).with_mode(mode);
        if let Some(columns) = &args.columns {
            options = options.with_columns(columns.iter().cloned().chain(extra_names(args.with)));
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

fn open(args: &Args, stop: &Stop, rejects: &Rejects) -> Result<Reader> {
    let mut options = ParseOptions::new().with_extras(args.with).with_encoding(args.encoding);
    if args.format != "auto" {
        options = options.with_format(args.format.parse::<LogFormat>()?);
    }
    if let Some(columns) = &args.columns {
        // A day is made from columns that need not be wanted themselves; the sink leaves them out again.
        let needed: &[schema::Column] = match (&args.partition_by, args.partition_tz) {
            (None, _) => &[],
            (Some(_), PartitionTz::Utc) => &[schema::TS],
            (Some(_), PartitionTz::Log) => &[schema::TS, schema::TZ_OFFSET],
        };
        let needed =
            needed.iter().map(|column| column.name.to_string()).filter(|name| !columns.contains(name));
        options = options.with_columns(columns.iter().cloned().chain(needed));
    }
    let mut builder = ReaderBuilder::new()
        .with_options(options)
        .with_stop(stop.flag())
        .with_max_rejects(args.max_rejects.unwrap_or(MaxRejects::None))
        .with_rejects(rejects.listener());
    if let Some(jobs) = args.jobs {
        builder = builder.with_jobs(jobs.get());
    }
    let standard = [PathBuf::from(STANDARD)];
    builder.open(if args.inputs.is_empty() { &standard[..] } else { &args.inputs })
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
