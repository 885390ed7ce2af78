//! From sources to chunks, each with the job that parses it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::SchemaRef;

use super::look::{Head, Known, Place, look, place, widest};
use super::summary::Progress;
use super::{OpenOptions, go_on};
use crate::chunk::{Chunk, Chunker};
use crate::error::Result;
use crate::format::{Detection, LogFormat};
use crate::options::StringType;
use crate::parse::Job;
use crate::schema::arrow_schema;
use crate::simd::Backend;
use crate::source::{Input, Source};

/// A chunk, and the compiled format of its input.
pub(super) struct Fed {
    pub(super) chunk: Chunk,
    pub(super) job: Arc<Job>,
    /// The input's number, from 1.
    pub(super) input: u64,
}

/// An input of the run.
struct Entry {
    place: Place,
    job: Arc<Job>,
}

/// The input that is being read.
struct Current {
    input: Input,
    job: Arc<Job>,
    head: Head,
    /// Whether the input has ended, and with which error.
    end: Option<Result<()>>,
}

impl Current {
    /// Reads on: from what was read before, then from the input. An error is an end.
    fn read(&mut self, space: &mut [u8]) -> usize {
        let count = self.head.give(space);
        if count > 0 {
            return count;
        }
        let read = match self.head.failed.take() {
            Some(error) => Err(error),
            None => self.input.read_into(space),
        };
        match read {
            Ok(0) => self.end = Some(Ok(())),
            Ok(count) => return count,
            Err(error) => self.end = Some(Err(error)),
        }
        0
    }
}

/// All inputs of a run, read one after the other.
pub(super) struct Feed {
    waiting: VecDeque<Entry>,
    current: Option<Current>,
    chunker: Chunker,
    inputs: u64,
    progress: Progress,
    format: LogFormat,
    stop: Arc<AtomicBool>,
}

/// What is known about the inputs before they are read.
pub(super) struct Opened {
    pub(super) feed: Feed,
    pub(super) schema: SchemaRef,
    pub(super) detections: Vec<(Option<Arc<str>>, Detection)>,
}

impl Feed {
    /// Prepares to read the sources: finds the format of each, and the columns of all.
    ///
    /// A later file is closed again after its format was detected, so that any number of files can be read with few
    /// open at a time; what cannot be opened twice stays open.
    pub(super) fn open(sources: Vec<Source>, of: OpenOptions<'_>) -> Result<Opened> {
        let options = of.options;
        let backend = options.backend.map_or_else(Backend::chosen, Ok)?;
        let progress = Progress::new(total_bytes(&sources));
        let mut inputs: Vec<Known> = Vec::with_capacity(sources.len());
        let (mut detections, mut unknown, mut sample) = (Vec::new(), None, Vec::new());
        for (number, source) in sources.into_iter().enumerate() {
            go_on(&of.stop)?;
            let name = source.name();
            if let Some(format) = &options.format {
                inputs.push(Known { name, place: place(source, number)?, format: Some(format.clone()) });
                continue;
            }
            let (place, found) = look(source, number, &mut sample, &of.stop)?;
            let format = match found {
                Some(Ok(detection)) => {
                    detections.push((name.clone(), detection.clone()));
                    Some(detection.format)
                }
                Some(Err(error)) => {
                    unknown.get_or_insert(error);
                    None
                }
                None => None,
            };
            inputs.push(Known { name, place, format });
        }
        // Inputs in an unknown format beside known ones are read all the same, and their lines accounted for.
        let format = match (widest(&inputs)?, unknown) {
            (Some(format), _) => format,
            (None, Some(error)) => return Err(error),
            (None, None) => LogFormat::common(),
        };
        let mut columns = options.columns_of(&format)?;
        for column in &mut columns {
            column.nullable |= inputs.iter().any(|input| input.lacks(column, &format));
        }
        // One job for each format, not for each of thousands of files.
        let mut jobs: Vec<Arc<Job>> = Vec::new();
        let mut job = |own: LogFormat| {
            if let Some(job) = jobs.iter().find(|job| *job.format() == own) {
                return Arc::clone(job);
            }
            let mut job = Job::new(options, &own, &columns, backend);
            job.keep_rejects = of.keep_rejects;
            jobs.push(Arc::new(job));
            Arc::clone(&jobs[jobs.len() - 1])
        };
        let entry = |Known { place, format: own, .. }: Known| Entry {
            place,
            job: job(own.unwrap_or_else(|| format.clone())),
        };
        let waiting = inputs.into_iter().map(entry).collect();
        let schema = arrow_schema(&columns, options);
        let chunker = Chunker::new(options);
        let feed = Self { waiting, current: None, chunker, inputs: 0, progress, format, stop: of.stop };
        Ok(Opened { feed, schema, detections })
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Chooses another layout of strings for all that is still to be read.
    pub(super) fn set_strings(&mut self, strings: StringType) {
        let mut changed: Vec<(Arc<Job>, Arc<Job>)> = Vec::new();
        for entry in &mut self.waiting {
            entry.job = match changed.iter().find(|(old, _)| Arc::ptr_eq(old, &entry.job)) {
                Some((_, new)) => Arc::clone(new),
                None => {
                    let new = Arc::new(entry.job.with_strings(strings));
                    changed.push((Arc::clone(&entry.job), Arc::clone(&new)));
                    new
                }
            };
        }
    }

    /// How many inputs have been opened for reading.
    pub(super) fn inputs(&self) -> u64 {
        self.inputs
    }

    /// The format with the most columns.
    pub(super) fn format(&self) -> &LogFormat {
        &self.format
    }

    /// The next chunk; `None` after the last input. What could be read of an input comes before the error that ended it.
    pub(super) fn next(&mut self) -> Result<Option<Fed>> {
        loop {
            // A pipe can take its time to fill a chunk.
            go_on(&self.stop)?;
            let Some(current) = &mut self.current else {
                match self.waiting.pop_front() {
                    Some(entry) => self.begin(entry)?,
                    None => return Ok(None),
                }
                continue;
            };
            if current.end.is_none() {
                let count = current.read(self.chunker.space());
                self.chunker.advance(count);
                if matches!(current.end, Some(Err(_))) {
                    self.chunker.forget_unended();
                }
            }
            if let Some(chunk) = self.chunker.next(current.end.is_some())? {
                return Ok(Some(Fed { chunk, job: Arc::clone(&current.job), input: self.inputs }));
            }
            if let Some(end) = current.end.take() {
                self.current = None;
                end?;
            }
        }
    }

    fn begin(&mut self, entry: Entry) -> Result<()> {
        let (input, head) = match entry.place {
            Place::Closed(source) => (source.open()?, Head::default()),
            Place::Opened(input, head) => (input, head),
        };
        self.progress.begin(input.bytes_in());
        self.chunker.begin(input.name());
        self.inputs += 1;
        self.current = Some(Current { input, job: entry.job, head, end: None });
        Ok(())
    }
}

/// The sizes of all files together.
fn total_bytes(sources: &[Source]) -> Option<u64> {
    sources.iter().map(Source::total_bytes).sum()
}
