//! Streams: to create, delete, describe and list them.

use std::ops::Bound;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Request, arn, existing, input, named};
use crate::core::Core;
use crate::error::{ACCOUNT, Check, Failure};
use crate::stream::Stream;

/// More shards than any account has; a typing error must not fill the memory.
const MOST_SHARDS: u64 = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateStream {
    stream_name: Option<String>,
    shard_count: Option<u64>,
    #[serde(rename = "MaxRecordSizeInKiB")]
    record_kib: Option<u64>,
}

pub(super) fn create_stream(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: CreateStream = input(request.body)?;
    let name = named(input.stream_name.as_deref(), None)?;
    // An on-demand stream begins with four.
    let shards = input.shard_count.unwrap_or(4);
    let mut check = Check::default();
    check.range("shardCount", shards, 1, MOST_SHARDS);
    if let Some(kib) = input.record_kib {
        check.range("maxRecordSizeInKiB", kib, 1024, 10240);
    }
    check.finish()?;
    if core.streams.contains_key(name) {
        let message = format!("Stream {name} under account {ACCOUNT} already exists.");
        return Err(Failure::new("ResourceInUseException", message));
    }
    let mut stream = Stream::new(name.to_owned(), shards as usize, request.now);
    stream.active_at = request.now + Duration::from_millis(core.settings.account.create_ms);
    stream.record_bytes = input.record_kib.map(|kib| kib as usize * 1024);
    core.streams.insert(name.to_owned(), stream);
    Ok(Value::Null)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    limit: Option<u64>,
    exclusive_start_shard_id: Option<String>,
}

pub(super) fn delete_stream(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: Named = input(request.body)?;
    let name = named(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    core.streams.remove(name).ok_or_else(|| Failure::no_stream(name))?;
    Ok(Value::Null)
}

/// What all descriptions of a stream have.
fn summary(stream: &Stream, request: &Request<'_>) -> Value {
    json!({
        "StreamName": stream.name,
        "StreamARN": arn(&stream.name, request.region),
        "StreamStatus": stream.status(request.now),
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "StreamCreationTimestamp": stream.created_ms as f64 / 1e3,
    })
}

fn details(stream: &Stream, request: &Request<'_>) -> Value {
    let mut value = summary(stream, request);
    value["RetentionPeriodHours"] = 24.into();
    value["EnhancedMonitoring"] = json!([{"ShardLevelMetrics": []}]);
    value["EncryptionType"] = "NONE".into();
    value
}

pub(super) fn describe_stream(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: Named = input(request.body)?;
    let limit = input.limit.unwrap_or(100);
    let mut check = Check::default();
    check.range("limit", limit, 1, 10_000);
    check.finish()?;
    let stream = existing(core, named(input.stream_name.as_deref(), input.stream_arn.as_deref())?)?;
    let from = match &input.exclusive_start_shard_id {
        Some(id) => stream.index(id)? + 1,
        None => 0,
    };
    let rest = &stream.shards[from..];
    let shards: Vec<Value> = rest.iter().take(limit as usize).map(|shard| shard.describe()).collect();
    let mut description = details(stream, request);
    description["HasMoreShards"] = (shards.len() < rest.len()).into();
    description["Shards"] = shards.into();
    Ok(json!({"StreamDescription": description}))
}

pub(super) fn describe_stream_summary(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: Named = input(request.body)?;
    let record_bytes = core.settings.limits.record_bytes;
    let stream = existing(core, named(input.stream_name.as_deref(), input.stream_arn.as_deref())?)?;
    let mut description = details(stream, request);
    description["OpenShardCount"] = stream.open.len().into();
    description["ConsumerCount"] = 0.into();
    description["MaxRecordSizeInKiB"] = (stream.record_bytes.unwrap_or(record_bytes) / 1024).into();
    Ok(json!({"StreamDescriptionSummary": description}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreams {
    limit: Option<u64>,
    exclusive_start_stream_name: Option<String>,
    next_token: Option<String>,
}

pub(super) fn list_streams(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: ListStreams = input(request.body)?;
    let limit = input.limit.unwrap_or(100);
    let mut check = Check::default();
    check.range("limit", limit, 1, 10_000);
    check.finish()?;
    // The token is the name that was last.
    let after = input.next_token.or(input.exclusive_start_stream_name);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = core.streams.range::<String, _>((from, Bound::Unbounded)).map(|(_, stream)| stream);
    let listed: Vec<&Stream> = rest.by_ref().take(limit as usize).collect();
    let more = rest.next().is_some();
    let mut reply = json!({
        "StreamNames": listed.iter().map(|stream| stream.name.clone()).collect::<Vec<_>>(),
        "StreamSummaries": listed.iter().map(|stream| summary(stream, request)).collect::<Vec<_>>(),
        "HasMoreStreams": more,
    });
    if let Some(last) = listed.last().filter(|_| more) {
        reply["NextToken"] = last.name.clone().into();
    }
    Ok(reply)
}
