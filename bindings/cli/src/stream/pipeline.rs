//! The loop: reads lines, lets them go when they are due, gives them to the destination, and remembers what it has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use memchr::memchr_iter;
use nasalogs::envelope::SourceId;
use nasalogs::{Error, LogFormat, Result};

use super::destination::Destination;
use super::pace::Pacer;
use super::reject::Rejects;
use super::report::{Ended, Report};
use crate::follow::{Follower, Lines, Part, Poll};
use crate::interrupt::Stop;
use crate::progress::Progress;
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

/// What a run is made of.
pub(super) struct Pipeline {
    follower: Follower,
    destination: Box<dyn Destination>,
    pacer: Pacer,
    /// Tells the time of a line, where that matters.
    format: Option<LogFormat>,
    rejects: Rejects,
    stop: Stop,
    progress: Progress,
    quiet: bool,
    report: Report,
    start: Instant,
    sources: HashMap<SourceId, Reading>,
    /// Sources of which nothing comes any more, and their ends.
    over: Vec<(SourceId, u64)>,
    /// Lines that were read and not taken yet, and how many bytes of them are due.
    lines: Option<Lines>,
    due: usize,
    /// What was read while looking for the format.
    ahead: Vec<Poll>,
    saved: Instant,
    live_report: Option<PathBuf>,
    reported: Instant,
}

/// What is known of a source.
#[derive(Debug)]
struct Reading {
    /// Up to where whole lines were given to the destination.
    given: u64,
    /// Up to where that was acknowledged, and remembered.
    acknowledged: u64,
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
    pub(super) rejects: Rejects,
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
            over: Vec::new(),
            lines: None,
            due: 0,
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
        let finished = self.rejects.finish();
        let outcome = outcome.and_then(|ended| saved.and(finished).map(|()| ended));
        if matches!(outcome, Ok(Ended::Complete | Ended::Stopped))
            && let Err(error) = self.destination.close()
        {
            self.say(&error.to_string());
        }
        let (ended, error) = match outcome {
            Ok(ended) => (ended, None),
            Err(error) => (Ended::Failed, Some(error)),
        };
        let mut report = self.account();
        // What cannot be delivered before more comes is left to the next run.
        report.ended = if ended == Ended::Stopped && report.lag_bytes > 0 { Ended::Cut } else { ended };
        report.error = error.as_ref().map(ToString::to_string);
        (report, error)
    }

    /// The account as it stands.
    fn account(&self) -> Report {
        let lag = |source: &Reading| source.given.saturating_sub(source.acknowledged);
        Report {
            rejected: self.rejects.count(),
            rejects_by_reason: self.rejects.by_reason(),
            first_rejects: self.rejects.first(),
            lag_bytes: self.sources.values().map(lag).sum(),
            pace_lag_seconds: (!self.pacer.is_idle()).then(|| self.pacer.lag().as_secs_f64()),
            seconds: self.start.elapsed().as_secs_f64(),
            delivered: self.destination.delivered(),
            ..self.report.clone()
        }
    }

    fn deliver(&mut self) -> Result<Ended> {
        // An earlier run may have ended before it could say so.
        for (source, offset) in self.follower.delivered() {
            self.destination.saved(source, offset);
        }
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
        self.destination.drain(stopped)?;
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
        let Some(lines) = &self.lines else { return self.read() };
        if !self.destination.has_room() {
            return Ok(Step::Full);
        }
        if self.due == 0 {
            self.due = match lines.part {
                Part::Lines | Part::Unended => {
                    let format = self.format.as_ref().filter(|_| self.pacer.wants_times());
                    let logged = |line: &[u8]| format?.parse_line(without_end(line)).ok()?.ts();
                    match self.pacer.admit(self.start.elapsed(), &lines.bytes, logged) {
                        Ok(bytes) => bytes,
                        Err(due) => return Ok(Step::Due(due)),
                    }
                }
                // What comes in parts is no line of its own.
                Part::Begin | Part::Middle | Part::End => lines.bytes.len(),
            };
        }
        let front = Lines { bytes: lines.bytes.slice(..self.due), ..lines.clone() };
        let taken = self.destination.take(&front)?;
        self.taken(taken);
        Ok(Step::Went)
    }

    /// Reads on.
    fn read(&mut self) -> Result<Step> {
        let poll = match self.ahead.pop() {
            Some(poll) => poll,
            None => self.follower.poll(Instant::now())?,
        };
        match poll {
            Poll::Lines(lines) => {
                self.meet(lines.source, lines.offset, &lines.file)?;
                self.report.bytes_read += lines.bytes.len() as u64;
                self.progress.set(self.report.bytes_read);
                self.lines = Some(lines);
            }
            Poll::Gap(gap) => {
                self.meet(gap.source, gap.offset, &gap.file)?;
                self.destination.end(gap.source)?;
                let file = gap.file.escape_debug();
                self.say(&format!("{file}: lines are lost from byte {} on", gap.offset));
                self.report.add_gap(&gap);
            }
            Poll::Trouble(error) => {
                self.say(&error.to_string());
                self.report.add_trouble(&error);
            }
            Poll::Idle => return Ok(Step::Idle),
            Poll::End => return Ok(Step::End),
        }
        Ok(Step::Went)
    }

    /// Goes on behind what was taken.
    fn taken(&mut self, bytes: usize) {
        let Some(mut lines) = self.lines.take() else { return };
        let taken = lines.bytes.split_to(bytes);
        self.due -= bytes;
        lines.offset += bytes as u64;
        let is_whole = match lines.part {
            Part::Lines | Part::Unended => !taken.is_empty(),
            Part::Begin | Part::Middle => false,
            Part::End => lines.bytes.is_empty(),
        };
        if is_whole {
            let ends = memchr_iter(b'\n', &taken).count() as u64;
            self.report.lines += ends + u64::from(taken.last() != Some(&b'\n'));
            if let Some(reading) = self.sources.get_mut(&lines.source) {
                reading.given = lines.offset;
            }
        }
        if !lines.bytes.is_empty() {
            self.lines = Some(lines);
        }
    }

    /// Takes note of a source.
    fn meet(&mut self, source: SourceId, offset: u64, file: &str) -> Result<()> {
        if let Entry::Vacant(entry) = self.sources.entry(source) {
            entry.insert(Reading { given: offset, acknowledged: offset });
            self.report.resumed_sources += u64::from(self.follower.is_resumed(source));
            self.destination.begin(source, offset, file)?;
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
        self.rejects.sync()?;
        let mut news = Vec::new();
        for (source, reading) in &mut self.sources {
            if let Some(offset) = self.destination.acknowledged(*source)
                && offset > reading.acknowledged
            {
                reading.acknowledged = offset;
                self.follower.acknowledge(*source, offset);
                news.push((*source, offset));
            }
        }
        self.follower.save()?;
        for (source, offset) in news {
            self.destination.saved(source, offset);
        }
        self.forget();
        self.saved = Instant::now();
        Ok(())
    }

    /// Every rotation brings a source: those that are over do not stay.
    fn forget(&mut self) {
        self.over.extend(self.follower.forgotten());
        self.over.retain(|(source, end)| {
            let Some(reading) = self.sources.get(source) else { return false };
            let is_delivered = reading.acknowledged >= *end;
            if is_delivered {
                self.sources.remove(source);
                self.destination.forget(*source);
            }
            !is_delivered
        });
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            message::note(text);
        }
    }
}

#[cfg(test)]
mod tests;

fn without_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}
