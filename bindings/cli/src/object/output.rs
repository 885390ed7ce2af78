//! Batches to objects: a file, or a table of days.
//!
//! Everything is written to the disk first, in a directory for temporary files (`TMPDIR`), exactly as it would be
//! written there for good, and sent when it is complete: an object and a file of the same rows are the same bytes, the
//! bucket sees nothing of a run that fails, and memory does not grow with the output.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nasalogs::arrow::array::RecordBatch;
use nasalogs::arrow::datatypes::SchemaRef;
use nasalogs::sink::{
    self, BatchSink, Finished, Output, PartitionOptions, PartitionedSink, SinkOptions, WriteMode,
};
use nasalogs::{Error, ErrorKind, Result};
use tempfile::TempDir;

use super::store::{Presence, Store};
use super::upload::{Mode, Put};
use super::{Access, Location};

/// The object that says that a table is complete.
const SUCCESS: &str = "_SUCCESS";

/// Creates the sink for `s3://…`. What stands for a file or a table in `output` is a place in the bucket. The flag stops
/// what is being sent.
///
/// # Errors
/// When the store refuses, or the output exists and may not be replaced; and those of [`sink::create`].
pub fn sink(
    output: Output,
    access: &Access,
    schema: SchemaRef,
    options: &SinkOptions,
    stop: Arc<AtomicBool>,
) -> Result<Box<dyn BatchSink>> {
    let place = match &output {
        Output::File { path, .. } => path,
        Output::Partitioned { dir, .. } => dir,
        _ => return sink::create(output, schema, options),
    };
    let name = place.to_string_lossy().into_owned();
    let Location::Bucket { bucket, key } = Location::parse(&name)? else {
        return sink::create(output, schema, options);
    };
    let store = Store::open(&bucket, access)?;
    let staging = tempfile::Builder::new()
        .prefix("nasalogs.")
        .tempdir()
        .map_err(|error| staging_error(&name, Error::io(std::env::temp_dir().to_string_lossy(), error)))?;
    let (inner, what): (Box<dyn BatchSink>, What) = match output {
        Output::Partitioned { options: partition, .. } => {
            check_table(&store, &name, &key, partition.mode)?;
            let what = What::Table {
                mode: partition.mode,
                name: partition.name.clone(),
                extension: options.format.extension(),
            };
            let partition: PartitionOptions = partition.with_mode(WriteMode::Fail);
            let sink = PartitionedSink::try_new(staging.path(), schema, partition, options.clone())?;
            (Box::new(sink), what)
        }
        Output::File { overwrite, .. } => {
            if key.is_empty() || name.ends_with('/') {
                return Err(Error::new(ErrorKind::Options, "names no object")
                    .with_file(name)
                    .with_hint("write s3://BUCKET/KEY, or pass --partition-by dt to write a table"));
            }
            if matches!(store.presence(&key)?, Presence::There(_)) && !overwrite {
                return Err(exists(&name));
            }
            let local = Output::File { path: staging.path().join("output"), overwrite: true };
            let mode = if overwrite { Mode::Replace } else { Mode::Create };
            (sink::create(local, schema, options)?, What::Object { mode })
        }
        other => (sink::create(other, schema, options)?, What::Object { mode: Mode::Create }),
    };
    Ok(Box::new(ObjectSink { inner, staging, store, key, name, what, stop }))
}

/// What is sent.
enum What {
    Object { mode: Mode },
    Table { mode: WriteMode, name: String, extension: &'static str },
}

struct ObjectSink {
    /// Before the directory it writes to, so that its files are closed before they are removed.
    inner: Box<dyn BatchSink>,
    staging: TempDir,
    store: Store,
    /// The object, or what the table's keys begin with.
    key: String,
    /// The same for people.
    name: String,
    what: What,
    stop: Arc<AtomicBool>,
}

impl BatchSink for ObjectSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.inner.write(batch).map_err(|error| staging_error(&self.name, error))
    }

    fn finish(self: Box<Self>) -> Result<Finished> {
        let Self { inner, staging, store, key, name, what, stop } = *self;
        let written = inner.finish().map_err(|error| staging_error(&name, error))?;
        let mut finished = Finished::default();
        finished.bytes = written.bytes;
        match what {
            What::Object { mode } => {
                let file = staging.path().join("output");
                if store.put_file(&key, &file, mode, &stop)? == Put::WasThere {
                    return Err(exists(&name));
                }
                finished.files.push(PathBuf::from(name));
            }
            What::Table { mode, name, extension } => {
                let table = Table { store, key, mode, name, extension, stop };
                finished.files = table.send(staging.path(), &written.files)?;
            }
        }
        Ok(finished)
    }
}

/// A table on its way into a bucket.
struct Table {
    store: Store,
    key: String,
    mode: WriteMode,
    name: String,
    extension: &'static str,
    stop: Arc<AtomicBool>,
}

impl Table {
    /// Sends all files, then removes those that they replace; `_SUCCESS` comes last. When one cannot be sent, all that
    /// were are taken back.
    fn send(&self, staging: &std::path::Path, files: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let day_of = |file: &PathBuf| {
            let day = file.parent()?.strip_prefix(staging).ok()?.to_str()?;
            Some(self.at(day))
        };
        let files: Vec<(String, &PathBuf)> =
            files.iter().filter_map(|file| Some((day_of(file)?, file))).collect();
        let mut there = BTreeSet::new();
        if self.mode != WriteMode::Fail {
            let days: BTreeSet<&String> = files.iter().map(|(day, _)| day).collect();
            for day in days {
                self.store.list(&format!("{day}/"), true, |object| there.insert(object.key))?;
            }
        }
        let success = self.at(SUCCESS);
        let was_complete = matches!(self.store.presence(&success)?, Presence::There(_));
        if was_complete {
            self.store.delete(&success)?;
        }
        let mut sent = Vec::new();
        if let Err(error) = self.send_all(&files, &there, &mut sent) {
            for key in &sent {
                let _ = self.store.delete(key);
            }
            if was_complete {
                let _ = self.store.put(&success, Vec::new(), Mode::Replace);
            }
            return Err(error);
        }
        if self.mode == WriteMode::Overwrite {
            for key in &there {
                self.store.delete(key).map_err(|error| {
                    error.with_hint(
                        "the new objects are in place: remove this one by hand, or its day counts twice",
                    )
                })?;
            }
        }
        self.store.put(&success, Vec::new(), Mode::Replace).map_err(|error| {
            error.with_hint("the table is complete, only this mark is missing: create it by hand")
        })?;
        Ok(sent.iter().map(|key| PathBuf::from(self.store.name(key))).collect())
    }

    fn send_all(
        &self,
        files: &[(String, &PathBuf)],
        there: &BTreeSet<String>,
        sent: &mut Vec<String>,
    ) -> Result<()> {
        // How many names of a day were tried.
        let mut tried: HashMap<&String, u64> = HashMap::new();
        for (day, file) in files {
            let next = tried.entry(day).or_default();
            loop {
                let key = match *next {
                    0 => format!("{day}/{}.{}", self.name, self.extension),
                    number => format!("{day}/{}-{number}.{}", self.name, self.extension),
                };
                *next += 1;
                if there.contains(&key) {
                    continue;
                }
                if self.store.put_file(&key, file, Mode::Create, &self.stop)? == Put::Done {
                    sent.push(key);
                    break;
                }
                // A name that is taken is passed over, but in a new table another run must have taken it.
                if self.mode == WriteMode::Fail {
                    return Err(exists(&self.store.name(&key)));
                }
            }
        }
        Ok(())
    }

    fn at(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}/{name}", self.key) }
    }
}

/// A new table must not be there.
fn check_table(store: &Store, name: &str, key: &str, mode: WriteMode) -> Result<()> {
    let mut is_empty = true;
    let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
    store.list(&prefix, false, |_| {
        is_empty = false;
        false
    })?;
    if mode == WriteMode::Fail && !is_empty {
        return Err(Error::new(ErrorKind::Io, "there are objects under this prefix")
            .with_file(name)
            .with_hint(
                "pass --overwrite to replace the days that are written, --append to add to them, or choose another \
                 prefix",
            )
            .with_source(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    Ok(())
}

fn exists(name: &str) -> Error {
    Error::new(ErrorKind::Io, "exists already")
        .with_file(name)
        .with_hint("pass --overwrite to replace it, or choose another name")
        .with_source(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// Says that the disk of this machine is meant, not the store.
fn staging_error(name: &str, error: Error) -> Error {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.io_error().map(io::Error::kind) {
        Some(StorageFull | QuotaExceeded | FileTooLarge | PermissionDenied | ReadOnlyFilesystem) => {
            let message = format!("{}, in the directory for temporary files", error.message());
            Error::new(ErrorKind::Io, message)
                .with_file(name)
                .with_hint(format!(
                    "what is sent is written to {} first: make room there, or set TMPDIR",
                    std::env::temp_dir().display()
                ))
                .with_source(error)
        }
        _ => error,
    }
}
