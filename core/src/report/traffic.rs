//! What happened when: requests, bytes, statuses and hosts by time.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::dictionary::Dictionary;
use super::popular::NONE;
use super::uniques::Uniques;
use crate::filter::{Zone, ZoneClock};

/// How long a bucket may be, in seconds: a second, ten, a minute, ten, an hour, a day; beyond some years a week, and 52.
/// Each is a multiple of the one before it, so that buckets of one make buckets of the next.
pub(super) const STEPS: [i64; 8] = [1, 10, 60, 600, 3600, 86_400, 7 * 86_400, 52 * 7 * 86_400];

/// A span has at most so many buckets, and one more, where there is a step for that.
const MOST_BUCKETS: i64 = 1000;

/// Weeks begin on Mondays; 1970 did on a Thursday.
const MONDAY: i64 = 4 * 86_400;

/// The finest step for a span, by its place among [`STEPS`].
pub(super) fn step_for(first: i64, last: i64) -> usize {
    let span = last.saturating_sub(first);
    STEPS.iter().position(|step| span / step <= MOST_BUCKETS).unwrap_or(STEPS.len() - 1)
}

/// The bucket of a local time.
#[inline]
pub(super) fn bucket_of(local: i64, step: i64) -> i64 {
    local.saturating_sub(MONDAY).div_euclid(step)
}

/// The local time at which a bucket begins.
pub(super) fn start_of(bucket: i64, step: i64) -> i64 {
    bucket.saturating_mul(step).saturating_add(MONDAY)
}

/// The instant at which a bucket begins, one of whose instants is `within`. Where clocks changed in between, the offset at its
/// beginning counts.
pub(super) fn instant_of(bucket: i64, step: i64, within: i64, clock: &mut ZoneClock) -> i64 {
    let local = start_of(bucket, step);
    let near = local.saturating_sub(i64::from(clock.offset_at(within)));
    local.saturating_sub(i64::from(clock.offset_at(near)))
}

/// The weekday, Monday being 0, and the hour of a local time.
#[inline]
pub(super) fn hour_of(local: i64) -> (usize, usize) {
    let hours = local.saturating_sub(MONDAY).div_euclid(3600);
    (hours.div_euclid(24).rem_euclid(7) as usize, hours.rem_euclid(24) as usize)
}

/// The class of a status: 0 for none or another, else its first digit.
#[inline]
pub(super) fn class_of(status: Option<i16>) -> usize {
    match status {
        Some(status @ 100..600) => status as usize / 100,
        _ => 0,
    }
}

/// A bucket of time.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// Its number at the current step.
    pub(super) number: i64,
    /// An instant in it.
    pub(super) within: i64,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) classes: [u64; 6],
}

impl Bucket {
    fn new(number: i64, within: i64) -> Self {
        Self { number, within, requests: 0, bytes: 0, classes: [0; 6] }
    }

    fn add(&mut self, other: &Self) {
        self.within = self.within.min(other.within);
        self.requests += other.requests;
        self.bytes = self.bytes.saturating_add(other.bytes);
        for (count, more) in self.classes.iter_mut().zip(other.classes) {
            *count += more;
        }
    }
}

/// Where memory is bounded, hosts of a bucket are in a sketch of two to the power of this registers,
const HOSTS_OF_BUCKET: u8 = 12;
/// and so many minutes are remembered.
const MOST_MINUTES: usize = 1 << 16;

/// Requests of each second of a minute.
type Minute = [u32; 60];

/// Most requests in one second or minute, and when that began (seconds since 1970, UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peak {
    pub(super) requests: u64,
    pub(super) at: i64,
}

/// What was found of the last row, and holds for the next one, mostly.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// The minute since 1970 in UTC, its place, and the cell of its hour.
    minute: i64,
    place: usize,
    hour: (usize, usize),
    /// The local times of the bucket, and its place.
    from: i64,
    to: i64,
    slot: u32,
}

const NOWHERE: Cursor =
    Cursor { minute: i64::MIN, place: 0, hour: (0, 0), from: i64::MAX, to: i64::MIN, slot: 0 };

/// A host that was seen in no bucket yet.
const UNSEEN: u32 = u32::MAX;

#[derive(Debug, Clone)]
pub(super) struct Traffic {
    clock: ZoneClock,
    /// The earliest and the latest second.
    pub(super) span: Option<(i64, i64)>,
    step: usize,
    pub(super) buckets: Vec<Bucket>,
    slots: HashMap<i64, u32, RandomState>,
    /// Hosts of each bucket.
    hosts: Uniques,
    /// The bucket in which each host was seen last: mostly it need not be looked for among all others.
    seen: Vec<u32>,
    minutes: Vec<Minute>,
    places: HashMap<i64, usize, RandomState>,
    /// Requests by weekday and hour.
    pub(super) hours: [[u64; 24]; 7],
    cursor: Cursor,
    /// How many minutes are remembered: all, or so many of those with the highest peaks.
    most_minutes: usize,
}

impl Traffic {
    pub(super) fn new(zone: &Zone, approx: bool) -> Self {
        Self {
            clock: zone.clock(),
            span: None,
            step: 0,
            buckets: Vec::new(),
            slots: HashMap::default(),
            hosts: if approx { Uniques::sketches(HOSTS_OF_BUCKET) } else { Uniques::exact() },
            seen: Vec::new(),
            minutes: Vec::new(),
            places: HashMap::default(),
            hours: [[0; 24]; 7],
            cursor: NOWHERE,
            most_minutes: if approx { MOST_MINUTES } else { usize::MAX },
        }
    }

    /// The length of buckets in seconds.
    pub(super) fn step(&self) -> i64 {
        STEPS[self.step]
    }

    /// The instant at which a bucket begins.
    pub(super) fn start(&self, bucket: &Bucket) -> i64 {
        instant_of(bucket.number, self.step(), bucket.within, &mut self.clock.clone())
    }

    /// Adds a request at an instant (seconds since 1970) from a host, or from [`NONE`].
    #[inline]
    pub(super) fn push(&mut self, second: i64, class: usize, bytes: u64, host: u32, names: &Dictionary) {
        let (first, last) = self.span.unwrap_or((second, second));
        if self.span.is_none() || second < first || second > last {
            self.widen(first.min(second), last.max(second), names.len());
        }
        let minute = second.div_euclid(60);
        let local = self.clock.local(second);
        if minute != self.cursor.minute {
            self.turn(minute, local);
        }
        if !(self.cursor.from..self.cursor.to).contains(&local) {
            self.enter(second, local);
        }
        self.minutes[self.cursor.place][second.rem_euclid(60) as usize] += 1;
        self.hours[self.cursor.hour.0][self.cursor.hour.1] += 1;
        let slot = self.cursor.slot;
        let bucket = &mut self.buckets[slot as usize];
        bucket.within = bucket.within.min(second);
        bucket.requests += 1;
        bucket.bytes = bucket.bytes.saturating_add(bytes);
        bucket.classes[class] += 1;
        if host == NONE {
            return;
        }
        if host as usize >= self.seen.len() {
            self.seen.resize(names.len() as usize, UNSEEN);
        }
        if self.seen[host as usize] != slot {
            self.seen[host as usize] = slot;
            self.hosts.insert(slot, host, names.name(host));
        }
    }

    #[cold]
    fn turn(&mut self, minute: i64, local: i64) {
        let next = self.minutes.len();
        let place = *self.places.entry(minute).or_insert(next);
        if place == next {
            self.minutes.push([0; 60]);
        }
        (self.cursor.minute, self.cursor.place, self.cursor.hour) = (minute, place, hour_of(local));
    }

    #[cold]
    fn enter(&mut self, second: i64, local: i64) {
        let number = bucket_of(local, self.step());
        self.cursor.slot = self.slot(number, second);
        self.cursor.from = start_of(number, self.step());
        self.cursor.to = start_of(number + 1, self.step());
    }

    fn slot(&mut self, number: i64, within: i64) -> u32 {
        let next = self.buckets.len() as u32;
        let slot = *self.slots.entry(number).or_insert(next);
        if slot == next {
            self.buckets.push(Bucket::new(number, within));
        }
        slot
    }

    /// Takes in a longer span, for which buckets may have to be longer. `hosts` is how many there are.
    #[cold]
    fn widen(&mut self, first: i64, last: i64, hosts: u32) {
        self.span = Some((first, last));
        let step = step_for(first, last);
        if step > self.step {
            self.coarsen(step, hosts);
        }
    }

    fn coarsen(&mut self, step: usize, hosts: u32) {
        let times = STEPS[step] / STEPS[self.step];
        let old = std::mem::take(&mut self.buckets);
        self.slots.clear();
        self.step = step;
        self.cursor = NOWHERE;
        let mut groups = Vec::with_capacity(old.len());
        for bucket in &old {
            let slot = self.slot(bucket.number.div_euclid(times), bucket.within);
            self.buckets[slot as usize].add(bucket);
            groups.push(Some(slot));
        }
        self.hosts = self.hosts.regrouped(&groups, hosts);
        for slot in &mut self.seen {
            *slot = groups.get(*slot as usize).copied().flatten().unwrap_or(UNSEEN);
        }
    }

    /// Adds what another has seen, whose hosts have these numbers here, of which there are `hosts`.
    pub(super) fn merge(&mut self, mut other: Self, numbers: &[u32], hosts: u32) {
        let Some((first, last)) = other.span else { return };
        let (begun, ended) = self.span.unwrap_or((first, last));
        self.widen(begun.min(first), ended.max(last), hosts);
        if other.step < self.step {
            other.coarsen(self.step, numbers.len() as u32);
        }
        let mut groups = Vec::with_capacity(other.buckets.len());
        for bucket in &other.buckets {
            let slot = self.slot(bucket.number, bucket.within);
            self.buckets[slot as usize].add(bucket);
            groups.push(Some(slot));
        }
        self.hosts.merge(&other.hosts, &groups, numbers);
        for (minute, place) in &other.places {
            let next = self.minutes.len();
            let here = *self.places.entry(*minute).or_insert(next);
            if here == next {
                self.minutes.push([0; 60]);
            }
            for (count, more) in self.minutes[here].iter_mut().zip(other.minutes[*place]) {
                *count += more;
            }
        }
        for (hours, more) in self.hours.iter_mut().flatten().zip(other.hours.iter().flatten()) {
            *hours += more;
        }
        self.trim();
    }

    /// Hosts were numbered anew, so that none is known to have been seen.
    pub(super) fn forget_hosts(&mut self) {
        self.seen.clear();
    }

    /// Bounds the memory from now on: hosts, which have these names, are estimated, and not all minutes are remembered.
    pub(super) fn limit(&mut self, names: &Dictionary) {
        if let Uniques::Exact(_) = self.hosts {
            let mut sketches = Uniques::sketches(HOSTS_OF_BUCKET);
            self.hosts.sketched(&mut sketches, |slot| slot, |host| (host, names.name(host)));
            self.hosts = sketches;
        }
        self.most_minutes = MOST_MINUTES;
        self.trim();
    }

    /// Lets go of minutes that can hardly have a peak, where there are more than may be remembered.
    pub(super) fn trim(&mut self) {
        if self.minutes.len() <= self.most_minutes {
            return;
        }
        let weight = |minute: &Minute| {
            let (sum, most) = (minute.iter().sum::<u32>(), minute.iter().max().copied().unwrap_or(0));
            sum.max(most.saturating_mul(60))
        };
        let mut kept: Vec<(i64, Minute)> =
            self.places.iter().map(|(minute, place)| (*minute, self.minutes[*place])).collect();
        kept.sort_unstable_by_key(|(minute, counts)| (std::cmp::Reverse(weight(counts)), *minute));
        kept.truncate(self.most_minutes / 2);
        self.places = kept.iter().enumerate().map(|(place, (minute, _))| (*minute, place)).collect();
        self.minutes = kept.into_iter().map(|(_, counts)| counts).collect();
        self.cursor = NOWHERE;
    }

    /// Different hosts of each bucket, in the order of the buckets.
    pub(super) fn hosts(&self) -> Vec<u64> {
        self.hosts.counts(self.buckets.len())
    }

    /// The busiest second and minute; the earliest of equals.
    pub(super) fn peaks(&self) -> Option<(Peak, Peak)> {
        let mut peaks: Option<(Peak, Peak)> = None;
        let better = |one: Peak, other: Peak| {
            if (other.requests, std::cmp::Reverse(other.at)) > (one.requests, std::cmp::Reverse(one.at)) {
                other
            } else {
                one
            }
        };
        for (minute, place) in &self.places {
            let counts = &self.minutes[*place];
            let whole =
                Peak { requests: counts.iter().map(|count| u64::from(*count)).sum(), at: minute * 60 };
            let seconds = counts.iter().zip(0..);
            let second = seconds.fold(Peak { requests: 0, at: 0 }, |best, (count, second)| {
                better(best, Peak { requests: u64::from(*count), at: minute * 60 + second })
            });
            peaks = Some(match peaks {
                Some(best) => (better(best.0, second), better(best.1, whole)),
                None => (second, whole),
            });
        }
        peaks
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.minutes.capacity() * size_of::<Minute>()
            + self.places.allocation_size()
            + self.buckets.capacity() * size_of::<Bucket>()
            + self.slots.allocation_size()
            + self.seen.capacity() * size_of::<u32>()
            + self.hosts.memory()
    }
}
