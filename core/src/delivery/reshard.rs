//! What happens when the shards of the stream change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::engine::Engine;
use crate::delivery::lane::{Entry, Lane};
use crate::delivery::{Returned, Shard, ShardMap};

impl Engine {
    /// The stream has other shards now. What waits is sorted anew; what is under way stays valid, whichever shard it went
    /// to.
    pub fn set_shards(&mut self, now: Duration, shards: ShardMap) {
        self.advance(now);
        self.stale = false;
        self.wake = Duration::ZERO;
        let old_map = std::mem::replace(&mut self.map, Arc::new(shards));
        let old_lanes = std::mem::take(&mut self.lanes);
        // A shard that stays keeps its lane: what it was taught, and what waits for it.
        let mut kept: HashMap<Shard, Lane> =
            old_lanes.into_iter().map(|lane| (lane.shard.clone(), lane)).collect();
        for shard in self.map.shards() {
            let mut lane =
                kept.remove(shard).unwrap_or_else(|| Lane::new(shard.clone(), &self.options, self.now));
            lane.in_flight = 0;
            self.lanes.push(lane);
        }
        for flight in self.flights.values_mut() {
            for (note, record) in flight.notes.iter_mut().zip(flight.records.iter()) {
                let at = self.map.index(note.hash);
                self.lanes[at].in_flight += 1;
                let moved = self.map.shards()[at] != *old_map.find(note.hash);
                note.displaced |= moved && record.explicit_hash_key.is_some();
                flight.displaced |= note.displaced;
            }
        }
        let mut homeless: Vec<_> =
            kept.values_mut().flat_map(|lane| lane.drain().collect::<Vec<_>>()).collect();
        homeless.sort_unstable_by_key(|(_, entry)| entry.note.number);
        // The last first, as each goes in front of the others.
        for (due, mut entry) in homeless.into_iter().rev() {
            entry.note.displaced |= entry.record.explicit_hash_key.is_some();
            if self.options.reaggregate && entry.note.displaced {
                self.stats.waiting -= 1;
                self.aside.push(entry);
            } else {
                let at = self.map.index(entry.note.hash);
                self.lanes[at].retry(entry, due, self.now, &self.options);
            }
        }
        self.first_lane = 0;
    }

    /// Whether a record was stored in another shard than the map says: the shards have changed, and should be listed and
    /// [set](Self::set_shards) anew.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Takes back all that waits, in the order in which it was offered, and what was given up and not given back yet: to
    /// pack it in another way, or to bring it to safety when delivery cannot go on. What is under way stays under way.
    #[must_use]
    pub fn take_waiting(&mut self) -> Vec<Returned> {
        let mut taken = std::mem::take(&mut self.aside);
        taken.append(&mut self.given_up);
        for lane in &mut self.lanes {
            taken.extend(lane.drain().map(|(_, entry)| entry));
        }
        self.stats.waiting = 0;
        self.wake = Duration::MAX;
        self.returned(taken)
    }

    /// What is to be packed anew; with `ordered`, only when it is known what that is.
    pub(super) fn take_displaced(&mut self) -> Option<Vec<Returned>> {
        if self.aside.is_empty() || self.options.ordered && self.displaced_in_flight() {
            return None;
        }
        let taken = std::mem::take(&mut self.aside);
        self.stats.displaced += taken.len() as u64;
        Some(self.returned(taken))
    }

    /// Whether a record that is offered now would overtake one that is to be packed anew.
    pub(super) fn unsettled(&self) -> bool {
        self.options.ordered
            && self.options.reaggregate
            && (!self.aside.is_empty() || self.displaced_in_flight())
    }

    fn displaced_in_flight(&self) -> bool {
        self.flights.values().any(|flight| flight.displaced)
    }

    pub(super) fn returned(&mut self, mut entries: Vec<Entry>) -> Vec<Returned> {
        entries.sort_unstable_by_key(|entry| entry.note.number);
        for entry in &entries {
            self.give_back(entry);
        }
        entries.into_iter().map(Entry::into_returned).collect()
    }
}
