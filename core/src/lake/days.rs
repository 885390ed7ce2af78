//! Whether rows are of the day that their path names.

use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMillisecondType};
use parquet::arrow::ProjectionMask;
use parquet::basic::{LogicalType, TimeUnit as Unit, Type};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::{batches, open};
use crate::field::date::{DAY_MS, date};
use crate::field::time;
use crate::schema::{TS, TZ_OFFSET};

/// How many rows are of another day, both in UTC and as logged, and the day of one of them. Nothing where all are of it,
/// the file has no times, or the path names no day. The statistics say so mostly; else the times are read.
pub(super) fn strangers(metadata: &ParquetMetaData, path: &Path, day: &str) -> Option<(u64, String)> {
    let start = time::days_from_date(day)? * DAY_MS;
    let columns = metadata.file_metadata().schema_descr();
    let ts = columns.columns().iter().position(|column| column.path().string() == TS.name)?;
    let per_milli = match (columns.column(ts).logical_type_ref(), columns.column(ts).physical_type()) {
        (Some(LogicalType::Timestamp(time)), Type::INT64) => match time.unit {
            Unit::MILLIS => 1,
            Unit::MICROS => 1000,
            Unit::NANOS => 1_000_000,
        },
        _ => 0,
    };
    let offset = columns.columns().iter().position(|column| column.path().string() == TZ_OFFSET.name);
    let proved = |group: &RowGroupMetaData, logged: bool| {
        let (low, high) = match logged {
            false => (0, 0),
            true => offset.and_then(|at| bounds(group, at)).unwrap_or((i64::MIN, i64::MIN)),
        };
        let inside = |ts: i64, minutes: i64| {
            let local = ts.div_euclid(per_milli).checked_add(minutes.checked_mul(60_000)?)?;
            Some((start..start + DAY_MS).contains(&local))
        };
        per_milli > 0
            && bounds(group, ts).is_some_and(|(first, last)| {
                inside(first, low) == Some(true) && inside(last, high) == Some(true)
            })
    };
    let groups = metadata.row_groups();
    if groups.iter().all(|group| proved(group, false)) || groups.iter().all(|group| proved(group, true)) {
        return None;
    }
    count(path, start)
}

/// The least and the greatest value of a row group.
pub(super) fn bounds(group: &RowGroupMetaData, column: usize) -> Option<(i64, i64)> {
    match group.column(column).statistics()? {
        Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}

/// The same by reading. What cannot be read is somebody else's to say.
fn count(path: &Path, start: i64) -> Option<(u64, String)> {
    let builder = open("", path).ok()?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [TS.name.as_ref(), TZ_OFFSET.name.as_ref()]);
    let (mut utc, mut logged, mut example) = (0, 0, None);
    for batch in batches("", builder.with_projection(mask)).ok()? {
        let batch = batch.ok()?;
        let ts =
            cast(batch.column_by_name(&TS.name)?, &DataType::Timestamp(TimeUnit::Millisecond, None)).ok()?;
        let ts = ts.as_primitive_opt::<TimestampMillisecondType>()?;
        let offsets = offsets(&batch);
        for row in (0..ts.len()).filter(|&row| ts.is_valid(row)) {
            let at = ts.value(row);
            let minutes = offsets.as_ref().map_or(0, |offsets| offsets[row]);
            let is_of_it = |ms: i64| (start..start + DAY_MS).contains(&ms);
            if !is_of_it(at) {
                utc += 1;
                example.get_or_insert_with(|| date(at.div_euclid(DAY_MS)));
            }
            logged += u64::from(!is_of_it(at.saturating_add(minutes.saturating_mul(60_000))));
        }
    }
    let strangers = utc.min(logged);
    (strangers > 0).then_some((strangers, example?))
}

fn offsets(batch: &RecordBatch) -> Option<Vec<i64>> {
    let offsets = cast(batch.column_by_name(&TZ_OFFSET.name)?, &DataType::Int64).ok()?;
    let offsets = offsets.as_primitive_opt::<Int64Type>()?;
    Some(offsets.iter().map(Option::unwrap_or_default).collect())
}
