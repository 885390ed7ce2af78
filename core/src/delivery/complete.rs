//! What a result means for the records of a request.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::engine::Engine;
use crate::delivery::lane::{Entry, Note};
use crate::delivery::{Outcome, RecordOutcome, ShardMap};
use crate::envelope::StreamRecord;
use crate::error::{Error, ErrorKind, Result};

impl Engine {
    /// Says how a request went.
    ///
    /// An answer with too few or too many results cannot be told apart record by record: it counts as
    /// [`Outcome::Unknown`].
    ///
    /// # Errors
    /// [`ErrorKind::Options`] if no such request is under way: it was completed before, or never sent.
    pub fn complete(&mut self, id: u64, now: Duration, outcome: Outcome) -> Result<()> {
        self.advance(now);
        let Some(flight) = self.flights.remove(&id) else {
            return Err(Error::new(ErrorKind::Options, format!("request {id} is not under way"))
                .with_hint("complete each request that was sent, once"));
        };
        // Whatever happened, something may go now.
        self.wake = Duration::ZERO;
        for note in &flight.notes {
            self.lanes[self.map.index(note.hash)].in_flight -= 1;
        }
        let outcome = match outcome {
            Outcome::Answered(results) if results.len() != flight.notes.len() => Outcome::Unknown,
            other => other,
        };
        self.stats.count(&outcome);
        let (records, notes) = (Taken::new(flight.records), flight.notes);
        match outcome {
            Outcome::Answered(results) => self.answered(records, notes, results, flight.sent, &flight.map),
            Outcome::Throttled => {
                let results = vec![RecordOutcome::Throttled; notes.len()];
                self.answered(records, notes, results, flight.sent, &flight.map);
            }
            Outcome::NotSent => self.failed(records, notes, false),
            Outcome::Unknown => self.failed(records, notes, true),
            Outcome::Fatal => {
                self.stopped = true;
                for (mut entry, due) in self.entries(records, notes) {
                    // It was not tried.
                    entry.note.attempts -= 1;
                    self.put_back(entry, due);
                }
            }
        }
        Ok(())
    }

    /// Every record has its own result.
    fn answered(
        &mut self,
        mut records: Taken,
        notes: Vec<Note>,
        results: Vec<RecordOutcome>,
        sent: Duration,
        map: &Arc<ShardMap>,
    ) {
        self.outage = 0;
        let (mut back, mut throttled) = (Vec::new(), Vec::new());
        for (at, (mut note, result)) in notes.into_iter().zip(results).enumerate() {
            let lane = self.map.index(note.hash);
            let mut due = self.now;
            match result {
                RecordOutcome::Stored { shard, sequence } => {
                    if !self.is_foreign(records.get(at), note.hash, &shard, map) {
                        self.lanes[lane].stored(&shard, sequence);
                        self.acknowledge(records.get(at), &note);
                        continue;
                    }
                    // Its consumer will throw it away, as not of this shard.
                    note.displaced = true;
                    self.doubt(&mut note, records.get(at));
                }
                RecordOutcome::Throttled => {
                    self.stats.throttled += 1;
                    self.lanes[lane].throttled += 1;
                    throttled.push(lane);
                }
                RecordOutcome::Internal => {
                    self.stats.internal += 1;
                    self.doubt(&mut note, records.get(at));
                    let wait = self.options.backoff.wait(note.attempts, &mut self.random);
                    due = self.now.saturating_add(wait);
                }
            }
            back.push((Entry { record: records.take(at), note }, due));
        }
        throttled.sort_unstable();
        throttled.dedup();
        for lane in throttled {
            self.lanes[lane].throttle(self.now, sent, &self.options, &mut self.random);
        }
        // The last first, as each goes in front of the others.
        for (entry, due) in back.into_iter().rev() {
            self.retry(entry, due);
        }
    }

    /// The request failed as a whole: so would others now.
    fn failed(&mut self, records: Taken, notes: Vec<Note>, unknown: bool) {
        self.outage = self.outage.saturating_add(1);
        let wait = self.options.backoff.wait(self.outage, &mut self.random);
        self.not_before = self.not_before.max(self.now.saturating_add(wait));
        for (mut entry, due) in self.entries(records, notes) {
            if unknown {
                self.doubt(&mut entry.note, &entry.record);
            }
            self.retry(entry, due);
        }
    }

    /// The records of a request, the last first, due now.
    fn entries(
        &self,
        mut records: Taken,
        notes: Vec<Note>,
    ) -> impl Iterator<Item = (Entry, Duration)> + use<> {
        let now = self.now;
        let notes = notes.into_iter().enumerate().rev();
        notes.map(move |(at, note)| (Entry { record: records.take(at), note }, now))
    }

    /// Whether a record was stored where it is of no use: in another shard than the map says by which it was made.
    fn is_foreign(&mut self, record: &StreamRecord, hash: u128, shard: &str, map: &Arc<ShardMap>) -> bool {
        // A server that does not say where it stored a record is taken at its word.
        if shard.is_empty() || map.find(hash).id == shard {
            return false;
        }
        self.stats.misrouted += 1;
        // A newer map may know already.
        self.stale |= Arc::ptr_eq(map, &self.map);
        self.options.reaggregate && record.explicit_hash_key.is_some()
    }

    fn acknowledge(&mut self, record: &StreamRecord, note: &Note) {
        self.stats.acknowledged_lines += record.span.lines;
        self.stats.acknowledged_records += 1;
        self.stats.acknowledged_bytes += record.size() as u64;
        self.acks.acknowledged(&record.span);
        self.ages.remove(note.offered);
        self.stats.buffered -= Entry::charge_of(record);
    }

    /// Nobody knows whether the record is stored; once is enough to count.
    fn doubt(&mut self, note: &mut Note, record: &StreamRecord) {
        if !note.uncertain {
            note.uncertain = true;
            self.stats.possibly_duplicated_records += 1;
            self.stats.possibly_duplicated_lines += record.span.lines;
        }
    }

    fn retry(&mut self, entry: Entry, due: Duration) {
        if self.options.max_attempts.is_some_and(|most| entry.note.attempts >= most) {
            self.stats.gave_up += 1;
            self.given_up.push(entry);
        } else {
            self.put_back(entry, due);
        }
    }

    fn put_back(&mut self, entry: Entry, due: Duration) {
        if self.options.reaggregate && entry.note.displaced {
            self.aside.push(entry);
            return;
        }
        self.stats.waiting += 1;
        let lane = self.map.index(entry.note.hash);
        self.lanes[lane].retry(entry, due, self.now, &self.options);
    }

    /// The record leaves the engine without having been delivered.
    pub(super) fn give_back(&mut self, entry: &Entry) {
        self.acks.returned(&entry.record.span);
        self.ages.remove(entry.note.offered);
        self.stats.buffered -= entry.charge();
    }
}

/// The records of a completed request, to be taken out one by one.
struct Taken(Result<Vec<Option<StreamRecord>>, Arc<Vec<StreamRecord>>>);

impl Taken {
    fn new(records: Arc<Vec<StreamRecord>>) -> Self {
        Self(Arc::try_unwrap(records).map(|records| records.into_iter().map(Some).collect()))
    }

    fn get(&self, at: usize) -> &StreamRecord {
        match &self.0 {
            Ok(own) => own[at].as_ref().expect("each record is taken once, after the last look at it"),
            Err(shared) => &shared[at],
        }
    }

    fn take(&mut self, at: usize) -> StreamRecord {
        match &mut self.0 {
            Ok(own) => own[at].take().expect("each record is taken once"),
            // The transport still holds the request.
            Err(shared) => shared[at].clone(),
        }
    }
}
