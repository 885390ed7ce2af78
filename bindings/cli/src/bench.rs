//! `nasalogs bench`: how fast it is here, beside what the memory allows.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nasalogs::bench::Chunks;
use nasalogs::source::Source;
use nasalogs::{Backend, Error, ErrorKind, LogFormat, ParseOptions, Result};
use serde::Serialize;

use crate::exit::Exit;
use crate::interrupt::Stop;
use crate::object::{self, Access};
use crate::{doctor, number, output};

/// Measure on one core how fast each SIMD backend indexes and parses a file, beside a newline count and a copy.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file is read into memory once, decompressed. Every pass measures everything in turn, so that \
                        what disturbs the machine disturbs all alike; the best of the passes counts."
)]
pub struct Args {
    /// The log to parse; also s3://BUCKET/KEY
    file: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How S3 is reached
    #[command(flatten)]
    access: Access,
}

/// Passes over everything: at least so many, and more while they are quick.
const PASSES: std::ops::RangeInclusive<usize> = 5..=50;
const ENOUGH: Duration = Duration::from_secs(5);

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Newlines,
    Copy,
    Index(Backend),
    Parse(Backend),
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Task::Newlines => "memchr newline count",
            Task::Copy => "memcpy",
            Task::Index(_) => "index",
            Task::Parse(_) => "parse to Arrow",
        }
    }

    fn backend(self) -> Option<&'static str> {
        match self {
            Task::Index(backend) | Task::Parse(backend) => Some(backend.name()),
            Task::Newlines | Task::Copy => None,
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    file: String,
    format: String,
    cpu: Option<String>,
    bytes: usize,
    lines: usize,
    rows: u64,
    passes: usize,
    results: Vec<Measured>,
}

#[derive(Debug, Serialize)]
struct Measured {
    task: &'static str,
    backend: Option<&'static str>,
    seconds: f64,
    gb_per_second: f64,
    ns_per_line: f64,
    /// Speed as a share of the newline count's.
    of_memchr: f64,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    let name = args.file.display().to_string();
    let log = read(args)?;
    let format = LogFormat::detect(&log[..log.len().min(1 << 20)])
        .map_err(|error| error.with_file(name.clone()))?
        .format;
    let options = ParseOptions::new().with_format(format.clone());
    let lines = memchr::memchr_iter(b'\n', &log).count();
    if lines == 0 {
        return Err(Error::new(ErrorKind::NoRows, "there is nothing to measure")
            .with_file(name)
            .with_hint("nasalogs generate --lines 2M -o FILE makes a log"));
    }
    let tasks: Vec<Task> = [Task::Newlines, Task::Copy]
        .into_iter()
        .chain(Backend::available().map(Task::Index))
        .chain(Backend::available().map(Task::Parse))
        .collect();
    let mut best = vec![Duration::MAX; tasks.len()];
    let mut copy = vec![0; log.len()];
    let chunks = Chunks::new(&log, &options)?;
    let (mut rows, mut passes) = (0_u64, 0);
    let begun = Instant::now();
    while passes < *PASSES.start() || (passes < *PASSES.end() && begun.elapsed() < ENOUGH) {
        for (task, best) in tasks.iter().zip(&mut best) {
            stop.check()?;
            let begun = Instant::now();
            match *task {
                Task::Newlines => {
                    black_box(memchr::memchr_iter(b'\n', black_box(&log)).count());
                }
                Task::Copy => black_box(&mut copy).copy_from_slice(black_box(&log)),
                Task::Index(backend) => {
                    black_box(nasalogs::bench::index_only(backend, black_box(&log)));
                }
                Task::Parse(backend) => rows = black_box(&chunks).parse(backend)?,
            }
            *best = (*best).min(begun.elapsed());
        }
        passes += 1;
    }
    let memchr = best[0].as_secs_f64();
    let results = tasks
        .iter()
        .zip(best)
        .map(|(task, best)| {
            let seconds = best.as_secs_f64();
            Measured {
                task: task.name(),
                backend: task.backend(),
                seconds,
                gb_per_second: log.len() as f64 / seconds / 1e9,
                ns_per_line: seconds * 1e9 / lines as f64,
                of_memchr: memchr / seconds,
            }
        })
        .collect();
    let report = Report {
        file: name,
        format: format.to_string(),
        cpu: doctor::cpu(),
        bytes: log.len(),
        lines,
        rows,
        passes,
        results,
    };
    output::print(&if args.json { as_json(&report)? } else { as_text(&report) })?;
    Ok(Exit::Clean)
}

fn read(args: &Args) -> Result<Vec<u8>> {
    let sources = match object::is_remote(&args.file) {
        true => object::expand(std::slice::from_ref(&args.file), &args.access)?,
        // Not a pattern: a single file is measured.
        false => vec![Source::path(&args.file)],
    };
    let mut log = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    for source in sources {
        let mut input = source.open()?;
        loop {
            match input.read_into(&mut buffer)? {
                0 => break,
                count => log.extend_from_slice(&buffer[..count]),
            }
        }
    }
    Ok(log)
}

fn as_json(report: &Report) -> Result<String> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
}

fn as_text(report: &Report) -> String {
    let mut text = format!(
        "{}: {}, {}, {} rows, format {}; best of {} passes on one core of {}\n\n{:22} {:8} {:>8} {:>9} {:>10}\n",
        nasalogs::field::text::escape_control(report.file.as_bytes()),
        number::size(report.bytes as u64),
        number::counted(report.lines as u64, "line"),
        number::grouped(report.rows),
        report.format,
        report.passes,
        report.cpu.as_deref().unwrap_or("this processor"),
        "",
        "backend",
        "GB/s",
        "ns/line",
        "of memchr",
    );
    for measured in &report.results {
        text.push_str(&format!(
            "{:22} {:8} {:>8.2} {:>9.1} {:>10.3}\n",
            measured.task,
            measured.backend.unwrap_or(""),
            measured.gb_per_second,
            measured.ns_per_line,
            measured.of_memchr,
        ));
    }
    text
}
