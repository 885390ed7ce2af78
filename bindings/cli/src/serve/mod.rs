//! `nasalogs serve`: the report as a page that is live.
//!
//! One thread counts ([`Owner`](owner::Owner)): it reads the inputs, owns all numbers, and publishes them in finished form
//! ([`Hub`](hub::Hub)). The handlers of requests only pass on what is published, so that no reader can slow the counting down.

mod guard;
mod http;
mod hub;
mod intake;
mod listen;
mod metrics;
mod owner;
mod recent;
mod spool;

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;

use nasalogs::{Error, ErrorKind, Result};

use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::interrupt::Stop;
use crate::output::STANDARD;
use crate::{message, value};

use guard::Guard;
use owner::Owner;

/// Show the report as a live page: it follows the log, and its reader filters it
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "The page is at /, the numbers at /report.json and, for Prometheus, at /metrics; /healthz says that the program \
                  is up. It stays up when the inputs are read, until Ctrl-C, which is its normal end.\n\n\
                  Whoever can reach the address can read the log's URLs and hosts. Without --token only this machine can: any other \
                  address than a loopback one is refused. With a token, every path asks for it, as ?token=… or as \
                  'Authorization: Bearer …'. There is no TLS: put a proxy in front where the network is not trusted.\n\n\
                  Watch a log that grows:     nasalogs serve --follow /var/log/nginx/access.log\n\
                  Replay an old one:          nasalogs stream access.log --replay 60x --to - | nasalogs serve -"
)]
pub struct Args {
    /// Logs: files, patterns such as 'logs/*.log', directories; - is standard input, which is also read when none is named
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Go on with what is appended, through rotation, truncation and a file that is away for a while
    #[arg(short, long)]
    pub follow: bool,
    /// Where to listen; port 0 is one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// What readers have to know, as ?token= or 'Authorization: Bearer'; the variable NASALOGS_TOKEN says it too, and does not show
    /// in the list of processes
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// How many URLs, hosts and so on are named
    #[arg(long, value_name = "N", default_value = "10", value_parser = value::top)]
    pub top: usize,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub format: String,
    /// How much memory the counting may take; beyond that, rare names are forgotten and different ones estimated, and the page
    /// says so
    #[arg(long, value_name = "SIZE", default_value = "256MB", value_parser = value::size)]
    pub max_memory: u64,
    /// Say nothing but what is wrong
    #[arg(short, long)]
    pub quiet: bool,
    /// Which rows
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// An address, or `localhost`, and a port.
fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    let expected = "expected an address and a port, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080";
    let numeric =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| expected.to_owned())
}

/// Runs it.
pub(crate) fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    if args.inputs.is_empty() && io::stdin().is_terminal() {
        return Err(Error::new(ErrorKind::Options, "there is nothing to read")
            .with_hint("name log files, or pipe a log in"));
    }
    let inputs = if args.inputs.is_empty() { vec![PathBuf::from(STANDARD)] } else { args.inputs.clone() };
    if let Some(table) = inputs.iter().find(|input| input.extension().is_some_and(|end| end == "parquet")) {
        return Err(Error::new(ErrorKind::Options, "the live page reads logs, not Parquet")
            .with_file(table.to_string_lossy())
            .with_hint("make a page of it: nasalogs report --html FILE"));
    }
    let guard = Guard::new(args.listen, token(args))?;
    // Ctrl-C is how this ends, and it ends in its own time.
    stop.be_patient();
    let (owner, hub) = Owner::open(args, &inputs, stop)?;
    let server = listen::Server::start(args.listen, guard, hub)?;
    if !args.quiet {
        message::note(&format!("nasalogs serves {} until Ctrl-C", server.url()));
    }
    let outcome = owner.run();
    server.end();
    outcome.map(|()| Exit::Clean)
}

fn token(args: &Args) -> Option<String> {
    let set = || std::env::var("NASALOGS_TOKEN").ok().filter(|token| !token.is_empty());
    args.token.clone().or_else(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("8080", None),
            ("example.org:80", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(address(text).ok().map(|found| found.to_string()).as_deref(), expected, "{text}");
        }
    }
}
