//! A producer, an engine and a simulated stream, in virtual time, and what has to be true at every step.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::delivery::backoff::Random;
use crate::delivery::simulator::{Faults, Simulator};
use crate::delivery::{
    Engine, Options, Outcome, Rate, RecordOutcome, Refusal, Request, Returned, Shard, Stats, Step,
};
use crate::envelope::{SourceId, Span, StreamRecord};

/// A record that knows its number: the first eight bytes of its data.
pub(super) fn identity(record: &StreamRecord) -> u64 {
    u64::from_le_bytes(record.data[..8].try_into().unwrap())
}

pub(super) fn data(number: u64, size: usize) -> bytes::Bytes {
    let mut data = number.to_le_bytes().to_vec();
    data.resize(size.max(8), b'.');
    data.into()
}

/// What a run is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) options: Options,
    pub(super) shards: usize,
    pub(super) limits: Option<Rate>,
    pub(super) faults: Faults,
    pub(super) records: u64,
    /// The largest record, in bytes of data.
    pub(super) size: usize,
    pub(super) keys: u64,
    /// Between two records.
    pub(super) gap: Duration,
    /// How often the stream is re-sharded, and how long it takes until the producer notices.
    pub(super) reshards: u32,
    pub(super) seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            options: Options::default(),
            shards: 3,
            limits: None,
            faults: Faults::default(),
            records: 1000,
            size: 200,
            keys: 40,
            gap: Duration::from_micros(300),
            reshards: 0,
            seed: 1,
        }
    }
}

/// What a bucket of the test's own says about what was sent to a shard.
#[derive(Debug)]
struct Meter {
    tokens: Rate,
    at: Duration,
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) engine: Engine,
    pub(super) stream: Simulator,
    pub(super) now: Duration,
    random: Random,
    /// What is still to be offered.
    pub(super) input: VecDeque<(Duration, StreamRecord)>,
    /// The end of each source.
    ends: BTreeMap<SourceId, u64>,
    /// The records of each source, in order: where each ends, and its number.
    layout: BTreeMap<SourceId, Vec<(u64, u64)>>,
    /// Up to where each source was checked to be stored, as an index into its layout.
    checked: BTreeMap<SourceId, usize>,
    pub(super) spooled: BTreeSet<u64>,
    offered: BTreeMap<u64, Duration>,
    /// The longest from offer to first send.
    pub(super) slowest_start: Duration,
    under_way: BTreeMap<u64, Vec<u128>>,
    meters: HashMap<Shard, Meter>,
    reshard_at: Vec<Duration>,
    notice_at: Option<Duration>,
    pub(super) calls: u64,
    useful: u64,
    largest: usize,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut random = Random::new(plan.seed ^ 0x5eed);
        let mut input = VecDeque::new();
        let (mut ends, mut layout) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        let stream = Simulator::new(plan.shards, plan.limits, plan.faults.clone(), plan.seed, identity);
        let mut engine =
            Engine::new(Options { seed: plan.seed, ..plan.options.clone() }, stream.map()).unwrap();
        let mut largest = 0;
        for number in 0..plan.records {
            let source = SourceId(random.next() % 2);
            let size = 8 + (random.next() % plan.size as u64) as usize;
            let begin = ends.get(&source).copied().unwrap_or(0);
            // Now and then a blank line in between, which needs no delivery.
            let blank = u64::from(random.next().is_multiple_of(10));
            engine.skip(source, begin..begin + blank);
            let span = Span {
                source,
                begin: begin + blank,
                end: begin + blank + size as u64,
                lines: 1 + number % 3,
            };
            ends.insert(source, span.end);
            layout.entry(source).or_default().push((span.end, number));
            let record = StreamRecord {
                data: data(number, size),
                partition_key: format!("key {}", random.next() % plan.keys),
                explicit_hash_key: None,
                span,
            };
            largest = largest.max(record.size());
            input.push_back((plan.gap * number as u32, record));
        }
        let span = plan.gap * plan.records as u32;
        let mut reshard_at: Vec<_> = (0..plan.reshards).map(|_| span.mul_f64(random.share())).collect();
        reshard_at.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            plan,
            engine,
            stream,
            now: Duration::ZERO,
            random,
            input,
            ends,
            layout,
            checked: BTreeMap::new(),
            spooled: BTreeSet::new(),
            offered: BTreeMap::new(),
            slowest_start: Duration::ZERO,
            under_way: BTreeMap::new(),
            meters: HashMap::new(),
            reshard_at,
            notice_at: None,
            calls: 0,
            useful: 0,
            largest,
        }
    }

    /// Until everything is delivered; what was counted.
    pub(super) fn run(&mut self) -> Stats {
        while self.step() {}
        self.finish()
    }

    /// One moment: everything that happens at it. Whether there is another.
    pub(super) fn step(&mut self) -> bool {
        self.shards_change();
        while let Some((id, outcome)) = self.stream.poll(self.now) {
            self.under_way.remove(&id);
            self.useful += 1;
            self.engine.complete(id, self.now, outcome).unwrap();
            assert!(self.engine.complete(id, self.now, Outcome::Unknown).is_err(), "once only");
            self.check_acknowledged();
        }
        self.offer();
        let wait = loop {
            self.calls += 1;
            match self.engine.next(self.now) {
                Step::Send(request) => self.send(request),
                Step::Wait(until) => break until,
                Step::Idle => break Duration::MAX,
                Step::GaveUp(records) => self.spool(records),
                step => panic!("{step:?}"),
            }
        };
        if self.input.is_empty() && self.engine.is_empty() && self.stream.next_event().is_none() {
            return false;
        }
        let offer = match self.input.front() {
            Some((at, _)) if self.engine.has_room() => *at,
            _ => Duration::MAX,
        };
        let event = self.stream.next_event().unwrap_or(Duration::MAX);
        let change = self.reshard_at.last().copied().unwrap_or(Duration::MAX);
        let next = wait.min(offer).min(event).min(change).min(self.notice_at.unwrap_or(Duration::MAX));
        assert!(next < Duration::MAX, "stuck at {:?}: {:?}", self.now, self.engine.stats(self.now));
        assert!(wait > self.now, "time passes");
        assert!(self.calls <= 3 * self.useful + 10, "{} calls for {} events", self.calls, self.useful);
        assert!(next < Duration::from_secs(100_000), "comes to an end");
        self.now = self.now.max(next);
        true
    }

    fn offer(&mut self) {
        while let Some((at, record)) = self.input.front()
            && *at <= self.now
        {
            let number = identity(record);
            match self.engine.offer(self.now, record.clone()) {
                Ok(()) => {
                    self.offered.insert(number, self.now);
                    self.useful += 1;
                    self.input.pop_front();
                    if self.input.is_empty() {
                        self.engine.drain();
                    }
                    let most = self.plan.options.buffer_bytes + self.largest + 1000;
                    assert!(self.engine.buffered() <= most, "{} bytes", self.engine.buffered());
                }
                Err(refused) => {
                    assert_eq!((refused.reason, &*refused.record), (Refusal::Full, record));
                    assert!(!self.engine.has_room());
                    break;
                }
            }
        }
    }

    fn send(&mut self, request: Request) {
        let options = &self.plan.options;
        self.useful += 1;
        assert!((1..=options.max_records).contains(&request.records().len()));
        let bytes: usize = request.records().iter().map(StreamRecord::size).sum();
        assert!(bytes == request.bytes() && bytes <= options.max_request_bytes);
        let hashes: Vec<_> = request.records().iter().map(StreamRecord::hash_key).collect();
        for (record, hash) in request.records().iter().zip(&hashes) {
            if let Some(at) = self.offered.remove(&identity(record)) {
                self.slowest_start = self.slowest_start.max(self.now - at);
            }
            let shard = self.engine.shards().find(*hash).clone();
            if options.ordered {
                let same = |other: &&u128| (shard.first..=shard.last).contains(other);
                assert_eq!(hashes.iter().filter(same).count(), 1, "one at a time");
                assert_eq!(self.under_way.values().flatten().filter(same).count(), 0, "one at a time");
            }
            if let Some(rate) = options.rate {
                let burst = options.burst.as_secs_f64();
                let full =
                    Rate { bytes: (rate.bytes * burst).max(1.0), records: (rate.records * burst).max(1.0) };
                let meter = self.meters.entry(shard).or_insert(Meter { tokens: full, at: Duration::ZERO });
                let seconds = (self.now - meter.at).as_secs_f64();
                meter.at = self.now;
                meter.tokens.bytes = (meter.tokens.bytes + seconds * rate.bytes).min(full.bytes);
                meter.tokens.records = (meter.tokens.records + seconds * rate.records).min(full.records);
                let need = (record.size() as f64).min(full.bytes);
                assert!(meter.tokens.bytes >= need - 0.01, "bytes within the rate: {meter:?}");
                assert!(meter.tokens.records >= 1.0 - 1e-6, "records within the rate: {meter:?}");
                meter.tokens.bytes -= record.size() as f64;
                meter.tokens.records -= 1.0;
            }
        }
        self.under_way.insert(request.id(), hashes);
        assert!(self.under_way.len() <= options.max_in_flight);
        self.stream.send(self.now, request);
    }

    fn spool(&mut self, records: Vec<Returned>) {
        self.useful += 1;
        for Returned { record, attempts, uncertain } in records {
            assert_eq!(Some(attempts), self.plan.options.max_attempts);
            assert_eq!(uncertain, self.stream.uncertain.contains(&identity(&record)));
            self.spooled.insert(identity(&record));
            let Span { source, begin, end, .. } = record.span;
            self.engine.skip(source, begin..end);
        }
    }

    fn shards_change(&mut self) {
        if self.reshard_at.last().is_some_and(|at| *at <= self.now) {
            self.reshard_at.pop();
            self.stream.reshard(self.now);
            self.notice_at = Some(self.now + Duration::from_secs(2).mul_f64(self.random.share()));
            self.useful += 1;
        }
        if self.notice_at.is_some_and(|at| at <= self.now) || self.engine.is_stale() {
            self.notice_at = None;
            self.useful += 1;
            self.engine.set_shards(self.now, self.stream.map());
            assert!(!self.engine.is_stale());
        }
    }

    /// What counts as acknowledged is stored, or safe elsewhere.
    fn check_acknowledged(&mut self) {
        for (source, layout) in &self.layout {
            let Some(offset) = self.engine.acknowledged(*source) else { continue };
            let checked = self.checked.entry(*source).or_default();
            while let Some((end, number)) = layout.get(*checked)
                && *end <= offset
            {
                let stored = self.stream.arrived.contains(number);
                assert!(stored || self.spooled.contains(number), "{number} is acknowledged and not stored");
                *checked += 1;
            }
        }
    }

    fn finish(&mut self) -> Stats {
        self.check_acknowledged();
        let stats = self.engine.stats(self.now);
        for (source, end) in &self.ends {
            assert_eq!(self.engine.acknowledged(*source), Some(*end), "to the end");
        }
        assert_eq!((stats.buffered, stats.waiting, stats.in_flight), (0, 0, 0));
        assert_eq!(stats.oldest_unacknowledged, None);
        assert_eq!(stats.records, self.plan.records);

        let mut copies = BTreeMap::<u64, u32>::new();
        for (record, _) in self.stream.shards.iter().flat_map(|shard| &shard.stored) {
            *copies.entry(identity(record)).or_default() += 1;
        }
        for number in 0..self.plan.records {
            let copies = copies.get(&number).copied().unwrap_or(0);
            assert!(copies > 0 || self.spooled.contains(&number), "{number} arrives");
            assert!(copies < 2 || self.stream.uncertain.contains(&number), "{number} came {copies} times");
        }
        assert_eq!(stats.acknowledged_records + stats.gave_up, stats.records);
        assert_eq!(stats.sent_records - stats.retried, stats.records);
        assert_eq!(stats.possibly_duplicated_records, self.stream.uncertain.len() as u64);
        let lines: u64 = self.stream.uncertain.iter().map(|number| 1 + number % 3).sum();
        assert_eq!(stats.possibly_duplicated_lines, lines, "exactly those lines");
        if self.plan.options.ordered && self.spooled.is_empty() {
            self.check_order();
        }
        stats
    }

    /// Without the duplicates, every key is in order, and so is every shard, if there were always the same.
    fn check_order(&self) {
        let mut all: Vec<_> = self.stream.shards.iter().flat_map(|shard| &shard.stored).collect();
        all.sort_by_key(|(_, sequence)| *sequence);
        let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::<u128, u64>::new());
        for (record, _) in all {
            if !seen.insert(identity(record)) {
                continue;
            }
            let hash = record.hash_key();
            let line = if self.plan.reshards == 0 { self.engine.shards().find(hash).first } else { hash };
            let before = last.insert(line, identity(record));
            assert!(before.is_none_or(|before| before < identity(record)), "order");
        }
    }
}

/// An answer that says that everything was stored.
pub(super) fn stored(request: &Request) -> Outcome {
    let result = RecordOutcome::Stored { shard: String::new(), sequence: "1".into() };
    Outcome::Answered(vec![result; request.records().len()])
}
