//! nasalogs at the shell: every subcommand is a file here, and a thin layer over the crate `nasalogs`.

mod bench;
mod cli;
mod completions;
mod convert;
mod detect;
mod docs;
mod doctor;
mod exit;
#[expect(dead_code, reason = "its users come after it")]
mod follow;
mod generate;
mod interrupt;
mod message;
mod number;
mod output;
mod paths;
mod progress;
mod rejects;
mod schema;
mod summary;
mod terminal;
mod value;

use std::process::ExitCode;

use clap::Parser;

// Batches are large and short-lived: glibc's allocator gives their pages back and faults them in again, which halves
// the speed of parsing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match interrupt::Stop::install() {
        Ok(stop) => {
            let outcome = cli.command.run(&stop);
            stop.clean();
            exit::report(outcome, &stop)
        }
        Err(error) => exit::report(Err(error), &interrupt::Stop::default()),
    }
}
