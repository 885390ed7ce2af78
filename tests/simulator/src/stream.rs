//! A stream: its shards, how records find them, and how they split and merge.

use std::time::Duration;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::core::Stats;
use crate::error::{ACCOUNT, Failure};
use crate::fault::{Fault, Plan};
use crate::setting::Limits;
use crate::shard::{Data, Record, Shard, ShardId};

/// A record that was sent, checked and ready to be stored.
#[derive(Debug)]
pub(crate) struct Entry {
    pub key: Bytes,
    pub hash_key: Option<u128>,
    /// Base64.
    pub data: Bytes,
    /// Bytes of the data when decoded.
    pub size: usize,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored { shard: usize, counter: u64 },
    Throttled { shard: usize },
    Failed,
}

/// How much is kept of what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// Everything.
    #[default]
    All,
    /// Everything but the data, of which the MD5 stays.
    Hash,
    /// Nothing but counters.
    Count,
}

/// What is needed to store a request.
#[derive(Debug)]
pub(crate) struct Put<'a> {
    pub now: Duration,
    pub limits: &'a Limits,
    pub plan: &'a mut Plan,
    pub keep: Keep,
    pub stats: &'a mut Stats,
}

/// A stream of records.
#[derive(Debug)]
pub(crate) struct Stream {
    pub name: String,
    pub created_ms: u64,
    /// Bytes of a record at most, when the stream has its own limit.
    pub record_bytes: Option<usize>,
    /// CREATING until then.
    pub active_at: Duration,
    /// UPDATING until then.
    pub updated_at: Duration,
    /// All that ever were, by index.
    pub shards: Vec<Shard>,
    /// Indices of those that take records, in the order of their ranges.
    pub open: Vec<usize>,
    counter: u64,
}

impl Stream {
    pub(crate) fn new(name: String, shards: usize, now: Duration) -> Self {
        let created_ms = now.as_millis() as u64;
        let mut stream = Self {
            name,
            created_ms,
            record_bytes: None,
            active_at: now,
            updated_at: now,
            shards: Vec::new(),
            open: Vec::new(),
            counter: 0,
        };
        let starts = uniform(shards);
        for (index, low) in starts.iter().enumerate() {
            let high = starts.get(index + 1).map_or(u128::MAX, |next| next - 1);
            stream.open_shard((*low, high), Vec::new(), now);
        }
        stream
    }

    pub(crate) fn status(&self, now: Duration) -> &'static str {
        if now < self.active_at {
            "CREATING"
        } else if now < self.updated_at {
            "UPDATING"
        } else {
            "ACTIVE"
        }
    }

    /// The number of the latest record.
    pub(crate) fn counter(&self) -> u64 {
        self.counter
    }

    /// Begin again with as many fresh shards as are open. Their numbers go on.
    pub(crate) fn forget(&mut self, now: Duration) {
        let counter = self.counter;
        let fresh = Self::new(std::mem::take(&mut self.name), self.open.len(), now);
        *self = Self { counter, record_bytes: self.record_bytes, ..fresh };
    }

    fn open_shard(&mut self, range: (u128, u128), parents: Vec<ShardId>, now: Duration) {
        let index = self.shards.len();
        self.shards.push(Shard::new(ShardId(index), range, parents, now.as_millis() as u64, self.counter));
        let place = self.open.partition_point(|open| self.shards[*open].low < range.0);
        self.open.insert(place, index);
    }

    fn close_shard(&mut self, index: usize, now: Duration) {
        self.open.retain(|open| *open != index);
        self.shards[index].closed_ms = Some(now.as_millis() as u64);
    }

    /// The open shard of an entry.
    fn route(&self, entry: &Entry) -> usize {
        if let [only] = self.open[..] {
            return only; // and nothing is hashed
        }
        let hash = entry.hash_key.unwrap_or_else(|| u128::from_be_bytes(Md5::digest(&entry.key).into()));
        let after = self.open.partition_point(|open| self.shards[*open].low <= hash);
        self.open[after - 1] // the ranges of the open shards begin at 0
    }

    /// Store what may be stored. Outcomes are in the order of the entries; shards that were touched are in flight
    /// until [`Self::land`].
    pub(crate) fn put(&mut self, entries: &[Entry], put: &mut Put<'_>) -> (Vec<Outcome>, Vec<usize>) {
        let arrival_ms = put.now.as_millis() as u64;
        let told = put.plan.request.is_none_or(Fault::acknowledges);
        let mut touched = Vec::new();
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = self.route(entry);
            let shard = &mut self.shards[index];
            if !touched.contains(&index) {
                touched.push(index);
                shard.traffic.in_flight += 1;
                shard.traffic.most_in_flight = shard.traffic.most_in_flight.max(shard.traffic.in_flight);
            }
            let bytes = (entry.size + entry.key.len()) as u64;
            let fault = put.plan.record();
            if let Some(fault) = fault {
                put.stats.fault(fault);
            }
            if fault == Some(Fault::FailRecord) {
                outcomes.push(Outcome::Failed);
                continue;
            }
            if fault == Some(Fault::ThrottleRecord) || !shard.admit(put.now, bytes, put.limits) {
                shard.traffic.throttled += 1;
                outcomes.push(Outcome::Throttled { shard: index });
                continue;
            }
            self.counter += 1;
            shard.count(put.now, bytes);
            if let Some((key, data)) = kept(put.keep, entry) {
                let acknowledged = told && fault.is_none();
                let (counter, size) = (self.counter, entry.size);
                shard.records.push(Record { counter, arrival_ms, key, data, size, acknowledged });
            }
            outcomes.push(match fault {
                Some(_) => Outcome::Failed,
                None => Outcome::Stored { shard: index, counter: self.counter },
            });
        }
        (outcomes, touched)
    }

    /// A request on these shards is answered.
    pub(crate) fn land(&mut self, touched: &[usize]) {
        for index in touched {
            if let Some(shard) = self.shards.get_mut(*index) {
                shard.traffic.in_flight = shard.traffic.in_flight.saturating_sub(1);
            }
        }
    }

    /// The index of a shard that is open.
    pub(crate) fn open_index(&self, id: &str) -> Result<usize, Failure> {
        let index = self.index(id)?;
        if self.shards[index].closed_ms.is_some() {
            let name = &self.name;
            return Err(Failure::argument(format!(
                "Shard {id} in stream {name} under account {ACCOUNT} is closed: it was split or merged before."
            )));
        }
        Ok(index)
    }

    /// The index of a shard.
    pub(crate) fn index(&self, id: &str) -> Result<usize, Failure> {
        ShardId::parse(id)
            .map(|id| id.0)
            .filter(|index| *index < self.shards.len())
            .ok_or_else(|| Failure::no_shard(id, &self.name))
    }

    /// Close a shard and open two in its place, the second of which begins at `at`.
    pub(crate) fn split(&mut self, index: usize, at: u128, now: Duration) -> Result<(), Failure> {
        let Shard { id, low, high, .. } = self.shards[index];
        if at <= low || at - low < 2 || at >= high {
            return Err(Failure::argument(format!(
                "NewStartingHashKey {at} used in SplitShard() on shard {id} in stream {} under account {ACCOUNT} is \
                 not both greater than one plus the shard's StartingHashKey {low} and less than the shard's \
                 EndingHashKey {high}.",
                self.name
            )));
        }
        self.close_shard(index, now);
        self.open_shard((low, at - 1), vec![id], now);
        self.open_shard((at, high), vec![id], now);
        Ok(())
    }

    /// Close two adjacent shards and open one in their place.
    pub(crate) fn merge(&mut self, one: usize, other: usize, now: Duration) -> Result<(), Failure> {
        let (low, high) =
            if self.shards[one].low < self.shards[other].low { (one, other) } else { (other, one) };
        if self.shards[low].high.checked_add(1) != Some(self.shards[high].low) {
            return Err(Failure::argument(format!(
                "Shards {} and {} in stream {} under account {ACCOUNT} are not an adjacent pair of shards eligible \
                 for merging",
                ShardId(one),
                ShardId(other),
                self.name
            )));
        }
        let range = (self.shards[low].low, self.shards[high].high);
        self.close_shard(one, now);
        self.close_shard(other, now);
        self.open_shard(range, vec![ShardId(one), ShardId(other)], now);
        Ok(())
    }

    /// As many shards of equal ranges, by the splits and merges that it takes.
    pub(crate) fn scale(&mut self, target: usize, now: Duration) -> Result<(), Failure> {
        let starts = uniform(target);
        for start in &starts {
            let index = self.open[self.open.partition_point(|open| self.shards[*open].low <= *start) - 1];
            if self.shards[index].low != *start {
                self.split(index, *start, now)?;
            }
        }
        while let Some(place) = (1..self.open.len())
            .find(|place| starts.binary_search(&self.shards[self.open[*place]].low).is_err())
        {
            self.merge(self.open[place - 1], self.open[place], now)?;
        }
        Ok(())
    }

    /// Split a shard or merge two, whichever the draw says, and leave `most` open at most.
    pub(crate) fn reshard(
        &mut self,
        random: &mut fastrand::Rng,
        most: usize,
        now: Duration,
    ) -> Result<(), Failure> {
        let count = self.open.len();
        let split = count < 2 || (count < most && random.bool());
        if split && count >= most {
            return Ok(());
        }
        let place = random.usize(..if split { count } else { count - 1 });
        if split {
            let Shard { low, high, .. } = self.shards[self.open[place]];
            if high - low < 64 {
                return Ok(()); // nothing left to split
            }
            // Not always in the middle: clients must not guess ranges.
            let quarter = (high - low) / 4;
            let at = low + quarter + random.u128(1..=quarter * 2);
            self.split(self.open[place], at, now)
        } else {
            self.merge(self.open[place], self.open[place + 1], now)
        }
    }
}

/// Where the ranges of this many equal shards begin.
fn uniform(shards: usize) -> Vec<u128> {
    let count = shards.max(1) as u128;
    if count == 1 {
        return vec![0];
    }
    // index * 2^128 / count without the 129th bit. Rounded for each, not by a width: the thirds are among the sixths.
    let width = (u128::MAX - (count - 1)) / count + 1;
    let rest = 0u128.wrapping_sub(width.wrapping_mul(count));
    (0..count).map(|index| index * width + index * rest / count).collect()
}

/// The key and the data, or what stands for it.
fn kept(keep: Keep, entry: &Entry) -> Option<(Bytes, Data)> {
    match keep {
        Keep::All => Some((entry.key.clone(), Data::Base64(entry.data.clone()))),
        Keep::Hash => {
            // It was checked when it came.
            let data = base64_simd::STANDARD.decode_to_vec(&entry.data).unwrap_or_default();
            // A key that is a part of the request would keep all of it.
            Some((Bytes::copy_from_slice(&entry.key), Data::Md5(Md5::digest(data).into())))
        }
        Keep::Count => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn entry(key: &str, data: &str) -> Entry {
        let data = base64_simd::STANDARD.encode_to_string(data);
        Entry {
            key: Bytes::copy_from_slice(key.as_bytes()),
            hash_key: None,
            size: data.len() / 4 * 3 - data.bytes().filter(|byte| *byte == b'=').count(),
            data: Bytes::from(data),
        }
    }

    fn put(stream: &mut Stream, now: Duration, count: usize, limits: &Limits) -> Vec<Outcome> {
        let entries: Vec<Entry> =
            (0..count).map(|n| entry(&format!("key {n}"), &"x".repeat(1_000))).collect();
        let mut put =
            Put { now, limits, plan: &mut Plan::none(), keep: Keep::All, stats: &mut Stats::default() };
        let (outcomes, touched) = stream.put(&entries, &mut put);
        stream.land(&touched);
        outcomes
    }

    fn ranges_are_whole(stream: &Stream) {
        let open: Vec<_> = stream.open.iter().map(|open| &stream.shards[*open]).collect();
        assert_eq!((open[0].low, open[open.len() - 1].high), (0, u128::MAX));
        assert!(open.windows(2).all(|pair| pair[0].high + 1 == pair[1].low));
        assert!(
            stream.shards.iter().all(|shard| shard.closed_ms.is_none() == stream.open.contains(&shard.id.0))
        );
    }

    #[test]
    fn ranges_are_those_of_aws() {
        let stream = Stream::new("s".into(), 3, NOW);
        let lows: Vec<String> = stream.shards.iter().map(|shard| shard.low.to_string()).collect();
        assert_eq!(
            lows,
            ["0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970"]
        );
        for shards in [1, 2, 3, 7, 64] {
            ranges_are_whole(&Stream::new("s".into(), shards, NOW));
        }
    }

    #[test]
    fn a_key_goes_where_its_md5_says() {
        let stream = Stream::new("s".into(), 4, NOW);
        // MD5 of "a" is 0cc175b9…, of "b" 92eb5ffe…
        assert_eq!(stream.route(&entry("a", "")), 0);
        assert_eq!(stream.route(&entry("b", "")), 2);
        let explicit = Entry { hash_key: Some(u128::MAX), ..entry("a", "") };
        assert_eq!(stream.route(&explicit), 3);
    }

    #[test]
    fn a_shard_lets_its_rate_through() {
        let mut stream = Stream::new("s".into(), 1, NOW);
        let stored = |outcomes: &[Outcome]| {
            outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Stored { .. })).count()
        };
        let limits = Limits { shard_bytes: 0, ..Limits::default() };
        assert_eq!(stored(&put(&mut stream, NOW, 1_200, &limits)), 1_000);
        assert_eq!(stored(&put(&mut stream, NOW + Duration::from_millis(250), 1_200, &limits)), 250);
        let limits = Limits { shard_records: 0, ..Limits::default() };
        let mut stream = Stream::new("s".into(), 1, NOW);
        // 1,000 bytes of data and 5 to 8 of key: 1,006,890 for the first thousand, of 2^20.
        assert_eq!(stored(&put(&mut stream, NOW, 2_000, &limits)), 1_041);
        assert_eq!(stream.shards[0].traffic.throttled, 959);
    }

    #[test]
    fn resharding_keeps_the_ranges_whole_and_the_records_where_they_are() {
        let mut stream = Stream::new("s".into(), 2, NOW);
        let mut random = fastrand::Rng::with_seed(3);
        for step in 0..200 {
            put(&mut stream, NOW, 10, &Limits::OFF);
            assert_eq!(stream.reshard(&mut random, 8, NOW), Ok(()), "{step}");
            ranges_are_whole(&stream);
            assert!(stream.open.len() <= 8);
        }
        let held: usize = stream.shards.iter().map(|shard| shard.records.len()).sum();
        assert_eq!(held, 2_000);
    }

    #[test]
    fn scaling_gives_equal_ranges() {
        let mut stream = Stream::new("s".into(), 2, NOW);
        for target in [3, 6, 4, 2, 1, 2] {
            assert_eq!(stream.scale(target, NOW), Ok(()));
            ranges_are_whole(&stream);
            let lows: Vec<u128> = stream.open.iter().map(|open| stream.shards[*open].low).collect();
            assert_eq!(lows, uniform(target));
        }
    }

    #[test]
    fn what_cannot_be_split_or_merged_is_refused() {
        let mut stream = Stream::new("s".into(), 3, NOW);
        assert!(stream.split(0, 0, NOW).is_err());
        assert!(stream.split(0, u128::MAX, NOW).is_err());
        assert!(stream.merge(0, 2, NOW).is_err());
        assert!(stream.merge(1, 1, NOW).is_err());
        assert_eq!(stream.open, [0, 1, 2]);
        assert_eq!(stream.merge(0, 1, NOW), Ok(()));
        assert!(stream.open_index("shardId-000000000000").is_err());
        assert!(stream.open_index("shardId-000000000009").is_err());
    }
}
