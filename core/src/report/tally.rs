//! Counting.

use arrow::array::RecordBatch;

use super::answer::{self, Account, Report};
use super::columns::{Columns, bin_of, type_of};
use super::option::ReportOptions;
use super::popular::{Count, NONE, Popular};
use super::traffic::{Traffic, class_of};
use super::uniques::Uniques;
use crate::error::{Error, ErrorKind, Result};

mod limit;

/// Sizes have so many bins: see [`bin_of`].
const BINS: usize = 66;

/// Counts the rows of batches. Several, one for each thread, are merged into one; the report is the same.
#[derive(Debug, Clone)]
pub struct Tally {
    options: ReportOptions,
    pub(super) traffic: Traffic,
    pub(super) urls: Popular,
    pub(super) hosts: Popular,
    pub(super) methods: Popular,
    pub(super) protocols: Popular,
    pub(super) referers: Option<Popular>,
    pub(super) agents: Option<Popular>,
    pub(super) url_hosts: UrlHosts,
    /// Types of the URLs that were let go of.
    gone_types: Popular,
    /// Requests and bytes by status; the last is none.
    pub(super) statuses: Vec<(u64, u64)>,
    pub(super) sizes: [u64; BINS],
    scratch: Scratch,
}

/// Where memory is bounded, hosts of a URL are in a sketch of two to the power of this registers.
const HOSTS_OF_URL: u8 = 9;

/// Numbers of the names of a batch, row by row.
#[derive(Debug, Clone, Default)]
struct Scratch {
    hosts: Vec<u32>,
    urls: Vec<u32>,
    others: Vec<u32>,
}

/// The statuses that there are, and one for none.
const STATUSES: usize = 1001;

impl Tally {
    /// An empty one.
    #[must_use]
    pub fn new(options: &ReportOptions) -> Self {
        let popular = || Popular::new(&options.hasher, options.approx.then_some(2 * options.kept));
        Self {
            traffic: Traffic::new(&options.zone, options.approx),
            urls: popular(),
            hosts: popular(),
            methods: popular(),
            protocols: popular(),
            referers: None,
            agents: None,
            url_hosts: UrlHosts::new(options.approx),
            gone_types: popular(),
            statuses: vec![(0, 0); STATUSES],
            sizes: [0; BINS],
            scratch: Scratch::default(),
            options: options.clone(),
        }
    }

    /// How it counts.
    #[must_use]
    pub fn options(&self) -> &ReportOptions {
        &self.options
    }

    /// Counts the rows of a batch, which has those of [`COLUMNS`](super::COLUMNS) that the log has, in any order.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when there is no column `ts`, or a column has another type; [`ErrorKind::Memory`] when more memory
    /// would be needed than is allowed.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = Columns::of(batch)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let rows = columns.rows();
        for (popular, column, numbers) in [
            (&mut self.hosts, &columns.host, &mut scratch.hosts),
            (&mut self.urls, &columns.path, &mut scratch.urls),
        ] {
            match column {
                Some(column) => popular.intern_all(column, numbers),
                None => {
                    numbers.clear();
                    numbers.resize(rows, NONE);
                }
            }
        }
        for (row, (&host, &url)) in scratch.hosts.iter().zip(&scratch.urls).enumerate() {
            let (status, size) = (columns.status(row), columns.bytes(row));
            let bytes = size.unwrap_or(0);
            self.traffic.push(columns.second(row), class_of(status), bytes, host, &self.hosts.names);
            self.urls.count(url).push(status, bytes);
            self.hosts.count(host).push(status, bytes);
            if url != NONE && host != NONE {
                self.url_hosts.insert(url, host, &self.hosts);
            }
            let place =
                status.and_then(|status| usize::try_from(status).ok()).filter(|at| *at < STATUSES - 1);
            let (requests, sum) = &mut self.statuses[place.unwrap_or(STATUSES - 1)];
            (*requests, *sum) = (*requests + 1, sum.saturating_add(bytes));
            self.sizes[bin_of(size)] += 1;
        }
        let Self { options, methods, protocols, referers, agents, .. } = self;
        let popular = || Popular::new(&options.hasher, options.approx.then_some(2 * options.kept));
        for (popular, column) in [
            (Some(methods), &columns.method),
            (Some(protocols), &columns.protocol),
            (columns.referer.as_ref().map(|_| referers.get_or_insert_with(popular)), &columns.referer),
            (columns.agent.as_ref().map(|_| agents.get_or_insert_with(popular)), &columns.agent),
        ] {
            let (Some(popular), Some(column)) = (popular, column) else { continue };
            popular.intern_all(column, &mut scratch.others);
            for (row, &number) in scratch.others.iter().enumerate() {
                popular.count(number).push(columns.status(row), columns.bytes(row).unwrap_or(0));
            }
        }
        self.scratch = scratch;
        self.trim();
        within_memory(self.memory(), &self.options, self.requests())
    }

    /// Adds what another one counted, which was made with the same options.
    ///
    /// # Errors
    /// As [`Tally::push`], when both together need more memory than is allowed.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        let hosts = self.hosts.merge(&other.hosts);
        let urls = self.urls.merge(&other.urls);
        self.traffic.merge(other.traffic, &hosts, self.hosts.names.len());
        self.url_hosts.merge(other.url_hosts, urls, hosts);
        self.methods.merge(&other.methods);
        self.protocols.merge(&other.protocols);
        self.gone_types.merge(&other.gone_types);
        for (mine, theirs) in [(&mut self.referers, other.referers), (&mut self.agents, other.agents)] {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => {
                    mine.merge(&theirs);
                }
                (None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
        for (mine, theirs) in self.statuses.iter_mut().zip(other.statuses) {
            *mine = (mine.0 + theirs.0, mine.1.saturating_add(theirs.1));
        }
        for (mine, theirs) in self.sizes.iter_mut().zip(other.sizes) {
            *mine += theirs;
        }
        self.trim();
        within_memory(self.memory(), &self.options, self.requests())
    }

    /// The numbers, with the first so many names of each kind. `account` says what they were counted from.
    #[must_use]
    pub fn report(&self, account: &Account, top: usize) -> Report {
        answer::report(self, account, top)
    }

    /// Requests that were counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.statuses.iter().map(|(requests, _)| requests).sum()
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let others = [&self.referers, &self.agents].into_iter().flatten();
        let popular = [&self.urls, &self.hosts, &self.methods, &self.protocols, &self.gone_types];
        let popular = popular.into_iter().chain(others);
        let sum =
            popular.map(Popular::memory).sum::<usize>() + self.traffic.memory() + self.url_hosts.memory();
        sum as u64
    }

    fn trim(&mut self) {
        if !self.options.approx {
            return;
        }
        if self.hosts.trim(|_, _| {}).is_some() {
            self.traffic.forget_hosts();
        }
        let types = &mut self.gone_types;
        if let Some(numbers) = self.urls.trim(|name, count| count_type(types, name, count)) {
            self.url_hosts.renumber(&numbers);
        }
        let others = [self.referers.as_mut(), self.agents.as_mut()].into_iter().flatten();
        for popular in [types, &mut self.methods, &mut self.protocols].into_iter().chain(others) {
            popular.trim(|_, _| {});
        }
        self.traffic.trim();
    }
}

/// Whether counting may go on that takes so much memory.
pub(super) fn within_memory(taken: u64, options: &ReportOptions, requests: u64) -> Result<()> {
    if taken <= options.max_memory {
        return Ok(());
    }
    let (how, hint) = match options.approx {
        false => (" exactly", "estimates need little: pass --approx; or allow more with --max-memory"),
        true => ("", "allow more with --max-memory, or count on fewer threads with --jobs"),
    };
    let message = format!(
        "counting{how} takes more than {} MB of memory, after {requests} requests on this thread",
        options.max_memory / 1_000_000,
    );
    Err(Error::new(ErrorKind::Memory, message).with_hint(hint))
}

/// Which hosts asked for a URL. The exact sets are not merged: most URLs are not in a report, and it looks into all sets for
/// those that are.
#[derive(Debug, Clone)]
pub(super) struct UrlHosts {
    own: Uniques,
    parts: Vec<Part>,
}

/// What another tally saw, and the numbers here of its URLs and hosts.
#[derive(Debug, Clone)]
struct Part {
    pairs: Uniques,
    urls: Vec<u32>,
    hosts: Vec<u32>,
}

impl UrlHosts {
    fn new(approx: bool) -> Self {
        Self {
            own: if approx { Uniques::sketches(HOSTS_OF_URL) } else { Uniques::exact() },
            parts: Vec::new(),
        }
    }

    #[inline]
    fn insert(&mut self, url: u32, host: u32, hosts: &Popular) {
        self.own.insert(url, host, hosts.names.name(host));
    }

    fn merge(&mut self, other: Self, urls: Vec<u32>, hosts: Vec<u32>) {
        if matches!(self.own, Uniques::Sketches { .. }) {
            let groups: Vec<_> = urls.into_iter().map(Some).collect();
            self.own.merge(&other.own, &groups, &hosts);
            return;
        }
        let through =
            |numbers: Vec<u32>, map: &[u32]| numbers.into_iter().map(|at| map[at as usize]).collect();
        for part in other.parts {
            let (part_urls, part_hosts) = (through(part.urls, &urls), through(part.hosts, &hosts));
            self.parts.push(Part { pairs: part.pairs, urls: part_urls, hosts: part_hosts });
        }
        self.parts.push(Part { pairs: other.own, urls, hosts });
    }

    fn renumber(&mut self, urls: &[Option<u32>]) {
        self.own = self.own.regrouped(urls, 0);
    }

    /// How many different hosts asked for each of these URLs; there are `known` URLs and `hosts` hosts.
    pub(super) fn counts(&self, urls: &[u32], known: u32, hosts: u32) -> Vec<u64> {
        if let Uniques::Sketches { .. } = self.own {
            let all = self.own.counts(known as usize);
            return urls.iter().map(|url| all[*url as usize]).collect();
        }
        let mut wanted = vec![None; known as usize];
        for (url, at) in urls.iter().zip(0..) {
            wanted[*url as usize] = Some(at);
        }
        let mut chosen = self.own.regrouped(&wanted, hosts);
        for part in &self.parts {
            let groups: Vec<_> = part.urls.iter().map(|url| wanted[*url as usize]).collect();
            chosen.merge(&part.pairs, &groups, &part.hosts);
        }
        chosen.counts(urls.len())
    }

    fn memory(&self) -> usize {
        let part = |part: &Part| part.pairs.memory() + (part.urls.capacity() + part.hosts.capacity()) * 4;
        self.own.memory() + self.parts.iter().map(part).sum::<usize>()
    }
}

impl Tally {
    /// How names are hashed.
    pub(super) fn hasher(&self) -> &foldhash::fast::RandomState {
        &self.options.hasher
    }

    /// The statuses that were met.
    pub(super) fn met_statuses(&self) -> impl Iterator<Item = i16> {
        let met = self.statuses[..STATUSES - 1].iter().zip(0..).filter(|((requests, _), _)| *requests > 0);
        met.map(|(_, status)| status)
    }

    /// Requests by the type of what was asked for.
    pub(super) fn types(&self) -> Popular {
        let mut types = self.gone_types.clone();
        for (name, count) in self.urls.names.names().zip(&self.urls.counts) {
            count_type(&mut types, name, count);
        }
        types.nameless.add(&self.urls.nameless);
        types
    }
}

fn count_type(types: &mut Popular, name: &[u8], count: &Count) {
    match type_of(name) {
        Some(name) => {
            let number = types.intern(name.as_bytes());
            types.count(number).add(count);
        }
        None => types.nameless.add(count),
    }
}
