//! The loop: reads lines, lets them go when they are due, gives them to the destination, and remembers what it has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nasalogs::envelope::SourceId;
use nasalogs::{Error, LogFormat, Reject, RejectReason, Result};

use super::destination::{Destination, Fate};
use super::input::{self, Cutter, Piece};
use super::pace::Pacer;
use super::report::{Ended, Report};
use super::spool::Identities;
use crate::follow::{Follower, Poll};
use crate::interrupt::Stop;
use crate::progress::Progress;
use crate::rejects::RejectFile;
use crate::{message, output};

/// How often the checkpoint is saved, at most.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often the report is written while it goes on.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How long it takes to notice that someone asked to stop.
const NOTICE: Duration = Duration::from_millis(100);
/// While the destination is at work, how long until the input is looked at again.
const GLANCE: Duration = Duration::from_millis(10);
/// How long it may take to deliver what was read, after someone asked to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// How long to wait for answers after a failure.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// How many lines are given without looking at anything else.
const AT_ONCE: usize = 256;

/// What a run is made of.
pub(super) struct Pipeline {
    follower: Follower,
    destination: Box<dyn Destination>,
    pacer: Pacer,
    /// Tells the time of a line, where that matters.
    format: Option<LogFormat>,
    rejects: Option<RejectFile>,
    stop: Stop,
    progress: Progress,
    quiet: bool,
    report: Report,
    start: Instant,
    sources: HashMap<SourceId, Reading>,
    cutter: Cutter,
    /// What was read while looking for the format.
    ahead: Vec<Poll>,
    saved: Instant,
    live_report: Option<PathBuf>,
    reported: Instant,
}

/// What is known of a source.
#[derive(Debug)]
struct Reading {
    /// Lines before this one, in this run.
    lines: u64,
    /// Whether this run began at its beginning: only then lines have numbers.
    is_whole: bool,
    /// Up to where it was given to the destination.
    given: u64,
    /// Up to where that was acknowledged.
    acknowledged: u64,
    /// The ids that its lines had at first, where it is spooled.
    identities: Option<Identities>,
}

/// What came of looking for a line.
enum Step {
    /// Lines were given.
    Went,
    /// The next line is due at this time.
    Due(Duration),
    /// The destination has no room.
    Full,
    /// There is no line at present.
    Idle,
    /// There is none any more.
    End,
}

/// What a run needs from outside.
pub(super) struct Parts {
    pub(super) follower: Follower,
    pub(super) ahead: Vec<Poll>,
    pub(super) destination: Box<dyn Destination>,
    pub(super) pacer: Pacer,
    pub(super) format: Option<LogFormat>,
    pub(super) rejects: Option<RejectFile>,
    pub(super) stop: Stop,
    pub(super) quiet: bool,
    /// Where the report is written while it goes on.
    pub(super) live_report: Option<PathBuf>,
    pub(super) report: Report,
}

impl Pipeline {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts {
            follower,
            mut ahead,
            destination,
            pacer,
            format,
            rejects,
            stop,
            quiet,
            live_report,
            report,
        } = parts;
        ahead.reverse();
        let start = Instant::now();
        Self {
            follower,
            destination,
            pacer,
            format,
            rejects,
            stop,
            progress: Progress::new(quiet, None),
            quiet,
            report,
            start,
            sources: HashMap::new(),
            cutter: Cutter::default(),
            ahead,
            saved: start,
            live_report,
            reported: start,
        }
    }

    /// Runs to the end. The report says how it went; the error, where there is one, why it ended early.
    pub(super) fn run(mut self) -> (Report, Option<Error>) {
        let outcome = self.deliver();
        if outcome.is_err()
            && let Err(error) = self.destination.give_up(LAST_ANSWERS)
        {
            self.report.add_trouble(&error);
        }
        // Whatever happened, what is delivered is remembered.
        let saved = self.save();
        let finished = self.rejects.as_ref().map_or(Ok(()), RejectFile::finish);
        let outcome = outcome.and_then(|ended| saved.and(finished).map(|()| ended));
        let (ended, error) = match outcome {
            Ok(ended) => (ended, None),
            Err(error) => (Ended::Failed, Some(error)),
        };
        let mut report = self.account();
        report.ended = ended;
        report.error = error.as_ref().map(ToString::to_string);
        (report, error)
    }

    /// The account as it stands.
    fn account(&self) -> Report {
        Report {
            lag_bytes: self.sources.values().map(|source| source.given - source.acknowledged).sum(),
            pace_lag_seconds: (!self.pacer.is_idle()).then(|| self.pacer.lag().as_secs_f64()),
            seconds: self.start.elapsed().as_secs_f64(),
            delivered: self.destination.delivered(),
            ..self.report.clone()
        }
    }

    fn deliver(&mut self) -> Result<Ended> {
        let stopped = loop {
            if self.stop.check().is_err() {
                break true;
            }
            self.destination.work(Duration::ZERO)?;
            self.save_if_due()?;
            match self.step()? {
                Step::Went => {}
                Step::Full => self.destination.work(NOTICE)?,
                Step::Due(due) => self.wait(due.saturating_sub(self.start.elapsed()), false)?,
                Step::Idle => self.wait(NOTICE, true)?,
                Step::End => break false,
            }
        };
        self.destination.drain()?;
        let mut until = None;
        while !self.destination.is_empty() {
            if until.is_none() && self.stop.check().is_err() {
                until = Some(Instant::now() + DRAIN);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                self.destination.give_up(LAST_ANSWERS)?;
                return Ok(Ended::Cut);
            }
            self.destination.work(NOTICE)?;
            self.save_if_due()?;
        }
        self.destination.finish()?;
        Ok(if stopped { Ended::Stopped } else { Ended::Complete })
    }

    /// Waits for lines, for the destination, or for a line that is due.
    fn wait(&mut self, longest: Duration, for_lines: bool) -> Result<()> {
        self.destination.pause();
        let longest = longest.min(NOTICE);
        match self.destination.due() {
            Some(due) if for_lines => self.destination.work(due.min(GLANCE).max(Duration::from_millis(1))),
            Some(due) => self.destination.work(longest.min(due.max(Duration::from_millis(1)))),
            None if for_lines => {
                match self.follower.next(longest)? {
                    Poll::Idle => {}
                    poll => self.ahead.push(poll),
                }
                Ok(())
            }
            None => {
                std::thread::sleep(longest);
                Ok(())
            }
        }
    }

    /// Gives the destination what is there and due, as far as it has room.
    fn step(&mut self) -> Result<Step> {
        for count in 0..AT_ONCE {
            while self.cutter.is_done() {
                let poll = match self.ahead.pop() {
                    Some(poll) => poll,
                    None => self.follower.poll(Instant::now())?,
                };
                match poll {
                    Poll::Lines(lines) => {
                        self.meet(lines.source, lines.offset, &lines.file)?;
                        self.report.bytes_read += lines.bytes.len() as u64;
                        self.progress.set(self.report.bytes_read);
                        self.cutter.feed(lines);
                    }
                    Poll::Gap(gap) => {
                        self.meet(gap.source, gap.offset, &gap.file)?;
                        self.say(&format!("{}: lines are lost from byte {} on", gap.file, gap.offset));
                        self.report.add_gap(&gap);
                    }
                    Poll::Trouble(error) => {
                        self.say(&error.to_string());
                        self.report.add_trouble(&error);
                    }
                    Poll::Idle if count > 0 => return Ok(Step::Went),
                    Poll::Idle => return Ok(Step::Idle),
                    Poll::End => return Ok(Step::End),
                }
            }
            if let Some(step) = self.give()? {
                return Ok(step);
            }
        }
        Ok(Step::Went)
    }

    /// Gives the next line of what is being cut; where that is not possible now, says why.
    fn give(&mut self) -> Result<Option<Step>> {
        let Some((source, file)) = self.cutter.source().map(|(source, file)| (source, Arc::clone(file)))
        else {
            return Ok(None);
        };
        let (fate, offset, end, raw) = match self.cutter.peek() {
            None => return Ok(None),
            Some(Piece::TooLong { id, end, raw }) => {
                (Fate::Rejected(RejectReason::LineTooLong), id.offset, end, raw)
            }
            Some(Piece::Line(mut line)) => {
                if let Some(identities) =
                    self.sources.get(&source).and_then(|known| known.identities.as_ref())
                {
                    line.known_as = identities.of(line.id.offset);
                }
                if !self.destination.has_room() {
                    return Ok(Some(Step::Full));
                }
                if !self.pacer.is_idle() {
                    let times = self.format.as_ref().filter(|_| self.pacer.wants_times());
                    let logged = times.and_then(|format| format.parse_line(line.bytes).ok()?.ts());
                    let now = self.start.elapsed();
                    let due = self.pacer.due(now, logged);
                    if due > now {
                        return Ok(Some(Step::Due(due)));
                    }
                    self.pacer.went(now, due);
                }
                let fate = self.destination.take(&line)?;
                let raw = if matches!(fate, Fate::Rejected(_)) { line.bytes.to_vec() } else { Vec::new() };
                (fate, line.id.offset, line.end, raw)
            }
        };
        let Some(reading) = self.sources.get_mut(&source) else { return Ok(None) };
        reading.lines += 1;
        reading.given = end;
        let number = if reading.is_whole { reading.lines } else { 0 };
        self.report.lines += 1;
        match fate {
            Fate::Taken => {
                if let Some(rows) = &mut self.report.rows {
                    *rows += 1;
                }
            }
            Fate::Blank => {
                self.report.blank += 1;
                self.destination.skip(source, offset..end);
            }
            Fate::Rejected(reason) => {
                self.reject(input::reject(&file, number, offset, reason, &raw))?;
                self.destination.skip(source, offset..end);
            }
        }
        self.cutter.done(end);
        Ok(None)
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        if let Some(file) = &self.rejects {
            file.add(&reject)?;
        }
        self.report.add_reject(reject);
        Ok(())
    }

    /// Takes note of a source.
    fn meet(&mut self, source: SourceId, offset: u64, file: &str) -> Result<()> {
        if let Entry::Vacant(entry) = self.sources.entry(source) {
            entry.insert(Reading {
                lines: 0,
                is_whole: offset == 0,
                given: offset,
                acknowledged: offset,
                identities: Identities::of_file(file)?,
            });
            self.report.resumed_sources += u64::from(offset > 0);
            self.destination.begin(source, offset);
        }
        Ok(())
    }

    fn save_if_due(&mut self) -> Result<()> {
        if let Some(text) = self.destination.notice() {
            self.say(&text);
        }
        if self.saved.elapsed() < SAVE_EVERY {
            return Ok(());
        }
        self.save()?;
        if let Some(path) = &self.live_report
            && self.reported.elapsed() >= REPORT_EVERY
        {
            let written = self.account().to_json().and_then(|json| output::write_whole(path, &json));
            self.reported = Instant::now();
            // Nothing is lost by it, and the last one is tried in any case.
            if let Err(error) = written {
                self.say(&error.to_string());
            }
        }
        Ok(())
    }

    /// Remembers what is delivered.
    fn save(&mut self) -> Result<()> {
        // What counts as done because it was rejected has to be on the disk first.
        if let Some(rejects) = &self.rejects {
            rejects.sync()?;
        }
        for (source, reading) in &mut self.sources {
            let Some(offset) = self.destination.acknowledged(*source) else { continue };
            let offset = offset.min(reading.given);
            if offset > reading.acknowledged {
                reading.acknowledged = offset;
                self.follower.acknowledge(*source, offset);
            }
        }
        self.follower.save()?;
        self.saved = Instant::now();
        Ok(())
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            message::note(text);
        }
    }
}
