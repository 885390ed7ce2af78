//! The inputs of a table, and the pieces in which they are read.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nasalogs::source::{Codec, Source};
use nasalogs::{Error, ErrorKind, LogFormat, Result};

/// How much of an input that can be read only once is looked at; more where the first line is longer.
const HEAD: usize = 256 << 10;
const LONG_HEAD: usize = HEAD + (1 << 20);

/// Parsed bytes are this many times as dear when they have to be decompressed first.
const DECOMPRESSION: u64 = 10;

/// An input whose format is known.
#[derive(Debug)]
pub(crate) struct LogInput {
    pub(crate) number: usize,
    pub(crate) format: LogFormat,
    name: Option<Arc<str>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    /// Something else that can be opened again and again.
    Again(Mutex<Source>),
    /// A pipe.
    Once(Mutex<Option<Source>>),
}

/// A source, before its format is known.
pub(crate) struct Looked {
    name: Option<Arc<str>>,
    place: Place,
}

impl Looked {
    /// Prepares a source, and gives the same bytes again, or the first of them, to detect the format by. Of one that can
    /// be read only once, the beginning is read now, unless the format `is_known`.
    pub(crate) fn new(source: Source, is_known: bool) -> Result<(Self, Source)> {
        let name = source.name();
        let named = |source: Source| match &name {
            Some(name) => source.with_name(Arc::clone(name)),
            None => source,
        };
        if let Some(sample) = source.again() {
            let place = match source.as_path() {
                Some(path) => Place::File(path.to_owned()),
                None => Place::Again(Mutex::new(source)),
            };
            return Ok((Self { name, place }, sample));
        }
        if is_known {
            let sample = named(Source::memory([]));
            return Ok((Self { name, place: Place::Once(Mutex::new(Some(source))) }, sample));
        }
        let mut input = source.open()?;
        let (mut head, mut filled, mut whole) = (vec![0; HEAD], 0, false);
        while filled < head.len() {
            match input.read_into(&mut head[filled..])? {
                0 => {
                    whole = true;
                    break;
                }
                count => filled += count,
            }
            if filled == HEAD && !head.contains(&b'\n') {
                head.resize(LONG_HEAD, 0);
            }
        }
        head.truncate(filled);
        // A line that was cut would speak against every format.
        let last = if whole { None } else { head.iter().rposition(|&byte| byte == b'\n') };
        let sample = named(Source::memory(head[..last.map_or(filled, |newline| newline + 1)].to_vec()));
        let all = named(Source::reader(Cursor::new(head).chain(input)));
        Ok((Self { name, place: Place::Once(Mutex::new(Some(all))) }, sample))
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    pub(crate) fn with_format(self, number: usize, format: LogFormat) -> LogInput {
        LogInput { number, format, name: self.name, place: self.place }
    }
}

/// A part of an input that is read at a time.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) input: Arc<LogInput>,
    pub(crate) number: usize,
    range: Option<Range>,
    weight: u64,
}

/// Whole lines of a plain file; the last range has no end, and takes what has been written meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: u64,
    end: Option<u64>,
}

/// A piece that was opened.
pub(crate) struct Opened {
    pub(crate) source: Source,
    /// What is to be added to the places of lines.
    pub(crate) offset: u64,
    /// How many blank lines there are before its first.
    pub(crate) lead: u64,
}

impl Piece {
    /// Opens it.
    ///
    /// # Errors
    /// When the file is gone, or what can be read only once was.
    pub(crate) fn open(&self) -> Result<Opened> {
        let whole = |source| Opened { source, offset: 0, lead: 0 };
        match (&self.input.place, self.range) {
            (Place::File(path), Some(Range { start: 0, end: None })) | (Place::File(path), None) => {
                Ok(whole(Source::path(path)))
            }
            (Place::File(path), Some(range)) => {
                // It begins with the line feed before it, as a blank line: what bytes mean at the beginning of a file
                // (a mark of its encoding, or of compression), they do not mean here.
                let begin = range.start.saturating_sub(1);
                let reader = open_range(path, begin, range.end).map_err(|error| self.failed(error))?;
                let name = self.input.name.clone().unwrap_or_default();
                let lead = u64::from(range.start > 0);
                Ok(Opened { source: Source::reader(reader).with_name(name), offset: begin, lead })
            }
            (Place::Again(source), _) => {
                let source = source.lock().unwrap_or_else(PoisonError::into_inner).again();
                source.map(whole).ok_or_else(|| self.failed(io::ErrorKind::NotFound.into()))
            }
            (Place::Once(source), _) => {
                let source = source.lock().unwrap_or_else(PoisonError::into_inner).take();
                source.map(whole).ok_or_else(|| self.spent())
            }
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io(self.input.name.as_deref().unwrap_or("the input"), error)
    }

    fn spent(&self) -> Error {
        let name = self.input.name.as_deref().unwrap_or("standard input");
        Error::new(ErrorKind::Options, "can be read only once, and has been")
            .with_file(name)
            .with_hint("write it to a file, and name that")
    }
}

fn open_range(path: &Path, begin: u64, end: Option<u64>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(begin))?;
    // A piece begins with the line feed before it, or the file is another one now.
    let mut first = [0];
    if begin > 0 && file.read(&mut first)? == 1 && first != *b"\n" {
        return Err(io::Error::other("it has changed while it was read"));
    }
    file.seek(SeekFrom::Start(begin))?;
    Ok(match end {
        Some(end) => Box::new(file.take(end - begin)),
        None => Box::new(file),
    })
}

/// Cuts inputs into pieces, and deals them out to at most so many partitions, evenly. The pieces of a partition are in
/// the order of the lines. None is smaller than `smallest` bytes for the sake of being one more; without it, every input
/// is one piece.
///
/// # Errors
/// When a file is gone.
pub(crate) fn deal(
    inputs: &[Arc<LogInput>],
    partitions: usize,
    smallest: Option<u64>,
) -> Result<Vec<Vec<Piece>>> {
    let mut sizes = Vec::with_capacity(inputs.len());
    for input in inputs {
        sizes.push(size(input)?);
    }
    let total: u64 = sizes.iter().filter_map(|size| size.plain).sum();
    let share = total.div_ceil(partitions.max(1) as u64).max(smallest.unwrap_or(u64::MAX).max(1));
    let mut pieces = Vec::with_capacity(inputs.len());
    for (input, size) in inputs.iter().zip(&sizes) {
        match (&input.place, size.plain) {
            (Place::File(path), Some(length)) if length > share => {
                pieces.extend(
                    cut(input, path, length, share)
                        .map_err(|error| Error::io(input.name.as_deref().unwrap_or("the input"), error))?,
                );
            }
            _ => pieces.push(Piece { input: Arc::clone(input), number: 0, range: None, weight: size.weight }),
        }
    }
    Ok(spread(pieces, partitions))
}

/// The heaviest first, each to whoever has least.
fn spread(pieces: Vec<Piece>, partitions: usize) -> Vec<Vec<Piece>> {
    let mut dealt: Vec<(u64, Vec<(usize, Piece)>)> = Vec::new();
    dealt.resize_with(partitions.min(pieces.len()).max(1), Default::default);
    let mut pieces: Vec<(usize, Piece)> = pieces.into_iter().enumerate().collect();
    pieces.sort_by_key(|(_, piece)| std::cmp::Reverse(piece.weight));
    for (order, piece) in pieces {
        // The count decides between inputs of no known size.
        let Some((weight, own)) = dealt.iter_mut().min_by_key(|(weight, own)| (*weight, own.len())) else {
            break;
        };
        *weight += piece.weight;
        own.push((order, piece));
    }
    dealt
        .into_iter()
        .map(|(_, mut own)| {
            own.sort_by_key(|(order, _)| *order);
            own.into_iter().map(|(_, piece)| piece).collect()
        })
        .collect()
}

struct Size {
    /// In bytes, where it can be cut.
    plain: Option<u64>,
    weight: u64,
}

fn size(input: &LogInput) -> Result<Size> {
    let Place::File(path) = &input.place else { return Ok(Size { plain: None, weight: 0 }) };
    let opened = Source::path(path).open()?;
    let length = opened.total_bytes().unwrap_or(0);
    Ok(match opened.codec() {
        Codec::Plain => Size { plain: Some(length), weight: length },
        _ => Size { plain: None, weight: length.saturating_mul(DECOMPRESSION) },
    })
}

/// Cuts a plain file where lines end, about every `share` bytes.
fn cut(input: &Arc<LogInput>, path: &Path, length: u64, share: u64) -> io::Result<Vec<Piece>> {
    let mut file = File::open(path)?;
    let (mut starts, mut at) = (vec![0], share);
    while at < length {
        let Some(start) = line_start(&mut file, at)?.filter(|start| *start < length) else { break };
        starts.push(start);
        at = (at + share).max(start + 1);
    }
    let ends = starts[1..].iter().copied().map(Some).chain([None]);
    let ranges = starts.iter().zip(ends);
    Ok(ranges
        .enumerate()
        .map(|(number, (&start, end))| Piece {
            input: Arc::clone(input),
            number,
            range: Some(Range { start, end }),
            weight: end.unwrap_or(length) - start,
        })
        .collect())
}

/// Where the first line starts that does not start before `at`; none where no line ends any more.
fn line_start(file: &mut File, at: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 64 << 10];
    let mut place = at - 1;
    file.seek(SeekFrom::Start(place))?;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if let Some(newline) = buffer[..count].iter().position(|&byte| byte == b'\n') {
            return Ok(Some(place + newline as u64 + 1));
        }
        place += count as u64;
    }
}
