//! Written with ours, read with parquet-rs.

mod contract;
mod round_trip;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{ParquetOptions, ParquetWriter};
use crate::options::StringType;
use crate::schema::with_strings;

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(Arc::from("UTC")))
}

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields: Vec<Field> =
        fields.iter().map(|(name, data_type, null)| Field::new(*name, data_type.clone(), *null)).collect();
    Arc::new(Schema::new(fields))
}

fn one_column(data_type: DataType, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(schema(&[("column", data_type, array.null_count() > 0)]), vec![array]).unwrap()
}

fn write(schema: &SchemaRef, batches: &[RecordBatch], options: ParquetOptions) -> Bytes {
    let mut writer = ParquetWriter::try_new(Vec::new(), schema.clone(), options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let (bytes, length) = writer.finish().unwrap();
    assert_eq!(bytes.len() as u64, length);
    bytes.into()
}

/// All batches as one, without views.
fn stored(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    let stored = with_strings(schema, StringType::Utf8);
    let batches: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            let columns = batch.columns().iter().zip(stored.fields());
            let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap()).collect();
            RecordBatch::try_new(stored.clone(), columns).unwrap()
        })
        .collect();
    concat_batches(&stored, &batches).unwrap()
}

fn read(file: Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> =
        reader.with_batch_size(1000).build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn round_trip(batches: &[RecordBatch], options: ParquetOptions) -> Bytes {
    let schema = batches[0].schema();
    let file = write(&schema, batches, options);
    assert_eq!(read(file.clone()), stored(&schema, batches));
    file
}
