//! Records that hold lines of one shard, as the KPL makes them: their consumer throws away lines of other shards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::world::data;
use crate::delivery::backoff::Random;
use crate::delivery::simulator::{Faults, Simulator};
use crate::delivery::{Engine, Options, Refusal, Step};
use crate::envelope::{SourceId, Span, StreamRecord, hash_key};

const SOURCE: SourceId = SourceId(1);
const LINE: u64 = 10;

/// The key of a line.
fn key(line: u64) -> String {
    format!("key {}", line * 7 % 23)
}

/// Eight bytes a line.
fn lines(record: &StreamRecord) -> impl Iterator<Item = u64> + '_ {
    record.data.chunks_exact(8).map(|line| u64::from_le_bytes(line.try_into().unwrap()))
}

/// Packs lines by shard, and packs them anew when the shards change.
struct Packer {
    engine: Engine,
    stream: Simulator,
    /// Lines that are held back, by shard, in order.
    held: BTreeMap<u128, VecDeque<u64>>,
    /// Packed, and not yet taken.
    outbox: VecDeque<StreamRecord>,
    per_record: usize,
}

impl Packer {
    fn hold(&mut self, line: u64) {
        let shard = self.engine.shards().find(hash_key(&key(line)));
        let first = shard.first;
        let held = self.held.entry(first).or_default();
        held.push_back(line);
        if held.len() >= self.per_record {
            self.pack(first);
        }
    }

    fn pack(&mut self, first: u128) {
        let Some(held) = self.held.remove(&first).filter(|held| !held.is_empty()) else { return };
        let bytes: Vec<_> = held.iter().flat_map(|line| data(*line, 8)).collect();
        let span = Span {
            source: SOURCE,
            begin: held.iter().min().unwrap() * LINE,
            end: (held.iter().max().unwrap() + 1) * LINE,
            lines: held.len() as u64,
        };
        let key = "aggregate".to_owned();
        let record =
            StreamRecord { data: bytes.into(), partition_key: key, explicit_hash_key: Some(first), span };
        self.outbox.push_back(record);
    }

    fn repack(&mut self, now: Duration, displaced: Vec<StreamRecord>) {
        self.engine.set_shards(now, self.stream.map());
        // Older lines first: those that are back, then those that were on their way, then those that were held.
        let mut all: Vec<u64> = displaced.iter().flat_map(lines).collect();
        all.extend(self.outbox.drain(..).collect::<Vec<_>>().iter().flat_map(lines));
        all.extend(std::mem::take(&mut self.held).into_values().flatten());
        all.sort_unstable();
        for line in all {
            self.hold(line);
        }
    }

    /// Where to resume.
    fn safe(&self) -> u64 {
        let held = self.held.values().flatten().copied();
        let lowest =
            held.chain(self.outbox.iter().flat_map(lines)).min().map_or(u64::MAX, |line| line * LINE);
        self.engine.acknowledged(SOURCE).unwrap_or(0).min(lowest)
    }

    /// What a consumer keeps: in the order of storing, line by line.
    fn kept(&self) -> Vec<(u64, u64)> {
        let mut kept = Vec::new();
        for shard in &self.stream.shards {
            let range = shard.shard.first..=shard.shard.last;
            for (record, sequence) in &shard.stored {
                kept.extend(
                    lines(record).filter(|l| range.contains(&hash_key(&key(*l)))).map(|l| (*sequence, l)),
                );
            }
        }
        kept.sort_by_key(|(sequence, _)| *sequence);
        kept
    }
}

fn run(seed: u64, ordered: bool, per_record: usize, reshards: u64, faults: Faults) {
    const LINES: u64 = 300;
    let mut random = Random::new(seed);
    let identity = |record: &StreamRecord| lines(record).next().unwrap();
    let stream = Simulator::new(3, None, faults, seed, identity);
    let options = Options { ordered, reaggregate: true, seed, buffer_bytes: 3000, ..Options::default() };
    let engine = Engine::new(options, stream.map()).unwrap();
    let mut packer = Packer { engine, stream, held: BTreeMap::new(), outbox: VecDeque::new(), per_record };
    let mut reshard_at: BTreeSet<u64> = (0..reshards).map(|_| random.next() % LINES).collect();
    let (mut now, mut next, mut calls) = (Duration::ZERO, 0, 0u64);
    loop {
        while let Some((id, outcome)) = packer.stream.poll(now) {
            packer.engine.complete(id, now, outcome).unwrap();
        }
        // Whoever waits for displaced records looks at what to do before what to offer.
        let wait = loop {
            calls += 1;
            assert!(calls < 200_000, "comes to an end");
            match packer.engine.next(now) {
                Step::Send(request) => packer.stream.send(now, request),
                Step::Displaced(back) => {
                    let records = back.into_iter().map(|back| back.record).collect();
                    packer.repack(now, records);
                }
                Step::Wait(until) => break until,
                Step::Idle => break Duration::MAX,
                step => panic!("{step:?}"),
            }
        };
        if packer.engine.is_stale() {
            packer.repack(now, Vec::new());
            continue;
        }
        let mut offered = false;
        while packer.outbox.is_empty() && next < LINES {
            if reshard_at.remove(&next) {
                packer.stream.reshard(now);
                if random.next().is_multiple_of(2) {
                    packer.repack(now, Vec::new());
                }
            }
            packer.hold(next);
            next += 1;
        }
        if next == LINES {
            for first in packer.held.keys().copied().collect::<Vec<_>>() {
                packer.pack(first);
            }
            packer.engine.drain();
        }
        while let Some(record) = packer.outbox.pop_front() {
            match packer.engine.offer(now, record) {
                Ok(()) => offered = true,
                Err(refused) => {
                    assert!(matches!(refused.reason, Refusal::Full | Refusal::Unsettled));
                    packer.outbox.push_front(*refused.record);
                    break;
                }
            }
        }
        let safe = packer.safe();
        let kept: BTreeSet<u64> = packer.kept().into_iter().map(|(_, line)| line).collect();
        assert!((0..safe / LINE).all(|line| kept.contains(&line)), "up to {safe} all are kept");
        if offered {
            continue;
        }
        let event = packer.stream.next_event().unwrap_or(Duration::MAX);
        if next == LINES && packer.outbox.is_empty() && packer.engine.is_empty() && event == Duration::MAX {
            break;
        }
        let then = wait.min(event);
        assert!(then < Duration::MAX, "stuck");
        now = now.max(then);
    }
    assert_eq!(packer.safe(), LINES * LINE);
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    let mut twice = 0;
    for (_, line) in packer.kept() {
        if !seen.insert(line) {
            twice += 1;
            continue;
        }
        if ordered {
            assert!(last.insert(key(line), line).is_none_or(|before| before < line), "order");
        }
    }
    assert_eq!(seen.len() as u64, LINES, "every line is kept");
    let possible = packer.engine.stats(now).possibly_duplicated_lines;
    assert!(possible > 0 || twice == 0, "{twice} lines twice");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_line_is_kept_by_who_throws_strangers_away(
        seed: u64,
        ordered: bool,
        per_record in 1usize..20,
        reshards in 0u64..8,
        faults in (0.0..0.2, 0.0..0.2, 0.0..0.1, 0.0..0.1, 0u64..200),
    ) {
        let faults = Faults {
            internal: faults.0,
            moody: faults.1,
            lost_answer: faults.2,
            lost_request: faults.3,
            delay: Duration::from_millis(faults.4),
            ..Faults::default()
        };
        run(seed, ordered, per_record, reshards, faults);
    }
}
