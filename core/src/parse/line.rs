//! The careful parser: the definition of what a line means. Every fast path must equal it.
//!
//! A line is read from the left. A field without quotes ends at the literal that follows it. A quoted field can hold
//! anything, also quotes, so it ends at the leftmost quote behind which the line goes on as the format says, up to the
//! next quoted field or the end; where no reading exists so, the reading that gets furthest names the reason.

use memchr::{memchr, memchr_iter, memrchr};

use crate::field::{number, time};
use crate::format::{FieldKind, LogFormat, Segment};
use crate::reject::RejectReason;
use crate::schema::ColumnType;

/// Where a field is in its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }
}

/// A format, prepared for reading lines one by one.
#[derive(Debug, Clone)]
pub(crate) struct LineParser {
    /// What stands before the first field.
    lead: Vec<u8>,
    steps: Vec<Step>,
    /// Whether a backslash before a quote means something: where a format has several quoted fields. The servers that
    /// wrote plain Common Log Format escaped nothing.
    escapes: bool,
}

#[derive(Debug, Clone)]
struct Step {
    kind: FieldKind,
    width: ColumnType,
    /// What follows the field.
    end: Vec<u8>,
    quoted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// A quote after an odd run of backslashes ends no field.
    Escaped,
    /// Every quote is a quote.
    Plain,
}

/// Why a reading failed, and how many fields it had read well by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failure {
    depth: usize,
    reason: RejectReason,
}

impl Failure {
    fn new<T>(depth: usize, reason: RejectReason) -> Result<T, Self> {
        Err(Self { depth, reason })
    }

    /// The one that got further; the first of two that got equally far.
    fn further(self, other: Self) -> Self {
        if other.depth > self.depth { other } else { self }
    }
}

impl LineParser {
    pub(crate) fn new(format: &LogFormat) -> Self {
        let mut lead = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        for segment in format.segments() {
            match (segment, steps.last_mut()) {
                (Segment::Literal(bytes), None) => lead = bytes.clone(),
                (Segment::Literal(bytes), Some(step)) => step.end = bytes.clone(),
                (Segment::Field(field), last) => {
                    let before = last.map_or(&lead, |step| &step.end);
                    let quoted = before.ends_with(b"\"");
                    let width = field.columns[0].column_type;
                    steps.push(Step { kind: field.kind, width, end: Vec::new(), quoted });
                }
            }
        }
        // A quote that opens and never closes in the format is a literal like any other.
        for step in &mut steps {
            step.quoted &= step.end.starts_with(b"\"");
        }
        let escapes = steps.iter().filter(|step| step.quoted).count() > 1;
        Self { lead, steps, escapes }
    }

    /// Whether the end of a line speaks for the format.
    fn can_end(&self, line: &[u8]) -> bool {
        let Some(last) = self.steps.last() else { return true };
        match (last.end.is_empty(), last.kind) {
            (false, _) => line.ends_with(&last.end),
            (true, FieldKind::Bytes | FieldKind::Status | FieldKind::Integer | FieldKind::Millis) => {
                line.last().is_some_and(|&byte| byte.is_ascii_digit() || byte == b'-')
            }
            (true, _) => true,
        }
    }

    /// How many fields a line has.
    pub(crate) fn fields(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn escapes(&self) -> bool {
        self.escapes
    }

    /// Whether a line is empty or only blanks: neither a row nor a reject.
    pub(crate) fn is_blank(line: &[u8]) -> bool {
        line.iter().all(|&byte| byte == b' ')
    }

    /// Finds and judges the fields of a line that is not blank, without its line end. `spans` has room for
    /// [`LineParser::fields`].
    ///
    /// # Errors
    /// Why the line is no row.
    pub(crate) fn read(&self, line: &[u8], spans: &mut [Span]) -> Result<(), RejectReason> {
        let quotes = if self.escapes { Quotes::Escaped } else { Quotes::Plain };
        let Err(first) = self.walk(line, quotes, spans) else { return Ok(()) };
        if quotes == Quotes::Plain || memchr(b'\\', line).is_none() {
            return Err(first.reason);
        }
        self.walk(line, Quotes::Plain, spans).map_err(|second| first.further(second).reason)
    }

    fn walk(&self, line: &[u8], quotes: Quotes, spans: &mut [Span]) -> Result<(), Failure> {
        if !line.starts_with(&self.lead) {
            return Failure::new(0, RejectReason::MissingField);
        }
        let (mut at, mut index) = (self.lead.len(), 0);
        while index < self.steps.len() {
            (at, index) = if self.steps[index].quoted {
                self.quoted(line, at, index, quotes, spans)?
            } else {
                (self.plain(line, at, index, spans)?, index + 1)
            };
        }
        if at != line.len() {
            return Failure::new(self.steps.len(), RejectReason::TrailingData);
        }
        Ok(())
    }

    /// Reads the quoted field that starts at `at`, and the fields behind it up to the next quoted one.
    fn quoted(
        &self,
        line: &[u8],
        at: usize,
        index: usize,
        quotes: Quotes,
        spans: &mut [Span],
    ) -> Result<(usize, usize), Failure> {
        let last = !self.steps[index + 1..].iter().any(|step| step.quoted);
        let mut best: Option<Failure> = None;
        let mut latest = None;
        for close in memchr_iter(b'"', &line[at..]).map(|offset| at + offset) {
            if quotes == Quotes::Escaped && is_escaped(line, at, close) {
                continue;
            }
            match self.tail(line, close, index, spans) {
                Ok(_) if last && self.escapes && holds_break(line, at, close, quotes) => {
                    return Failure::new(self.steps.len(), RejectReason::TrailingData);
                }
                Ok(next) => {
                    spans[index] = Span::new(at, close);
                    return Ok(next);
                }
                Err(failure) => {
                    best = Some(best.map_or(failure, |best| best.further(failure)));
                    latest = Some(failure);
                }
            }
        }
        // Where every quote could have been the end, the line's last one is the likeliest, if a field follows it.
        match (best, latest) {
            (_, Some(latest)) if last && latest.depth > index + 1 => Err(latest),
            (Some(best), _) => Err(best),
            (None, _) => Failure::new(index, RejectReason::UnterminatedRequest),
        }
    }

    /// Reads on behind a closing quote: the literal, and the fields up to the next quoted one or the line's end. Gives
    /// the place and the number of the field that is next.
    fn tail(
        &self,
        line: &[u8],
        close: usize,
        index: usize,
        spans: &mut [Span],
    ) -> Result<(usize, usize), Failure> {
        let mut at = self.literal(line, close, index)?;
        let mut next = index + 1;
        while next < self.steps.len() && !self.steps[next].quoted {
            at = self.plain(line, at, next, spans)?;
            next += 1;
        }
        if next == self.steps.len() && at != line.len() {
            return Failure::new(next, RejectReason::TrailingData);
        }
        Ok((at, next))
    }

    /// Passes over what has to follow a field.
    fn literal(&self, line: &[u8], at: usize, index: usize) -> Result<usize, Failure> {
        let end = &self.steps[index].end;
        if line[at..].starts_with(end) {
            return Ok(at + end.len());
        }
        // A line that stops in the middle of the literal lacks the next field; one that goes on differently lacks the
        // end of this one.
        let stops = end.starts_with(&line[at..]);
        Failure::new(index + usize::from(stops), RejectReason::MissingField)
    }

    /// Reads a field without quotes and what follows it.
    fn plain(&self, line: &[u8], at: usize, index: usize, spans: &mut [Span]) -> Result<usize, Failure> {
        let step = &self.steps[index];
        let rest = &line[at..];
        let length = match step.kind {
            FieldKind::ClfTime => return self.clf_time(line, at, index, spans),
            // Text at the end of a line is all that is left of it; a number there is one word.
            kind if step.end.is_empty() => match kind {
                FieldKind::Text | FieldKind::User | FieldKind::Request | FieldKind::Target => rest.len(),
                _ => memchr(b' ', rest).unwrap_or(rest.len()),
            },
            FieldKind::User => match self.user(rest, index) {
                Some(length) => length,
                None => return Failure::new(index, RejectReason::MissingField),
            },
            FieldKind::Text | FieldKind::Request | FieldKind::Target => {
                find(rest, &step.end).unwrap_or(rest.len())
            }
            _ => memchr(step.end[0], rest).unwrap_or(rest.len()),
        };
        if let Some(reason) = judge(step.kind, step.width, &rest[..length]) {
            let missing = rest.is_empty();
            return Failure::new(index, if missing { RejectReason::MissingField } else { reason });
        }
        spans[index] = Span::new(at, at + length);
        let next = self.literal(line, at + length, index);
        // The field itself is fine.
        next.map_err(|failure| Failure { depth: index + 1, ..failure })
    }

    /// A user name may hold blanks and brackets: it ends before the first complete time.
    fn user(&self, rest: &[u8], index: usize) -> Option<usize> {
        let end = &self.steps[index].end;
        let next = self.steps.get(index + 1).filter(|step| step.kind == FieldKind::ClfTime);
        let before_time = next.and_then(|time| {
            find_iter(rest, end).find(|&length| {
                let from = length + end.len();
                rest.get(from..from + time::CLF_LEN).is_some_and(time::is_clf_shape)
                    && rest[from + time::CLF_LEN..].starts_with(&time.end)
            })
        });
        before_time.or_else(|| find(rest, end))
    }

    fn clf_time(&self, line: &[u8], at: usize, index: usize, spans: &mut [Span]) -> Result<usize, Failure> {
        let rest = &line[at..];
        let close = self.steps[index].end.first();
        // Of a line that ends within the time, or before what closes it, the time is not wrong but missing.
        let least = time::CLF_LEN + usize::from(close.is_some());
        if rest.len() < least && close.is_none_or(|&close| memchr(close, rest).is_none()) {
            return Failure::new(index, RejectReason::MissingField);
        }
        let end = at + time::CLF_LEN;
        let closed = line.get(end) == close || close.is_none();
        if !closed || line.get(at..end).and_then(time::clf).is_none() {
            return Failure::new(index, RejectReason::BadTimestamp);
        }
        spans[index] = Span::new(at, end);
        self.literal(line, end, index).map_err(|failure| Failure { depth: index + 1, ..failure })
    }
}

/// Where a literal stands. Literals are a few bytes: looking for the first is quicker than to prepare a search for all.
fn find_iter<'a>(text: &'a [u8], literal: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let first = literal.first().copied().unwrap_or(b' ');
    memchr_iter(first, text).filter(move |&at| text[at..].starts_with(literal))
}

fn find(text: &[u8], literal: &[u8]) -> Option<usize> {
    find_iter(text, literal).next()
}

/// Whether the quote at `close` follows an odd run of backslashes, none of them before `from`.
fn is_escaped(line: &[u8], from: usize, close: usize) -> bool {
    line[from..close].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Whether a field holds an unescaped `" "`: then it is two fields, and the line is of another format.
fn holds_break(line: &[u8], from: usize, close: usize, quotes: Quotes) -> bool {
    find_iter(&line[from..close], b"\" \"")
        .any(|offset| quotes == Quotes::Plain || !is_escaped(line, from, from + offset))
}

/// Why a field's text is not what the field must hold.
pub(crate) fn judge(kind: FieldKind, width: ColumnType, text: &[u8]) -> Option<RejectReason> {
    let null = text == b"-";
    let (fits, reason) = match kind {
        FieldKind::Host | FieldKind::VhostPort => (!text.is_empty(), RejectReason::MissingField),
        FieldKind::Status => (null || number::status(text).is_some(), RejectReason::BadStatus),
        FieldKind::Bytes => (null || number::bytes(text).is_some(), RejectReason::BadBytes),
        FieldKind::Integer => (null || integer(text, width).is_some(), RejectReason::BadNumber),
        FieldKind::Millis => (null || number::decimal(text, 3).is_some(), RejectReason::BadNumber),
        FieldKind::ClfTime => (time::clf(text).is_some(), RejectReason::BadTimestamp),
        FieldKind::IsoTime => (time::iso(text).is_some(), RejectReason::BadTimestamp),
        FieldKind::EpochTime(digits) => (time::epoch(text, digits).is_some(), RejectReason::BadTimestamp),
        FieldKind::Text | FieldKind::User | FieldKind::Request | FieldKind::Target | FieldKind::Query => {
            return None;
        }
    };
    (!fits).then_some(reason)
}

/// An integer that fits its column.
pub(crate) fn integer(text: &[u8], width: ColumnType) -> Option<i64> {
    let value = number::integer(text)?;
    let fits = match width {
        ColumnType::Int16 => i16::try_from(value).is_ok(),
        ColumnType::Int32 => i32::try_from(value).is_ok(),
        _ => true,
    };
    fits.then_some(value)
}

/// Splits `name:port` at its last colon; without digits behind it, all is the name.
pub(crate) fn vhost_port(text: &[u8]) -> (&[u8], Option<i32>) {
    let port = memrchr(b':', text).and_then(|colon| {
        let digits = &text[colon + 1..];
        let value = number::bytes(digits).filter(|_| colon > 0 && digits.len() <= 5)?;
        Some((&text[..colon], Some(value as i32)))
    });
    port.unwrap_or((text, None))
}

impl LogFormat {
    /// Whether a line (without its line end) is a row of this format.
    pub(crate) fn fits(&self, line: &[u8]) -> bool {
        let parser = self.line_parser();
        // Most lines that do not fit show it by their end.
        if !parser.can_end(line) {
            return false;
        }
        parser.read(line, &mut vec![Span::default(); parser.fields()]).is_ok()
    }
}
