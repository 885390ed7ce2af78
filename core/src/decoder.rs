//! The push interface: bytes in, batches out, no I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::chunk::Chunker;
use crate::error::{Error, ErrorKind, Result};
use crate::format::LogFormat;
use crate::options::ParseOptions;
use crate::parse::{Job, Parsed, Scratch};
use crate::reject::{Reject, RejectCounts, Rejects};
use crate::simd::Backend;

/// How much of an input's beginning the format is detected from.
pub(crate) const SAMPLE: usize = 256 << 10;

/// Turns pushed bytes into batches: for callers that have their own way to get at the bytes, such as an asynchronous
/// one. It decodes one input; line numbers and offsets count from its beginning.
///
/// ```
/// use nasalogs::{Decoder, ParseOptions};
/// let mut decoder = Decoder::new(ParseOptions::new())?;
/// for piece in [&b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP"[..], b"/1.0\" 200 5\nnonsense\n"] {
///     let mut rest = piece;
///     while !rest.is_empty() {
///         let used = decoder.push(rest)?;
///         rest = &rest[used..];
///         while let Some(batch) = decoder.next_batch() {
///             println!("{} rows", batch.num_rows());
///         }
///     }
/// }
/// decoder.finish()?;
/// assert_eq!(decoder.next_batch().unwrap().num_rows(), 1);
/// assert_eq!(decoder.take_rejects()[0].line, 2);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    options: ParseOptions,
    backend: Backend,
    chunker: Chunker,
    job: Option<Job>,
    scratch: Scratch,
    batches: VecDeque<RecordBatch>,
    rejects: Vec<Rejects>,
    counts: Counts,
}

/// What a run has seen so far. `rows + counts.total() + blanks == lines`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Lines.
    pub lines: u64,
    /// Lines that became rows.
    pub rows: u64,
    /// Lines that are empty or only blanks.
    pub blanks: u64,
    /// Lines that were rejected, by reason.
    pub rejects: RejectCounts,
    /// Bytes of log, decompressed.
    pub bytes: u64,
}

impl Counts {
    /// Lines that were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejects.total()
    }

    pub(crate) fn add(&mut self, parsed: &Parsed) {
        self.lines += parsed.lines;
        self.rows += parsed.batch.num_rows() as u64;
        self.blanks += parsed.blanks;
        self.rejects.merge(&parsed.counts);
        self.bytes += parsed.bytes;
    }
}

impl Decoder {
    /// A decoder; without a format in the options, it detects one from the first chunk.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when a wanted column is not one of the format's, or `NASALOGS_SIMD` names a backend
    /// that is not there.
    pub fn new(options: ParseOptions) -> Result<Self> {
        let backend = match options.backend {
            Some(backend) => backend,
            None => Backend::chosen()?,
        };
        let job = match &options.format {
            Some(format) => Some(job(&options, format, backend)?),
            None => None,
        };
        Ok(Self {
            chunker: Chunker::new(&options),
            options,
            backend,
            job,
            scratch: Scratch::default(),
            batches: VecDeque::new(),
            rejects: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Takes in as many of the bytes as fit, at most one chunk, and gives how many: push the rest again, after the
    /// batches have been taken.
    ///
    /// # Errors
    /// [`ErrorKind::Encoding`] when the input is UTF-16, [`ErrorKind::NoRows`] when no format fits the first chunk.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        let space = self.chunker.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.chunker.advance(count);
        self.decode(false)?;
        Ok(count)
    }

    /// Says that no more bytes come: what is left becomes a last batch.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn finish(&mut self) -> Result<()> {
        self.decode(true)
    }

    fn decode(&mut self, end: bool) -> Result<()> {
        if self.job.is_none() && self.chunker.is_due(end) {
            let waiting = self.chunker.waiting();
            let detection = LogFormat::detect(&waiting[..waiting.len().min(SAMPLE)])?;
            self.job = Some(job(&self.options, &detection.format, self.backend)?);
        }
        while let Some(chunk) = self.chunker.next(end)? {
            let Some(job) = &self.job else {
                return Err(Error::new(ErrorKind::Format, "no format was detected"));
            };
            let mut parsed = job.parse(&chunk, &mut self.scratch);
            parsed.number_lines(self.counts.lines);
            self.counts.add(&parsed);
            if !parsed.rejects.entries.is_empty() {
                self.rejects.push(parsed.rejects);
            }
            if parsed.batch.num_rows() > 0 {
                self.batches.push_back(parsed.batch);
            }
        }
        Ok(())
    }

    /// The next batch, if one is ready.
    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.batches.pop_front()
    }

    /// The rejects since this was last asked. They are kept until then: take them as often as batches.
    pub fn take_rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejects)
            .iter()
            .flat_map(|rejects| rejects.iter().collect::<Vec<_>>())
            .collect()
    }

    /// What has been decoded so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The format, once it is known.
    #[must_use]
    pub fn format(&self) -> Option<&LogFormat> {
        self.job.as_ref().map(Job::format)
    }

    /// The schema of the batches, once the format is known.
    #[must_use]
    pub fn schema(&self) -> Option<SchemaRef> {
        self.job.as_ref().map(|job| Arc::clone(&job.schema))
    }
}

fn job(options: &ParseOptions, format: &LogFormat, backend: Backend) -> Result<Job> {
    Ok(Job::new(options, format, &options.columns_of(format)?, backend))
}
