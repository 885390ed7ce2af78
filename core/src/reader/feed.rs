//! From sources to chunks, each with the job that parses it.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::chunk::{Chunk, Chunker};
use crate::decoder::SAMPLE;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Detection, LogFormat};
use crate::options::ParseOptions;
use crate::parse::Job;
use crate::reader::summary::Progress;
use crate::schema::{Column, arrow_schema};
use crate::simd::Backend;
use crate::source::{Input, Source};

/// A chunk, and the compiled format of its input.
pub(super) struct Fed {
    pub(super) chunk: Chunk,
    pub(super) job: Arc<Job>,
    pub(super) begins_input: bool,
}

/// An input of the run.
struct Entry {
    place: Place,
    job: Arc<Job>,
}

enum Place {
    /// Still to be opened.
    Closed(Source),
    /// Opened to detect its format; the bytes are what was read for that.
    Opened(Input, Vec<u8>),
}

/// The input that is being read.
struct Current {
    input: Input,
    job: Arc<Job>,
    /// What was read to detect the format, and how much of it has been passed on.
    head: (Vec<u8>, usize),
    begins: bool,
    /// Whether the input has ended, and with which error.
    end: Option<Result<()>>,
}

impl Current {
    /// Reads on: from what was read before, then from the input. An error is an end.
    fn read(&mut self, space: &mut [u8]) -> usize {
        let (head, at) = &mut self.head;
        let count = (head.len() - *at).min(space.len());
        if count > 0 {
            space[..count].copy_from_slice(&head[*at..*at + count]);
            *at += count;
            return count;
        }
        *head = Vec::new();
        *at = 0;
        match self.input.read_into(space) {
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
    files: u64,
    progress: Progress,
    format: LogFormat,
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
    /// A later input is closed again after its format was detected, so that any number of files can be read with few
    /// open at a time; what cannot be opened twice stays open.
    pub(super) fn open(sources: Vec<Source>, options: &ParseOptions, keep_rejects: bool) -> Result<Opened> {
        let backend = options.backend.map_or_else(Backend::chosen, Ok)?;
        let progress = Progress::new(total_bytes(&sources));
        let mut looked: Vec<(Place, Option<LogFormat>)> = Vec::with_capacity(sources.len());
        let mut detections = Vec::new();
        let mut unknown = None;
        for (number, source) in sources.into_iter().enumerate() {
            let name = source.name();
            let (place, found) = match &options.format {
                Some(format) => (place(source, number)?, Some(Ok(format.clone()))),
                None => {
                    let (place, detected) = look(source, number)?;
                    let found = detected.map(|detected| {
                        detected.map(|detection| {
                            detections.push((name.clone(), detection.clone()));
                            detection.format
                        })
                    });
                    (place, found)
                }
            };
            let format = match found {
                Some(Ok(format)) => Some(format),
                Some(Err(error)) => {
                    unknown.get_or_insert(match name {
                        Some(name) => error.with_file(name.as_ref()),
                        None => error,
                    });
                    None
                }
                None => None,
            };
            looked.push((place, format));
        }
        let format = widest(looked.iter().filter_map(|(_, format)| format.as_ref()))?;
        // Inputs in an unknown format beside known ones are read all the same, and their lines accounted for.
        let format = match (format, unknown) {
            (Some(format), _) => format,
            (None, Some(error)) => return Err(error),
            (None, None) => LogFormat::common(),
        };
        let mut columns = options.columns_of(&format)?;
        for column in &mut columns {
            let everywhere = |own: &LogFormat| has_column(own, column) || !has_column(&format, column);
            column.nullable |= !looked.iter().all(|(_, own)| own.as_ref().is_none_or(everywhere));
        }
        let schema = arrow_schema(&columns, options);
        let entry = |(place, own): (Place, Option<LogFormat>)| {
            let own = own.unwrap_or_else(|| format.clone());
            let mut job = Job::new(options, &own, &columns, backend);
            job.keep_rejects = keep_rejects;
            Entry { place, job: Arc::new(job) }
        };
        let waiting = looked.into_iter().map(entry).collect();
        let chunker = Chunker::new(options);
        let feed = Feed { waiting, current: None, chunker, files: 0, progress, format };
        Ok(Opened { feed, schema, detections })
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// How many inputs have been opened for reading.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// The format with the most columns.
    pub(super) fn format(&self) -> &LogFormat {
        &self.format
    }

    /// The next chunk; `None` after the last input. What could be read of an input comes before the error that ended it.
    pub(super) fn next(&mut self) -> Result<Option<Fed>> {
        loop {
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
            }
            if let Some(chunk) = self.chunker.next(current.end.is_some())? {
                let begins_input = std::mem::take(&mut current.begins);
                return Ok(Some(Fed { chunk, job: Arc::clone(&current.job), begins_input }));
            }
            if let Some(end) = current.end.take() {
                self.current = None;
                end?;
            }
        }
    }

    fn begin(&mut self, entry: Entry) -> Result<()> {
        let (input, head) = match entry.place {
            Place::Closed(source) => (source.open()?, Vec::new()),
            Place::Opened(input, head) => (input, head),
        };
        self.progress.begin(input.bytes_in());
        self.chunker.begin(input.name());
        self.files += 1;
        self.current = Some(Current { input, job: entry.job, head: (head, 0), begins: true, end: None });
        Ok(())
    }
}

/// Opens the first source at once, so that a missing file is an error before anything is written.
fn place(source: Source, number: usize) -> Result<Place> {
    if number == 0 { Ok(Place::Opened(source.open()?, Vec::new())) } else { Ok(Place::Closed(source)) }
}

/// Reads the beginning of a source and detects its format; none where there is nothing to tell by.
fn look(source: Source, number: usize) -> Result<(Place, Option<Result<Detection>>)> {
    let path = source.as_path().map(ToOwned::to_owned);
    let mut input = source.open()?;
    let mut head = vec![0; SAMPLE];
    let (mut filled, mut failed) = (0, false);
    while filled < head.len() {
        match input.read_into(&mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            // Reading the file again will come to the same error, after the lines before it.
            Err(_) if path.is_some() && filled > 0 => {
                failed = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    let found = match LogFormat::detect(&head) {
        Ok(detection) if detection.lines == 0 => None,
        other => Some(other),
    };
    let place = match path {
        Some(path) if number > 0 || failed => Place::Closed(Source::path(path)),
        _ => Place::Opened(input, head),
    };
    Ok((place, found))
}

/// The one of several formats that has all columns of the others.
fn widest<'a>(formats: impl Iterator<Item = &'a LogFormat>) -> Result<Option<LogFormat>> {
    let mut widest: Option<&LogFormat> = None;
    let mut others: Vec<&LogFormat> = Vec::new();
    for format in formats {
        match widest {
            Some(known) if known.columns().count() >= format.columns().count() => others.push(format),
            known => {
                others.extend(known);
                widest = Some(format);
            }
        }
    }
    let Some(widest) = widest else { return Ok(None) };
    for other in others {
        if let Some(missing) = other.columns().find(|column| !has_column(widest, column)) {
            return Err(Error::new(
                ErrorKind::Format,
                format!("the inputs are in the formats {widest} and {other}, and only the latter has the column {}", missing.name),
            )
            .with_hint("read them in two runs, or force one format"));
        }
    }
    Ok(Some(widest.clone()))
}

fn has_column(format: &LogFormat, column: &Column) -> bool {
    format.columns().any(|own| own.name == column.name && own.column_type == column.column_type)
}

/// The sizes of all files together.
fn total_bytes(sources: &[Source]) -> Option<u64> {
    sources
        .iter()
        .map(|source| {
            source
                .as_path()
                .and_then(|path| std::fs::metadata(path).ok())
                .filter(|meta| meta.is_file())
                .map(|meta| meta.len())
        })
        .sum()
}
