//! `nasalogs docs-markdown`: `docs/cli.md`, made from the definition of the command line.

use clap::{Arg, ArgAction, Command, CommandFactory};
use nasalogs::Result;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output;

/// Print docs/cli.md.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> Result<Exit> {
    output::print(&render())?;
    Ok(Exit::Clean)
}

fn render() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text =
        String::from("<!-- Made by `nasalogs docs-markdown`: change the command line, not this file. -->\n");
    text.push_str(&format!("# nasalogs at the shell\n\n{}\n", about(&command)));
    if let Some(after) = command.get_after_help() {
        text.push_str(&format!("\n{after}\n"));
    }
    for sub in visible(&command) {
        text.push_str(&format!("\n## nasalogs {}\n\n{}\n", sub.get_name(), about(sub)));
        text.push_str(&format!("\n```text\n{}\n```\n", usage(sub)));
        let args: Vec<&Arg> = sub.get_arguments().filter(|arg| is_listed(arg)).collect();
        if !args.is_empty() {
            text.push_str("\n| | |\n|---|---|\n");
            for arg in args {
                text.push_str(&format!("| {} | {} |\n", cell(&signature(arg)), cell(&explanation(arg))));
            }
        }
        if let Some(after) = sub.get_after_help() {
            text.push_str(&format!("\n{after}\n"));
        }
    }
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn is_listed(arg: &Arg) -> bool {
    !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn about(command: &Command) -> String {
    command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default()
}

fn usage(command: &Command) -> String {
    let text = command.clone().render_usage().to_string();
    text.trim_start_matches("Usage: ").trim_end().to_owned()
}

/// `` `-o`, `--output FILE` ``
fn signature(arg: &Arg) -> String {
    let value = match (arg.get_action(), arg.get_value_names()) {
        (ArgAction::Set | ArgAction::Append, Some(names)) => {
            names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    };
    let long = arg.get_long().map(|long| format!("`--{long} {value}").trim_end().to_owned() + "`");
    let short = arg.get_short().map(|short| format!("`-{short}`"));
    match (short, long) {
        (Some(short), Some(long)) => format!("{short}, {long}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => format!("`{value}`"),
    }
}

/// The help, the choices and the default.
fn explanation(arg: &Arg) -> String {
    let mut text =
        arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !choices.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(": {}", choices.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() && !arg.is_hide_default_value_set() {
        text.push_str(&format!(" (default {})", defaults.join(", ")));
    }
    text
}

/// Fit for a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
