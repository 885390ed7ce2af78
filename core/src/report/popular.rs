//! Requests and bytes by name: URLs, hosts, methods, agents.

use std::cmp::Reverse;
use std::hash::BuildHasher;

use arrow::array::{Array, BinaryViewArray};
use datasketches::hll::HllSketch;
use foldhash::fast::RandomState;

use super::dictionary::Dictionary;
use super::uniques::{sketch, union};

/// No name.
pub(super) const NONE: u32 = u32::MAX;

/// What is counted for a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    /// Requests with a status of 400 to 599.
    pub(super) errors: u64,
    /// Requests with status 404.
    pub(super) not_found: u64,
    /// Requests with a status of 500 to 599.
    pub(super) failed: u64,
    /// In how many requests, at most, it was met before it was counted: none, unless memory is bounded.
    pub(super) missed: u64,
}

impl Count {
    #[inline]
    pub(super) fn push(&mut self, status: Option<i16>, bytes: u64) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(status @ 400..600) = status {
            self.errors += 1;
            self.not_found += u64::from(status == 404);
            self.failed += u64::from(status >= 500);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.errors += other.errors;
        self.not_found += other.not_found;
        self.failed += other.failed;
        self.missed += other.missed;
    }
}

/// Names and their counts. Where memory is bounded only the more frequent ones are kept: when there are too many, the lower
/// half by requests goes, and whatever comes back or is new may have been missed as often as the most frequent of those that went
/// ("lossy counting").
#[derive(Debug, Clone)]
pub(super) struct Popular {
    hasher: RandomState,
    pub(super) names: Dictionary,
    pub(super) counts: Vec<Count>,
    /// Requests without a name.
    pub(super) nameless: Count,
    /// Requests of names that were let go of.
    pub(super) gone: Count,
    bound: Option<Bound>,
}

/// What is known beyond the names that are kept.
#[derive(Debug, Clone)]
struct Bound {
    most: usize,
    /// How often a name that is not there can have been met.
    floor: u64,
    /// How many different names there were.
    seen: HllSketch,
}

impl Popular {
    /// All names, or at most so many.
    pub(super) fn new(hasher: &RandomState, most: Option<usize>) -> Self {
        let bound = most.map(|most| Bound { most, floor: 0, seen: sketch(12) });
        Self {
            hasher: hasher.clone(),
            names: Dictionary::default(),
            counts: Vec::new(),
            nameless: Count::default(),
            gone: Count::default(),
            bound,
        }
    }

    /// The number of a name.
    #[inline]
    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        let number = self.names.intern(name, self.hasher.hash_one(name));
        if number as usize == self.counts.len() {
            self.counts.push(Count::default());
            if let Some(bound) = &mut self.bound {
                bound.seen.update(name);
                self.counts[number as usize].missed = bound.floor;
            }
        }
        number
    }

    /// The numbers of a column's names.
    pub(super) fn intern_all<'a>(&mut self, column: &'a BinaryViewArray, numbers: &mut Vec<u32>) {
        numbers.clear();
        // One after the other is often the same: most methods and protocols are.
        let mut last: (&'a [u8], u32) = (b"", NONE);
        let mut number_of = |name: &'a [u8]| {
            if last.1 == NONE || last.0 != name {
                last = (name, self.intern(name));
            }
            last.1
        };
        if column.null_count() == 0 {
            numbers.extend((0..column.len()).map(|row| number_of(column.value(row))));
        } else {
            let name = |row| column.is_valid(row).then(|| column.value(row));
            numbers.extend((0..column.len()).map(|row| name(row).map_or(NONE, &mut number_of)));
        }
    }

    /// What is counted for a number, which may be [`NONE`].
    #[inline]
    pub(super) fn count(&mut self, number: u32) -> &mut Count {
        self.counts.get_mut(number as usize).unwrap_or(&mut self.nameless)
    }

    /// How many different names there were.
    pub(super) fn total(&self) -> u64 {
        match &self.bound {
            Some(bound) if bound.floor > 0 => bound.seen.estimate().round() as u64,
            _ => self.counts.len() as u64,
        }
    }

    /// The numbers of the first names by what `weigh` says, and then by name; those without weight are left out.
    pub(super) fn top(&self, most: usize, weigh: impl Fn(&Count) -> u64) -> Vec<u32> {
        let weighed = self.counts.iter().zip(0..).map(|(count, number)| (weigh(count), number));
        let mut all: Vec<(u64, u32)> = weighed.filter(|(weight, _)| *weight > 0).collect();
        let order = |(weight, number): &(u64, u32)| (Reverse(*weight), self.names.name(*number));
        if all.len() > most {
            if most > 0 {
                all.select_nth_unstable_by(most - 1, |one, other| order(one).cmp(&order(other)));
            }
            all.truncate(most);
        }
        all.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        all.into_iter().map(|(_, number)| number).collect()
    }

    /// How many names have weight.
    pub(super) fn weighty(&self, weigh: impl Fn(&Count) -> u64) -> u64 {
        self.counts.iter().filter(|count| weigh(count) > 0).count() as u64
    }

    /// Adds what another has seen; gives the numbers here of its names.
    pub(super) fn merge(&mut self, other: &Self) -> Vec<u32> {
        let (mine, theirs) = (self.floor(), other.floor());
        let known = self.counts.len();
        let mut met = vec![false; known];
        let mut numbers = Vec::with_capacity(other.counts.len());
        for (name, count) in other.names.names().zip(&other.counts) {
            let number = self.intern(name);
            self.counts[number as usize].add(count);
            if let Some(met) = met.get_mut(number as usize) {
                *met = true;
            }
            numbers.push(number);
        }
        for (count, _) in self.counts.iter_mut().zip(met).filter(|(_, met)| !met) {
            count.missed += theirs;
        }
        self.nameless.add(&other.nameless);
        self.gone.add(&other.gone);
        if let (Some(bound), Some(more)) = (&mut self.bound, &other.bound) {
            bound.floor = mine + theirs;
            bound.seen = union(&bound.seen, &more.seen);
        }
        numbers
    }

    /// Keeps at most so many names from now on.
    pub(super) fn limit(&mut self, most: usize) {
        match &mut self.bound {
            Some(bound) => bound.most = most,
            None => {
                let mut seen = sketch(12);
                self.names.names().for_each(|name| seen.update(name));
                self.bound = Some(Bound { most, floor: 0, seen });
            }
        }
    }

    /// Whether a name was met; where memory is bounded it may have been forgotten.
    pub(super) fn knows(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// The number of a name that is there.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        self.names.find(name, self.hasher.hash_one(name))
    }

    fn floor(&self) -> u64 {
        self.bound.as_ref().map_or(0, |bound| bound.floor)
    }

    /// Lets go of the lower half where there are too many names, each of which is told with its count; gives the new number of
    /// each of the old ones.
    pub(super) fn trim(&mut self, mut gone: impl FnMut(&[u8], &Count)) -> Option<Vec<Option<u32>>> {
        let most = self.bound.as_ref()?.most;
        if self.counts.len() <= most {
            return None;
        }
        let mut floor = self.floor();
        let weight = |count: &Count| count.requests + count.missed;
        let kept = self.top(most / 2, weight);
        let mut numbers = vec![None; self.counts.len()];
        let old = std::mem::take(&mut self.names);
        let counts = std::mem::take(&mut self.counts);
        for number in kept {
            let name = old.name(number);
            numbers[number as usize] = Some(self.names.intern(name, self.hasher.hash_one(name)));
            self.counts.push(counts[number as usize]);
        }
        for (count, number) in
            counts.iter().zip(0..).filter(|(_, number)| numbers[*number as usize].is_none())
        {
            floor = floor.max(weight(count));
            self.gone.add(count);
            gone(old.name(number), count);
        }
        if let Some(bound) = &mut self.bound {
            bound.floor = floor;
        }
        Some(numbers)
    }

    /// How much too low the count of any of these can be.
    pub(super) fn missed(&self, numbers: &[u32]) -> u64 {
        numbers.iter().map(|number| self.counts[*number as usize].missed).max().unwrap_or(0)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.names.memory() + self.counts.capacity() * size_of::<Count>()
    }
}
