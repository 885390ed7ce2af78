//! nasalogs at the shell: every subcommand is a file here, and a thin layer over the crate `nasalogs`.
//!
//! It is a library too, so that the same command line comes with the Python package, and the same conversion with its
//! function `convert`.

mod bench;
mod cli;
mod compact;
mod completions;
pub mod convert;
mod crew;
mod ddl;
mod detect;
mod docs;
mod doctor;
mod exit;
pub mod filter;
pub mod follow;
mod generate;
pub mod interrupt;
mod memory;
mod message;
mod number;
pub mod object;
mod output;
mod paths;
mod progress;
mod rejects;
pub mod report;
mod schema;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "sql")]
mod sql;
pub mod stream;
pub mod summary;
pub mod table;
mod terminal;
mod value;

use std::ffi::OsString;

use clap::Parser;

/// Runs a command line, whose first word is the program's name, and gives the exit code. Listens to signals from then
/// on, so a process calls it once.
pub fn run<T: Into<OsString> + Clone>(words: impl IntoIterator<Item = T>) -> u8 {
    let cli = match cli::Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody can be told when the terminal is gone.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    match interrupt::Stop::install() {
        Ok(stop) => {
            let outcome = cli.command.run(&stop);
            stop.clean();
            exit::report(outcome, &stop)
        }
        Err(error) => exit::report(Err(error), &interrupt::Stop::default()),
    }
}
