//! A cube that grows, and pages that follow it.
//!
//! A page has the cube of some version, and adds the cells of each delta. What deltas cannot say (longer buckets, fewer names,
//! rows of the past) makes a new version, which pages ask for as a whole.

use std::collections::HashSet;
use std::hash::BuildHasher;

use arrow::array::{Array, RecordBatch};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::Serialize;

use super::encode::{deflated, put_cells, put_sample};
use super::{Cube, CubeMeta, Entries, FIRST, Key, OTHER, Seen};
use crate::error::Result;
use crate::report::columns::{Columns, type_of};
use crate::report::html::base64;
use crate::report::popular::Popular;
use crate::report::tally::Tally;
use crate::report::traffic::STEPS;

/// How many methods, protocols, types, referrers and agents have entries.
const FEW: usize = 50;

/// A cube whose pages are told what is new in it.
///
/// ```
/// use nasalogs::report::{Cube, CubeOptions, LiveCube, ReportOptions, Tally};
/// # use nasalogs::{Decoder, ParseOptions};
/// # let batch = |path: &str| {
/// #     let mut decoder = Decoder::new(ParseOptions::new()).unwrap();
/// #     let line = format!("h - - [01/Jul/1995:00:00:01 -0400] \"GET {path} HTTP/1.0\" 404 5\n");
/// #     decoder.push(line.as_bytes()).unwrap();
/// #     decoder.finish().unwrap();
/// #     decoder.next_batch().unwrap()
/// # };
/// let (first, later) = (batch("/a"), batch("/b"));
/// let mut tally = Tally::new(&ReportOptions::new());
/// tally.push(&first)?;
/// let mut cube = Cube::new(&tally, &CubeOptions::new());
/// cube.push(&first)?;
/// let mut live = LiveCube::new(cube);
/// let snapshot = live.snapshot();
/// // From now on each batch goes to the cube first.
/// live.push(&later, &tally)?;
/// tally.push(&later)?;
/// live.tend(&tally);
/// let delta = live.drain().unwrap();
/// assert_eq!((delta.version, delta.seq, delta.cells), (snapshot.version, snapshot.seq + 1, 1));
/// assert_eq!(delta.names.urls, ["/b"]);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct LiveCube {
    cube: Cube,
    /// What came since the last delta.
    fresh: HashMap<Key, (u64, u64), RandomState>,
    seen: Vec<Seen>,
    /// What pages know of this version.
    known: Known,
    version: u64,
    seq: u64,
    /// Cells of this version's deltas: pages do not merge them.
    given: usize,
    /// Pages need another version.
    is_stale: bool,
    /// Names whose requests before they had an entry are in `other`.
    late: HashSet<Vec<u8>>,
}

/// How much of each list pages know.
#[derive(Debug, Clone, Default)]
struct Known {
    names: [usize; 8],
    buckets: usize,
    /// The last bucket's number.
    last: Option<i64>,
    rate: u32,
}

/// What is new since the delta before it. As JSON it is what pages take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CubeDelta {
    /// To which version it is to be added.
    pub version: u64,
    /// Its number: 1 for the first of a version.
    pub seq: u64,
    /// How many cells it has.
    pub cells: usize,
    /// How many cells of the sample it has.
    pub sample: usize,
    /// The instants at which new buckets begin, all after those before.
    pub starts: Vec<i64>,
    /// Their weekdays and hours.
    pub local: Vec<(usize, Option<usize>)>,
    /// Names that have entries from now on, behind those that have.
    pub names: NewNames,
    /// The columns of the cells and of the sample, as in an [`EncodedCube`](super::EncodedCube), in base64.
    pub data: String,
}

/// New entries of the lists of a [`CubeMeta`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NewNames {
    /// URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<i16>,
    /// Methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Protocols.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Types of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Referrers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referers: Vec<String>,
    /// Agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
}

/// The whole cube at some time. As JSON it is what pages take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CubeSnapshot {
    /// Its version.
    pub version: u64,
    /// The number of the last delta that is in it.
    pub seq: u64,
    /// What the data means.
    pub meta: CubeMeta,
    /// The data of an [`EncodedCube`](super::EncodedCube), as raw deflate, in base64.
    pub data: String,
}

impl LiveCube {
    /// From what there is.
    #[must_use]
    pub fn new(cube: Cube) -> Self {
        let hasher = cube.hasher.clone();
        let mut live = Self {
            cube,
            fresh: HashMap::with_hasher(hasher),
            seen: Vec::new(),
            known: Known::default(),
            version: 1,
            seq: 0,
            given: 0,
            is_stale: false,
            late: HashSet::new(),
        };
        live.learn();
        live
    }

    /// Counts versions from another number on, so that pages tell this cube from one that they had of a program that has ended.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The version that pages need.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The number of the last delta.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many cells it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cube.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cube.is_empty()
    }

    /// Bytes of memory, about.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let cell = size_of::<(Key, (u64, u64))>() + 1;
        let cells = (self.cube.cells.capacity() + self.fresh.capacity()) * cell;
        let sample = self.cube.sample.capacity() * (size_of::<Seen>() + 1) + self.cube.sampled.memory();
        (cells + sample) as u64
    }

    /// Adds the rows of a batch, of which the tally knows nothing yet: a name that it has never met gets an entry, while there is
    /// room.
    ///
    /// # Errors
    /// As [`Tally::push`].
    pub fn push(&mut self, batch: &RecordBatch, tally: &Tally) -> Result<()> {
        let columns = Columns::of(batch)?;
        for row in 0..columns.rows() {
            self.admit(&columns, row, tally);
            let key = self.cube.key(&columns, row);
            let size = columns.bytes(row).unwrap_or(0);
            for cells in [&mut self.cube.cells, &mut self.fresh] {
                let (requests, bytes) = cells.entry(key).or_insert((0, 0));
                (*requests, *bytes) = (*requests + 1, bytes.saturating_add(size));
            }
            self.seen.extend(self.cube.see(&columns, row, key));
        }
        if self.cube.cells.len() > 2 * self.cube.options.cells {
            self.shrink(tally);
        }
        Ok(())
    }

    /// Gives new names entries.
    fn admit(&mut self, columns: &Columns, row: usize, tally: &Tally) {
        let cube = &mut self.cube;
        if let Some(status) = columns.status(row)
            && (0..1000).contains(&status)
            && !cube.statuses.contains(&status)
        {
            cube.statuses.push(status);
        }
        let room = 2 * cube.options.names;
        let path = columns.path.as_ref().filter(|path| path.is_valid(row)).map(|path| path.value(row));
        let kind = path.and_then(type_of);
        enter(&mut cube.urls, room, path, |name| !tally.urls.knows(name));
        for (entries, room, column, popular) in [
            (Some(&mut cube.hosts), room, &columns.host, Some(&tally.hosts)),
            (Some(&mut cube.methods), FEW, &columns.method, Some(&tally.methods)),
            (Some(&mut cube.protocols), FEW, &columns.protocol, Some(&tally.protocols)),
            (cube.referers.as_mut(), FEW, &columns.referer, tally.referers.as_ref()),
            (cube.agents.as_mut(), FEW, &columns.agent, tally.agents.as_ref()),
        ] {
            let (Some(entries), Some(popular)) = (entries, popular) else { continue };
            let name = column.as_ref().filter(|column| column.is_valid(row)).map(|column| column.value(row));
            enter(entries, room, name, |name| !popular.knows(name));
        }
        // While there is room there was room for all.
        enter(&mut cube.types, FEW, kind.as_ref().map(|kind| kind.as_bytes()), |_| true);
    }

    /// Keeps it as coarse as the tally, and within its bounds; to be called from time to time, before [`LiveCube::drain`].
    pub fn tend(&mut self, tally: &Tally) {
        while STEPS[self.cube.step] < tally.traffic.step() && self.cube.step + 1 < STEPS.len() {
            self.cube.coarsen();
            self.is_stale = true;
        }
        if self.cube.cells.len() > self.cube.options.cells {
            self.shrink(tally);
        }
        if self.cube.rate != self.known.rate {
            self.is_stale = true;
        }
        // A page has as many cells as it was given: it gets the whole anew before they are many more than there are.
        if self.given + self.fresh.len() > 50_000.max(2 * self.cube.cells.len()) {
            self.is_stale = true;
        }
    }

    /// Gives the first names of the tally entries, where they have none: those that became popular. Their requests until now
    /// stay in `other`, and the cube says so.
    pub fn promote(&mut self, tally: &Tally) {
        let most = self.cube.options.names / 2;
        let (urls, hosts) =
            (missing(&self.cube.urls, &tally.urls, most), missing(&self.cube.hosts, &tally.hosts, most));
        if urls.is_empty() && hosts.is_empty() {
            return;
        }
        self.rank(tally);
        let names = self.cube.options.names;
        self.cube.cut_names(names);
        for (entries, new) in [(&mut self.cube.urls, urls), (&mut self.cube.hosts, hosts)] {
            for name in new {
                entries.names.intern(&name, entries.hasher.hash_one(&name));
                self.late.insert(name);
            }
        }
        self.late.retain(|name| self.cube.urls.find(name) != OTHER || self.cube.hosts.find(name) != OTHER);
        self.cube.coarse.retain(|note| !note.ends_with(LATE));
        if !self.late.is_empty() {
            self.cube.coarse.push(format!("of {} URLs and hosts {LATE}", self.late.len()));
        }
        self.is_stale = true;
    }

    /// Makes it smaller: the less popular names go first.
    fn shrink(&mut self, tally: &Tally) {
        self.rank(tally);
        let most = self.cube.options.cells / 4 * 3;
        while self.cube.cells.len() > most && self.cube.squeeze() {}
        self.is_stale = true;
    }

    /// Sorts the names by popularity.
    fn rank(&mut self, tally: &Tally) {
        let cube = &mut self.cube;
        let (urls, hosts) = (reorder(&mut cube.urls, &tally.urls), reorder(&mut cube.hosts, &tally.hosts));
        let moved = |entry: u16, places: &[u16]| {
            entry.checked_sub(FIRST).map_or(entry, |at| places[usize::from(at)] + FIRST)
        };
        cube.rewrite(|key| Key { url: moved(key.url, &urls), host: moved(key.host, &hosts), ..key });
        for (seen, ()) in std::mem::take(&mut cube.sample) {
            cube.sample.insert(Seen { url: moved(seen.url, &urls), ..seen }, ());
        }
        self.is_stale = true;
    }

    /// What came since the last delta; `None` if nothing came, or if pages need another [version](LiveCube::version) for it.
    pub fn drain(&mut self) -> Option<CubeDelta> {
        if self.fresh.is_empty() && self.seen.is_empty() && !self.is_stale {
            return None;
        }
        let (starts, hours, ranks) = self.cube.timeline();
        let known = self.known.buckets;
        if self.cube.buckets[known.min(self.cube.buckets.len())..]
            .iter()
            .any(|(number, _)| self.known.last.is_some_and(|last| *number < last))
        {
            self.is_stale = true;
        }
        if self.is_stale {
            self.version += 1;
            self.learn();
            return None;
        }
        let ranked = |bucket: u32| ranks[bucket as usize];
        let fresh = self.fresh.drain();
        let mut cells: Vec<(Key, (u64, u64))> =
            fresh.map(|(key, sums)| (Key { bucket: ranked(key.bucket), ..key }, sums)).collect();
        cells.sort_unstable();
        let mut sample: Vec<Seen> =
            self.seen.drain(..).map(|seen| Seen { bucket: ranked(seen.bucket), ..seen }).collect();
        sample.sort_unstable();
        let mut data = Vec::with_capacity(cells.len() * 14);
        put_cells(&mut data, &cells);
        put_sample(&mut data, &sample);
        let names = self.new_names();
        let given = self.given + cells.len();
        let seq = self.seq + 1;
        self.learn();
        (self.given, self.seq) = (given, seq);
        Some(CubeDelta {
            version: self.version,
            seq,
            cells: cells.len(),
            sample: sample.len(),
            starts: starts[known..].to_vec(),
            local: self.cube.local(&hours[known..]),
            names,
            data: base64(&data),
        })
    }

    /// The whole. Call [`LiveCube::drain`] before it, and send that: what came since is in here too.
    ///
    /// It may have to be made coarser to be small enough, and has another version then.
    pub fn snapshot(&mut self) -> CubeSnapshot {
        loop {
            // The numbers of hosts are those of deltas.
            let encoded = self.cube.as_bytes(|host| host);
            let data = base64(&deflated(&encoded.data));
            if data.len() <= self.cube.options.limit || !self.cube.squeeze() {
                return CubeSnapshot { version: self.version, seq: self.seq, meta: encoded.meta, data };
            }
            self.version += 1;
            self.learn();
        }
    }

    /// Pages know all that there is.
    fn learn(&mut self) {
        self.fresh.clear();
        self.seen.clear();
        self.known = Known {
            names: self.lengths(),
            buckets: self.cube.buckets.len(),
            last: self.cube.buckets.iter().map(|(number, _)| *number).max(),
            rate: self.cube.rate,
        };
        (self.seq, self.given, self.is_stale) = (0, 0, false);
    }

    fn lists(&self) -> [Option<&Entries>; 7] {
        let cube = &self.cube;
        let (referers, agents) = (cube.referers.as_ref(), cube.agents.as_ref());
        [
            Some(&cube.urls),
            Some(&cube.hosts),
            Some(&cube.methods),
            Some(&cube.protocols),
            Some(&cube.types),
            referers,
            agents,
        ]
    }

    fn lengths(&self) -> [usize; 8] {
        let mut lengths = [0; 8];
        lengths[7] = self.cube.statuses.len();
        for (length, list) in lengths.iter_mut().zip(self.lists()) {
            *length = list.map_or(0, |list| list.names.len() as usize);
        }
        lengths
    }

    fn new_names(&self) -> NewNames {
        let mut lists = self.lists().into_iter().zip(self.known.names).map(|(list, known)| {
            let list = list.into_iter().flat_map(|list| list.names.names().skip(known));
            list.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
        });
        let mut next = || lists.next().unwrap_or_default();
        NewNames {
            urls: next(),
            hosts: next(),
            methods: next(),
            protocols: next(),
            types: next(),
            referers: next(),
            agents: next(),
            statuses: self.cube.statuses[self.known.names[7]..].to_vec(),
        }
    }
}

/// What is said of names that got their entries late.
const LATE: &str = "the first requests are in other: they became popular later";

/// Gives a name an entry, if there is room, it has none, and this is its first request.
fn enter(entries: &mut Entries, room: usize, name: Option<&[u8]>, is_first: impl Fn(&[u8]) -> bool) {
    if let Some(name) = name
        && (entries.names.len() as usize) < room
        && entries.find(name) == OTHER
        && is_first(name)
    {
        entries.names.intern(name, entries.hasher.hash_one(name));
    }
}

/// The first names that have no entry.
fn missing(entries: &Entries, popular: &Popular, most: usize) -> Vec<Vec<u8>> {
    let top = popular.top(most, |count| count.requests).into_iter();
    let names = top.map(|number| popular.names.name(number)).filter(|name| entries.find(name) == OTHER);
    names.map(<[u8]>::to_vec).collect()
}

/// Sorts entries by popularity; gives each one's new place.
fn reorder(entries: &mut Entries, popular: &Popular) -> Vec<u16> {
    let requests =
        |name: &[u8]| popular.find(name).map_or(0, |number| popular.counts[number as usize].requests);
    let mut order: Vec<(std::cmp::Reverse<u64>, u32)> =
        entries.names.names().zip(0..).map(|(name, at)| (std::cmp::Reverse(requests(name)), at)).collect();
    order.sort_unstable();
    let mut places = vec![0; order.len()];
    order.iter().zip(0..).for_each(|((_, at), place)| places[*at as usize] = place);
    let old = entries.clone();
    *entries = Entries::new(&old.hasher, order.iter().map(|(_, at)| old.names.name(*at)));
    places
}

#[cfg(test)]
mod tests;
