//! The operations of the protocol: JSON in, JSON or a failure out. No network here, and time is handed in.

mod put;
mod read;
mod shard;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::Core;
use crate::error::{Check, Failure};
use crate::fault::Plan;
use crate::stream::{Keep, Stream};

/// The operations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateStream,
    DeleteStream,
    DescribeStream,
    DescribeStreamSummary,
    GetRecords,
    GetShardIterator,
    ListShards,
    ListStreams,
    MergeShards,
    PutRecord,
    PutRecords,
    SplitShard,
    UpdateShardCount,
}

const OPERATIONS: [(&str, Operation); 13] = [
    ("CreateStream", Operation::CreateStream),
    ("DeleteStream", Operation::DeleteStream),
    ("DescribeStream", Operation::DescribeStream),
    ("DescribeStreamSummary", Operation::DescribeStreamSummary),
    ("GetRecords", Operation::GetRecords),
    ("GetShardIterator", Operation::GetShardIterator),
    ("ListShards", Operation::ListShards),
    ("ListStreams", Operation::ListStreams),
    ("MergeShards", Operation::MergeShards),
    ("PutRecord", Operation::PutRecord),
    ("PutRecords", Operation::PutRecords),
    ("SplitShard", Operation::SplitShard),
    ("UpdateShardCount", Operation::UpdateShardCount),
];

impl Operation {
    /// The operation that a header `X-Amz-Target` names.
    pub(crate) fn of_target(target: &str) -> Option<Self> {
        let name = target.strip_prefix("Kinesis_20131202.")?;
        OPERATIONS.iter().find(|operation| operation.0 == name).map(|operation| operation.1)
    }

    pub(crate) fn name(self) -> &'static str {
        OPERATIONS.iter().find(|operation| operation.1 == self).map_or("", |operation| operation.0)
    }

    pub(crate) fn puts(self) -> bool {
        matches!(self, Self::PutRecord | Self::PutRecords)
    }
}

/// An answer, and the shards that are in flight until it is sent.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub body: Vec<u8>,
    pub stream: String,
    pub touched: Vec<usize>,
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        let body = if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
        Self { body, ..Self::default() }
    }
}

/// A request to carry out.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub now: Duration,
    pub body: &'a Bytes,
    pub region: &'a str,
    pub keep: Keep,
    pub plan: &'a mut Plan,
}

/// Carry out an operation.
pub(crate) fn carry_out(
    core: &mut Core,
    operation: Operation,
    request: Request<'_>,
) -> Result<Reply, Failure> {
    match operation {
        Operation::PutRecord => put::put_record(core, request),
        Operation::PutRecords => put::put_records(core, request),
        Operation::GetRecords => read::get_records(core, &request),
        Operation::GetShardIterator => read::get_shard_iterator(core, &request).map(Reply::from),
        Operation::ListShards => shard::list_shards(core, &request).map(Reply::from),
        Operation::SplitShard => shard::split_shard(core, &request).map(Reply::from),
        Operation::MergeShards => shard::merge_shards(core, &request).map(Reply::from),
        Operation::UpdateShardCount => shard::update_shard_count(core, &request).map(Reply::from),
        Operation::CreateStream => stream::create_stream(core, &request).map(Reply::from),
        Operation::DeleteStream => stream::delete_stream(core, &request).map(Reply::from),
        Operation::DescribeStream => stream::describe_stream(core, &request).map(Reply::from),
        Operation::DescribeStreamSummary => stream::describe_stream_summary(core, &request).map(Reply::from),
        Operation::ListStreams => stream::list_streams(core, &request).map(Reply::from),
    }
}

/// The body as this operation's input. An empty one is an empty object.
fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).map_err(|error| not_serialized(&error))
}

fn not_serialized(error: &serde_json::Error) -> Failure {
    Failure::new("SerializationException", error.to_string())
}

/// The name of the stream that a request means, by name or by ARN.
fn named<'a>(name: Option<&'a str>, arn: Option<&'a str>) -> Result<&'a str, Failure> {
    let mut check = Check::default();
    let name = match (name, arn) {
        (Some(name), _) => name,
        (None, Some(arn)) => arn
            .split_once(":stream/")
            .map(|(_, name)| name)
            .ok_or_else(|| Failure::argument(format!("{arn} is no ARN of a stream.")))?,
        (None, None) => return Err(Failure::argument("Either StreamName or StreamARN must be provided.")),
    };
    check.name("streamName", name);
    check.finish()?;
    Ok(name)
}

/// A stream that exists, in whatever state.
fn existing<'a>(core: &'a mut Core, name: &str) -> Result<&'a mut Stream, Failure> {
    core.streams.get_mut(name).ok_or_else(|| Failure::no_stream(name))
}

fn arn(name: &str, region: &str) -> String {
    format!("arn:aws:kinesis:{region}:{}:stream/{name}", crate::error::ACCOUNT)
}

/// Something opaque that comes back to us: parts, as Base64.
fn seal(parts: &[&str]) -> String {
    base64_simd::STANDARD.encode_to_string(parts.join("|"))
}

/// The parts of what [`seal`] made.
fn unseal<const N: usize>(token: &str) -> Option<[String; N]> {
    let text = String::from_utf8(base64_simd::STANDARD.decode_to_vec(token).ok()?).ok()?;
    text.split('|').map(str::to_owned).collect::<Vec<_>>().try_into().ok()
}

/// How long iterators and page tokens are good for, in milliseconds.
const GOOD_FOR_MS: u64 = 300_000;
