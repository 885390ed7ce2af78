//! The pull interface: batches of any number of inputs, parsed in parallel, in order, in bounded memory.

mod builder;
mod feed;
mod pool;
mod summary;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::error::{Error, ErrorKind, Result};
use crate::field::text::escape_control;
use crate::parse::Parsed;
use crate::reject::Reject;

pub use builder::{MaxRejects, ReaderBuilder};
pub use summary::{Progress, Summary};

use feed::Feed;
use pool::{Pending, Pool};

/// What is done with a rejected line.
type OnReject = Box<dyn FnMut(Reject) -> Result<()> + Send>;

/// Batches of logs. Made by a [`ReaderBuilder`] or by [`read_batches`].
///
/// Rows come in the order of the inputs and of their lines, whatever the number of threads; the batches are those of
/// an Arrow [`RecordBatchReader`], so anything that takes one takes this.
///
/// An error ends the run. What was read before it has been given by then.
pub struct Reader {
    schema: SchemaRef,
    feed: Feed,
    pool: Pool,
    /// Chunks that are being parsed, in order.
    pending: VecDeque<Pending>,
    /// What ended the feed, to be told after what came before it.
    failed: Option<Error>,
    done: bool,
    stop: Arc<AtomicBool>,
    on_reject: Option<OnReject>,
    max_rejects: MaxRejects,
    first_reject: Option<Reject>,
    /// Lines of the current input that came before the next chunk.
    lines_before: u64,
    summary: Summary,
}

/// Reads a log, or all logs that match a pattern, with detected format and default options: the shortest way to
/// batches.
///
/// ```no_run
/// for batch in nasalogs::read_batches("logs/access.log.*.gz")? {
///     println!("{} rows", batch?.num_rows());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`ReaderBuilder::open`].
pub fn read_batches(path: impl AsRef<Path>) -> Result<Reader> {
    ReaderBuilder::new().open([path.as_ref()])
}

impl Reader {
    /// What has been read so far; complete once the last batch was taken.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { bytes_in: self.feed.progress().bytes_read(), ..self.summary.clone() }
    }

    /// A handle that tells how far the reading is, for a progress bar.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.feed.progress()
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Compression`] or [`ErrorKind::Encoding`] for an input that cannot be read on;
    /// [`ErrorKind::TooManyRejects`] when the bound is passed; [`ErrorKind::NoRows`] when lines were read and none
    /// was a row; [`ErrorKind::Interrupted`] when the run was told to stop.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.done {
            return Ok(None);
        }
        let next = self.advance();
        self.done = !matches!(next, Ok(Some(_)));
        next
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
            }
            self.fill();
            let Some(pending) = self.pending.pop_front() else {
                return match self.failed.take() {
                    Some(error) => Err(error),
                    None => self.finish().map(|()| None),
                };
            };
            let begins_input = pending.begins_input;
            let parsed = pending.wait()?;
            if let Some(batch) = self.account(parsed, begins_input)? {
                return Ok(Some(batch));
            }
        }
    }

    /// Sends chunks to the workers until they have enough to do.
    fn fill(&mut self) {
        while self.failed.is_none() && self.pending.len() < self.pool.depth() {
            match self.feed.next() {
                Ok(Some(fed)) => {
                    let pending = self.pool.parse(fed);
                    self.pending.push_back(pending);
                }
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
    }

    fn account(&mut self, mut parsed: Parsed, begins_input: bool) -> Result<Option<RecordBatch>> {
        if begins_input {
            self.lines_before = 0;
        }
        parsed.number_lines(self.lines_before);
        self.lines_before += parsed.lines;
        self.summary.add(&parsed);
        if self.first_reject.is_none() {
            self.first_reject = parsed.rejects.iter().next();
        }
        if let Some(on_reject) = &mut self.on_reject {
            parsed.rejects.iter().try_for_each(on_reject)?;
        }
        if let MaxRejects::Count(most) = self.max_rejects {
            self.within(self.summary.rejected <= most, &most.to_string())?;
        }
        Ok((parsed.batch.num_rows() > 0).then_some(parsed.batch))
    }

    /// Judges the run as a whole.
    fn finish(&mut self) -> Result<()> {
        self.summary.files = self.feed.files();
        if let MaxRejects::Share(most) = self.max_rejects {
            let share = self.summary.rejected as f64 / self.summary.lines.max(1) as f64;
            self.within(share <= most, &format!("{} %", most * 100.0))?;
        }
        let Some(reject) = self.first_reject.as_ref().filter(|_| self.summary.rows == 0) else {
            return Ok(());
        };
        let format = self.feed.format();
        let error = Error::new(
            ErrorKind::NoRows,
            format!(
                "none of {} lines is a row of the format {format}: {} ({}); the line is: {}",
                self.summary.lines - self.summary.blank,
                reject.reason,
                reject.reason.describe(),
                escape_control(&reject.raw[..reject.raw.len().min(200)])
            ),
        )
        .with_line(reject.line)
        .with_offset(reject.offset)
        .with_hint(crate::LogFormat::how_to_name());
        Err(match &reject.file {
            Some(file) => error.with_file(file.as_ref()),
            None => error,
        })
    }

    fn within(&self, holds: bool, bound: &str) -> Result<()> {
        if holds {
            return Ok(());
        }
        let error = Error::new(
            ErrorKind::TooManyRejects,
            format!(
                "{} of {} lines were rejected, more than {bound}",
                self.summary.rejected, self.summary.lines
            ),
        );
        Err(match &self.first_reject {
            Some(reject) => error.with_hint(format!("the first is {reject}")),
            None => error,
        })
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("schema", &self.schema)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
