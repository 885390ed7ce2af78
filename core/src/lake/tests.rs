//! What is merged and looked at, over files of our own and over files that are spoilt.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int32Type, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaDataWriter};
use proptest::prelude::*;

use super::*;
use crate::sink::parquet::{ParquetOptions, ParquetWriter};

fn go_on() -> Result<()> {
    Ok(())
}

fn file(directory: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) -> Piece {
    let path = directory.join(name);
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, name != "line_id")),
    )
    .unwrap();
    let options = ParquetOptions::new().with_row_group_rows(7);
    let mut writer =
        ParquetWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    Piece { name: name.to_owned(), path }
}

fn rows(directory: &Path, name: &str, rows: &[(i64, String)]) -> Piece {
    let values: Int64Array = rows.iter().map(|(value, _)| Some(*value)).collect();
    let ids: StringArray = rows.iter().map(|(_, id)| Some(id.as_str())).collect();
    file(directory, name, vec![("bytes", Arc::new(values)), ("line_id", Arc::new(ids))])
}

/// The same as others write it, who have more types.
fn foreign(directory: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) -> Piece {
    let path = directory.join(name);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Piece { name: name.to_owned(), path }
}

fn read(path: &Path) -> RecordBatch {
    let builder = open("made", path).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(std::result::Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn values(paths: &[PathBuf]) -> Vec<i64> {
    let batches: Vec<RecordBatch> = paths.iter().map(|path| read(path)).collect();
    batches
        .iter()
        .flat_map(|batch| {
            use arrow::array::AsArray;
            batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_first_of_each_stays_in_order(
        files in prop::collection::vec(prop::collection::vec(0_u8..30, 1..40), 1..6),
        cut in 1_u64..20,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (mut seen, mut expected, mut number) = (std::collections::HashSet::new(), Vec::new(), 0);
        let pieces: Vec<Piece> = files.iter().enumerate().map(|(at, ids)| {
            let ids: Vec<(i64, String)> = ids.iter().map(|id| {
                number += 1;
                if seen.insert(*id) {
                    expected.push(number);
                }
                (number, format!("{id:016x}-1"))
            }).collect();
            rows(directory.path(), &format!("{at}.parquet"), &ids)
        }).collect();
        let mut merge = Merge::open(pieces, &go_on).unwrap();
        prop_assert_eq!(merge.rows(), number as u64);
        let removed = merge.remove_duplicates(directory.path(), &go_on).unwrap();
        prop_assert_eq!(removed as usize, number as usize - expected.len());
        let whole = |at: usize| directory.path().join(format!("whole{at}"));
        let options = MergeOptions::new();
        let made = merge.write(&whole, Cut::Bytes(1 << 20), &options, &go_on).unwrap();
        prop_assert_eq!(made.len(), 1);
        prop_assert_eq!(values(&[made[0].path.clone()]), expected.clone());
        prop_assert_eq!(made[0].bytes, fs::metadata(&made[0].path).unwrap().len());

        // Cut where another merge was cut.
        let cuts: Vec<u64> = vec![cut; expected.len().div_ceil(cut as usize)];
        let part = |at: usize| directory.path().join(format!("part{at}"));
        let made = merge.write(&part, Cut::Rows(&cuts), &options, &go_on).unwrap();
        prop_assert_eq!(made.len(), cuts.len());
        prop_assert!(made[..made.len() - 1].iter().all(|made| made.rows == cut));
        let paths: Vec<PathBuf> = made.into_iter().map(|made| made.path).collect();
        prop_assert_eq!(values(&paths), expected);
    }
}

/// The same file, whose footer says that each group has so many rows, and each column so many values.
fn lying(piece: &Piece, name: &str, rows: i64, values: i64) -> Piece {
    let bytes = fs::read(&piece.path).unwrap();
    let metadata = open("", &piece.path).unwrap().metadata().as_ref().clone();
    let groups: Vec<_> = metadata
        .row_groups()
        .iter()
        .map(|group| {
            let chunk = |chunk: &ColumnChunkMetaData| {
                chunk.clone().into_builder().set_num_values(values).build().unwrap()
            };
            let columns = group.columns().iter().map(chunk).collect();
            group.clone().into_builder().set_num_rows(rows).set_column_metadata(columns).build().unwrap()
        })
        .collect();
    let own = metadata.file_metadata();
    let total = rows * groups.len() as i64;
    let own = FileMetaData::new(own.version(), total, None, None, own.schema_descr_ptr(), None);
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let mut made = bytes[..bytes.len() - 8 - length].to_vec();
    ParquetMetaDataWriter::new(&mut made, &ParquetMetaData::new(own, groups)).finish().unwrap();
    let path = piece.path.with_file_name(name);
    fs::write(&path, made).unwrap();
    Piece { name: name.to_owned(), path }
}

#[test]
fn how_many_rows_there_are_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let lines: Vec<(i64, String)> = (0..5).map(|row| (row, format!("id {}", row % 3))).collect();
    let sound = rows(directory.path(), "sound", &lines);
    let ids = || Arc::new(StringArray::from(vec!["x", "x"])) as ArrayRef;
    let without = file(directory.path(), "without", vec![("host", ids())]);
    for count in [4, 6, 1 << 50, i64::MAX] {
        let liar = lying(&sound, "liar", count, count);
        let mut merge = Merge::open(vec![sound.clone(), liar], &go_on).unwrap();
        let error = merge.remove_duplicates(directory.path(), &go_on).unwrap_err().to_string();
        assert!(error.starts_with("liar: has other rows than its footer says"), "{count}: {error}");
        // Nor are numbers of rows as high as a file says that has no ids.
        let liar = lying(&without, "liar", count, count);
        let mut merge = Merge::open(vec![liar, sound.clone()], &go_on).unwrap();
        assert_eq!(merge.remove_duplicates(directory.path(), &go_on).unwrap(), 2);
        let place = |_| directory.path().join(format!("made{count}"));
        let made = merge.write(&place, Cut::Bytes(1 << 20), &MergeOptions::new(), &go_on);
        assert!(made.unwrap_err().to_string().starts_with("liar: has other rows"), "{count}");
    }
    let liars = vec![lying(&sound, "liar", i64::MAX, i64::MAX); 3];
    let error = Merge::open(liars, &go_on).err().unwrap().to_string();
    assert!(error.starts_with("liar: has other rows than its footer says"), "{error}");
    for (count, values) in [(0, 5), (5, 1 << 50), (1 << 50, 5)] {
        let liar = lying(&sound, "liar", count, values);
        let error = Merge::open(vec![liar], &go_on).err().unwrap().to_string();
        assert!(error.contains("its footer contradicts itself about its rows"), "{error}");
    }
}

#[test]
fn columns_that_a_file_lacks_are_null() {
    let directory = tempfile::tempdir().unwrap();
    let ids = || Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef;
    let text = || Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef;
    let pieces = vec![
        file(directory.path(), "1", vec![("host", text()), ("line_id", ids())]),
        file(directory.path(), "2", vec![("host", text()), ("referer", text())]),
    ];
    let mut merge = Merge::open(pieces, &go_on).unwrap();
    let names: Vec<&str> = merge.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["host", "referer", "line_id"]);
    assert!(merge.schema().field(2).is_nullable());
    assert_eq!(merge.remove_duplicates(directory.path(), &go_on).unwrap(), 0);
    let place = |_| directory.path().join("made");
    let made = merge.write(&place, Cut::Bytes(1 << 20), &MergeOptions::new(), &go_on).unwrap();
    let batch = read(&made[0].path);
    assert_eq!((batch.num_rows(), batch.column(1).null_count(), batch.column(2).null_count()), (4, 2, 2));
}

#[test]
fn what_does_not_fit_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let number = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let text = || Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
    let first = file(directory.path(), "first", vec![("bytes", number())]);
    let says = |second: Piece| Merge::open(vec![first.clone(), second], &go_on).err().unwrap().to_string();
    let error = says(file(directory.path(), "text", vec![("bytes", text())]));
    assert!(error.starts_with("text: column \"bytes\" has the type Utf8, but Int64 in first"), "{error}");
    let error = says(file(directory.path(), "case", vec![("Bytes", number())]));
    assert!(error.contains("called \"bytes\" in first"), "{error}");
    fs::write(directory.path().join("none"), b"PAR1 and so on").unwrap();
    let error = says(Piece { name: "none".to_owned(), path: directory.path().join("none") });
    assert!(error.starts_with("none: cannot be read as Parquet"), "{error}");
}

#[test]
fn files_have_the_size_that_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let pieces: Vec<Piece> = (0..6)
        .map(|at| {
            let lines: Vec<(i64, String)> =
                (0..20_000_i64).map(|row| (row * 7919 % 5003, format!("{at:016x}-{row}"))).collect();
            rows(directory.path(), &format!("{at}"), &lines)
        })
        .collect();
    let merge = Merge::open(pieces, &go_on).unwrap();
    let options = MergeOptions::new().with_parquet(ParquetOptions::new().with_row_group_rows(5_000));
    let place = |at| directory.path().join(format!("made{at}"));
    let target = 100_000;
    let made = merge.write(&place, Cut::Bytes(target), &options, &go_on).unwrap();
    assert!(made.len() > 1, "{made:?}");
    assert!(made.iter().all(|made| (target / 2..target * 2).contains(&made.bytes)), "{made:?}");
    assert_eq!(made.iter().map(|made| made.rows).sum::<u64>(), 120_000);
}

#[test]
fn what_a_merge_refuses_is_called_ill() {
    use DataType::*;
    let directory = tempfile::tempdir().unwrap();
    let zoned = |unit| Timestamp(unit, Some("UTC".into()));
    let types = [
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt16,
        UInt64,
        Float16,
        Float32,
        Float64,
        Date32,
        Time32(TimeUnit::Millisecond),
        Decimal128(10, 2),
        Utf8,
        LargeUtf8,
        Binary,
        FixedSizeBinary(4),
        zoned(TimeUnit::Millisecond),
        zoned(TimeUnit::Microsecond),
        zoned(TimeUnit::Nanosecond),
        Timestamp(TimeUnit::Millisecond, None),
        List(Arc::new(arrow::datatypes::Field::new("item", Int32, true))),
    ];
    let files: Vec<(Piece, Inspection)> = types
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            let piece = foreign(directory.path(), &at.to_string(), vec![("x", new_null_array(kind, 3))]);
            let found = inspect(&piece.path, None).unwrap();
            (piece, found)
        })
        .collect();
    let mut merged = 0;
    for (one, found) in &files {
        for (other, more) in &files {
            let is_ill =
                !found.problems.is_empty() || !more.problems.is_empty() || found.columns != more.columns;
            match Merge::open(vec![one.clone(), other.clone()], &go_on) {
                Ok(_) => merged += 1,
                Err(error) => assert!(is_ill, "{error}: {found:?} {more:?}"),
            }
        }
    }
    // Of the six types that tables have, each with itself, and the two texts with each other.
    assert_eq!(merged, 9);
    let number = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let twice = foreign(directory.path(), "twice", vec![("x", number()), ("x", number())]);
    assert!(Merge::open(vec![twice.clone()], &go_on).is_err());
    let found = inspect(&twice.path, None).unwrap();
    assert_eq!(found.problems.iter().map(|problem| problem.ailment).collect::<Vec<_>>(), [Ailment::SameName]);
}

#[test]
fn rows_are_held_against_the_footer() {
    let directory = tempfile::tempdir().unwrap();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..5).map(|row| Some(vec![Some(row)])));
    // How many values there are says nothing of the rows where columns are repeated.
    let sound = foreign(directory.path(), "sound", vec![("x", Arc::new(lists))]);
    let found = inspect(&lying(&sound, "liar", 7, 5).path, None).unwrap();
    let damage: Vec<&str> = found
        .problems
        .iter()
        .filter(|problem| problem.ailment == Ailment::Damaged)
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!((found.rows, damage), (5, vec!["has 5 rows, and 7 as its footer says"]));
}

#[test]
fn our_own_files_are_sound() {
    let directory = tempfile::tempdir().unwrap();
    let piece = rows(directory.path(), "a", &[(1, "x".to_owned()), (2, "y".to_owned())]);
    let found = inspect(&piece.path, Some("1995-07-01")).unwrap();
    assert_eq!((found.rows, found.problems), (2, vec![]));
    let types: Vec<(&str, &str)> =
        found.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect();
    assert_eq!(types, [("bytes", "INT64"), ("line_id", "STRING")]);
}

#[test]
fn spoilt_files_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let lines: Vec<(i64, String)> = (0..50).map(|row| (row, format!("id {row}"))).collect();
    let sound = fs::read(rows(directory.path(), "a", &lines).path).unwrap();
    let path = directory.path().join("b");
    let ailment = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        inspect(&path, Some("1995-07-01")).unwrap().problems.first().map(|problem| problem.ailment)
    };
    assert_eq!(ailment(&sound), None);
    assert_eq!(ailment(b""), Some(Ailment::Empty));
    assert_eq!(ailment(b"PAR"), Some(Ailment::NotParquet));
    for length in [4, 8, 11, sound.len() / 2, sound.len() - 1] {
        assert_eq!(ailment(&sound[..length]), Some(Ailment::Truncated), "{length}");
    }
    // With an encrypted footer, which is at the beginning too or not.
    let end = sound.len() - 4;
    for begin in [b"PAR1", b"PARE"] {
        let encrypted = [&begin[..], &sound[4..end], b"PARE"].concat();
        assert_eq!(ailment(&encrypted), Some(Ailment::NotParquet));
        assert_eq!(ailment(&encrypted[..end]), Some(Ailment::Truncated));
    }
    // Whatever is changed, it is looked at to the end.
    for at in 0..sound.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut spoilt = sound.clone();
            spoilt[at] ^= flip;
            ailment(&spoilt);
        }
    }
}
