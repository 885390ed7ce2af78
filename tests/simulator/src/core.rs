//! What the simulator knows: settings, streams and counters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::fault::Fault;
use crate::setting::Settings;
use crate::shard::Shard;
use crate::stream::Stream;

/// All of it, under one lock.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub settings: Settings,
    pub streams: BTreeMap<String, Stream>,
    pub stats: Stats,
    /// When the latest records arrived.
    pub latest_ms: u64,
}

impl Core {
    /// A request on these shards of this stream is answered.
    pub(crate) fn land(&mut self, stream: &str, touched: &[usize]) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.land(touched);
        }
    }

    /// What `/_stats` says.
    pub(crate) fn report(&self) -> Value {
        let streams: BTreeMap<&str, Value> = self
            .streams
            .values()
            .map(|stream| {
                let shards: Vec<Value> = stream.shards.iter().map(Shard::stats).collect();
                (stream.name.as_str(), json!({"open_shards": stream.open.len(), "shards": shards}))
            })
            .collect();
        let total = |count: fn(&Shard) -> u64| -> u64 {
            self.streams.values().flat_map(|stream| &stream.shards).map(count).sum()
        };
        let stats = &self.stats;
        json!({
            "connections": stats.connections,
            "requests": stats.requests,
            "put_requests": stats.numbered,
            "in_flight": stats.in_flight,
            "most_in_flight": stats.most_in_flight,
            "largest_request": {"records": stats.largest_records, "bytes": stats.largest_bytes},
            "records": total(|shard| shard.traffic.records),
            "bytes": total(|shard| shard.traffic.bytes),
            "throttled": total(|shard| shard.traffic.throttled),
            "errors": stats.errors,
            "faults": stats.faults,
            "streams": streams,
        })
    }
}

/// Counters of requests; those of records are the shards'.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub connections: u64,
    pub requests: BTreeMap<&'static str, u64>,
    pub errors: BTreeMap<&'static str, u64>,
    pub faults: BTreeMap<&'static str, u64>,
    /// Requests that could have failed: the number of the next one.
    pub numbered: u64,
    pub in_flight: usize,
    pub most_in_flight: usize,
    pub largest_records: usize,
    pub largest_bytes: usize,
}

impl Stats {
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    /// A request of this size came.
    pub(crate) fn largest(&mut self, records: usize, bytes: usize) {
        self.largest_records = self.largest_records.max(records);
        self.largest_bytes = self.largest_bytes.max(bytes);
    }
}

/// Time since 1970, that never goes back.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    since_1970: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), since_1970 }
    }

    pub(crate) fn now(&self) -> Duration {
        self.since_1970 + self.started.elapsed()
    }
}
