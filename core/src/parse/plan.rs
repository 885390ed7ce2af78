//! A format, compiled for stage 2.
//!
//! A well-formed line has always the same structural bytes in the same order, so the places of a chunk's structural
//! bytes are a matrix with one row a line, and every field is found at fixed columns of it. A [`Plan`] says which:
//! the pattern of structural bytes, the edges of each field, and the few conditions that the pattern does not imply.

use crate::column::matrix::Edge;
use crate::field::time::CLF_LEN;
use crate::format::{FieldKind, LogFormat, Segment};
use crate::parse::line::{LineParser, Span};
use crate::schema::ColumnType;

/// A field of the format and its edges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedField {
    pub(crate) kind: FieldKind,
    pub(crate) width: ColumnType,
    pub(crate) start: Edge,
    pub(crate) end: Edge,
    /// Whether it stands in quotes, where anything can be expected.
    pub(crate) quoted: bool,
    /// Whether it is a time between brackets, which whoever reads the time looks at too.
    pub(crate) framed: bool,
}

/// A byte that has to stand (or must not stand) at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) edge: Edge,
    pub(crate) byte: u8,
    pub(crate) present: bool,
}

/// What the distance from one place to the next has to be, or must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The number of the place that ends it.
    pub(crate) to: u32,
    pub(crate) distance: u32,
    pub(crate) equal: bool,
}

/// The longest pattern that the fast path takes.
pub(crate) const MAX_STRIDE: usize = 32;

/// A compiled format.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) format: LogFormat,
    pub(crate) parser: LineParser,
    pub(crate) fields: Vec<PlannedField>,
    /// How many places a row has.
    pub(crate) stride: usize,
    /// The structural bytes of a well-formed line, the newline last; empty where the fast path cannot take the format.
    pub(crate) pattern: Vec<u8>,
    pub(crate) checks: Vec<Check>,
    pub(crate) gaps: Vec<Gap>,
}

impl Plan {
    pub(crate) fn new(format: &LogFormat) -> Self {
        let parser = LineParser::new(format);
        match Compiler::new(&parser).compile(format) {
            Some(Compiler { fields, pattern, checks, gaps, .. }) => {
                Self { format: format.clone(), parser, fields, stride: pattern.len(), pattern, checks, gaps }
            }
            // Two fields of one word, or an unpaired quote: every line takes the careful parser, which gives each
            // field two places of its own.
            None => {
                let fields: Vec<PlannedField> = format
                    .fields()
                    .zip(0..)
                    .map(|(field, index)| PlannedField {
                        kind: field.kind,
                        width: field.columns[0].column_type,
                        start: Edge { at: 2 * index, delta: 0 },
                        end: Edge { at: 2 * index + 1, delta: 0 },
                        quoted: true,
                        framed: false,
                    })
                    .collect();
                let (pattern, checks, gaps) = (Vec::new(), Vec::new(), Vec::new());
                Self {
                    format: format.clone(),
                    parser,
                    stride: 2 * fields.len(),
                    fields,
                    pattern,
                    checks,
                    gaps,
                }
            }
        }
    }

    /// Appends the places that make the edges of the fields equal to the spans that the careful parser found in the
    /// line starting at `start`, and gives the number of the first.
    pub(crate) fn push_places(&self, spans: &[Span], start: u32, places: &mut Vec<u32>) -> u32 {
        places.push(start.wrapping_sub(1));
        let first = places.len();
        places.resize(first + self.stride, start);
        for (field, span) in self.fields.iter().zip(spans) {
            for (edge, at) in [(field.start, span.start), (field.end, span.end)] {
                if let Some(place) = places[first..].get_mut(edge.at as usize) {
                    *place = (start + at).wrapping_add_signed(-edge.delta);
                }
            }
        }
        first as u32
    }
}

struct Compiler {
    fields: Vec<PlannedField>,
    pattern: Vec<u8>,
    checks: Vec<Check>,
    gaps: Vec<Gap>,
    escapes: bool,
    /// The place reached, where it is known.
    here: Option<Edge>,
    /// Literal bytes since a field whose end is not known yet.
    pending: Vec<u8>,
    in_quotes: bool,
    /// Whether a time between brackets is next, or its closing bracket.
    framed: bool,
}

impl Compiler {
    fn new(parser: &LineParser) -> Self {
        Self {
            fields: Vec::new(),
            pattern: Vec::new(),
            checks: Vec::new(),
            gaps: Vec::new(),
            escapes: parser.escapes(),
            here: Some(Edge { at: Edge::BEFORE, delta: 1 }),
            pending: Vec::new(),
            in_quotes: false,
            framed: false,
        }
    }

    fn compile(mut self, format: &LogFormat) -> Option<Self> {
        for (index, segment) in format.segments().iter().enumerate() {
            match segment {
                Segment::Literal(bytes) => bytes.iter().for_each(|&byte| self.literal(byte)),
                Segment::Field(field) => self.field(field.kind, field.columns[0].column_type)?,
            }
            if let [Segment::Literal(before), Segment::Field(time), Segment::Literal(after), ..] =
                &format.segments()[index..]
                && (time.kind, before.last(), after.first()) == (FieldKind::ClfTime, Some(&b'['), Some(&b']'))
            {
                self.frame();
            }
        }
        self.structural(b'\n');
        let has_newline = format.segments().iter().any(|segment| match segment {
            Segment::Literal(bytes) => bytes.contains(&b'\n'),
            Segment::Field(_) => false,
        });
        (!self.in_quotes && !has_newline && self.pattern.len() <= MAX_STRIDE).then_some(self)
    }

    /// A time between brackets is next: its reader looks at the brackets, so that nobody else has to.
    fn frame(&mut self) {
        self.checks.pop();
        self.framed = true;
    }

    fn literal(&mut self, byte: u8) {
        if byte == b'"' || (byte == b' ' && !self.in_quotes) {
            let closes = self.in_quotes;
            self.in_quotes ^= byte == b'"';
            self.structural(byte);
            if byte == b'"' && closes && self.escapes {
                // An escaped quote ends no field: the careful parser has to look.
                let edge = Edge { at: self.pattern.len() as u32 - 1, delta: -1 };
                self.checks.push(Check { edge, byte: b'\\', present: false });
            }
            return;
        }
        match &mut self.here {
            Some(edge) => {
                if !std::mem::take(&mut self.framed) {
                    self.checks.push(Check { edge: *edge, byte, present: true });
                }
                edge.delta += 1;
            }
            None => self.pending.push(byte),
        }
    }

    fn structural(&mut self, byte: u8) {
        let number = self.pattern.len() as u32;
        self.reach(number);
        self.pattern.push(byte);
        self.here = Some(Edge { at: number, delta: 1 });
    }

    /// The format has come to a structural byte or the end: it settles the end of the field before it.
    fn reach(&mut self, number: u32) {
        match self.here {
            Some(edge) => {
                self.gaps.push(Gap { to: number, distance: edge.delta as u32, equal: true });
            }
            None => {
                let length = self.pending.len() as i32;
                for (byte, index) in self.pending.drain(..).zip(0..) {
                    let edge = Edge { at: number, delta: index - length };
                    self.checks.push(Check { edge, byte, present: true });
                }
                if let Some(field) = self.fields.last_mut() {
                    field.end = Edge { at: number, delta: -length };
                    if matches!(field.kind, FieldKind::Host | FieldKind::VhostPort) {
                        let empty = (field.start.delta + length) as u32;
                        self.gaps.push(Gap { to: number, distance: empty, equal: false });
                    }
                }
            }
        }
    }

    fn field(&mut self, kind: FieldKind, width: ColumnType) -> Option<()> {
        let start = self.here?;
        let (quoted, framed) = (self.in_quotes, self.framed);
        self.fields.push(PlannedField { kind, width, start, end: start, quoted, framed });
        self.here = None;
        if kind == FieldKind::ClfTime {
            // Of fixed width, with a space before the offset.
            let (mut edge, mut left) = (start, CLF_LEN as i32);
            if !self.in_quotes {
                self.here = Some(Edge { at: start.at, delta: start.delta + 20 });
                self.structural(b' ');
                (edge, left) = (self.here?, 5);
            }
            edge.delta += left;
            self.here = Some(edge);
            self.fields.last_mut()?.end = edge;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_has_ten_structural_bytes_and_combined_sixteen() {
        let common = Plan::new(&LogFormat::common());
        assert_eq!(common.pattern, b"     \"\"  \n");
        assert_eq!(Plan::new(&LogFormat::combined()).pattern, b"     \"\"   \"\" \"\"\n");
        assert_eq!(Plan::new(&LogFormat::vhost_combined()).stride, 17);
        assert_eq!(Plan::new(&LogFormat::nginx_main()).stride, 19);
        let time = common.fields[3];
        assert_eq!((time.start, time.end), (Edge { at: 2, delta: 2 }, Edge { at: 3, delta: 6 }));
        let bytes = common.fields[6];
        assert_eq!((bytes.start, bytes.end), (Edge { at: 8, delta: 1 }, Edge { at: 9, delta: 0 }));
    }

    #[test]
    fn places_give_the_spans_back() {
        let plan = Plan::new(&LogFormat::common());
        let line = br#"h i john doe [01/Jul/1995:00:00:01 -0400] "GET /"x" HTTP/1.0" 200 5"#;
        let mut spans = vec![Span::default(); plan.parser.fields()];
        plan.parser.read(line, &mut spans).unwrap();
        let mut places = vec![];
        assert_eq!(plan.push_places(&spans, 100, &mut places), 1);
        for (field, span) in plan.fields.iter().zip(&spans) {
            for (edge, at) in [(field.start, span.start), (field.end, span.end)] {
                let place = places[edge.at.wrapping_add(1) as usize];
                assert_eq!(place.wrapping_add_signed(edge.delta), 100 + at);
            }
        }
    }
}
