//! `--rejects FILE`: the lines that are no rows, as newline-delimited JSON.

use std::path::Path;

use nasalogs::{Error, ErrorKind, Reject, Result};
use serde::Serialize;

use crate::interrupt::{Held, Stop};
use crate::output::Output;

/// A file of rejected lines. Clones write to the same file.
#[derive(Clone)]
pub struct RejectFile(Held<Writer>);

struct Writer {
    output: Output,
    buffer: Vec<u8>,
    /// Whether there is something that may not be on the disk.
    is_fresh: bool,
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
    pub fn create(path: &Path, stop: &Stop) -> Result<Self> {
        let output = Output::create(path)?;
        Ok(Self(Held::new(Writer { output, buffer: Vec::new(), is_fresh: false }, stop)))
    }

    /// Opens it to add lines to those that are there: for a run that goes on where another ended.
    ///
    /// # Errors
    /// As [`Output::append`] has them.
    pub fn append(path: &Path, stop: &Stop) -> Result<Self> {
        let output = Output::append(path)?;
        Ok(Self(Held::new(Writer { output, buffer: Vec::new(), is_fresh: false }, stop)))
    }

    /// Brings all lines to the disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn sync(&self) -> Result<()> {
        self.0.with(|writer| {
            if !writer.is_fresh {
                return Ok(());
            }
            writer.drain()?;
            writer.output.sync()?;
            writer.is_fresh = false;
            Ok(())
        })
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
        self.0.with(|writer| {
            serde_json::to_writer(&mut writer.buffer, &row)
                .map_err(|error| Error::new(ErrorKind::Sink, error.to_string()))?;
            writer.buffer.push(b'\n');
            writer.is_fresh = true;
            if writer.buffer.len() >= Self::BUFFER { writer.drain() } else { Ok(()) }
        })
    }

    /// Makes the file appear. Nothing can be added to it, nor to its clones, afterwards.
    ///
    /// # Errors
    /// When the last lines cannot be written.
    pub fn finish(&self) -> Result<()> {
        self.0.finish(|mut writer| {
            writer.drain()?;
            writer.output.finish()
        })
    }
}

impl Writer {
    fn drain(&mut self) -> Result<()> {
        self.output.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
