//! Fills records with user records.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use md5::{Digest, Md5};

use super::message::{put_bytes, put_number};
use super::{DIGEST, MAGIC, Run, TAG};
use crate::envelope::encode::{Line, Refusal, extend, follows, hash_key};
use crate::envelope::option::EncodeOptions;
use crate::envelope::raw::{self, Payload};
use crate::envelope::record::{Span, StreamRecord};

/// Fills aggregates for one shard.
#[derive(Debug)]
pub(in crate::envelope) struct Aggregator {
    options: EncodeOptions,
    open: Option<Open>,
    /// A user record, and the entry of the table of keys that it needs, before it is known whether they fit.
    record: Vec<u8>,
    entry: Vec<u8>,
    tag: Vec<u8>,
}

/// An aggregate that is being filled.
#[derive(Debug)]
struct Open {
    span: Option<Span>,
    partition_key: String,
    explicit_hash_key: u128,
    hash_key_table: Vec<u8>,
    keys: HashMap<Box<str>, u64>,
    key_table: Vec<u8>,
    records: Vec<u8>,
    /// No line that is further back has a place here: each run in a record has another text.
    next: u64,
    run: Option<Current>,
}

/// The run that is going on.
#[derive(Debug, Clone, Copy)]
struct Current {
    line_end: u8,
    /// The number of the partition key that is its text; none if it stands in a tag.
    key: Option<u64>,
}

impl Open {
    fn new(line: &Line<'_>, options: &EncodeOptions) -> Self {
        let partition_key = line.key.map_or_else(|| run(line).to_string(), str::to_owned);
        let explicit_hash_key = match &options.shard {
            Some(range) => *range.start(),
            None => hash_key(&partition_key),
        };
        let mut hash_key_table = Vec::new();
        put_bytes(&mut hash_key_table, 2, explicit_hash_key.to_string().as_bytes());
        Self {
            span: None,
            partition_key,
            explicit_hash_key,
            hash_key_table,
            keys: HashMap::new(),
            key_table: Vec::new(),
            records: Vec::new(),
            next: line.id.offset,
            run: None,
        }
    }

    fn size(&self) -> usize {
        let message = self.key_table.len() + self.hash_key_table.len() + self.records.len();
        MAGIC.len() + message + DIGEST + self.partition_key.len()
    }

    fn continues(&self, line: &Line<'_>) -> Option<Current> {
        self.run.filter(|run| {
            self.next == line.id.offset
                && run.line_end == line.line_end()
                && run.key.is_none() == line.key.is_some()
        })
    }

    fn close(self) -> Option<StreamRecord> {
        let message = self.key_table.len() + self.hash_key_table.len() + self.records.len();
        let mut data = Vec::with_capacity(MAGIC.len() + message + DIGEST);
        data.extend_from_slice(&MAGIC);
        data.extend_from_slice(&self.key_table);
        data.extend_from_slice(&self.hash_key_table);
        data.extend_from_slice(&self.records);
        let digest = Md5::digest(&data[MAGIC.len()..]);
        data.extend_from_slice(&digest);
        Some(StreamRecord {
            data: Bytes::from(data),
            partition_key: self.partition_key,
            explicit_hash_key: Some(self.explicit_hash_key),
            span: self.span?,
        })
    }
}

fn run(line: &Line<'_>) -> Run {
    Run { first: line.id, line_end: line.line_end() }
}

impl Aggregator {
    pub(in crate::envelope) fn new(options: &EncodeOptions) -> Self {
        Self { options: options.clone(), open: None, record: Vec::new(), entry: Vec::new(), tag: Vec::new() }
    }

    pub(in crate::envelope) fn span(&self) -> Option<Span> {
        self.open.as_ref().and_then(|open| open.span)
    }

    pub(in crate::envelope) fn push(
        &mut self,
        line: &Line<'_>,
        ready: &mut VecDeque<StreamRecord>,
    ) -> Result<(), Refusal> {
        let payload = raw::payload(line, &self.options);
        if self.open.as_ref().is_some_and(|open| !follows(open.span, line, open.next)) {
            ready.extend(self.finish());
        }
        loop {
            let mut open = self.open.take().unwrap_or_else(|| Open::new(line, &self.options));
            let size = self.try_add(&mut open, line, &payload);
            let limit = self.options.max_record;
            if size <= limit {
                self.open = Some(open);
                return Ok(());
            }
            if open.span.is_none() {
                return Err(Refusal::Oversize { size, limit });
            }
            ready.extend(open.close());
        }
    }

    /// Adds a line if it fits; gives the size that the record has with it.
    fn try_add(&mut self, open: &mut Open, line: &Line<'_>, payload: &Payload<'_>) -> usize {
        let continued = open.continues(line);
        // A block in a user record has its own identity, and no run goes through it.
        let is_block = matches!(payload, Payload::Block(_));
        let text;
        let (key, index) = match (line.key, continued.and_then(|run| run.key)) {
            (Some(key), _) => (key, open.keys.get(key).copied()),
            (None, Some(index)) => ("", Some(index)),
            (None, None) => {
                text = run(line).to_string();
                (text.as_str(), open.keys.get(text.as_str()).copied())
            }
        };
        self.entry.clear();
        if index.is_none() {
            put_bytes(&mut self.entry, 1, key.as_bytes());
        }
        let number = index.unwrap_or(open.keys.len() as u64);
        self.record.clear();
        put_number(&mut self.record, 1, number);
        put_number(&mut self.record, 2, 0);
        put_bytes(&mut self.record, 3, payload.bytes());
        if line.key.is_some() && continued.is_none() && !is_block {
            self.tag.clear();
            put_bytes(&mut self.tag, 1, TAG.as_bytes());
            put_bytes(&mut self.tag, 2, run(line).to_string().as_bytes());
            put_bytes(&mut self.record, 4, &self.tag);
        }
        let before = open.records.len();
        put_bytes(&mut open.records, 3, &self.record);
        let size = open.size() + self.entry.len();
        if size > self.options.max_record {
            open.records.truncate(before);
            return size;
        }
        if index.is_none() {
            open.key_table.extend_from_slice(&self.entry);
            open.keys.insert(key.into(), number);
        }
        extend(&mut open.span, line);
        open.next = line.next_offset();
        open.run = (!is_block)
            .then(|| Current { line_end: line.line_end(), key: line.key.is_none().then_some(number) });
        size
    }

    pub(in crate::envelope) fn finish(&mut self) -> Option<StreamRecord> {
        self.open.take().and_then(Open::close)
    }
}
