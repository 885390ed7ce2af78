//! What a delivery gave.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{Field, Schema};

use super::{IntakeCounts, Refused};
use crate::error::Result;
use crate::format::LogFormat;
use crate::options::{Encoding, StringType};
use crate::schema::Column;
use crate::sink::ndjson;
use crate::sink::parquet::{ParquetOptions, ParquetWriter};
use crate::sink::{DaySplitter, PartitionOptions, PartitionTz};

/// The table of one delivery, and what is not in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Taken {
    /// The format of the lines.
    pub format: LogFormat,
    /// The rows: of lines, then of JSON objects, each in the order of the records. All have the same columns: those of the
    /// format; where none was fixed, and JSON objects have more, those too; [`LINE_ID`](crate::schema::LINE_ID).
    pub batches: Vec<RecordBatch>,
    /// What is no row, in the order of the records.
    pub rejects: Vec<Refused>,
    /// What became of everything.
    pub counts: IntakeCounts,
}

/// The columns of a table of lines of one format, and objects of another.
pub(super) fn columns(format: &LogFormat, more: Option<&LogFormat>) -> Vec<Column> {
    let mut columns: Vec<Column> = format.columns().cloned().collect();
    for column in more.into_iter().flat_map(LogFormat::columns) {
        if !columns.iter().any(|known| known.name == column.name) {
            columns.push(Column { nullable: true, ..column.clone() });
        }
    }
    columns
}

/// A batch of lines with the columns that their format does not have, as nulls; ids stay last.
pub(super) fn widen(batch: &RecordBatch, columns: &[Column]) -> Result<RecordBatch> {
    if batch.num_columns() == columns.len() + 1 {
        return Ok(batch.clone());
    }
    let id = batch.num_columns() - 1;
    let mut fields: Vec<Arc<Field>> = batch.schema_ref().fields()[..id].to_vec();
    let mut arrays = batch.columns()[..id].to_vec();
    for column in &columns[id..] {
        let data_type = column.column_type.to_arrow(StringType::View, Encoding::Escape);
        arrays.push(new_null_array(&data_type, batch.num_rows()));
        fields.push(Arc::new(Field::new(column.name.as_ref(), data_type, column.nullable)));
    }
    fields.push(Arc::clone(&batch.schema_ref().fields()[id]));
    arrays.push(Arc::clone(batch.column(id)));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

impl Taken {
    /// The rows of each day, `1995-07-01`, of UTC or of the log: as partitions are called.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when the format has no time.
    pub fn days(&self, tz: PartitionTz) -> Result<BTreeMap<String, Vec<RecordBatch>>> {
        let mut days: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        for batch in &self.batches {
            for (day, rows) in Self::split(batch, tz)? {
                days.entry(day).or_default().push(rows);
            }
        }
        Ok(days)
    }

    /// The rows of each day of a batch, in the order in which the days come.
    ///
    /// # Errors
    /// As [`Taken::days`].
    pub fn split(batch: &RecordBatch, tz: PartitionTz) -> Result<Vec<(String, RecordBatch)>> {
        let options = PartitionOptions::new().with_tz(tz);
        let splitter = DaySplitter::try_new(batch.schema_ref(), &options)?;
        Ok(splitter.split(batch)?.into_iter().map(|(day, rows)| (day.to_string(), rows)).collect())
    }

    /// All rows as JSON objects, one a line.
    ///
    /// # Errors
    /// [`ErrorKind::Sink`](crate::ErrorKind::Sink) when a column cannot be written so.
    pub fn ndjson(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        self.batches.iter().try_for_each(|batch| ndjson::append(batch, &mut text))?;
        Ok(text)
    }

    /// Rows as a Parquet file: the same rows give the same bytes.
    ///
    /// ```
    /// # use nasalogs::intake::{Arrival, Intake, IntakeOptions, Taken};
    /// # use nasalogs::sink::{PartitionTz, parquet::ParquetOptions};
    /// # let mut intake = Intake::new(IntakeOptions::new());
    /// # let data = br#"h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 5"#;
    /// # assert!(intake.push(Arrival { name: "1", data, partition_key: "k" }));
    /// # let taken = intake.finish()?;
    /// for (day, rows) in taken.days(PartitionTz::Utc)? {
    ///     let file = Taken::parquet(&rows, ParquetOptions::new())?;
    ///     println!("dt={day}: {} bytes", file.len());
    /// }
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Sink`](crate::ErrorKind::Sink) when there is no batch, whose columns a file would have.
    pub fn parquet(rows: &[RecordBatch], options: ParquetOptions) -> Result<Vec<u8>> {
        let Some(first) = rows.first() else {
            return Err(crate::Error::new(crate::ErrorKind::Sink, "there is no row to write"));
        };
        let mut writer = ParquetWriter::try_new(Vec::new(), first.schema(), options)?;
        for batch in rows {
            writer.write(batch)?;
        }
        Ok(writer.finish()?.0)
    }
}
