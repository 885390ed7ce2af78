//! What every reader is promised: page versions, encodings, types, statistics.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int16Array, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray, new_null_array,
};
use arrow::datatypes::DataType;
use bytes::Bytes;
use parquet::basic::{ConvertedType, Encoding, LogicalType, Repetition, Type};
use parquet::column::page::Page;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;

use super::super::{Compression, ParquetOptions};
use super::{one_column, schema, utc, write};

/// Rows as a log has them: one column for each way of encoding.
fn log(rows: i64) -> RecordBatch {
    let host: StringViewArray =
        (0..rows).map(|i| Some(format!("host{}.example.com", i * i % 1009))).collect();
    let ts: TimestampMillisecondArray = (0..rows).map(|i| Some(804_571_201_000 + i * 1000)).collect();
    let query: StringViewArray = (0..rows).map(|i| (i % 50 == 0).then(|| format!("{i},{i}"))).collect();
    let raw: StringViewArray =
        (0..rows).map(|i| Some(format!("line {i} is like no other {}", i * 31))).collect();
    let status: Int16Array = (0..rows).map(|i| (i % 7 != 0).then_some(200 + (i % 3) as i16)).collect();
    let bytes: Int64Array = (0..rows).map(|i| Some(i * 7919 % 5000)).collect();
    RecordBatch::try_new(
        schema(&[
            ("host", DataType::Utf8View, false),
            ("ident", DataType::Utf8View, true),
            ("ts", utc(), false),
            ("tz_offset", DataType::Int16, false),
            ("query", DataType::Utf8View, true),
            ("raw", DataType::BinaryView, false),
            ("status", DataType::Int16, true),
            ("bytes", DataType::Int64, true),
        ]),
        vec![
            Arc::new(host),
            new_null_array(&DataType::Utf8View, rows as usize),
            Arc::new(ts.with_timezone("UTC")),
            Arc::new(Int16Array::from(vec![-240; rows as usize])),
            Arc::new(query),
            arrow::compute::cast(&(Arc::new(raw) as ArrayRef), &DataType::BinaryView).unwrap(),
            Arc::new(status),
            Arc::new(bytes),
        ],
    )
    .unwrap()
}

fn log_file() -> Bytes {
    let batch = log(200_000);
    write(&batch.schema(), &[batch], ParquetOptions::new().with_row_group_rows(150_000))
}

#[test]
fn pages_are_v1_and_plain_or_dictionary() {
    let reader = SerializedFileReader::new(log_file()).unwrap();
    let mut seen = [0; 3];
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).unwrap();
        for column in 0..group.num_columns() {
            let mut rows = 0;
            for (at, page) in group.get_column_page_reader(column).unwrap().enumerate() {
                match page.unwrap() {
                    Page::DictionaryPage { encoding, .. } => {
                        assert_eq!((at, encoding), (0, Encoding::PLAIN));
                        seen[0] += 1;
                    }
                    Page::DataPage { encoding, def_level_encoding, num_values, .. } => {
                        assert_eq!(def_level_encoding, Encoding::RLE);
                        rows += i64::from(num_values);
                        match encoding {
                            Encoding::PLAIN => seen[1] += 1,
                            Encoding::RLE_DICTIONARY => seen[2] += 1,
                            other => panic!("a data page in {other}"),
                        }
                    }
                    Page::DataPageV2 { .. } => panic!("a v2 page"),
                }
            }
            assert_eq!(rows, group.metadata().num_rows());
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn the_footer_says_what_is_there() {
    let file = log_file();
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(&file)
        .unwrap();
    let about = metadata.file_metadata();
    assert_eq!(about.created_by(), Some(concat!("nasalogs version ", env!("CARGO_PKG_VERSION"))));
    assert!(about.key_value_metadata().unwrap().iter().any(|pair| pair.key == "ARROW:schema"));
    assert_eq!(
        metadata.row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>(),
        [150_000, 50_000]
    );

    let columns = about.schema_descr().columns();
    let types: Vec<_> = columns
        .iter()
        .map(|column| {
            (column.name(), column.physical_type(), column.self_type().get_basic_info().repetition())
        })
        .collect();
    assert_eq!(
        types,
        [
            ("host", Type::BYTE_ARRAY, Repetition::REQUIRED),
            ("ident", Type::BYTE_ARRAY, Repetition::OPTIONAL),
            ("ts", Type::INT64, Repetition::REQUIRED),
            ("tz_offset", Type::INT32, Repetition::REQUIRED),
            ("query", Type::BYTE_ARRAY, Repetition::OPTIONAL),
            ("raw", Type::BYTE_ARRAY, Repetition::REQUIRED),
            ("status", Type::INT32, Repetition::OPTIONAL),
            ("bytes", Type::INT64, Repetition::OPTIONAL),
        ]
    );
    assert_eq!(columns[0].logical_type_ref(), Some(&LogicalType::String));
    assert_eq!(columns[2].converted_type(), ConvertedType::TIMESTAMP_MILLIS);
    assert!(format!("{:?}", columns[2].logical_type_ref()).contains("is_adjusted_to_u_t_c: true"));
    assert_eq!(columns[3].converted_type(), ConvertedType::INT_16);
    assert_eq!(columns[5].logical_type_ref(), None);

    for (at, group) in metadata.row_groups().iter().enumerate() {
        for (column, chunk) in group.columns().iter().enumerate() {
            assert!(chunk.statistics().is_some());
            assert_eq!(chunk.num_values(), group.num_rows());
            let locations = metadata.offset_index().unwrap()[at][column].page_locations();
            assert!(locations.len() > 1 || group.num_rows() < 65_536);
            assert_eq!(locations[0].offset, chunk.data_page_offset());
            let (start, length) = chunk.byte_range();
            let last = locations.last().unwrap();
            assert_eq!(last.offset + i64::from(last.compressed_page_size), (start + length) as i64);
        }
    }
}

#[test]
fn the_same_rows_make_the_same_file() {
    let batch = log(100_000);
    let whole = write(&batch.schema(), std::slice::from_ref(&batch), ParquetOptions::new());
    let parts: Vec<RecordBatch> =
        (0..100_000).step_by(1024).map(|at| batch.slice(at, 1024.min(100_000 - at))).collect();
    assert_eq!(write(&batch.schema(), &parts, ParquetOptions::new().with_parallel(false)), whole);
}

fn statistics(data_type: DataType, array: ArrayRef) -> Statistics {
    let batch = one_column(data_type, array);
    let file = write(&batch.schema(), &[batch], ParquetOptions::new().with_compression(Compression::None));
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).unwrap();
    metadata.row_group(0).column(0).statistics().unwrap().clone()
}

fn text_statistics(values: Vec<Option<&str>>) -> Statistics {
    statistics(DataType::Utf8View, Arc::new(StringViewArray::from(values)))
}

#[test]
fn integers_have_exact_bounds() {
    let found =
        statistics(DataType::Int16, Arc::new(Int16Array::from(vec![Some(404), None, Some(-5), Some(200)])));
    let Statistics::Int32(bounds) = found else { panic!("{found}") };
    assert_eq!(
        (bounds.min_opt(), bounds.max_opt(), bounds.null_count_opt()),
        (Some(&-5), Some(&404), Some(1))
    );
    let found = statistics(DataType::Int64, Arc::new(Int64Array::from(vec![i64::MAX, 0, i64::MIN])));
    let Statistics::Int64(bounds) = found else { panic!("{found}") };
    assert_eq!((bounds.min_opt(), bounds.max_opt()), (Some(&i64::MIN), Some(&i64::MAX)));
    let found = statistics(DataType::Int64, Arc::new(Int64Array::from(vec![None, None])));
    assert_eq!((found.min_bytes_opt(), found.max_bytes_opt(), found.null_count_opt()), (None, None, Some(2)));
}

#[test]
fn texts_are_compared_as_bytes() {
    let found = text_statistics(vec![Some("b"), Some("a\u{ff}"), None, Some("é"), Some("")]);
    assert_eq!(found.min_bytes_opt(), Some(&b""[..]));
    assert_eq!(found.max_bytes_opt(), Some("é".as_bytes()));
    assert!(found.min_is_exact() && found.max_is_exact());
    assert_eq!(found.null_count_opt(), Some(1));
    // Equal in their first eight bytes.
    let found =
        text_statistics(vec![Some("/images/b"), Some("/images/"), Some("/images/c"), Some("/images/a")]);
    assert_eq!(found.min_bytes_opt(), Some(&b"/images/"[..]));
    assert_eq!(found.max_bytes_opt(), Some(&b"/images/c"[..]));
}

#[test]
fn long_texts_are_cut_to_bounds_that_hold() {
    let long = "a".repeat(200);
    let found = text_statistics(vec![Some(&long)]);
    assert_eq!(found.min_bytes_opt(), Some("a".repeat(64).as_bytes()));
    assert_eq!(found.max_bytes_opt(), Some(format!("{}b", "a".repeat(63)).as_bytes()));
    assert!(!found.min_is_exact() && !found.max_is_exact());

    // A character across the cut, and others before it that have no successor of one byte.
    let wide = format!("a{}", "é".repeat(100));
    let found = text_statistics(vec![Some(&wide)]);
    assert_eq!(found.min_bytes_opt(), Some(format!("a{}", "é".repeat(31)).as_bytes()));
    assert_eq!(found.max_bytes_opt(), Some(&b"b"[..]));

    // No upper bound is better than a wrong one.
    let top = "é".repeat(100);
    let found = text_statistics(vec![Some(&top)]);
    assert_eq!(found.max_bytes_opt(), None);
    assert!(found.min_bytes_opt().unwrap() <= top.as_bytes());
}
