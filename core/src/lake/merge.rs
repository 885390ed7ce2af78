//! From the files of a partition to larger ones.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;

use super::identity::{Identities, Rows};
use super::unify::{Unifier, conform};
use super::{batches, open};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::LINE_ID;
use crate::sink::parquet::{ParquetOptions, ParquetWriter};

/// A file that is to be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is called, for people.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
}

/// Where one file ends and the next begins.
#[derive(Debug, Clone, Copy)]
pub enum Cut<'a> {
    /// When a file has so many bytes, give or take a row group; what then is left for a last file of less than half of
    /// them goes into the one before.
    Bytes(u64),
    /// After so many rows each: as a merge that was begun before has cut them.
    Rows(&'a [u64]),
}

/// How files are written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MergeOptions {
    /// The files.
    pub parquet: ParquetOptions,
}

impl MergeOptions {
    /// The defaults of [`ParquetOptions`].
    #[must_use]
    pub fn new() -> Self {
        Self { parquet: ParquetOptions::new() }
    }

    /// Chooses how Parquet is written.
    #[must_use]
    pub fn with_parquet(mut self, parquet: ParquetOptions) -> Self {
        self.parquet = parquet;
        self
    }
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

struct Part {
    piece: Piece,
    /// As its footer says, which nobody has counted yet.
    rows: u64,
    /// The number of its first row among those of files with ids; none where it has no ids.
    first: Option<u64>,
}

/// The files of a partition as one sequence of rows: file by file, as they are in each.
///
/// Memory does not depend on how many files or rows there are, but for a bit of each row: a batch, what the writer
/// needs, and 64 MiB to tell duplicates by.
///
/// ```
/// # use nasalogs::lake::{Cut, Merge, MergeOptions, Piece};
/// # use nasalogs::sink::parquet::{ParquetOptions, ParquetWriter};
/// # use nasalogs::arrow::array::{RecordBatch, StringArray};
/// # let dir = tempfile::tempdir().unwrap();
/// # let pieces: Vec<Piece> = ["a", "b"].into_iter().map(|name| {
/// #     let path = dir.path().join(name);
/// #     let ids = StringArray::from(vec!["1", name]);
/// #     let batch = RecordBatch::try_from_iter([("line_id", std::sync::Arc::new(ids) as _)]).unwrap();
/// #     let file = std::fs::File::create(&path).unwrap();
/// #     let mut writer = ParquetWriter::try_new(file, batch.schema(), ParquetOptions::new()).unwrap();
/// #     writer.write(&batch).unwrap();
/// #     writer.finish().unwrap();
/// #     Piece { name: name.to_owned(), path }
/// # }).collect();
/// let go_on = || Ok(());
/// let mut merge = Merge::open(pieces, &go_on)?;
/// assert_eq!((merge.rows(), merge.remove_duplicates(dir.path(), &go_on)?), (4, 1));
/// let names = |number| dir.path().join(format!("merged-{number}.parquet"));
/// let made = merge.write(&names, Cut::Bytes(256 << 20), &MergeOptions::new(), &go_on)?;
/// assert_eq!((made.len(), made[0].rows), (1, 3));
/// # Ok::<(), nasalogs::Error>(())
/// ```
pub struct Merge {
    parts: Vec<Part>,
    schema: SchemaRef,
    rows: u64,
    duplicates: Option<Rows>,
}

/// Says whether to go on: asked at each batch.
type Check<'a> = &'a dyn Fn() -> Result<()>;

impl Merge {
    /// Reads the footers of some files, whose rows follow each other in this order.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`] when one is no Parquet file; [`ErrorKind::Format`] when columns of one name have several
    /// types, or one that is not written; [`ErrorKind::Io`]; what `check` says.
    pub fn open(pieces: Vec<Piece>, check: Check<'_>) -> Result<Self> {
        let mut unifier = Unifier::default();
        let mut parts = Vec::with_capacity(pieces.len());
        let (mut rows, mut with_ids) = (0_u64, 0);
        for piece in pieces {
            check()?;
            let file = open(&piece.name, &piece.path)?;
            unifier.add(&piece.name, file.schema())?;
            let own = u64::try_from(file.metadata().file_metadata().num_rows()).unwrap_or_default();
            rows = rows.checked_add(own).ok_or_else(|| changed(&piece.name))?;
            let first = has_ids(file.schema()).then_some(with_ids);
            with_ids += first.map_or(0, |_| own);
            parts.push(Part { piece, rows: own, first });
        }
        Ok(Self { parts, schema: unifier.schema(), rows, duplicates: None })
    }

    /// The rows of all files.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns of all files: those that one of them lacks can be null.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether the rows have ids, by which duplicates can be told.
    #[must_use]
    pub fn has_ids(&self) -> bool {
        let ids = self.schema.column_with_name(&LINE_ID.name);
        ids.is_some_and(|(_, field)| *field.data_type() == DataType::Utf8)
    }

    /// Finds the rows whose [`line_id`](crate::schema::LINE_ID) an earlier row has, leaves them out from now on, and
    /// says how many they are. Rows without an id are no duplicates. `spill` is a directory for temporary files.
    ///
    /// # Errors
    /// When a file cannot be read; what `check` says.
    pub fn remove_duplicates(&mut self, spill: &Path, check: Check<'_>) -> Result<u64> {
        if !self.has_ids() {
            return Ok(0);
        }
        let with_ids = self.parts.iter().filter_map(|part| Some((part, part.first?)));
        let mut identities = Identities::new(with_ids.clone().map(|(part, _)| part.rows).sum(), spill)?;
        for (part, first) in with_ids {
            let Piece { name, path } = &part.piece;
            let builder = open(name, path)?;
            if !has_ids(builder.schema()) {
                return Err(changed(name));
            }
            let mask = ProjectionMask::columns(builder.parquet_schema(), [LINE_ID.name.as_ref()]);
            let mut rows = 0;
            for batch in batches(name, builder.with_projection(mask))? {
                check()?;
                let batch = batch?;
                let ids = batch.column(0).as_string_opt::<i32>().ok_or_else(|| changed(name))?;
                if batch.num_rows() as u64 > part.rows - rows {
                    return Err(changed(name));
                }
                for (row, id) in (first + rows..).zip(ids) {
                    if let Some(id) = id {
                        identities.add(id.as_bytes(), row)?;
                    }
                }
                rows += batch.num_rows() as u64;
            }
            // So that no row has a number which is larger than what was read.
            if rows != part.rows {
                return Err(changed(name));
            }
        }
        let duplicates = identities.duplicates()?;
        let count = duplicates.count();
        self.duplicates = (count > 0).then_some(duplicates);
        Ok(count)
    }

    /// Writes the rows into new files, whose places are given by their number, from 0. There is at least one.
    ///
    /// # Errors
    /// When a file cannot be read or written, or has changed meanwhile; what `check` says. Files that were made until
    /// then are left where they are.
    pub fn write(
        &self,
        place: &dyn Fn(usize) -> PathBuf,
        cut: Cut<'_>,
        options: &MergeOptions,
        check: Check<'_>,
    ) -> Result<Vec<Made>> {
        let left = self.rows - self.duplicates.as_ref().map_or(0, Rows::count);
        let mut output =
            Output { schema: &self.schema, options, place, cut, left, made: Vec::new(), open: None };
        for part in &self.parts {
            let Piece { name, path } = &part.piece;
            let mut rows = 0;
            for batch in batches(name, open(name, path)?)? {
                check()?;
                let batch = batch?;
                if batch.num_rows() as u64 > part.rows - rows {
                    return Err(changed(name));
                }
                let kept = self.kept(&batch, part.first.map(|first| first + rows))?;
                output.write(&conform(&kept, &self.schema)?)?;
                rows += batch.num_rows() as u64;
            }
            if rows != part.rows {
                return Err(changed(name));
            }
        }
        output.finish()
    }

    /// The rows of a batch that are no duplicates, where the first of them has a number.
    fn kept(&self, batch: &RecordBatch, first: Option<u64>) -> Result<RecordBatch> {
        let Some((duplicates, first)) = self.duplicates.as_ref().zip(first) else { return Ok(batch.clone()) };
        let keep: BooleanArray =
            (first..first + batch.num_rows() as u64).map(|row| Some(!duplicates.has(row))).collect();
        if keep.true_count() == batch.num_rows() {
            return Ok(batch.clone());
        }
        Ok(filter_record_batch(batch, &keep)?)
    }
}

/// Files in the making, one after the other.
struct Output<'a> {
    schema: &'a SchemaRef,
    options: &'a MergeOptions,
    place: &'a dyn Fn(usize) -> PathBuf,
    cut: Cut<'a>,
    /// Rows that are still to come.
    left: u64,
    made: Vec<Made>,
    open: Option<(ParquetWriter<File>, PathBuf, u64)>,
}

impl Output<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut at = 0;
        while at < batch.num_rows() {
            let rest = batch.num_rows() - at;
            let rows = match self.room() {
                Some(0) => {
                    self.close()?;
                    continue;
                }
                Some(room) => rest.min(usize::try_from(room).unwrap_or(usize::MAX)),
                None => rest,
            };
            let (writer, path, written) = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(create((self.place)(self.made.len()), self.schema, self.options)?),
            };
            writer.write(&batch.slice(at, rows)).map_err(|error| error.with_file(path.to_string_lossy()))?;
            *written += rows as u64;
            self.left = self.left.saturating_sub(rows as u64);
            at += rows;
        }
        Ok(())
    }

    /// How many more rows the open file takes; any number, where that is not known.
    fn room(&self) -> Option<u64> {
        let (writer, _, written) = match (&self.open, self.cut) {
            (Some((writer, path, written)), _) => (writer, path, *written),
            (None, Cut::Rows(rows)) => {
                return Some(rows.get(self.made.len()).map_or(u64::MAX, |&rows| rows.max(1)));
            }
            (None, Cut::Bytes(_)) => return None,
        };
        match self.cut {
            Cut::Rows(rows) => {
                Some(rows.get(self.made.len()).map_or(u64::MAX, |rows| rows.saturating_sub(written)))
            }
            Cut::Bytes(target) => {
                let bytes = writer.bytes_written() as u64;
                let rest = (u128::from(bytes) * u128::from(self.left)).checked_div(u128::from(written))?;
                (bytes >= target && rest >= u128::from(target / 2)).then_some(0)
            }
        }
    }

    fn close(&mut self) -> Result<()> {
        let Some((writer, path, rows)) = self.open.take() else { return Ok(()) };
        let name = path.to_string_lossy().into_owned();
        let (file, bytes) = writer.finish().map_err(|error| error.with_file(name.clone()))?;
        file.sync_all().map_err(|error| Error::io(name, error))?;
        self.made.push(Made { path, rows, bytes });
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Made>> {
        if self.made.is_empty() && self.open.is_none() {
            self.open = Some(create((self.place)(0), self.schema, self.options)?);
        }
        self.close()?;
        Ok(self.made)
    }
}

fn create(
    path: PathBuf,
    schema: &SchemaRef,
    options: &MergeOptions,
) -> Result<(ParquetWriter<File>, PathBuf, u64)> {
    let file = File::create_new(&path).map_err(|error| Error::io(path.to_string_lossy(), error))?;
    let writer = ParquetWriter::try_new(file, Arc::clone(schema), options.parquet.clone())?;
    Ok((writer, path, 0))
}

fn has_ids(schema: &Schema) -> bool {
    schema.column_with_name(&LINE_ID.name).is_some()
}

fn changed(name: &str) -> Error {
    Error::new(ErrorKind::Sink, "has other rows than its footer says")
        .with_file(name)
        .with_hint("it is damaged, or was replaced while it was read: run the same again")
}
