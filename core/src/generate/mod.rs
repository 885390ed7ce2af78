//! Deterministic traffic that looks like NASA's logs of July and August 1995.
//!
//! The same options give the same bytes on every platform, however they are read. Modelled are: about 138,000 clients
//! and 22,000 targets with their long tails, visitors that stay for a few requests, the rhythm of day and week at about
//! 1.9 million lines a month, the mix of statuses, methods and missing sizes. On demand some lines are odd, in known
//! proportions ([`Oddity`]), and counted, so that a parser can be held to account.
//!
//! ```
//! use nasalogs::generate::{GenerateOptions, Generator};
//! let mut log = Vec::new();
//! let mut generator = Generator::new(GenerateOptions::new().with_lines(1000).with_seed(7))?;
//! while generator.fill(&mut log) {}
//! assert_eq!(log.iter().filter(|&&byte| byte == b'\n').count(), 1000);
//! # Ok::<(), nasalogs::Error>(())
//! ```

mod clock;
mod header;
mod host;
mod oddity;
mod page;
mod random;
mod request;
mod table;
mod template;

use std::io::{self, Read, Write};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::options::named;

use clock::Clock;
use header::Headers;
use oddity::{Oddities, Pieces};
use random::{Alias, Random};
use request::Requests;
use table::Table;

pub use oddity::{Oddity, Outcome};

/// The format of generated lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Traffic {
    /// The Common Log Format, as NASA's server wrote it.
    #[default]
    Common,
    /// Common with referrer and user agent.
    Combined,
}

named!(Traffic, "format of generated lines", { "common" => Common, "combined" => Combined });

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GenerateOptions {
    /// How many lines.
    pub lines: u64,
    /// Another seed gives other traffic from the same clients to the same pages.
    pub seed: u64,
    /// The format.
    pub traffic: Traffic,
    /// The time of the first line, in milliseconds since 1970 UTC; logs show whole seconds.
    pub start: i64,
    /// The UTC offset that is logged, in minutes east.
    pub tz_offset: i16,
    /// The share of odd lines, from 0 to 1.
    pub oddities: f64,
}

impl GenerateOptions {
    /// A million common lines from 01/Jul/1995:00:00:01 -0400 on, none of them odd.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: 1_000_000,
            seed: 0,
            traffic: Traffic::Common,
            start: 804_571_201_000,
            tz_offset: -240,
            oddities: 0.0,
        }
    }

    /// Sets the number of lines.
    #[must_use]
    pub fn with_lines(mut self, lines: u64) -> Self {
        self.lines = lines;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the format.
    #[must_use]
    pub fn with_traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }

    /// Sets the time of the first line, in milliseconds since 1970 UTC, and the UTC offset that is logged, in minutes
    /// east.
    #[must_use]
    pub fn with_start(mut self, start: i64, tz_offset: i16) -> Self {
        (self.start, self.tz_offset) = (start, tz_offset);
        self
    }

    /// Sets the share of odd lines, from 0 to 1.
    #[must_use]
    pub fn with_oddities(mut self, share: f64) -> Self {
        self.oddities = share;
        self
    }
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How many lines were made, and how many of them were odd in which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// All lines, the blank ones too.
    pub lines: u64,
    /// The odd ones, in the order of [`Oddity::ALL`].
    pub odd: Vec<(Oddity, u64)>,
}

impl Tally {
    /// How many lines have to end so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        let odd = |wanted: &dyn Fn(Outcome) -> bool| -> u64 {
            self.odd.iter().filter(|(kind, _)| wanted(kind.outcome())).map(|(_, count)| count).sum()
        };
        match outcome {
            Outcome::Row => self.lines - odd(&|other| other != Outcome::Row),
            other => odd(&|outcome| outcome == other),
        }
    }
}

/// Makes traffic, as text of a log. Needs about 20 MB of memory, however many lines it makes.
///
/// Take it with [`Generator::fill`], through [`Read`], or whole with [`Generator::write_to`].
#[derive(Debug)]
pub struct Generator {
    left: u64,
    made: u64,
    random: Random,
    clock: Clock,
    hosts: Table,
    host_alias: Alias,
    requests: Requests,
    /// Referrers and agents, where the format has them.
    headers: Option<[Headers; 2]>,
    visitors: [Visitor; VISITORS],
    oddities: Oddities,
    /// Bytes made for `Read` and not yet taken.
    pending: Vec<u8>,
    taken: usize,
}

/// Someone who is here for a few requests.
#[derive(Debug, Clone, Copy, Default)]
struct Visitor {
    host: u32,
    agent: u32,
}

/// How many are here at once.
const VISITORS: usize = 64;
/// After a request a visitor leaves with this chance, in 256ths: about ten requests each.
const LEAVING: u64 = 26;

impl Generator {
    /// How much [`Generator::fill`] appends at a time, in bytes, give or take a line.
    pub const BLOCK: usize = 64 << 10;

    /// A generator, ready to run.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when the share of oddities is not from 0 to 1, when the start does not lie in the years
    /// 0001 to 9999, or when the UTC offset is a day or more.
    pub fn new(options: GenerateOptions) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.oddities) {
            return Err(Error::new(
                ErrorKind::Options,
                format!("a share of {} lines cannot be odd", options.oddities),
            )
            .with_hint("give a share from 0 to 1, that is from 0% to 100%"));
        }
        if options.tz_offset.unsigned_abs() >= 24 * 60 {
            return Err(Error::new(
                ErrorKind::Options,
                format!("{} minutes are no UTC offset", options.tz_offset),
            )
            .with_hint("an offset is less than a day"));
        }
        let start = options.start.div_euclid(1000);
        let local = start + i64::from(options.tz_offset) * 60;
        if !Clock::RANGE.contains(&start) || !Clock::RANGE.contains(&local) {
            return Err(Error::new(ErrorKind::Options, "a log cannot begin at that time")
                .with_hint("the year has to be one from 0001 to 9999, in UTC too"));
        }
        let headers = match options.traffic {
            Traffic::Common => None,
            Traffic::Combined => Some([Headers::referers(), Headers::agents()]),
        };
        let mut generator = Self {
            left: options.lines,
            made: 0,
            random: Random::new(options.seed),
            clock: Clock::new(local, options.tz_offset),
            hosts: host::table(),
            host_alias: host::alias(),
            requests: Requests::new(),
            headers,
            visitors: [Visitor::default(); VISITORS],
            oddities: Oddities::new(options.seed, options.oddities),
            pending: Vec::new(),
            taken: 0,
        };
        for seat in 0..VISITORS {
            generator.seat(seat);
        }
        Ok(generator)
    }

    /// Appends about [`Generator::BLOCK`] bytes of whole lines; says whether there may be more.
    pub fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        if self.taken < self.pending.len() {
            out.extend_from_slice(&self.pending[self.taken..]);
            self.taken = self.pending.len();
        } else {
            self.block(out);
        }
        self.left > 0
    }

    /// Writes everything that is left; returns how many bytes that was.
    ///
    /// # Errors
    /// What the writer fails with.
    pub fn write_to<W: Write>(&mut self, mut writer: W) -> io::Result<u64> {
        let mut block = Vec::new();
        let mut written = 0;
        loop {
            block.clear();
            let more = self.fill(&mut block);
            writer.write_all(&block)?;
            written += block.len() as u64;
            if !more {
                return Ok(written);
            }
        }
    }

    /// What has been made so far (through [`Read`], up to a block more than has been taken).
    #[must_use]
    pub fn tally(&self) -> Tally {
        let odd = Oddity::ALL.iter().copied().zip(self.oddities.counts.iter().copied());
        Tally { lines: self.made, odd: odd.collect() }
    }

    fn block(&mut self, out: &mut Vec<u8>) {
        out.reserve(Self::BLOCK + 4096);
        let full = out.len() + Self::BLOCK;
        while self.left > 0 && out.len() < full {
            self.line(out);
            self.left -= 1;
            self.made += 1;
        }
    }

    /// Lets another visitor take a seat.
    fn seat(&mut self, seat: usize) {
        let host = self.host_alias.at(self.random.next()) as u32;
        let bits = self.random.next();
        let agent = self.headers.as_ref().map_or(0, |[_, agents]| agents.draw(bits) as u32);
        self.visitors[seat] = Visitor { host, agent };
    }

    #[inline]
    fn line(&mut self, out: &mut Vec<u8>) {
        let bits = self.random.next();
        let seat = (bits % VISITORS as u64) as usize;
        let visitor = self.visitors[seat];
        let host = self.hosts.get(visitor.host as usize);
        let ending = self.requests.at(self.random.next());
        let referer_bits = if self.headers.is_some() { self.random.next() } else { 0 };
        let headers: [&[u8]; 2] = match &self.headers {
            None => [b"", b""],
            Some([referers, agents]) => {
                [referers.get(referers.draw(referer_bits)), agents.get(visitor.agent as usize)]
            }
        };
        match self.oddities.draw() {
            None => {
                out.extend_from_slice(host);
                out.extend_from_slice(self.clock.text());
                out.extend_from_slice(ending);
                if self.headers.is_some() {
                    out.extend_from_slice(headers[0]);
                    out.extend_from_slice(headers[1]);
                }
                out.push(b'\n');
            }
            Some(kind) => {
                let pieces = Pieces { host, time: &self.clock.text()[Clock::TIME], ending, headers };
                self.oddities.write(kind, &pieces, out);
            }
        }
        self.clock.advance(bits >> 8);
        if bits >> 56 < LEAVING {
            self.seat(seat);
        }
    }
}

impl Read for Generator {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.pending.len() {
            let mut pending = std::mem::take(&mut self.pending);
            pending.clear();
            self.block(&mut pending);
            self.pending = pending;
            self.taken = 0;
        }
        let count = buffer.len().min(self.pending.len() - self.taken);
        buffer[..count].copy_from_slice(&self.pending[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
