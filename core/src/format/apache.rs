//! Apache `LogFormat` strings: `%h %l %u %t "%r" %>s %b`.
//!
//! The grammar is mod_log_config's: after a `%`, in any order, conditions (`400,501`, `!`), `<` or `>`, and one
//! argument in braces; then a letter, or `^` and two. What each becomes is a row of the table. A `%r` takes a line's
//! whole request; `%v:%p` and `%U%q` are one field each, as they are logged.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, tag_no_case, take_until};
use nom::character::complete::{char, digit1, multispace0, multispace1, satisfy};
use nom::combinator::{eof, map, opt, recognize, value};
use nom::multi::many0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{Offset, Parser};

use super::draft::{Claim, Draft, Parsed, escape, quoted};
use super::strftime::{self, Part};
use super::table::Family;
use super::{Field, FieldKind, LogFormat, text_field};
use crate::error::{Error, ErrorKind, Result};
use crate::schema;

/// Whether a text is a line of a configuration, not only the string.
pub(super) fn is_directive(text: &str) -> bool {
    keyword(text).is_ok()
}

pub(super) fn parse(text: &str) -> Result<LogFormat> {
    let mut draft = Draft::new(text);
    let mut rest = string(text)?;
    let end = text.offset(rest) + rest.len();
    while !rest.is_empty() {
        let at = end - rest.len();
        let (after, token) = token(rest).map_err(|_| incomplete(rest, at))?;
        match token {
            Token::Text(bytes) => draft.literal(at, bytes.as_bytes())?,
            Token::Byte(byte) => draft.literal(at, &[byte])?,
            Token::Directive(directive) => {
                let written = &rest[..rest.len() - after.len()];
                directive.add_to(&mut draft, at, written, after.starts_with([' ', '\t']))?;
            }
        }
        rest = after;
    }
    draft.finish()
}

fn keyword(text: &str) -> Parsed<'_, &str> {
    preceded(multispace0, terminated(tag_no_case("LogFormat"), multispace1)).parse(text)
}

/// The format string within what was given: all of it, what stands between its quotes, or the first argument of a
/// `LogFormat` line.
fn string(text: &str) -> Result<&str> {
    if let Ok((argument, _)) = keyword(text) {
        let (rest, string) =
            alt((quoted, is_not(" \t\r\n\"'"))).parse(argument).map_err(|_: nom::Err<_>| {
                error(text, argument, "the format string has no end")
                    .with_hint("put quotes around it, and a backslash before a quote within it")
            })?;
        let nickname = alt((quoted, is_not(" \t\r\n")));
        return match (opt(preceded(multispace1, nickname)), multispace0, eof).parse(rest) {
            Ok(_) => Ok(string),
            Err(_) => Err(error(text, rest.trim_start(), "something follows the format string and its name")
                .with_hint("pass one LogFormat line; quotes within the string have a backslash before them")),
        };
    }
    // A string with its quotes, as it stands in a configuration: those within it have backslashes.
    match terminated(quoted, (multispace0, eof)).parse(text.trim_start()) {
        Ok((_, string)) if string.contains("\\\"") => Ok(string),
        _ => Ok(text),
    }
}

/// An error at a part of a text.
fn error(text: &str, part: &str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Format, message).with_offset(text.offset(part) as u64)
}

enum Token<'a> {
    Text(&'a str),
    Byte(u8),
    Directive(Directive<'a>),
}

fn token(input: &str) -> Parsed<'_, Token<'_>> {
    alt((
        map(is_not("%\\"), Token::Text),
        map(tag("%%"), |_| Token::Byte(b'%')),
        map(directive, Token::Directive),
        map(escape, Token::Byte),
        // Apache leaves any other backslash as it is.
        map(tag("\\"), Token::Text),
    ))
    .parse(input)
}

/// A directive, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Directive<'a> {
    /// A letter, or `^` and two.
    name: &'a str,
    argument: Option<&'a str>,
    /// Whether it is logged for some statuses only.
    conditional: bool,
    sense: Option<Sense>,
}

/// Which request is meant when one was redirected within the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Original,
    Final,
}

#[derive(Debug, Clone, Copy)]
enum Modifier<'a> {
    Condition,
    Comma,
    Sense(Sense),
    Argument(&'a str),
}

fn modifier(input: &str) -> Parsed<'_, Modifier<'_>> {
    alt((
        value(Modifier::Condition, char('!')),
        value(Modifier::Condition, digit1),
        value(Modifier::Comma, char(',')),
        value(Modifier::Sense(Sense::Original), char('<')),
        value(Modifier::Sense(Sense::Final), char('>')),
        map(delimited(char('{'), take_until("}"), char('}')), Modifier::Argument),
    ))
    .parse(input)
}

fn directive(input: &str) -> Parsed<'_, Directive<'_>> {
    let letter = || satisfy(|character| character.is_ascii_alphabetic());
    let name = alt((recognize((char('^'), letter(), letter())), recognize(letter())));
    let (rest, (modifiers, name)) = preceded(char('%'), (many0(modifier), name)).parse(input)?;
    let mut directive = Directive { name, ..Directive::default() };
    for modifier in modifiers {
        match modifier {
            Modifier::Condition => directive.conditional = true,
            Modifier::Comma => {}
            Modifier::Sense(sense) => directive.sense = Some(sense),
            Modifier::Argument(argument) => directive.argument = Some(argument),
        }
    }
    Ok((rest, directive))
}

/// What is wrong with a text that begins with `%` and is no directive.
fn incomplete(rest: &str, at: usize) -> Error {
    let after = match preceded(char('%'), many0(modifier)).parse(rest) {
        Ok((after, _)) => after,
        Err(_) => rest,
    };
    let error = |message: String, at: usize| Error::new(ErrorKind::Format, message).with_offset(at as u64);
    let here = at + rest.offset(after);
    match after.chars().next() {
        None => error("the format ends in the middle of a directive".to_owned(), at)
            .with_hint("write %% for a percent sign"),
        Some('{') => error("a brace is opened and never closed".to_owned(), here)
            .with_hint("write a header as %{Referer}i"),
        Some(character) => error(format!("{character:?} is no directive of Apache's LogFormat"), here)
            .with_hint("write %% for a percent sign"),
    }
}

impl Directive<'_> {
    /// Adds what the directive writes; `written` is its text, `at` its place.
    fn add_to(&self, draft: &mut Draft<'_>, at: usize, written: &str, blank_follows: bool) -> Result<()> {
        match self.name {
            "t" => self.add_time(draft, at, written, blank_follows),
            _ => draft.field(self.in_context(self.claim(at, written)?)),
        }
    }

    /// The claim of its row.
    fn claim(&self, at: usize, written: &str) -> Result<Claim> {
        let name = self.name;
        let argument = self.argument.filter(|argument| !argument.is_empty());
        if let Some(argument) = argument {
            let full = format!("%{{{argument}}}{name}");
            if let Some(row) = Family::Apache.row(&full) {
                return Ok(Claim::new(at, written, row, ""));
            }
            if let Some((row, own)) = Family::Apache.template(&full) {
                return Ok(Claim::new(at, written, row, own));
            }
            // Without a template the table has every argument there is.
            let known: Vec<&str> = Family::Apache.siblings(name).collect();
            if !known.is_empty() {
                return Err(Error::new(ErrorKind::Format, format!("%{name} knows no {argument:?}"))
                    .with_offset(at as u64)
                    .with_hint(format!("write {}", known.join(" or "))));
            }
        }
        // The server ignores an argument of a directive that has none.
        if let Some(row) = Family::Apache.row(&format!("%{name}")) {
            return Ok(Claim::new(at, written, row, ""));
        }
        if Family::Apache.siblings(name).next().is_some() {
            return Err(Error::new(ErrorKind::Format, format!("%{name} does not say what of"))
                .with_offset(at as u64)
                .with_hint(format!("write it as %{{Name}}{name}")));
        }
        // Some module's: its lines are there to be read all the same.
        let column = super::name::snake_case(&format!("directive_{name}_{}", argument.unwrap_or_default()));
        let field = text_field(column, format!("Apache's {written}; null when `-`"));
        Ok(Claim { at, directive: written.to_owned(), field, rank: 0, otherwise: None })
    }

    /// The claim with what its modifiers say.
    fn in_context(&self, mut claim: Claim) -> Claim {
        /// Directives that speak of the original request where nothing else is said.
        const ORIGINAL: [&str; 5] = ["s", "U", "T", "D", "r"];
        let usual = if ORIGINAL.contains(&self.name) { Sense::Original } else { Sense::Final };
        match self.sense.unwrap_or(usual) {
            // What everybody logs is `%>s`: of two statuses it is the other that has to be told apart.
            Sense::Final if self.name == "s" => {}
            sense if sense == usual && self.name != "s" => {}
            Sense::Original => {
                claim = claim.second_to_all(
                    |column| format!("original_{column}"),
                    "of the request before internal redirects",
                );
            }
            Sense::Final => {
                claim = claim.second_to_all(
                    |column| format!("final_{column}"),
                    "of the request after internal redirects",
                );
            }
        }
        if self.conditional { claim.conditional() } else { claim }
    }

    fn add_time(&self, draft: &mut Draft<'_>, at: usize, written: &str, blank_follows: bool) -> Result<()> {
        let argument = self.argument.unwrap_or_default();
        let (end, format) = match argument.strip_prefix("begin").or(argument.strip_prefix("end")) {
            Some(rest) if rest.is_empty() || rest.starts_with(':') => {
                (argument.starts_with("end"), rest.trim_start_matches(':'))
            }
            _ => (false, argument),
        };
        let finish = |mut claim: Claim| {
            if end {
                let rename = |column: &str| match column.strip_prefix("ts") {
                    Some(rest) => format!("ts_end{rest}"),
                    None => format!("{column}_end"),
                };
                claim = claim.second_to_all(rename, "when the response was done");
            }
            self.in_context(claim)
        };
        let claim = |argument: &str| {
            let with_argument = Directive { name: "t", argument: Some(argument), ..Directive::default() };
            with_argument.claim(at, written)
        };
        if format.is_empty() {
            let claim = claim("")?;
            // Where its condition does not hold there is a dash, and no bracket.
            if self.conditional {
                return draft.field(finish(claim));
            }
            draft.literal(at, b"[")?;
            draft.field(finish(claim))?;
            return draft.literal(at, b"]");
        }
        if self.conditional || Family::Apache.row(&format!("%{{{format}}}t")).is_some() {
            return draft.field(finish(claim(format)?));
        }
        for part in strftime::parts(format, blank_follows) {
            match part {
                Part::Literal(bytes) => draft.literal(at, bytes.as_bytes())?,
                Part::Text(format) => draft.field(finish(claim(format)?))?,
                Part::Time(kind) => {
                    let columns = match kind {
                        FieldKind::EpochTime(_) => vec![schema::TS],
                        _ => vec![schema::TS, schema::TZ_OFFSET],
                    };
                    let field = Field { kind, columns };
                    let claim = Claim { at, directive: written.to_owned(), field, rank: 0, otherwise: None };
                    draft.field(finish(claim))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
