//! One of each for every thread that counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;

use super::cube::{Cube, CubeOptions};
use super::option::ReportOptions;
use super::tally::{Tally, within_memory};
use crate::error::Result;

/// Counts batches on as many threads as hand some in: each takes a tally that is idle, and at the end they are merged.
///
/// ```
/// use std::sync::Arc;
/// use nasalogs::report::{Account, ReportOptions, Tallies};
/// use nasalogs::{ReaderBuilder, source::Source};
///
/// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n".repeat(10_000);
/// let tallies = Arc::new(Tallies::new(ReportOptions::new()));
/// let counting = Arc::clone(&tallies);
/// let mut reader = ReaderBuilder::new()
///     .with_map(move |batch| counting.push(&batch).map(|()| batch.slice(0, 0)))
///     .open_sources(vec![Source::memory(log)])?;
/// while reader.next_batch()?.is_some() {}
/// let report = tallies.merge()?.report(&Account::default(), 10);
/// assert_eq!(report.requests, 10_000);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug)]
pub struct Tallies {
    options: ReportOptions,
    idle: Mutex<Vec<Tally>>,
    /// Bytes of memory of all of them.
    memory: AtomicU64,
}

impl Tallies {
    /// None yet.
    #[must_use]
    pub fn new(options: ReportOptions) -> Self {
        Self { options, idle: Mutex::default(), memory: AtomicU64::new(0) }
    }

    /// Counts the rows of a batch.
    ///
    /// # Errors
    /// As [`Tally::push`]; the memory is that of all tallies.
    pub fn push(&self, batch: &RecordBatch) -> Result<()> {
        let mut tally = take(&self.idle, || Tally::new(&self.options));
        let before = tally.memory();
        let pushed = tally.push(batch);
        let grown = tally.memory().wrapping_sub(before);
        // Which wraps as the difference does: memory may also shrink.
        let memory = self.memory.fetch_add(grown, Ordering::Relaxed).wrapping_add(grown);
        let requests = tally.requests();
        give(&self.idle, tally);
        pushed?;
        within_memory(memory, &self.options, requests)
    }

    /// All that was counted. The tallies are empty then.
    ///
    /// # Errors
    /// As [`Tally::merge`].
    pub fn merge(&self) -> Result<Tally> {
        let mut all = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        self.memory.store(0, Ordering::Relaxed);
        // The largest takes the others in.
        all.sort_by_key(Tally::memory);
        let mut whole = all.pop().unwrap_or_else(|| Tally::new(&self.options));
        all.into_iter().try_for_each(|tally| whole.merge(tally))?;
        Ok(whole)
    }
}

/// Fills cubes on as many threads as hand batches in, as [`Tallies`] do.
#[derive(Debug)]
pub struct Cubes {
    empty: Cube,
    idle: Mutex<Vec<Cube>>,
}

impl Cubes {
    /// For what this tally has counted: see [`Cube::new`].
    #[must_use]
    pub fn new(tally: &Tally, options: &CubeOptions) -> Self {
        Self { empty: Cube::new(tally, options), idle: Mutex::default() }
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// As [`Cube::push`].
    pub fn push(&self, batch: &RecordBatch) -> Result<()> {
        let mut cube = take(&self.idle, || self.empty.clone());
        let pushed = cube.push(batch);
        give(&self.idle, cube);
        pushed
    }

    /// All that was added. The cubes are empty then.
    #[must_use]
    pub fn merge(&self) -> Cube {
        let mut all = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by_key(Cube::len);
        let mut whole = all.pop().unwrap_or_else(|| self.empty.clone());
        all.into_iter().for_each(|cube| whole.merge(cube));
        whole
    }
}

fn take<T>(idle: &Mutex<Vec<T>>, make: impl FnOnce() -> T) -> T {
    let one = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    one.unwrap_or_else(make)
}

fn give<T>(idle: &Mutex<Vec<T>>, one: T) {
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(one);
}
