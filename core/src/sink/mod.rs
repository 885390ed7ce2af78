//! Where batches go: Parquet, Arrow IPC, NDJSON, CSV; to a file, to a table partitioned by day, or to a stream.
//!
//! Nothing becomes visible before [`BatchSink::finish`] has succeeded: a sink that is dropped leaves nothing behind.
//!
//! ```
//! # use std::sync::Arc;
//! use nasalogs::arrow::array::{Int16Array, RecordBatch};
//! use nasalogs::sink::{self, Output, OutputFormat, SinkOptions};
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("status.csv");
//! let batch = RecordBatch::try_from_iter([("status", Arc::new(Int16Array::from(vec![200, 404])) as _)])?;
//! let options = SinkOptions::new(OutputFormat::from_path(&path)?);
//! let mut sink = sink::create(Output::file(&path), batch.schema(), &options)?;
//! sink.write(&batch)?;
//! assert!(!path.exists());
//! assert_eq!(sink.finish()?.bytes, 15);
//! assert_eq!(std::fs::read_to_string(&path).unwrap(), "status\n200\n404\n");
//! # Ok::<(), nasalogs::Error>(())
//! ```

mod atomic;
#[cfg(feature = "ipc")]
mod compact;
#[cfg_attr(not(feature = "parquet"), allow(dead_code))]
mod compression;
#[cfg(feature = "csv")]
mod csv;
// Without formats, what they stand on is not used.
#[cfg_attr(
    not(any(feature = "parquet", feature = "ipc", feature = "ndjson", feature = "csv")),
    allow(dead_code)
)]
mod failure;
#[cfg(feature = "ipc")]
mod ipc;
#[cfg(feature = "ndjson")]
pub(crate) mod ndjson;
mod option;
mod out;
#[cfg(feature = "parquet")]
pub mod parquet;
#[cfg(feature = "parquet")]
mod parquet_file;
mod partition;
#[cfg(any(feature = "ndjson", feature = "csv"))]
mod plain;

use std::io::Write;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use atomic::AtomicFile;
pub use compression::Compression;
pub use option::{OutputFormat, SinkOptions};
#[cfg(feature = "intake")]
pub(crate) use partition::DaySplitter;
pub use partition::{PartitionOptions, PartitionTz, PartitionedSink, StagedFile, WriteMode};

use crate::error::{Error, ErrorKind, Result};
use out::Out;

/// Takes batches, one after the other, and makes them visible at the end.
pub trait BatchSink: Send {
    /// Writes the rows of a batch. After an error the sink can only be dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the output cannot be written ([`Error::io_error`] tells a broken pipe);
    /// [`ErrorKind::Sink`] when the columns are not those of the sink, or the format cannot hold them.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Completes the output and makes it visible. Without this call nothing is left behind.
    ///
    /// # Errors
    /// As [`BatchSink::write`]; nothing has become visible then.
    fn finish(self: Box<Self>) -> Result<Finished>;
}

/// What a sink wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// How many bytes, in all files together.
    pub bytes: u64,
    /// The files, in the order in which they were completed; none for a stream.
    pub files: Vec<PathBuf>,
}

/// Where the output of a run goes.
#[non_exhaustive]
pub enum Output {
    /// Standard output, as it comes. Arrow is written in its streaming format.
    Stdout,
    /// Any writer, as it comes. Arrow is written in its streaming format.
    Writer(Box<dyn Write + Send>),
    /// One file.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether a file that exists is replaced.
        overwrite: bool,
    },
    /// A table: a directory with a directory for each day.
    Partitioned {
        /// The table's directory.
        dir: PathBuf,
        /// How it is partitioned.
        options: PartitionOptions,
    },
}

impl Output {
    /// A file that must not exist yet.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File { path: path.into(), overwrite: false }
    }
}

/// Creates the sink for an output. The schema is that of the batches.
///
/// # Errors
/// [`ErrorKind::Io`] when the output exists already or cannot be created; [`ErrorKind::Options`] when the options do
/// not fit together or this build lacks the format; [`ErrorKind::Sink`] when the format cannot hold the schema.
pub fn create(output: Output, schema: SchemaRef, options: &SinkOptions) -> Result<Box<dyn BatchSink>> {
    options.validate()?;
    let (out, path) = match output {
        Output::Stdout => (Out::stdout(), None),
        Output::Writer(writer) => (Out::stream(writer, "output"), None),
        Output::File { path, overwrite } => (Out::atomic(AtomicFile::create(&path, overwrite)?), Some(path)),
        Output::Partitioned { dir, options: partition } => {
            return Ok(Box::new(PartitionedSink::try_new(dir, schema, partition, options.clone())?));
        }
    };
    let writer = writer(out, &schema, options)?;
    Ok(Box::new(SingleSink { schema, writer, path }))
}

/// One format on one output.
trait Writer: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Bytes of memory that are held until more rows come.
    fn buffered(&self) -> usize {
        0
    }

    /// Gives that memory back, at the price of what it would have been good for.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }

    /// Completes the format, and gives the output back: it is complete, but not yet visible.
    fn finish(self: Box<Self>) -> Result<Out>;
}

/// Starts a format on an output.
fn writer(out: Out, schema: &SchemaRef, options: &SinkOptions) -> Result<Box<dyn Writer>> {
    match options.format {
        #[cfg(feature = "parquet")]
        OutputFormat::Parquet => Ok(Box::new(parquet_file::ParquetFile::try_new(out, schema, options)?)),
        #[cfg(feature = "ipc")]
        OutputFormat::Arrow => ipc::writer(out, schema),
        #[cfg(feature = "ndjson")]
        OutputFormat::Ndjson => Ok(Box::new(ndjson::Ndjson::new(out))),
        #[cfg(feature = "csv")]
        OutputFormat::Csv => Ok(Box::new(csv::Csv::try_new(out, schema, options.csv_safe)?)),
        #[allow(unreachable_patterns, reason = "reached when a format's feature is off")]
        other => {
            let _ = (out, schema);
            Err(Error::new(ErrorKind::Options, format!("this build cannot write {}", other.as_str()))
                .with_hint("build with the format's feature, or choose another format"))
        }
    }
}

/// A sink that is one output.
struct SingleSink {
    schema: SchemaRef,
    writer: Box<dyn Writer>,
    path: Option<PathBuf>,
}

impl BatchSink for SingleSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        same_columns(&self.schema, batch)?;
        self.writer.write(batch)
    }

    fn finish(self: Box<Self>) -> Result<Finished> {
        let bytes = self.writer.finish()?.commit()?;
        Ok(Finished { bytes, files: self.path.into_iter().collect() })
    }
}

/// Not every library checks it, and a file with two kinds of batches cannot be read.
fn same_columns(schema: &SchemaRef, batch: &RecordBatch) -> Result<()> {
    let other = batch.schema_ref();
    if std::sync::Arc::ptr_eq(schema, other) || schema.fields() == other.fields() {
        return Ok(());
    }
    let list = |schema: &SchemaRef| {
        let fields: Vec<String> =
            schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        fields.join(", ")
    };
    Err(Error::new(
        ErrorKind::Sink,
        format!("a batch has other columns than the output: {} instead of {}", list(other), list(schema)),
    ))
}

#[cfg(test)]
mod tests;
