//! Columns as the text formats write them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMillisecondType};

use crate::error::Result;
use crate::field::date::TimeFormatter;
use crate::field::text::escape_invalid;

/// Rows that are turned into text at once: bounds the memory for batches of any size.
pub(super) const ROWS: usize = 8192;

/// The batch with times as RFC 3339 text and binary columns as text with `\xHH`; all others as they are.
pub(super) fn batch(batch: &RecordBatch) -> Result<RecordBatch> {
    map_columns(batch, |column| match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if matches!(&**zone, "UTC" | "+00:00") => {
            Some(times(column))
        }
        DataType::Binary => Some(escaped(column.as_binary::<i32>().iter(), column.len())),
        DataType::LargeBinary => Some(escaped(column.as_binary::<i64>().iter(), column.len())),
        DataType::BinaryView => Some(escaped(column.as_binary_view().iter(), column.len())),
        _ => None,
    })
}

/// The batch with some columns made anew.
pub(super) fn map_columns(
    batch: &RecordBatch,
    mut change: impl FnMut(&ArrayRef) -> Option<ArrayRef>,
) -> Result<RecordBatch> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let column = change(column).unwrap_or_else(|| Arc::clone(column));
            (Field::new(field.name(), column.data_type().clone(), field.is_nullable()), column)
        })
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn times(column: &ArrayRef) -> ArrayRef {
    let mut formatter = TimeFormatter::new();
    let mut builder = StringViewBuilder::with_capacity(column.len());
    for value in column.as_primitive::<TimestampMillisecondType>() {
        match value {
            Some(millis) => builder.append_value(formatter.format(millis)),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

fn escaped<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, count: usize) -> ArrayRef {
    let mut builder = StringViewBuilder::with_capacity(count);
    for value in values {
        // What is UTF-8 already, and that is nearly all, needs no copy.
        builder.append_option(value.map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(escape_invalid(bytes)),
        }));
    }
    Arc::new(builder.finish())
}
