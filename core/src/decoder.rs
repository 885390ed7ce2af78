//! The push interface: bytes in, batches out, no I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::chunk::{Chunk, Chunker};
use crate::error::{Error, ErrorKind, Result};
use crate::format::LogFormat;
use crate::options::ParseOptions;
use crate::parse::{Job, Parsed, Scratch};
use crate::reject::{Reject, RejectCounts};
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
    rejects: Vec<Reject>,
    counts: Counts,
    finished: bool,
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
    /// A decoder; without a format in the options, it detects one from the first 256 KiB, or from all there is at the
    /// end.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] as [`ParseOptions::columns_of`] says, or when `NASALOGS_SIMD` names a backend
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
        let mut chunker = Chunker::new(&options);
        if job.is_none() {
            chunker.wait_for(SAMPLE);
        }
        Ok(Self {
            chunker,
            options,
            backend,
            job,
            scratch: Scratch::default(),
            batches: VecDeque::new(),
            rejects: Vec::new(),
            counts: Counts::default(),
            finished: false,
        })
    }

    /// Takes in as many of the bytes as fit, at most one chunk, and gives how many: push the rest again, after the
    /// batches have been taken. At least one is taken, unless there are none.
    ///
    /// # Errors
    /// [`ErrorKind::Encoding`] when the input is UTF-16 or no text; [`ErrorKind::NoRows`] when no built-in format fits;
    /// [`ErrorKind::Options`] when a wanted column is not one of the detected format's: after one of these, all that
    /// comes is the same error. [`ErrorKind::Options`] also after [`Decoder::finish`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.finished {
            return Err(Error::new(ErrorKind::Options, "bytes were pushed to a decoder that was finished")
                .with_hint("make another decoder for another input"));
        }
        let space = self.chunker.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.chunker.advance(count);
        self.decode(false)?;
        Ok(count)
    }

    /// Says that no more bytes come: what is left becomes a last batch. Of an input without a line, the format is then
    /// `common`, and there is no batch. To finish again changes nothing.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub fn finish(&mut self) -> Result<()> {
        self.finished = true;
        self.decode(true)
    }

    /// Makes batches of the whole lines that were pushed, without waiting for more; while the format is not known yet, it waits.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    ///
    /// ```
    /// use nasalogs::{Decoder, LogFormat, ParseOptions};
    /// let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common()))?;
    /// decoder.push(b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\nh - - [01/Jul")?;
    /// assert!(decoder.next_batch().is_none());
    /// decoder.flush()?;
    /// assert_eq!(decoder.next_batch().unwrap().num_rows(), 1);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    pub fn flush(&mut self) -> Result<()> {
        if self.job.is_none() {
            return Ok(());
        }
        while let Some(chunk) = self.chunker.next_now()? {
            self.parse(&chunk)?;
        }
        Ok(())
    }

    fn decode(&mut self, end: bool) -> Result<()> {
        if self.job.is_none() && self.chunker.is_due(end) {
            let waiting = self.chunker.waiting();
            let mut sample = waiting[..waiting.len().min(SAMPLE)].to_vec();
            if end && sample.len() < SAMPLE {
                // The last line is a whole one.
                sample.push(b'\n');
            }
            let detection = LogFormat::detect(&sample)?;
            self.job = Some(job(&self.options, &detection.format, self.backend)?);
        }
        while let Some(chunk) = self.chunker.next(end)? {
            self.parse(&chunk)?;
        }
        Ok(())
    }

    fn parse(&mut self, chunk: &Chunk) -> Result<()> {
        let Some(job) = &self.job else {
            return Err(Error::new(ErrorKind::Format, "no format was detected"));
        };
        let mut parsed = job.parse(chunk, &mut self.scratch);
        parsed.number_lines(self.counts.lines);
        self.counts.add(&parsed);
        // Copied at once: a few lines are less than the chunk that they would keep alive until they are taken.
        self.rejects.extend(parsed.rejects.iter());
        if parsed.batch.num_rows() > 0 {
            self.batches.push_back(parsed.batch);
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

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
    const COMBINED: &str = "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5 \"-\" \"a\"\n";

    fn push_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<usize> {
        let mut rows = 0;
        while !bytes.is_empty() {
            let used = decoder.push(bytes)?;
            assert!(used > 0);
            bytes = &bytes[used..];
            rows += take(decoder);
        }
        Ok(rows)
    }

    fn take(decoder: &mut Decoder) -> usize {
        std::iter::from_fn(|| decoder.next_batch()).map(|batch| batch.num_rows()).sum()
    }

    #[test]
    fn an_empty_input_has_a_schema_and_no_batch() {
        for text in ["", "\n", " \r\n\n", "\u{feff}", "\u{feff}\n"] {
            let mut decoder = Decoder::new(ParseOptions::new()).unwrap();
            assert_eq!(decoder.push(b"").unwrap(), 0);
            assert_eq!((decoder.format(), decoder.schema()), (None, None));
            push_all(&mut decoder, text.as_bytes()).unwrap();
            decoder.finish().unwrap();
            assert!(decoder.next_batch().is_none());
            assert_eq!(decoder.format(), Some(&LogFormat::common()), "{text:?}");
            assert_eq!(decoder.schema(), Some(ParseOptions::new().schema(&LogFormat::common()).unwrap()));
            let counts = decoder.counts();
            assert_eq!((counts.lines, counts.blanks), (counts.blanks, text.matches('\n').count() as u64));
        }
    }

    #[test]
    fn what_comes_after_the_end_is_refused() {
        let mut decoder = Decoder::new(ParseOptions::new()).unwrap();
        assert_eq!(push_all(&mut decoder, COMMON.trim_end().as_bytes()).unwrap(), 0);
        decoder.finish().unwrap();
        decoder.finish().unwrap();
        assert_eq!(take(&mut decoder), 1);
        let counts = decoder.counts();
        for bytes in [COMMON, ""] {
            assert_eq!(decoder.push(bytes.as_bytes()).unwrap_err().kind(), ErrorKind::Options);
        }
        decoder.finish().unwrap();
        assert_eq!(decoder.counts(), counts);
        assert!(decoder.next_batch().is_none());
    }

    #[test]
    fn a_format_is_detected_from_more_than_a_small_chunk() {
        // The first line alone is longer than a chunk.
        let long = COMBINED.replace("GET /", &format!("GET /{}", "x".repeat(3000)));
        let log = [long, COMBINED.repeat(10)].concat();
        let options = ParseOptions::new().with_chunk(1024);
        for piece in [1, 7, 1500, usize::MAX] {
            let mut decoder = Decoder::new(options.clone()).unwrap();
            let mut rows = 0;
            for piece in log.as_bytes().chunks(piece) {
                rows += push_all(&mut decoder, piece).unwrap();
            }
            decoder.finish().unwrap();
            assert_eq!((rows + take(&mut decoder), decoder.counts().rows), (11, 11));
            assert_eq!(decoder.format(), Some(&LogFormat::combined()));
        }
        // Once it is known, chunks are as small as they were asked to be.
        let mut decoder = Decoder::new(options).unwrap();
        assert!(push_all(&mut decoder, COMBINED.repeat(6000).as_bytes()).unwrap() > 5900);
        let largest = push_all(&mut decoder, COMBINED.repeat(100).as_bytes()).unwrap();
        assert!(largest >= 85, "{largest}");
    }

    #[test]
    fn an_unknown_format_is_the_same_error_again_and_again() {
        for (bytes, kind) in [
            (&b"nonsense\n"[..], ErrorKind::NoRows),
            (b"\xFF\xFEh\0", ErrorKind::Encoding),
            (b"h\0 \0\n\0", ErrorKind::Encoding),
        ] {
            let mut decoder = Decoder::new(ParseOptions::new()).unwrap();
            push_all(&mut decoder, bytes).unwrap();
            for _ in 0..2 {
                assert_eq!(decoder.finish().unwrap_err().kind(), kind);
            }
            assert_eq!(decoder.counts(), Counts::default());
            let mut decoder = Decoder::new(ParseOptions::new()).unwrap();
            let much = bytes.repeat(SAMPLE);
            assert_eq!(push_all(&mut decoder, &much).unwrap_err().kind(), kind);
            assert_eq!(push_all(&mut decoder, &much).unwrap_err().kind(), kind);
            assert_eq!(decoder.finish().unwrap_err().kind(), kind);
            assert!(decoder.next_batch().is_none() && decoder.take_rejects().is_empty());
        }
        // A mark of UTF-16 is seen in a given format too.
        let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
        push_all(&mut decoder, b"\xFE\xFF\0h").unwrap();
        assert_eq!(decoder.finish().unwrap_err().kind(), ErrorKind::Encoding);
        assert_eq!(decoder.finish().unwrap_err().kind(), ErrorKind::Encoding);
    }

    #[test]
    fn a_stream_of_nothing_but_rejects_is_no_error() {
        let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
        push_all(&mut decoder, b"nonsense\n\nhost").unwrap();
        decoder.finish().unwrap();
        let rejects = decoder.take_rejects();
        let places: Vec<_> =
            rejects.iter().map(|reject| (reject.line, reject.offset, reject.reason.as_str())).collect();
        assert_eq!(places, [(1, 0, "missing_field"), (3, 10, "truncated")]);
        assert!(decoder.take_rejects().is_empty());
        let counts = decoder.counts();
        assert_eq!(
            (counts.lines, counts.rows, counts.rejected(), counts.blanks, counts.bytes),
            (3, 0, 2, 1, 14)
        );
    }

    #[test]
    fn a_column_that_the_detected_format_lacks_is_an_error_of_the_options() {
        let mut decoder = Decoder::new(ParseOptions::new().with_columns(["user_agent"])).unwrap();
        push_all(&mut decoder, COMMON.as_bytes()).unwrap();
        assert_eq!(decoder.finish().unwrap_err().kind(), ErrorKind::Options);
    }
}
