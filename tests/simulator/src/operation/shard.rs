//! ListShards and what changes shards.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{GOOD_FOR_MS, Request, arn, existing, input, named, seal, unseal};
use crate::core::Core;
use crate::error::{ACCOUNT, Check, Failure};
use crate::shard::ShardId;
use crate::stream::Stream;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListShards {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    exclusive_start_shard_id: Option<String>,
    max_results: Option<u64>,
    shard_filter: Option<ShardFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShardFilter {
    r#type: String,
    shard_id: Option<String>,
}

pub(super) fn list_shards(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: ListShards = input(request.body)?;
    let page = core.settings.account.page_shards.max(1);
    let most = input.max_results.unwrap_or(page as u64);
    let mut check = Check::default();
    check.range("maxResults", most, 1, 10_000);
    check.finish()?;
    let now_ms = request.now.as_millis() as u64;

    let (name, from, open_only) = if let Some(token) = &input.next_token {
        if input.stream_name.is_some() || input.stream_arn.is_some() {
            return Err(Failure::argument("NextToken and StreamName cannot be provided together."));
        }
        let invalid = || Failure::argument("Invalid NextToken.");
        let [kind, name, from, filter, made_ms] = unseal::<5>(token).ok_or_else(invalid)?;
        let (Ok(from), Ok(made_ms)) = (from.parse::<usize>(), made_ms.parse::<u64>()) else {
            return Err(invalid());
        };
        if kind != "shards" {
            return Err(invalid());
        }
        if now_ms.saturating_sub(made_ms) > GOOD_FOR_MS {
            return Err(Failure::new("ExpiredNextTokenException", "The pagination token has expired."));
        }
        (name, from, filter == "open")
    } else {
        let name = named(input.stream_name.as_deref(), input.stream_arn.as_deref())?.to_owned();
        let filter = input.shard_filter.as_ref();
        let after = input
            .exclusive_start_shard_id
            .as_deref()
            .or_else(|| filter.filter(|filter| filter.r#type == "AFTER_SHARD_ID")?.shard_id.as_deref());
        let from = after.and_then(ShardId::parse).map_or(0, |shard| shard.0 + 1);
        (name, from, filter.is_some_and(|filter| filter.r#type == "AT_LATEST"))
    };

    let stream = existing(core, &name)?;
    let mut shards =
        stream.shards.iter().skip(from).filter(|shard| !open_only || shard.closed_ms.is_none()).peekable();
    let mut listed = Vec::new();
    while listed.len() < page.min(most as usize)
        && let Some(shard) = shards.next()
    {
        listed.push(shard.describe());
    }
    let mut reply = json!({"Shards": listed});
    if let Some(next) = shards.peek() {
        let filter = if open_only { "open" } else { "all" };
        reply["NextToken"] =
            seal(&["shards", &name, &next.id.0.to_string(), filter, &now_ms.to_string()]).into();
    }
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SplitShard {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_to_split: String,
    new_starting_hash_key: String,
}

pub(super) fn split_shard(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: SplitShard = input(request.body)?;
    let mut check = Check::default();
    check.name("shardToSplit", &input.shard_to_split);
    check.hash_key("newStartingHashKey", &input.new_starting_hash_key);
    check.finish()?;
    let at = input.new_starting_hash_key.parse().unwrap_or(u128::MAX); // 2^128 and more: no shard has it
    change(core, request, input.stream_name, input.stream_arn, |stream| {
        let index = stream.open_index(&input.shard_to_split)?;
        stream.split(index, at, request.now)
    })?;
    Ok(Value::Null)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MergeShards {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_to_merge: String,
    adjacent_shard_to_merge: String,
}

pub(super) fn merge_shards(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: MergeShards = input(request.body)?;
    change(core, request, input.stream_name, input.stream_arn, |stream| {
        let one = stream.open_index(&input.shard_to_merge)?;
        let other = stream.open_index(&input.adjacent_shard_to_merge)?;
        stream.merge(one, other, request.now)
    })?;
    Ok(Value::Null)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateShardCount {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    target_shard_count: u64,
}

pub(super) fn update_shard_count(core: &mut Core, request: &Request<'_>) -> Result<Value, Failure> {
    let input: UpdateShardCount = input(request.body)?;
    let target = input.target_shard_count;
    let mut check = Check::default();
    check.range("targetShardCount", target, 1, 100_000);
    check.finish()?;
    let (name, before) = change(core, request, input.stream_name, input.stream_arn, |stream| {
        let open = stream.open.len() as u64;
        if target > open * 2 || target < open.div_ceil(2) {
            let (direction, bound) = if target > open {
                ("up over double", open * 2)
            } else {
                ("down below half", open.div_ceil(2))
            };
            return Err(Failure::new(
                "LimitExceededException",
                format!(
                    "UpdateShardCount cannot scale {direction} your current open shard count. Current open shard \
                     count: {open} Target shard count: {target} Limit: {bound}"
                ),
            ));
        }
        stream.scale(target as usize, request.now)
    })?;
    Ok(json!({
        "StreamName": name,
        "StreamARN": arn(&name, request.region),
        "CurrentShardCount": before,
        "TargetShardCount": target,
    }))
}

/// Change the shards of a stream that is ACTIVE, which is then UPDATING for a while. The change itself is seen at
/// once. Returns the stream's name and how many shards were open before.
fn change(
    core: &mut Core,
    request: &Request<'_>,
    name: Option<String>,
    arn: Option<String>,
    change: impl FnOnce(&mut Stream) -> Result<(), Failure>,
) -> Result<(String, usize), Failure> {
    let update_ms = core.settings.account.update_ms;
    let stream = existing(core, named(name.as_deref(), arn.as_deref())?)?;
    let status = stream.status(request.now);
    if status != "ACTIVE" {
        return Err(Failure::new(
            "ResourceInUseException",
            format!("Stream {} under account {ACCOUNT} not ACTIVE, instead in state {status}", stream.name),
        ));
    }
    let before = stream.open.len();
    change(stream)?;
    stream.updated_at = request.now + std::time::Duration::from_millis(update_ms);
    Ok((stream.name.clone(), before))
}
