//! Batches to those who count them, on several threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use nasalogs::arrow::array::RecordBatch;
use nasalogs::filter::Sieve;
use nasalogs::lake::Part;
use nasalogs::report::{Cube, Tally};
use nasalogs::{Error, ErrorKind, Reader, Result};

use crate::interrupt::Stop;

/// What counts batches.
pub(super) trait Count: Send {
    /// Counts the rows of one.
    fn push(&mut self, batch: &RecordBatch) -> Result<()>;
}

impl Count for Tally {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        Tally::push(self, batch)
    }
}

impl Count for Cube {
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        Cube::push(self, batch)
    }
}

/// How a pass is done.
pub(super) struct Pass<'a> {
    /// Which rows count.
    pub(super) sieve: &'a Sieve,
    pub(super) threads: usize,
    pub(super) stop: &'a Stop,
    /// Is told the bytes that have been read.
    pub(super) watch: &'a mut dyn FnMut(u64) -> Result<()>,
}

impl Pass<'_> {
    /// Counts the rows of a log, whose first batch was taken already; gives what each thread has counted.
    pub(super) fn log<C: Count>(
        &mut self,
        reader: &mut Reader,
        first: Option<RecordBatch>,
        make: &(dyn Fn() -> C + Sync),
    ) -> Result<Vec<C>> {
        let failed = AtomicBool::new(false);
        // A chunk of the log stays in memory as long as its batch waits.
        let (send, receive) = sync_channel::<RecordBatch>(2 * self.threads);
        let receive = Arc::new(Mutex::new(receive));
        thread::scope(|scope| {
            let counting: Vec<_> = (0..self.threads)
                .map(|_| {
                    let (receive, failed, sieve) = (Arc::clone(&receive), &failed, self.sieve);
                    scope.spawn(move || {
                        let outcome = count(&receive, sieve, make(), failed);
                        if outcome.is_err() {
                            failed.store(true, Ordering::Relaxed);
                            // Whoever gives batches must not wait for ever.
                            while next(&receive).is_some() {}
                        }
                        outcome
                    })
                })
                .collect();
            drop(receive);
            let progress = reader.progress();
            let feed = || -> Result<()> {
                let mut batch = first;
                loop {
                    let Some(full) = batch.take() else {
                        batch = reader.next_batch()?;
                        match batch {
                            Some(_) => continue,
                            None => return Ok(()),
                        }
                    };
                    if failed.load(Ordering::Relaxed) || send.send(full).is_err() {
                        return Ok(());
                    }
                    (self.watch)(progress.bytes_read())?;
                    self.stop.check()?;
                }
            };
            let fed = feed();
            drop(send);
            // What a counter says comes first: it is why the feeding ended.
            let counts = counting.into_iter().map(joined).collect::<Result<Vec<C>>>()?;
            fed.map(|()| counts)
        })
    }

    /// Counts the rows of a table, each thread those of one part.
    pub(super) fn table<C: Count>(
        &mut self,
        parts: Vec<Part>,
        make: &(dyn Fn() -> C + Sync),
    ) -> Result<Vec<C>> {
        const GLANCE: Duration = Duration::from_millis(50);
        let (failed, read) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
        thread::scope(|scope| {
            let counting: Vec<_> = parts
                .into_iter()
                .map(|mut part| {
                    let (failed, read, sieve, stop) = (&failed, &read, self.sieve, self.stop);
                    scope.spawn(move || {
                        let mut counter = make();
                        let mut work = || -> Result<()> {
                            while let Some(batch) = part.next() {
                                stop.check()?;
                                if failed.load(Ordering::Relaxed) {
                                    return Ok(());
                                }
                                counter.push(&sieve.apply(batch?)?)?;
                                read.fetch_max(part.bytes_read(), Ordering::Relaxed);
                            }
                            Ok(())
                        };
                        let outcome = work();
                        failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
                        outcome.map(|()| counter)
                    })
                })
                .collect();
            let mut watched = Ok(());
            while watched.is_ok() && !counting.iter().all(ScopedJoinHandle::is_finished) {
                watched = (self.watch)(read.load(Ordering::Relaxed));
                failed.fetch_or(watched.is_err(), Ordering::Relaxed);
                thread::sleep(GLANCE);
            }
            let counts = counting.into_iter().map(joined).collect::<Result<Vec<C>>>()?;
            watched.map(|()| counts)
        })
    }
}

fn next(receive: &Mutex<Receiver<RecordBatch>>) -> Option<RecordBatch> {
    receive.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn count<C: Count>(
    receive: &Mutex<Receiver<RecordBatch>>,
    sieve: &Sieve,
    mut counter: C,
    failed: &AtomicBool,
) -> Result<C> {
    while let Some(batch) = next(receive) {
        if !failed.load(Ordering::Relaxed) {
            counter.push(&sieve.apply(batch)?)?;
        }
    }
    Ok(counter)
}

fn joined<C>(thread: ScopedJoinHandle<'_, Result<C>>) -> Result<C> {
    thread.join().unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Io, "a thread that counts has panicked")
            .with_hint("this is a fault of nasalogs: please report it"))
    })
}
