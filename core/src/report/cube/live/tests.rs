use std::collections::BTreeMap;

use super::super::CubeOptions;
use super::*;
use crate::format::LogFormat;
use crate::report::{Account, ReportOptions};
use crate::{Decoder, ParseOptions};

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

fn batch(lines: &[String]) -> RecordBatch {
    let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
    decoder.push(lines.concat().as_bytes()).unwrap();
    decoder.finish().unwrap();
    decoder.next_batch().unwrap()
}

fn line(minute: usize, host: usize, url: usize, status: u16) -> String {
    let (hour, minute) = (minute / 60 % 24, minute % 60);
    format!(
        "h{host} - - [01/Jul/1995:{hour:02}:{minute:02}:01 +0000] \"GET /{url} HTTP/1.0\" {status} {url}\n"
    )
}

/// What a page has: its lists and its cells.
struct Page {
    version: u64,
    seq: u64,
    urls: Vec<String>,
    starts: Vec<i64>,
    cells: BTreeMap<Vec<u64>, (u64, u64)>,
    sample: HashSet<Vec<u64>>,
}

impl Page {
    fn new(snapshot: &CubeSnapshot) -> Self {
        let mut page = Self {
            version: snapshot.version,
            seq: snapshot.seq,
            urls: snapshot.meta.urls.clone(),
            starts: snapshot.meta.starts.clone(),
            cells: BTreeMap::new(),
            sample: HashSet::new(),
        };
        let mut data = Vec::new();
        let packed = from_base64(&snapshot.data);
        std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&packed[..]), &mut data).unwrap();
        page.add(&data, snapshot.meta.cells, snapshot.meta.sample.cells);
        page
    }

    fn apply(&mut self, delta: &CubeDelta) {
        assert_eq!((self.version, self.seq + 1), (delta.version, delta.seq));
        self.seq += 1;
        self.urls.extend(delta.names.urls.iter().cloned());
        self.starts.extend(&delta.starts);
        assert!(self.starts.is_sorted());
        self.add(&from_base64(&delta.data), delta.cells, delta.sample);
    }

    fn add(&mut self, data: &[u8], cells: usize, sample: usize) {
        let mut at = 0;
        let mut column = |count: usize, differences: bool| -> Vec<u64> {
            let mut before = 0;
            let mut next = || {
                let (mut value, mut shift) = (0, 0);
                loop {
                    let byte = data[at];
                    at += 1;
                    value |= u64::from(byte & 127) << shift;
                    shift += 7;
                    if byte < 128 {
                        before = if differences { before + value } else { value };
                        return before;
                    }
                }
            };
            (0..count).map(|_| next()).collect()
        };
        let columns: Vec<Vec<u64>> = (0..12).map(|number| column(cells, number == 0)).collect();
        let samples: Vec<Vec<u64>> = (0..4).map(|number| column(sample, number == 0)).collect();
        for row in 0..cells {
            let key = columns[..10].iter().map(|column| column[row]).collect();
            let (requests, bytes) = self.cells.entry(key).or_default();
            (*requests, *bytes) = (*requests + columns[10][row], *bytes + columns[11][row]);
        }
        for row in 0..sample {
            assert!(self.sample.insert(samples.iter().map(|column| column[row]).collect()));
        }
        assert_eq!(at, data.len());
    }

    fn requests(&self, url: &str) -> u64 {
        let entry = self.urls.iter().position(|known| known == url).unwrap() as u64 + 2;
        self.cells.iter().filter(|(key, _)| key[1] == entry).map(|(_, (requests, _))| requests).sum()
    }

    fn total(&self) -> u64 {
        self.cells.values().map(|(requests, _)| requests).sum()
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter(|byte| *byte != b'=')
        .map(|byte| DIGITS.iter().position(|digit| *digit == byte).unwrap() as u32)
        .collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
        bytes.extend(bits.to_be_bytes()[1..].iter().take(four.len() - 1));
    }
    bytes
}

fn begun(options: &CubeOptions, first: &[String]) -> (Tally, LiveCube) {
    let mut tally = Tally::new(&ReportOptions::new());
    let first = batch(first);
    tally.push(&first).unwrap();
    let mut cube = Cube::new(&tally, options);
    cube.push(&first).unwrap();
    (tally, LiveCube::new(cube))
}

/// Whatever comes, in whatever order: a page that adds deltas, and fetches when the version says so, has what the server has.
#[test]
fn deltas_add_up_to_the_whole() {
    let options = CubeOptions::new().with_names(20).with_cells(2000);
    let (mut tally, mut live) = begun(&options, &[line(60, 0, 0, 200)]);
    let mut page = Page::new(&live.snapshot());
    let mut random = Random(7);
    let (mut deltas, mut versions) = (0, 0);
    for round in 0..300 {
        let lines: Vec<String> = (0..random.below(40) + 1)
            .map(|_| {
                let minute = if random.below(50) == 0 { random.below(60) } else { 60 + round * 3 };
                let status = [200, 200, 304, 404, 500, 418][random.below(6)];
                line(minute, random.below(round + 2), random.below(round / 3 + 2), status)
            })
            .collect();
        let rows = batch(&lines);
        live.push(&rows, &tally).unwrap();
        tally.push(&rows).unwrap();
        if round % 50 == 49 {
            live.promote(&tally);
        }
        live.tend(&tally);
        match live.drain() {
            Some(delta) => {
                page.apply(&delta);
                deltas += 1;
            }
            None => {
                assert!(live.version() > page.version);
                page = Page::new(&live.snapshot());
                versions += 1;
            }
        }
        assert_eq!((page.version, page.seq), (live.version(), live.seq()));
        let whole = Page::new(&live.snapshot());
        assert_eq!((&page.cells, &page.sample), (&whole.cells, &whole.sample));
        assert_eq!((&page.urls, &page.starts), (&whole.urls, &whole.starts));
        assert_eq!(page.total(), tally.requests());
    }
    assert!(deltas > 50 && versions > 10, "{deltas} deltas, {versions} versions");
    assert!(live.len() <= 4000 && live.drain().is_none());
}

#[test]
fn new_names_have_all_their_requests_and_late_ones_are_said_to_lack_some() {
    let options = CubeOptions::new().with_names(4);
    let (mut tally, mut live) = begun(&options, &[line(0, 0, 0, 200)]);
    let mut push = |live: &mut LiveCube, urls: std::ops::Range<usize>| {
        let rows = batch(&urls.map(|url| line(0, 0, url, 200)).collect::<Vec<_>>());
        live.push(&rows, &tally).unwrap();
        tally.push(&rows).unwrap();
        live.tend(&tally);
        tally.clone()
    };
    // There is room for eight: from 8 on they are in `other`.
    push(&mut live, 1..20);
    let delta = live.drain().unwrap();
    assert_eq!(delta.names.urls, ["/1", "/2", "/3", "/4", "/5", "/6", "/7"]);
    for _ in 0..9 {
        push(&mut live, 15..16);
    }
    let tally = push(&mut live, 3..4);
    assert!(live.drain().is_some());
    live.promote(&tally);
    live.tend(&tally);
    assert!(live.drain().is_none());
    let snapshot = live.snapshot();
    assert_eq!(snapshot.meta.urls[0], "/3");
    assert!(snapshot.meta.urls.contains(&"/15".to_owned()));
    assert!(
        snapshot.meta.coarse.contains(&format!("of 1 URLs and hosts {LATE}")),
        "{:?}",
        snapshot.meta.coarse
    );
    let mut page = Page::new(&snapshot);
    assert_eq!((page.requests("/3"), page.requests("/15"), page.total()), (2, 0, 30));
    let more = batch(&[line(0, 0, 15, 200)]);
    live.push(&more, &tally).unwrap();
    page.apply(&live.drain().unwrap());
    assert_eq!(page.requests("/15"), 1);
}

#[test]
fn a_tally_can_be_bounded_while_it_counts() {
    let lines: Vec<String> =
        (0..20_000).map(|at| line(at % 1000, at % 700, if at % 2 == 0 { 0 } else { at }, 200)).collect();
    let mut tally = Tally::new(&ReportOptions::new());
    for (number, part) in lines.chunks(1000).enumerate() {
        tally.push(&batch(part)).unwrap();
        if number == 9 {
            let exact = tally.report(&Account::default(), 10);
            assert!(exact.exact);
            tally.limit(1000);
            let bounded = tally.report(&Account::default(), 10);
            assert_eq!(
                (bounded.exact, bounded.requests, bounded.time.step),
                (false, 10_000, exact.time.step)
            );
            assert_eq!(bounded.urls.rows[0].requests, exact.urls.rows[0].requests);
            let [was, is] = [&exact, &bounded].map(|report| report.time.buckets[0].hosts);
            assert!(was.abs_diff(is) <= 1 + was / 20, "{was} {is}");
        }
    }
    let report = tally.report(&Account::default(), 10);
    assert_eq!((report.requests, report.urls.rows[0].requests), (20_000, 10_000));
    assert!(report.unique_urls.abs_diff(10_001) < 500, "{}", report.unique_urls);
    assert!(report.unique_hosts.abs_diff(700) < 35, "{}", report.unique_hosts);
    assert!(report.urls.rows[0].hosts.unwrap().abs_diff(350) < 40, "{:?}", report.urls.rows[0].hosts);
    let memory = tally.memory();
    tally.limit(100);
    assert!(tally.memory() < memory);
}
