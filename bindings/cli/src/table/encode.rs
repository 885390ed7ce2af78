//! From the bytes of a roll to files of days.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use nasalogs::arrow::array::{AsArray, RecordBatch};
use nasalogs::arrow::datatypes::{Int64Type, SchemaRef};
use nasalogs::envelope::{LineId, LineIdColumn, SourceId};
use nasalogs::schema::BYTE_OFFSET;
use nasalogs::sink::{BatchSink, OutputFormat, PartitionOptions, PartitionedSink, SinkOptions, StagedFile};
use nasalogs::{Decoder, Error, ErrorKind, Extras, LogFormat, ParseOptions, Result};

use super::roll::{Roll, spool_error};
use super::{Counts, Options, RejectSink};
use crate::stream::spool::Identities;

/// How much of a roll its format is detected from.
const SAMPLE: usize = 256 << 10;

/// Writes the files of a roll into an empty directory. `known` is the format of the
/// rolls before, for one that has no line to tell by.
pub(super) fn encode(
    roll: &mut Roll,
    directory: &Path,
    options: &Options,
    known: &mut Option<LogFormat>,
    rejects: &mut dyn RejectSink,
) -> Result<(Vec<StagedFile>, Counts)> {
    let source = roll.source();
    let places =
        Places { source, segments: roll.segments().to_vec(), identities: roll.identities().cloned() };
    let mut counts = Counts { rolls: 1, bytes_in: roll.end() - roll.begin(), ..Counts::default() };
    for reject in roll.take_long() {
        counts.lines += 1;
        counts.rejected += 1;
        rejects.add(source, reject)?;
    }
    let (name, file) = (name_of(roll), Arc::clone(roll.file()));
    let is_first = roll.begin() == 0;
    let spool = roll.open()?;
    let mut buffer = vec![0; SAMPLE];
    let mut filled = fill(spool, &mut buffer)?;
    // A mark that opens a file of text is one only there; and lines that look like UTF-16 are rejected lines here.
    let is_utf16 = buffer.starts_with(&[0xFF, 0xFE]) || buffer.starts_with(&[0xFE, 0xFF]);
    let guard = u64::from(!is_first || is_utf16);
    let format = match &options.format {
        Some(format) => format.clone(),
        None => detect(&buffer[..filled], known),
    };
    let extras = Extras { byte_offset: true, ..Extras::default() };
    let parse = ParseOptions::new().with_format(format).with_encoding(options.encoding).with_extras(extras);
    let mut decoder = Decoder::new(parse)?;
    let mut sink: Option<PartitionedSink> = None;
    if guard == 1 {
        decoder.push(b"\n")?;
    }
    loop {
        let mut bytes = &buffer[..filled];
        let is_end = bytes.is_empty();
        if is_end {
            decoder.finish()?;
        }
        loop {
            if !bytes.is_empty() {
                bytes = &bytes[decoder.push(bytes)?..];
            }
            while let Some(batch) = decoder.next_batch() {
                let batch = places.identify(&batch, guard)?;
                let sink = match &mut sink {
                    Some(sink) => sink,
                    None => sink.insert(create(directory, batch.schema(), &name, options)?),
                };
                sink.write(&batch)?;
            }
            for mut reject in decoder.take_rejects() {
                reject.offset = places.offset(reject.offset - guard);
                reject.line = 0;
                reject.file = Some(Arc::clone(&file));
                rejects.add(source, reject)?;
            }
            if bytes.is_empty() {
                break;
            }
        }
        if is_end {
            break;
        }
        filled = fill(spool, &mut buffer)?;
    }
    let seen = decoder.counts();
    counts.lines += seen.lines - guard;
    counts.rows += seen.rows;
    counts.rejected += seen.rejected();
    counts.blanks += seen.blanks - guard;
    let files = match sink {
        Some(sink) => sink.stage()?,
        None => Vec::new(),
    };
    Ok((files, counts))
}

/// What the files of a roll are called.
fn name_of(roll: &Roll) -> String {
    // As long as the longest, so that names sort as offsets do.
    format!("{}-{:020}-{:020}", roll.source(), roll.begin(), roll.end())
}

fn create(directory: &Path, schema: SchemaRef, name: &str, options: &Options) -> Result<PartitionedSink> {
    let partition = PartitionOptions::new().with_tz(options.tz).with_name(name);
    let sink = SinkOptions::new(OutputFormat::Parquet).with_compression(options.compression);
    PartitionedSink::try_new(directory, schema, partition, sink)
}

/// The format of some lines; that of lines before, where none of these tells.
fn detect(sample: &[u8], known: &mut Option<LogFormat>) -> LogFormat {
    match LogFormat::detect(sample) {
        Ok(detection) if detection.lines > 0 => known.insert(detection.format).clone(),
        _ => known.clone().unwrap_or_else(LogFormat::common),
    }
}

fn fill(spool: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match spool.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(spool_error(error)),
        }
    }
    Ok(filled)
}

/// Where bytes of a roll lie in their source.
struct Places {
    source: SourceId,
    segments: Vec<(u64, u64)>,
    identities: Option<Arc<Identities>>,
}

impl Places {
    fn offset(&self, place: u64) -> u64 {
        let after = self.segments.partition_point(|(begin, _)| *begin <= place);
        match after.checked_sub(1).and_then(|at| self.segments.get(at)) {
            Some((begin, offset)) => offset + (place - begin),
            None => place,
        }
    }

    fn id(&self, offset: u64) -> LineId {
        match &self.identities {
            Some(identities) => identities.of(offset),
            None => LineId { source: self.source, offset },
        }
    }

    /// The batch with ids of lines instead of places.
    fn identify(&self, batch: &RecordBatch, guard: u64) -> Result<RecordBatch> {
        let places = batch.column_by_name(&BYTE_OFFSET.name);
        let places = places.and_then(|column| column.as_primitive_opt::<Int64Type>()).ok_or_else(lacks)?;
        let mut ids = LineIdColumn::with_capacity(places.len());
        for place in places.values() {
            let place = u64::try_from(*place).unwrap_or_default().saturating_sub(guard);
            ids.push(self.id(self.offset(place)));
        }
        ids.replace(batch, &BYTE_OFFSET.name)
    }
}

fn lacks() -> Error {
    Error::new(ErrorKind::Sink, "a batch does not say where its lines lie")
}
