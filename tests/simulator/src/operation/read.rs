//! GetShardIterator and GetRecords.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{GOOD_FOR_MS, Reply, Request, existing, input, named, seal, unseal};
use crate::core::Core;
use crate::error::{Check, Failure};
use crate::sequence::Sequence;
use crate::shard::{Data, ShardId};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIterator {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_id: String,
    shard_iterator_type: String,
    starting_sequence_number: Option<String>,
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords {
    shard_iterator: String,
    limit: Option<u64>,
}

/// A place in a shard: the first number that is still to be read.
fn iterator(stream: &str, shard: usize, from: u64, now_ms: u64) -> String {
    seal(&["iterator", stream, &shard.to_string(), &from.to_string(), &now_ms.to_string()])
}

pub(super) fn get_shard_iterator(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: GetShardIterator = input(request.body)?;
    let name = named(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let stream = existing(core, name)?;
    let index = stream.index(&input.shard_id)?;
    let shard = &stream.shards[index];
    let kind = input.shard_iterator_type.as_str();
    let from = match kind {
        "TRIM_HORIZON" => 0,
        "LATEST" => stream.counter() + 1,
        "AT_TIMESTAMP" => {
            let seconds = input.timestamp.ok_or_else(|| {
                Failure::argument("Must specify timestamp parameter for iterator of type AT_TIMESTAMP.")
            })?;
            let at_ms = (seconds * 1e3) as u64;
            let place = shard.records.partition_point(|record| record.arrival_ms < at_ms);
            shard.records.get(place).map_or(stream.counter() + 1, |record| record.counter)
        }
        "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER" => {
            let text = input.starting_sequence_number.ok_or_else(|| {
                Failure::argument(format!("Must specify StartingSequenceNumber for iterator of type {kind}."))
            })?;
            let sequence = Sequence::parse(&text).ok_or_else(|| {
                Failure::argument(format!(
                    "StartingSequenceNumber {text} used in GetShardIterator on shard {} in stream {name} is invalid.",
                    shard.id
                ))
            })?;
            if sequence.shard != index {
                return Err(Failure::argument(format!(
                    "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {}",
                    ShardId(sequence.shard),
                    shard.id
                )));
            }
            sequence.counter.saturating_add(u64::from(kind == "AFTER_SEQUENCE_NUMBER"))
        }
        _ => {
            let mut check = Check::default();
            check.fail(
                "shardIteratorType",
                Some(kind),
                "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
                 AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
            );
            check.finish()?;
            0
        }
    };
    Ok(json!({"ShardIterator": iterator(name, index, from, request.now.as_millis() as u64)}))
}

pub(super) fn get_records(core: &mut Core, request: &Request<'_>) -> Result<Reply, Failure> {
    const MOST_BYTES: usize = 10 << 20;
    let input: GetRecords = input(request.body)?;
    let limit = input.limit.unwrap_or(10_000);
    let mut check = Check::default();
    check.range("limit", limit, 1, 10_000);
    check.finish()?;
    let invalid = || Failure::argument("Invalid ShardIterator.");
    let [kind, name, index, from, made_ms] = unseal::<5>(&input.shard_iterator).ok_or_else(invalid)?;
    let (Ok(index), Ok(from), Ok(made_ms)) =
        (index.parse::<usize>(), from.parse::<u64>(), made_ms.parse::<u64>())
    else {
        return Err(invalid());
    };
    if kind != "iterator" {
        return Err(invalid());
    }
    let now_ms = request.now.as_millis() as u64;
    if now_ms.saturating_sub(made_ms) > GOOD_FOR_MS {
        return Err(Failure::new(
            "ExpiredIteratorException",
            format!(
                "Iterator expired. The iterator was created at time {made_ms} while right now it is {now_ms} which is \
                 further in the future than the tolerated delay of {GOOD_FOR_MS} milliseconds."
            ),
        ));
    }
    let stream = existing(core, &name)?;
    let shard = stream.shards.get(index).ok_or_else(invalid)?;

    let first = shard.records.partition_point(|record| record.counter < from);
    let mut bytes = 0;
    let mut read = first;
    let mut records = Vec::new();
    for record in shard.records[first..].iter().take(limit as usize) {
        if bytes + record.size > MOST_BYTES && !records.is_empty() {
            break;
        }
        bytes += record.size;
        read += 1;
        // Of a record without its data there is nothing to hand out.
        let Data::Base64(data) = &record.data else { continue };
        records.push(json!({
            "SequenceNumber": shard.sequence(record.counter, record.arrival_ms).to_string(),
            "ApproximateArrivalTimestamp": record.arrival_ms as f64 / 1e3,
            "Data": String::from_utf8_lossy(data),
            "PartitionKey": String::from_utf8_lossy(&record.key),
        }));
    }
    let behind = shard.records.get(read).map_or(0, |next| now_ms.saturating_sub(next.arrival_ms));
    let mut reply = json!({"Records": records, "MillisBehindLatest": behind});
    if shard.closed_ms.is_some() && read >= shard.records.len() {
        reply["ChildShards"] = stream
            .shards
            .iter()
            .filter(|child| child.parents.contains(&shard.id))
            .map(|child| {
                let parents: Vec<String> = child.parents.iter().map(ToString::to_string).collect();
                json!({
                    "ShardId": child.id.to_string(),
                    "ParentShards": parents,
                    "HashKeyRange": child.describe()["HashKeyRange"],
                })
            })
            .collect();
    } else {
        // Where nothing was read the place stays: what arrives next comes after it.
        let next = read.checked_sub(1).map_or(0, |last| shard.records[last].counter + 1).max(from);
        reply["NextShardIterator"] = iterator(&name, index, next, now_ms).into();
    }
    Ok(Reply::from(reply))
}
