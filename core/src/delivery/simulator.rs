//! A Kinesis in virtual time, for tests: shards with limits, and everything that goes wrong on the way to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::delivery::backoff::Random;
use crate::delivery::{Outcome, Rate, RecordOutcome, Request, Shard, ShardMap};
use crate::envelope::StreamRecord;

/// How often things go wrong, as shares of 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Records: `InternalFailure`, half of them stored all the same.
    pub(super) internal: f64,
    /// Records: throttled without a reason.
    pub(super) moody: f64,
    /// Requests: stored, and the answer lost.
    pub(super) lost_answer: f64,
    /// Requests: lost on the way there.
    pub(super) lost_request: f64,
    /// Requests: timed out, and stored later.
    pub(super) late: f64,
    /// Requests: no connection.
    pub(super) not_sent: f64,
    /// Requests: throttled as a whole.
    pub(super) throttled: f64,
    /// Requests: an answer with a result too few.
    pub(super) garbled: f64,
    /// The longest way there, and the longest way back.
    pub(super) delay: Duration,
}

/// A shard, what it has left for this second, and what is in it.
#[derive(Debug)]
pub(super) struct SimShard {
    pub(super) shard: Shard,
    pub(super) open: bool,
    tokens: Rate,
    at: Duration,
    /// What was stored, in order: the record, and a number that only grows.
    pub(super) stored: Vec<(StreamRecord, u64)>,
}

#[derive(Debug)]
enum Event {
    Arrives { request: Request, fate: Fate },
    Answer { id: u64, outcome: Outcome },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    Garbled,
    AnswerLost,
    /// Its answer was given up already.
    Late,
}

#[derive(Debug)]
pub(super) struct Simulator {
    pub(super) shards: Vec<SimShard>,
    pub(super) faults: Faults,
    /// What a shard takes a second, and as a burst after a pause; no limits if none.
    pub(super) limits: Option<Rate>,
    /// The hash keys of a shard that refuses everything.
    pub(super) deaf: Option<Shard>,
    random: Random,
    events: BTreeMap<(Duration, u64), Event>,
    next: u64,
    /// The records of which an attempt ended in the unknown.
    pub(super) uncertain: BTreeSet<u64>,
    /// The records that are stored at least once.
    pub(super) arrived: BTreeSet<u64>,
    /// What tells records apart, however it is written in them.
    identity: fn(&StreamRecord) -> u64,
}

impl Simulator {
    pub(super) fn new(
        shards: usize,
        limits: Option<Rate>,
        faults: Faults,
        seed: u64,
        identity: fn(&StreamRecord) -> u64,
    ) -> Self {
        let mut this = Self {
            shards: Vec::new(),
            faults,
            limits,
            deaf: None,
            random: Random::new(seed),
            events: BTreeMap::new(),
            next: 0,
            uncertain: BTreeSet::new(),
            arrived: BTreeSet::new(),
            identity,
        };
        for shard in ShardMap::even(shards).shards() {
            this.open(shard.clone(), Duration::ZERO);
        }
        this
    }

    /// What `ListShards` says, without the closed ones.
    pub(super) fn map(&self) -> ShardMap {
        ShardMap::new(self.shards.iter().filter(|shard| shard.open).map(|shard| shard.shard.clone())).unwrap()
    }

    /// Splits a shard in two, or merges two neighbours.
    pub(super) fn reshard(&mut self, now: Duration) {
        let open = self.map().shards().to_vec();
        let at = (self.random.next() % open.len() as u64) as usize;
        let Shard { first, last, .. } = open[at];
        if self.chance(0.5) && open.len() > 1 {
            let at = at.min(open.len() - 2);
            let (left, right) = (&open[at], &open[at + 1]);
            let merged = (left.first, right.last);
            self.close(left);
            self.close(right);
            self.add(merged.0, merged.1, now);
        } else if last - first > 1000 {
            let middle = first + (last - first) / 2;
            self.close(&open[at]);
            self.add(first, middle, now);
            self.add(middle + 1, last, now);
        }
    }

    fn add(&mut self, first: u128, last: u128, now: Duration) {
        let id = format!("shardId-{:012}", self.shards.len());
        self.open(Shard { id, first, last }, now);
    }

    fn open(&mut self, shard: Shard, now: Duration) {
        let tokens = self.limits.unwrap_or(Rate::SHARD);
        self.shards.push(SimShard { shard, open: true, tokens, at: now, stored: Vec::new() });
    }

    fn close(&mut self, shard: &Shard) {
        self.shards.iter_mut().find(|other| other.shard == *shard).unwrap().open = false;
    }

    /// A request leaves the client.
    pub(super) fn send(&mut self, now: Duration, request: Request) {
        let there = now + self.delay();
        let faults = self.faults.clone();
        let id = request.id();
        let mut dice = self.random.share();
        let mut falls = |share: f64| {
            dice -= share;
            dice < 0.0
        };
        if falls(faults.not_sent) {
            self.schedule(there, Event::Answer { id, outcome: Outcome::NotSent });
        } else if falls(faults.throttled) {
            self.schedule(there, Event::Answer { id, outcome: Outcome::Throttled });
        } else if falls(faults.lost_request) {
            self.unknown(there + Duration::from_secs(1), &request);
        } else if falls(faults.late) {
            self.unknown(there, &request);
            let late = there + Duration::from_millis(1 + self.random.next() % 5000);
            self.schedule(late, Event::Arrives { request, fate: Fate::Late });
        } else if falls(faults.lost_answer) {
            self.schedule(there, Event::Arrives { request, fate: Fate::AnswerLost });
        } else if falls(faults.garbled) {
            self.schedule(there, Event::Arrives { request, fate: Fate::Garbled });
        } else {
            self.schedule(there, Event::Arrives { request, fate: Fate::Answered });
        }
    }

    /// When something happens next.
    pub(super) fn next_event(&self) -> Option<Duration> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// What comes back by now.
    pub(super) fn poll(&mut self, now: Duration) -> Option<(u64, Outcome)> {
        while self.next_event().is_some_and(|at| at <= now) {
            let ((at, _), event) = self.events.pop_first().unwrap();
            match event {
                Event::Answer { id, outcome } => return Some((id, outcome)),
                Event::Arrives { request, fate } => self.arrive(at, &request, fate),
            }
        }
        None
    }

    fn arrive(&mut self, at: Duration, request: &Request, fate: Fate) {
        let mut results: Vec<_> = request.records().iter().map(|record| self.put(at, record)).collect();
        let back = at + self.delay();
        let id = request.id();
        match fate {
            Fate::Late => {}
            Fate::AnswerLost => self.unknown(back, request),
            Fate::Garbled => {
                results.pop();
                self.uncertain.extend(request.records().iter().map(self.identity));
                self.schedule(back, Event::Answer { id, outcome: Outcome::Answered(results) });
            }
            Fate::Answered => {
                for (record, result) in request.records().iter().zip(&results) {
                    if *result == RecordOutcome::Internal {
                        self.uncertain.insert((self.identity)(record));
                    }
                }
                self.schedule(back, Event::Answer { id, outcome: Outcome::Answered(results) });
            }
        }
    }

    fn put(&mut self, now: Duration, record: &StreamRecord) -> RecordOutcome {
        let (hash, size) = (record.hash_key(), record.size() as f64);
        if self.deaf.as_ref().is_some_and(|shard| (shard.first..=shard.last).contains(&hash)) {
            return RecordOutcome::Throttled;
        }
        if self.chance(self.faults.moody) {
            return RecordOutcome::Throttled;
        }
        let internal = self.chance(self.faults.internal);
        if internal && self.chance(0.5) {
            return RecordOutcome::Internal;
        }
        let sequence = self.next;
        self.next += 1;
        let shard = self
            .shards
            .iter_mut()
            .find(|shard| shard.open && (shard.shard.first..=shard.shard.last).contains(&hash))
            .unwrap();
        if let Some(rate) = self.limits {
            let seconds = now.saturating_sub(shard.at).as_secs_f64();
            shard.at = shard.at.max(now);
            shard.tokens.bytes = (shard.tokens.bytes + seconds * rate.bytes).min(rate.bytes);
            shard.tokens.records = (shard.tokens.records + seconds * rate.records).min(rate.records);
            if shard.tokens.bytes < size.min(rate.bytes) || shard.tokens.records < 1.0 {
                return RecordOutcome::Throttled;
            }
            shard.tokens.bytes -= size;
            shard.tokens.records -= 1.0;
        }
        shard.stored.push((record.clone(), sequence));
        self.arrived.insert((self.identity)(record));
        if internal {
            return RecordOutcome::Internal;
        }
        RecordOutcome::Stored { shard: shard.shard.id.clone(), sequence: sequence.to_string() }
    }

    fn unknown(&mut self, at: Duration, request: &Request) {
        self.uncertain.extend(request.records().iter().map(self.identity));
        self.schedule(at, Event::Answer { id: request.id(), outcome: Outcome::Unknown });
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    fn delay(&mut self) -> Duration {
        self.faults.delay.mul_f64(self.random.share())
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.share() < share
    }
}
