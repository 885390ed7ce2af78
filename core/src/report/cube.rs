//! What the reader of a page filters: requests told apart by everything that the page shows.
//!
//! A cell is a bucket of time, a URL, a host, a status, and so on, with how many requests and bytes there were. URLs, hosts,
//! referrers and agents beyond the first are one entry, `other`, which is why the cube is small. When it is still too large it
//! is made coarser, in a fixed order, and says so.

use std::hash::BuildHasher;

use arrow::array::{Array, BinaryViewArray, RecordBatch};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::columns::{Columns, bin_of, type_of};
use super::dictionary::Dictionary;
use super::popular::{Count, Popular};
use super::tally::Tally;
use super::traffic::{STEPS, bucket_of, hour_of, instant_of};
use crate::error::Result;
use crate::filter::ZoneClock;

mod encode;
mod live;

pub(super) use encode::deflated;
pub use encode::{CubeMeta, EncodedCube, SampleMeta};
pub use live::{CubeDelta, CubeSnapshot, LiveCube, NewNames};

/// How large a cube may be.
///
/// ```
/// let options = nasalogs::report::CubeOptions::new().with_limit(1 << 20).with_names(50);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CubeOptions {
    /// How many bytes its cells may take in the page: 5 MB unless set.
    pub limit: usize,
    /// How many URLs and hosts are told apart at first: 100 unless set.
    pub names: usize,
    /// In memory, so many cells before the cube is made coarser: a million unless set.
    pub cells: usize,
}

impl CubeOptions {
    /// As a page of `nasalogs report` has it.
    #[must_use]
    pub fn new() -> Self {
        Self { limit: 5_000_000, names: 100, cells: 1_000_000 }
    }

    /// Limits the bytes that the cells take in the page.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Chooses how many URLs and hosts are told apart, at most 10,000; a live cube has up to three times as many.
    #[must_use]
    pub fn with_names(mut self, names: usize) -> Self {
        self.names = names.min(MOST_NAMES);
        self
    }

    /// Limits the cells in memory, some 50 bytes each.
    #[must_use]
    pub fn with_cells(mut self, cells: usize) -> Self {
        self.cells = cells.max(1000);
        self
    }
}

impl Default for CubeOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Entries are numbers of 16 bits, and a live cube has three times as many names.
const MOST_NAMES: usize = 10_000;

/// The entry for all that have none of their own.
const OTHER: u16 = 0;
/// The entry for nothing.
const NONE: u16 = 1;
/// Where the entries of names begin.
const FIRST: u16 = 2;

/// What requests of a cell have in common, beside the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    bucket: u32,
    url: u16,
    host: u16,
    status: u16,
    method: u16,
    protocol: u16,
    kind: u16,
    size: u16,
    referer: u16,
    agent: u16,
}

/// What the page estimates different hosts with: one host of many, but of these every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Seen {
    bucket: u32,
    url: u16,
    status: u16,
    host: u32,
}

/// Names that have an entry.
#[derive(Debug, Clone, Default)]
struct Entries {
    names: Dictionary,
    hasher: RandomState,
}

impl Entries {
    fn new<'a>(hasher: &RandomState, names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut entries = Self { names: Dictionary::default(), hasher: hasher.clone() };
        for name in names {
            entries.names.intern(name, entries.hasher.hash_one(name));
        }
        entries
    }

    fn of(popular: &Popular, most: usize, hasher: &RandomState) -> Self {
        let top = popular.top(most, |count: &Count| count.requests);
        Self::new(hasher, top.into_iter().map(|number| popular.names.name(number)))
    }

    /// URLs: those that a report lists first, those at which requests fail among them, and then the next ones.
    fn of_urls(urls: &Popular, most: usize, hasher: &RandomState) -> Self {
        let weights: [fn(&Count) -> u64; 3] =
            [|count| count.requests, |count| count.not_found, |count| count.failed];
        let mut numbers: Vec<u32> =
            weights.into_iter().flat_map(|weigh| urls.top(most.min(LISTED), weigh)).collect();
        numbers.extend(urls.top(most, weights[0]));
        let mut entries = Self::new(hasher, numbers.into_iter().map(|number| urls.names.name(number)));
        entries.truncate(most);
        entries
    }

    #[inline]
    fn find(&self, name: &[u8]) -> u16 {
        self.names.find(name, self.hasher.hash_one(name)).map_or(OTHER, |number| number as u16 + FIRST)
    }

    fn find_in(&self, column: Option<&BinaryViewArray>, row: usize) -> u16 {
        match column {
            Some(column) if column.is_valid(row) => self.find(column.value(row)),
            _ => NONE,
        }
    }

    /// Keeps the first so many; gives whether there were more.
    fn truncate(&mut self, most: usize) -> bool {
        if self.names.len() as usize <= most {
            return false;
        }
        let kept: Vec<Vec<u8>> = self.names.names().take(most).map(<[u8]>::to_vec).collect();
        *self = Self::new(&self.hasher, kept.iter().map(Vec::as_slice));
        true
    }

    fn texts(&self) -> Vec<String> {
        self.names.names().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }
}

/// Requests told apart by everything that a page shows, for those who filter them.
///
/// ```
/// use nasalogs::report::{Cube, CubeOptions, ReportOptions, Tally};
/// # use nasalogs::{Decoder, ParseOptions};
/// # let mut decoder = Decoder::new(ParseOptions::new())?;
/// # decoder.push(b"h - - [01/Jul/1995:00:00:01 -0400] \"GET /a HTTP/1.0\" 404 5\n")?;
/// # decoder.finish()?;
/// # let batch = decoder.next_batch().unwrap();
/// let mut tally = Tally::new(&ReportOptions::new());
/// tally.push(&batch)?;
/// // Once more over the same rows, now that the first names are known.
/// let mut cube = Cube::new(&tally, &CubeOptions::new());
/// cube.push(&batch)?;
/// let encoded = cube.encode();
/// assert_eq!((encoded.meta.cells, encoded.meta.urls.as_slice()), (1, &["/a".to_owned()][..]));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cube {
    options: CubeOptions,
    clock: ZoneClock,
    hasher: RandomState,
    step: usize,
    urls: Entries,
    hosts: Entries,
    statuses: Vec<i16>,
    methods: Entries,
    protocols: Entries,
    types: Entries,
    referers: Option<Entries>,
    agents: Option<Entries>,
    cells: HashMap<Key, (u64, u64), RandomState>,
    /// Buckets by number: their place, and an instant in each.
    places: HashMap<i64, u32, RandomState>,
    buckets: Vec<(i64, i64)>,
    /// One host of so many is in the sample: a power of two.
    rate: u32,
    sampled: Dictionary,
    sample: HashMap<Seen, (), RandomState>,
    /// What was done to make it smaller.
    coarse: Vec<String>,
}

/// How many rows of each of its lists of URLs a report has, unless it is asked for more.
const LISTED: usize = 10;

/// How many cells the sample has at most.
const SAMPLE: usize = 100_000;

impl Cube {
    /// An empty one for what a tally has counted, which says which names have entries of their own.
    #[must_use]
    pub fn new(tally: &Tally, options: &CubeOptions) -> Self {
        let hasher = tally.hasher();
        let few = |popular: &Popular| Entries::of(popular, 50, hasher);
        let mut statuses: Vec<i16> = tally.met_statuses().collect();
        statuses.sort_unstable();
        let step = STEPS.iter().position(|step| *step == tally.traffic.step()).unwrap_or(0);
        let mut cube = Self {
            options: CubeOptions { names: options.names.min(MOST_NAMES), ..options.clone() },
            clock: tally.options().zone.clock(),
            hasher: hasher.clone(),
            step,
            urls: Entries::of_urls(&tally.urls, options.names, hasher),
            hosts: Entries::of(&tally.hosts, options.names, hasher),
            statuses,
            methods: few(&tally.methods),
            protocols: few(&tally.protocols),
            types: few(&tally.types()),
            referers: tally.referers.as_ref().map(few),
            agents: tally.agents.as_ref().map(few),
            cells: HashMap::with_hasher(hasher.clone()),
            places: HashMap::with_hasher(hasher.clone()),
            buckets: Vec::new(),
            rate: 1,
            sampled: Dictionary::default(),
            sample: HashMap::with_hasher(hasher.clone()),
            coarse: Vec::new(),
        };
        for (of, total, named) in [
            ("URLs", tally.urls.total(), cube.urls.names.len()),
            ("hosts", tally.hosts.total(), cube.hosts.names.len()),
        ] {
            if total > u64::from(named) {
                cube.coarse.push(format!("{of} beyond the first {named} are one entry, other"));
            }
        }
        cube
    }

    /// Adds the rows of a batch, which has the columns that the tally's batches had.
    ///
    /// # Errors
    /// As [`Tally::push`].
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = Columns::of(batch)?;
        for row in 0..columns.rows() {
            let key = self.key(&columns, row);
            let (requests, bytes) = self.cells.entry(key).or_insert((0, 0));
            (*requests, *bytes) = (*requests + 1, bytes.saturating_add(columns.bytes(row).unwrap_or(0)));
            self.see(&columns, row, key);
        }
        while self.cells.len() > self.options.cells && self.squeeze() {}
        Ok(())
    }

    /// The cell of a row.
    #[inline]
    fn key(&mut self, columns: &Columns, row: usize) -> Key {
        let path = columns.path.as_ref().filter(|path| path.is_valid(row)).map(|path| path.value(row));
        Key {
            bucket: self.place(columns.second(row)),
            url: path.map_or(NONE, |path| self.urls.find(path)),
            host: self.hosts.find_in(columns.host.as_ref(), row),
            status: self.status(columns.status(row)),
            method: self.methods.find_in(columns.method.as_ref(), row),
            protocol: self.protocols.find_in(columns.protocol.as_ref(), row),
            kind: path.and_then(type_of).map_or(NONE, |name| self.types.find(name.as_bytes())),
            size: bin_of(columns.bytes(row)) as u16,
            referer: self.referers.as_ref().map_or(NONE, |all| all.find_in(columns.referer.as_ref(), row)),
            agent: self.agents.as_ref().map_or(NONE, |all| all.find_in(columns.agent.as_ref(), row)),
        }
    }

    /// Adds what another one has, which was made for the same tally with the same options.
    pub fn merge(&mut self, mut other: Self) {
        // Both have to be as coarse as the coarser one.
        self.coarsen_like(&other);
        other.coarsen_like(self);
        let places: Vec<u32> = other.buckets.iter().map(|bucket| self.place_of(*bucket)).collect();
        for (key, (requests, bytes)) in other.cells {
            let cell = self.cells.entry(Key { bucket: places[key.bucket as usize], ..key }).or_insert((0, 0));
            *cell = (cell.0 + requests, cell.1.saturating_add(bytes));
        }
        while self.rate < other.rate {
            self.thin();
        }
        for (seen, ()) in other.sample {
            let name = other.sampled.name(seen.host);
            let key = (places[seen.bucket as usize], seen.url, seen.status);
            self.sample_one(name, key);
        }
        while self.sample.len() > SAMPLE {
            self.thin();
        }
        while self.cells.len() > self.options.cells && self.squeeze() {}
    }

    /// Makes it as coarse as another one, in whatever that is coarser.
    fn coarsen_like(&mut self, other: &Self) {
        while self.step < other.step {
            self.coarsen();
        }
        if self.named() > other.named() {
            self.cut_names(other.named());
        }
        if self.extras() > other.extras() {
            self.cut_extras(other.extras());
        }
    }

    /// How many URLs or hosts are told apart, whichever are more.
    fn named(&self) -> usize {
        self.urls.names.len().max(self.hosts.names.len()) as usize
    }

    /// How many referrers or agents are told apart, whichever are more.
    fn extras(&self) -> usize {
        let all = [self.referers.as_ref(), self.agents.as_ref()].into_iter().flatten();
        all.map(|all| all.names.len() as usize).max().unwrap_or(0)
    }

    /// How many cells it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    #[inline]
    fn place(&mut self, second: i64) -> u32 {
        let number = bucket_of(self.clock.local(second), STEPS[self.step]);
        self.place_of((number, second))
    }

    fn place_of(&mut self, (number, within): (i64, i64)) -> u32 {
        let next = self.buckets.len() as u32;
        let place = *self.places.entry(number).or_insert(next);
        if place == next {
            self.buckets.push((number, within));
        }
        place
    }

    fn status(&self, status: Option<i16>) -> u16 {
        match status {
            None => NONE,
            Some(status) => {
                let at = self.statuses.iter().position(|known| *known == status);
                at.map_or(OTHER, |at| at as u16 + FIRST)
            }
        }
    }

    /// Puts the host of a row into the sample, if it is one of those; gives what is new there.
    #[inline]
    fn see(&mut self, columns: &Columns, row: usize, key: Key) -> Option<Seen> {
        let hosts = columns.host.as_ref().filter(|hosts| hosts.is_valid(row))?;
        let seen = self.sample_one(hosts.value(row), (key.bucket, key.url, key.status));
        while self.sample.len() > SAMPLE {
            self.thin();
        }
        seen
    }

    fn sample_one(&mut self, name: &[u8], (bucket, url, status): (u32, u16, u16)) -> Option<Seen> {
        let hash = self.hasher.hash_one(name);
        if !in_sample(hash, self.rate) {
            return None;
        }
        let seen = Seen { bucket, url, status, host: self.sampled.intern(name, hash) };
        self.sample.insert(seen, ()).is_none().then_some(seen)
    }

    /// Leaves half of the hosts out of the sample.
    fn thin(&mut self) {
        self.rate *= 2;
        let old = std::mem::take(&mut self.sampled);
        for (seen, ()) in std::mem::take(&mut self.sample) {
            let name = old.name(seen.host);
            let hash = self.hasher.hash_one(name);
            if in_sample(hash, self.rate) {
                let host = self.sampled.intern(name, hash);
                self.sample.insert(Seen { host, ..seen }, ());
            }
        }
    }

    /// Makes it coarser by a step: fewer referrers and agents, then fewer URLs and hosts, then longer buckets, and so on. Whether
    /// there was anything left to do.
    fn squeeze(&mut self) -> bool {
        let (names, extra) = (self.named(), self.extras());
        if extra > 10 {
            self.cut_extras(10);
        } else if names > 25 {
            self.cut_names((names / 2).max(25));
        } else if self.step + 1 < STEPS.len() && self.buckets.len() > 48 {
            self.coarsen();
        } else if extra > 0 {
            self.cut_extras(0);
        } else if names > 0 {
            self.cut_names(names / 2);
        } else {
            return false;
        }
        true
    }

    fn cut_names(&mut self, most: usize) {
        self.options.names = self.options.names.min(most);
        self.urls.truncate(most);
        self.hosts.truncate(most);
        self.coarse.retain(|note| !note.ends_with("are one entry, other"));
        self.coarse.push(format!("URLs and hosts beyond the first {most} are one entry, other"));
        let cut = |entry: u16| if usize::from(entry) >= most + usize::from(FIRST) { OTHER } else { entry };
        self.rewrite(|key| Key { url: cut(key.url), host: cut(key.host), ..key });
        for (seen, ()) in std::mem::take(&mut self.sample) {
            self.sample.insert(Seen { url: cut(seen.url), ..seen }, ());
        }
    }

    fn cut_extras(&mut self, most: usize) {
        for all in [&mut self.referers, &mut self.agents].into_iter().flatten() {
            all.truncate(most);
        }
        self.coarse.retain(|note| !note.starts_with("referrers"));
        self.coarse.push(format!("referrers and agents beyond the first {most} are one entry, other"));
        let cut = |entry: u16| if usize::from(entry) >= most + usize::from(FIRST) { OTHER } else { entry };
        self.rewrite(|key| Key { referer: cut(key.referer), agent: cut(key.agent), ..key });
    }

    fn coarsen(&mut self) {
        let times = STEPS[self.step + 1] / STEPS[self.step];
        self.step += 1;
        self.coarse.retain(|note| !note.starts_with("time is"));
        self.coarse.push(format!("time is filtered by steps of {} seconds", STEPS[self.step]));
        self.places.clear();
        let old = std::mem::take(&mut self.buckets);
        let places: Vec<u32> =
            old.iter().map(|(number, within)| self.place_of((number.div_euclid(times), *within))).collect();
        self.rewrite(|key| Key { bucket: places[key.bucket as usize], ..key });
        for (seen, ()) in std::mem::take(&mut self.sample) {
            self.sample.insert(Seen { bucket: places[seen.bucket as usize], ..seen }, ());
        }
    }

    fn rewrite(&mut self, new: impl Fn(Key) -> Key) {
        for (key, (requests, bytes)) in std::mem::take(&mut self.cells) {
            let cell = self.cells.entry(new(key)).or_insert((0, 0));
            *cell = (cell.0 + requests, cell.1.saturating_add(bytes));
        }
    }

    /// The length of a bucket in seconds.
    #[cfg(test)]
    pub(super) fn step(&self) -> i64 {
        STEPS[self.step]
    }

    /// How many requests there are in each bucket.
    #[cfg(test)]
    pub(super) fn requests(&self) -> std::collections::BTreeMap<i64, u64> {
        let mut requests = std::collections::BTreeMap::new();
        for (key, (count, _)) in &self.cells {
            *requests.entry(self.buckets[key.bucket as usize].0).or_insert(0) += count;
        }
        requests
    }

    /// The instants at which buckets begin, with weekday and hour there, in the order of time; and each bucket's place in it.
    fn timeline(&self) -> (Vec<i64>, Vec<(usize, usize)>, Vec<u32>) {
        let mut clock = self.clock.clone();
        let step = STEPS[self.step];
        let mut order: Vec<usize> = (0..self.buckets.len()).collect();
        order.sort_unstable_by_key(|at| self.buckets[*at].0);
        let mut ranks = vec![0; order.len()];
        let mut starts = Vec::with_capacity(order.len());
        let mut hours = Vec::with_capacity(order.len());
        for (at, rank) in order.into_iter().zip(0..) {
            let (number, within) = self.buckets[at];
            ranks[at] = rank;
            starts.push(instant_of(number, step, within, &mut clock));
            hours.push(hour_of(super::traffic::start_of(number, step)));
        }
        (starts, hours, ranks)
    }
}

/// Whether a host with this hash is one of those that are sampled, one of `rate`. The upper bits: the lower ones choose places in
/// tables.
const fn in_sample(hash: u64, rate: u32) -> bool {
    (hash >> 40) & (rate as u64 - 1) == 0
}
