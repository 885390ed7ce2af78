//! A table of days that lines flow into, in a bucket or a directory: what `nasalogs stream --to s3://…` writes.
//!
//! The lines of each source are collected into *rolls*, which end after so many bytes or so much time. A roll becomes
//! one Parquet file for each day in it, `dt=YYYY-MM-DD/SOURCE-BEGIN-END.parquet`, where BEGIN and END are offsets in the
//! source. Files are functions of the source's bytes between them, and of nothing else: not of the pieces in which
//! lines came, nor of the time.
//!
//! # What is lost, and what comes twice
//! Nothing, and nothing. Lines are acknowledged when all files of their roll are visible. Before the first of them can be
//! seen, a note of where the roll ends is put beside the table, `_rolls/SOURCE-BEGIN`; a run that is resumed after a
//! crash finds it, cuts the same roll, and puts the same files, of which the store refuses those that are there. When
//! the caller has saved its checkpoint behind a roll ([`Table::saved`]), the note goes. That takes a source id that
//! stays the same ([`SourceId`]), and a resumption at an offset that was acknowledged or before; two runs that read one
//! source at the same time are told so. Rejected lines go elsewhere, and may come twice after a crash.
//!
//! # Resources
//! A roll waits on the disk (`TMPDIR`), however many days are in it; a few rolls and what Parquet's writer needs are in
//! memory. Who pushes waits when two rolls are being written.

mod count;
mod depot;
mod encode;
mod roll;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use nasalogs::envelope::SourceId;
use nasalogs::sink::{Compression, PartitionTz};
use nasalogs::{Encoding, Error, ErrorKind, LogFormat, Reject, Result};

pub use count::Counts;

use crate::follow::{Lines, Part};
use crate::object::{Access, Location};
use depot::Depot;
use roll::Roll;
use worker::{Done, Worker};

/// How a table is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// After how many bytes of log a roll ends.
    pub roll_size: u64,
    /// After how much time a roll ends.
    pub roll_age: Duration,
    /// The format of the lines; without one it is detected, in each roll anew.
    pub format: Option<LogFormat>,
    /// What becomes of bytes that are not UTF-8.
    pub encoding: Encoding,
    /// Whose days.
    pub tz: PartitionTz,
    /// Compression inside the files.
    pub compression: Compression,
    /// How many sources have a roll that has begun; with more, the oldest one ends.
    pub max_open: usize,
    /// How many bytes of log wait in all of them together; with more, the largest one ends.
    pub max_waiting: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            roll_size: 128_000_000,
            roll_age: Duration::from_secs(300),
            format: None,
            encoding: Encoding::default(),
            tz: PartitionTz::default(),
            compression: Compression::default(),
            max_open: 256,
            max_waiting: 1 << 30,
        }
    }
}

/// Where lines go that are no rows.
pub trait RejectSink: Send {
    /// Takes one. [`Reject::offset`] is the offset in the source; its line number is not known, and 0.
    ///
    /// # Errors
    /// When it cannot be written, which ends the run.
    fn add(&mut self, source: SourceId, reject: Reject) -> Result<()>;

    /// Makes sure that all are safe: their lines are acknowledged next.
    ///
    /// # Errors
    /// As [`RejectSink::add`].
    fn sync(&mut self) -> Result<()>;
}

/// How many rolls are being written at most.
const IN_FLIGHT: usize = 2;

/// A table that lines flow into. Dropped without [`Table::finish`], it leaves lines behind that were not acknowledged,
/// and no file that is not complete.
pub struct Table {
    options: Options,
    worker: Worker,
    open: HashMap<SourceId, Roll>,
    /// Bytes in all of them.
    waiting: u64,
    in_flight: usize,
    /// Up to where lines of sources have become visible, as long as nobody took it.
    fresh: Vec<(SourceId, u64)>,
    counts: Counts,
    depot: Arc<Depot>,
    /// Rolls that earlier runs began: their notes.
    noted: BTreeMap<(SourceId, u64), String>,
    stop: Arc<AtomicBool>,
}

impl Table {
    /// Opens a table, which is created if it is not there. The flag gives up: it is not for a stop in which what is left
    /// is still to be written.
    ///
    /// # Errors
    /// When the place cannot be written to or listed; [`ErrorKind::Options`] when this build does not speak to S3.
    pub fn open(
        location: &Location,
        access: &Access,
        options: Options,
        rejects: Box<dyn RejectSink>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        if let Some(format) = &options.format
            && !format.columns().any(|column| column.name == nasalogs::schema::TS.name)
        {
            return Err(Error::new(
                ErrorKind::Options,
                format!("the format {format} has no time to make days from"),
            )
            .with_hint("name a format with a time"));
        }
        let depot = Arc::new(Depot::open(location, access)?);
        let noted = depot.notes()?;
        let worker = Worker::start(Arc::clone(&depot), options.clone(), rejects, Arc::clone(&stop))?;
        Ok(Self {
            options,
            worker,
            open: HashMap::new(),
            waiting: 0,
            in_flight: 0,
            fresh: Vec::new(),
            counts: Counts::default(),
            depot,
            noted,
            stop,
        })
    }

    /// Takes lines. Those of a source come in the order of their offsets.
    ///
    /// # Errors
    /// When lines that were pushed before cannot be written: the table can only be dropped then.
    pub fn push(&mut self, lines: &Lines, now: Instant) -> Result<()> {
        self.collect()?;
        let source = lines.source;
        let mut rest = lines.clone();
        while !rest.bytes.is_empty() || rest.part == Part::End {
            if !self.open.contains_key(&source) {
                self.make_room()?;
                let roll = self.begin(&rest, now)?;
                self.open.insert(source, roll);
            }
            let Some(roll) = self.open.get_mut(&source) else { break };
            let before = roll.length();
            let taken = roll.add(&rest, self.options.roll_size)?;
            self.waiting += roll.length() - before;
            let is_done = roll.is_done(self.options.roll_size);
            rest.bytes = rest.bytes.slice(taken..);
            rest.offset += taken as u64;
            if is_done {
                self.hand_over(source)?;
            }
            if rest.bytes.is_empty() || (taken == 0 && !is_done) {
                break;
            }
        }
        while self.waiting > self.options.max_waiting {
            let largest = self.closable().max_by_key(|(_, roll)| roll.length()).map(|(source, _)| source);
            let Some(source) = largest else { break };
            self.hand_over(source)?;
        }
        Ok(())
    }

    /// Ends the rolls that are old enough; and learns what was written. To be called at [`Table::due`], and from time to
    /// time.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn tick(&mut self, now: Instant) -> Result<()> {
        self.collect()?;
        let age = self.options.roll_age;
        let old: Vec<SourceId> = self
            .closable()
            .filter(|(_, roll)| now.saturating_duration_since(roll.opened()) >= age)
            .map(|(source, _)| source)
            .collect();
        old.into_iter().try_for_each(|source| self.hand_over(source))
    }

    /// When the next roll is old enough.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.closable().map(|(_, roll)| roll.opened() + self.options.roll_age).min()
    }

    /// No more lines of a source come: it was read to its end for good, or its rest is lost.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn end(&mut self, source: SourceId) -> Result<()> {
        if let Some(roll) = self.open.get_mut(&source) {
            roll.end_source();
            self.hand_over(source)?;
        }
        Ok(())
    }

    /// Which sources are visible further than when this was last asked, and up to which offset.
    pub fn acknowledged(&mut self) -> Vec<(SourceId, u64)> {
        std::mem::take(&mut self.fresh)
    }

    /// The caller's checkpoint is on the disk, and says that a source was delivered up to an offset: what is noted for a
    /// resumption before it can go.
    pub fn saved(&mut self, source: SourceId, offset: u64) {
        // A run that was ended between saving and removing left these.
        let passed: Vec<(SourceId, u64)> =
            self.noted.range((source, 0)..(source, offset)).map(|(key, _)| *key).collect();
        let notes = passed.iter().filter_map(|key| self.noted.remove(key));
        self.worker.forget(source, offset, notes);
    }

    /// What was written so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes of log that were pushed, and are not visible yet in a roll that has begun.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Writes what is left, and waits until it is visible. After it come [`Table::acknowledged`], [`Table::saved`] and
    /// [`Table::close`].
    ///
    /// With `more`, further lines of the sources are to be expected in a later run: the run was stopped. A roll whose end
    /// was noted by an earlier run, and not reached by this one, is then left to the next.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn finish(&mut self, more: bool) -> Result<()> {
        let mut sources: Vec<SourceId> = self.open.keys().copied().collect();
        sources.sort();
        for source in sources {
            let Some(roll) = self.open.get_mut(&source) else { continue };
            match more {
                false => self.end(source)?,
                true if roll.may_end() => self.hand_over(source)?,
                true => {}
            }
        }
        while self.in_flight > 0 {
            self.wait()?;
        }
        Ok(())
    }

    /// Removes the notes of all that was saved.
    ///
    /// # Errors
    /// When they cannot be removed, which harms nothing.
    pub fn close(self) -> Result<()> {
        self.worker.finish()
    }

    /// A roll that begins with these lines.
    fn begin(&mut self, lines: &Lines, now: Instant) -> Result<Roll> {
        let until = match self.noted.remove(&(lines.source, lines.offset)) {
            Some(note) => self.depot.note_of(&note)?,
            None => None,
        };
        Ok(Roll::new(lines, until, now))
    }

    /// The rolls that end where we like.
    fn closable(&self) -> impl Iterator<Item = (SourceId, &Roll)> {
        self.open.iter().filter(|(_, roll)| roll.may_end()).map(|(source, roll)| (*source, roll))
    }

    /// Ends the oldest roll when there are too many.
    fn make_room(&mut self) -> Result<()> {
        if self.open.len() < self.options.max_open.max(1) {
            return Ok(());
        }
        let oldest = self.closable().min_by_key(|(source, roll)| (roll.opened(), *source));
        match oldest.map(|(source, _)| source) {
            Some(source) => self.hand_over(source),
            None => Ok(()),
        }
    }

    /// Ends a roll and hands it on.
    fn hand_over(&mut self, source: SourceId) -> Result<()> {
        while self.in_flight >= IN_FLIGHT {
            self.wait()?;
        }
        if let Some(roll) = self.open.remove(&source) {
            self.waiting -= roll.length();
            self.worker.write(roll)?;
            self.in_flight += 1;
        }
        Ok(())
    }

    /// Learns what was written meanwhile.
    fn collect(&mut self) -> Result<()> {
        while let Ok(done) = self.worker.done.try_recv() {
            self.learn(done?);
        }
        Ok(())
    }

    /// Waits until one more roll is written.
    fn wait(&mut self) -> Result<()> {
        loop {
            match self.worker.done.recv_timeout(Duration::from_millis(100)) {
                Ok(done) => {
                    self.learn(done?);
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                    return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(ErrorKind::Sink, "the table cannot be written to any more"));
                }
            }
        }
    }

    fn learn(&mut self, done: Done) {
        self.in_flight -= 1;
        self.counts.add(&done.counts);
        self.fresh.push((done.source, done.end));
    }
}
