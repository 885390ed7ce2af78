//! Lines to records: what the forms share.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use md5::{Digest, Md5};

use super::block::BlockBuilder;
use super::kpl::{self, Aggregator};
use super::ndjson::ObjectBuilder;
use super::option::{EncodeOptions, RecordForm};
use super::raw;
use super::record::{LineId, Span, StreamRecord};
use crate::reject::RejectReason;

/// A line to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its bytes without the line end: no `\n` in them, and one `\r` before it is dropped.
    pub bytes: &'a [u8],
    /// Its identity: the source, and where in it the line begins.
    pub id: LineId,
    /// One past its end in the source, the line end included.
    pub end: u64,
    /// The partition key, where one was chosen: any text, of which [`partition_key`] makes one.
    pub key: Option<&'a str>,
}

impl Line<'_> {
    /// Bytes of the line end, as a decoder has to assume them: 1 or 2. Where that is not what the source has, the next
    /// line does not begin where a decoder expects it, and is treated as one behind a gap.
    pub(super) fn line_end(&self) -> u8 {
        let found = self.end.saturating_sub(self.id.offset).saturating_sub(self.bytes.len() as u64);
        // Of `a\r` and `\n` a decoder would make `a`.
        if found >= 2 || self.bytes.ends_with(b"\r") { 2 } else { 1 }
    }

    /// Where a decoder expects the next line.
    pub(super) fn next_offset(&self) -> u64 {
        self.id.offset.saturating_add(self.bytes.len() as u64 + u64::from(self.line_end()))
    }

    pub(super) fn span(&self) -> Span {
        Span { source: self.id.source, begin: self.id.offset, end: self.end, lines: 1 }
    }

    /// Why the line is no row, where its last byte is the last of its source.
    fn judged(&self, reason: RejectReason) -> RejectReason {
        let has_end = self.end.saturating_sub(self.id.offset) > self.bytes.len() as u64;
        if has_end { reason } else { reason.at_end() }
    }
}

/// Why a line was not taken. It is the caller's to reject; everything before it is unharmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Alone in a record it would still be too large.
    Oversize {
        /// The size of that record: data and partition key, in bytes.
        size: usize,
        /// What it may be.
        limit: usize,
    },
    /// The form holds rows, and the line is none (blank lines neither).
    NoRow(RejectReason),
}

impl Refusal {
    /// The reason for a reject.
    #[must_use]
    pub const fn reason(self) -> RejectReason {
        match self {
            Refusal::Oversize { .. } => RejectReason::LineTooLong,
            Refusal::NoRow(reason) => reason,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Oversize { size, limit } => {
                write!(f, "the line makes a record of {size} bytes, of which {limit} are allowed")
            }
            Refusal::NoRow(reason) => f.write_str(reason.describe()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The hash of a partition key, by which Kinesis chooses the shard.
///
/// ```
/// assert_eq!(nasalogs::envelope::hash_key("a"), 0x0cc175b9c0f1b6a831c399e269772661);
/// ```
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

/// Makes any text a partition key: 1 to 256 characters, and none that a decoder would take for a line's identity.
///
/// ```
/// use nasalogs::envelope::partition_key;
/// assert_eq!(partition_key("192.0.2.1"), "192.0.2.1");
/// assert_eq!(partition_key(""), "-");
/// assert_eq!(partition_key("0123456789abcdef-42"), "=0123456789abcdef-42");
/// ```
#[must_use]
pub fn partition_key(text: &str) -> Cow<'_, str> {
    const CHARACTERS: usize = 256;
    if text.is_empty() {
        return Cow::Borrowed("-");
    }
    // What a client calls itself must not give it the identity of another's line.
    if LineId::parse(text).is_some() || kpl::Run::parse(text).is_some() {
        return Cow::Owned(format!("={text}"));
    }
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => Cow::Borrowed(&text[..end]),
        None => Cow::Borrowed(text),
    }
}

/// Packs lines into records.
///
/// Lines of one source come in the order of their offsets; what is left out between them (blank lines, rejects) needs
/// no mention. A line of another source, or one that comes from further back, begins a new record. Records are small
/// or late as the caller likes: [`flush`](Self::flush) closes the one that is being filled.
#[derive(Debug)]
pub struct RecordEncoder {
    options: EncodeOptions,
    state: State,
    ready: VecDeque<StreamRecord>,
}

#[derive(Debug)]
enum State {
    Raw,
    Ndjson(Box<ObjectBuilder>),
    Kpl(Aggregator),
    Block(BlockBuilder),
}

impl RecordEncoder {
    /// An encoder.
    #[must_use]
    pub fn new(options: EncodeOptions) -> Self {
        let state = match options.form {
            RecordForm::Raw => State::Raw,
            RecordForm::Ndjson => State::Ndjson(Box::new(ObjectBuilder::new(&options))),
            RecordForm::Kpl => State::Kpl(Aggregator::new(&options)),
            RecordForm::Block => State::Block(BlockBuilder::new(&options)),
        };
        Self { options, state, ready: VecDeque::new() }
    }

    /// Takes a line. Afterwards there may be a record, or two: see [`next_record`](Self::next_record).
    ///
    /// # Errors
    /// A [`Refusal`]: the line is in no record.
    pub fn push(&mut self, line: Line<'_>) -> Result<(), Refusal> {
        debug_assert!(!line.bytes.contains(&b'\n'), "a line has no newline in it");
        let key = line.key.map(partition_key);
        let line = Line { key: key.as_deref(), ..line };
        let ready = &mut self.ready;
        match &mut self.state {
            State::Raw => ready.push_back(raw::record(&line, &self.options)?),
            State::Ndjson(builder) => {
                builder.push(&line, ready).map_err(|refusal| match refusal {
                    Refusal::NoRow(reason) => Refusal::NoRow(line.judged(reason)),
                    oversize => oversize,
                })?;
            }
            State::Kpl(builder) => builder.push(&line, ready)?,
            State::Block(builder) => builder.push(&line, ready)?,
        }
        Ok(())
    }

    /// Closes the record that is being filled, if there is one.
    pub fn flush(&mut self) {
        let record = match &mut self.state {
            State::Raw => None,
            State::Ndjson(builder) => builder.finish(),
            State::Kpl(builder) => builder.finish(),
            State::Block(builder) => builder.finish(),
        };
        self.ready.extend(record);
    }

    /// The next finished record.
    pub fn next_record(&mut self) -> Option<StreamRecord> {
        self.ready.pop_front()
    }

    /// What is in the record that is being filled.
    #[must_use]
    pub fn pending(&self) -> Option<Span> {
        match &self.state {
            State::Raw => None,
            State::Ndjson(builder) => builder.span(),
            State::Kpl(builder) => builder.span(),
            State::Block(builder) => builder.span(),
        }
    }
}

/// Whether a line can be in the record of a span: it is of the same source, and not from before where a decoder is by
/// then.
pub(super) fn follows(span: Option<Span>, line: &Line<'_>, next: u64) -> bool {
    span.is_none_or(|span| span.source == line.id.source && line.id.offset >= next)
}

/// Adds a line to a span.
pub(super) fn extend(span: &mut Option<Span>, line: &Line<'_>) {
    match span {
        Some(span) => {
            span.end = line.end;
            span.lines += 1;
        }
        None => *span = Some(line.span()),
    }
}
