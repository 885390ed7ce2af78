//! The thread that turns rolls into files and makes them visible, one after the other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nasalogs::envelope::SourceId;
use nasalogs::{Error, ErrorKind, LogFormat, Result};

use super::depot::Depot;
use super::encode::encode;
use super::roll::Roll;
use super::{Counts, Options, RejectSink};

/// A roll that is visible.
pub(super) struct Done {
    pub(super) source: SourceId,
    pub(super) end: u64,
    pub(super) counts: Counts,
}

/// A source's notes that are still there: the offset behind each roll, and the note.
type Notes = HashMap<SourceId, Vec<(u64, String)>>;

/// What was saved since somebody last looked.
#[derive(Default)]
struct Saved {
    /// Up to where each source's checkpoint says that it was delivered.
    offsets: HashMap<SourceId, u64>,
    /// Notes of earlier runs that are behind it.
    passed: Vec<String>,
}

pub(super) struct Worker {
    rolls: Option<Sender<Roll>>,
    pub(super) done: Receiver<Result<Done>>,
    saved: Arc<Mutex<Saved>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Worker {
    pub(super) fn start(
        depot: Arc<Depot>,
        options: Options,
        rejects: Box<dyn RejectSink>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let (rolls, received) = mpsc::channel();
        let (sender, done) = mpsc::channel();
        let saved = Arc::<Mutex<Saved>>::default();
        let task = Task {
            depot,
            options,
            rejects,
            stop,
            saved: Arc::clone(&saved),
            notes: Notes::new(),
            passed: Vec::new(),
            format: None,
        };
        let thread = std::thread::Builder::new()
            .name("nasalogs-table".to_owned())
            .spawn(move || task.run(&received, &sender))
            .map_err(|error| Error::new(ErrorKind::Io, format!("no thread can be started: {error}")))?;
        Ok(Self { rolls: Some(rolls), done, saved, thread: Some(thread) })
    }

    /// Hands a roll over.
    pub(super) fn write(&self, roll: Roll) -> Result<()> {
        self.rolls.as_ref().ok_or_else(gone)?.send(roll).map_err(|_| gone())
    }

    /// A source's checkpoint was saved.
    pub(super) fn forget(&self, source: SourceId, offset: u64, passed: impl Iterator<Item = String>) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.offsets.insert(source, offset);
        saved.passed.extend(passed);
    }

    /// Lets the thread end, and waits for that no longer than until then.
    pub(super) fn abandon(&mut self, until: Instant) {
        self.rolls = None;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() {
            // What failed was said.
            let _ = thread.join();
        }
    }

    /// Ends the thread, when it has done what it was given and removed the notes of what was saved.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.rolls = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(Error::new(ErrorKind::Sink, "the thread that writes the table broke off")),
            None => Ok(()),
        }
    }
}

/// The thread has ended before.
pub(super) fn gone() -> Error {
    Error::new(ErrorKind::Sink, "the table cannot be written to any more")
}

struct Task {
    depot: Arc<Depot>,
    options: Options,
    rejects: Box<dyn RejectSink>,
    stop: Arc<AtomicBool>,
    saved: Arc<Mutex<Saved>>,
    notes: Notes,
    /// Notes that are to go.
    passed: Vec<String>,
    format: Option<LogFormat>,
}

impl Task {
    fn run(mut self, rolls: &Receiver<Roll>, done: &Sender<Result<Done>>) -> Result<()> {
        for roll in rolls {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let outcome = self.write(roll);
            // Nothing behind a roll that failed may be acknowledged.
            let failed = outcome.is_err();
            if done.send(outcome).is_err() || failed {
                return Ok(());
            }
            // A note that stays harms nothing. It is tried again in the end.
            let _ = self.remove_notes();
        }
        self.remove_notes()
    }

    fn write(&mut self, mut roll: Roll) -> Result<Done> {
        let (source, begin, end) = (roll.source(), roll.begin(), roll.end());
        let note = self.depot.note(source, begin, end)?;
        let staging = self.depot.staging()?;
        let (files, mut counts) =
            encode(&mut roll, staging.path(), &self.options, &mut self.format, &mut *self.rejects)?;
        self.rejects.sync()?;
        for file in files {
            let name = file.name.to_str().ok_or_else(|| {
                Error::new(ErrorKind::Sink, "a file has a name that is no text")
                    .with_file(file.name.to_string_lossy())
            })?;
            if self.depot.put(name, &file.path, &self.stop)? {
                counts.files += 1;
                counts.bytes_out += file.bytes;
            } else {
                counts.files_there += 1;
            }
        }
        self.notes.entry(source).or_default().push((end, note));
        Ok(Done { source, end, counts })
    }

    /// Removes the notes of rolls that no run will begin again.
    fn remove_notes(&mut self) -> Result<()> {
        let saved = std::mem::take(&mut *self.saved.lock().unwrap_or_else(PoisonError::into_inner));
        self.passed.extend(saved.passed);
        for (source, offset) in saved.offsets {
            let Some(notes) = self.notes.get_mut(&source) else { continue };
            self.passed.extend(notes.extract_if(.., |(end, _)| *end <= offset).map(|(_, note)| note));
            if notes.is_empty() {
                self.notes.remove(&source);
            }
        }
        while let Some(note) = self.passed.last() {
            self.depot.remove(note)?;
            self.passed.pop();
        }
        Ok(())
    }
}
