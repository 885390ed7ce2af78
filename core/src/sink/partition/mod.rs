//! A table partitioned by day, as Hive, Athena, Spark and DuckDB read it: `<table>/dt=YYYY-MM-DD/<name>.parquet`.
//!
//! All files are written into a directory of the table that query engines do not look into (its name begins with `_`),
//! and moved into their places only at the end; `_SUCCESS` comes last.

mod commit;
mod day;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tempfile::TempDir;

use super::failure::Label;
use super::out::Out;
use super::{BatchSink, Finished, SinkOptions, Writer, same_columns, writer};
use crate::error::{Error, ErrorKind, Result};
use crate::options::named;
use commit::Staged;
use day::Day;
pub(crate) use day::DaySplitter;

/// In which time zone a day begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PartitionTz {
    /// UTC: the days of the column `ts`.
    #[default]
    Utc,
    /// The offset that each line was logged with, in the column `tz_offset`.
    Log,
}

named!(PartitionTz, "time zone of partitions", { "utc" => Utc, "log" => Log });

/// What becomes of a table that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WriteMode {
    /// It is an error, unless it is an empty directory.
    #[default]
    Fail,
    /// The days that are written replace those that were there; other days stay.
    Overwrite,
    /// Files are added.
    Append,
}

named!(WriteMode, "write mode", { "fail" => Fail, "overwrite" => Overwrite, "append" => Append });

/// How a table is partitioned.
///
/// ```
/// use nasalogs::sink::{PartitionOptions, PartitionTz, WriteMode};
/// let options = PartitionOptions::new().with_tz(PartitionTz::Log).with_mode(WriteMode::Append);
/// assert_eq!(options.by, "ts");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartitionOptions {
    /// The column whose day names the partition: milliseconds, UTC.
    pub by: String,
    /// In which time zone a day begins.
    pub tz: PartitionTz,
    /// What becomes of a table that exists.
    pub mode: WriteMode,
    /// How many files are open at once, and so how much memory is used. A day that comes back after its file was
    /// closed gets a second file.
    pub max_open: usize,
    /// How many days one run may write: a bound on directories that a log with a broken clock would make.
    pub max_days: usize,
    /// The name of the files, without extension. Further files of a day are called `<name>-1`, `<name>-2` …
    pub name: String,
    /// The columns to write; `None` means all. The columns that the day is made from need not be among them.
    pub columns: Option<Vec<String>>,
}

impl PartitionOptions {
    /// The defaults: by `ts`, in UTC, a new table, 64 open files, 10,000 days, files called `part`, all columns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the time zone.
    #[must_use]
    pub fn with_tz(mut self, tz: PartitionTz) -> Self {
        self.tz = tz;
        self
    }

    /// Chooses what becomes of a table that exists.
    #[must_use]
    pub fn with_mode(mut self, mode: WriteMode) -> Self {
        self.mode = mode;
        self
    }

    /// Bounds the number of open files.
    #[must_use]
    pub fn with_max_open(mut self, files: usize) -> Self {
        self.max_open = files.max(1);
        self
    }

    /// Bounds the number of days.
    #[must_use]
    pub fn with_max_days(mut self, days: usize) -> Self {
        self.max_days = days;
        self
    }

    /// Names the files.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Chooses the columns to write.
    #[must_use]
    pub fn with_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }
}

impl Default for PartitionOptions {
    fn default() -> Self {
        Self {
            by: crate::schema::TS.name.into_owned(),
            tz: PartitionTz::default(),
            mode: WriteMode::default(),
            max_open: 64,
            max_days: 10_000,
            name: "part".to_owned(),
            columns: None,
        }
    }
}

/// How many bytes of memory all open files together may hold for rows to come.
const MOST_BUFFERED: usize = 48 << 20;

/// Writes a table: see [`Output::Partitioned`](super::Output::Partitioned).
///
/// Rows of a day keep their order. Files of days hold all written columns; the day itself is only in the directory's
/// name, as the column `dt` of the table. Where a row has no time, that is Hive's `__HIVE_DEFAULT_PARTITION__`.
///
/// Dropped without [`BatchSink::finish`] it leaves nothing behind.
pub struct PartitionedSink {
    schema: SchemaRef,
    /// The written columns' places in the schema, and their schema; `None` when it is all of them.
    written: Option<(Vec<usize>, SchemaRef)>,
    splitter: DaySplitter,
    sink_options: SinkOptions,
    options: PartitionOptions,
    /// The least recently used one first. Before `staging`, so that files are closed before they are removed.
    open: Vec<OpenFile>,
    staged: Vec<Staged>,
    days: std::collections::HashSet<Day>,
    files: u64,
    staging: TempDir,
    table: Table,
}

struct OpenFile {
    day: Day,
    path: PathBuf,
    writer: Box<dyn Writer>,
}

impl PartitionedSink {
    /// Starts a table in a directory, which is created if it does not exist. The schema is that of the batches.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when the schema lacks a column that is needed; [`ErrorKind::Io`] when the table exists
    /// and may not be touched, or cannot be created.
    pub fn try_new(
        dir: impl Into<PathBuf>,
        schema: SchemaRef,
        options: PartitionOptions,
        sink_options: SinkOptions,
    ) -> Result<Self> {
        sink_options.validate()?;
        let splitter = DaySplitter::try_new(&schema, &options)?;
        let written = written_columns(&schema, &options)?;
        if options.name.is_empty()
            || options.name.starts_with(['_', '.'])
            || options.name.contains(['/', '\\', '\0'])
        {
            return Err(Error::new(
                ErrorKind::Options,
                format!("{:?} cannot be the name of a table's files", options.name),
            )
            .with_hint("give a name without slashes that begins with neither '_' nor '.'"));
        }
        let table = Table::open(dir.into(), options.mode)?;
        let staging = tempfile::Builder::new()
            .prefix("_nasalogs.")
            .suffix(".tmp")
            .tempdir_in(&table.dir)
            .map_err(|error| table.label().os(error))?;
        Ok(Self {
            schema,
            written,
            splitter,
            sink_options,
            options,
            open: Vec::new(),
            staged: Vec::new(),
            days: std::collections::HashSet::new(),
            files: 0,
            staging,
            table,
        })
    }

    /// Writes rows that are all of one day.
    fn write_day(&mut self, day: Day, rows: &RecordBatch) -> Result<()> {
        let file = match self.open.iter().position(|file| file.day == day) {
            Some(place) => self.open.remove(place),
            None => {
                if self.open.len() >= self.options.max_open.max(1) {
                    let file = self.open.remove(0);
                    self.close(file)?;
                }
                self.create(day)?
            }
        };
        self.open.push(file);
        if let Some(file) = self.open.last_mut() {
            file.writer.write(rows)?;
        }
        self.bound_memory()
    }

    /// Lets the files that were not written to for longest give back their memory, until what all hold is bounded.
    fn bound_memory(&mut self) -> Result<()> {
        let mut held: usize = self.open.iter().map(|file| file.writer.buffered()).sum();
        for file in &mut self.open {
            if held <= MOST_BUFFERED {
                break;
            }
            held -= file.writer.buffered();
            file.writer.rest()?;
        }
        Ok(())
    }

    fn create(&mut self, day: Day) -> Result<OpenFile> {
        if self.days.insert(day) && self.days.len() > self.options.max_days {
            return Err(Error::new(
                ErrorKind::Options,
                format!("the log has more than {} days", self.options.max_days),
            )
            .with_hint("is a clock broken? write one file instead of a table, or convert the inputs apart"));
        }
        let path = self.staging.path().join(format!("{}.tmp", self.files));
        self.files += 1;
        let label = Label::atomic(&self.table.dir.join(day.directory()));
        let file = File::create_new(&path).map_err(|error| label.os(error))?;
        let schema = self.written.as_ref().map_or(&self.schema, |(_, schema)| schema);
        let writer = writer(Out::staged(file, label), schema, &self.sink_options)?;
        Ok(OpenFile { day, path, writer })
    }

    fn close(&mut self, file: OpenFile) -> Result<()> {
        let bytes = file.writer.finish()?.commit()?;
        self.staged.push(Staged { day: file.day, path: file.path, bytes });
        Ok(())
    }
}

/// A file of a table that is complete, and not in its place: see [`PartitionedSink::stage`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StagedFile {
    /// What it is called in the table, `dt=YYYY-MM-DD/NAME.parquet`.
    pub name: PathBuf,
    /// Where it is, under a name that no query engine looks for.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
}

impl PartitionedSink {
    /// Completes all files, and leaves it to the caller to bring them to their places: for a table of which the caller
    /// decides what becomes visible when. The files are on the disk then, in the directory of the sink, which is the
    /// caller's to remove.
    ///
    /// # Errors
    /// When they cannot be written; none is left then.
    pub fn stage(mut self) -> Result<Vec<StagedFile>> {
        for file in std::mem::take(&mut self.open) {
            self.close(file)?;
        }
        let extension = self.sink_options.format.extension();
        let mut names = commit::Names::default();
        let staged = self.staged.iter().map(|file| StagedFile {
            name: Path::new(&file.day.directory()).join(names.next(file.day, &self.options, extension)),
            path: file.path.clone(),
            bytes: file.bytes,
        });
        let staged = staged.collect();
        let _ = self.staging.keep();
        self.table.keep();
        Ok(staged)
    }
}

impl BatchSink for PartitionedSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        same_columns(&self.schema, batch)?;
        for (day, rows) in self.splitter.split(batch)? {
            let rows = match &self.written {
                Some((places, _)) => rows.project(places)?,
                None => rows,
            };
            self.write_day(day, &rows)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Finished> {
        for file in std::mem::take(&mut self.open) {
            self.close(file)?;
        }
        let Self { staged, staging, mut table, options, sink_options, .. } = *self;
        let finished = commit::commit(&mut table, staged, &options, sink_options.format.extension())?;
        // All files have been moved out of it.
        let _ = staging.close();
        commit::success(&table)?;
        table.keep();
        Ok(finished)
    }
}

/// The places of the columns to write, and the schema they make.
fn written_columns(
    schema: &SchemaRef,
    options: &PartitionOptions,
) -> Result<Option<(Vec<usize>, SchemaRef)>> {
    let written = match &options.columns {
        None => None,
        Some(names) => {
            let places = names.iter().map(|name| column(schema, name)).collect::<Result<Vec<usize>>>()?;
            let written = SchemaRef::new(schema.project(&places)?);
            Some((places, written))
        }
    };
    let fields = written.as_ref().map_or(schema, |(_, schema)| schema).fields();
    if fields.iter().any(|field| field.name().eq_ignore_ascii_case("dt")) {
        return Err(Error::new(
            ErrorKind::Options,
            "a table partitioned by day has a column dt, and so have the rows",
        )
        .with_hint("leave the column dt out, or write one file"));
    }
    Ok(written)
}

/// The place of a column.
fn column(schema: &SchemaRef, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Error::new(ErrorKind::Options, format!("there is no column {name:?} to write"))
            .with_hint(format!("there are {}", names.join(", ")))
    })
}

/// A table's directory. Directories that were created for it are removed when it is dropped, as far as they are empty.
struct Table {
    dir: PathBuf,
    /// The outermost first.
    created: Vec<PathBuf>,
}

impl Table {
    fn open(dir: PathBuf, mode: WriteMode) -> Result<Self> {
        let mut table = Self { dir, created: Vec::new() };
        match fs::read_dir(&table.dir) {
            Ok(mut entries) => {
                if mode == WriteMode::Fail && entries.next().is_some() {
                    return Err(Error::new(ErrorKind::Io, "is a directory that is not empty")
                        .with_file(table.dir.to_string_lossy())
                        .with_hint(
                            "pass --overwrite to replace the days that are written, --append to add to them, or \
                             choose another directory",
                        )
                        .with_source(io::Error::from(io::ErrorKind::AlreadyExists)));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = table.dir.clone();
                table.create(&dir)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && table.dir.exists() => {
                return Err(Error::new(ErrorKind::Io, "is a file, and a table is a directory")
                    .with_file(table.dir.to_string_lossy())
                    .with_hint("choose another name, or leave --partition-by away")
                    .with_source(error));
            }
            Err(error) => return Err(table.label().os(error)),
        }
        Ok(table)
    }

    fn label(&self) -> Label {
        Label::atomic(&self.dir)
    }

    /// Creates a directory and those above it, and remembers which.
    fn create(&mut self, dir: &Path) -> Result<()> {
        let missing: Vec<&Path> =
            dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
        for at in missing.into_iter().rev() {
            match fs::create_dir(at) {
                Ok(()) => self.created.push(at.to_owned()),
                // Somebody else was faster: it is theirs.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && at.is_dir() => {}
                Err(error) => return Err(Label::atomic(at).os(error)),
            }
        }
        Ok(())
    }

    /// What was created stays.
    fn keep(&mut self) {
        self.created.clear();
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for dir in self.created.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

// The tests read the files as text.
#[cfg(all(test, feature = "csv"))]
mod tests;
