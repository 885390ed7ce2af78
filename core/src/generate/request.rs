//! What a line ends with: request, status, bytes. Every ending that can occur is made once, so that a line is copied
//! together, not formatted.

use super::page::{Page, pages};
use super::random::{Alias, Random, weight_five_quarters, weight_three_quarters};
use super::table::Table;
use super::template::{expand, push_number};

/// Pages that exist, places on an image map, and pages that do not exist: together about 22,000 targets.
const PAGES: usize = 14_600;
const MAP_POINTS: usize = 5_400;
const MISSING: usize = 2_000;

/// The endings `GET /ksc.html HTTP/1.0" 200 7074`, and how often each is drawn.
#[derive(Debug)]
pub(super) struct Requests {
    endings: Table,
    alias: Alias,
}

/// Collects endings class by class; a class has a share of the lines, and each ending a share of the class.
#[derive(Default)]
struct Builder {
    endings: Table,
    weights: Vec<u64>,
}

impl Builder {
    /// A class with its share in parts per million: `(method, target, status, bytes, weight)`.
    fn class<'a>(
        &mut self,
        share: u64,
        endings: impl Iterator<Item = (&'a str, &'a [u8], &'a str, Option<u64>, u64)> + Clone,
    ) {
        let total: u128 = endings.clone().map(|(.., weight)| u128::from(weight)).sum();
        let mut line = Vec::new();
        for (method, target, status, bytes, weight) in endings {
            line.clear();
            line.extend_from_slice(method.as_bytes());
            line.push(b' ');
            line.extend_from_slice(target);
            line.extend_from_slice(b" HTTP/1.0\" ");
            line.extend_from_slice(status.as_bytes());
            line.push(b' ');
            match bytes {
                Some(bytes) => push_number(bytes, &mut line),
                None => line.push(b'-'),
            }
            self.endings.push(&line);
            self.weights.push(((u128::from(share) << 40) * u128::from(weight) / total) as u64);
        }
    }
}

impl Requests {
    pub(super) fn new() -> Self {
        let pages: Vec<(Page, u64)> = pages(PAGES)
            .into_iter()
            .enumerate()
            .map(|(rank, page)| (page, weight_five_quarters(rank as f64 + 5.0)))
            .collect();
        let map_points = map_points();
        let missing = missing();
        let mut builder = Builder::default();
        let all = pages.iter();
        // The shares are those of the two NASA months.
        builder.class(
            894_057,
            all.clone().map(|(page, weight)| ("GET", &page.path[..], "200", Some(page.size), *weight)),
        );
        builder.class(
            1_600,
            all.clone()
                .filter(|(page, _)| page.is_document())
                .take(300)
                .map(|(page, weight)| ("HEAD", &page.path[..], "200", Some(0), *weight)),
        );
        builder.class(30, std::iter::once(("POST", &b"/cgi-bin/newwvn-mail.pl"[..], "200", Some(703), 1)));
        builder.class(
            77_066,
            all.clone()
                .filter(|(page, _)| page.is_cacheable())
                .map(|(page, weight)| ("GET", &page.path[..], "304", Some(0), *weight)),
        );
        builder.class(
            17_442,
            map_points
                .iter()
                .map(|(target, bytes, weight)| ("GET", &target[..], "302", Some(*bytes), *weight)),
        );
        // A directory without its last slash: the answer has no size.
        builder.class(
            3_667,
            all.clone()
                .filter(|(page, _)| page.path.len() > 1 && page.path.ends_with(b"/"))
                .map(|(page, weight)| ("GET", &page.path[..page.path.len() - 1], "302", None, *weight)),
        );
        builder
            .class(6_038, missing.iter().map(|(target, weight)| ("GET", &target[..], "404", None, *weight)));
        let each = |status, method, targets: &'static [&'static str], bytes| {
            targets.iter().map(move |target| (method, target.as_bytes(), status, bytes, 1))
        };
        builder.class(65, each("403", "GET", FORBIDDEN, None));
        builder.class(19, each("500", "GET", BROKEN, Some(0)));
        builder.class(12, each("501", "POST", &["/ksc.html", "/", "/images/getstats.gif"], None));
        builder.class(4, each("400", "GET", &["/%zz", "/history/apollo/a-001/%"], None));
        Self { alias: Alias::new(&builder.weights), endings: builder.endings }
    }

    /// The ending that belongs to 64 random bits.
    #[inline]
    pub(super) fn at(&self, bits: u64) -> &[u8] {
        self.endings.get(self.alias.at(bits))
    }
}

const FORBIDDEN: &[&str] =
    &["/ksc/", "/shuttle/wwwicons/", "/cgi-bin/", "/facilities/ca/", "/htbin/", "/private/"];
const BROKEN: &[&str] =
    &["/cgi-bin/geturlstats.pl", "/htbin/cdt.pl", "/cgi-bin/BrokerQuery.pl?query=oms&verbose=on"];

/// Clicks on the countdown's image map, each answered by a redirection.
fn map_points() -> Vec<(Vec<u8>, u64, u64)> {
    const SIZES: [u64; 8] = [110, 96, 68, 111, 98, 95, 97, 85];
    let mut random = Random::new(0x302);
    let mut seen = std::collections::HashSet::new();
    let mut points = Vec::with_capacity(MAP_POINTS);
    while points.len() < MAP_POINTS {
        // Most people hit one of the buttons, a few the space between.
        let (x, y) = match random.below(4) {
            0 => (random.below(400), random.below(320)),
            1 => (320 + random.below(70), 266 + random.below(16)),
            _ => (88 + random.below(30), 110 + random.below(100)),
        };
        if seen.insert((x, y)) {
            let target = format!("/cgi-bin/imagemap/countdown?{x},{y}").into_bytes();
            let size = SIZES[random.below(8) as usize];
            points.push((target, size, weight_three_quarters(points.len() as f64 + 30.0)));
        }
    }
    points
}

/// Things that people ask for and that are not there.
fn missing() -> Vec<(Vec<u8>, u64)> {
    const PATTERNS: &[&str] = &[
        "/shuttle/missions/sts-$/images/KSC-95EC-####.txt",
        "/pub/winvn/*.txt",
        "/history/apollo/*.html",
        "/shuttle/missions/sts-$/mission-sts-|.htm",
        "/images/*.gif",
        "/elv/*/images/*.gif",
        "/:/spacelink.msfc.nasa.gov/*",
        "/*.html",
        "/*/*/*.gif",
        "/people/*/",
        "/misc/*/home.map?##,###",
    ];
    let mut random = Random::new(0x404);
    let mut seen = std::collections::HashSet::new();
    let mut missing = Vec::with_capacity(MISSING);
    while missing.len() < MISSING {
        let mut target = Vec::new();
        expand(random.pick(PATTERNS), &mut random, &mut target);
        if seen.insert(target.clone()) {
            missing.push((target, weight_three_quarters(missing.len() as f64 + 2.0)));
        }
    }
    missing
}
