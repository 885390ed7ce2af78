//! Records to lines, whatever the form.

use flate2::read::MultiGzDecoder;
use memchr::memchr;

use super::block::{self, Block};
use super::json::{JsonRecord, JsonScratch};
use super::kpl::{Message, Run};
use super::option::DecodeOptions;
use super::record::LineId;
use crate::error::{Error, ErrorKind, Result};

/// What a record holds, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packing {
    /// Lines: as they were logged, or as JSON objects.
    Text,
    /// An aggregate of the Kinesis Producer Library. Its checksum is right: without, the record is text.
    Kpl,
    /// A block of ours.
    Block,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// How a record is packed.
pub(super) fn packing(data: &[u8]) -> Packing {
    match data {
        [0xF3, ..] if Message::within(data).is_some() => Packing::Kpl,
        _ if data.starts_with(&block::MAGIC) => Packing::Block,
        [0x1F, 0x8B, 0x08, ..] => Packing::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Packing::Zstd,
        _ => Packing::Text,
    }
}

/// A part of a record.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// A line.
    Line {
        /// Its bytes, without the line end.
        bytes: &'a [u8],
        /// Its identity, where the record has it.
        id: Option<LineId>,
    },
    /// A JSON object that was made of a line.
    Json {
        /// The object.
        record: &'a JsonRecord<'a>,
        /// The line's identity, where the record has it.
        id: Option<LineId>,
    },
    /// Something from which no line can be had: for the rejects.
    Damaged {
        /// The record, or the user record of an aggregate, that is damaged.
        data: &'a [u8],
        /// Why.
        error: Error,
    },
}

/// Unpacks records. It keeps some memory from one record to the next, and nothing else.
///
/// Nothing that a record holds is trusted, and no part of one is lost in silence: what cannot be read is an
/// [`Item::Damaged`], and takes nothing else with it.
#[derive(Debug, Default)]
pub struct RecordDecoder {
    options: DecodeOptions,
    json: JsonScratch,
}

type Visit<'v> = dyn FnMut(Item<'_>) + 'v;

impl RecordDecoder {
    /// A decoder.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, json: JsonScratch::default() }
    }

    /// How a record is packed, as far as its outside tells.
    #[must_use]
    pub fn packing(data: &[u8]) -> Packing {
        packing(data)
    }

    /// Calls back with each line of a record, in order.
    ///
    /// ```
    /// use nasalogs::envelope::{Item, RecordDecoder};
    /// let mut hosts = Vec::new();
    /// let record = br#"{"ip": "192.0.2.1", "timestamp": "01/Jul/1995:00:00:01 -0400", "status_code": 200, "bytes": 5}"#;
    /// RecordDecoder::default().decode(record, "any key", &mut |item| match item {
    ///     Item::Json { record, .. } => hosts.push(record.host().unwrap().to_owned()),
    ///     other => panic!("{other:?}"),
    /// });
    /// assert_eq!(hosts, ["192.0.2.1"]);
    /// ```
    pub fn decode(&mut self, data: &[u8], partition_key: &str, visit: &mut dyn FnMut(Item<'_>)) {
        let mut budget = self.options.limit;
        match Message::within(data) {
            Some(message) => self.aggregate(data, message, &mut budget, visit),
            None => {
                let mut ids = Ids::one(LineId::parse(partition_key));
                self.payload(data, &mut ids, &mut budget, visit);
            }
        }
    }

    fn aggregate(&mut self, data: &[u8], message: &[u8], budget: &mut usize, visit: &mut Visit<'_>) {
        let Ok(message) = Message::read(message) else {
            let error = Error::new(
                ErrorKind::Encoding,
                "the aggregate has a sound checksum, but is no message of the Kinesis Producer Library's format",
            )
            .with_hint("find out what wrote it");
            return visit(Item::Damaged { data, error });
        };
        let mut ids = Ids::default();
        let mut key = None;
        for record in message.records() {
            let tag = record.run.and_then(|text| std::str::from_utf8(text).ok()).and_then(Run::parse);
            if let Some(run) = tag {
                ids = Ids::run(run);
            }
            if key != Some(record.partition_key_index) {
                key = Some(record.partition_key_index);
                let text = message.partition_key(record.partition_key_index).unwrap_or_default();
                // A key that was chosen says nothing, and the run of a tag goes on.
                if let Some(run) = Run::parse(text) {
                    ids = Ids::run(run);
                } else if let Some(id) = LineId::parse(text) {
                    ids = Ids::one(Some(id));
                }
            }
            if Message::within(record.data).is_some() {
                let error = Error::new(ErrorKind::Encoding, "the aggregate holds another aggregate")
                    .with_hint("find out what wrote it: one of them is enough");
                visit(Item::Damaged { data: record.data, error });
                continue;
            }
            self.payload(record.data, &mut ids, budget, visit);
        }
    }

    /// A record, or a user record of an aggregate.
    fn payload(&mut self, data: &[u8], ids: &mut Ids, budget: &mut usize, visit: &mut Visit<'_>) {
        let result = match packing(data) {
            Packing::Block => Block::read(data, budget).map(|block| {
                block.lines().for_each(|(bytes, id)| visit(Item::Line { bytes, id: Some(id) }));
            }),
            Packing::Gzip => gunzip(data, budget).map(|text| {
                self.text(&text, &mut Ids::default(), visit);
            }),
            Packing::Zstd => block::decompress(data, budget).map(|text| {
                self.text(&text, &mut Ids::default(), visit);
            }),
            Packing::Text | Packing::Kpl => {
                self.text(data, ids, visit);
                Ok(())
            }
        };
        if let Err(error) = result {
            visit(Item::Damaged { data, error });
        }
    }

    fn text(&mut self, mut text: &[u8], ids: &mut Ids, visit: &mut Visit<'_>) {
        while !text.is_empty() {
            let end = memchr(b'\n', text);
            let line = &text[..end.unwrap_or(text.len())];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let id = ids.take(line);
            let json = self.json.with(line, |record| {
                visit(Item::Json { record, id: record.line_id().or(id) });
            });
            if json.is_none() {
                visit(Item::Line { bytes: line, id });
            }
            text = end.map_or(&[], |end| &text[end + 1..]);
        }
    }
}

fn gunzip(data: &[u8], budget: &mut usize) -> Result<Vec<u8>> {
    block::read_all(MultiGzDecoder::new(data), budget, |error| {
        Error::new(ErrorKind::Compression, format!("the record's gzip data is damaged: {error}"))
            .with_source(error)
    })
}

/// The identities of lines that come.
#[derive(Debug, Default)]
struct Ids {
    next: Option<LineId>,
    /// Bytes of each line end; none if there is an identity only for the next line.
    line_end: Option<u8>,
}

impl Ids {
    fn one(id: Option<LineId>) -> Self {
        Self { next: id, line_end: None }
    }

    fn run(run: Run) -> Self {
        Self { next: Some(run.first), line_end: Some(run.line_end) }
    }

    fn take(&mut self, line: &[u8]) -> Option<LineId> {
        let id = self.next.take()?;
        if let Some(line_end) = self.line_end {
            let offset = id.offset.checked_add(line.len() as u64 + u64::from(line_end));
            self.next = offset.map(|offset| LineId { offset, ..id });
        }
        Some(id)
    }
}
