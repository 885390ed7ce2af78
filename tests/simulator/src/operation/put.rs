//! PutRecord and PutRecords. What came is kept as it came: the Base64 text is checked and not decoded.

use std::borrow::Cow;
use std::io::Write;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{Reply, Request, named, not_serialized};
use crate::core::Core;
use crate::error::{ACCOUNT, Check, Failure, INTERNAL, THROTTLED, rate_exceeded};
use crate::sequence::Sequence;
use crate::shard::ShardId;
use crate::stream::{Entry, Outcome, Put};

/// Text that is borrowed from the request. A type of its own because an `Option<Cow>` never borrows.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// As a part of the body that it was read from.
    fn share(self, body: &Bytes) -> Bytes {
        match self.0 {
            Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        }
    }
}

fn text<'a>(text: &'a Option<Text<'_>>) -> Option<&'a str> {
    text.as_ref().map(|text| &*text.0)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent<'a> {
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    records: Option<Vec<Sent<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    #[serde(borrow)]
    stream_name: Option<Text<'a>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    partition_key: Option<Text<'a>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Text<'a>>,
    #[serde(borrow)]
    sequence_number_for_ordering: Option<Text<'a>>,
}

/// Bytes that Base64 text decodes to, if it is Base64.
fn decoded_size(text: &[u8]) -> Option<usize> {
    base64_simd::STANDARD.check(text).ok()?;
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    Some(text.len() / 4 * 3 - padding)
}

/// A record, once its members are what they may be. `member` is where it stands in the request.
fn entry(
    sent: Sent<'_>,
    body: &Bytes,
    record_bytes: usize,
    member: &dyn Fn(&str) -> String,
    check: &mut Check,
) -> Result<Option<Entry>, Failure> {
    if sent.data.is_none() {
        check.not_null(&member("data"));
    }
    if sent.partition_key.is_none() {
        check.not_null(&member("partitionKey"));
    }
    let (Some(data), Some(key)) = (sent.data, sent.partition_key) else { return Ok(None) };
    let size = decoded_size(data.0.as_bytes()).ok_or_else(|| {
        Failure::new(
            "SerializationException",
            format!("{} can not be converted to a Blob: no Base64", member("data")),
        )
    })?;
    // Characters, not bytes; and not more than is needed to know.
    let characters = if key.0.len() <= 256 { key.0.len() } else { key.0.chars().count() };
    if characters > 256 || key.0.is_empty() {
        let name = member("partitionKey");
        check.least(&name, Some(&key.0), characters, 1);
        check.most(&name, Some(&key.0), characters, 256);
    }
    if record_bytes != 0 && size > record_bytes {
        check.most(&member("data"), None, size, record_bytes);
    }
    let mut hash_key = None;
    if let Some(explicit) = sent.explicit_hash_key {
        check.hash_key(&member("explicitHashKey"), &explicit.0);
        if explicit.0.bytes().all(|byte| byte.is_ascii_digit()) && explicit.0.len() <= 39 {
            hash_key = Some(explicit.0.parse::<u128>().map_err(|_| {
                Failure::argument(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                     {}",
                    explicit.0
                ))
            })?);
        }
    }
    Ok(Some(Entry { key: key.share(body), hash_key, data: data.share(body), size }))
}

/// Data and key together; AWS counts both. (The wording is ours.)
fn total_fits(entry: &Entry, record_bytes: usize) -> Result<(), Failure> {
    let total = entry.size + entry.key.len();
    if record_bytes != 0 && total > record_bytes {
        return Err(Failure::argument(format!(
            "Record size exceeds the limit: data and partition key have {total} bytes, of {record_bytes} at most"
        )));
    }
    Ok(())
}

/// The limit of a record's size on a stream that can be written to.
fn record_bytes(core: &Core, name: &str, request: &Request<'_>) -> Result<usize, Failure> {
    let stream = core
        .streams
        .get(name)
        .filter(|stream| stream.status(request.now) != "CREATING")
        .ok_or_else(|| Failure::no_stream(name))?;
    Ok(match core.settings.limits.record_bytes {
        0 => 0,
        limit => stream.record_bytes.unwrap_or(limit),
    })
}

pub(super) fn put_records(core: &mut Core, request: Request<'_>) -> Result<Reply, Failure> {
    let body = request.body;
    let input: PutRecords<'_> = serde_json::from_slice(body).map_err(|error| not_serialized(&error))?;
    let name = named(text(&input.stream_name), text(&input.stream_arn))?.to_owned();
    let limits = core.settings.limits.clone();

    let mut check = Check::default();
    let Some(records) = input.records else {
        check.not_null("records");
        return check.finish().map(|()| Reply::default());
    };
    check.least("records", None, records.len(), 1);
    if limits.request_records != 0 {
        check.most("records", None, records.len(), limits.request_records);
    }
    let known = record_bytes(core, &name, &request);
    let record_bytes = *known.as_ref().unwrap_or(&limits.record_bytes);
    let mut entries = Vec::with_capacity(records.len());
    for (index, sent) in records.into_iter().enumerate() {
        let member = |member: &str| format!("records.{}.member.{member}", index + 1);
        entries.extend(entry(sent, body, record_bytes, &member, &mut check)?);
    }
    check.finish()?;
    known?;
    for entry in &entries {
        total_fits(entry, record_bytes)?;
    }
    let bytes: usize = entries.iter().map(|entry| entry.size + entry.key.len()).sum();
    core.stats.largest(entries.len(), bytes);
    if limits.request_bytes != 0 && bytes > limits.request_bytes {
        // In whole megabytes as AWS says it; ours may be set to less.
        let limit = match limits.request_bytes {
            whole if whole.is_multiple_of(1 << 20) => format!("{} MB", whole >> 20),
            other => format!("{other} bytes"),
        };
        return Err(Failure::argument(format!("Records size exceeds {limit} limit")));
    }

    let (outcomes, touched) = store(core, &name, &entries, request)?;
    Ok(Reply { body: answer(core, &name, &outcomes), stream: name, touched })
}

pub(super) fn put_record(core: &mut Core, request: Request<'_>) -> Result<Reply, Failure> {
    let body = request.body;
    let input: PutRecord<'_> = serde_json::from_slice(body).map_err(|error| not_serialized(&error))?;
    let name = named(text(&input.stream_name), text(&input.stream_arn))?.to_owned();
    let known = record_bytes(core, &name, &request);
    let record_bytes = *known.as_ref().unwrap_or(&core.settings.limits.record_bytes);
    let mut check = Check::default();
    let sent = Sent {
        data: input.data,
        partition_key: input.partition_key,
        explicit_hash_key: input.explicit_hash_key,
    };
    let entry = entry(sent, body, record_bytes, &str::to_owned, &mut check)?;
    check.finish()?;
    known?;
    let Some(entry) = entry else { return Err(Failure::internal()) };
    total_fits(&entry, record_bytes)?;
    if let Some(after) = input.sequence_number_for_ordering {
        let ours = Sequence::parse(&after.0);
        if ours.is_none_or(|after| u128::from(after.arrival_ms) > request.now.as_millis()) {
            return Err(Failure::argument(format!(
                "ExclusiveMinimumSequenceNumber {} used in PutRecord on stream {name} under account {ACCOUNT} is \
                 invalid.",
                after.0
            )));
        }
    }
    core.stats.largest(1, entry.size + entry.key.len());

    let (outcomes, touched) = store(core, &name, &[entry], request)?;
    let stream = &core.streams[&name];
    let reply = match outcomes[..] {
        [Outcome::Stored { shard, counter }] => json!({
            "ShardId": ShardId(shard).to_string(),
            "SequenceNumber": sequence(stream, shard, counter, core.latest_ms).to_string(),
        }),
        [Outcome::Throttled { shard }] => {
            core.land(&name, &touched);
            return Err(Failure::throttled(ShardId(shard), &name));
        }
        _ => {
            core.land(&name, &touched);
            return Err(Failure::internal());
        }
    };
    Ok(Reply { stream: name, touched, ..Reply::from(reply) })
}

/// Store entries, after the change of shards that the plan may have.
fn store(
    core: &mut Core,
    name: &str,
    entries: &[Entry],
    request: Request<'_>,
) -> Result<(Vec<Outcome>, Vec<usize>), Failure> {
    let Request { now, keep, plan, .. } = request;
    let Core { settings, streams, stats, latest_ms } = core;
    let stream = streams.get_mut(name).ok_or_else(|| Failure::no_stream(name))?;
    *latest_ms = now.as_millis() as u64;
    if plan.reshard {
        stream.reshard(&mut plan.random, settings.faults.reshard_most, now)?;
    }
    let (outcomes, touched) =
        stream.put(entries, &mut Put { now, limits: &settings.limits, plan, keep, stats });
    Ok((outcomes, touched))
}

fn sequence(stream: &crate::stream::Stream, shard: usize, counter: u64, arrival_ms: u64) -> Sequence {
    stream.shards[shard].sequence(counter, arrival_ms)
}

/// The answer to PutRecords, written rather than built: it is most of the work of a small record.
fn answer(core: &Core, name: &str, outcomes: &[Outcome]) -> Vec<u8> {
    let stream = &core.streams[name];
    let failed = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Stored { .. })).count();
    let mut body = Vec::with_capacity(64 + outcomes.len() * 128);
    // Names of streams and shards need no escapes, and a Vec takes all that is written.
    let _ = write!(body, r#"{{"FailedRecordCount":{failed},"Records":["#);
    for (index, outcome) in outcomes.iter().enumerate() {
        if index != 0 {
            body.push(b',');
        }
        match *outcome {
            Outcome::Stored { shard, counter } => {
                body.extend_from_slice(br#"{"SequenceNumber":""#);
                body.extend_from_slice(&sequence(stream, shard, counter, core.latest_ms).text());
                body.extend_from_slice(br#"","ShardId":""#);
                body.extend_from_slice(&ShardId(shard).text());
                body.extend_from_slice(br#""}"#);
            }
            Outcome::Throttled { shard } => {
                let message = rate_exceeded(ShardId(shard), name);
                let _ = write!(body, r#"{{"ErrorCode":"{THROTTLED}","ErrorMessage":"{message}"}}"#);
            }
            Outcome::Failed => {
                let _ = write!(body, r#"{{"ErrorCode":"InternalFailure","ErrorMessage":"{INTERNAL}"}}"#);
            }
        }
    }
    body.extend_from_slice(b"]}");
    body
}
