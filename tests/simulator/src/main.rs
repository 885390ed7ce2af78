//! The simulator as a program. `--help` says what can be set; the library's documentation says what it does.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc;

use clap::Parser;
use nasalogs_simulator::{Config, Keep, Limits, Settings, Simulator};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Kinesis endpoint for tests: it enforces the limits, and fails on demand.
#[derive(Debug, Parser)]
#[command(name = "nasalogs-simulator", version)]
struct Arguments {
    /// Where to listen; port 0 for a free one. The first line of output says which.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A stream that is there from the start, with this many shards (1).
    #[arg(long = "stream", value_name = "NAME[:SHARDS]", value_parser = stream)]
    streams: Vec<(String, usize)>,
    /// How much is kept of what is stored.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    keep: Keep,
    /// All limits off, for benchmarks.
    #[arg(long)]
    no_limits: bool,
    /// Stop when standard input ends: when whoever started it is gone.
    #[arg(long)]
    stop_with_stdin: bool,
    #[command(flatten)]
    settings: Settings,
}

fn stream(text: &str) -> Result<(String, usize), String> {
    let (name, shards) = text.split_once(':').unwrap_or((text, "1"));
    let wrong = || format!("{text:?} is no stream: expected NAME or NAME:SHARDS");
    let fits = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    let shards = shards.parse().ok().filter(|shards| (1..=100_000).contains(shards)).ok_or_else(wrong)?;
    if name.is_empty() || name.len() > 128 || !fits(name) {
        return Err(wrong());
    }
    Ok((name.to_owned(), shards))
}

fn run(arguments: Arguments) -> io::Result<()> {
    let mut settings = arguments.settings;
    if arguments.no_limits {
        settings.limits = Limits::OFF;
    }
    let (stop, stopped) = mpsc::channel();
    let on_signal = stop.clone();
    // Nobody listens once it stops, and then it need not be told.
    ctrlc::set_handler(move || {
        let _ = on_signal.send(());
    })
    .map_err(io::Error::other)?;
    let simulator = Simulator::start(Config {
        address: arguments.listen,
        keep: arguments.keep,
        streams: arguments.streams,
        settings,
    })?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", simulator.url())?;
    out.flush()?;
    if arguments.stop_with_stdin {
        std::thread::spawn(move || {
            let mut sink = [0; 512];
            while matches!(io::stdin().read(&mut sink), Ok(1..)) {}
            let _ = stop.send(());
        });
        let _ = stopped.recv();
    } else {
        let _ = stopped.recv();
        drop(stop);
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "nasalogs-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}
