//! Batches by day.

use std::collections::HashMap;
use std::fmt;

use arrow::array::{Array, AsArray, Int16Array, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Int16Type, SchemaRef, TimeUnit, TimestampMillisecondType};

use super::{PartitionOptions, PartitionTz};
use crate::error::{Error, ErrorKind, Result};
use crate::field::date::{DAY_MS, date};
use crate::schema::TZ_OFFSET;

/// A day, as days since 1970-01-01; `None` where a row has no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Day(Option<i64>);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(days) => f.write_str(&date(days)),
            None => f.write_str("__HIVE_DEFAULT_PARTITION__"),
        }
    }
}

impl Day {
    /// The name of its directory.
    pub(super) fn directory(self) -> String {
        format!("dt={self}")
    }
}

/// Splits batches by the day of a column.
pub(crate) struct DaySplitter {
    /// The places of the time and, where it counts, of the offset.
    ts: usize,
    tz_offset: Option<usize>,
}

impl DaySplitter {
    pub(crate) fn try_new(schema: &SchemaRef, options: &PartitionOptions) -> Result<Self> {
        let ts = place(
            schema,
            &options.by,
            |data_type| matches!(data_type, DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if matches!(&**zone, "UTC" | "+00:00")),
        )?;
        let tz_offset = match options.tz {
            PartitionTz::Utc => None,
            PartitionTz::Log => {
                Some(place(schema, &TZ_OFFSET.name, |data_type| *data_type == DataType::Int16)?)
            }
        };
        Ok(Self { ts, tz_offset })
    }

    /// The rows of each day, in their order; the days in the order in which they come.
    pub(crate) fn split(&self, batch: &RecordBatch) -> Result<Vec<(Day, RecordBatch)>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let times = Times {
            ts: batch.column(self.ts).as_primitive::<TimestampMillisecondType>(),
            offsets: self.tz_offset.map(|place| batch.column(place).as_primitive::<Int16Type>()),
        };
        if let Some(day) = times.only_day() {
            return Ok(vec![(day, batch.clone())]);
        }
        // Runs of one day. Logs are nearly sorted: mostly there is one for each day.
        let mut runs: Vec<(Day, usize, usize)> = Vec::new();
        for row in 0..batch.num_rows() {
            let day = times.day(row);
            match runs.last_mut() {
                Some((last, _, length)) if *last == day => *length += 1,
                _ => runs.push((day, row, 1)),
            }
        }
        let mut order: Vec<(Day, Vec<(usize, usize)>)> = Vec::new();
        let mut places: HashMap<Day, usize> = HashMap::new();
        for (day, start, length) in runs {
            let place = *places.entry(day).or_insert_with(|| {
                order.push((day, Vec::new()));
                order.len() - 1
            });
            order[place].1.push((start, length));
        }
        order
            .into_iter()
            .map(|(day, runs)| match runs[..] {
                [(start, length)] => Ok((day, batch.slice(start, length))),
                _ => {
                    let rows: UInt32Array = runs
                        .iter()
                        .flat_map(|&(start, length)| start..start + length)
                        .map(|row| row as u32)
                        .collect();
                    Ok((day, take_record_batch(batch, &rows)?))
                }
            })
            .collect()
    }
}

struct Times<'a> {
    ts: &'a TimestampMillisecondArray,
    offsets: Option<&'a Int16Array>,
}

impl Times<'_> {
    fn day(&self, row: usize) -> Day {
        if self.ts.is_null(row) {
            return Day(None);
        }
        let offset = match self.offsets {
            Some(offsets) if offsets.is_valid(row) => offsets.value(row),
            _ => 0,
        };
        Day(Some(self.ts.value(row).saturating_add(i64::from(offset) * 60_000).div_euclid(DAY_MS)))
    }

    /// The day of all rows, if a cheap look shows that there is only one.
    fn only_day(&self) -> Option<Day> {
        if self.ts.null_count() > 0 {
            return None;
        }
        let (mut low, mut high) = range(self.ts.values().iter().copied())?;
        if let Some(offsets) = self.offsets {
            if offsets.null_count() > 0 {
                return None;
            }
            // A bound is enough: it is exact where all rows have the same offset.
            let (east_low, east_high) = range(offsets.values().iter().copied())?;
            low = low.saturating_add(i64::from(east_low) * 60_000);
            high = high.saturating_add(i64::from(east_high) * 60_000);
        }
        let day = low.div_euclid(DAY_MS);
        (day == high.div_euclid(DAY_MS)).then_some(Day(Some(day)))
    }
}

fn range<T: Ord + Copy>(mut values: impl Iterator<Item = T>) -> Option<(T, T)> {
    let first = values.next()?;
    Some(values.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
}

/// The place of a column of a type that a day can be made from.
fn place(schema: &SchemaRef, name: &str, fits: impl Fn(&DataType) -> bool) -> Result<usize> {
    match schema.column_with_name(name) {
        Some((place, field)) if fits(field.data_type()) => Ok(place),
        Some((_, field)) => Err(Error::new(
            ErrorKind::Options,
            format!("the column {name} is {}, from which no day can be made", field.data_type()),
        )
        .with_hint("partition by a time in milliseconds, UTC")),
        None => Err(Error::new(
            ErrorKind::Options,
            format!("partitioning by day needs the column {name}, which is missing"),
        )
        .with_hint("the format must have it, and it must be among the columns that are read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    fn batch(rows: &[(Option<i64>, Option<i16>)]) -> RecordBatch {
        let ts: TimestampMillisecondArray = rows.iter().map(|row| row.0).collect();
        let tz: Int16Array = rows.iter().map(|row| row.1).collect();
        let n: Int64Array = (0..rows.len() as i64).map(Some).collect();
        RecordBatch::try_from_iter_with_nullable([
            ("ts", Arc::new(ts.with_timezone("UTC")) as ArrayRef, true),
            ("tz_offset", Arc::new(tz), true),
            ("n", Arc::new(n), true),
        ])
        .unwrap()
    }

    fn split(tz: PartitionTz, rows: &[(Option<i64>, Option<i16>)]) -> Vec<(String, Vec<i64>)> {
        let batch = batch(rows);
        let splitter = DaySplitter::try_new(&batch.schema(), &PartitionOptions::new().with_tz(tz)).unwrap();
        splitter
            .split(&batch)
            .unwrap()
            .into_iter()
            .map(|(day, rows)| {
                let n = rows.column(2).as_primitive::<arrow::datatypes::Int64Type>();
                (day.directory(), n.values().to_vec())
            })
            .collect()
    }

    #[test]
    fn days_in_order_of_appearance_and_rows_in_theirs() {
        let at = |day: i64| (Some(day * DAY_MS + 5), Some(0));
        assert_eq!(split(PartitionTz::Utc, &[]), []);
        assert_eq!(split(PartitionTz::Utc, &[at(0), at(0)]), [("dt=1970-01-01".to_owned(), vec![0, 1])]);
        assert_eq!(
            split(PartitionTz::Utc, &[at(1), at(1), at(0), at(1), (None, None), at(0), (None, Some(1))]),
            [
                ("dt=1970-01-02".to_owned(), vec![0, 1, 3]),
                ("dt=1970-01-01".to_owned(), vec![2, 5]),
                ("dt=__HIVE_DEFAULT_PARTITION__".to_owned(), vec![4, 6]),
            ]
        );
    }

    #[test]
    fn evenings_in_florida_are_the_next_day_in_utc() {
        // 1995-07-01 19:59:59, 20:00:00 and 23:59:59, and the next 00:00:00, all -0400.
        let rows = [804_643_199_000, 804_643_200_000, 804_657_599_000, 804_657_600_000]
            .map(|ms| (Some(ms), Some(-240)));
        assert_eq!(
            split(PartitionTz::Utc, &rows),
            [("dt=1995-07-01".to_owned(), vec![0]), ("dt=1995-07-02".to_owned(), vec![1, 2, 3])]
        );
        assert_eq!(
            split(PartitionTz::Log, &rows),
            [("dt=1995-07-01".to_owned(), vec![0, 1, 2]), ("dt=1995-07-02".to_owned(), vec![3])]
        );
        assert_eq!(split(PartitionTz::Log, &rows[..3]), [("dt=1995-07-01".to_owned(), vec![0, 1, 2])]);
    }

    #[test]
    fn mixed_offsets_and_extreme_times() {
        let rows = [(Some(0), Some(-1)), (Some(0), Some(0)), (Some(0), None), (Some(0), Some(1439))];
        assert_eq!(
            split(PartitionTz::Log, &rows),
            [("dt=1969-12-31".to_owned(), vec![0]), ("dt=1970-01-01".to_owned(), vec![1, 2, 3])]
        );
        assert_eq!(
            split(PartitionTz::Log, &[(Some(i64::MAX), Some(9)), (Some(i64::MIN), Some(-9))]).len(),
            2
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let whole = batch(&[]);
        let options = PartitionOptions::new().with_tz(PartitionTz::Log);
        for (columns, name) in [(&[1, 2][..], "ts"), (&[0, 2], "tz_offset")] {
            let schema = Arc::new(whole.schema().project(columns).unwrap());
            let error = DaySplitter::try_new(&schema, &options).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Options);
            assert!(
                error.to_string().contains(&format!("needs the column {name}, which is missing")),
                "{error}"
            );
        }
        let options = PartitionOptions { by: "n".to_owned(), ..PartitionOptions::new() };
        let error = DaySplitter::try_new(&whole.schema(), &options).err().unwrap();
        assert!(error.to_string().contains("the column n is Int64"), "{error}");
    }
}
