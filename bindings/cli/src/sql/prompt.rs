//! The prompt.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nasalogs::arrow::array::{RecordBatch, StringArray};
use nasalogs::arrow::datatypes::DataType;
use nasalogs::{Error, ErrorKind, Result};
use nasalogs_datafusion::datafusion::sql::sqlparser::dialect::GenericDialect;
use nasalogs_datafusion::datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{DefaultHistory, History};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::output::Target;
use super::session::Session;
use super::{Args, place, statement};
use crate::exit::{self, Exit};
use crate::interrupt::Stop;
use crate::message;

const HELP: &str =
    "A statement ends with a semicolon, and may have several lines. Ctrl-C stops it; Ctrl-D ends this.
  \\d        the tables
  \\d NAME   the columns of one
  \\q        end";

/// Asks for statements until there are no more.
///
/// # Errors
/// When the terminal fails.
pub fn run(session: &mut Session, args: &Args, stop: &Stop) -> Result<Exit> {
    let target = Target::talk(args)?;
    let history = history();
    let config = Config::builder()
        .max_history_size(10_000)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(failed)?
        .completion_type(CompletionType::List)
        .auto_add_history(false)
        .build();
    let mut editor: Editor<Talk, DefaultHistory> = Editor::with_config(config).map_err(failed)?;
    if let Some(history) = &history {
        // There is none before the first time.
        let _ = editor.load_history(history);
    }
    editor.set_helper(Some(Talk { words: words(session) }));
    let tables = session.tables();
    let known = if tables.is_empty() { "no table".to_owned() } else { tables.join(", ") };
    message::note(&format!(
        "nasalogs {}: {known}. End statements with ; and say \\? for help.",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        // While it waits here, whoever asks to stop ends it.
        stop.be_prompt();
        let line = match editor.readline("nasalogs> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        };
        let text = line.trim();
        if text.is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(text);
        if let Some(history) = &history {
            keep(&mut editor, history);
        }
        if matches!(text.trim_end_matches(';'), "\\q" | "quit" | "exit") {
            break;
        }
        stop.be_patient();
        if let Err(error) = answer(session, text, &target, args, stop) {
            match error.kind() {
                // The terminal has written ^C.
                ErrorKind::Interrupted => message::note("\nstopped"),
                _ => exit::tell(&error),
            }
        }
        if let Some(talk) = editor.helper_mut() {
            talk.words = words(session);
        }
    }
    Ok(Exit::Clean)
}

fn answer(session: &mut Session, text: &str, target: &Target, args: &Args, stop: &Stop) -> Result<()> {
    let command = text.trim_end_matches(';').trim();
    if matches!(command, "\\?" | "\\h" | "\\help" | "help" | "?") {
        message::note(HELP);
        return Ok(());
    }
    if let Some(name) = command.strip_prefix("\\d") {
        return describe(session, name.trim(), target, stop);
    }
    if command.starts_with('\\') {
        return Err(Error::new(ErrorKind::Options, format!("there is no {command}"))
            .with_hint("\\? says what there is"));
    }
    for one in statement::parse(text, &[])? {
        statement::run(session, text, one, target, args, stop)?;
    }
    Ok(())
}

/// The tables, or the columns of one.
fn describe(session: &Session, name: &str, target: &Target, stop: &Stop) -> Result<()> {
    let begun = Instant::now();
    let columns: Vec<(&str, Vec<String>)> = if name.is_empty() {
        vec![("table", session.tables())]
    } else {
        let provider = session.wait(session.ctx.table_provider(place::quoted(name)));
        let schema = provider.map_err(|error| place::explain_in(error, "", session))?.schema();
        let fields = schema.fields();
        let nullable =
            |field: &Arc<nasalogs::arrow::datatypes::Field>| if field.is_nullable() { "yes" } else { "no" };
        vec![
            ("column", fields.iter().map(|field| field.name().clone()).collect()),
            ("type", fields.iter().map(|field| type_name(field.data_type())).collect()),
            ("can be null", fields.iter().map(|field| nullable(field).to_owned()).collect()),
        ]
    };
    let arrays = columns.into_iter().map(|(name, values)| (name, Arc::new(StringArray::from(values)) as _));
    let batch = RecordBatch::try_from_iter(arrays)?;
    let mut writer = target.open(&batch.schema(), stop, begun)?;
    writer.write(&batch)?;
    writer.finish(stop)
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => "text".to_owned(),
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => "binary".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Timestamp(_, Some(zone)) => format!("timestamp, {zone}"),
        other => other.to_string().to_lowercase(),
    }
}

fn failed(error: ReadlineError) -> Error {
    match error {
        ReadlineError::Io(error) => Error::io("the terminal", error),
        error => Error::new(ErrorKind::Io, format!("the terminal fails: {error}")),
    }
}

/// Where the history is kept, as the XDG specification has it.
fn history() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("nasalogs").join("sql_history"))
}

/// Writes it down after every statement: whoever closes the window loses none. Where nothing can be written there is
/// none.
fn keep(editor: &mut Editor<Talk, DefaultHistory>, path: &Path) {
    if let Some(directory) = path.parent() {
        let _ = fs::create_dir_all(directory);
    }
    let _ = editor.history_mut().append(path);
}

/// Names that can be completed.
fn words(session: &Session) -> Vec<String> {
    const KEYWORDS: [&str; 18] = [
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP BY",
        "ORDER BY",
        "LIMIT",
        "HAVING",
        "DISTINCT",
        "BETWEEN",
        "LIKE",
        "IS NULL",
        "IS NOT NULL",
        "DESC",
        "COUNT(*)",
        "DATE_TRUNC(",
        "EXPLAIN",
        "UNION ALL",
        "INTERVAL",
    ];
    let mut words = session.tables();
    for table in words.clone() {
        if let Ok(provider) = session.wait(session.ctx.table_provider(place::quoted(&table))) {
            words.extend(provider.schema().fields().iter().map(|field| field.name().clone()));
        }
    }
    words.sort();
    words.dedup();
    words.extend(KEYWORDS.map(str::to_lowercase));
    words
}

/// Knows where a statement ends, and which names there are.
struct Talk {
    words: Vec<String>,
}

impl Helper for Talk {}
impl Highlighter for Talk {}

impl Hinter for Talk {
    type Hint = String;
}

impl Completer for Talk {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
        let start = line[..at]
            .rfind(|letter| !is_part(letter))
            .map_or(0, |place| place + line[place..].chars().next().map_or(1, char::len_utf8));
        let begun = line[start..at].to_lowercase();
        let fit = self.words.iter().filter(|word| !begun.is_empty() && word.starts_with(&begun));
        let pair = |word: &String| Pair { display: word.clone(), replacement: word.clone() };
        Ok((start, fit.map(pair).collect()))
    }
}

impl Validator for Talk {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

/// Whether a text is a command, or ends with a semicolon that is no part of a text or of a comment.
fn is_complete(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.starts_with('\\') || matches!(text, "quit" | "exit" | "help" | "?") {
        return true;
    }
    match Tokenizer::new(&GenericDialect {}, text).tokenize() {
        Ok(tokens) => {
            let last = tokens.iter().rfind(|token| !matches!(token, Token::Whitespace(_)));
            matches!(last, Some(Token::SemiColon))
        }
        // What is open is closed in the next line. Anything else is told as an error.
        Err(error) => {
            let error = error.to_string();
            let is_open = error.contains("Unterminated") || error.contains("EOF");
            !is_open && text.ends_with(';')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_with_its_semicolon() {
        for complete in
            ["", "\\d logs", "quit", "SELECT 1;", "SELECT ';';", "SELECT 1; -- ;", "SELECT 1;\n", "; ;"]
        {
            assert!(is_complete(complete), "{complete:?}");
        }
        for incomplete in
            ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT 1 /* ;", "SELECT 1; SELECT 2", "SELECT \"a;"]
        {
            assert!(!is_complete(incomplete), "{incomplete:?}");
        }
    }
}
