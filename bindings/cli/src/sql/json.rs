//! One JSON array: the objects that NDJSON has, with commas between them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use nasalogs::Result;
use nasalogs::arrow::array::RecordBatch;
use nasalogs::arrow::datatypes::SchemaRef;
use nasalogs::sink::{self, BatchSink, Finished, OutputFormat, SinkOptions};

use crate::output::Output;
use crate::terminal::Terminal;

/// Writes an array.
pub struct JsonArray {
    /// There until it is finished.
    lines: Option<Box<dyn BatchSink>>,
    written: Lines,
    out: Output,
    /// Whether control characters are to be shown.
    shown: bool,
    /// Whether there is an object before the next one.
    begun: bool,
    bytes: u64,
}

/// The lines that were written and not taken yet.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl JsonArray {
    /// Begins it.
    ///
    /// # Errors
    /// When JSON cannot hold such columns.
    pub fn try_new(out: Output, schema: &SchemaRef, shown: bool) -> Result<Self> {
        let written = Lines::default();
        let place = sink::Output::Writer(Box::new(written.clone()));
        let lines = sink::create(place, schema.clone(), &SinkOptions::new(OutputFormat::Ndjson))?;
        Ok(Self { lines: Some(lines), written, out, shown, begun: false, bytes: 0 })
    }

    fn pass(&mut self) -> Result<()> {
        let lines = self.written.take();
        let mut text = Vec::with_capacity(lines.len() + lines.len() / 16);
        // A line feed in a text is escaped: those that are there end objects.
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            text.extend_from_slice(if self.begun { b",\n" } else { b"[\n" });
            text.extend_from_slice(line);
            self.begun = true;
        }
        self.put(&text)
    }

    fn put(&mut self, text: &[u8]) -> Result<()> {
        self.bytes += text.len() as u64;
        if !self.shown {
            return self.out.write(text);
        }
        let mut harmless = Vec::new();
        // Nothing is written but to memory.
        let _ = Terminal::new(&mut harmless).write_all(text);
        self.out.write(&harmless)
    }
}

impl BatchSink for JsonArray {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(lines) = &mut self.lines {
            lines.write(batch)?;
        }
        self.pass()
    }

    fn finish(self: Box<Self>) -> Result<Finished> {
        let mut array = *self;
        if let Some(lines) = array.lines.take() {
            lines.finish()?;
        }
        array.pass()?;
        array.put(if array.begun { b"\n]\n" } else { b"[]\n" })?;
        let mut finished = Finished::default();
        finished.bytes = array.bytes;
        array.out.finish()?;
        Ok(finished)
    }
}
