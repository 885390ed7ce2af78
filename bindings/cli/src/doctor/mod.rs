//! `nasalogs doctor`: what this program is and what it found; or what is wrong with a table.

mod lake;
mod leftover;
mod program;
mod report;

use nasalogs::{Error, ErrorKind, Result};

use crate::compact;
use crate::compact::Days;
use crate::exit::Exit;
use crate::interrupt::Stop;
use crate::object::{Access, Location};

pub use program::cpu;

/// Show version, processor, SIMD backends (and which is used), and what was compiled in; or, of a table, what engines
/// cannot read
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Of a table, every file is read whole: its footer, the header of each page, and its times where the \
                  statistics do not show that they are of the day in the path. Errors are what Athena, Spark or Power BI \
                  cannot read, or read as other rows: files that are cut off or no Parquet, types, encodings, codecs and page \
                  versions, columns with several types, rows of another day, files in no partition, a compaction that was \
                  not completed. Advice is the rest: many small files, objects that no commit of the Lambda function names, \
                  what killed runs left. Exit codes: 1 when there are errors."
)]
pub struct Args {
    /// The table: the directory in which the partitions dt=YYYY-MM-DD are, file:///DIR, or s3://BUCKET/PREFIX
    #[arg(value_name = "LAKE", value_parser = compact::location)]
    lake: Option<Location>,
    /// Only these days of the table: 2026-07-01, or from one to another with both, 2026-07-01..2026-07-31
    #[arg(long, value_name = "DAYS", requires = "lake", value_parser = Days::parse)]
    dt: Option<Days>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How S3 is reached
    #[command(flatten)]
    access: Access,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    match &args.lake {
        Some(lake) => {
            // A file takes moments, and its copy is removed then.
            stop.be_patient();
            let days = args.dt.clone().unwrap_or_else(Days::all);
            let report = lake::examine(lake, &args.access, &days, stop)?;
            crate::output::print(&if args.json { report.to_json()? } else { report.to_text() })?;
            Ok(if report.has_errors() { Exit::NotClean } else { Exit::Clean })
        }
        None if args.access.endpoint_url.is_some() || args.access.region.is_some() => {
            Err(Error::new(ErrorKind::Options, "--endpoint-url and --region are about a table in S3")
                .with_hint("name it: nasalogs doctor s3://BUCKET/PREFIX"))
        }
        None => program::run(args.json),
    }
}
