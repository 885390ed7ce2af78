//! `nasalogs generate`: traffic to try things on.

use std::path::PathBuf;

use nasalogs::Result;
use nasalogs::field::time::Instant;
use nasalogs::generate::{GenerateOptions, Generator, Traffic};

use crate::exit::Exit;
use crate::interrupt::{Held, Stop};
use crate::output::Output;
use crate::value;

/// Make traffic that looks like NASA's logs of July 1995; the same options always give the same bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many lines: 2000000, 2_000_000 or 2M
    #[arg(long, value_name = "N", value_parser = value::count)]
    lines: u64,
    /// Another seed gives other traffic
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The lines' format
    #[arg(long, value_name = "FORMAT", default_value = "common", value_parser = value::named::<Traffic>(Traffic::NAMES))]
    format: Traffic,
    /// Time of the first line, with its UTC offset
    #[arg(long, value_name = "TIME", default_value = "1995-07-01T00:00:01-04:00", value_parser = value::instant)]
    start: Instant,
    /// How many of the lines are odd, as logs have them: no protocol, quotes, blanks, bytes that are not UTF-8, cut short
    #[arg(long, value_name = "P%", default_value = "0%", value_parser = value::share)]
    oddities: f64,
    /// The file to write; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    let options = GenerateOptions::new()
        .with_lines(args.lines)
        .with_seed(args.seed)
        .with_traffic(args.format)
        .with_start(args.start.ms, args.start.tz_offset)
        .with_oddities(args.oddities);
    let mut generator = Generator::new(options)?;
    let output = Held::new(Output::create(&args.output)?, stop);
    let mut block = Vec::new();
    loop {
        block.clear();
        let more = generator.fill(&mut block);
        output.with(|output| output.write(&block))?;
        stop.check()?;
        if !more {
            break;
        }
    }
    output.finish(Output::finish)?;
    Ok(Exit::Clean)
}
