//! The finished numbers.

use serde::Serialize;

use super::columns::sizes_of;
use super::popular::{Count, Popular};
use super::tally::Tally;
use crate::reject::{RejectCounts, RejectReason};

/// What a report was counted from: what a [`Tally`] cannot know.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The inputs' names.
    pub inputs: Vec<String>,
    /// The format of the log; of tables, `parquet`.
    pub format: Option<String>,
    /// What was asked to be left out.
    pub filters: Vec<String>,
    /// When the report was made, in seconds since 1970.
    pub generated: i64,
    /// Lines, and what became of them.
    pub lines: Lines,
    /// The rejected lines by reason.
    pub rejects: RejectCounts,
    /// For a reason, the place of its first line.
    pub first_rejects: Vec<(RejectReason, String)>,
}

/// `rows + rejected + blank == lines`, always; of the rows, so many were filtered out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lines {
    /// Lines; of tables, rows.
    pub lines: u64,
    /// Lines that became rows.
    pub rows: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Lines that are empty or only blanks.
    pub blank: u64,
    /// Rows that the filters left out.
    pub filtered: u64,
}

/// All numbers of a report. As JSON it is what `nasalogs report --json` writes; `docs/report.md` has every field.
///
/// Times are seconds since 1970-01-01T00:00:00Z, sizes bytes. Names are as logged: text from strangers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form: 1.
    pub version: u32,
    /// Who made it.
    pub program: String,
    /// When it was made.
    pub generated: i64,
    /// The inputs' names.
    pub inputs: Vec<String>,
    /// The format of the log.
    pub format: Option<String>,
    /// Whose hours and days.
    pub zone: String,
    /// What was asked to be left out.
    pub filters: Vec<String>,
    /// Whether every number is exact; where not, `bounds` says how good they are.
    pub exact: bool,
    /// How good estimates are.
    pub bounds: Vec<Bound>,
    /// Lines, and what became of them.
    pub lines: Lines,
    /// From the first request to the last; `None` where there is none.
    pub period: Option<Period>,
    /// Requests.
    pub requests: u64,
    /// Different hosts.
    pub unique_hosts: u64,
    /// Different URLs.
    pub unique_urls: u64,
    /// Bytes of the responses' bodies.
    pub bytes: u64,
    /// Requests with a status of 400 to 499.
    pub client_errors: u64,
    /// Requests with a status of 500 to 599.
    pub server_errors: u64,
    /// The busiest second and minute.
    pub peak: Option<Peaks>,
    /// What happened when.
    pub time: Time,
    /// By status, in order.
    pub statuses: Vec<StatusRow>,
    /// URLs (the column `path`) by requests, then by name.
    pub urls: Names<Row>,
    /// Hosts by requests, then by name.
    pub hosts: Names<Row>,
    /// URLs that were not found (status 404).
    pub not_found: Names<Measure>,
    /// URLs at which the server failed (statuses 500 to 599).
    pub failed: Names<Measure>,
    /// Methods by requests.
    pub methods: Vec<Measure>,
    /// Protocols by requests.
    pub protocols: Vec<Measure>,
    /// Types of files by requests: the extension of the URL's last part in lower case, `/` for directories.
    pub types: Vec<Measure>,
    /// Requests by weekday, Monday first, and hour.
    pub hours: Vec<Vec<u64>>,
    /// Requests by size of the response.
    pub sizes: Vec<Size>,
    /// Referrers, where they are logged.
    pub referers: Option<Names<Measure>>,
    /// User agents, where they are logged.
    pub agents: Option<Names<Measure>>,
    /// Rejected lines by reason.
    pub rejects: Vec<Rejected>,
}

/// How good an estimate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Which numbers.
    pub of: String,
    /// What they are good for.
    pub says: String,
}

/// A span of time, its ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The second of the first request.
    pub first: i64,
    /// The second of the last request.
    pub last: i64,
}

/// The busiest second and minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peaks {
    /// The busiest second; the earliest of equals.
    pub second: Peak,
    /// The busiest minute; the earliest of equals.
    pub minute: Peak,
}

/// Most requests, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Requests.
    pub requests: u64,
    /// When it began.
    pub at: i64,
}

/// What happened when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Time {
    /// The length of a bucket in seconds: the finest of 1, 10, 60, 600, 3600, a day, a week, 52 weeks with at most about 1,000 buckets.
    /// Buckets begin where the zone's wall clock is a multiple of it.
    pub step: i64,
    /// Those in which there were requests, in order.
    pub buckets: Vec<Bucket>,
}

/// A bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Its first second.
    pub at: i64,
    /// Requests.
    pub requests: u64,
    /// Different hosts.
    pub hosts: u64,
    /// Bytes of the responses' bodies.
    pub bytes: u64,
    /// Requests by status: another or none, 1xx, 2xx, 3xx, 4xx, 5xx.
    pub classes: [u64; 6],
}

/// Requests of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusRow {
    /// The status; `None` where none is logged.
    pub status: Option<i16>,
    /// Requests.
    pub requests: u64,
    /// Bytes of the responses' bodies.
    pub bytes: u64,
}

/// The first of many names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Names<T> {
    /// How many there are.
    pub total: u64,
    /// The first of them.
    pub rows: Vec<T>,
}

/// A URL or a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name as logged.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Bytes of the responses' bodies.
    pub bytes: u64,
    /// Of a URL: the different hosts that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u64>,
    /// Requests with a status of 400 to 599.
    pub errors: u64,
}

/// A name, and how often it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The name; `None` where none is logged, `(other)` for those beyond the first fifty.
    pub name: Option<String>,
    /// Requests.
    pub requests: u64,
    /// Bytes of the responses' bodies.
    pub bytes: u64,
}

/// Requests with a response of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The smallest size in bytes; `None` where none is logged.
    pub from: Option<u64>,
    /// The largest.
    pub to: Option<u64>,
    /// Requests.
    pub requests: u64,
}

/// Lines that were rejected for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub lines: u64,
    /// What it means.
    pub says: String,
    /// Where the first is, as `file:line`.
    pub first: Option<String>,
}

impl Report {
    /// The report as JSON, on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers")
    }
}

/// How many methods, protocols and types are named.
const FEW: usize = 50;

pub(super) fn report(tally: &Tally, account: &Account, top: usize) -> Report {
    let requests = tally.requests();
    let by = |range: std::ops::Range<usize>| tally.statuses[range].iter().map(|(requests, _)| requests).sum();
    let urls = tally.urls.top(top, |count| count.requests);
    let hosts = tally.hosts.top(top, |count| count.requests);
    let url_hosts = tally.url_hosts.counts(&urls, tally.urls.names.len(), tally.hosts.names.len());
    let mut url_rows = rows(&tally.urls, &urls);
    for (row, hosts) in url_rows.iter_mut().zip(url_hosts) {
        row.hosts = Some(hosts);
    }
    Report {
        version: 1,
        program: concat!("nasalogs ", env!("CARGO_PKG_VERSION")).to_owned(),
        generated: account.generated,
        inputs: account.inputs.clone(),
        format: account.format.clone(),
        zone: tally.options().zone.to_string(),
        filters: account.filters.clone(),
        exact: !tally.options().approx,
        bounds: bounds(tally, &urls, &hosts),
        lines: account.lines,
        period: tally.traffic.span.map(|(first, last)| Period { first, last }),
        requests,
        unique_hosts: tally.hosts.total(),
        unique_urls: tally.urls.total(),
        bytes: tally.statuses.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes)),
        client_errors: by(400..500),
        server_errors: by(500..600),
        peak: tally.traffic.peaks().map(|(second, minute)| Peaks {
            second: Peak { requests: second.requests, at: second.at },
            minute: Peak { requests: minute.requests, at: minute.at },
        }),
        time: time(tally),
        statuses: statuses(tally),
        urls: Names { total: tally.urls.total(), rows: url_rows },
        hosts: Names { total: tally.hosts.total(), rows: rows(&tally.hosts, &hosts) },
        not_found: names(&tally.urls, top, |count| count.not_found),
        failed: names(&tally.urls, top, |count| count.failed),
        methods: few(&tally.methods),
        protocols: few(&tally.protocols),
        types: few(&tally.types()),
        hours: tally.traffic.hours.iter().map(|hours| hours.to_vec()).collect(),
        sizes: sizes(tally),
        referers: tally.referers.as_ref().map(|referers| names(referers, top, |count| count.requests)),
        agents: tally.agents.as_ref().map(|agents| names(agents, top, |count| count.requests)),
        rejects: rejects(account),
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn rows(popular: &Popular, numbers: &[u32]) -> Vec<Row> {
    let row = |number: &u32| {
        let count = popular.counts[*number as usize];
        Row {
            name: text(popular.names.name(*number)),
            requests: count.requests,
            bytes: count.bytes,
            hosts: None,
            errors: count.errors,
        }
    };
    numbers.iter().map(row).collect()
}

/// The first names by a weight, which stands for the requests.
fn names(popular: &Popular, top: usize, weigh: impl Fn(&Count) -> u64) -> Names<Measure> {
    let row = |number: u32| {
        let count = &popular.counts[number as usize];
        Measure { name: Some(text(popular.names.name(number))), requests: weigh(count), bytes: count.bytes }
    };
    let numbers = popular.top(top, &weigh);
    Names { total: popular.weighty(&weigh), rows: numbers.into_iter().map(row).collect() }
}

/// All names where there are few; else the first, and the others together.
fn few(popular: &Popular) -> Vec<Measure> {
    let named = popular.counts.iter().zip(popular.names.names());
    let counts = named.map(|(count, name)| (Some(name), *count)).chain([(None, popular.nameless)]);
    let mut all: Vec<_> = counts.filter(|(_, count)| count.requests > 0).collect();
    all.sort_unstable_by_key(|(name, count)| (std::cmp::Reverse(count.requests), *name));
    let rest = all.split_off(all.len().min(FEW));
    let measure =
        |name: Option<String>, count: &Count| Measure { name, requests: count.requests, bytes: count.bytes };
    let mut measures: Vec<_> = all.iter().map(|(name, count)| measure(name.map(text), count)).collect();
    let mut sum = popular.gone;
    rest.iter().for_each(|(_, count)| sum.add(count));
    if sum.requests > 0 {
        measures.push(measure(Some("(other)".to_owned()), &sum));
    }
    measures
}

fn time(tally: &Tally) -> Time {
    let traffic = &tally.traffic;
    let mut buckets: Vec<Bucket> = traffic
        .buckets
        .iter()
        .zip(traffic.hosts())
        .map(|(bucket, hosts)| Bucket {
            at: traffic.start(bucket),
            requests: bucket.requests,
            hosts,
            bytes: bucket.bytes,
            classes: bucket.classes,
        })
        .collect();
    buckets.sort_unstable_by_key(|bucket| bucket.at);
    Time { step: traffic.step(), buckets }
}

fn statuses(tally: &Tally) -> Vec<StatusRow> {
    let none = tally.statuses.len() - 1;
    let row = |(at, (requests, bytes)): (usize, &(u64, u64))| StatusRow {
        status: (at < none).then_some(at as i16),
        requests: *requests,
        bytes: *bytes,
    };
    let met = tally.statuses.iter().enumerate().filter(|(_, (requests, _))| *requests > 0);
    met.map(row).collect()
}

fn sizes(tally: &Tally) -> Vec<Size> {
    let met = tally.sizes.iter().enumerate().filter(|(_, requests)| **requests > 0);
    let size = |(bin, requests): (usize, &u64)| {
        let ends = sizes_of(bin);
        Size { from: ends.map(|ends| ends.0), to: ends.map(|ends| ends.1), requests: *requests }
    };
    met.map(size).collect()
}

fn rejects(account: &Account) -> Vec<Rejected> {
    let first = |reason| {
        let found = account.first_rejects.iter().find(|(of, _)| *of == reason);
        found.map(|(_, place)| place.clone())
    };
    let rejected = |(reason, lines): (RejectReason, u64)| Rejected {
        reason: reason.as_str().to_owned(),
        lines,
        says: reason.describe().to_owned(),
        first: first(reason),
    };
    let mut rejects: Vec<_> = account.rejects.iter().filter(|(_, lines)| *lines > 0).map(rejected).collect();
    rejects.sort_by_key(|rejected| std::cmp::Reverse(rejected.lines));
    rejects
}

/// What the estimates of a tally of bounded memory are good for.
fn bounds(tally: &Tally, urls: &[u32], hosts: &[u32]) -> Vec<Bound> {
    if !tally.options().approx {
        return Vec::new();
    }
    let bound = |of: &str, says: String| Bound { of: of.to_owned(), says };
    let low = |popular: &Popular, numbers: &[u32]| match popular.missed(numbers) {
        0 => "requests are exact".to_owned(),
        missed => format!("requests are at most {missed} too low"),
    };
    // The standard error of HyperLogLog with 2^12 and 2^9 registers.
    vec![
        bound(
            "urls",
            format!(
                "{}; hosts of a URL whose requests are exact are within 9.2 % in 95 of 100 cases",
                low(&tally.urls, urls)
            ),
        ),
        bound("hosts", low(&tally.hosts, hosts)),
        bound("unique hosts and URLs, hosts over time", "within 3.3 % in 95 of 100 cases".to_owned()),
        bound("not_found, failed, referers, agents", "rare names may be missing".to_owned()),
        bound("peak", "exact for at most 65,536 minutes".to_owned()),
    ]
}
