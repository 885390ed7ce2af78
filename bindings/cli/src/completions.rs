//! `nasalogs completions` and `nasalogs man`.

use clap::CommandFactory;
use clap_complete::Shell;
use nasalogs::{Error, Result};

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// Print a script that completes nasalogs' options in a shell.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Print the manual page, for all subcommands.
#[derive(Debug, clap::Args)]
pub struct ManArgs {}

/// Runs `completions`.
pub fn run(args: &Args) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "nasalogs", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Clean)
}

/// Runs `man`.
pub fn run_man(_args: &ManArgs) -> Result<Exit> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let render = |command: clap::Command, page: &mut Vec<u8>| {
        clap_mangen::Man::new(command).render(page).map_err(|error| Error::io("standard output", error))
    };
    render(command.clone(), &mut page)?;
    // A page a subcommand, one after the other: `nasalogs man | man -l -` shows them in order.
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        render(sub.clone(), &mut page)?;
    }
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Clean)
}
