//! Lines as they were logged.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::{IntakeCounts, Origin, Refused};
use crate::decoder::{Decoder, SAMPLE};
use crate::envelope::LineIdColumn;
use crate::error::{Error, ErrorKind, Result};
use crate::format::LogFormat;
use crate::options::{Encoding, Extras, ParseOptions};
use crate::schema::LINE;

/// Lines are kept in pieces of this size: one piece that grew would be copied again and again, and all of it be there until
/// the last line is a row.
const PIECE: usize = 1 << 20;

/// Lines, one after the other, and where each came from.
#[derive(Debug)]
pub(super) struct Lines {
    pieces: Vec<Vec<u8>>,
    origins: Vec<Origin>,
}

/// How far lines were taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pieces: usize,
    bytes: usize,
    lines: usize,
}

impl Default for Lines {
    fn default() -> Self {
        // A mark that opens a file of text is one only there: an empty line keeps the first line from being taken for it.
        Self { pieces: vec![vec![b'\n']], origins: Vec::new() }
    }
}

impl Lines {
    pub(super) fn push(&mut self, line: &[u8], origin: Origin) {
        let more = line.len() + 1;
        if self.pieces.last().is_none_or(|last| last.len() + more > PIECE) {
            self.pieces.push(Vec::with_capacity(more.max(PIECE)));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.extend_from_slice(line);
            piece.push(b'\n');
            self.origins.push(origin);
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            pieces: self.pieces.len(),
            bytes: self.pieces.last().map_or(0, Vec::len),
            lines: self.origins.len(),
        }
    }

    /// Drops all that came after a mark.
    pub(super) fn cut(&mut self, mark: Mark) {
        self.pieces.truncate(mark.pieces);
        if let Some(last) = self.pieces.last_mut() {
            last.truncate(mark.bytes);
        }
        self.origins.truncate(mark.lines);
    }

    pub(super) fn len(&self) -> u64 {
        self.origins.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The format of most.
    pub(super) fn format(&self) -> LogFormat {
        let mut sample = Vec::new();
        for piece in &self.pieces {
            sample.extend_from_slice(&piece[..piece.len().min(SAMPLE - sample.len())]);
        }
        LogFormat::detect_or_common(&sample[1..])
    }

    /// The rows of these lines, with their ids.
    pub(super) fn read(
        self,
        format: &LogFormat,
        encoding: Encoding,
        names: &[Arc<str>],
        rejects: &mut Vec<Refused>,
        counts: &mut IntakeCounts,
    ) -> Result<Vec<RecordBatch>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let extras = Extras { line: true, ..Extras::default() };
        let options = ParseOptions::new().with_format(format.clone()).with_encoding(encoding);
        let mut decoder = Decoder::new(options.with_extras(extras))?;
        let mut batches = Vec::new();
        let Self { pieces, origins } = self;
        let mut take = |decoder: &mut Decoder| {
            while let Some(batch) = decoder.next_batch() {
                batches.push(identify(&batch, &origins, names)?);
            }
            for reject in decoder.take_rejects() {
                let origin = origin(&origins, reject.line).ok_or_else(lacks)?;
                rejects.push(Refused::line(names, origin, reject.reason, &reject.raw));
            }
            Ok::<_, Error>(())
        };
        for piece in pieces {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                rest = &rest[decoder.push(rest)?..];
                take(&mut decoder)?;
            }
        }
        decoder.finish()?;
        take(&mut decoder)?;
        let seen = decoder.counts();
        counts.rows += seen.rows;
        counts.rejected += seen.rejected();
        // The first is none of theirs.
        counts.blanks += seen.blanks - 1;
        Ok(batches)
    }
}

/// Where the line of a number came from; the first line is none.
fn origin(origins: &[Origin], line: u64) -> Option<Origin> {
    origins.get(usize::try_from(line).ok()?.checked_sub(2)?).copied()
}

/// The batch with ids instead of numbers.
fn identify(batch: &RecordBatch, origins: &[Origin], names: &[Arc<str>]) -> Result<RecordBatch> {
    let numbers = batch.column_by_name(&LINE.name).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let numbers = numbers.ok_or_else(lacks)?;
    let mut ids = LineIdColumn::with_capacity(numbers.len());
    for number in numbers.values() {
        origin(origins, *number as u64).ok_or_else(lacks)?.push_to(&mut ids, names);
    }
    ids.replace(batch, &LINE.name)
}

fn lacks() -> Error {
    Error::new(ErrorKind::Sink, "a batch does not say which its lines are")
}
