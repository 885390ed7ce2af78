//! What `nasalogs bench` measures: the stages of the parser, each on one thread.

use crate::chunk::{Chunk, Chunker};
use crate::decoder::SAMPLE;
use crate::error::Result;
use crate::format::LogFormat;
use crate::index::Index;
use crate::options::ParseOptions;
use crate::parse::{Job, Scratch};
use crate::simd::{BLOCK, Backend};

/// Finds the structure of a log, chunk by chunk, as parsing does first; gives how many places it has.
///
/// ```
/// use nasalogs::{Backend, bench};
/// assert_eq!(bench::index_only(Backend::Scalar, b"a \"b c\" d\n"), 5);
/// ```
#[must_use]
pub fn index_only(backend: Backend, log: &[u8]) -> usize {
    let mut index = Index::default();
    let mut found = 0;
    let mut fill = |padded: &[u8], length| {
        index.fill(backend, padded, length);
        // The first place stands for the newline before the chunk.
        found += index.hits.at().len() - 1;
    };
    let (chunks, rest) = log.split_at(log.len() / BLOCK * BLOCK);
    for chunk in chunks.chunks(ParseOptions::CHUNK) {
        // The index looks one byte further than it is told, for a newline behind an unterminated line.
        fill(chunk, chunk.len() - 1);
    }
    let mut padded = [0; 2 * BLOCK];
    padded[..rest.len()].copy_from_slice(rest);
    fill(&padded, rest.len());
    found
}

/// A log in memory, cut into chunks as a reader cuts it: what is left of the work is parsing.
#[derive(Debug)]
pub struct Chunks {
    chunks: Vec<Chunk>,
    options: ParseOptions,
    format: LogFormat,
}

impl Chunks {
    /// Copies a log into chunks, and detects its format unless the options name one.
    ///
    /// # Errors
    /// [`ErrorKind::NoRows`](crate::ErrorKind::NoRows) when no format fits,
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when a wanted column does not exist.
    pub fn new(log: &[u8], options: &ParseOptions) -> Result<Self> {
        let format = match &options.format {
            Some(format) => format.clone(),
            None => LogFormat::detect(&log[..log.len().min(SAMPLE)])?.format,
        };
        options.columns_of(&format)?;
        let mut chunker = Chunker::new(options);
        let (mut chunks, mut rest) = (Vec::new(), log);
        loop {
            let space = chunker.space();
            let count = rest.len().min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            chunker.advance(count);
            rest = &rest[count..];
            match chunker.next(rest.is_empty())? {
                Some(chunk) => chunks.push(chunk),
                None if rest.is_empty() => break,
                None => {}
            }
        }
        Ok(Self { chunks, options: options.clone(), format })
    }

    /// Parses the chunks to batches that are dropped as they come; gives how many rows they had.
    ///
    /// ```
    /// use nasalogs::{Backend, ParseOptions, bench::Chunks};
    /// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n".repeat(3);
    /// assert_eq!(Chunks::new(&log, &ParseOptions::new())?.parse(Backend::Scalar)?, 3);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    ///
    /// # Errors
    /// None that [`Chunks::new`] would not have given.
    pub fn parse(&self, backend: Backend) -> Result<u64> {
        let columns = self.options.columns_of(&self.format)?;
        let job = Job::new(&self.options, &self.format, &columns, backend);
        let mut scratch = Scratch::default();
        Ok(self.chunks.iter().map(|chunk| job.parse(chunk, &mut scratch).batch.num_rows() as u64).sum())
    }
}
