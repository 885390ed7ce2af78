//! Which rows of a batch go through.

use arrow::array::{Array, ArrayAccessor, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Int16Type, Schema, TimestampMillisecondType};

use super::{Filter, Rules};
use crate::error::{Error, ErrorKind, Result};

/// A [`Filter`] whose times are known.
#[derive(Debug, Clone)]
pub struct Sieve {
    filter: Filter,
    since: Option<i64>,
    until: Option<i64>,
}

impl Sieve {
    pub(super) fn new(filter: Filter, since: Option<i64>, until: Option<i64>) -> Self {
        Self { filter, since, until }
    }

    /// The first instant that is wanted, in milliseconds since 1970; `None` without a bound.
    #[must_use]
    pub fn since(&self) -> Option<i64> {
        self.since
    }

    /// The first instant that is not wanted any more, in milliseconds since 1970; `None` without a bound.
    #[must_use]
    pub fn until(&self) -> Option<i64> {
        self.until
    }

    /// The rows that go through; `None` where all do, without looking.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when the batch lacks a column that is looked at, [`ErrorKind::Sink`] when one is of
    /// another type than rows of this crate have.
    pub fn mask(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        if self.filter.is_empty() {
            return Ok(None);
        }
        check(&self.filter, &batch.schema(), None)?;
        let column = |name: &str| batch.column_by_name(name).expect("checked above");
        let mut mask = BooleanBuffer::new_set(batch.num_rows());
        if self.since.is_some() || self.until.is_some() {
            let times = column("ts");
            let values = times
                .as_primitive_opt::<TimestampMillisecondType>()
                .ok_or_else(|| other_type("ts", times.data_type()))?
                .values();
            let (low, high) = (self.since.unwrap_or(i64::MIN), self.until);
            let wanted = |time: i64| time >= low && high.is_none_or(|high| time < high);
            mask = BooleanBuffer::collect_bool(values.len(), |row| wanted(values[row]));
            if let Some(nulls) = times.nulls() {
                mask = &mask & nulls.inner();
            }
        }
        for (rules, fits) in [(&self.filter.include, true), (&self.filter.exclude, false)] {
            // What is cheap to look at comes first: the rest looks only at rows that are left.
            if !rules.statuses.is_empty() {
                mask = statuses(column("status"), rules, fits, &mask)?;
            }
            if !rules.methods.is_empty() {
                let fit =
                    |text: &[u8]| rules.methods.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(text));
                mask = texts("method", column("method"), fit, fits, &mask)?;
            }
            if !rules.paths.is_empty() {
                let fit = |text: &[u8]| rules.paths.iter().any(|glob| glob.matches(text));
                mask = texts("path", column("path"), fit, fits, &mask)?;
            }
            if !rules.hosts.is_empty() {
                let fit = |text: &[u8]| rules.hosts.iter().any(|rule| rule.matches(text));
                mask = texts("host", column("host"), fit, fits, &mask)?;
            }
        }
        Ok(Some(BooleanArray::new(mask, None)))
    }

    /// The batch with only the rows that go through.
    ///
    /// # Errors
    /// As [`Sieve::mask`].
    pub fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        match self.mask(&batch)? {
            None => Ok(batch),
            Some(mask) if mask.true_count() == mask.len() => Ok(batch),
            Some(mask) => Ok(filter_record_batch(&batch, &mask)?),
        }
    }
}

/// Whether rows of a schema can be filtered.
pub(super) fn check(filter: &Filter, schema: &Schema, format: Option<&str>) -> Result<()> {
    for (column, option) in filter.columns() {
        if schema.index_of(column).is_err() {
            let what =
                format.map_or_else(|| "the rows have".to_owned(), |name| format!("the format {name} has"));
            let message = format!("{what} no column {column}, which {option} looks at");
            return Err(Error::new(ErrorKind::Options, message).with_hint(format!("leave {option} away")));
        }
    }
    Ok(())
}

fn statuses(column: &dyn Array, rules: &Rules, fits: bool, mask: &BooleanBuffer) -> Result<BooleanBuffer> {
    let values =
        column.as_primitive_opt::<Int16Type>().ok_or_else(|| other_type("status", column.data_type()))?;
    let fit = |status: Option<i16>| rules.statuses.iter().any(|statuses| statuses.matches(status));
    Ok(BooleanBuffer::collect_bool(values.len(), |row| {
        mask.value(row) && fit(values.is_valid(row).then(|| values.value(row))) == fits
    }))
}

/// The rows of a mask whose text fits, or does not.
fn texts(
    name: &str,
    column: &dyn Array,
    fit: impl Fn(&[u8]) -> bool,
    fits: bool,
    mask: &BooleanBuffer,
) -> Result<BooleanBuffer> {
    fn among<'a, A: ArrayAccessor>(
        array: A,
        fit: impl Fn(&[u8]) -> bool,
        fits: bool,
        mask: &BooleanBuffer,
    ) -> BooleanBuffer
    where
        A::Item: AsRef<[u8]> + 'a,
    {
        BooleanBuffer::collect_bool(array.len(), |row| {
            mask.value(row) && (array.is_valid(row) && fit(array.value(row).as_ref())) == fits
        })
    }
    Ok(match column.data_type() {
        DataType::Utf8View => among(column.as_string_view(), fit, fits, mask),
        DataType::Utf8 => among(column.as_string::<i32>(), fit, fits, mask),
        DataType::BinaryView => among(column.as_binary_view(), fit, fits, mask),
        DataType::Binary => among(column.as_binary::<i32>(), fit, fits, mask),
        other => return Err(other_type(name, other)),
    })
}

fn other_type(name: &str, data_type: &DataType) -> Error {
    Error::new(ErrorKind::Sink, format!("the column {name} has the type {data_type}, which no log has"))
}
