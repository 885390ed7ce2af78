//! Tables at rest: many small files of a partition become few large ones, and what an engine cannot read is named.
//!
//! A [`Merge`] takes the files of one partition and gives files with the same rows, in the same order, without those
//! whose [`line_id`](crate::schema::LINE_ID) was there before. [`inspect`] looks into one file: footer, page headers,
//! the days of its rows. Neither knows where a table lies, nor what its files are called; both read local files. A [`Scan`]
//! gives the rows of files as those of logs are.

mod days;
mod identity;
mod inspect;
mod merge;
mod scan;
#[cfg(test)]
mod tests;
mod unify;

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

pub use inspect::{Ailment, FileColumn, Inspection, Problem, column_type, inspect};
pub use merge::{Cut, Made, Merge, MergeOptions, Piece};
pub use scan::{Part, Scan, find};

use crate::error::{Error, ErrorKind, Result};

/// How many rows are read at once.
const BATCH: usize = 1 << 14;

/// A Parquet file, with the types that it has: an Arrow schema that its writer embedded is not looked at.
fn open(name: &str, path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|error| Error::io(name, error))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata =
        guarded(|| ArrowReaderMetadata::load(&file, options)).map_err(|error| damaged(name, error))?;
    is_sane(metadata.metadata(), &file).map_err(|error| damaged(name, error))?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata))
}

/// Whether what a footer says of places and of counts can be true: Parquet's reader believes it.
fn is_sane(metadata: &ParquetMetaData, file: &File) -> std::result::Result<(), ParquetError> {
    let wrong = || ParquetError::General("its footer names places that it does not have".to_owned());
    let contradicts = || ParquetError::General("its footer contradicts itself about its rows".to_owned());
    let end = i64::try_from(file.metadata()?.len()).map_err(|_| wrong())?;
    let mut rows = 0_i64;
    for group in metadata.row_groups() {
        rows =
            rows.checked_add(group.num_rows()).filter(|_| group.num_rows() >= 0).ok_or_else(contradicts)?;
        if group.columns().is_empty() && group.num_rows() > 0 {
            return Err(contradicts());
        }
        for chunk in group.columns() {
            let starts = [Some(chunk.data_page_offset()), chunk.dictionary_page_offset()];
            let is_inside = |start: i64| {
                start >= 0 && start.checked_add(chunk.compressed_size()).is_some_and(|last| last <= end)
            };
            let is_sized = chunk.compressed_size() >= 0 && chunk.num_values() >= 0;
            // The chunk begins with whichever page is first.
            if !is_sized || !starts.into_iter().flatten().min().is_some_and(is_inside) {
                return Err(wrong());
            }
            // Unless it is repeated, a column has a value, or none, for each row.
            if chunk.column_descr().max_rep_level() == 0 && chunk.num_values() != group.num_rows() {
                return Err(contradicts());
            }
        }
    }
    if rows == metadata.file_metadata().num_rows() { Ok(()) } else { Err(contradicts()) }
}

/// Asks Parquet's reader, which panics on some of the files that are damaged.
fn guarded<T>(
    work: impl FnOnce() -> std::result::Result<T, ParquetError>,
) -> std::result::Result<T, ParquetError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ParquetError::General("it is damaged in a way that its reader does not know".to_owned()))
    })
}

/// The batches of a file.
fn batches(
    name: &str,
    builder: ParquetRecordBatchReaderBuilder<File>,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<'_>> {
    let mut reader =
        guarded(|| builder.with_batch_size(BATCH).build()).map_err(|error| damaged(name, error))?;
    Ok(std::iter::from_fn(move || {
        let next =
            guarded(|| reader.next().transpose().map_err(|error| ParquetError::External(Box::new(error))));
        next.map_err(|error| damaged(name, error)).transpose()
    }))
}

/// What Parquet's reader says of a file, for people.
fn damaged(name: &str, error: ParquetError) -> Error {
    Error::new(ErrorKind::Sink, format!("cannot be read as Parquet: {}", text(&error)))
        .with_file(name)
        .with_hint("`nasalogs doctor LAKE` names what is wrong; move the file away, or write it again")
        .with_source(error)
}

/// An error of Parquet's reader, without the words before it.
fn text(error: &ParquetError) -> String {
    let text = error.to_string();
    let bare = ["Parquet error: ", "External: ", "Parquet argument error: "]
        .iter()
        .fold(text.as_str(), |text, word| text.strip_prefix(word).unwrap_or(text));
    bare.to_owned()
}
