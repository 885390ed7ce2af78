//! Standard output as a destination: text as it is, everything else as JSON.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use nasalogs::envelope::{RecordForm, SourceId, StreamRecord};
use nasalogs::{Error, ErrorKind, Result};
use serde::Serialize;

use super::line::{Fate, LineDestination, SourceLine};
use super::packer::Packer;
use super::report::Delivered;

/// Lines and objects on standard output, one a line. Records that are no text are JSON objects such as `aws kinesis
/// put-records` takes: `Data` in Base64, `PartitionKey`, `ExplicitHashKey`.
pub(super) struct Standard<W> {
    output: W,
    packer: Packer,
    form: RecordForm,
    start: Instant,
    buffer: Vec<u8>,
    /// Up to where each source was taken, and up to where it was written.
    sources: HashMap<SourceId, (u64, u64)>,
    /// Lines that are in the buffer.
    waiting: u64,
    delivered: Delivered,
}

/// How many bytes are written at once.
const BUFFER: usize = 64 << 10;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    data: String,
    partition_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<String>,
}

impl<W: Write> Standard<W> {
    pub(super) fn new(output: W, packer: Packer, form: RecordForm) -> Self {
        let delivered = Delivered { duplicates_removable: packer.has_ids(), ..Delivered::default() };
        Self {
            output,
            packer,
            form,
            start: Instant::now(),
            buffer: Vec::with_capacity(BUFFER),
            sources: HashMap::new(),
            waiting: 0,
            delivered,
        }
    }

    fn add(&mut self, record: &StreamRecord) -> Result<()> {
        self.delivered.records += 1;
        self.delivered.bytes += record.size() as u64;
        self.waiting += record.span.lines;
        if self.form == RecordForm::Ndjson {
            self.buffer.extend_from_slice(&record.data);
            return Ok(());
        }
        let row = Row {
            data: base64_simd::STANDARD.encode_to_string(&record.data),
            partition_key: &record.partition_key,
            explicit_hash_key: record.explicit_hash_key.map(|key| key.to_string()),
        };
        serde_json::to_writer(&mut self.buffer, &row)
            .map_err(|error| Error::new(ErrorKind::Delivery, error.to_string()))?;
        self.buffer.push(b'\n');
        Ok(())
    }

    fn collect(&mut self) -> Result<()> {
        while let Some(record) = self.packer.next_record() {
            self.add(&record)?;
        }
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Everything that is packed is written.
    fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            let written = self.output.write_all(&self.buffer).and_then(|()| self.output.flush());
            written.map_err(|error| Error::io("standard output", error))?;
            self.buffer.clear();
            self.delivered.acknowledged += std::mem::take(&mut self.waiting);
            self.delivered.acknowledged_records = self.delivered.records;
            self.delivered.acknowledged_bytes = self.delivered.bytes;
        }
        for (source, (taken, written)) in &mut self.sources {
            *written = self.packer.lowest(*source).unwrap_or(*taken);
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

impl<W: Write> LineDestination for Standard<W> {
    fn begin(&mut self, source: SourceId, offset: u64) {
        self.sources.insert(source, (offset, offset));
    }

    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate> {
        if self.form == RecordForm::Raw {
            self.buffer.extend_from_slice(line.bytes);
            self.buffer.push(b'\n');
            self.delivered.records += 1;
            self.delivered.bytes += line.bytes.len() as u64 + 1;
            self.waiting += 1;
        } else if self.form == RecordForm::Ndjson && line.bytes.iter().all(|byte| *byte == b' ') {
            return Ok(Fate::Blank);
        } else if let Err(refusal) = self.packer.push(self.now(), line) {
            return Ok(Fate::Rejected(refusal.reason()));
        }
        self.skip(line.id.source, line.id.offset..line.end);
        self.collect()?;
        Ok(Fate::Taken)
    }

    fn skip(&mut self, source: SourceId, bytes: Range<u64>) {
        if let Some((taken, _)) = self.sources.get_mut(&source) {
            *taken = bytes.end.max(*taken);
        }
    }

    fn work(&mut self, longest: Duration) -> Result<()> {
        self.packer.close_overdue(self.now());
        self.collect()?;
        if longest > Duration::ZERO {
            self.flush()?;
        }
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        let packer = self.packer.due().map(|due| due.saturating_sub(self.now()));
        if self.buffer.is_empty() { packer } else { Some(Duration::ZERO) }
    }

    fn pause(&mut self) {
        self.packer.pause(self.now());
    }

    fn drain(&mut self) -> Result<()> {
        self.packer.flush();
        self.collect()?;
        self.flush()
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.packer.is_empty()
    }

    fn acknowledged(&self, source: SourceId) -> Option<u64> {
        self.sources.get(&source).map(|(_, written)| *written)
    }

    fn forget(&mut self, source: SourceId) {
        self.sources.remove(&source);
    }

    fn delivered(&self) -> Delivered {
        self.delivered.clone()
    }
}

/// Standard output itself.
pub(super) fn standard(packer: Packer, form: RecordForm) -> Standard<io::Stdout> {
    Standard::new(io::stdout(), packer, form)
}
