//! A cube as bytes: a stream of numbers for each column.

use serde::Serialize;

use super::super::traffic::STEPS;
use super::{Cube, Entries, FIRST, Key, Seen};

/// What the columns of a cube mean.
///
/// An entry of a column of names is 0 for all that have no entry of their own, 1 for nothing, and from 2 on a name's place in
/// its list, plus 2. `size` is 0 for none, 1 for no bytes, and else 1 more than the size's length in bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CubeMeta {
    /// The length of a bucket in seconds.
    pub step: i64,
    /// The instant at which each bucket begins, in seconds since 1970. Buckets without requests are left out.
    pub starts: Vec<i64>,
    /// The weekday, Monday being 0, and the hour of each bucket; no hour where a bucket is longer than one.
    pub local: Vec<(usize, Option<usize>)>,
    /// URLs with entries.
    pub urls: Vec<String>,
    /// Hosts with entries.
    pub hosts: Vec<String>,
    /// Statuses with entries.
    pub statuses: Vec<i16>,
    /// Methods with entries.
    pub methods: Vec<String>,
    /// Protocols with entries.
    pub protocols: Vec<String>,
    /// Types of files with entries.
    pub types: Vec<String>,
    /// Referrers with entries, where they are logged.
    pub referers: Option<Vec<String>>,
    /// Agents with entries, where they are logged.
    pub agents: Option<Vec<String>>,
    /// How many cells there are.
    pub cells: usize,
    /// The columns, in the order in which the data has them.
    pub columns: [&'static str; 12],
    /// Behind the cells: requests of one host of many.
    pub sample: SampleMeta,
    /// What is coarser than the report.
    pub coarse: Vec<String>,
}

/// A sample of hosts, by which a page estimates how many different ones there are under a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SampleMeta {
    /// One host of so many is in it.
    pub rate: u32,
    /// How many cells there are.
    pub cells: usize,
    /// The columns, in the order in which the data has them.
    pub columns: [&'static str; 4],
}

/// A cube for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedCube {
    /// What the data means.
    pub meta: CubeMeta,
    /// The columns of the cells and then of the sample, one after the other: of each cell an unsigned LEB128 number. Cells lie in
    /// the order of their buckets; `bucket` is the difference to the cell before.
    pub data: Vec<u8>,
}

const COLUMNS: [&str; 12] = [
    "bucket", "url", "host", "status", "method", "protocol", "type", "size", "referer", "agent", "requests",
    "bytes",
];

const SAMPLE: [&str; 4] = ["bucket", "url", "status", "host"];

impl Cube {
    /// The cube as bytes. It is made coarser until what a page embeds of it, compressed and as text, stays within the limit.
    #[must_use]
    pub fn encode(mut self) -> EncodedCube {
        loop {
            // In which order hosts were met is nobody's business.
            let mut names: Vec<u32> = (0..self.sampled.len()).collect();
            names.sort_unstable_by_key(|host| self.sampled.name(*host));
            let mut hosts = vec![0; names.len()];
            names.into_iter().zip(0..).for_each(|(host, number)| hosts[host as usize] = number);
            let encoded = self.as_bytes(|host| hosts[host as usize]);
            if embedded(&encoded.data) <= self.options.limit || !self.squeeze() {
                return encoded;
            }
        }
    }

    /// `number` gives the numbers of the sample's hosts.
    pub(super) fn as_bytes(&self, number: impl Fn(u32) -> u32) -> EncodedCube {
        let (starts, hours, ranks) = self.timeline();
        let mut cells: Vec<(Key, (u64, u64))> = self.cells.iter().map(|(key, sums)| (*key, *sums)).collect();
        cells.iter_mut().for_each(|(key, _)| key.bucket = ranks[key.bucket as usize]);
        cells.sort_unstable();
        let mut data = Vec::with_capacity(cells.len() * 14);
        put_cells(&mut data, &cells);
        let mut sample: Vec<Seen> = self.sample.keys().copied().collect();
        for seen in &mut sample {
            (seen.bucket, seen.host) = (ranks[seen.bucket as usize], number(seen.host));
        }
        sample.sort_unstable();
        put_sample(&mut data, &sample);

        let meta = CubeMeta {
            step: STEPS[self.step],
            starts,
            local: self.local(&hours),
            urls: self.urls.texts(),
            hosts: self.hosts.texts(),
            statuses: self.statuses.clone(),
            methods: self.methods.texts(),
            protocols: self.protocols.texts(),
            types: self.types.texts(),
            referers: self.referers.as_ref().map(Entries::texts),
            agents: self.agents.as_ref().map(Entries::texts),
            cells: cells.len(),
            columns: COLUMNS,
            sample: SampleMeta { rate: self.rate, cells: sample.len(), columns: SAMPLE },
            coarse: self.coarse.clone(),
        };
        debug_assert!(usize::from(FIRST) + meta.urls.len() <= usize::from(u16::MAX));
        EncodedCube { meta, data }
    }

    /// Weekdays and hours; no hour where a bucket is longer than one.
    pub(super) fn local(&self, hours: &[(usize, usize)]) -> Vec<(usize, Option<usize>)> {
        let has_hours = STEPS[self.step] <= 3600;
        hours.iter().map(|(weekday, hour)| (*weekday, has_hours.then_some(*hour))).collect()
    }
}

/// Cells, sorted by their buckets, column after column.
pub(super) fn put_cells(data: &mut Vec<u8>, cells: &[(Key, (u64, u64))]) {
    put_differences(data, cells.iter().map(|(key, _)| key.bucket));
    let entries: [fn(&Key) -> u16; 9] = [
        |key| key.url,
        |key| key.host,
        |key| key.status,
        |key| key.method,
        |key| key.protocol,
        |key| key.kind,
        |key| key.size,
        |key| key.referer,
        |key| key.agent,
    ];
    for entry in entries {
        cells.iter().for_each(|(key, _)| put(data, u64::from(entry(key))));
    }
    cells.iter().for_each(|(_, (requests, _))| put(data, *requests));
    cells.iter().for_each(|(_, (_, bytes))| put(data, *bytes));
}

/// Cells of the sample, sorted by their buckets, column after column.
pub(super) fn put_sample(data: &mut Vec<u8>, sample: &[Seen]) {
    put_differences(data, sample.iter().map(|seen| seen.bucket));
    sample.iter().for_each(|seen| put(data, u64::from(seen.url)));
    sample.iter().for_each(|seen| put(data, u64::from(seen.status)));
    sample.iter().for_each(|seen| put(data, u64::from(seen.host)));
}

/// The size of data in a page: deflated, in base64.
fn embedded(data: &[u8]) -> usize {
    deflated(data).len().div_ceil(3) * 4
}

/// Data as a page embeds it: raw deflate, which every browser inflates by itself.
pub(in super::super) fn deflated(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    // What is written to memory is written.
    encoder.write_all(data).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn put_differences(data: &mut Vec<u8>, sorted: impl Iterator<Item = u32>) {
    let mut before = 0;
    for value in sorted {
        put(data, u64::from(value - before));
        before = value;
    }
}

/// Appends an unsigned LEB128 number.
fn put(data: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        data.push(value as u8 | 0x80);
        value >>= 7;
    }
    data.push(value as u8);
}
