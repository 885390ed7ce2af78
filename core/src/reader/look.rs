//! A first look at each input: in which format it is, and whether the formats go together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::go_on;
use crate::chunk::start_of_text;
use crate::decoder::SAMPLE;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Detection, LogFormat};
use crate::options::ParseOptions;
use crate::schema::Column;
use crate::source::{Input, Source};

/// An input that was looked at.
pub(super) struct Known {
    pub(super) name: Option<Arc<str>>,
    pub(super) place: Place,
    /// None where there was nothing to tell by, or no built-in format fits.
    pub(super) format: Option<LogFormat>,
}

impl Known {
    /// Whether a column of the run's format is not one of this input's, and so null.
    pub(super) fn lacks(&self, column: &Column, of: &LogFormat) -> bool {
        self.format.as_ref().is_some_and(|own| has_column(of, column) && !has_column(own, column))
    }

    fn called(&self) -> String {
        self.name
            .as_deref()
            .map_or_else(|| "standard input".to_owned(), |name| name.escape_debug().to_string())
    }
}

pub(super) enum Place {
    /// Still to be opened.
    Closed(Source),
    /// Opened, and perhaps looked at.
    Opened(Input, Head),
}

/// What was read of an input to detect its format.
#[derive(Default)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// How many of them have been given on.
    at: usize,
    /// The error that ended the input.
    pub(super) failed: Option<Error>,
}

impl Head {
    /// Gives as many bytes as there is room for.
    pub(super) fn give(&mut self, space: &mut [u8]) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        if self.at == self.bytes.len() {
            (self.bytes, self.at) = (Vec::new(), 0);
        }
        count
    }
}

/// Opens the first source at once, so that a missing file is an error before anything is written.
pub(super) fn place(source: Source, number: usize) -> Result<Place> {
    Ok(if number == 0 { Place::Opened(source.open()?, Head::default()) } else { Place::Closed(source) })
}

/// Reads the beginning of a source and detects its format: none where there is no line to tell by, an error where no
/// built-in format fits. `sample` is memory to read into.
///
/// # Errors
/// When the source cannot be opened, is UTF-16, or fails before anything can be told.
pub(super) fn look(
    source: Source,
    number: usize,
    sample: &mut Vec<u8>,
    stop: &AtomicBool,
) -> Result<(Place, Option<Result<Detection>>)> {
    let (again, name) = (source.again(), source.name());
    let named = |error: Error| match &name {
        Some(name) => error.with_file(name.as_ref()),
        None => error,
    };
    let mut input = source.open()?;
    let mut most = SAMPLE;
    sample.resize(most + 1, 0);
    let (mut filled, mut whole, mut failed) = (0, 0, None);
    while filled < most && failed.is_none() {
        go_on(stop)?;
        match input.read_into(&mut sample[filled..most]) {
            Ok(0) => {
                // The last line is a whole one; detection leaves out one that has no end.
                sample[filled] = b'\n';
                whole = 1;
                break;
            }
            Ok(count) => filled += count,
            Err(error) => failed = Some(error),
        }
        if filled == SAMPLE && most == SAMPLE && memchr::memchr(b'\n', &sample[..filled]).is_none() {
            // A long first line: far enough to see what comes behind the longest that is one.
            most = SAMPLE + ParseOptions::MAX_LINE;
            sample.resize(most + 1, 0);
        }
    }
    let head = &sample[..filled];
    start_of_text(head).map_err(named)?;
    let found = match LogFormat::detect(&sample[..filled + whole]) {
        Ok(detection) if detection.lines == 0 => None,
        other => Some(other.map_err(named)),
    };
    if !matches!(found, Some(Ok(_))) {
        // Where nothing could be told, it is for this reason. The lines that could be read come before it otherwise.
        if let Some(error) = failed.take() {
            return Err(error);
        }
    }
    let place = match again {
        Some(again) if number > 0 => Place::Closed(again),
        _ => Place::Opened(input, Head { bytes: head.to_vec(), at: 0, failed }),
    };
    Ok((place, found))
}

/// The one of several formats that has all columns of the others.
///
/// # Errors
/// [`ErrorKind::Format`] when there is none.
pub(super) fn widest(inputs: &[Known]) -> Result<Option<LogFormat>> {
    let formats = || inputs.iter().filter_map(|input| Some((input, input.format.as_ref()?)));
    // The first of the widest: `max_by_key` would take the last.
    let Some((wide_input, wide)) = formats().rev().max_by_key(|(_, format)| format.columns().count()) else {
        return Ok(None);
    };
    for (input, format) in formats() {
        if let Some(missing) = format.columns().find(|column| !has_column(wide, column)) {
            let message = format!(
                "{} is in the format {format} and {} in {wide}, which has no column {}",
                input.called(),
                wide_input.called(),
                missing.name
            );
            return Err(Error::new(ErrorKind::Format, message)
                .with_hint("read them in two runs, or force one format"));
        }
    }
    Ok(Some(wide.clone()))
}

fn has_column(format: &LogFormat, column: &Column) -> bool {
    format.columns().any(|own| own.name == column.name && own.column_type == column.column_type)
}
