//! What is wrong with a statement, and where.

use std::error::Error as StdError;
use std::sync::Arc;

use nasalogs::{Error, ErrorKind};
use nasalogs_datafusion::datafusion::common::{
    DataFusionError, Diagnostic, SchemaError, Span, TableReference,
};
use unicode_width::UnicodeWidthStr;

use super::session::Session;

/// A table of this very name.
pub fn quoted(name: &str) -> TableReference {
    TableReference::bare(name.to_owned())
}

/// An error of DataFusion, with the place in the statement's text where that is known.
pub fn explain(error: DataFusionError, text: &str) -> Error {
    tell(error, text, &Known::default())
}

/// The same, where it is known which tables there are.
pub fn explain_in(error: DataFusionError, text: &str, session: &Session) -> Error {
    let state = session.ctx.state();
    let names = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let functions = names.chain(state.window_functions().keys()).cloned().collect();
    tell(error, text, &Known { tables: session.tables(), functions })
}

/// Names that can be meant.
#[derive(Default)]
struct Known {
    tables: Vec<String>,
    functions: Vec<String>,
}

fn tell(error: DataFusionError, text: &str, known: &Known) -> Error {
    let mut diagnostic: Option<Diagnostic> = None;
    let mut error = error;
    // What is wrapped, unwrapped.
    let root = loop {
        error = match error {
            DataFusionError::Diagnostic(found, inner) => {
                diagnostic.get_or_insert(*found);
                *inner
            }
            DataFusionError::Context(_, inner) => *inner,
            DataFusionError::Collection(errors) => match errors.into_iter().next() {
                Some(first) => first,
                None => return Error::new(ErrorKind::Options, "the statement has an error"),
            },
            DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
                Ok(inner) => inner,
                Err(shared) => match ours(shared.as_ref()) {
                    Some(ours) => return ours,
                    None => break DataFusionError::Execution(bare(&shared.to_string())),
                },
            },
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => return *ours,
                Err(inner) => break DataFusionError::External(inner),
            },
            root => break root,
        };
    };
    let hint = hint(&root, diagnostic.as_ref(), known);
    let (kind, mut message, span) = match root {
        DataFusionError::ArrowError(inner, _) => return Error::from(*inner),
        DataFusionError::SQL(parser, _) => {
            let (message, span) = parsed(&parser.to_string());
            (ErrorKind::Options, message, span)
        }
        DataFusionError::ResourcesExhausted(message) => {
            let last = message.lines().last().unwrap_or_default();
            let last = last.strip_prefix("Error: ").unwrap_or(last);
            (ErrorKind::Io, format!("there is not memory enough for this: {}", lower(last)), None)
        }
        DataFusionError::SchemaError(..) | DataFusionError::Plan(_) | DataFusionError::NotImplemented(_) => {
            (ErrorKind::Options, bare(&root.to_string()), None)
        }
        root => (ErrorKind::Sink, bare(&root.to_string()), None),
    };
    let mut place = span;
    if let Some(found) = diagnostic {
        let (text, span) = parsed(&found.message);
        message = text;
        place = found.span.or(span).or(place);
    }
    if let Some(span) = place.filter(|_| !text.is_empty()) {
        message.push_str(&pointed(text, span));
    }
    let error = Error::new(kind, message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A copy of an error of ours somewhere below.
fn ours(error: &DataFusionError) -> Option<Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<Error>() {
            let mut copy = Error::new(found.kind(), found.message());
            if let Some(file) = found.file() {
                copy = copy.with_file(file);
            }
            if let Some(offset) = found.offset() {
                copy = copy.with_offset(offset);
            }
            return Some(match found.hint() {
                Some(hint) => copy.with_hint(hint),
                None => copy,
            });
        }
        next = current.source();
    }
    None
}

/// What to do about it.
fn hint(root: &DataFusionError, diagnostic: Option<&Diagnostic>, known: &Known) -> Option<String> {
    if let DataFusionError::SchemaError(inner, _) = root
        && let SchemaError::FieldNotFound { field, valid_fields } = inner.as_ref()
    {
        let mut names: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).collect();
        names.dedup();
        return Some(near(&field.name, &names).unwrap_or_else(|| match names.is_empty() {
            true => "there is no table, so there are no columns".to_owned(),
            false => format!("there are {}", names.join(", ")),
        }));
    }
    if let DataFusionError::ResourcesExhausted(_) = root {
        return Some("allow more with --max-memory, or ask for less".to_owned());
    }
    let message = root.to_string();
    if let Some(name) = missing_table(&message) {
        let names: Vec<&str> = known.tables.iter().map(String::as_str).collect();
        return Some(near(name, &names).unwrap_or_else(|| match names.as_slice() {
            [] => "name an input, as in nasalogs sql 'SELECT count(*) FROM logs' access.log".to_owned(),
            _ => format!("there is {}; --table NAME=PATH adds one", names.join(", ")),
        }));
    }
    if message.contains("DML not supported") {
        return Some("nothing is changed here; an answer is written with --out FILE".to_owned());
    }
    if let Some((name, _)) =
        message.split_once("Invalid function '").and_then(|(_, rest)| rest.split_once('\''))
    {
        let names: Vec<&str> = known.functions.iter().map(String::as_str).collect();
        return near(name, &names);
    }
    if let Some((_, guess)) = message.split_once("Did you mean ") {
        return Some(format!("did you mean {}", guess.trim_end()));
    }
    let helps = diagnostic.map(|diagnostic| diagnostic.helps.as_slice()).unwrap_or_default();
    let notes: Vec<String> = helps.iter().map(|help| lower(&help.message)).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// `log` of `table 'datafusion.public.log' not found`.
fn missing_table(message: &str) -> Option<&str> {
    let rest = message.split_once("table '")?.1;
    let (name, rest) = rest.split_once('\'')?;
    rest.starts_with(" not found").then(|| name.rsplit('.').next().unwrap_or(name))
}

/// The name that was perhaps meant.
fn near(name: &str, names: &[&str]) -> Option<String> {
    let wanted = name.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&wanted, &other.to_lowercase());
    let best = names.iter().min_by_key(|other| distance(other))?;
    // Capitals need quotes.
    if best.to_lowercase() == wanted {
        return Some(format!("did you mean \"{best}\"? Names in quotes keep their capitals"));
    }
    (distance(best) <= 1 + wanted.len() / 4).then(|| format!("did you mean {best}?"))
}

/// Without what DataFusion says before and after.
fn bare(message: &str) -> String {
    let mut text = message.split("\n\nbacktrace:").next().unwrap_or(message).trim_end();
    for prefix in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Resources exhausted: ",
        "External error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    lower(text)
}

/// The first letter small, as it stands in the middle of a line; names in capitals stay.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// The message of a parser, and the place that it ends with: `… at Line: 1, Column: 8`.
fn parsed(message: &str) -> (String, Option<Span>) {
    let text = message.strip_prefix("sql parser error: ").unwrap_or(message);
    let Some((before, place)) = text.rsplit_once(" at Line: ") else { return (lower(text), None) };
    let span = place.split_once(", Column: ").and_then(|(line, column)| {
        let (line, column) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
        let at = nasalogs_datafusion::datafusion::common::Location { line, column };
        Some(Span::new(at, at))
    });
    match span {
        Some(span) => (lower(before), Some(span)),
        None => (lower(text), None),
    }
}

/// How much of a line is shown around the place.
const AROUND: usize = 60;

/// The place in the text: its line, and `^` under it.
fn pointed(text: &str, span: Span) -> String {
    let (line, column) = (span.start.line.max(1) as usize, span.start.column.max(1) as usize);
    let Some(whole) = text.lines().nth(line - 1) else { return String::new() };
    let letters: Vec<char> =
        whole.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let at = (column - 1).min(letters.len());
    let length = match span.end.line == span.start.line && span.end.column > span.start.column {
        true => (span.end.column - span.start.column) as usize,
        false => {
            letters[at..].iter().take_while(|letter| letter.is_alphanumeric() || **letter == '_').count()
        }
    };
    let from = at.saturating_sub(AROUND);
    let to = letters.len().min(at + AROUND.max(length));
    let shown: String = letters[from..to].iter().collect();
    let before: String = letters[from..at].iter().collect();
    let marked: String = letters[at..letters.len().min(at + length)].iter().collect();
    format!(
        ", at line {line}, column {column}\n  {shown}\n  {}{}",
        " ".repeat(before.width()),
        "^".repeat(marked.width().max(1))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nasalogs_datafusion::datafusion::common::Location;

    #[test]
    fn a_place_is_pointed_at() {
        let span = Span::new(Location { line: 2, column: 8 }, Location { line: 2, column: 14 });
        let text = pointed("-- é\nSELECT stauts FROM logs", span);
        assert_eq!(text, ", at line 2, column 8\n  SELECT stauts FROM logs\n         ^^^^^^");
        let end = Span::new(Location { line: 1, column: 99 }, Location { line: 1, column: 99 });
        assert_eq!(pointed("a", end), ", at line 1, column 99\n  a\n   ^");
        let beyond = Span::new(Location { line: 9, column: 1 }, Location { line: 9, column: 2 });
        assert_eq!(pointed("a", beyond), "");
    }

    #[test]
    fn a_parser_says_where() {
        let (message, span) = parsed("sql parser error: Expected: x, found: FROM at Line: 1, Column: 8");
        assert_eq!(
            (message.as_str(), span.map(|span| span.start.column)),
            ("expected: x, found: FROM", Some(8))
        );
        assert_eq!(parsed("Nothing").0, "nothing");
    }

    #[test]
    fn a_near_name_is_found() {
        assert_eq!(near("stauts", &["host", "status"]).as_deref(), Some("did you mean status?"));
        assert_eq!(near("colour", &["host", "status"]), None);
        assert!(near("host", &["Host"]).unwrap().contains("quotes"));
    }
}
