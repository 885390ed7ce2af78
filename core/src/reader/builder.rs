//! How a reader is made.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;

use super::feed::{Feed, Opened};
use super::pool::Pool;
use super::{Map, OnReject, OpenOptions, Reader, Summary, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::options::ParseOptions;
use crate::reject::Reject;
use crate::source::{Source, expand};

/// How many rejected lines a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum MaxRejects {
    /// Any number.
    #[default]
    None,
    /// At most so many; the run ends with the chunk in which there are more.
    Count(u64),
    /// At most this share of all lines, from 0 to 1; judged at the end.
    Share(f64),
}

/// Makes a [`Reader`].
///
/// ```
/// use nasalogs::{ParseOptions, ReaderBuilder, source::Source};
/// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n".repeat(10_000);
/// let mut reader = ReaderBuilder::new()
///     .with_options(ParseOptions::new().with_columns(["ts", "status"]))
///     .with_jobs(2)
///     .open_sources(vec![Source::memory(log)])?;
/// let rows: usize = reader.by_ref().map(|batch| batch.unwrap().num_rows()).sum();
/// assert_eq!((rows, reader.summary().rejected), (10_000, 0));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Default)]
pub struct ReaderBuilder {
    options: ParseOptions,
    jobs: Option<usize>,
    on_reject: Option<OnReject>,
    max_rejects: MaxRejects,
    stop: Arc<AtomicBool>,
    watch: Option<Watch>,
    map: Option<Map>,
}

impl ReaderBuilder {
    /// The defaults: detected format, all columns, as many threads as processors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How to parse.
    #[must_use]
    pub fn with_options(mut self, options: ParseOptions) -> Self {
        self.options = options;
        self
    }

    /// How many threads parse, 256 at most; 1 parses on the caller's, and 0 means as many as there are processors.
    #[must_use]
    pub fn with_jobs(mut self, jobs: usize) -> Self {
        self.jobs = Some(jobs).filter(|jobs| *jobs > 0);
        self
    }

    /// What to do with each rejected line, in order. An error of it ends the run.
    #[must_use]
    pub fn with_rejects(mut self, on_reject: impl FnMut(Reject) -> Result<()> + Send + 'static) -> Self {
        self.on_reject = Some(Box::new(on_reject));
        self
    }

    /// How many rejected lines the run stands.
    #[must_use]
    pub fn with_max_rejects(mut self, most: MaxRejects) -> Self {
        self.max_rejects = most;
        self
    }

    /// A function that each batch passes through on the thread that parsed it, while it is still in that processor's cache: to
    /// leave rows out, or to count them there and give nothing on. Several threads call it at a time; what it gives comes in the
    /// order of the inputs. The rows of the [`Summary`] are those before it; an error of it ends the run.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use nasalogs::{ReaderBuilder, source::Source};
    /// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n".repeat(10_000);
    /// let seen = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&seen);
    /// let mut reader = ReaderBuilder::new()
    ///     .with_map(move |batch| {
    ///         counter.fetch_add(batch.num_rows(), Ordering::Relaxed);
    ///         Ok(batch.slice(0, 0))
    ///     })
    ///     .open_sources(vec![Source::memory(log)])?;
    /// assert!(reader.next_batch()?.is_none());
    /// assert_eq!((seen.load(Ordering::Relaxed), reader.summary().rows), (10_000, 10_000));
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    #[must_use]
    pub fn with_map(
        mut self,
        map: impl Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        self.map = Some(Arc::new(map));
        self
    }

    /// A flag that ends the run when it is set, as by a signal handler.
    #[must_use]
    pub fn with_stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// A function that is called on the reader's own thread before each chunk is taken, whether it gives rows or not: to
    /// look for what only that thread may look for. An error of it ends the run.
    #[must_use]
    pub fn with_watch(mut self, watch: impl FnMut() -> Result<()> + Send + 'static) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }

    /// Opens paths, globs, or `-` for standard input, in the order given.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when one does not exist or cannot be read; [`ErrorKind::NoRows`] when no built-in format fits
    /// any of them and none was named; [`ErrorKind::Encoding`] when one is UTF-16 or all are no text;
    /// [`ErrorKind::Format`] when the formats of two inputs do not go together; [`ErrorKind::Options`] when a wanted
    /// column does not exist; [`ErrorKind::Interrupted`] when the run was told to stop.
    pub fn open<P: AsRef<OsStr>>(self, patterns: impl IntoIterator<Item = P>) -> Result<Reader> {
        let sources = expand(patterns)?;
        self.open_sources(sources)
    }

    /// Opens sources: files, readers, memory.
    ///
    /// # Errors
    /// As [`ReaderBuilder::open`].
    pub fn open_sources(self, sources: Vec<Source>) -> Result<Reader> {
        if let MaxRejects::Share(share) = self.max_rejects
            && !(0.0..=1.0).contains(&share)
        {
            return Err(Error::new(ErrorKind::Options, format!("{share} is no share of the lines"))
                .with_hint("pass a number from 0 to 1"));
        }
        let of = OpenOptions {
            options: &self.options,
            keep_rejects: self.on_reject.is_some(),
            stop: Arc::clone(&self.stop),
        };
        let Opened { feed, schema, detections } = Feed::open(sources, of)?;
        let jobs =
            self.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        let summary = Summary { format: Some(feed.format().clone()), detections, ..Summary::default() };
        Ok(Reader {
            schema,
            feed,
            pool: Pool::new(jobs, self.map),
            pending: std::collections::VecDeque::new(),
            failed: None,
            refused: None,
            done: false,
            stop: self.stop,
            watch: self.watch,
            on_reject: self.on_reject,
            max_rejects: self.max_rejects,
            first_reject: None,
            lines_before: 0,
            summary,
        })
    }
}

impl std::fmt::Debug for ReaderBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReaderBuilder")
            .field("options", &self.options)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
