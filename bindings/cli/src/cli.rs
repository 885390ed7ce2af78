//! The command line: what there is to say, and who listens.

use clap::{Parser, Subcommand};
use nasalogs::Result;

use crate::exit::Exit;
use crate::interrupt::Stop;
#[cfg(feature = "serve")]
use crate::serve;
use crate::{
    bench, compact, completions, convert, ddl, detect, docs, doctor, generate, report, schema, stream,
};

/// Web server access logs to Parquet, Arrow, NDJSON and CSV, with every line accounted for.
#[derive(Debug, Parser)]
#[command(
    name = "nasalogs",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done; 1 done, but lines were rejected that --strict or --max-rejects do not allow, \
                  or a table has what compact or doctor complain about; 2 could not be done; 130 interrupted (serve ends so, with 0). A closed pipe is no failure."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Report(Box<report::Args>),
    Convert(Box<convert::Args>),
    Stream(Box<stream::Args>),
    Compact(Box<compact::Args>),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Args>),
    #[cfg(feature = "sql")]
    Sql(Box<crate::sql::Args>),
    Detect(detect::Args),
    Schema(schema::Args),
    Ddl(ddl::Args),
    Generate(generate::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(completions::ManArgs),
    #[command(hide = true)]
    DocsMarkdown(docs::Args),
}

impl Command {
    /// Does it.
    pub fn run(self, stop: &Stop) -> Result<Exit> {
        match self {
            Command::Report(args) => report::run(&args, stop),
            Command::Convert(args) => convert::run(&args, stop),
            Command::Stream(args) => stream::run(&args, stop),
            Command::Compact(args) => compact::run(&args, stop),
            #[cfg(feature = "serve")]
            Command::Serve(args) => serve::run(&args, stop),
            #[cfg(feature = "sql")]
            Command::Sql(args) => crate::sql::run(&args, stop),
            Command::Detect(args) => detect::run(&args, stop),
            Command::Schema(args) => schema::run(&args),
            Command::Ddl(args) => ddl::run(&args),
            Command::Bench(args) => bench::run(&args, stop),
            Command::Doctor(args) => doctor::run(&args, stop),
            Command::Generate(args) => generate::run(&args, stop),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => completions::run_man(&args),
            Command::DocsMarkdown(args) => docs::run(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
