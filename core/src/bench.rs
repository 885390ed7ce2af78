//! What `nasalogs bench` measures: the stages of the parser, each on one thread.

use crate::decoder::Decoder;
use crate::error::Result;
use crate::index::Index;
use crate::options::ParseOptions;
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

/// Parses a log to batches that are dropped as they come; gives how many rows they had. Each chunk is copied first, as
/// reading it from a file does.
///
/// ```
/// use nasalogs::{Backend, ParseOptions, bench};
/// let log = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n".repeat(3);
/// assert_eq!(bench::parse(Backend::Scalar, &log, &ParseOptions::new())?, 3);
/// # Ok::<(), nasalogs::Error>(())
/// ```
///
/// # Errors
/// As [`Decoder::push`].
pub fn parse(backend: Backend, log: &[u8], options: &ParseOptions) -> Result<u64> {
    let mut decoder = Decoder::new(options.clone().with_backend(backend))?;
    let mut rest = log;
    while !rest.is_empty() {
        let used = decoder.push(rest)?;
        rest = &rest[used..];
        while decoder.next_batch().is_some() {}
        decoder.take_rejects();
    }
    decoder.finish()?;
    Ok(decoder.counts().rows)
}
