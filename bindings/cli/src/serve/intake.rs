//! From lines to rows, with every line accounted for.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use nasalogs::arrow::array::RecordBatch;
use nasalogs::envelope::SourceId;
use nasalogs::report::Lines as Account;
use nasalogs::{Decoder, ErrorKind, LogFormat, ParseOptions, Reject, RejectCounts, RejectReason, Result};

use crate::follow::{Lines, Part};

/// How much of the beginning a format is found out from, at most.
const SAMPLE: usize = 256 << 10;
/// What standard input is called by those who read it.
pub(super) const STANDARD_NAME: &str = "standard input";

/// Parses pieces of whole lines, as they come.
pub(super) struct Parser {
    options: ParseOptions,
    decoder: Decoder,
}

impl Parser {
    /// For a format.
    pub(super) fn new(options: &ParseOptions, format: &LogFormat) -> Result<Self> {
        let options = options.clone().with_format(format.clone());
        Ok(Self { decoder: Decoder::new(options.clone())?, options })
    }

    /// The rows of a piece, the last line of which may have no end.
    pub(super) fn parse(&mut self, bytes: &[u8], is_unended: bool) -> Result<Parsed> {
        let mut batches = Vec::new();
        if is_unended {
            let mut decoder = Decoder::new(self.options.clone())?;
            push(&mut decoder, bytes, &mut batches)?;
            decoder.finish()?;
            return Ok(Parsed::of(&mut decoder, nasalogs::Counts::default(), batches));
        }
        let before = self.decoder.counts();
        push(&mut self.decoder, bytes, &mut batches)?;
        self.decoder.flush()?;
        Ok(Parsed::of(&mut self.decoder, before, batches))
    }

    fn schema(&self) -> Option<nasalogs::arrow::datatypes::SchemaRef> {
        self.decoder.schema()
    }
}

fn push(decoder: &mut Decoder, mut bytes: &[u8], batches: &mut Vec<RecordBatch>) -> Result<()> {
    while !bytes.is_empty() {
        let used = decoder.push(bytes)?;
        bytes = &bytes[used..];
        batches.extend(std::iter::from_fn(|| decoder.next_batch()));
    }
    Ok(())
}

/// What became of a piece.
pub(super) struct Parsed {
    pub(super) batches: Vec<RecordBatch>,
    lines: u64,
    rows: u64,
    blank: u64,
    /// Their line numbers count from the piece's beginning.
    rejects: Vec<Reject>,
}

impl Parsed {
    fn of(decoder: &mut Decoder, before: nasalogs::Counts, mut batches: Vec<RecordBatch>) -> Self {
        batches.extend(std::iter::from_fn(|| decoder.next_batch()));
        let mut rejects = decoder.take_rejects();
        rejects.iter_mut().for_each(|reject| reject.line -= before.lines);
        let after = decoder.counts();
        Self {
            batches,
            lines: after.lines - before.lines,
            rows: after.rows - before.rows,
            blank: after.blanks - before.blanks,
            rejects,
        }
    }
}

/// Lines of many sources to rows of one format, which is found out from the first of them, unless it is known.
pub(super) struct Intake {
    options: ParseOptions,
    format: Option<LogFormat>,
    parser: Option<Parser>,
    /// While the format is not known.
    waiting: Vec<Lines>,
    waiting_bytes: usize,
    /// How many lines of each source there were.
    read: HashMap<SourceId, u64>,
    /// All that was read.
    pub(super) lines: Account,
    pub(super) rejects: RejectCounts,
    /// For each reason, the place of its first line.
    pub(super) firsts: BTreeMap<RejectReason, String>,
}

impl Intake {
    pub(super) fn new(options: ParseOptions, format: Option<LogFormat>) -> Self {
        Self {
            options,
            format,
            parser: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            read: HashMap::new(),
            lines: Account::default(),
            rejects: RejectCounts::default(),
            firsts: BTreeMap::new(),
        }
    }

    /// The format, once it is known.
    pub(super) fn format(&self) -> Option<&LogFormat> {
        self.format.as_ref()
    }

    /// The columns, once they are known.
    pub(super) fn schema(&self) -> Option<nasalogs::arrow::datatypes::SchemaRef> {
        self.parser.as_ref().and_then(Parser::schema)
    }

    /// Another parser like this one's.
    pub(super) fn again(&self) -> Result<Option<Parser>> {
        self.format.as_ref().map(|format| Parser::new(&self.options, format)).transpose()
    }

    /// The rows of some lines, and of those before them that had to wait.
    pub(super) fn take(&mut self, lines: Lines) -> Result<Vec<RecordBatch>> {
        self.waiting_bytes += lines.bytes.len();
        self.waiting.push(lines);
        if self.format.is_none() && self.waiting_bytes < SAMPLE {
            return Ok(Vec::new());
        }
        self.settle(true)
    }

    /// The rows of lines that wait for the format: at the end, or where nothing more comes at present.
    ///
    /// # Errors
    /// At the end, when no format fits.
    pub(super) fn settle(&mut self, is_end: bool) -> Result<Vec<RecordBatch>> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        if self.format.is_none() {
            let mut sample = Vec::with_capacity(self.waiting_bytes.min(SAMPLE) + 1);
            for lines in self.waiting.iter().filter(|lines| matches!(lines.part, Part::Lines | Part::Unended))
            {
                let room = SAMPLE.saturating_sub(sample.len());
                sample.extend_from_slice(&lines.bytes[..lines.bytes.len().min(room)]);
            }
            if sample.len() < SAMPLE {
                // The last line is a whole one.
                sample.push(b'\n');
            }
            match LogFormat::detect(&sample) {
                Ok(detection) => self.format = Some(detection.format),
                Err(error) if error.kind() == ErrorKind::NoRows && !is_end => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        self.waiting_bytes = 0;
        let mut batches = Vec::new();
        for lines in std::mem::take(&mut self.waiting) {
            batches.extend(self.parse(&lines)?);
        }
        Ok(batches)
    }

    fn parse(&mut self, lines: &Lines) -> Result<Vec<RecordBatch>> {
        if self.parser.is_none() {
            self.parser = self.again()?;
        }
        let Some(parser) = &mut self.parser else { return Ok(Vec::new()) };
        let read = self.read.entry(lines.source).or_default();
        let number = *read;
        let mut parsed = match lines.part {
            Part::Lines => parser.parse(&lines.bytes, false)?,
            Part::Unended => parser.parse(&lines.bytes, true)?,
            Part::Begin | Part::Middle => return Ok(Vec::new()),
            Part::End => {
                *read += 1;
                self.lines.lines += 1;
                self.reject(lines, number + 1, RejectReason::LineTooLong);
                return Ok(Vec::new());
            }
        };
        *read += parsed.lines;
        self.lines.lines += parsed.lines;
        self.lines.rows += parsed.rows;
        self.lines.blank += parsed.blank;
        for reject in parsed.rejects {
            self.reject(lines, number + reject.line, reject.reason);
        }
        Ok(std::mem::take(&mut parsed.batches))
    }

    fn reject(&mut self, lines: &Lines, number: u64, reason: RejectReason) {
        self.lines.rejected += 1;
        self.rejects.add(reason);
        self.firsts.entry(reason).or_insert_with(|| match &*lines.file {
            STANDARD_NAME => format!("line {number}"),
            file => format!("{file}:{number}"),
        });
    }

    /// Nothing of a source comes any more.
    pub(super) fn forget(&mut self, source: SourceId) {
        self.read.remove(&source);
    }
}

/// Without the mark at the beginning of a file that says that it is UTF-8.
pub(super) fn unmarked(lines: Lines) -> Lines {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if lines.offset > 0 || !lines.bytes.starts_with(MARK) {
        return lines;
    }
    Lines { bytes: Bytes::slice(&lines.bytes, MARK.len()..), ..lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";

    fn lines(source: u128, offset: u64, text: &str, part: Part) -> Lines {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        Lines { source: SourceId(source as _), file: format!("{source}.log").into(), offset, bytes, part }
    }

    fn rows(batches: Vec<RecordBatch>) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[test]
    fn every_line_is_accounted_for() {
        let mut intake = Intake::new(ParseOptions::new(), Some(LogFormat::common()));
        assert_eq!(
            rows(intake.take(unmarked(lines(1, 0, &format!("\u{feff}{LINE}\n"), Part::Lines))).unwrap()),
            1
        );
        assert_eq!(rows(intake.take(lines(2, 0, &format!("{LINE}nonsense\n"), Part::Lines)).unwrap()), 1);
        for part in [Part::Begin, Part::Middle, Part::End] {
            assert_eq!(rows(intake.take(lines(1, 99, "long", part)).unwrap()), 0);
        }
        assert_eq!(rows(intake.take(lines(1, 200, LINE.trim_end(), Part::Unended)).unwrap()), 1);
        assert_eq!(rows(intake.take(lines(2, 200, "host - - [01/J", Part::Unended)).unwrap()), 0);
        assert_eq!(intake.lines, Account { lines: 7, rows: 3, rejected: 3, blank: 1, filtered: 0 });
        let firsts: Vec<(&str, &str)> =
            intake.firsts.iter().map(|(reason, place)| (reason.as_str(), place.as_str())).collect();
        assert_eq!(intake.rejects.total(), 3);
        for place in [("missing_field", "2.log:2"), ("line_too_long", "1.log:3"), ("truncated", "2.log:3")] {
            assert!(firsts.contains(&place), "{firsts:?}");
        }
    }

    #[test]
    fn the_format_is_found_out_when_lines_have_come() {
        let mut intake = Intake::new(ParseOptions::new(), None);
        assert_eq!(rows(intake.take(lines(1, 0, "nonsense\n", Part::Lines)).unwrap()), 0);
        assert_eq!(rows(intake.settle(false).unwrap()), 0);
        assert_eq!(rows(intake.take(lines(1, 9, LINE, Part::Lines)).unwrap()), 0);
        assert_eq!(rows(intake.settle(false).unwrap()), 1);
        assert_eq!((intake.format(), intake.lines.rejected), (Some(&LogFormat::common()), 1));
        assert_eq!(rows(intake.take(lines(1, 99, LINE, Part::Lines)).unwrap()), 1);

        let mut intake = Intake::new(ParseOptions::new(), None);
        intake.take(lines(1, 0, "nonsense\n", Part::Lines)).unwrap();
        assert_eq!(intake.settle(true).unwrap_err().kind(), ErrorKind::NoRows);
    }
}
