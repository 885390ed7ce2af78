//! One line a record, as it is.

use std::borrow::Cow;

use bytes::Bytes;

use super::block;
use super::decode::{self, Packing};
use super::encode::{Line, Refusal};
use super::json::JsonRecord;
use super::option::EncodeOptions;
use super::record::StreamRecord;

pub(super) fn record(line: &Line<'_>, options: &EncodeOptions) -> Result<StreamRecord, Refusal> {
    let data = match payload(line, options) {
        Payload::Line(Cow::Borrowed(bytes)) => Bytes::copy_from_slice(bytes),
        Payload::Line(Cow::Owned(bytes)) | Payload::Block(bytes) => Bytes::from(bytes),
    };
    let record = StreamRecord {
        data,
        partition_key: line.key.map_or_else(|| line.id.to_string(), str::to_owned),
        explicit_hash_key: options.shard.as_ref().map(|range| *range.start()),
        span: line.span(),
    };
    if record.size() > options.max_record {
        return Err(Refusal::Oversize { size: record.size(), limit: options.max_record });
    }
    Ok(record)
}

/// What a line is sent as.
pub(super) enum Payload<'a> {
    /// Text from which a decoder makes the line.
    Line(Cow<'a, [u8]>),
    /// A block of one line, which knows its identity.
    Block(Vec<u8>),
}

impl Payload<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Payload::Line(bytes) => bytes,
            Payload::Block(bytes) => bytes,
        }
    }
}

/// The line itself, unless a decoder would make something else of it.
pub(super) fn payload<'a>(line: &Line<'a>, options: &EncodeOptions) -> Payload<'a> {
    let bytes = line.bytes;
    if decode::packing(bytes) != Packing::Text || JsonRecord::is_one(bytes) {
        return Payload::Block(block::single(line, options.level));
    }
    match bytes.last() {
        // No bytes are no line.
        None => Payload::Line(Cow::Borrowed(b"\n")),
        Some(b'\r') => Payload::Line(Cow::Owned([bytes, b"\r\n"].concat())),
        Some(_) => Payload::Line(Cow::Borrowed(bytes)),
    }
}
