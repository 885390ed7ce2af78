//! What is read back is what was written.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StringViewArray, TimestampMillisecondArray, UInt8Array,
};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use proptest::prelude::*;

use super::super::{Compression, ParquetOptions, ParquetWriter};
use super::{one_column, read, round_trip, schema, stored, utc, write};
use crate::error::ErrorKind;

/// A random number generator in one line: the tests' large columns need no better one.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(88_172_645_463_325_252_u64), |&x| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    })
}

fn views(strings: impl Iterator<Item = String>) -> RecordBatch {
    let array: StringViewArray = strings.map(Some).collect();
    one_column(DataType::Utf8View, Arc::new(array))
}

#[test]
fn an_empty_file_has_a_schema_and_no_row_group() {
    let schema = schema(&[("host", DataType::Utf8View, false), ("status", DataType::Int16, true)]);
    let file = write(&schema, &[], ParquetOptions::new());
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 0);
    assert_eq!(reader.schema().field(0).data_type(), &DataType::Utf8);
    assert!(!reader.schema().field(0).is_nullable());
    assert_eq!(reader.schema().field(1).data_type(), &DataType::Int16);

    let empty = RecordBatch::new_empty(schema.clone());
    let file = write(&schema, &[empty.clone(), empty], ParquetOptions::new());
    assert_eq!(ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().num_row_groups(), 0);
}

#[test]
fn strings_of_every_length_keep_apart() {
    // Equal but for one byte, at each place of each length: nothing is lost between the ends that are compared first.
    let mut strings = Vec::new();
    for len in (0..100).chain([1000, 65_536, 70_001]) {
        strings.push("x".repeat(len));
        for at in (0..len).step_by(1 + len / 40) {
            let mut string = "x".repeat(len);
            string.replace_range(at..=at, "y");
            strings.push(string);
        }
    }
    strings.extend(["é", "日本語のパス", "ab\0cd", "ab\0", "ab"].map(String::from));
    let twice = strings.iter().chain(strings.iter().rev()).cloned();
    let views = views(twice.clone());
    let plain: StringArray = twice.map(Some).collect();
    for compression in [Compression::Zstd(1), Compression::Zstd(3), Compression::Snappy, Compression::None] {
        let options = ParquetOptions::new().with_compression(compression);
        let file = round_trip(std::slice::from_ref(&views), options.clone());
        // The layout of the strings makes no difference.
        let plain = one_column(DataType::Utf8, Arc::new(plain.clone()));
        assert_eq!(round_trip(&[plain], options), file);
    }
}

#[test]
fn a_dictionary_that_grows_too_large_is_given_up() {
    let mut random = numbers();
    // Pays at first, then nothing but new strings.
    let strings: Vec<String> = (0..400_000)
        .map(|i| {
            let number = random.next().unwrap();
            format!("host-{}.example", if i < 100_000 { number % 500 } else { number })
        })
        .collect();
    let batches: Vec<RecordBatch> = strings.chunks(7001).map(|chunk| views(chunk.iter().cloned())).collect();
    let file = round_trip(&batches, ParquetOptions::new());
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
    let encodings: Vec<_> = metadata.row_group(0).column(0).encodings().collect();
    assert!(encodings.contains(&parquet::basic::Encoding::RLE_DICTIONARY));
    assert!(encodings.contains(&parquet::basic::Encoding::PLAIN));

    let mut random = numbers();
    let integers: Int64Array = (0..400_000)
        .map(|i| {
            let number = random.next().unwrap() as i64;
            if i % 3 == 0 { None } else { Some(if i < 100_000 { number % 500 } else { number }) }
        })
        .collect();
    round_trip(&[one_column(DataType::Int64, Arc::new(integers))], ParquetOptions::new());
}

#[test]
fn a_dictionary_that_pays_and_is_full_ends_the_row_group() {
    // Every string comes twice, so that the dictionary pays however many there are.
    let strings: Vec<String> = (0..800_000).map(|i| format!("host-{}.example", i / 2)).collect();
    let batches: Vec<RecordBatch> = strings.chunks(5000).map(|chunk| views(chunk.iter().cloned())).collect();
    let file = round_trip(&batches, ParquetOptions::new());
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
    assert!(metadata.num_row_groups() > 1);
    for group in metadata.row_groups() {
        assert!(group.column(0).dictionary_page_offset().is_some());
        assert_eq!(
            group.column(0).encodings().filter(|encoding| encoding.to_string() == "RLE_DICTIONARY").count(),
            1
        );
    }
}

#[test]
fn a_dictionary_that_does_not_pay_is_not_written() {
    let strings = numbers().take(50_000).map(|number| format!("{number:032x}"));
    let file = round_trip(&[views(strings)], ParquetOptions::new());
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
    assert_eq!(metadata.row_group(0).column(0).dictionary_page_offset(), None);

    let lines: Int64Array = (1..=50_000).map(Some).collect();
    let file = round_trip(&[one_column(DataType::Int64, Arc::new(lines))], ParquetOptions::new());
    let metadata = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().metadata().clone();
    assert_eq!(metadata.row_group(0).column(0).dictionary_page_offset(), None);
}

#[test]
fn sparse_columns_meet_the_trial_on_a_later_page() {
    // So many nulls that the first page ends before the dictionary is put to the trial, which it then fails.
    let sparse: StringViewArray =
        (0..400_000).map(|i| (i % 20 == 0).then(|| format!("query={i}-and-some-more"))).collect();
    let numbers: Int64Array = (0..400_000).map(|i| (i % 20 == 0).then_some(i << 20)).collect();
    let batch = RecordBatch::try_new(
        schema(&[("text", DataType::Utf8View, true), ("number", DataType::Int64, true)]),
        vec![Arc::new(sparse), Arc::new(numbers)],
    )
    .unwrap();
    round_trip(&[batch], ParquetOptions::new());
}

#[test]
fn extreme_integers() {
    let all16: Int16Array = (i16::MIN..=i16::MAX).map(Some).collect();
    round_trip(&[one_column(DataType::Int16, Arc::new(all16))], ParquetOptions::new());
    let wide = [i64::MIN, i64::MAX, 0, -1, 1, 65_535, 65_536, 131_072, 1 << 40];
    let wide: Int64Array = wide.iter().cycle().take(30_000).map(|&value| Some(value)).collect();
    round_trip(&[one_column(DataType::Int64, Arc::new(wide))], ParquetOptions::new());
    let times: TimestampMillisecondArray = (0..100_000).map(|i| Some((i / 3) * 1000)).collect();
    round_trip(&[one_column(utc(), Arc::new(times.with_timezone("UTC")))], ParquetOptions::new());
}

#[test]
fn pages_can_be_skipped() {
    let mut random = numbers();
    let count = 300_000;
    let host: StringViewArray =
        (0..count).map(|_| Some(format!("host-{}.example.org", random.next().unwrap() % 5000))).collect();
    let line: Int64Array = (0..count).map(Some).collect();
    let status: Int16Array = (0..count).map(|i| (i % 10 != 0).then_some(200 + (i % 5) as i16)).collect();
    let batch = RecordBatch::try_new(
        schema(&[
            ("host", DataType::Utf8View, false),
            ("line", DataType::Int64, false),
            ("status", DataType::Int16, true),
        ]),
        vec![Arc::new(host), Arc::new(line), Arc::new(status)],
    )
    .unwrap();
    let file = write(&batch.schema(), std::slice::from_ref(&batch), ParquetOptions::new());
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    for (skip, take) in [(0, 10), (70_000, 5), (131_072, 65_536), (199_999, 100_001), (299_999, 1)] {
        let reader =
            ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options.clone()).unwrap();
        let selection = RowSelection::from(vec![RowSelector::skip(skip), RowSelector::select(take)]);
        let reader = reader.with_row_selection(selection).with_batch_size(take).build().unwrap();
        let rows: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let expected = stored(&batch.schema(), &[batch.slice(skip, take)]);
        assert_eq!(arrow::compute::concat_batches(&expected.schema(), &rows).unwrap(), expected);
    }
}

#[test]
fn a_resting_writer_is_small_and_goes_on() {
    let strings =
        |from: u64| views((from..from + 30_000).map(|i| format!("a-host-with-number-{}.example", i % 9000)));
    let first = strings(0);
    let mut writer = ParquetWriter::try_new(Vec::new(), first.schema(), ParquetOptions::new()).unwrap();
    assert!(writer.bytes_buffered() < 16 << 10);
    writer.write(&first).unwrap();
    writer.write(&first).unwrap();
    assert!(writer.bytes_buffered() > 100 << 10);
    writer.flush().unwrap();
    assert!(writer.bytes_buffered() < 16 << 10);
    writer.flush().unwrap();
    let second = strings(5000);
    writer.write(&second).unwrap();
    let (bytes, _) = writer.finish().unwrap();
    let expected = stored(&first.schema(), &[first.clone(), first, second]);
    assert_eq!(read(bytes.into()), expected);
}

#[test]
fn types_that_are_not_written_are_named() {
    let schema = schema(&[("host", DataType::Utf8View, false), ("weight", DataType::Float64, true)]);
    let error = ParquetWriter::try_new(Vec::new(), schema, ParquetOptions::new()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Sink);
    assert!(error.to_string().contains("\"weight\""), "{error}");
    assert!(error.to_string().contains("Float64"), "{error}");
}

#[test]
fn batches_that_do_not_fit_are_refused() {
    let schema = schema(&[("status", DataType::Int16, false)]);
    let mut writer = ParquetWriter::try_new(Vec::new(), schema, ParquetOptions::new()).unwrap();
    let null: ArrayRef = Arc::new(Int16Array::from(vec![Some(1), None]));
    for other in [
        one_column(DataType::Int32, Arc::new(Int32Array::from(vec![1]))),
        one_column(DataType::UInt8, Arc::new(UInt8Array::from(vec![1]))),
        one_column(DataType::Int16, null),
    ] {
        let error = writer.write(&other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sink);
    }
}

/// A disk with room for so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.min(bytes.len()) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            some => {
                self.0 -= some;
                Ok(some)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_io_error_wherever_it_strikes() {
    let batch = views(numbers().take(30_000).map(|number| number.to_string()));
    let whole = write(&batch.schema(), std::slice::from_ref(&batch), ParquetOptions::new()).len();
    for room in [0, 4, 1000, whole / 2, whole - 1000, whole - 1] {
        let written = ParquetWriter::try_new(Full(room), batch.schema(), ParquetOptions::new())
            .and_then(|mut writer| writer.write(&batch).map(|()| writer))
            .and_then(ParquetWriter::finish);
        let Err(error) = written else { panic!("{room} bytes were enough") };
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert_eq!(error.io_error().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }
}

/// Strings as they come: a few often, or all kinds.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop_oneof![Just("GET"), Just("HTTP/1.0"), Just(""), Just("/index.html"), Just("/a/path/of/its/own")]
            .prop_map(String::from),
        3 => "[a-c]{0,20}",
        2 => ".{0,40}",
        1 => (12_usize..70).prop_map(|len| "é".repeat(len)),
    ]
}

fn column<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
    rows: usize,
) -> impl Strategy<Value = Vec<Option<T>>> {
    let values = prop::collection::vec(value, rows);
    let valid = prop_oneof![Just(0_u8), Just(10), Just(128), Just(255)].prop_flat_map(move |nulls| {
        prop::collection::vec(any::<u8>().prop_map(move |draw| draw >= nulls), rows)
    });
    (values, valid).prop_map(|(values, valid)| {
        values.into_iter().zip(valid).map(|(value, valid)| valid.then_some(value)).collect()
    })
}

fn batch() -> impl Strategy<Value = RecordBatch> {
    (0_usize..200).prop_flat_map(|rows| {
        let texts = (column(text(), rows), column(text(), rows), column(any::<Vec<u8>>(), rows));
        let integers = (
            column(prop_oneof![Just(200_i16), Just(304), any::<i16>()], rows),
            column(prop_oneof![0..300_i64, any::<i64>()], rows),
            column(any::<i32>(), rows),
            prop::collection::vec(0..4_000_000_000_000_i64, rows),
        );
        (texts, integers).prop_map(|((a, b, c), (d, e, f, g))| {
            let bytes: BinaryArray = c.iter().map(|value| value.as_deref()).collect();
            let byte_views: BinaryViewArray = c.iter().map(|value| value.as_deref()).collect();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(a.iter().cloned().collect::<StringViewArray>()),
                Arc::new(b.iter().cloned().collect::<StringArray>()),
                Arc::new(bytes),
                Arc::new(byte_views),
                Arc::new(d.into_iter().collect::<Int16Array>()),
                Arc::new(e.into_iter().collect::<Int64Array>()),
                Arc::new(f.into_iter().collect::<Int32Array>()),
                Arc::new(TimestampMillisecondArray::from(g).with_timezone("UTC")),
            ];
            let schema = schema(&[
                ("views", DataType::Utf8View, true),
                ("strings", DataType::Utf8, true),
                ("bytes", DataType::Binary, true),
                ("byte_views", DataType::BinaryView, true),
                ("short", DataType::Int16, true),
                ("long", DataType::Int64, true),
                ("int", DataType::Int32, true),
                ("ts", utc(), false),
            ]);
            RecordBatch::try_new(schema, columns).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written_is_read(
        batches in prop::collection::vec((batch(), 0_usize..50, 0_usize..50), 1..12),
        row_group_rows in prop_oneof![1_usize..400, Just(ParquetOptions::ROW_GROUP_ROWS)],
        compression in prop_oneof![Just(Compression::Zstd(1)), Just(Compression::Snappy), Just(Compression::None)],
        parallel: bool,
    ) {
        let batches: Vec<RecordBatch> = batches
            .into_iter()
            .map(|(batch, front, back)| {
                let front = front.min(batch.num_rows());
                batch.slice(front, batch.num_rows().saturating_sub(front + back))
            })
            .collect();
        prop_assume!(batches.iter().any(|batch| batch.num_rows() > 0));
        let options = ParquetOptions::new()
            .with_row_group_rows(row_group_rows)
            .with_compression(compression)
            .with_parallel(parallel);
        round_trip(&batches, options);
    }
}
