//! `nasalogs compact`: the small files of a table become few large ones.
//!
//! # How
//! A partition's files are merged into files that nobody sees yet. Then a note is written, `_compact/dt=….json`, which
//! names what goes in and what comes out, and how many rows each new file has. Then the new files are put, then, after a
//! while in which readers come to an end that had listed the old ones, those are removed; the note goes last.
//!
//! So at any moment either all of the old files are there, or all of the new ones, or both. Who lists in between sees rows
//! twice, and never misses one. The names of new files sort behind all others, so that this holds for listings too that
//! take their time and go by name, as those of S3 do.
//!
//! # Killed
//! A run that finds a note does what it says: where new files are missing, no old one has been removed, and the same
//! rows make the same files again. New files are put under the condition that they are not there.
//!
//! # Others at work
//! A file of `nasalogs stream --to` whose roll is noted in `_rolls/` may be put once more, and is left alone until the
//! note is gone. Notes are looked at after the files: a file whose note is gone by then is never put again. What a Lambda
//! function writes late, or twice, is a new file beside the merged ones; the partition is merged again, with all that is in
//! it, and ids of lines tell what was there before. Old files are only removed as they were read: one that was replaced
//! meanwhile stays for the next run.

mod note;
mod plan;
mod report;
mod work;

use std::time::Duration;

use nasalogs::sink::Compression;
use nasalogs::{Error, ErrorKind, Result};

use crate::exit::Exit;
use crate::interrupt::Stop;
use crate::object::{Access, Location};
use crate::table::Depot;
use crate::{message, output, value};
pub use note::NOTES;
pub use plan::{Days, data_file, no_table};

use plan::Plan;
use work::Compactor;

/// Merge the small files of a table into few large ones, and remove rows that came twice.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A partition is merged when it has files that compact has not written. Rows stay in the order of the \
                  files' names, and in a file as they are. Of rows with one line_id, the first stays; without that \
                  column, all do. Who reads meanwhile sees rows twice, between the moment in which the new files appear \
                  and the end of --grace, and never misses one; which files are merged is noted in _compact/ first, and a run \
                  that was interrupted or killed is completed by the next. Memory: about 300 MB, and a bit for each row of a \
                  partition; disk: its new files, in LAKE, or, for S3, its old and new files where temporary files are \
                  (TMPDIR). Let one run at a time compact a table. Exit codes: 1 when partitions were left as they are \
                  because their files do not fit together or cannot be read."
)]
pub struct Args {
    /// The table: the directory in which the partitions dt=YYYY-MM-DD are, file:///DIR, or s3://BUCKET/PREFIX
    #[arg(value_name = "LAKE", value_parser = location)]
    lake: Location,
    /// Only these days: 2026-07-01, or from one to another with both, 2026-07-01..2026-07-31, each of which can be left out
    #[arg(long, value_name = "DAYS", value_parser = Days::parse)]
    dt: Option<Days>,
    /// All days; without this and --dt those before today, in UTC
    #[arg(long, conflicts_with = "dt")]
    all: bool,
    /// How large the new files are to be; between 128 MB and 512 MB is good for query engines
    #[arg(long, value_name = "BYTES", default_value = "256MB", value_parser = value::size)]
    target_size: u64,
    /// How long old files stay when the new ones are there, for readers that have listed them, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    grace: Duration,
    /// Compression of the new files: zstd (also zstd:LEVEL), snappy or none
    #[arg(long, value_name = "CODEC", default_value = "zstd")]
    compression: Compression,
    /// Say what would be merged, by names, sizes and footers (duplicates, and damage elsewhere, are seen when files are
    /// merged), and change nothing; what a run before has begun is not completed either
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// How S3 is reached
    #[command(flatten)]
    access: Access,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    if args.target_size < 1_000_000 {
        return Err(Error::new(ErrorKind::Options, "--target-size is too small for a file of a table")
            .with_hint("128MB to 512MB is good; 1MB is the least"));
    }
    // A batch or a request takes moments; what is begun is undone or noted.
    stop.be_patient();
    let days = match (&args.dt, args.all) {
        (Some(days), _) => days.clone(),
        (None, true) => Days::all(),
        (None, false) => Days::before_today(),
    };
    let report = if args.dry_run {
        let depot = Depot::visit(&args.lake, &args.access)?;
        let plan = Plan::make(&depot, &days, args.target_size)?;
        work::rehearse(&depot, &plan, args, stop)?
    } else {
        let (depot, _lock) = Depot::enter(&args.lake, &args.access)?;
        let mut compactor = Compactor::new(&depot, args, stop);
        let outcome = compactor.run(&days);
        let report = compactor.finish();
        if let Err(error) = outcome {
            if report.has_news() {
                message::note(&report.to_text());
            }
            if error.kind() == ErrorKind::Interrupted {
                message::error("interrupted; run the same again: what was begun is noted in _compact/");
                stop.said();
            }
            return Err(error);
        }
        report
    };
    output::print(&if args.json { report.to_json()? } else { format!("{}\n", report.to_text()) })?;
    Ok(if report.is_complete() { Exit::Clean } else { Exit::NotClean })
}

/// A table on the command line.
pub fn location(text: &str) -> Result<Location, String> {
    match text.contains("://") {
        true => Location::parse(text).map_err(|error| error.to_string()),
        false if text.is_empty() => Err("expected a directory or s3://BUCKET/PREFIX".to_owned()),
        false => Ok(Location::Directory(text.into())),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.strip_suffix('s')
        .unwrap_or(text)
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected a number of seconds such as 30".to_owned())
}
