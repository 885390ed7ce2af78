//! The state machine: records in, requests out, results in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::ack::{Acks, Ages};
use crate::delivery::backoff::Random;
use crate::delivery::batch::Batch;
use crate::delivery::lane::{Entry, Lane, Note};
use crate::delivery::{Options, Refusal, Refused, Request, ShardMap, ShardStats, Stats, Step};
use crate::envelope::{SourceId, StreamRecord};
use crate::error::Result;

/// Gets records into a stream without losing one. See the [module](crate::delivery).
///
/// Time is what the caller says: a duration since any moment, the same for all calls. Where it goes backwards, it stands
/// still.
#[derive(Debug)]
pub struct Engine {
    pub(super) options: Options,
    pub(super) map: Arc<ShardMap>,
    /// One per shard of the map, in its order.
    pub(super) lanes: Vec<Lane>,
    pub(super) flights: BTreeMap<u64, Flight>,
    /// Records that wait to be given back as displaced.
    pub(super) aside: Vec<Entry>,
    /// Records that wait to be given back as given up: until then they hold back what is acknowledged.
    pub(super) given_up: Vec<Entry>,
    pub(super) acks: Acks,
    pub(super) ages: Ages,
    pub(super) stats: Stats,
    pub(super) random: Random,
    pub(super) now: Duration,
    /// Requests in a row that failed as a whole: while there are any, one at a time is sent.
    pub(super) outage: u32,
    /// After such a failure: no request before this time.
    pub(super) not_before: Duration,
    pub(super) stopped: bool,
    pub(super) stale: bool,
    /// When looking at the lanes again could find something to send.
    pub(super) wake: Duration,
    draining: bool,
    next_request: u64,
    next_number: u64,
    /// The lane that is asked first for the next request.
    pub(super) first_lane: usize,
    /// What the next request would hold, as of the last look and what was offered since.
    pending: Batch,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) records: Arc<Vec<StreamRecord>>,
    pub(super) notes: Vec<Note>,
    pub(super) sent: Duration,
    /// The map by which it was made.
    pub(super) map: Arc<ShardMap>,
    /// Whether it has records that were displaced since.
    pub(super) displaced: bool,
}

impl Engine {
    /// An engine for a stream.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) as from [`Options::check`].
    pub fn new(options: Options, shards: ShardMap) -> Result<Self> {
        options.check()?;
        let lane = |shard: &_| Lane::new(Clone::clone(shard), &options, Duration::ZERO);
        Ok(Self {
            lanes: shards.shards().iter().map(lane).collect(),
            map: Arc::new(shards),
            flights: BTreeMap::new(),
            aside: Vec::new(),
            given_up: Vec::new(),
            acks: Acks::default(),
            ages: Ages::default(),
            stats: Stats::default(),
            random: Random::new(options.seed),
            now: Duration::ZERO,
            outage: 0,
            not_before: Duration::ZERO,
            stopped: false,
            stale: false,
            wake: Duration::ZERO,
            draining: false,
            next_request: 0,
            next_number: 0,
            first_lane: 0,
            pending: Batch::new(options.max_records, options.max_request_bytes),
            options,
        })
    }

    /// Takes a record for delivery.
    ///
    /// # Errors
    /// [`Refused`] has the record and why it was not taken: no room, or it can never be delivered.
    pub fn offer(&mut self, now: Duration, record: StreamRecord) -> Result<(), Refused> {
        self.advance(now);
        if let Err(reason) = self.admit(&record) {
            return Err(Refused { record: Box::new(record), reason });
        }
        let (hash, size) = (record.hash_key(), record.size());
        let note = Note {
            hash,
            number: self.next_number,
            offered: self.now,
            attempts: 0,
            uncertain: false,
            displaced: false,
        };
        self.next_number += 1;
        self.stats.lines += record.span.lines;
        self.stats.records += 1;
        self.stats.bytes += size as u64;
        self.acks.offered(&record.span);
        self.ages.add(self.now);
        let entry = Entry { record, note };
        self.stats.buffered += entry.charge();
        self.stats.waiting += 1;

        let lane = &mut self.lanes[self.map.index(hash)];
        lane.push(entry);
        if let Some(open) = lane.opens(&self.options) {
            let linger = if self.draining { Duration::ZERO } else { self.options.linger };
            self.wake = self.wake.min(open.max(self.now.saturating_add(linger)));
        }
        if lane.takes_more(&self.options, self.now) {
            self.pending.add(size);
            if self.pending.full {
                self.wake = Duration::ZERO;
            }
        }
        Ok(())
    }

    /// Whether a record would be taken, as far as room is concerned: to ask before one is made.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.stats.buffered < self.options.buffer_bytes && !self.unsettled()
    }

    fn admit(&self, record: &StreamRecord) -> Result<(), Refusal> {
        let (size, limit) = (record.size(), self.options.max_record_bytes);
        if size > limit {
            return Err(Refusal::TooLarge { size, limit });
        }
        // Short keys are the rule: characters are counted only where the bytes leave a doubt.
        let length = record.partition_key.len();
        if length == 0 || length > 256 && record.partition_key.chars().nth(256).is_some() {
            return Err(Refusal::PartitionKey);
        }
        if self.unsettled() {
            return Err(Refusal::Unsettled);
        }
        if self.stats.buffered >= self.options.buffer_bytes {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// What to do next. To be asked until it is something other than [`Step::Send`], then again at the time of
    /// [`Step::Wait`], and after whatever was offered or completed.
    pub fn next(&mut self, now: Duration) -> Step {
        self.advance(now);
        if !self.given_up.is_empty() {
            let given_up = std::mem::take(&mut self.given_up);
            return Step::GaveUp(self.returned(given_up));
        }
        if let Some(displaced) = self.take_displaced() {
            return Step::Displaced(displaced);
        }
        if self.stopped {
            return Step::Stopped;
        }
        let most = if self.outage > 0 { 1 } else { self.options.max_in_flight };
        if self.stats.waiting == 0 || self.flights.len() >= most {
            return Step::Idle;
        }
        if self.not_before > self.now {
            return Step::Wait(self.not_before);
        }
        if self.wake <= self.now
            && let Some(request) = self.look()
        {
            return Step::Send(request);
        }
        match self.wake {
            Duration::MAX => Step::Idle,
            wake => Step::Wait(wake),
        }
    }

    /// Asks every lane what it could send, and sends it if it fills a request or has waited for long enough.
    fn look(&mut self) -> Option<Request> {
        let now = self.now;
        let mut batch = Batch::new(self.options.max_records, self.options.max_request_bytes);
        let (mut plans, mut ripe, mut wake) = (Vec::new(), false, Duration::MAX);
        let lanes = self.lanes.len();
        // Another lane first each time, so that one that could fill every request does not keep the others waiting.
        self.first_lane = (self.first_lane + 1) % lanes;
        for at in (self.first_lane..lanes).chain(0..self.first_lane) {
            let plan = self.lanes[at].plan(&mut batch, &self.options, self.draining, now);
            ripe |= plan.ripe;
            wake = wake.min(plan.wake);
            if plan.count > 0 {
                plans.push((at, plan.count));
            }
            if batch.full {
                break;
            }
        }
        let bytes = batch.bytes;
        self.pending = batch;
        if !ripe && !self.pending.full {
            self.wake = wake;
            return None;
        }
        self.wake = Duration::ZERO;
        Some(self.send(&plans, bytes))
    }

    fn send(&mut self, plans: &[(usize, usize)], bytes: usize) -> Request {
        let count = plans.iter().map(|(_, count)| count).sum();
        let (mut records, mut notes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for &(at, count) in plans {
            for entry in self.lanes[at].take(count) {
                let Entry { record, mut note } = entry;
                self.stats.retried += u64::from(note.attempts > 0);
                note.attempts = note.attempts.saturating_add(1);
                records.push(record);
                notes.push(note);
            }
        }
        self.stats.waiting -= count;
        self.stats.requests += 1;
        self.stats.sent_records += count as u64;
        self.stats.sent_bytes += bytes as u64;
        let (id, records) = (self.next_request, Arc::new(records));
        self.next_request += 1;
        let (map, sent) = (Arc::clone(&self.map), self.now);
        self.flights.insert(id, Flight { records: Arc::clone(&records), notes, sent, map, displaced: false });
        Request { id, records, bytes }
    }

    /// From here on nothing waits for company: to be called when nothing more will be offered, or soon.
    pub fn drain(&mut self) {
        self.draining = true;
        self.wake = Duration::ZERO;
    }

    /// Goes on after [`Step::Stopped`], when what was wrong is repaired.
    pub fn resume(&mut self) {
        self.stopped = false;
        self.wake = Duration::ZERO;
    }

    /// Whether nothing waits, nothing is under way, and nothing is to be given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stats.waiting == 0
            && self.flights.is_empty()
            && self.aside.is_empty()
            && self.given_up.is_empty()
    }

    /// Memory for records that are not acknowledged, in bytes: at most
    /// [`Options::buffer_bytes`] and one record. More than their size: each has a share for what is kept beside it. (A
    /// record whose data is a slice of a larger buffer keeps that alive, which is not counted.)
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.stats.buffered
    }

    /// Says that a source is read from this offset on: everything before was delivered earlier. A source that nobody
    /// began begins at 0.
    pub fn begin(&mut self, source: SourceId, offset: u64) {
        self.acks.begin(source, offset);
    }

    /// Says that these bytes of a source need no delivery, or no longer: blank lines, rejected lines, records that were
    /// brought to safety elsewhere.
    pub fn skip(&mut self, source: SourceId, bytes: Range<u64>) {
        self.acks.skip(source, bytes);
    }

    /// Up to where a source is delivered: every byte before was acknowledged or [skipped](Self::skip). This is where to
    /// resume. `None` for a source that is not known.
    #[must_use]
    pub fn acknowledged(&self, source: SourceId) -> Option<u64> {
        self.acks.lowest(source)
    }

    /// The sources that are known.
    pub fn sources(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.acks.sources()
    }

    /// Forgets a source that is done with, and the memory for it.
    pub fn forget(&mut self, source: SourceId) {
        self.acks.forget(source);
    }

    /// The shards that records are sent to.
    #[must_use]
    pub fn shards(&self) -> &ShardMap {
        &self.map
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self, now: Duration) -> Stats {
        Stats {
            in_flight: self.flights.len(),
            oldest_unacknowledged: self.ages.oldest(self.now.max(now)),
            ..self.stats.clone()
        }
    }

    /// How each shard of the map fares.
    pub fn shard_stats(&self) -> impl Iterator<Item = ShardStats> + '_ {
        self.lanes.iter().map(Lane::stats)
    }

    pub(super) fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }
}
