//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser as _;
use nasalogs::delivery::cost::Prices;
use nasalogs::envelope::{EncodeOptions, RecordForm};
use nasalogs::{Error, ErrorKind, Names};

use crate::object::Location;
use crate::value;

/// Deliver logs to Kinesis, S3, a directory or a pipe, as they grow or at their own pace, without losing a line.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "How far each file was delivered is kept in a checkpoint: a run that is started again goes on where \
                        the last one ended, however it ended. What was sent twice is counted in the report, and can be \
                        removed by the id of the line. Ctrl-C and SIGTERM stop reading, deliver what was read, and \
                        end.\n\nTo s3:// and file:// go Parquet files by day, dt=YYYY-MM-DD/, complete ones only, with the \
                        id of each line in the column line_id. Nothing comes there twice as long as the checkpoint is \
                        kept. Let query engines read dt=*/*.parquet; what lies in _rolls is for the next run.\n\nExit codes: 0 all delivered; 1 all delivered but rejected lines, or lines that were \
                        lost before they could be read; 2 not all delivered; 130 stopped before the end of the input, or \
                        before all that was read was delivered."
)]
pub struct Args {
    /// Files, patterns such as 'logs/*.log', directories; - is standard input, which is also read when none is named
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// kinesis://STREAM, s3://BUCKET/PREFIX, file:///DIR, or - for standard output
    #[arg(long, value_name = "DESTINATION")]
    pub to: To,
    /// Go on when the ends are reached: read what is added, through every kind of rotation
    #[arg(long)]
    pub follow: bool,
    /// Keep the rhythm of the log's own times, so many times as fast: 1x, 60x, 0.5x; max does not wait
    #[arg(long, value_name = "SPEED", conflicts_with = "rate")]
    pub replay: Option<Replay>,
    /// So many lines a second: 500/s
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<f64>,
    /// What a record holds, raw when nothing is said: a line, a JSON object, lines as the Kinesis Producer Library packs
    /// them, or a compressed block
    #[arg(long, value_name = "FORM", value_parser = value::named::<RecordForm>(RecordForm::NAMES))]
    pub records: Option<RecordForm>,
    /// The keys of JSON objects: our columns, or ip, timestamp, method, url, protocol, status_code, bytes
    #[arg(long, value_name = "NAMES", default_value = "nasalogs", value_parser = value::named::<Names>(Names::NAMES))]
    pub json_names: Names,
    /// What decides on the shard: random, host, or another column; of a raw line that is not random, the id is not sent
    #[arg(long, value_name = "KEY", default_value = "random")]
    pub partition_key: String,
    /// Keep the order of lines in each shard: one record under way at a time
    #[arg(long)]
    pub ordered: bool,
    /// Where it is kept how far each file was delivered; a file in $XDG_STATE_HOME/nasalogs when nothing is said
    #[arg(long, value_name = "FILE", conflicts_with = "no_checkpoint")]
    pub checkpoint: Option<PathBuf>,
    /// Neither read nor write a checkpoint: everything is sent, also what was sent before
    #[arg(long)]
    pub no_checkpoint: bool,
    /// What happens to records that cannot be delivered after many attempts: fail, or write their lines to files in a
    /// directory, from where they can be streamed again
    #[arg(long, value_name = "fail|spool=DIR", default_value = "fail")]
    pub on_exhausted: OnExhausted,
    /// How often a record is sent until --on-exhausted decides
    #[arg(long, value_name = "N", default_value_t = 50, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// How large a record may be, data and partition key, in bytes: up to 10 MiB where the stream allows it
    #[arg(long, value_name = "B", default_value_t = EncodeOptions::MAX_RECORD, value_parser = bytes)]
    pub max_record_size: usize,
    /// Another address of the service, such as http://127.0.0.1:4566
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The AWS region; AWS_REGION or the profile's when nothing is said
    #[arg(long, value_name = "R")]
    pub region: Option<String>,
    /// For s3:// and file://: begin new files after so many bytes of log, such as 64M; 128M when nothing is said
    #[arg(long, value_name = "B", value_parser = roll_size)]
    pub roll_size: Option<u64>,
    /// For s3:// and file://: begin new files after so much time, such as 30s, 5m or 1h; 5m when nothing is said
    #[arg(long, value_name = "S", value_parser = age)]
    pub roll_age: Option<Duration>,
    /// Add the lines that cannot be delivered to this file, as NDJSON: file, line, offset, reason, raw
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Write what was read and delivered, as JSON; - is standard output
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Send nothing: say what each form of records would take, and cost
    #[arg(long, conflicts_with = "follow")]
    pub dry_run: bool,
    /// For --dry-run: what a shard-hour and a million PUT units cost in your region, in US dollars [default: 0.015,0.014]
    #[arg(long, value_name = "HOUR,MILLION", value_parser = prices, requires = "dry_run")]
    pub prices: Option<Prices>,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: String,
    /// Say nothing unless it fails
    #[arg(short, long)]
    pub quiet: bool,
}

/// The words alone, without the program's name and the command's.
#[derive(Debug, clap::Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(flatten)]
    args: Args,
}

impl Args {
    /// What would be said on a command line behind `nasalogs stream`.
    ///
    /// ```
    /// let args = nasalogs_cli::stream::Args::from_words(["access.log", "--to", "kinesis://web", "--records", "kpl"])?;
    /// assert_eq!(args.inputs.len(), 1);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when the command line would be refused.
    pub fn from_words<T: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> nasalogs::Result<Self> {
        let parsed = Words::try_parse_from(words).map_err(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            Error::new(ErrorKind::Options, first.trim_start_matches("error: "))
        })?;
        Ok(parsed.args)
    }

    /// What a record holds.
    #[must_use]
    pub fn form(&self) -> RecordForm {
        self.records.unwrap_or(RecordForm::Raw)
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A stream of Kinesis: its name or ARN.
    Kinesis(String),
    /// A table of files by day: a bucket, and a prefix in it; or a directory.
    Table(Location),
    /// Standard output.
    Standard,
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        let wrong = || {
            format!(
                "'{text}' is no destination: expected kinesis://STREAM, s3://BUCKET/PREFIX, file:///DIR or -"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "kinesis" if is_stream(rest) => Ok(Self::Kinesis(rest.to_owned())),
            "kinesis" => Err(format!(
                "'{rest}' is no name of a stream: expected 1 to 128 letters, digits, '_', '.' or '-', or an ARN"
            )),
            "s3" | "file" => match Location::parse(text) {
                // However many slashes there are, it is the same place, and has the same checkpoint.
                Ok(Location::Directory(path)) => {
                    Ok(Self::Table(Location::Directory(path.components().collect())))
                }
                Ok(place) => Ok(Self::Table(place)),
                Err(error) => {
                    let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
                    Err(format!("'{text}' {}{hint}", error.message()))
                }
            },
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kinesis(stream) => write!(f, "kinesis://{stream}"),
            Self::Table(Location::Directory(path)) => write!(f, "file://{}", path.display()),
            Self::Table(place) => write!(f, "{place}"),
            Self::Standard => f.write_str("-"),
        }
    }
}

fn is_stream(name: &str) -> bool {
    let is_plain = |name: &str| {
        (1..=128).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    is_plain(name)
        || (name.starts_with("arn:") && name.split_once(":stream/").is_some_and(|(_, name)| is_plain(name)))
}

/// How fast a log is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replay {
    /// So many times as fast as it was logged.
    Times(f64),
    /// As fast as it goes.
    Max,
}

impl FromStr for Replay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.strip_suffix('x')
            .and_then(|number| number.parse::<f64>().ok())
            .filter(|times| (1e-6..=1e9).contains(times))
            .map(Self::Times)
            .ok_or_else(|| "expected a speed such as 1x, 60x or 0.5x, or max".to_owned())
    }
}

/// What happens to records that cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnExhausted {
    /// The run ends.
    Fail,
    /// Their lines go to files in this directory.
    Spool(PathBuf),
}

impl FromStr for OnExhausted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "fail" => Ok(Self::Fail),
            Some(("spool", directory)) if !directory.is_empty() => Ok(Self::Spool(PathBuf::from(directory))),
            _ => Err("expected fail, or spool= and a directory".to_owned()),
        }
    }
}

/// A number of lines a second.
fn rate(text: &str) -> Result<f64, String> {
    let expected = || "expected a number of lines a second, such as 500/s".to_owned();
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = match number.parse::<f64>() {
        Ok(rate) => rate,
        Err(_) => value::count(number).map_err(|_| expected())? as f64,
    };
    if (1e-6..=1e9).contains(&rate) { Ok(rate) } else { Err(expected()) }
}

/// A size of a record.
fn bytes(text: &str) -> Result<usize, String> {
    const MOST: u64 = 10 << 20;
    // A record has room for its key and a line at least.
    value::count(text)
        .ok()
        .filter(|bytes| (1024..=MOST).contains(bytes))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("expected a number of bytes from 1024 to {MOST} (10 MiB)"))
}

/// Two prices.
fn prices(text: &str) -> Result<Prices, String> {
    let price = |text: &str| text.trim().parse().ok().filter(|price| (0.0..=1e6).contains(price));
    text.split_once(',')
        .and_then(|(hour, million)| {
            Some(Prices { shard_hour: price(hour)?, million_put_units: price(million)? })
        })
        .ok_or_else(|| "expected two prices in US dollars, such as 0.015,0.014".to_owned())
}

/// After how many bytes a roll ends.
fn roll_size(text: &str) -> Result<u64, String> {
    value::size(text)
        .and_then(|bytes| if bytes > 0 { Ok(bytes) } else { Err("expected more than 0".to_owned()) })
}

/// A time: seconds, or with its unit.
fn age(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1.0),
        Some(b'm') => (&text[..text.len() - 1], 60.0),
        Some(b'h') => (&text[..text.len() - 1], 3600.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().map(|number| number * unit).ok();
    seconds
        .filter(|seconds| (0.001..=1e9).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "expected a time, such as 300, 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations() {
        assert_eq!("kinesis://web-1".parse(), Ok(To::Kinesis("web-1".to_owned())));
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/web";
        assert_eq!(format!("kinesis://{arn}").parse(), Ok(To::Kinesis(arn.to_owned())));
        let s3 = |text: &str| Ok(To::Table(Location::parse(text).unwrap()));
        assert_eq!(("s3://b/p/q".parse(), "s3://b/p/".parse()), (s3("s3://b/p/q"), s3("s3://b/p")));
        let directory = |path: &str| Ok(To::Table(Location::Directory(path.into())));
        assert_eq!(("file:///a/b".parse(), "file:///a//b/".parse()), (directory("/a/b"), directory("/a/b")));
        let trailing: To = "file:///a//b/".parse().unwrap();
        assert_eq!(trailing.to_string(), "file:///a/b");
        assert_eq!("-".parse(), Ok(To::Standard));
        for text in ["kinesis://web-1", "s3://b/p", "file:///a", "-"] {
            assert_eq!(text.parse::<To>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "web",
            "kinesis://",
            "kinesis://a/b",
            "kinesis://a b",
            "s3://",
            "s3:///x",
            "file://a",
            "http://a",
        ] {
            assert!(bad.parse::<To>().is_err(), "{bad}");
        }
    }

    #[test]
    fn speeds_and_rates() {
        assert_eq!("60x".parse(), Ok(Replay::Times(60.0)));
        assert_eq!("0.5x".parse(), Ok(Replay::Times(0.5)));
        assert_eq!("max".parse(), Ok(Replay::Max));
        for bad in ["", "x", "0x", "-1x", "60", "nanx", "infx"] {
            assert!(bad.parse::<Replay>().is_err(), "{bad}");
        }
        assert_eq!(
            (rate("500/s"), rate("2k/s"), rate("0.5/s"), rate("7")),
            (Ok(500.0), Ok(2000.0), Ok(0.5), Ok(7.0))
        );
        assert!(rate("0/s").is_err() && rate("x").is_err() && rate("5/m").is_err());
    }

    #[test]
    fn what_happens_in_the_end() {
        assert_eq!("fail".parse(), Ok(OnExhausted::Fail));
        assert_eq!("spool=a/b".parse(), Ok(OnExhausted::Spool("a/b".into())));
        assert!("spool=".parse::<OnExhausted>().is_err() && "drop".parse::<OnExhausted>().is_err());
        assert_eq!(prices("0.015,0.014"), Ok(Prices::US_EAST_1));
        assert!(["", "0.015", "0.015,", "-1,0", "nan,0", "1,2,3"].iter().all(|bad| prices(bad).is_err()));
        assert!(bytes("10485760").is_ok() && bytes("10485761").is_err() && bytes("10").is_err());
        let seconds = |seconds| Ok(Duration::from_secs_f64(seconds));
        assert_eq!((age("300"), age("1.5s")), (seconds(300.0), seconds(1.5)));
        assert_eq!((age("5m"), age("0.5h")), (seconds(300.0), seconds(1800.0)));
        assert!(age("0").is_err() && age("5d").is_err() && age("m").is_err() && age("-1s").is_err());
        assert_eq!((roll_size("64M"), roll_size("1GiB")), (Ok(64_000_000), Ok(1 << 30)));
        assert!(roll_size("0").is_err());
    }
}
