//! A shard: a range of hash keys, what it holds, and what it lets through.

use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::rate::{Bucket, Window};
use crate::sequence::{LAST, Sequence, digits};
use crate::setting::Limits;

/// The name of the shard with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardId(pub usize);

impl Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl ShardId {
    /// `shardId-` and twelve digits.
    pub(crate) fn text(self) -> [u8; 20] {
        let mut text = *b"shardId-000000000000";
        digits(&mut text[8..], self.0 as u64);
        text
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("shardId-").filter(|digits| digits.len() == 12)?;
        digits.parse().ok().map(Self)
    }
}

/// What is kept of a record's data.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// The Base64 text as it came: a part of the request, not a copy.
    Base64(Bytes),
    /// The MD5 of the data.
    Md5([u8; 16]),
}

/// A record that was stored.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub counter: u64,
    pub arrival_ms: u64,
    pub key: Bytes,
    pub data: Data,
    /// Bytes of the data.
    pub size: usize,
    /// Whether the client was told that it is stored.
    pub acknowledged: bool,
}

/// One shard, open or closed.
#[derive(Debug)]
pub(crate) struct Shard {
    pub id: ShardId,
    pub low: u128,
    pub high: u128,
    pub parents: Vec<ShardId>,
    pub created_ms: u64,
    pub first: u64,
    pub closed_ms: Option<u64>,
    pub records: Vec<Record>,
    pub traffic: Traffic,
    record_bucket: Bucket,
    byte_bucket: Bucket,
}

/// What went through a shard.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub records: u64,
    pub bytes: u64,
    pub throttled: u64,
    pub in_flight: usize,
    pub most_in_flight: usize,
    first: Option<Duration>,
    last: Duration,
    window: Window,
}

impl Shard {
    pub(crate) fn new(
        id: ShardId,
        range: (u128, u128),
        parents: Vec<ShardId>,
        created_ms: u64,
        first: u64,
    ) -> Self {
        Self {
            id,
            low: range.0,
            high: range.1,
            parents,
            created_ms,
            first,
            closed_ms: None,
            records: Vec::new(),
            traffic: Traffic::default(),
            record_bucket: Bucket::new(),
            byte_bucket: Bucket::new(),
        }
    }

    /// Whether a record of this many bytes may pass now; if so, it has.
    pub(crate) fn admit(&mut self, now: Duration, bytes: u64, limits: &Limits) -> bool {
        let Limits { shard_records, shard_bytes, burst, .. } = *limits;
        if shard_records != 0 {
            self.record_bucket.refill(now, shard_records, burst);
        }
        if shard_bytes != 0 {
            self.byte_bucket.refill(now, shard_bytes, burst);
        }
        // Both, before either is taken from.
        if (shard_records != 0 && !self.record_bucket.affords(1, shard_records, burst))
            || (shard_bytes != 0 && !self.byte_bucket.affords(bytes, shard_bytes, burst))
        {
            return false;
        }
        if shard_records != 0 {
            self.record_bucket.take(1);
        }
        if shard_bytes != 0 {
            self.byte_bucket.take(bytes);
        }
        true
    }

    /// Count a record that was stored.
    pub(crate) fn count(&mut self, now: Duration, bytes: u64) {
        let traffic = &mut self.traffic;
        traffic.records += 1;
        traffic.bytes += bytes;
        traffic.first.get_or_insert(now);
        traffic.last = now;
        traffic.window.add(now, bytes);
    }

    pub(crate) fn sequence(&self, counter: u64, arrival_ms: u64) -> Sequence {
        Sequence { created_ms: self.created_ms, counter, arrival_ms, shard: self.id.0 }
    }

    /// The shard as ListShards has it.
    pub(crate) fn describe(&self) -> Value {
        let mut shard = json!({
            "ShardId": self.id.to_string(),
            "HashKeyRange": {
                "StartingHashKey": self.low.to_string(),
                "EndingHashKey": self.high.to_string(),
            },
            "SequenceNumberRange": {
                "StartingSequenceNumber": self.sequence(self.first, self.created_ms).to_string(),
            },
        });
        if let Some(closed_ms) = self.closed_ms {
            shard["SequenceNumberRange"]["EndingSequenceNumber"] =
                self.sequence(LAST, closed_ms).to_string().into();
        }
        for (name, parent) in ["ParentShardId", "AdjacentParentShardId"].into_iter().zip(&self.parents) {
            shard[name] = parent.to_string().into();
        }
        shard
    }

    /// The shard as `/_stats` has it.
    pub(crate) fn stats(&self) -> Value {
        let traffic = &self.traffic;
        let seconds = traffic.last.saturating_sub(traffic.first.unwrap_or_default()).as_secs_f64();
        // A burst at one instant has no rate.
        let rate = |total: u64| if seconds > 0.0 { total as f64 / seconds } else { 0.0 };
        json!({
            "id": self.id.to_string(),
            "open": self.closed_ms.is_none(),
            "records": traffic.records,
            "bytes": traffic.bytes,
            "throttled": traffic.throttled,
            "records_per_second": rate(traffic.records),
            "bytes_per_second": rate(traffic.bytes),
            "most_records_in_a_second": traffic.window.most_records,
            "most_bytes_in_a_second": traffic.window.most_bytes,
            "in_flight": traffic.in_flight,
            "most_in_flight": traffic.most_in_flight,
        })
    }
}
