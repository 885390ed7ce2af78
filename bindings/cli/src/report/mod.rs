//! `nasalogs report`: what happened, on the terminal, as a page, as JSON or Markdown.

mod count;
mod replay;
mod run;

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use nasalogs::report::{Report, TerminalOptions, html, markdown, terminal};
use nasalogs::sink::AtomicFile;
use nasalogs::{Error, ErrorKind, MaxRejects, Result};

pub use run::{Input, Outcome, Watch, execute};

use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::interrupt::{Held, Stop};
use crate::object::Access;
use crate::output::{Output, STANDARD};
use crate::progress::Progress;
use crate::{message, paths, value};

/// Say what happened: traffic, top URLs and hosts, errors; on the terminal, as a page, as JSON or Markdown.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "The report is printed unless --json or --markdown take standard output. Numbers are exact; where that \
                  would take more than --max-memory, the run ends and says so, and --approx estimates what has to be \
                  estimated. With --html the logs are read twice; standard input is kept in the directory for temporary files \
                  (TMPDIR), compressed."
)]
pub struct Args {
    /// Logs, or Parquet: files, patterns such as 'logs/*.gz', directories of Parquet files, s3://BUCKET/KEY for logs; - is
    /// standard input, which is also read when none is named
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Write a page that its reader can filter: one file, which needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the numbers as JSON; - is standard output, and meant where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STANDARD)]
    pub json: Option<PathBuf>,
    /// Write the report as Markdown; - is standard output, and meant where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = STANDARD)]
    pub markdown: Option<PathBuf>,
    /// How many URLs, hosts and so on are named
    #[arg(long, value_name = "N", default_value = "10", value_parser = value::top)]
    pub top: usize,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: String,
    /// How much memory the counting may take, such as 2GB; half of the machine's when nothing is said
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    pub max_memory: Option<u64>,
    /// Bound the memory: rare names may be forgotten, and different ones are estimated; the report says how good it is
    #[arg(long)]
    pub approx: bool,
    /// Exit with 1 when any line is rejected; the report is made all the same
    #[arg(long)]
    pub strict: bool,
    /// Make no report and exit with 1 when more lines are rejected: a number, or a share such as 1%
    #[arg(long, value_name = "N|P%", value_parser = value::max_rejects)]
    pub max_rejects: Option<MaxRejects>,
    /// Threads; as many as there are processors when nothing is said
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Replace the files that are there
    #[arg(long)]
    pub overwrite: bool,
    /// Print no report beside the files that are written, and no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// How S3 is reached
    #[command(flatten)]
    pub access: Access,
    /// Which rows
    #[command(flatten)]
    pub filter: FilterArgs,
}

impl Args {
    /// The outputs by their options, the page first.
    fn outputs(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("--html", self.html.as_deref()),
            ("--json", self.json.as_deref()),
            ("--markdown", self.markdown.as_deref()),
        ]
    }

    fn takes_standard(&self) -> bool {
        self.outputs().iter().any(|(_, path)| path.is_some_and(is_standard))
    }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Runs it.
pub(crate) fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    check(args)?;
    let standard = [PathBuf::from(STANDARD)];
    let inputs = if args.inputs.is_empty() { &standard[..] } else { &args.inputs };
    let input = Input::find(inputs, &args.access)?;
    // What cannot be written is said before anything is read.
    let places = args
        .outputs()
        .into_iter()
        .map(|(_, path)| path.map(|path| Place::create(path, args.overwrite, stop)).transpose())
        .collect::<Result<Vec<_>>>()?;
    let mut bar: Option<Progress> = None;
    let mut last = 0;
    let outcome = execute(args, input, stop, &mut |read, total| {
        // Another pass begins anew.
        if bar.is_none() || read < last {
            bar = None;
            bar = Some(Progress::new(args.quiet, total));
        }
        last = read;
        if let Some(bar) = &bar {
            bar.set(read);
        }
        Ok(())
    });
    // What is said next begins on a clean line.
    drop(bar);
    let Outcome { report, cube } = outcome?;
    let texts = [
        args.html.as_ref().map(|_| html(&report, cube.as_ref())),
        args.json.as_ref().map(|_| report.to_json() + "\n"),
        args.markdown.as_ref().map(|_| markdown(&report)),
    ];
    for (place, text) in places.into_iter().zip(texts) {
        if let (Some(place), Some(text)) = (place, text) {
            place.finish(&text)?;
        }
    }
    let has_files = args.outputs().iter().any(|(_, path)| path.is_some());
    let is_unwanted = args.takes_standard() || (args.quiet && has_files);
    if !is_unwanted {
        print(&report)?;
    }
    Ok(if args.strict && report.lines.rejected > 0 { Exit::NotClean } else { Exit::Clean })
}

/// The report on standard output, as wide and as colourful as that is.
fn print(report: &Report) -> Result<()> {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let columns = || std::env::var("COLUMNS").ok()?.parse::<usize>().ok();
    let width = terminal_size::terminal_size_of(&stdout)
        .filter(|_| is_terminal)
        .map_or_else(|| columns().unwrap_or(80), |(width, _)| usize::from(width.0));
    let options = TerminalOptions::new()
        .with_width(width)
        .with_colour(message::has_colour(&stdout))
        .with_unicode(is_terminal && has_unicode());
    crate::output::print(&terminal(report, &options))
}

/// Whether the terminal is said to show more than ASCII.
fn has_unicode() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let says = |locale: String| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    cfg!(windows) || cfg!(target_os = "macos") || locale.is_some_and(says)
}

/// What is read and written are different things, and standard output takes one.
fn check(args: &Args) -> Result<()> {
    let outputs = args.outputs();
    if outputs.iter().filter(|(_, path)| path.is_some_and(is_standard)).count() > 1 {
        return Err(Error::new(ErrorKind::Options, "standard output cannot take two things")
            .with_hint("name files for all but one of --html, --json and --markdown"));
    }
    // `report --json access.log` means the log.
    let mistaken = |(option, path): &(&'static str, Option<&Path>)| {
        let path = (*path).filter(|path| *option != "--html" && args.inputs.is_empty() && path.is_file());
        path.map(|path| (*option, path.to_string_lossy().into_owned()))
    };
    if let Some((option, path)) = outputs.iter().find_map(mistaken) {
        let message = format!("{option} would be written to this file, which is there, and no log is named");
        return Err(Error::new(ErrorKind::Options, message)
            .with_file(path.clone())
            .with_hint(format!("name the log first: nasalogs report {path} {option}")));
    }
    if args.html.as_deref().is_some_and(is_standard) && io::stdout().is_terminal() {
        return Err(Error::new(ErrorKind::Options, "a page is nothing for a terminal")
            .with_hint("name a file with --html"));
    }
    paths::check(&logs(&args.inputs), &outputs)?;
    if args.inputs.is_empty() && io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Options, "there is nothing to read")
            .with_hint("name log files, or pipe a log in"));
    }
    Ok(())
}

/// The inputs that can be told from outputs: all but directories.
fn logs(inputs: &[PathBuf]) -> Vec<PathBuf> {
    inputs.iter().filter(|input| !input.is_dir()).cloned().collect()
}

/// Where an output goes: nothing is visible before it is complete.
enum Place {
    Standard,
    File(Held<AtomicFile>),
}

impl Place {
    fn create(path: &Path, overwrite: bool, stop: &Stop) -> Result<Self> {
        Ok(if is_standard(path) {
            Self::Standard
        } else {
            Self::File(Held::new(AtomicFile::create(path, overwrite)?, stop))
        })
    }

    fn finish(self, text: &str) -> Result<()> {
        match self {
            Self::Standard => crate::output::print(text),
            Self::File(held) => held.finish(|file| {
                let mut output = Output::File(file);
                output.write(text.as_bytes())?;
                output.finish()
            }),
        }
    }
}
