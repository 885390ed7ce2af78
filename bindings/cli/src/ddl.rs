//! `nasalogs ddl`: the table that a lake is, for the engine that is to query it.

use nasalogs::ddl::{Dialect, Table};
use nasalogs::{Extras, LogFormat, Result};

use crate::exit::Exit;
use crate::{output, value};

/// Print the definition of a table over Parquet files written by convert, stream or the Lambda function.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "athena is one statement, with partition projection: days need not be registered. glue is the JSON \
                        for `aws glue create-table --table-input`, and cloudformation a template; both define the same \
                        table. spark and duckdb are statements; Spark's last one registers the days that are there, and \
                        is to be run again when there are more. In cloudformation, location, names and first day may \
                        hold references such as ${Bucket}. Columns that a file lacks are null."
)]
pub struct Args {
    /// For whom
    #[arg(long = "as", value_name = "ENGINE", value_parser = value::named::<Dialect>(Dialect::NAMES))]
    dialect: Dialect,
    /// Where the files lie: s3://BUCKET/PREFIX/; for spark and duckdb any folder that they can read
    #[arg(long, value_name = "LOCATION")]
    location: String,
    /// The database
    #[arg(long, value_name = "NAME", default_value = Table::DATABASE)]
    database: String,
    /// The table's name
    #[arg(long, value_name = "NAME", default_value = Table::NAME)]
    table: String,
    /// common, combined, vhost_common, vhost_combined, nginx_main, an Apache LogFormat or an nginx log_format string
    #[arg(long, value_name = "F", default_value = "common")]
    format: String,
    /// Whether there is a directory for each day
    #[arg(long, value_name = "COLUMN", default_value = "dt", value_parser = ["dt", "none"])]
    partition: String,
    /// The first day that Athena looks for
    #[arg(long, value_name = "DAY", default_value = Table::SINCE)]
    since: String,
    /// Further columns that the files have: line, byte_offset, raw, file
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    with: Extras,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Exit> {
    let format: LogFormat = args.format.parse()?;
    let table = Table::new(&format, &args.location)
        .with_database(&args.database)
        .with_name(&args.table)
        .with_days(args.partition == "dt")
        .with_since(&args.since)
        .with_extras(args.with);
    output::print(&table.to_text(args.dialect)?)?;
    Ok(Exit::Clean)
}
