//! What `combined` adds: where visitors come from, and what they browse with.

use std::collections::HashSet;

use super::page::pages;
use super::random::{Alias, Random, weight_five_quarters};
use super::table::Table;
use super::template::expand;

/// Texts and how often each is drawn.
#[derive(Debug)]
pub(super) struct Headers {
    texts: Table,
    alias: Alias,
}

impl Headers {
    /// Referrers, as ` "http://www.ksc.nasa.gov/ksc.html" "`: the quotes around them included.
    pub(super) fn referers() -> Self {
        const COUNT: usize = 4000;
        let mut random = Random::new(0x4ef);
        let documents = pages(6000).into_iter().filter(|page| page.is_document());
        let mut own = documents.map(|page| [b"http://www.ksc.nasa.gov", &page.path[..]].concat());
        let mut foreign = std::iter::repeat_with(|| {
            let mut text = Vec::new();
            expand(random.pick(FOREIGN), &mut random, &mut text);
            text
        });
        let mut seen = HashSet::new();
        // One in three requests says nothing of where it comes from; of those that do, most come from our own pages.
        let mut texts = vec![b"-".to_vec()];
        while texts.len() < COUNT {
            let next = if texts.len() % 4 == 0 { None } else { own.next() };
            let text = next.or_else(|| foreign.next()).expect("the second iterator has no end");
            if seen.insert(text.clone()) {
                texts.push(text);
            }
        }
        Self::new(&texts, 0.5, b" \"", b"\" \"")
    }

    /// User agents, as `Lynx/2.3.7 BETA libwww/2.14"`: with the closing quote.
    pub(super) fn agents() -> Self {
        const COUNT: usize = 1200;
        let mut random = Random::new(0xa6e);
        let mut seen = HashSet::new();
        let mut texts = Vec::with_capacity(COUNT);
        while texts.len() < COUNT {
            let mut text = Vec::new();
            expand(random.pick(AGENTS), &mut random, &mut text);
            if seen.insert(text.clone()) {
                texts.push(text);
            }
        }
        Self::new(&texts, 3.0, b"", b"\"")
    }

    fn new(texts: &[Vec<u8>], flat: f64, before: &[u8], after: &[u8]) -> Self {
        let mut table = Table::default();
        for text in texts {
            table.push(&[before, text, after].concat());
        }
        let weights: Vec<u64> =
            (0..texts.len()).map(|rank| weight_five_quarters(rank as f64 + flat)).collect();
        Self { texts: table, alias: Alias::new(&weights) }
    }

    /// The number that belongs to 64 random bits.
    #[inline]
    pub(super) fn draw(&self, bits: u64) -> usize {
        self.alias.at(bits)
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> &[u8] {
        self.texts.get(index)
    }
}

/// Pages elsewhere that lead here (see [`expand`]).
const FOREIGN: &[&str] = &[
    "http://www.yahoo.com/Science/Space/*/",
    "http://search.yahoo.com/bin/search?p=*+*",
    "http://webcrawler.com/cgi-bin/WebQuery?searchText=*",
    "http://www.lycos.com/cgi-bin/pursuit?query=*+shuttle&ab=the_catalog",
    "http://www.altavista.digital.com/cgi-bin/query?pg=q&what=web&q=%22*+*%22",
    "https://www.google.com/search?q=*+launch&source=hp&ei=^^##^^####^^##",
    "http://www.*.com/space.html",
    "http://www.*.edu/~*/links.html",
    "http://www.*.org/*/",
    "http://*.cs.u@.edu/cool/sites.html",
];

/// Browsers and robots, old and new (see [`expand`]).
const AGENTS: &[&str] = &[
    "Mozilla/1.1N (Windows; I; 16bit)",
    "Mozilla/1.##N (Windows; I; 32bit)",
    "Mozilla/1.#N (Macintosh; I; 68K)",
    "Mozilla/1.#N (Macintosh; I; PPC)",
    "Mozilla/1.#N (X11; I; SunOS 4.1.# sun4m)",
    "Mozilla/1.#N (X11; I; IRIX 5.# IP$)",
    "Mozilla/1.2b# (Windows; I; 16bit) via proxy gateway CERN-HTTPD/3.0 libwww/2.17",
    "Mozilla/2.0b# (Win95; I)",
    "NCSA Mosaic for the X Window System/2.#  libwww/2.12 modified",
    "NCSA_Mosaic/2.#b# (X11;OSF1 V3.# alpha)  libwww/2.12 modified",
    "NCSA Mosaic(tm) Version 2.0.0a# for Windows",
    "Lynx/2.#.# BETA libwww/2.14",
    "Lynx/2-4-2  libwww/2.14",
    "IWENG/1.2.00#",
    "AIR_Mosaic(16bit)/v#.##.##.##",
    "PRODIGY-WB/1.##",
    "aolbrowser/1.# InterCon-Web-Library/1.#",
    "Enhanced_Mosaic/2.#",
    "MacWeb/1.00ALPHA#.#  libwww/2.17",
    "WebExplorer/v1.#",
    "EmailSiphon",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1##.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/1#.# Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 1#_# like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/1#.# Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 1#; SM-G9##U) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1##.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:1##.0) Gecko/20100101 Firefox/1##.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/7.##.#",
    "Wget/1.##.#",
];
