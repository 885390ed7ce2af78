//! The thread that counts, and owns all that is counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use nasalogs::arrow::array::RecordBatch;
use nasalogs::filter::Filter;
use nasalogs::report::{Account, COLUMNS, Cube, CubeOptions, LiveCube, Report, ReportOptions, Tally};
use nasalogs::{Error, ErrorKind, LogFormat, ParseOptions, Result, source};

use super::Args;
use super::hub::{Hub, Published, Question, event};
use super::intake::{Intake, STANDARD_NAME, unmarked};
use super::metrics;
use super::recent::Recent;
use super::spool::Spool;
use crate::filter::{self, FilterArgs, Screen, first_offset};
use crate::follow::{self, Follower, Lines, Part, Poll};
use crate::interrupt::Stop;
use crate::message;
use crate::output::STANDARD;

/// How often readers are told what is new.
const TICK: Duration = Duration::from_secs(1);
/// How many bytes of lines are kept at most to be read twice; the cube is filled with what it knows then.
const MOST_KEPT: u64 = 1 << 30;
/// How long a question may wait while there is nothing to read.
const GLANCE: Duration = Duration::from_millis(50);
/// What is there at the beginning has been read when nothing has come for so long,
const QUIET: Duration = Duration::from_millis(300);
/// or less than this in a second.
const TRICKLE: u64 = 4 << 20;
/// A report may take one part in so many of the time.
const SHARE: u32 = 10;
/// How often it is looked for names that have become popular.
const PROMOTION: Duration = Duration::from_secs(60);
/// How many cells the cube has in memory, at most.
const CELLS: usize = 300_000;
/// How many names of each kind are kept when memory has to be bounded, at most and at least.
const NAMES: std::ops::RangeInclusive<usize> = 64..=1 << 16;

/// What is counted, and how.
pub(super) struct Owner {
    hub: Arc<Hub>,
    questions: Receiver<Question>,
    stop: Stop,
    follower: Follower,
    intake: Intake,
    filter: Filter,
    args: FilterArgs,
    /// The time of the log's last row, where filters ask for it.
    end: Option<i64>,
    screen: Screen,
    names: Vec<String>,
    top: usize,
    max_memory: u64,
    /// How many names of each kind the tally keeps.
    kept: usize,
    tally: Option<Tally>,
    cube: Option<LiveCube>,
    /// While what is there at the beginning is read: its names get the cube's entries.
    spool: Option<Spool>,
    /// Bytes since the last tick.
    bytes: u64,
    recent: Recent,
    report: Option<(Report, String)>,
    is_changed: bool,
    next_report: Instant,
    next_promotion: Instant,
    /// The cube as it was last asked for, with its version and number.
    answer: Option<(u64, u64, Bytes)>,
}

impl Owner {
    /// Opens the inputs.
    ///
    /// # Errors
    /// When one is not there, or the options do not go together.
    pub(super) fn open(args: &Args, inputs: &[PathBuf], stop: &Stop) -> Result<(Self, Arc<Hub>)> {
        let filter = args.filter.filter();
        let filtered = filter.columns();
        let columns = COLUMNS.into_iter().chain(filtered.iter().map(|(column, _)| *column));
        let options = ParseOptions::new().with_columns([""; 0]).with_optional_columns(columns);
        let format = match args.format.as_str() {
            "auto" => None,
            format => Some(format.parse::<LogFormat>()?),
        };
        let follow = follow::Options { follow: args.follow, ..follow::Options::default() };
        let follower = Follower::open(inputs, follow, None)?;
        let end = if filter.needs_end() {
            if inputs.iter().any(|input| input.as_os_str() == STANDARD) {
                let message = "standard input has no end yet from which times could be counted";
                return Err(Error::new(ErrorKind::Options, message)
                    .with_hint("name a date or a time with --since and --until, or pass the log as a file"));
            }
            let options = match &format {
                Some(format) => options.clone().with_format(format.clone()),
                None => options.clone(),
            };
            filter::end(source::expand(inputs)?, &options, None, stop, &mut |_| Ok(()))?
        } else {
            None
        };
        let now = Instant::now();
        let (hub, questions) = Hub::new();
        let mut owner = Self {
            hub: Arc::clone(&hub),
            questions,
            stop: stop.clone(),
            follower,
            intake: Intake::new(options, format),
            filter,
            args: args.filter.clone(),
            end,
            screen: Screen::new(&args.filter, end),
            names: names(inputs, args.follow),
            top: args.top,
            max_memory: args.max_memory,
            kept: *NAMES.end(),
            tally: None,
            cube: None,
            spool: Some(Spool::new()?),
            bytes: 0,
            recent: Recent::default(),
            report: None,
            is_changed: true,
            next_report: now,
            next_promotion: now + PROMOTION,
            answer: None,
        };
        // There is something to answer from the first moment on.
        owner.tick(now)?;
        Ok((owner, hub))
    }

    /// Counts until someone asks to stop.
    ///
    /// # Errors
    /// When no format fits, a column is missing that filters look at, or the temporary copy of the beginning fails.
    pub(super) fn run(mut self) -> Result<()> {
        let mut next_tick = Instant::now() + TICK;
        let mut last_lines = Instant::now();
        let mut is_over = false;
        while self.stop.check().is_ok() {
            let wait = next_tick.saturating_duration_since(Instant::now()).min(GLANCE);
            if is_over {
                if let Ok(question) = self.questions.recv_timeout(wait) {
                    self.answer(question)?;
                }
            } else {
                match self.follower.next(wait)? {
                    Poll::Lines(lines) => {
                        last_lines = Instant::now();
                        self.take(lines)?;
                    }
                    Poll::Gap(gap) => message::error(&format!(
                        "{}: at least {} bytes were lost before they were read",
                        gap.file, gap.at_least
                    )),
                    Poll::Trouble(error) => message::error(&error.to_string()),
                    Poll::Idle if last_lines.elapsed() >= QUIET => self.settle(false)?,
                    Poll::Idle => {}
                    Poll::End => {
                        is_over = true;
                        self.settle(true)?;
                    }
                }
                self.answer_all()?;
            }
            let now = Instant::now();
            if now >= next_tick {
                if self.bytes < TRICKLE && self.tally.is_some() {
                    self.begin()?;
                }
                self.tick(now)?;
                self.bytes = 0;
                next_tick = Instant::now().max(next_tick + TICK);
            }
        }
        Ok(())
    }

    /// Nothing more is there at present, or ever.
    fn settle(&mut self, is_end: bool) -> Result<()> {
        for batch in self.intake.settle(is_end)? {
            self.count(batch)?;
        }
        self.begin()?;
        // Whoever waits for the first numbers need not wait for the second to be over.
        if is_end { self.tick(Instant::now()) } else { Ok(()) }
    }

    fn take(&mut self, lines: Lines) -> Result<()> {
        let (source, end) = (lines.source, lines.offset + lines.bytes.len() as u64);
        let lines = unmarked(lines);
        self.bytes += lines.bytes.len() as u64;
        if let Some(spool) = &mut self.spool
            && matches!(lines.part, Part::Lines | Part::Unended)
        {
            spool.keep(&lines.bytes, lines.part == Part::Unended)?;
        }
        for batch in self.intake.take(lines)? {
            self.count(batch)?;
        }
        self.is_changed = true;
        if self.spool.as_ref().is_some_and(|spool| spool.kept() > MOST_KEPT) {
            self.begin()?;
        }
        self.follower.acknowledge(source, end);
        for (source, _) in self.follower.forgotten() {
            self.intake.forget(source);
        }
        Ok(())
    }

    fn count(&mut self, batch: RecordBatch) -> Result<()> {
        if self.tally.is_none() {
            self.check()?;
            let zone = self.args.zone().resolve(first_offset(&batch));
            self.tally = Some(Tally::new(&ReportOptions::new().with_zone(zone)));
        }
        let Some(tally) = &mut self.tally else { return Ok(()) };
        let batch = self.screen.apply(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        // The cube comes first: it asks which names are new.
        if let Some(cube) = &mut self.cube {
            cube.push(&batch, tally)?;
        }
        tally.push(&batch)?;
        if self.cube.is_none() && self.spool.is_none() {
            let mut cube = Cube::new(tally, &options());
            cube.push(&batch)?;
            self.cube = Some(live(cube));
        }
        self.recent.push(&batch, self.spool.is_none())?;
        self.bound();
        Ok(())
    }

    /// Whether the log has what is looked at.
    fn check(&self) -> Result<()> {
        let format = self.intake.format().map(ToString::to_string);
        let Some(schema) = self.intake.schema() else { return Ok(()) };
        self.filter.check(&schema, format.as_deref())?;
        if schema.index_of("ts").is_err() {
            let message = format!("the format {} has no time of the request", format.unwrap_or_default());
            return Err(Error::new(ErrorKind::Options, message)
                .with_hint("the page counts by time: add %t to the format, or read other logs"));
        }
        Ok(())
    }

    /// Keeps the counting within its memory: exact as long as that fits.
    fn bound(&mut self) {
        let Some(tally) = &mut self.tally else { return };
        while tally.memory() > self.max_memory && self.kept >= *NAMES.start() {
            if tally.options().approx {
                self.kept /= 2;
            } else {
                message::note(&format!(
                    "counting exactly would take more than {} MB: from here on some numbers are estimates, as the page says",
                    self.max_memory / 1_000_000
                ));
            }
            tally.limit(self.kept.max(*NAMES.start()));
        }
    }

    /// What was there at the beginning has been read: now that its first names are known, the cube is filled.
    fn begin(&mut self) -> Result<()> {
        let Some(spool) = self.spool.take() else { return Ok(()) };
        let (Some(tally), Some(mut parser)) = (&self.tally, self.intake.again()?) else { return Ok(()) };
        let mut cube = Cube::new(tally, &options());
        let mut screen = Screen::new(&self.args, self.end);
        let mut kept = spool.read()?;
        while let Some((bytes, is_unended)) = kept.next()? {
            if self.stop.check().is_err() {
                return Ok(());
            }
            for batch in parser.parse(&bytes, is_unended)?.batches {
                cube.push(&screen.apply(batch)?)?;
            }
        }
        self.cube = Some(live(cube));
        self.tell_version();
        Ok(())
    }

    fn tell_version(&self) {
        if let Some(cube) = &self.cube {
            self.hub.tell(which(cube).into());
        }
    }

    /// Tells readers what is new, and publishes.
    fn tick(&mut self, now: Instant) -> Result<()> {
        self.recent.turn(now);
        let mut news: Vec<Bytes> = Vec::new();
        if self.is_changed && now >= self.next_report {
            self.is_changed = false;
            let report = self.report();
            let json = report.to_json();
            self.next_report = now + (now.elapsed() * SHARE).max(TICK / 2);
            news.push(event("report", &json).into());
            self.report = Some((report, json));
        }
        if let (Some(cube), Some(tally)) = (&mut self.cube, &self.tally)
            && now >= self.next_promotion
        {
            self.next_promotion = now + PROMOTION;
            cube.promote(tally);
        }
        self.drain();
        if let Some(last) = self.recent.last() {
            news.push(event("last", &last).into());
        }
        let seconds = event("now", &self.recent.seconds());
        news.push(seconds.clone().into());

        let Some((report, json)) = &self.report else {
            news.into_iter().for_each(|event| self.hub.tell(event));
            return Ok(());
        };
        let mut greeting = event("report", json);
        greeting += &self.cube.as_ref().map(which).unwrap_or_default();
        greeting += &event("last", &self.recent.whole());
        greeting += &seconds;
        let state =
            metrics::State { unread: self.follower.unread_bytes(), memory: self.memory(), now: unix() };
        let metrics = metrics::text(report, &state);
        let published = Published { report: json.clone().into(), greeting: greeting.into(), metrics };
        self.hub.turn(news, published);
        Ok(())
    }

    /// Sends what came since this was last done.
    fn drain(&mut self) {
        let (Some(cube), Some(tally)) = (&mut self.cube, &self.tally) else { return };
        let version = cube.version();
        cube.tend(tally);
        if let Some(delta) = cube.drain() {
            let json = serde_json::to_string(&delta).expect("strings and numbers");
            self.hub.tell(event("delta", &json).into());
        }
        if cube.version() != version {
            self.tell_version();
        }
    }

    fn answer_all(&mut self) -> Result<()> {
        while let Ok(question) = self.questions.try_recv() {
            self.answer(question)?;
        }
        Ok(())
    }

    fn answer(&mut self, question: Question) -> Result<()> {
        let is_current = |(version, seq, _): &(u64, u64, Bytes)| {
            self.cube.as_ref().is_some_and(|cube| (cube.version(), cube.seq()) == (*version, *seq))
        };
        if !self.answer.as_ref().is_some_and(is_current) {
            self.drain();
            self.answer = self.cube.as_mut().map(|cube| {
                let version = cube.version();
                let snapshot = cube.snapshot();
                let json = serde_json::to_string(&snapshot).expect("strings and numbers");
                if snapshot.version != version {
                    self.hub.tell(which(cube).into());
                }
                (snapshot.version, snapshot.seq, json.into())
            });
        }
        let json = self.answer.as_ref().map_or(Bytes::from_static(b"null"), |(_, _, json)| json.clone());
        // Who does not wait any more does not need it.
        let _ = question.send(json);
        Ok(())
    }

    fn report(&self) -> Report {
        let requests = self.tally.as_ref().map_or(0, Tally::requests);
        let mut lines = self.intake.lines;
        lines.filtered = lines.rows.saturating_sub(requests);
        let account = Account {
            inputs: self.names.clone(),
            format: self.intake.format().map(ToString::to_string),
            filters: self.filter.terms(),
            generated: unix(),
            lines,
            rejects: self.intake.rejects,
            first_rejects: self
                .intake
                .firsts
                .iter()
                .map(|(reason, place)| (*reason, place.clone()))
                .collect(),
        };
        match &self.tally {
            Some(tally) => tally.report(&account, self.top),
            None => {
                let zone = self.args.zone().resolve(0);
                Tally::new(&ReportOptions::new().with_zone(zone)).report(&account, self.top)
            }
        }
    }

    fn memory(&self) -> u64 {
        self.tally.as_ref().map_or(0, Tally::memory) + self.cube.as_ref().map_or(0, LiveCube::memory)
    }
}

/// Which cube there is.
fn which(cube: &LiveCube) -> String {
    event("cube", &format!("{{\"version\":{},\"seq\":{}}}", cube.version(), cube.seq()))
}

fn options() -> CubeOptions {
    CubeOptions::new().with_cells(CELLS)
}

/// Versions begin with the time, so that a page that outlived another run does not take this cube for that one's.
fn live(cube: Cube) -> LiveCube {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    LiveCube::new(cube).with_version(millis)
}

/// What the inputs are called: files where they are known, else what was asked for.
fn names(inputs: &[PathBuf], is_followed: bool) -> Vec<String> {
    if !is_followed && let Ok(sources) = source::expand(inputs) {
        let name = |source: &source::Source| source.name().as_deref().unwrap_or(STANDARD_NAME).to_owned();
        return sources.iter().map(name).collect();
    }
    let name = |input: &PathBuf| match input.to_string_lossy() {
        name if name == STANDARD => STANDARD_NAME.to_owned(),
        name => name.into_owned(),
    };
    inputs.iter().map(name).collect()
}

fn unix() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
