//! `nasalogs sql`: questions to logs and to Parquet, in SQL.

mod account;
mod grid;
mod json;
mod output;
mod parquet;
mod place;
mod prompt;
mod session;
mod statement;
mod table;

use std::io::{self, IsTerminal, Read};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use nasalogs::{Encoding, Error, ErrorKind, Extras, Result, StringType};

use crate::exit::Exit;
use crate::interrupt::Stop;
use crate::object::Access;
use crate::output::STANDARD;
use crate::value;

use output::Shape;
use session::Session;

/// Ask logs and Parquet in SQL; without a statement, at a prompt.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The inputs are one table, logs; --table names more. Each table is logs of any format and compression, or \
                        Parquet files, or a directory of Parquet files, whose dt=… directories are the column dt. Rows come in \
                        no order unless the statement has ORDER BY. What Athena's queries say and DataFusion does not, is \
                        understood too. At the prompt, \\? helps."
)]
pub struct Args {
    /// The statement, then the inputs: files, patterns such as 'logs/*.gz', a directory of Parquet, s3://BUCKET/KEY for logs;
    /// - is standard input. With --file there is no statement here
    #[arg(value_name = "SQL|INPUT")]
    words: Vec<PathBuf>,
    /// Read the statements from a file; - is standard input
    #[arg(short = 'f', long, value_name = "FILE.sql")]
    file: Option<PathBuf>,
    /// A further table, as NAME=PATH; a name that is given again has several inputs
    #[arg(short, long = "table", value_name = "NAME=PATH", value_parser = named_path)]
    tables: Vec<(String, PathBuf)>,
    /// What stands for the next ? in the statement: a number, else a text
    #[arg(short, long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    params: Vec<String>,
    /// What to write; without it the extension of --out decides, and for standard output it is a table
    #[arg(long, value_name = "SHAPE", value_enum)]
    output: Option<Shape>,
    /// The file to write the answer to, which appears when it is complete
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out if it is there
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// auto, common, combined, vhost_common, vhost_combined, nginx_main, or an Apache LogFormat or nginx log_format string
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: String,
    /// Further columns of logs: line, byte_offset, raw, file
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    with: Extras,
    /// What becomes of bytes that are not UTF-8: \xHH, Latin-1 characters, or binary columns
    #[arg(long, value_name = "ENCODING", default_value = "escape", value_parser = value::named::<Encoding>(Encoding::NAMES))]
    encoding: Encoding,
    /// How much memory a query may take before it goes on on the disk (TMPDIR), such as 2GiB; 60 % of the machine's when
    /// nothing is said
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    max_memory: Option<u64>,
    /// Threads; as many as there are processors when nothing is said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// The layout of strings between the parser and the query, to measure it
    #[arg(long, hide = true, value_name = "LAYOUT", value_parser = value::named::<StringType>(StringType::NAMES))]
    strings: Option<StringType>,
    /// Exit with 1 when any line is rejected; the answer is written all the same
    #[arg(long)]
    strict: bool,
    /// Say nothing of what was read
    #[arg(short, long)]
    quiet: bool,
    /// How S3 is reached
    #[command(flatten)]
    access: Access,
}

/// The name of the table that the inputs are.
const LOGS: &str = "logs";

/// Runs it.
pub fn run(args: &Args, stop: &Stop) -> Result<Exit> {
    let (text, inputs) = ask(args)?;
    let mut tables: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for (name, path) in
        inputs.iter().cloned().map(|path| (LOGS.to_owned(), path)).chain(args.tables.iter().cloned())
    {
        match tables.iter_mut().find(|(have, _)| *have == name) {
            Some((_, paths)) => paths.push(path),
            None => tables.push((name, vec![path])),
        }
    }
    let mut session = Session::start(args)?;
    match text {
        Some(text) => {
            let statements = statement::parse(&text, &args.params)?;
            let target = output::Target::new(args, &inputs, &statements)?;
            if !tables.iter().any(|(name, _)| name == LOGS)
                && args.file.as_deref() != Some(Path::new(STANDARD))
                && !io::stdin().is_terminal()
                && session.mentions(&statements, LOGS)
            {
                tables.push((LOGS.to_owned(), vec![PathBuf::from(STANDARD)]));
            }
            open(&mut session, args, &tables)?;
            for one in statements {
                statement::run(&mut session, &text, one, &target, args, stop)?;
            }
            Ok(if args.strict && session.rejected() > 0 { Exit::NotClean } else { Exit::Clean })
        }
        None => {
            open(&mut session, args, &tables)?;
            prompt::run(&mut session, args, stop)
        }
    }
}

fn open(session: &mut Session, args: &Args, tables: &[(String, Vec<PathBuf>)]) -> Result<()> {
    tables.iter().try_for_each(|(name, paths)| session.add(name, paths, args))
}

/// The statements, unless they are to be asked for; and the inputs.
fn ask(args: &Args) -> Result<(Option<String>, Vec<PathBuf>)> {
    if let Some(file) = &args.file {
        let paths = args.words.iter().chain(args.tables.iter().map(|(_, path)| path));
        if file.as_os_str() == STANDARD && paths.into_iter().any(|path| path.as_os_str() == STANDARD) {
            return Err(Error::new(ErrorKind::Options, "the statement and a table are both standard input")
                .with_hint("name the statement, or put one of them into a file"));
        }
        return Ok((Some(read(file)?), args.words.clone()));
    }
    match args.words.split_first() {
        Some((first, rest)) if !table::is_input(first, &args.access) => {
            let text = first.to_str().ok_or_else(|| {
                Error::new(ErrorKind::Options, "the statement is not UTF-8")
                    .with_hint("write it to a file: --file")
            })?;
            Ok((Some(text.to_owned()), rest.to_vec()))
        }
        _ if io::stdin().is_terminal() && io::stdout().is_terminal() => Ok((None, args.words.clone())),
        _ => Err(Error::new(ErrorKind::Options, "there is no statement, and no terminal to ask for one")
            .with_hint(
                "name it first, as in nasalogs sql 'SELECT count(*) FROM logs' access.log, or pass --file",
            )),
    }
}

fn read(file: &PathBuf) -> Result<String> {
    let mut text = String::new();
    let outcome = match file.as_os_str() == STANDARD {
        true => io::stdin().read_to_string(&mut text).map(|_| ()),
        false => std::fs::read_to_string(file).map(|read| text = read),
    };
    outcome.map(|()| text).map_err(|error| {
        Error::io(file.to_string_lossy(), error).with_hint("check the path; it holds SQL, as UTF-8")
    })
}

fn named_path(text: &str) -> Result<(String, PathBuf), String> {
    text.split_once('=')
        .filter(|(name, path)| !name.is_empty() && !path.is_empty())
        .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
        .ok_or_else(|| "expected a name and a path, such as errors=error.log".to_owned())
}
