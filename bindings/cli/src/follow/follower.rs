//! The follower: what it has, and its steps.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nasalogs::envelope::{LineId, SourceId};
use nasalogs::source::{self, Source};
use nasalogs::{Error, ErrorKind, Result};

use super::checkpoint::State;
use super::newcomer::{Known, Newcomer};
use super::pipe::Pipe;
use super::tail::{Outcome, Tail, absolute};
use super::watch::{Found, Watch};
use super::{Checkpoint, Gap, Options, Poll};

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(75);
/// How seldom, at worst.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long it may seem that nothing has happened: what depends on time is looked after then.
const FULL_SCAN_EVERY: Duration = Duration::from_secs(1);
/// How many compressed files are read side by side: each may take the memory of a large window.
const MOST_DECODERS: usize = 4;
/// What is waited for in any case, so that a file that changes all the time does not take all the time.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// What part of the time may go into looking.
const SHARE: u32 = 100;

/// Reads many sources side by side, once or as they grow.
///
/// Ask for the next step with [`Follower::next`]; tell it with [`Follower::acknowledge`] what was delivered, and let it
/// remember that with [`Follower::save`]. Without a checkpoint nothing is remembered.
#[derive(Debug)]
pub struct Follower {
    pub(super) options: Options,
    pub(super) watches: Vec<Watch>,
    /// By the order in which they were met.
    pub(super) tails: BTreeMap<u64, Tail>,
    pub(super) newcomers: Vec<Newcomer>,
    /// Rotated files that are not read.
    pub(super) passed_over: Vec<Known>,
    pipes: Vec<Pipe>,
    checkpoint: Option<Checkpoint>,
    /// Inputs of earlier runs.
    known_inputs: HashSet<String>,
    pub(super) ids: HashMap<SourceId, u64>,
    /// Sources that have more to read, in turn.
    pub(super) ready: VecDeque<u64>,
    pub(super) events: VecDeque<Poll>,
    next_serial: u64,
    /// Rises whenever a source loses its file: what looks like its copy is worth another look.
    pub(super) losses: u64,
    /// How many files may be met before those are examined that were, and files that are met after that.
    pub(super) room: usize,
    pub(super) put_off: Vec<Found>,
    /// Whether something was read that is not what it was: to be looked at before anything else.
    pub(super) is_alarmed: bool,
    next_scan: Option<Instant>,
    last_scan: Option<Instant>,
    /// How many scans there were.
    pub(super) scans: u64,
    pause: Duration,
    /// Whether the checkpoint is older than what is known.
    pub(super) is_changed: bool,
    /// What was said to be wrong, until it is right again.
    pub(super) reported: HashSet<PathBuf>,
    /// Sources that were read once.
    pub(super) over: HashSet<u64>,
    /// Sources of which nothing comes any more, and their ends, as long as nobody took them.
    pub(super) forgotten: Vec<(SourceId, u64)>,
}

impl Follower {
    /// Opens inputs: paths, patterns such as `logs/*.log`, directories (all files in them that are not hidden), and `-`
    /// for standard input, which cannot be resumed ([`Follower::is_resumable`]). When following, files need not be
    /// there yet.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when, not following, an input does not exist; [`ErrorKind::Options`] when `-` stands there
    /// twice.
    pub fn open<P: AsRef<Path>>(
        inputs: &[P],
        options: Options,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Self> {
        let mut follower = Self {
            options,
            watches: Vec::new(),
            tails: BTreeMap::new(),
            newcomers: Vec::new(),
            passed_over: Vec::new(),
            pipes: Vec::new(),
            checkpoint: None,
            known_inputs: HashSet::new(),
            ids: HashMap::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            next_serial: 0,
            losses: 0,
            room: 0,
            put_off: Vec::new(),
            is_alarmed: false,
            next_scan: None,
            last_scan: None,
            scans: 0,
            pause: PAUSE,
            is_changed: false,
            reported: HashSet::new(),
            over: HashSet::new(),
            forgotten: Vec::new(),
        };
        let now = Instant::now();
        let mut known_inputs = HashSet::new();
        if let Some(checkpoint) = &checkpoint {
            let state = checkpoint.state();
            known_inputs.extend(state.inputs.iter().cloned());
            for source in &state.sources {
                follower.add(Tail::restore(source, now));
            }
            let known = |state: &_| Known { state: Clone::clone(state), looked: None, seen: false };
            follower.passed_over = state.passed_over.iter().map(known).collect();
        }
        follower.checkpoint = checkpoint;
        let mut standard = false;
        for input in inputs {
            let input = input.as_ref();
            if input.as_os_str() == "-" {
                if std::mem::replace(&mut standard, true) {
                    return Err(Error::new(ErrorKind::Options, "standard input can be read only once")
                        .with_hint("pass '-' once"));
                }
                follower.pipes.push(Pipe::open(Source::stdin(), &follower.options));
                continue;
            }
            let metadata = fs::metadata(input);
            if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
                follower.pipes.push(Pipe::open(Source::path(input), &follower.options));
                continue;
            }
            // After a rotation the file may be missing whose rest is still to be read.
            if !follower.options.follow && metadata.is_err() && follower.tails.is_empty() {
                source::expand([input])?;
            }
            let is_first = !known_inputs.contains(&input_name(input));
            follower.watches.push(Watch::new(input, is_first)?);
        }
        for tail in follower.tails.values_mut() {
            tail.is_dormant = !follower.watches.iter().any(|watch| watch.covers(&tail.path));
        }
        follower.known_inputs = known_inputs;
        Ok(follower)
    }

    /// Whether all of it can be read again after a restart: standard input and pipes cannot.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.pipes.is_empty()
    }

    /// The next step, for which it waits as long as it is told.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the checkpoint cannot be saved. What cannot be read is no error but [`Poll::Trouble`].
    pub fn next(&mut self, longest: Duration) -> Result<Poll> {
        let end = Instant::now() + longest;
        loop {
            let now = Instant::now();
            match self.step(now, !self.options.follow)? {
                Poll::Idle if now < end => {
                    let due = self.next_scan.filter(|_| !self.is_alarmed).unwrap_or(now);
                    self.wait(
                        due.clamp(now + SHORTEST_WAIT, end.max(now + SHORTEST_WAIT)).duration_since(now),
                    );
                }
                step => return Ok(step),
            }
        }
    }

    fn wait(&mut self, longest: Duration) {
        match self.pipes.iter_mut().find(|pipe| !pipe.is_at_end()) {
            Some(pipe) => pipe.wait(longest),
            None => thread::sleep(longest),
        }
    }

    /// The next step, without waiting. Time is what the caller says it is.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub fn poll(&mut self, now: Instant) -> Result<Poll> {
        self.step(now, true)
    }

    /// `eager`: where nothing is ready, files are looked at although it is not time yet.
    fn step(&mut self, now: Instant, eager: bool) -> Result<Poll> {
        let mut scanned = false;
        loop {
            if let Some(event) = self.events.pop_front() {
                // What an id stands for has to be known before anybody sees it.
                if let Poll::Lines(lines) = &event
                    && let Some(tail) = self.ids.get(&lines.source).and_then(|serial| self.tails.get(serial))
                    && !tail.saved
                {
                    self.events.push_front(event);
                    self.save()?;
                    continue;
                }
                return Ok(event);
            }
            let is_due = self.next_scan.is_none_or(|due| due <= now);
            if !scanned && ((eager && self.ready.is_empty()) || is_due || self.is_alarmed) {
                if self.wants_scan() {
                    let is_first = self.watches.iter().any(|watch| watch.is_first);
                    self.look_around(now);
                    if is_first {
                        // From here on, what is rotated was not rotated before.
                        self.save()?;
                    }
                }
                scanned = true;
                continue;
            }
            if let Some(serial) = self.ready.pop_front() {
                self.read(serial, now);
                continue;
            }
            if self.take_from_pipes() {
                continue;
            }
            return Ok(if self.is_over() { Poll::End } else { Poll::Idle });
        }
    }

    /// Files that are read once are looked at until nothing is left to be decided.
    fn wants_scan(&self) -> bool {
        self.options.follow || !self.is_read()
    }

    fn is_read(&self) -> bool {
        self.next_scan.is_some()
            && self.newcomers.is_empty()
            && self
                .tails
                .iter()
                .all(|(serial, tail)| tail.done || tail.is_dormant || self.over.contains(serial))
    }

    fn is_over(&self) -> bool {
        let is_followed = self.options.follow && !self.watches.is_empty();
        !is_followed && self.is_read() && self.pipes.iter().all(Pipe::is_at_end)
    }

    fn look_around(&mut self, now: Instant) {
        let begun = Instant::now();
        // What is read once is at its end when a look finds nothing more, which nobody should wait for.
        let is_full = !self.options.follow
            || self.last_scan.is_none_or(|last| now.duration_since(last) >= FULL_SCAN_EVERY);
        if is_full || !self.is_as_before(now) {
            self.scan(now);
            self.last_scan = Some(now);
        }
        self.pause = (begun.elapsed() * SHARE).clamp(PAUSE, LONGEST_PAUSE);
        self.next_scan = Some(now + self.pause);
    }

    /// Reads a chunk of a source.
    fn read(&mut self, serial: u64, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        tail.queued = false;
        if tail.is_closed() && tail.is_parked {
            match super::scan::reopen(tail, now) {
                Ok(true) => {}
                // The next look finds out what it is.
                Ok(false) => {
                    (tail.is_proven, self.is_alarmed) = (false, true);
                    return;
                }
                Err(error) => {
                    let path = tail.path.clone();
                    return self.report(&path, error);
                }
            }
        }
        let outcome = tail.read(&self.options);
        // Once, files are read one after the other; else each has its turn, but for compressed ones that have to be
        // read from their beginning when they are opened again.
        let has_turns = self.options.follow && !(tail.is_parked && tail.packed);
        if tail.has_more() && matches!(outcome, Outcome::Lines(_)) {
            tail.queued = true;
            match has_turns {
                true => self.ready.push_back(serial),
                false => self.ready.push_front(serial),
            }
        }
        let is_ended = !tail.packed && !tail.has_more() && !tail.is_inside();
        if tail.is_parked && (is_ended || has_turns) {
            tail.close();
        }
        match outcome {
            Outcome::Lines(lines) => {
                self.events.extend(lines.into_iter().map(Poll::Lines));
                if tail.packed && tail.stalled.is_none() && !tail.has_more() {
                    self.events.extend(tail.finish().map(Poll::Lines));
                    tail.end();
                    self.is_changed = true;
                }
            }
            Outcome::Changed => self.is_alarmed = true,
            Outcome::Failed(error) => {
                tail.close();
                let path = tail.path.clone();
                self.report(&path, error);
            }
        }
    }

    fn take_from_pipes(&mut self) -> bool {
        for pipe in self.pipes.iter_mut().filter(|pipe| !pipe.is_at_end()) {
            match pipe.take(&self.options) {
                Ok(lines) => self.events.extend(lines.into_iter().map(Poll::Lines)),
                Err(error) => self.events.push_back(Poll::Trouble(error)),
            }
        }
        !self.events.is_empty()
    }

    /// Says what is wrong with a path, once.
    pub(super) fn report(&mut self, path: &Path, error: Error) {
        if self.reported.insert(path.to_owned()) {
            self.events.push_back(Poll::Trouble(error));
        }
    }

    /// Takes a source in.
    pub(super) fn add(&mut self, tail: Tail) -> u64 {
        let serial = self.next_serial;
        self.next_serial += 1;
        self.ids.insert(tail.id, serial);
        self.tails.insert(serial, tail);
        self.is_changed = true;
        serial
    }

    /// Gives up what is left of a source.
    pub(super) fn give_up(&mut self, serial: u64) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        let at_least = if tail.packed { 0 } else { tail.size.saturating_sub(tail.position()) };
        let rest = tail.finish();
        let gap = Gap { source: tail.id, file: tail.name.clone(), offset: tail.offset(), at_least };
        tail.end();
        self.is_changed = true;
        self.events.extend(rest.map(Poll::Lines));
        self.events.push_back(Poll::Gap(gap));
    }

    /// Whether an earlier run has begun a source: what it sent and could not save is sent again.
    #[must_use]
    pub fn is_resumed(&self, source: SourceId) -> bool {
        let tail = self.ids.get(&source).and_then(|serial| self.tails.get(serial));
        tail.is_some_and(|tail| tail.is_resumed)
    }

    /// Says that everything of a source before `offset` is safe where it was to go. [`Follower::save`] remembers it.
    pub fn acknowledge(&mut self, source: SourceId, offset: u64) {
        if let Some(tail) = self.ids.get(&source).and_then(|serial| self.tails.get_mut(serial)) {
            self.is_changed |= tail.acknowledge(offset);
        }
    }

    /// Sources that were forgotten since this was last asked, and where they ended: nothing of them comes any more.
    pub fn forgotten(&mut self) -> Vec<(SourceId, u64)> {
        std::mem::take(&mut self.forgotten)
    }

    /// Up to where the checkpoint says that each of its sources was delivered.
    pub fn delivered(&self) -> impl Iterator<Item = (SourceId, u64)> {
        self.tails.values().filter(|tail| tail.saved).map(|tail| (tail.id, tail.acknowledged()))
    }

    /// How many bytes are known to be there that were not read, as they lie on the disk.
    #[must_use]
    pub fn unread_bytes(&self) -> u64 {
        let unread = |tail: &Tail| if tail.has_more() { tail.unread_bytes() } else { 0 };
        self.tails.values().filter(|tail| !tail.is_dormant).map(unread).sum()
    }

    /// The first line that was given and not acknowledged, of the source that was met first; none if there is none.
    #[must_use]
    pub fn oldest_unacknowledged(&self) -> Option<LineId> {
        let tail = self.tails.values().find(|tail| !tail.is_acknowledged())?;
        Some(LineId { source: tail.id, offset: tail.acknowledged() })
    }

    /// Saves the checkpoint, if there is one and something has changed.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it cannot be written; the one that was saved before is still there then.
    pub fn save(&mut self) -> Result<()> {
        if let Some(checkpoint) = &mut self.checkpoint
            && self.is_changed
        {
            let inputs = self.watches.iter().filter(|watch| !watch.is_first);
            self.known_inputs.extend(inputs.map(|watch| input_name(&watch.input)));
            let mut inputs: Vec<String> = self.known_inputs.iter().cloned().collect();
            inputs.sort();
            checkpoint.save(State {
                inputs,
                sources: self.tails.values().map(Tail::state).collect(),
                passed_over: self.passed_over.iter().map(|known| known.state.clone()).collect(),
                ..State::default()
            })?;
        }
        self.is_changed = false;
        for tail in self.tails.values_mut() {
            tail.saved = true;
        }
        Ok(())
    }

    /// Whether there is room for one more open file.
    pub(super) fn may_open(&self, packed: bool) -> bool {
        let most = if packed { MOST_DECODERS.min(self.options.max_open) } else { self.options.max_open };
        let is_open = |tail: &&Tail| !tail.is_closed() && (tail.packed || !packed);
        self.options.follow && (self.tails.len() < most || self.tails.values().filter(is_open).count() < most)
    }

    /// Whether what was delivered has to be remembered.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.checkpoint.is_some()
    }
}

/// What an input is called in a checkpoint.
fn input_name(input: &Path) -> String {
    absolute(input).to_string_lossy().into_owned()
}
