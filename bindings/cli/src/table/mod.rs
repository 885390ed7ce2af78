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
//! A roll waits on the disk (`TMPDIR`), however many days are in it; of all that, a batch and what Parquet's writer needs
//! are in memory. Nothing here waits, but for [`Table::wait`] and [`Table::give_up`]: while two rolls are being written,
//! there is no room for more.

mod count;
mod depot;
mod encode;
mod roll;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use nasalogs::envelope::SourceId;
use nasalogs::sink::{Compression, PartitionTz};
use nasalogs::{Encoding, Error, ErrorKind, LogFormat, Reject, Result};

pub use count::Counts;

pub use depot::{Depot, Entry, Fetched};

use crate::follow::Lines;
use crate::stream::spool::Identities;
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

/// How many rolls are being written when no more lines are taken.
const IN_FLIGHT: usize = 2;

/// A table that lines flow into. Dropped without [`Table::drain`], it leaves lines behind that were not acknowledged,
/// and no file that is not complete.
pub struct Table {
    options: Options,
    worker: Worker,
    open: HashMap<SourceId, Roll>,
    /// Bytes in all of them.
    waiting: u64,
    /// When those were begun that are being written, in that order.
    in_flight: VecDeque<Instant>,
    /// Nothing more comes: in this run, or for good.
    draining: Option<Rest>,
    /// Up to where lines of sources have become visible, as long as nobody took it.
    fresh: Vec<(SourceId, u64)>,
    counts: Counts,
    depot: Arc<Depot>,
    /// Rolls that earlier runs began: their notes.
    noted: BTreeMap<(SourceId, u64), String>,
    /// What lines of sources are known as that have been on a detour.
    identities: HashMap<SourceId, Arc<Identities>>,
    stop: Arc<AtomicBool>,
}

/// What follows when a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the sources were read to their ends.
    Nothing,
    /// More lines of the sources, in a later run: this one was stopped.
    Later,
}

impl Table {
    /// Opens a table in its place.
    ///
    /// # Errors
    /// When the place cannot be listed; [`ErrorKind::Options`] for a format without times.
    pub fn open(depot: Depot, options: Options, rejects: Box<dyn RejectSink>) -> Result<Self> {
        if let Some(format) = &options.format
            && !format.has_time()
        {
            return Err(Error::new(
                ErrorKind::Options,
                format!("the format {format} has no time to make days from"),
            )
            .with_hint("name a format with a time"));
        }
        let depot = Arc::new(depot);
        let noted = depot.notes()?;
        let stop = Arc::<AtomicBool>::default();
        let worker = Worker::start(Arc::clone(&depot), options.clone(), rejects, Arc::clone(&stop))?;
        Ok(Self {
            options,
            worker,
            open: HashMap::new(),
            waiting: 0,
            in_flight: VecDeque::new(),
            draining: None,
            fresh: Vec::new(),
            counts: Counts::default(),
            depot,
            noted,
            identities: HashMap::new(),
            stop,
        })
    }

    /// Says that the lines of a source are known by ids that they had elsewhere.
    pub(crate) fn identify(&mut self, source: SourceId, identities: Identities) {
        self.identities.insert(source, Arc::new(identities));
    }

    /// Whether lines would be taken now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT
    }

    /// Takes lines as long as there [is room](Self::has_room), and gives how many bytes that were. Those of a source come
    /// in the order of their offsets.
    ///
    /// # Errors
    /// When lines that were pushed before cannot be written: the table can only be dropped then.
    pub fn push(&mut self, lines: &Lines, now: Instant) -> Result<usize> {
        self.collect()?;
        let source = lines.source;
        let mut rest = lines.clone();
        if rest.bytes.is_empty() && !self.open.contains_key(&source) {
            return Ok(0);
        }
        while self.has_room() {
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
        while self.waiting > self.options.max_waiting && self.has_room() {
            let largest = self.closable().max_by_key(|(_, roll)| roll.length()).map(|(source, _)| source);
            let Some(source) = largest else { break };
            self.hand_over(source)?;
        }
        Ok(lines.bytes.len() - rest.bytes.len())
    }

    /// Learns what was written, and ends rolls that are old enough, or are the rest. To be called at [`Table::due`], and
    /// from time to time.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn tick(&mut self, now: Instant) -> Result<()> {
        self.collect()?;
        while self.has_room()
            && let Some(source) = self.ripe(now)
        {
            if self.draining == Some(Rest::Nothing)
                && let Some(roll) = self.open.get_mut(&source)
            {
                roll.end_source();
            }
            self.hand_over(source)?;
        }
        Ok(())
    }

    /// When the next roll is old enough.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.closable().map(|(_, roll)| roll.opened() + self.options.roll_age).min()
    }

    /// The rest of a source is lost: no more lines of it come.
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
        // A run that was ended between saving and removing may have left these.
        let passed: Vec<(SourceId, u64)> =
            self.noted.range((source, 0)..(source, offset)).map(|(key, _)| *key).collect();
        let notes = passed.iter().filter_map(|key| self.noted.remove(key));
        self.worker.forget(source, offset, notes);
    }

    /// Nothing of a source comes any more, and all of it was [saved](Self::saved).
    pub(crate) fn forget(&mut self, source: SourceId) {
        self.identities.remove(&source);
    }

    /// What was written so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes of log that were pushed, and are in a roll that has not ended.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Since when lines have waited that are not visible.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.open.values().map(Roll::opened).chain(self.in_flight.front().copied()).min()
    }

    /// Says that no more lines come in this run: [`Table::tick`] ends all rolls. After it, when the table
    /// [is empty](Self::is_empty), come [`Table::acknowledged`], [`Table::saved`] and [`Table::close`].
    ///
    /// Where more lines are to be expected later, a roll whose end was noted by an earlier run, and not reached by this
    /// one, is left to the next; as is a line of which the end has not come.
    pub fn drain(&mut self, rest: Rest) {
        self.draining = Some(rest);
    }

    /// Whether nothing is being written, nor will be as long as no more lines come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_left = || match self.draining {
            Some(Rest::Nothing) => !self.open.is_empty(),
            _ => self.closable().next().is_some(),
        };
        self.in_flight.is_empty() && !is_left()
    }

    /// Whether rolls are being written.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Waits until one more roll is written, if there is one, and no longer than it is told.
    ///
    /// # Errors
    /// As [`Table::push`].
    pub fn wait(&mut self, longest: Duration) -> Result<()> {
        if self.in_flight.is_empty() {
            return Ok(());
        }
        match self.worker.done.recv_timeout(longest) {
            Ok(done) => self.learn(done?),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(worker::gone()),
        }
        self.collect()
    }

    /// Waits for what is being written, and then for nothing any more.
    pub fn give_up(&mut self, longest: Duration) {
        let until = Instant::now() + longest;
        while !self.in_flight.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            match self.worker.done.recv_timeout(left) {
                Ok(Ok(done)) => self.learn(done),
                // What failed was said.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        self.stop.store(true, Ordering::Relaxed);
        // Then it clears away what it has not completed.
        self.worker.abandon(until);
    }

    /// Removes the notes of all that was saved.
    ///
    /// # Errors
    /// When they cannot be removed, which harms nothing.
    pub fn close(&mut self) -> Result<()> {
        self.worker.finish()
    }

    /// A roll that begins with these lines.
    fn begin(&mut self, lines: &Lines, now: Instant) -> Result<Roll> {
        let until = match self.noted.remove(&(lines.source, lines.offset)) {
            Some(note) => self.depot.note_of(&note, lines.offset)?,
            None => None,
        };
        let identities = self.identities.get(&lines.source).map(Arc::clone);
        Ok(Roll::new(lines, until, identities, now))
    }

    /// The rolls that end where we like.
    fn closable(&self) -> impl Iterator<Item = (SourceId, &Roll)> {
        self.open.iter().filter(|(_, roll)| roll.may_end()).map(|(source, roll)| (*source, roll))
    }

    /// The next roll that ends though more could be in it: the oldest that is old enough, or of the rest.
    fn ripe(&self, now: Instant) -> Option<SourceId> {
        let age = self.options.roll_age;
        let is_ripe = |roll: &Roll| match self.draining {
            Some(Rest::Nothing) => true,
            Some(Rest::Later) => roll.may_end(),
            None => roll.may_end() && now.saturating_duration_since(roll.opened()) >= age,
        };
        let ripe = self.open.iter().filter(|(_, roll)| is_ripe(roll));
        ripe.min_by_key(|(source, roll)| (roll.opened(), **source)).map(|(source, _)| *source)
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
        if let Some(roll) = self.open.remove(&source) {
            self.waiting -= roll.length();
            self.in_flight.push_back(roll.opened());
            self.worker.write(roll)?;
        }
        Ok(())
    }

    /// Learns what was written meanwhile.
    fn collect(&mut self) -> Result<()> {
        loop {
            match self.worker.done.try_recv() {
                Ok(done) => self.learn(done?),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(worker::gone()),
            }
        }
    }

    fn learn(&mut self, done: Done) {
        self.in_flight.pop_front();
        self.counts.add(&done.counts);
        self.fresh.push((done.source, done.end));
    }
}
