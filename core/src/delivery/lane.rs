//! The queue of one shard: what waits for it, and when it may go.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::delivery::backoff::Random;
use crate::delivery::batch::Batch;
use crate::delivery::bucket::Bucket;
use crate::delivery::{Options, Returned, Shard, ShardStats};
use crate::envelope::StreamRecord;

/// A record that is not yet acknowledged.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: StreamRecord,
    pub(super) note: Note,
}

/// What is known about a record beside the record, wherever the record is.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) hash: u128,
    /// Its place in the order in which records were offered.
    pub(super) number: u64,
    pub(super) offered: Duration,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Whether an attempt may have stored it.
    pub(super) uncertain: bool,
    /// Whether its explicit hash key belongs to another range than when it was offered.
    pub(super) displaced: bool,
}

impl Entry {
    /// What a record costs beside its bytes: this, and the strings and shared buffers it points to.
    const OVERHEAD: usize = size_of::<Self>() + 48;

    /// What the record takes of the buffer.
    pub(super) fn charge(&self) -> usize {
        Self::charge_of(&self.record)
    }

    pub(super) fn charge_of(record: &StreamRecord) -> usize {
        record.size() + Self::OVERHEAD
    }

    /// When it goes even without company. A retry has waited enough.
    fn ripe_at(&self, options: &Options) -> Duration {
        if self.note.attempts > 0 { Duration::ZERO } else { self.note.offered.saturating_add(options.linger) }
    }

    pub(super) fn into_returned(self) -> Returned {
        Returned { record: self.record, attempts: self.note.attempts, uncertain: self.note.uncertain }
    }
}

/// What a lane could add to the next request.
pub(super) struct Plan {
    pub(super) count: usize,
    /// The first of them need not wait for company.
    pub(super) ripe: bool,
    /// When asking again could give another answer.
    pub(super) wake: Duration,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) shard: Shard,
    /// In the order in which they go: retries first, then as offered. With `ordered`, as offered.
    ready: VecDeque<Entry>,
    /// Retries whose time has not come, by that time.
    delayed: BTreeMap<(Duration, u64), Entry>,
    bucket: Option<Bucket>,
    /// The shard said that it was too much: not before this time.
    not_before: Duration,
    /// The bucket is empty: not before this time.
    hold: Duration,
    /// What is ready is more than the bucket affords.
    capped: bool,
    /// Refusals in a row.
    throttles: u32,
    /// Records under way whose hash keys are this lane's now, whichever shard they were sent to.
    pub(super) in_flight: usize,
    acknowledged: u64,
    last_sequence: String,
    pub(super) throttled: u64,
}

impl Lane {
    pub(super) fn new(shard: Shard, options: &Options, now: Duration) -> Self {
        Self {
            shard,
            ready: VecDeque::new(),
            delayed: BTreeMap::new(),
            bucket: options.rate.map(|rate| Bucket::new(rate, options.burst, now)),
            not_before: Duration::ZERO,
            hold: Duration::ZERO,
            capped: false,
            throttles: 0,
            in_flight: 0,
            acknowledged: 0,
            last_sequence: String::new(),
            throttled: 0,
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.ready.push_back(entry);
    }

    /// When a record that is pushed now goes at the latest, as far as this lane is concerned; `None` when only a
    /// completion can tell.
    pub(super) fn opens(&self, options: &Options) -> Option<Duration> {
        (!options.ordered || self.in_flight == 0).then(|| self.not_before.max(self.hold))
    }

    /// Whether one more record would go with the others.
    pub(super) fn takes_more(&self, options: &Options, now: Duration) -> bool {
        !self.capped
            && self.opens(options).is_some_and(|open| open <= now)
            && (!options.ordered || self.ready.len() == 1)
    }

    /// A record that failed is back, and goes no earlier than `due`.
    pub(super) fn retry(&mut self, entry: Entry, due: Duration, now: Duration, options: &Options) {
        if options.ordered {
            // Its followers have to wait with it.
            self.not_before = self.not_before.max(due);
            let at = self.ready.partition_point(|other| other.note.number < entry.note.number);
            self.ready.insert(at, entry);
        } else if due > now {
            self.delayed.insert((due, entry.note.number), entry);
        } else {
            self.ready.push_front(entry);
        }
    }

    /// The shard refused records of a request that was sent at `sent`.
    pub(super) fn throttle(&mut self, now: Duration, sent: Duration, options: &Options, random: &mut Random) {
        self.throttles = self.throttles.saturating_add(1);
        let wait = options.backoff.wait(self.throttles, random);
        self.not_before = self.not_before.max(now.saturating_add(wait));
        if let Some(bucket) = &mut self.bucket {
            bucket.slow_down(now, sent);
        }
    }

    /// A record was stored, in the shard of this name.
    pub(super) fn stored(&mut self, shard: &str, sequence: String) {
        self.throttles = 0;
        self.acknowledged += 1;
        // Decimal numbers of any length: the longer is the larger.
        if shard == self.shard.id
            && (sequence.len(), &sequence) > (self.last_sequence.len(), &self.last_sequence)
        {
            self.last_sequence = sequence;
        }
    }

    pub(super) fn stats(&self) -> ShardStats {
        ShardStats {
            shard: self.shard.clone(),
            waiting: self.ready.len() + self.delayed.len(),
            in_flight: self.in_flight,
            acknowledged: self.acknowledged,
            throttled: self.throttled,
            pace: self.bucket.as_ref().map_or(1.0, Bucket::share),
            last_sequence: self.last_sequence.clone(),
        }
    }

    /// How much of what waits could go now into a request that is being filled.
    pub(super) fn plan(&mut self, batch: &mut Batch, options: &Options, flush: bool, now: Duration) -> Plan {
        self.promote(now);
        let mut plan = Plan { count: 0, ripe: false, wake: Duration::MAX };
        let due = self.delayed.first_key_value().map_or(Duration::MAX, |((due, _), _)| *due);
        self.capped = false;
        let Some(open) = self.opens(options) else { return plan };
        if self.ready.is_empty() || open > now {
            plan.wake = if self.ready.is_empty() { due.max(open) } else { open };
            return plan;
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.refill(now);
        }
        let (mut bytes, most) = (0, if options.ordered { 1 } else { usize::MAX });
        for entry in self.ready.iter().take(most) {
            let size = entry.record.size();
            if let Some(bucket) = &self.bucket
                && !bucket.affords(bytes, plan.count, size)
            {
                self.capped = true;
                if plan.count == 0 {
                    // Not for every token: a request is worth a pause, and the bucket holds more than the pause brings.
                    let pause = now.saturating_add(options.linger.min(options.burst / 2));
                    self.hold = bucket.ready_at(size).max(pause);
                    plan.wake = self.hold;
                    return plan;
                }
                break;
            }
            if !batch.add(size) {
                break;
            }
            bytes += size;
            plan.count += 1;
        }
        if plan.count > 0 {
            let ripe_at = self.ready[0].ripe_at(options);
            plan.ripe = flush || ripe_at <= now;
            plan.wake = due.min(ripe_at);
        }
        plan
    }

    /// Takes the first records out; they are under way from here on.
    pub(super) fn take(&mut self, count: usize) -> impl Iterator<Item = Entry> + '_ {
        self.in_flight += count;
        let bytes = self.ready.iter().take(count).map(|entry| entry.record.size()).sum();
        if let Some(bucket) = &mut self.bucket {
            bucket.take(bytes, count);
        }
        self.ready.drain(..count)
    }

    /// Takes out all that waits, with when it is due.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Duration, Entry)> + '_ {
        let delayed = std::mem::take(&mut self.delayed);
        let ready = self.ready.drain(..).map(|entry| (Duration::ZERO, entry));
        ready.chain(delayed.into_iter().map(|((due, _), entry)| (due, entry)))
    }

    fn promote(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry()
            && first.key().0 <= now
        {
            let entry = first.remove();
            self.ready.push_front(entry);
        }
    }
}
