//! The workers that parse chunks.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;

use super::Map;
use super::feed::Fed;
use crate::error::{Error, ErrorKind, Result};
use crate::parse::{Parsed, Scratch};

/// A chunk that is being parsed, or has been.
pub(super) struct Pending {
    /// The number of the chunk's input, from 1.
    pub(super) input: u64,
    result: Outcome,
}

enum Outcome {
    Ready(Box<Done>),
    Coming(Receiver<Done>),
}

/// A chunk that has been parsed.
pub(super) struct Done {
    /// What it gave. Where the batch was mapped, only the number of its rows is left here.
    pub(super) parsed: Parsed,
    /// What became of the batch, where it was mapped.
    pub(super) mapped: Option<Result<RecordBatch>>,
}

impl Pending {
    /// What the chunk gave.
    pub(super) fn wait(self) -> Result<Done> {
        match self.result {
            Outcome::Ready(done) => Ok(*done),
            // The sender is gone only if the worker panicked.
            Outcome::Coming(receiver) => receiver.recv().map_err(|_| {
                Error::new(ErrorKind::Io, "a thread that parses has panicked")
                    .with_hint("this is a fault of nasalogs: please report it")
            }),
        }
    }
}

/// Parses chunks on threads of its own, so that whoever waits for one never waits for itself.
pub(super) struct Pool {
    jobs: usize,
    #[cfg(feature = "parallel")]
    threads: Option<rayon::ThreadPool>,
    begun: bool,
    scratch: Arc<Mutex<Vec<Scratch>>>,
    map: Option<Map>,
}

impl Pool {
    /// More threads than this are never of use, and each has chunks of its own in memory.
    const MOST: usize = 256;

    pub(super) fn new(jobs: usize, map: Option<Map>) -> Self {
        Self {
            jobs: if cfg!(feature = "parallel") { jobs.clamp(1, Self::MOST) } else { 1 },
            #[cfg(feature = "parallel")]
            threads: None,
            begun: false,
            scratch: Arc::default(),
            map,
        }
    }

    /// How many chunks are parsed or wait for the consumer at a time: this bounds the memory of a run.
    pub(super) fn depth(&self) -> usize {
        // The first chunk is parsed at once: most inputs of a program that reads many small ones have no second.
        if self.jobs == 1 || !self.begun { 1 } else { self.jobs + 2 }
    }

    pub(super) fn parse(&mut self, fed: Fed) -> Pending {
        let input = fed.input;
        let begun = std::mem::replace(&mut self.begun, true);
        #[cfg(feature = "parallel")]
        if begun
            && self.jobs > 1
            && self.start()
            && let Some(threads) = &self.threads
        {
            let (sender, receiver) = sync_channel(1);
            let (scratch, map) = (Arc::clone(&self.scratch), self.map.clone());
            threads.spawn(move || {
                // Nobody waits any more when the reader was dropped.
                let _ = sender.send(parse(&fed, &scratch, map.as_ref()));
            });
            return Pending { input, result: Outcome::Coming(receiver) };
        }
        let _ = begun;
        Pending { input, result: Outcome::Ready(Box::new(parse(&fed, &self.scratch, self.map.as_ref()))) }
    }

    /// Starts the threads, unless they run. Where none can be had, the caller's own parses.
    #[cfg(feature = "parallel")]
    fn start(&mut self) -> bool {
        if self.threads.is_none() {
            let builder = rayon::ThreadPoolBuilder::new()
                .num_threads(self.jobs)
                // Linux shows fifteen characters.
                .thread_name(|index| format!("nasalogs-{index}"))
                // The default aborts the process; here the sender is dropped, and whoever waits gets an error.
                .panic_handler(|_| {});
            match builder.build() {
                Ok(threads) => self.threads = Some(threads),
                Err(_) => self.jobs = 1,
            }
        }
        self.threads.is_some()
    }
}

/// Parses a chunk with scratch memory that some chunk before it has used, and maps its batch.
fn parse(fed: &Fed, pool: &Mutex<Vec<Scratch>>, map: Option<&Map>) -> Done {
    let take = || pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut scratch = take().unwrap_or_default();
    let mut parsed = fed.job.parse(&fed.chunk, &mut scratch);
    pool.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    let mapped = map.filter(|_| parsed.batch.num_rows() > 0).map(|map| {
        let rows = RecordBatchOptions::new().with_row_count(Some(parsed.batch.num_rows()));
        let counted = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &rows)?;
        map(std::mem::replace(&mut parsed.batch, counted))
    });
    Done { parsed, mapped }
}
