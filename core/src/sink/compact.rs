//! Views made plain.
//!
//! A view column keeps its whole chunk, which all columns share: written as it is, the chunk would be written once for
//! each column. And not every reader knows views.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, SchemaRef};

use super::failure::Label;
use crate::error::{Error, ErrorKind, Result};

/// The batch with its views made what `schema` has instead: plain strings.
pub(super) fn batch(batch: &RecordBatch, schema: &SchemaRef, label: &Label) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| plain(column, field, label))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| label.foreign(error))
}

fn plain(column: &ArrayRef, field: &Field, label: &Label) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let views: &[u128] = match column.data_type() {
        DataType::Utf8View => column.as_string_view().views(),
        DataType::BinaryView => column.as_binary_view().views(),
        _ => &[],
    };
    // Arrow panics where 32-bit offsets do not suffice. A view's low 32 bits are its length.
    let bytes: u64 = views.iter().map(|&view| u64::from(view as u32)).sum();
    if bytes > i32::MAX as u64 {
        return Err(Error::new(
            ErrorKind::Sink,
            format!("the column {} of one batch holds {bytes} bytes, more than 2 GiB", field.name()),
        )
        .with_hint("make smaller batches"));
    }
    arrow::compute::cast(column, field.data_type()).map_err(|error| label.foreign(error))
}
