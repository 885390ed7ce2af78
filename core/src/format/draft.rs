//! A format string that has been read into pieces, and how pieces become a format: what belongs together is joined,
//! and where two directives claim a column of the same name it is settled who has it.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::is_not;
use nom::character::complete::{anychar, char};
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::table::{Row, URL};
use super::{Field, FieldKind, LogFormat, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{self, Column};

/// What a nom parser over a format string gives.
pub(super) type Parsed<'a, T> = IResult<&'a str, T>;

/// What stands between two quotes, where a backslash keeps the character behind it.
pub(super) fn quoted(input: &str) -> Parsed<'_, &str> {
    let body = |other: &'static str| {
        recognize(many0_count(alt((is_not(other), recognize(preceded(char('\\'), anychar))))))
    };
    alt((delimited(char('"'), body("\"\\"), char('"')), delimited(char('\''), body("'\\"), char('\''))))
        .parse(input)
}

/// A character that configuration files write with a backslash.
pub(super) fn escape(input: &str) -> Parsed<'_, u8> {
    let letter = |character| match character {
        '"' | '\'' | '\\' => Some(character as u8),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        _ => None,
    };
    preceded(char('\\'), anychar.map_opt(letter)).parse(input)
}

/// A field, and what it would be if another took its columns' names.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// Where its directive stands in the format string, in bytes.
    pub(super) at: usize,
    /// The directive as written.
    pub(super) directive: String,
    pub(super) field: Field,
    /// The lowest has the name.
    pub(super) rank: u8,
    pub(super) otherwise: Option<Field>,
}

impl Claim {
    /// What a row of the table says; `own` is the name that the format's author chose.
    pub(super) fn new(at: usize, directive: &str, row: &Row, own: &str) -> Self {
        let field = Field { kind: row.kind, columns: row.columns_for(own) };
        let otherwise = (!row.otherwise.is_empty()).then(|| {
            let mut field = field.clone();
            field.columns[0].name = Cow::Borrowed(row.otherwise);
            // Only the client and the virtual host are sure to be there.
            if field.kind == FieldKind::Host {
                field = optional(field);
            }
            field
        });
        Self { at, directive: directive.to_owned(), field, rank: row.rank, otherwise }
    }

    /// Lets others come first, and renames the columns if they do.
    pub(super) fn second_to_all(mut self, rename: impl Fn(&str) -> String, doc: &str) -> Self {
        let mut field = self.field.clone();
        for column in &mut field.columns {
            column.name = Cow::Owned(rename(&column.name));
            column.doc = Cow::Owned(format!("{}; {doc}", column.doc));
        }
        self.otherwise = Some(field);
        self.rank += 10;
        self
    }

    /// The same where a line may hold `-` instead, as Apache writes for a directive whose condition does not hold.
    pub(super) fn conditional(mut self) -> Self {
        self.field = optional(self.field);
        self.otherwise = self.otherwise.map(optional);
        self
    }

    fn is(&self, column: &str) -> bool {
        self.field.columns[0].name == column
    }

    /// Whether a port may belong to it.
    fn has_port(&self) -> bool {
        // In Apache's the text is a name with a condition, which may be a dash.
        let is_name = self.field.kind == FieldKind::Host || self.directive.starts_with('$');
        is_name && (self.is("vhost") || self.is("host"))
    }

    fn is_port(&self) -> bool {
        self.field.kind == FieldKind::Integer && self.field.columns[0].name.ends_with("port")
    }

    /// Whether it writes the digits behind a second's point.
    fn is_fraction(&self) -> bool {
        self.is("ts_msec_frac") || self.is("ts_usec_frac")
    }

    /// Whether it names the host that was asked.
    fn is_server(&self) -> bool {
        matches!(self.field.kind, FieldKind::Host | FieldKind::Text)
            && (self.is("vhost") || self.is("http_host"))
    }

    fn is_query(&self) -> bool {
        matches!(self.field.kind, FieldKind::Query | FieldKind::Text)
            && (self.is("query") || self.is("is_args"))
    }

    /// This and what follows as one field.
    fn joined(self, next: &Self, field: Field, otherwise: Option<Field>) -> Self {
        let directive = self.directive + &next.directive;
        Self { at: self.at, directive, field, rank: self.rank.max(next.rank), otherwise }
    }
}

/// A field that may be `-`: text, where its kind has no such thing as null.
fn optional(field: Field) -> Field {
    let column = &field.columns[0];
    match field.kind {
        FieldKind::ClfTime | FieldKind::IsoTime | FieldKind::EpochTime(_) => {
            super::text_field("ts_text".to_owned(), "time as logged; null when `-`".to_owned())
        }
        FieldKind::Host => {
            super::text_field(column.name.to_string(), format!("{}; null when `-`", column.doc))
        }
        _ => field,
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(Vec<u8>),
    Field(Claim),
}

/// Pieces in the order in which they were read.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pattern: &'a str,
    pieces: Vec<Piece>,
    /// Where a line end was written: nothing may follow it.
    line_end: Option<usize>,
}

impl<'a> Draft<'a> {
    /// Far more than anyone logs, and few enough for the quadratic ways below.
    const MOST_FIELDS: usize = 512;

    /// A format of which nothing has been read.
    pub(super) fn new(pattern: &'a str) -> Self {
        Self { pattern, pieces: Vec::new(), line_end: None }
    }

    /// Adds bytes that stand in every line; `at` is where in the format string they are written.
    pub(super) fn literal(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        for (index, &byte) in bytes.iter().enumerate() {
            match byte {
                // Every record ends with one anyway.
                b'\n' => self.line_end = self.line_end.or(Some(at + index)),
                b'\r' if self.line_end.is_some() => {}
                _ => self.still_one_line()?,
            }
        }
        match self.pieces.last_mut() {
            Some(Piece::Literal(before)) => before.extend(bytes),
            _ => self.pieces.push(Piece::Literal(bytes.to_vec())),
        }
        Ok(())
    }

    /// Adds a field.
    pub(super) fn field(&mut self, claim: Claim) -> Result<()> {
        self.still_one_line()?;
        if self.claims().count() >= Self::MOST_FIELDS {
            return Err(Error::new(
                ErrorKind::Format,
                format!("the format has more than {} fields", Self::MOST_FIELDS),
            )
            .with_offset(claim.at as u64));
        }
        self.pieces.push(Piece::Field(claim));
        while self.join() {}
        Ok(())
    }

    fn still_one_line(&self) -> Result<()> {
        match self.line_end {
            None => Ok(()),
            Some(at) => Err(Error::new(ErrorKind::Format, "the format writes records of several lines")
                .with_offset(at as u64)
                .with_hint("a record is one line here: leave out the line end, or log one record to a line")),
        }
    }

    /// Joins what belongs together at the end of the pieces.
    fn join(&mut self) -> bool {
        let joined = match self.pieces.as_slice() {
            [.., Piece::Field(name), Piece::Literal(colon), Piece::Field(port)]
                if colon == b":" && name.has_port() && port.is_port() =>
            {
                let join = |name: &Column| {
                    let port = port.field.columns[0].clone();
                    let columns = match name.name == schema::VHOST.name {
                        true => vec![schema::VHOST, schema::VHOST_PORT],
                        false => vec![Column { nullable: false, ..name.clone() }, port],
                    };
                    Field { kind: FieldKind::VhostPort, columns }
                };
                let otherwise = name.otherwise.as_ref().map(|field| join(&field.columns[0]));
                vec![Piece::Field(name.clone().joined(port, join(&name.field.columns[0]), otherwise))]
            }
            [.., Piece::Field(seconds), Piece::Literal(point), Piece::Field(fraction)]
                if point == b"."
                    && seconds.field.kind == FieldKind::EpochTime(0)
                    && fraction.is_fraction() =>
            {
                let (field, otherwise) = (seconds.field.clone(), seconds.otherwise.clone());
                vec![Piece::Field(seconds.clone().joined(fraction, field, otherwise))]
            }
            // nginx writes a dash where Apache has the identity: one column for both, null either way.
            [.., Piece::Field(host), Piece::Literal(dash), Piece::Field(user)]
                if dash == b" - " && host.directive == "$remote_addr" && user.directive == "$remote_user" =>
            {
                let ident = Claim {
                    at: user.at,
                    directive: "-".to_owned(),
                    field: Field::known(FieldKind::Text, &[schema::IDENT]),
                    rank: 0,
                    otherwise: None,
                };
                let blank = || Piece::Literal(b" ".to_vec());
                vec![
                    Piece::Field(host.clone()),
                    blank(),
                    Piece::Field(ident),
                    blank(),
                    Piece::Field(user.clone()),
                ]
            }
            [.., Piece::Field(server), Piece::Field(target)] if server.is_server() && target.is("path") => {
                vec![Piece::Field(server.clone().joined(target, Field::known(FieldKind::Text, &[URL]), None))]
            }
            [.., Piece::Field(url), Piece::Field(query)] if url.is("url") && query.is_query() => {
                vec![Piece::Field(url.clone().joined(query, url.field.clone(), None))]
            }
            [.., Piece::Field(path), Piece::Field(query)] if path.is("path") && query.is_query() => {
                let target = Field::known(FieldKind::Target, &[schema::PATH, schema::QUERY]);
                let otherwise =
                    path.otherwise.as_ref().zip(query.otherwise.as_ref()).map(|(path, query)| Field {
                        kind: FieldKind::Target,
                        columns: vec![path.columns[0].clone(), query.columns[0].clone()],
                    });
                vec![Piece::Field(path.clone().joined(query, target, otherwise))]
            }
            _ => return false,
        };
        let replaced = match self.pieces.as_slice() {
            [.., Piece::Literal(_), Piece::Field(_)] => 3,
            _ => 2,
        };
        self.pieces.truncate(self.pieces.len() - replaced);
        self.pieces.extend(joined);
        true
    }

    /// The format.
    pub(super) fn finish(mut self) -> Result<LogFormat> {
        if let Some(Piece::Literal(bytes)) = self.pieces.last_mut() {
            while bytes.pop_if(|byte| matches!(byte, b'\n' | b'\r')).is_some() {}
        }
        self.settle();
        self.check_separation()?;
        let segments = self.pieces.into_iter().map(|piece| match piece {
            Piece::Literal(bytes) => Segment::Literal(bytes),
            Piece::Field(claim) => Segment::Field(claim.field),
        });
        LogFormat::custom(self.pattern, segments)
    }

    /// Decides who has a column's name: the lowest rank, then the first. Who has none is numbered later.
    fn settle(&mut self) {
        let claims: Vec<(u8, Vec<Column>)> =
            self.claims().map(|claim| (claim.rank, claim.field.columns.clone())).collect();
        let better = |mine: usize, theirs: usize| (claims[theirs].0, theirs) < (claims[mine].0, mine);
        let shared = |mine: usize, theirs: usize| {
            claims[mine].1.iter().any(|column| claims[theirs].1.iter().any(|other| other.name == column.name))
        };
        let mine = self.pieces.iter_mut().filter_map(|piece| match piece {
            Piece::Field(claim) => Some(claim),
            Piece::Literal(_) => None,
        });
        for (index, claim) in mine.enumerate() {
            if (0..claims.len()).any(|other| better(index, other) && shared(index, other))
                && let Some(otherwise) = claim.otherwise.take()
            {
                claim.field = otherwise;
            }
        }
    }

    fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(claim) => Some(claim),
            Piece::Literal(_) => None,
        })
    }

    fn check_separation(&self) -> Result<()> {
        for pair in self.pieces.windows(2) {
            if let [Piece::Field(before), Piece::Field(after)] = pair {
                return Err(Error::new(
                    ErrorKind::Format,
                    format!("nothing separates {} and {}", before.directive, after.directive),
                )
                .with_offset(after.at as u64)
                .with_hint("put a blank or another character between them"));
            }
        }
        Ok(())
    }
}
