//! The pull interface: batches of any number of inputs, parsed in parallel, in order, in bounded memory.

mod builder;
mod feed;
mod look;
// Without threads, what they stand on is not used.
#[cfg_attr(not(feature = "parallel"), allow(dead_code, unused_imports))]
mod pool;
mod summary;

use std::collections::VecDeque;
use std::iter::FusedIterator;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use crate::error::{Error, ErrorKind, Result};
use crate::format::shown;
use crate::options::{ParseOptions, StringType};
use crate::parse::Parsed;
use crate::reject::Reject;

pub use builder::{MaxRejects, ReaderBuilder};
pub use summary::{Progress, Summary};

use feed::Feed;
use pool::{Done, Pending, Pool};

/// What is done with a rejected line.
type OnReject = Box<dyn FnMut(Reject) -> Result<()> + Send>;

/// What each batch is passed through.
type Map = Arc<dyn Fn(RecordBatch) -> Result<RecordBatch> + Send + Sync>;

/// What is called before each chunk.
type Watch = Box<dyn FnMut() -> Result<()> + Send>;

/// What a feed has to know of the run.
struct OpenOptions<'a> {
    options: &'a ParseOptions,
    keep_rejects: bool,
    stop: Arc<AtomicBool>,
}

/// Batches of logs. Made by a [`ReaderBuilder`] or by [`read_batches`].
///
/// Rows come in the order of the inputs and of their lines, whatever the number of threads; the batches are those of
/// an Arrow [`RecordBatchReader`], so anything that takes one takes this.
///
/// An error ends the run. The whole lines that were read before it have been given by then; only an interrupted run
/// gives up what it was about to give. The rows of the [`Summary`] are those that were given, always.
pub struct Reader {
    schema: SchemaRef,
    feed: Feed,
    pool: Pool,
    /// Chunks that are being parsed, in order.
    pending: VecDeque<Pending>,
    /// What ended the feed, to be told after what came before it.
    failed: Option<Error>,
    /// What the chunk that was given last is to be refused for, as too many rejects.
    refused: Option<Error>,
    done: bool,
    stop: Arc<AtomicBool>,
    watch: Option<Watch>,
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

    /// The same reader with another layout of strings: for whoever learns only after opening what its consumer takes,
    /// as a program that hands batches on to another language does.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] once a batch has been asked for.
    pub fn with_strings(mut self, strings: StringType) -> Result<Self> {
        if self.done || self.feed.inputs() > 0 {
            return Err(Error::new(
                ErrorKind::Options,
                "the layout of strings was chosen after reading began",
            ));
        }
        self.feed.set_strings(strings);
        self.schema = crate::schema::with_strings(&self.schema, strings);
        Ok(self)
    }

    /// The next batch; `None` at the end, and ever after an error.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Compression`] or [`ErrorKind::Encoding`] for an input that cannot be read on;
    /// [`ErrorKind::TooManyRejects`] when the bound is passed; [`ErrorKind::NoRows`] when lines were read and none
    /// was a row; [`ErrorKind::Interrupted`] when the run was told to stop; or what the function that takes the
    /// rejects failed with.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.done {
            return Ok(None);
        }
        let next = self.advance();
        if !matches!(next, Ok(Some(_))) {
            self.done = true;
            self.pending.clear();
        }
        next
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(error) = self.refused.take() {
                return Err(error);
            }
            go_on(&self.stop)?;
            if let Some(watch) = &mut self.watch {
                watch()?;
            }
            self.fill();
            let Some(pending) = self.pending.pop_front() else {
                // Inputs without a line count too.
                self.summary.files = self.feed.inputs();
                return match self.failed.take() {
                    Some(error) => Err(error),
                    None => self.finish().map(|()| None),
                };
            };
            let input = pending.input;
            let Done { mut parsed, mapped } = pending.wait()?;
            self.refused = self.account(input, &mut parsed).err();
            let batch = mapped.unwrap_or(Ok(parsed.batch))?;
            if batch.num_rows() > 0 {
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

    fn account(&mut self, input: u64, parsed: &mut Parsed) -> Result<()> {
        if input != self.summary.files {
            (self.summary.files, self.lines_before) = (input, 0);
        }
        parsed.number_lines(self.lines_before);
        self.lines_before += parsed.lines;
        self.summary.add(parsed);
        if self.first_reject.is_none() {
            self.first_reject = parsed.rejects.iter().next();
        }
        if let Some(on_reject) = &mut self.on_reject {
            parsed.rejects.iter().try_for_each(on_reject)?;
        }
        match self.max_rejects {
            MaxRejects::Count(most) => self.within(self.summary.rejected <= most, &most.to_string()),
            MaxRejects::Share(_) | MaxRejects::None => Ok(()),
        }
    }

    /// Judges the run as a whole.
    fn finish(&self) -> Result<()> {
        // Where nothing fits, the format is to blame, whatever number of rejects would be stood.
        if let Some(reject) = self.first_reject.as_ref().filter(|_| self.summary.rows == 0) {
            return Err(self.no_rows(reject));
        }
        match self.max_rejects {
            MaxRejects::Share(most) => {
                let share = self.summary.rejected as f64 / self.summary.lines.max(1) as f64;
                // Rounded: a share of 0.07 is 7.000000000000001 %.
                self.within(share <= most, &format!("{} %", (most * 1e8).round() / 1e6))
            }
            MaxRejects::Count(_) | MaxRejects::None => Ok(()),
        }
    }

    fn no_rows(&self, reject: &Reject) -> Error {
        let format = self.feed.format();
        let error = Error::new(
            ErrorKind::NoRows,
            format!(
                "none of {} is a row of the format {format}; the first is {} ({}): {}",
                match self.summary.rejected {
                    1 => "1 line".to_owned(),
                    count => format!("{count} lines"),
                },
                reject.reason,
                reject.reason.describe(),
                shown(&reject.raw)
            ),
        )
        .with_line(reject.line)
        .with_offset(reject.offset)
        .with_hint(crate::LogFormat::how_to_name());
        match &reject.file {
            Some(file) => error.with_file(file.as_ref()),
            None => error,
        }
    }

    fn within(&self, holds: bool, bound: &str) -> Result<()> {
        if holds {
            return Ok(());
        }
        let Summary { rejected, lines, .. } = self.summary;
        let message = format!("{rejected} of {lines} lines were rejected, more than {bound}");
        let error = Error::new(ErrorKind::TooManyRejects, message);
        Err(match &self.first_reject {
            Some(reject) => {
                let file =
                    reject.file.as_ref().map_or_else(String::new, |file| format!("{}:", file.escape_debug()));
                let (line, reason, raw) = (reject.line, reject.reason, shown(&reject.raw));
                error.with_hint(format!("the first is {file}{line}: {reason}: {raw}"))
            }
            None => error,
        })
    }
}

/// An error if the run was told to stop.
fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
    }
    Ok(())
}

impl Iterator for Reader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().map_err(ArrowError::from).transpose()
    }
}

impl FusedIterator for Reader {}

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
