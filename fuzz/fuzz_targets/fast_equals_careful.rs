//! Batches, which most lines reach by the fast path, hold what records hold, which come of the careful parser alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::arrow::array::{Array, AsArray};
use nasalogs::arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimestampMillisecondType};
use nasalogs::{Encoding, ParseOptions, StringType, Value};
use nasalogs_fuzz::{choose, decode_whole};

fuzz_target!(|data: &[u8]| {
    let Some((options, log)) = choose(data) else { return };
    // Exact bytes on both sides, and the records' own limit.
    let options = options
        .with_encoding(Encoding::Binary)
        .with_strings(StringType::View)
        .with_max_line(ParseOptions::MAX_LINE);
    let Ok(given) = decode_whole(&options, log) else { return };
    let format = options.format.clone().expect("one was chosen");
    let mut rows = 0;
    let mut rejects = given.rejects.iter();
    for record in format.records(log) {
        match record {
            Err(reject) => assert_eq!(Some(&reject), rejects.next()),
            Ok(record) => {
                let batch = given.rows.as_ref().expect("a row");
                for (column, value) in record.values() {
                    let array = batch.column_by_name(&column.name).expect("a column of the format");
                    assert_eq!(at(array, rows), value, "{}", column.name);
                }
                let line = batch.column_by_name("line").expect("it was asked for");
                let offset = batch.column_by_name("byte_offset").expect("it was asked for");
                let raw = batch.column_by_name("raw").expect("it was asked for");
                assert_eq!(at(line, rows), Value::Int(record.line_number() as i64));
                assert_eq!(at(offset, rows), Value::Int(record.byte_offset() as i64));
                assert_eq!(at(raw, rows), Value::Text(record.line()));
                rows += 1;
            }
        }
    }
    assert_eq!(rejects.next(), None);
    assert_eq!(rows, given.rows.map_or(0, |rows| rows.num_rows()));
});

fn at(array: &dyn Array, row: usize) -> Value<'_> {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::BinaryView => Value::Text(array.as_binary_view().value(row)),
        DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => {
            Value::Timestamp(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        other => panic!("a column of type {other}"),
    }
}
