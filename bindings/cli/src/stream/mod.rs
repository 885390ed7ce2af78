//! `nasalogs stream`: lines from files that grow, or from an archive, to where they are wanted, each delivered at least
//! once and known by its id.
//!
//! The loop in `pipeline` reads lines ([`Follower`]), lets them go when they are due (`pace`),
//! gives them to a `destination`, and saves how far each source is delivered. Lines go by the block; destinations that
//! take them one after the other get them from `line`.
//!
//! `delivery` is a stream of Kinesis: it packs lines (`packer`), asks the engine of the crate what to send when, and lets
//! a `transport` carry it. `table` is a [table](crate::table) of files by day.

mod args;
mod delivery;
mod destination;
mod dry_run;
mod key;
#[cfg(feature = "aws")]
mod kinesis;
mod line;
mod pace;
mod packer;
mod pipeline;
mod plan;
mod refusal;
mod reject;
mod report;
pub(crate) mod spool;
mod stdout;
mod table;
mod transport;

use std::time::Duration;

use nasalogs::delivery::{Options, ShardMap};
use nasalogs::envelope::RecordForm;
use nasalogs::{Error, ErrorKind, LogFormat, Result};

pub use args::Args;
pub use refusal::refused;
pub use transport::{Event, Transport};

use self::args::To;
use self::destination::Destination;
use self::dry_run::DryRun;
use self::key::Key;
use self::line::{LineByLine, LineDestination};
use self::pace::{Pace, Pacer};
use self::packer::Packer;
use self::pipeline::{Parts, Pipeline};
use self::reject::Rejects;
use self::report::{Ended, Report};
use self::table::ToTable;
use crate::exit::Exit;
use crate::follow::{Follower, Poll};
use crate::interrupt::Stop;
use crate::object::Access;
#[cfg(not(feature = "aws"))]
use crate::object::Location;
use crate::rejects::RejectFile;
use crate::table::{Depot, Table};
use crate::{message, output};

/// How long one look for the first lines takes.
const LOOK: Duration = Duration::from_millis(100);
/// How many bytes are looked at for lines in a format.
const LOOKED_AT: usize = 16 << 20;

/// Runs it.
pub(crate) fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    plan::check(args)?;
    // Before anything is read: a stream that is not there is known at once.
    let way = if args.dry_run { Way::Nowhere } else { connect(args)? };
    let (report, error) = go(args, way, stop)?;
    let written = match &args.report {
        Some(path) => report.to_json().and_then(|json| output::write_whole(path, &json)),
        None => Ok(()),
    };
    if let Some(estimates) = report.delivered.dry_run.as_ref().filter(|_| error.is_none()) {
        // Where the report goes to standard output, that is the answer.
        if args.report.as_deref().is_none_or(|path| path.as_os_str() != output::STANDARD) {
            output::print(&estimates.to_text())?;
        }
    } else if !args.quiet {
        message::note(&report.to_text());
    }
    match error {
        Some(error) => Err(error),
        None => written.and_then(|()| end(args, &report, stop)),
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Delivery {
    /// What was read and delivered, as JSON.
    pub report: String,
    /// Why it ended before all was delivered.
    pub error: Option<Error>,
}

/// Delivers to a stream over a transport of the caller's: what `nasalogs stream --to kinesis://…` does, without its
/// network, with at most `in_flight` requests under way. Returns when all is delivered, when it fails, or some time after
/// the flag of `stop` was set.
///
/// # Errors
/// When it cannot begin: options that do not go together, inputs that cannot be read, a checkpoint that is in use.
pub fn deliver(
    args: &Args,
    transport: Box<dyn Transport + Send>,
    shards: ShardMap,
    in_flight: usize,
    stop: &Stop,
) -> Result<Delivery> {
    let options = Options { max_in_flight: in_flight, ..plan::delivery_options(args) };
    over(args, transport, shards, options, stop)
}

/// Makes requests, one after the other, as full as they can be, over a transport that takes its time: what a shard takes a
/// second is the caller's business.
///
/// # Errors
/// As [`deliver`].
pub fn pack(
    args: &Args,
    transport: Box<dyn Transport + Send>,
    shards: ShardMap,
    stop: &Stop,
) -> Result<Delivery> {
    let usual = plan::delivery_options(args);
    let options = Options { rate: None, linger: Duration::from_secs(3600), max_in_flight: 1, ..usual };
    over(args, transport, shards, options, stop)
}

fn over(
    args: &Args,
    transport: Box<dyn Transport + Send>,
    shards: ShardMap,
    options: Options,
    stop: &Stop,
) -> Result<Delivery> {
    plan::check(args)?;
    let (report, error) = go(args, Way::Stream(transport, shards, options), stop)?;
    Ok(Delivery { report: report.to_json()?, error })
}

/// Reads and delivers.
fn go(args: &Args, way: Way, stop: &Stop) -> Result<(Report, Option<Error>)> {
    let inputs = plan::inputs(args);
    let checkpoint = plan::checkpoint(args, &inputs)?;
    let checkpoint_path =
        checkpoint.as_ref().map(|checkpoint| checkpoint.path().to_string_lossy().into_owned());
    let mut follower = Follower::open(&inputs, plan::follow_options(args), checkpoint)?;
    if args.checkpoint.is_some() && !follower.is_resumable() && !args.quiet {
        message::note("--checkpoint has no effect on standard input and pipes: they cannot be read again");
    }
    // From here on a stop is a matter of delivering what was read.
    stop.be_patient();
    let (ahead, format) = look(args, &mut follower, stop)?;
    let rejects = match &args.rejects {
        Some(path) if !args.dry_run => Rejects::new(Some(RejectFile::append(path, stop)?)),
        _ => Rejects::default(),
    };
    let report = Report {
        destination: args.to.to_string(),
        records_form: match args.to {
            To::Table(_) => report::FILES,
            _ => args.form().as_str(),
        },
        resumable: follower.is_resumable(),
        checkpoint: checkpoint_path,
        ..Report::default()
    };
    let destination = destination(args, format.as_ref(), way, &rejects)?;
    let pipeline = Pipeline::new(Parts {
        follower,
        ahead,
        destination,
        pacer: Pacer::new(if args.dry_run { Pace::Max } else { plan::pace(args) }),
        format,
        rejects,
        stop: stop.clone(),
        quiet: args.quiet,
        // Whoever follows wants to know how it goes, not only how it went.
        live_report: args.report.clone().filter(|path| args.follow && path.as_os_str() != output::STANDARD),
        report,
    });
    Ok(pipeline.run())
}

/// How it ended.
fn end(args: &Args, report: &Report, stop: &Stop) -> Result<Exit> {
    let is_cut = match report.ended {
        // Whoever follows is always stopped in the end.
        Ended::Stopped => !args.follow,
        Ended::Cut => true,
        _ => false,
    };
    if is_cut {
        stop.said();
        message::error("stopped before everything was delivered");
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    if !args.follow
        && let Some(trouble) = report.troubles.first()
    {
        return Err(Error::new(ErrorKind::Io, format!("not everything could be read: {trouble}")));
    }
    let is_clean = report.rejected == 0
        && report.gaps_total == 0
        && report.troubles.is_empty()
        && report.delivered.spooled == 0;
    Ok(if is_clean { Exit::Clean } else { Exit::NotClean })
}

/// The way to the destination.
enum Way {
    Nowhere,
    Stream(Box<dyn Transport + Send>, ShardMap, Options),
    Table(Depot),
    Standard,
}

fn connect(args: &Args) -> Result<Way> {
    match &args.to {
        #[cfg(feature = "aws")]
        To::Kinesis(stream) => {
            let place = kinesis::Place {
                stream: stream.clone(),
                endpoint_url: args.endpoint_url.clone(),
                region: args.region.clone(),
            };
            let (transport, shards) = kinesis::Kinesis::connect(place)?;
            Ok(Way::Stream(Box::new(transport), shards, plan::delivery_options(args)))
        }
        #[cfg(not(feature = "aws"))]
        To::Kinesis(_) | To::Table(Location::Bucket { .. }) => Err(Error::new(
            ErrorKind::Options,
            format!("this nasalogs was built without AWS: {} cannot be reached", args.to),
        )
        .with_hint("cargo install nasalogs-cli has it (the feature 'aws'); or deliver to - or file://")),
        To::Table(location) => {
            let access = Access { endpoint_url: args.endpoint_url.clone(), region: args.region.clone() };
            Depot::open(location, &access).map(Way::Table)
        }
        To::Standard => Ok(Way::Standard),
    }
}

/// The destination itself.
fn destination(
    args: &Args,
    format: Option<&LogFormat>,
    way: Way,
    rejects: &Rejects,
) -> Result<Box<dyn Destination>> {
    let key = Key::new(&args.partition_key, format)?;
    let options = plan::encode_options(args, format);
    let packer = |shards, linger| Packer::new(options, args.form(), key, shards, linger);
    let to: Box<dyn LineDestination> = match way {
        Way::Nowhere => {
            let format = format.cloned().unwrap_or_else(LogFormat::common);
            Box::new(DryRun::new(args, &format)?)
        }
        Way::Stream(transport, shards, delivery_options) => {
            // A line waits for company as long as its record may.
            let packer = packer(shards.clone(), plan::RECORD_LINGER.max(delivery_options.linger));
            let spool = match &args.on_exhausted {
                args::OnExhausted::Fail => None,
                args::OnExhausted::Spool(directory) => Some(spool::Spool::open(directory)?),
            };
            Box::new(delivery::Delivery::new(
                delivery_options,
                shards,
                packer,
                args.form(),
                transport,
                spool,
            )?)
        }
        Way::Table(depot) => {
            let table = Table::open(depot, plan::table_options(args, format), Box::new(rejects.clone()))?;
            return Ok(Box::new(ToTable::new(table)));
        }
        Way::Standard => {
            Box::new(stdout::standard(packer(ShardMap::even(1), plan::RECORD_LINGER), args.form()))
        }
    };
    Ok(Box::new(LineByLine::new(to, rejects.clone(), args.form() == RecordForm::Ndjson)))
}

/// The format, where lines have to be understood, and what was read to find it.
fn look(args: &Args, follower: &mut Follower, stop: &Stop) -> Result<(Vec<Poll>, Option<LogFormat>)> {
    if !plan::wants_format(args) {
        return Ok((Vec::new(), None));
    }
    if args.format != plan::AUTO {
        return Ok((Vec::new(), Some(checked(args, args.format.parse()?)?)));
    }
    let mut ahead = Vec::new();
    // The first lines that are in no format: those of another file may be.
    let mut unknown: Option<Error> = None;
    let mut seen = 0;
    loop {
        if stop.check().is_err() {
            // The run will see it, and end as it should.
            return Ok((ahead, Some(LogFormat::common())));
        }
        let poll = follower.next(LOOK)?;
        match &poll {
            Poll::Idle => match unknown {
                Some(error) => return Err(error),
                None => continue,
            },
            Poll::Lines(lines) => {
                let found = match LogFormat::detect(&lines.bytes) {
                    Ok(detection) => detection.format,
                    // The rolls of a table are understood one by one, and this is somewhere in the middle.
                    Err(_) if matches!(args.to, To::Table(_)) && lines.offset > 0 => LogFormat::common(),
                    Err(error) => {
                        let error = unknown.unwrap_or_else(|| error.with_file(lines.file.to_string()));
                        seen += lines.bytes.len();
                        if seen > LOOKED_AT {
                            return Err(error);
                        }
                        unknown = Some(error);
                        ahead.push(poll);
                        continue;
                    }
                };
                ahead.push(poll);
                return Ok((ahead, Some(checked(args, found)?)));
            }
            Poll::End => {
                ahead.push(poll);
                return unknown.map_or_else(|| Ok((ahead, Some(LogFormat::common()))), Err);
            }
            Poll::Gap(_) | Poll::Trouble(_) => ahead.push(poll),
        }
    }
}

/// A log without times has no rhythm.
fn checked(args: &Args, format: LogFormat) -> Result<LogFormat> {
    if matches!(plan::pace(args), Pace::Replay(_)) && !format.has_time() {
        return Err(Error::new(
            ErrorKind::Options,
            format!("lines in the format {format} have no time to replay"),
        )
        .with_hint("use --rate, or --replay max"));
    }
    Ok(format)
}
