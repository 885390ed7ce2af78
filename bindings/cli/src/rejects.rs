//! `--rejects FILE`: the lines that are no rows, as newline-delimited JSON.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nasalogs::{Reject, Result};
use serde::Serialize;

use crate::output::Output;

/// A file of rejected lines. Clones write to the same file.
#[derive(Debug, Clone)]
pub struct RejectFile(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    output: Output,
    buffer: Vec<u8>,
}

/// One line of the file.
#[derive(Serialize)]
struct Row<'a> {
    file: Option<&'a str>,
    line: u64,
    offset: u64,
    reason: &'static str,
    raw: String,
}

impl RejectFile {
    const BUFFER: usize = 64 << 10;

    /// Opens it.
    ///
    /// # Errors
    /// As [`Output::create`] has them.
    pub fn create(path: &Path) -> Result<Self> {
        let output = Output::create(path)?;
        Ok(Self(Arc::new(Mutex::new(Writer { output, buffer: Vec::new() }))))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&self, reject: &Reject) -> Result<()> {
        let row = Row {
            file: reject.file.as_deref(),
            line: reject.line,
            offset: reject.offset,
            reason: reject.reason.as_str(),
            raw: reject.text(),
        };
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_writer(&mut writer.buffer, &row)
            .map_err(|error| nasalogs::Error::io("rejects", io::Error::from(error)))?;
        writer.buffer.push(b'\n');
        if writer.buffer.len() >= Self::BUFFER { writer.drain() } else { Ok(()) }
    }

    /// Makes the file appear. Nothing can be added to it, nor to its clones, afterwards.
    ///
    /// # Errors
    /// When the last lines cannot be written.
    pub fn finish(self) -> Result<()> {
        let writer =
            Arc::into_inner(self.0).map(|lock| lock.into_inner().unwrap_or_else(PoisonError::into_inner));
        let Some(mut writer) = writer else { return Ok(()) };
        writer.drain()?;
        writer.output.finish()
    }
}

impl Writer {
    fn drain(&mut self) -> Result<()> {
        self.output.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
