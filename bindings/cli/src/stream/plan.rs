//! What was asked for, checked: which options go together, and what follows from them.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nasalogs::delivery::Options;
use nasalogs::envelope::{EncodeOptions, RecordForm};
use nasalogs::{Error, ErrorKind, LogFormat, Names, Result};

use super::args::{Args, OnExhausted, Replay, To};
use super::pace::Pace;
use crate::follow::{self, Checkpoint};
use crate::object::Location;
use crate::output::STANDARD;
use crate::{paths, table};

/// The format that is found out.
pub(super) const AUTO: &str = "auto";
/// How long a line waits for company in its record.
pub(super) const RECORD_LINGER: Duration = Duration::from_millis(50);
/// How long a record waits for company in its request: less where lines have waited before.
const REQUEST_LINGER: Duration = Duration::from_millis(50);
const PACKED_LINGER: Duration = Duration::from_millis(20);

/// The inputs: standard input where none is named.
pub(super) fn inputs(args: &Args) -> Vec<PathBuf> {
    if args.inputs.is_empty() { vec![PathBuf::from(STANDARD)] } else { args.inputs.clone() }
}

/// Refuses what does not go together.
///
/// # Errors
/// [`ErrorKind::Options`] says what.
pub(super) fn check(args: &Args) -> Result<()> {
    let wrong = |text: &str, hint: &str| Err(Error::new(ErrorKind::Options, text).with_hint(hint));
    let is_standard =
        |path: &Option<PathBuf>| path.as_deref().is_some_and(|path| path.as_os_str() == STANDARD);
    let takers =
        [args.to == To::Standard && !args.dry_run, is_standard(&args.rejects), is_standard(&args.report)];
    if takers.into_iter().filter(|takes| *takes).count() > 1 {
        return wrong(
            "standard output cannot take two things",
            "name files for --rejects and --report, or for all but one of them",
        );
    }
    if args.inputs.is_empty() && io::stdin().is_terminal() {
        return wrong("there is nothing to read", "name log files, or pipe a log in");
    }
    let is_table = matches!(args.to, To::Table(_));
    if (args.roll_size.is_some() || args.roll_age.is_some()) && !is_table {
        return wrong(
            "--roll-size and --roll-age are for files",
            "leave them out, or deliver to s3:// or file://",
        );
    }
    if let Some((option, why)) = for_records(args).filter(|_| is_table) {
        let hint = format!("leave {option} out, or deliver to kinesis:// or -");
        return wrong(&format!("{option} is for records, and {} gets files: {why}", args.to), &hint);
    }
    if is_table && args.format != AUTO && !args.format.parse::<LogFormat>()?.has_time() {
        return wrong(
            &format!("lines in the format {} have no time to make days from", args.format),
            "deliver them to kinesis:// or -",
        );
    }
    let outputs: Vec<(&str, Option<&Path>)> =
        vec![("--rejects", args.rejects.as_deref()), ("--report", args.report.as_deref())];
    paths::check(&files(&args.inputs), &outputs)?;
    if let Some(parent) = args.report.as_deref().and_then(Path::parent)
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        return Err(Error::new(ErrorKind::Io, "the directory of --report does not exist")
            .with_file(parent.to_string_lossy())
            .with_hint("create the directory first"));
    }
    Ok(())
}

/// What was asked for that makes no sense where no records are made, and why.
fn for_records(args: &Args) -> Option<(&'static str, &'static str)> {
    let asked = [
        (args.records.is_some(), "--records", "lines become rows of Parquet"),
        (args.json_names != Names::default(), "--json-names", "there are columns and no keys of JSON"),
        (args.partition_key != "random", "--partition-key", "there are days and no shards"),
        (args.ordered, "--ordered", "each file holds its lines in order as it is"),
        (
            args.max_record_size != EncodeOptions::MAX_RECORD,
            "--max-record-size",
            "--roll-size says how large they become",
        ),
        (
            args.on_exhausted != OnExhausted::Fail,
            "--on-exhausted",
            "what cannot be written is read again by the next run",
        ),
        (args.dry_run, "--dry-run", "only records are priced by their number"),
    ];
    asked.into_iter().find(|(is_asked, ..)| *is_asked).map(|(_, option, why)| (option, why))
}

/// The files that are there already, which are all that can be compared.
fn files(inputs: &[PathBuf]) -> Vec<PathBuf> {
    let within = |input: &PathBuf| match input.read_dir() {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect(),
        Err(_) => vec![input.clone()],
    };
    inputs.iter().filter(|input| input.exists()).flat_map(within).collect()
}

/// How fast lines go.
pub(super) fn pace(args: &Args) -> Pace {
    match (args.replay, args.rate) {
        (Some(Replay::Times(times)), _) => Pace::Replay(times),
        (_, Some(rate)) => Pace::Rate(rate),
        _ => Pace::Max,
    }
}

/// Whether the lines have to be understood, and not only carried.
pub(super) fn wants_format(args: &Args) -> bool {
    args.form() == RecordForm::Ndjson
        || args.partition_key != "random"
        || args.dry_run
        || matches!(args.replay, Some(Replay::Times(_)))
        // Each roll is understood by itself; but a log of which nothing can be is known at once.
        || (matches!(args.to, To::Table(_)) && (args.format != AUTO || !args.follow))
}

/// How tables are written. Without a format each roll is understood by itself: it is the same again after a restart.
pub(super) fn table_options(args: &Args, format: Option<&LogFormat>) -> table::Options {
    let usual = table::Options::default();
    table::Options {
        roll_size: args.roll_size.unwrap_or(usual.roll_size),
        roll_age: args.roll_age.unwrap_or(usual.roll_age),
        format: format.filter(|_| args.format != AUTO).cloned(),
        ..usual
    }
}

/// How files are followed.
pub(super) fn follow_options(args: &Args) -> follow::Options {
    let usual = follow::Options::default();
    follow::Options { follow: args.follow, max_line: usual.max_line.max(args.max_record_size), ..usual }
}

/// The checkpoint, where there is to be one: by default for everything that can be read again, and goes to a place that
/// keeps it.
///
/// # Errors
/// As [`Checkpoint::open`] and [`Checkpoint::default_path`] have them.
pub(super) fn checkpoint(args: &Args, inputs: &[PathBuf]) -> Result<Option<Checkpoint>> {
    let path = match &args.checkpoint {
        _ if args.no_checkpoint || args.dry_run => return Ok(None),
        Some(path) => path.clone(),
        None if args.to == To::Standard || inputs.iter().all(|input| input.as_os_str() == STANDARD) => {
            return Ok(None);
        }
        None => Checkpoint::default_path(inputs, &destination(args, |name| std::env::var(name).ok()))?,
    };
    Checkpoint::open(&path).map(Some)
}

/// The destination as its checkpoint is named: at another address a stream or a bucket of the same name is another one, and so
/// is a stream in another region.
fn destination(args: &Args, set: impl Fn(&str) -> Option<String>) -> String {
    let address = match &args.to {
        To::Kinesis(_) => "AWS_ENDPOINT_URL_KINESIS",
        To::Table(Location::Bucket { .. }) => "AWS_ENDPOINT_URL_S3",
        To::Table(Location::Directory(_)) | To::Standard => return args.to.to_string(),
    };
    let said = |option: &Option<String>, names: [&str; 2]| {
        let set = |name: &&str| set(name).filter(|value| !value.is_empty());
        option.clone().or_else(|| names.iter().find_map(set))
    };
    let endpoint = said(&args.endpoint_url, [address, "AWS_ENDPOINT_URL"]);
    // The names of Amazon's buckets are the same in all regions.
    let has_region = endpoint.is_some() || matches!(args.to, To::Kinesis(_));
    let region = said(&args.region, ["AWS_REGION", "AWS_DEFAULT_REGION"]).filter(|_| has_region);
    let mut text = args.to.to_string();
    for part in [endpoint, region].iter().flatten() {
        text.push('@');
        text.push_str(part.trim_end_matches('/'));
    }
    text
}

/// How records are made.
pub(super) fn encode_options(args: &Args, format: Option<&LogFormat>) -> EncodeOptions {
    let options =
        EncodeOptions::new(args.form()).with_names(args.json_names).with_max_record(args.max_record_size);
    match format {
        Some(format) => options.with_format(format.clone()),
        None => options,
    }
}

/// How records are delivered.
pub(super) fn delivery_options(args: &Args) -> Options {
    let usual = Options::default();
    let is_packed = matches!(args.form(), RecordForm::Kpl | RecordForm::Block);
    Options {
        max_record_bytes: args.max_record_size,
        max_request_bytes: usual.max_request_bytes.max(args.max_record_size),
        linger: if is_packed { PACKED_LINGER } else { REQUEST_LINGER },
        max_attempts: Some(args.attempts),
        ordered: args.ordered,
        // Producers that failed together must not come back together.
        seed: u64::from(std::process::id()) ^ start_of_process(),
        ..usual
    }
}

fn start_of_process() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_somewhere() {
        let named = |words: &[&str], set: &[(&str, &str)]| {
            let args = Args::from_words([&["access.log", "--to"], words].concat()).unwrap();
            destination(&args, |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let all = [
            ("AWS_ENDPOINT_URL", "http://any/"),
            ("AWS_ENDPOINT_URL_S3", "http://s3"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ];
        assert_eq!(named(&["kinesis://web"], &[]), "kinesis://web");
        assert_eq!(named(&["kinesis://web"], &all), "kinesis://web@http://any@eu-west-1");
        assert_eq!(named(&["s3://web/a"], &all), "s3://web/a@http://s3@eu-west-1");
        assert_eq!(named(&["s3://web/a"], &all[3..]), "s3://web/a");
        assert_eq!(named(&["kinesis://web"], &all[3..]), "kinesis://web@us-east-1");
        let here = ["kinesis://web", "--endpoint-url", "http://here", "--region", "us-west-2"];
        assert_eq!(named(&here, &all), "kinesis://web@http://here@us-west-2");
        for nowhere in ["file:///web", "-"] {
            assert_eq!(named(&[nowhere], &all), nowhere);
        }
        assert_eq!(named(&["kinesis://web"], &[("AWS_REGION", "")]), "kinesis://web");
    }
}
