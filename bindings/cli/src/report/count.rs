//! Batches to those who count them, on several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use nasalogs::arrow::array::RecordBatch;
use nasalogs::filter::Sieve;
use nasalogs::lake::Part;
use nasalogs::report::{Cubes, Tallies};
use nasalogs::{Error, ErrorKind, Reader, ReaderBuilder, Result};

use crate::interrupt::Stop;

/// Who counts batches, on any number of threads.
pub(super) trait Crew: Send + Sync + 'static {
    /// Counts the rows of one.
    fn push(&self, batch: &RecordBatch) -> Result<()>;
}

impl Crew for Tallies {
    fn push(&self, batch: &RecordBatch) -> Result<()> {
        Tallies::push(self, batch)
    }
}

impl Crew for Cubes {
    fn push(&self, batch: &RecordBatch) -> Result<()> {
        Cubes::push(self, batch)
    }
}

/// Counts the rows that are wanted.
#[derive(Debug)]
pub(super) struct Desk<C> {
    pub(super) sieve: Sieve,
    pub(super) crew: C,
}

impl<C: Crew> Desk<C> {
    fn count(&self, batch: RecordBatch) -> Result<()> {
        self.crew.push(&self.sieve.apply(batch)?)
    }
}

/// A desk that is set up when the first row is there, on whose offset it may depend.
pub(super) struct Reception<C>(Arc<OnceLock<Desk<C>>>);

impl<C: Crew> Reception<C> {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Has batches counted on the threads that parsed them, as soon as the desk is there.
    pub(super) fn attend(&self, builder: ReaderBuilder) -> ReaderBuilder {
        let desk = Arc::clone(&self.0);
        builder.with_map(move |batch| match desk.get() {
            Some(desk) => {
                let none = batch.slice(0, 0);
                desk.count(batch).map(|()| none)
            }
            None => Ok(batch),
        })
    }

    /// Reads to the end. What comes before the desk is there comes here, in order.
    pub(super) fn read(
        &self,
        reader: &mut Reader,
        set_up: impl Fn(Option<&RecordBatch>) -> Result<Desk<C>>,
    ) -> Result<()> {
        while let Some(batch) = reader.next_batch()? {
            self.desk(|| set_up(Some(&batch)))?.count(batch)?;
        }
        self.desk(|| set_up(None)).map(drop)
    }

    fn desk(&self, set_up: impl FnOnce() -> Result<Desk<C>>) -> Result<&Desk<C>> {
        if self.0.get().is_none() {
            // Nobody else sets it up.
            let _ = self.0.set(set_up()?);
        }
        Ok(self.0.get().expect("it was set up"))
    }

    /// The desk, after a reading that went well.
    pub(super) fn close(&self) -> &Desk<C> {
        self.0.get().expect("reading to the end sets it up")
    }
}

/// Counts the rows of a table, each thread those of one part.
pub(super) fn table<C: Crew>(
    parts: Vec<Part>,
    desk: &Desk<C>,
    stop: &Stop,
    watch: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let read = AtomicU64::new(0);
    let count = |part: &mut Part, ended: &AtomicBool| -> Result<()> {
        while let Some(batch) = part.next() {
            stop.check()?;
            if ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            desk.count(batch?)?;
            read.fetch_max(part.bytes_read(), Ordering::Relaxed);
        }
        Ok(())
    };
    let count = &count;
    let work = parts.into_iter().map(|mut part| move |ended: &AtomicBool| count(&mut part, ended));
    watched(work, &|| read.load(Ordering::Relaxed), &AtomicBool::new(false), watch)
}

/// Does some work on threads of its own, and is told from time to time how far it is, on this one. `ended` is set when a part
/// has failed, and the others need not go on.
pub(super) fn watched<W: FnOnce(&AtomicBool) -> Result<()> + Send>(
    work: impl IntoIterator<Item = W>,
    progress: &dyn Fn() -> u64,
    ended: &AtomicBool,
    watch: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    const GLANCE: Duration = Duration::from_millis(50);
    thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        let threads: Vec<_> = work
            .into_iter()
            .map(|work| {
                let done = done.clone();
                scope.spawn(move || {
                    let outcome = work(ended);
                    ended.fetch_or(outcome.is_err(), Ordering::Relaxed);
                    drop(done);
                    outcome
                })
            })
            .collect();
        drop(done);
        let mut watching = watch(progress());
        // Nothing is sent: it ends when nobody is left who could.
        while wait.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
            if watching.is_ok() {
                watching = watch(progress());
                ended.fetch_or(watching.is_err(), Ordering::Relaxed);
            }
        }
        let mut outcome = Ok(());
        for thread in threads {
            let one = thread.join().unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Io, "a thread that counts has panicked")
                    .with_hint("this is a fault of nasalogs: please report it"))
            });
            outcome = outcome.and(one);
        }
        // Whoever watches knows best why it ended.
        watching.and(outcome)
    })
}
