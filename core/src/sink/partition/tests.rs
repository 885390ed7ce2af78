use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int16Array, Int64Array, StringViewArray, TimestampMillisecondArray,
};

use super::*;
use crate::field::date::DAY_MS;
use crate::sink::OutputFormat;

/// Rows of (day since 1970, number).
fn batch(rows: &[(i64, i64)]) -> RecordBatch {
    let ts: TimestampMillisecondArray = rows.iter().map(|row| Some(row.0 * DAY_MS)).collect();
    let tz: Int16Array = rows.iter().map(|_| Some(0)).collect();
    let n: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
    let text: StringViewArray =
        rows.iter().map(|row| Some(format!("a text that is row {}", row.1))).collect();
    RecordBatch::try_from_iter([
        ("ts", Arc::new(ts.with_timezone("UTC")) as ArrayRef),
        ("tz_offset", Arc::new(tz)),
        ("n", Arc::new(n)),
        ("text", Arc::new(text)),
    ])
    .unwrap()
}

fn sink(dir: &Path, options: PartitionOptions) -> Result<Box<PartitionedSink>> {
    let schema = batch(&[]).schema();
    PartitionedSink::try_new(dir, schema, options, SinkOptions::new(OutputFormat::Csv)).map(Box::new)
}

fn only_n() -> PartitionOptions {
    PartitionOptions::new().with_columns(["n"])
}

fn write(dir: &Path, options: PartitionOptions, rows: &[(i64, i64)]) -> Result<Finished> {
    let mut sink = sink(dir, options)?;
    sink.write(&batch(rows))?;
    sink.finish()
}

/// All that is in a directory, with the files' texts.
fn tree(dir: &Path) -> Vec<(String, String)> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.push((format!("{name}/"), String::new()));
                walk(root, &path, found);
            } else {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_iter().map(|(name, _)| name).collect()
}

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn a_table_appears_at_the_end() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("deep/er/table");
    let mut sink = sink(&dir, only_n()).unwrap();
    sink.write(&batch(&[(0, 1), (1, 2), (0, 3)])).unwrap();
    sink.write(&batch(&[])).unwrap();
    sink.write(&batch(&[(1, 4)])).unwrap();
    for name in names(&dir) {
        assert!(name.starts_with("_nasalogs.") && name.contains(".tmp"), "{name} is visible too early");
    }
    let finished = sink.finish().unwrap();
    assert_eq!(
        names(&dir),
        ["_SUCCESS", "dt=1970-01-01/", "dt=1970-01-01/part.csv", "dt=1970-01-02/", "dt=1970-01-02/part.csv"]
    );
    assert_eq!(text(&dir, "dt=1970-01-01/part.csv"), "n\n1\n3\n");
    assert_eq!(text(&dir, "dt=1970-01-02/part.csv"), "n\n2\n4\n");
    assert_eq!(finished.bytes, 12);
    assert_eq!(finished.files.len(), 2);
}

#[test]
fn dropped_it_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let mut new = sink(&dir, only_n().with_max_open(1)).unwrap();
    new.write(&batch(&[(0, 1), (1, 2), (0, 3)])).unwrap();
    drop(new);
    assert_eq!(names(root.path()), Vec::<String>::new());

    write(&dir, only_n(), &[(0, 1)]).unwrap();
    let before = tree(root.path());
    let mut more = sink(&dir, only_n().with_mode(WriteMode::Overwrite)).unwrap();
    more.write(&batch(&[(0, 5), (1, 2)])).unwrap();
    drop(more);
    assert_eq!(tree(root.path()), before);
}

#[test]
fn a_table_that_exists_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("table");
    fs::create_dir(&dir).unwrap();
    write(&dir, only_n(), &[(0, 1)]).unwrap();
    let before = tree(root.path());
    let error = write(&dir, only_n(), &[(0, 2)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("--overwrite") && error.to_string().contains("--append"), "{error}");
    assert_eq!(tree(root.path()), before);

    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(write(&file, only_n(), &[]).unwrap_err().to_string().contains("is a file"), "a file is no table");
}

#[test]
fn append_adds_and_overwrite_replaces_its_days() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    write(dir, only_n(), &[(0, 1), (1, 2), (2, 3)]).unwrap();
    write(dir, only_n().with_mode(WriteMode::Append), &[(1, 4)]).unwrap();
    write(dir, only_n().with_mode(WriteMode::Append), &[(1, 5), (3, 6)]).unwrap();
    assert_eq!(text(dir, "dt=1970-01-02/part.csv"), "n\n2\n");
    assert_eq!(text(dir, "dt=1970-01-02/part-1.csv"), "n\n4\n");
    assert_eq!(text(dir, "dt=1970-01-02/part-2.csv"), "n\n5\n");
    assert_eq!(text(dir, "dt=1970-01-04/part.csv"), "n\n6\n");

    fs::write(dir.join("dt=1970-01-02/.part.csv.crc"), "of another writer").unwrap();
    fs::write(dir.join("dt=1970-01-02/_part.x.tmp"), "being written").unwrap();
    write(dir, only_n().with_mode(WriteMode::Overwrite), &[(1, 7), (4, 8)]).unwrap();
    let visible: Vec<(String, String)> =
        tree(dir).into_iter().filter(|(name, _)| !name.ends_with('/')).collect();
    let expected = [
        ("_SUCCESS", ""),
        ("dt=1970-01-01/part.csv", "n\n1\n"),
        ("dt=1970-01-02/_part.x.tmp", "being written"),
        ("dt=1970-01-02/part-3.csv", "n\n7\n"),
        ("dt=1970-01-03/part.csv", "n\n3\n"),
        ("dt=1970-01-04/part.csv", "n\n6\n"),
        ("dt=1970-01-05/part.csv", "n\n8\n"),
    ];
    assert_eq!(visible, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
}

#[test]
fn a_failing_end_takes_all_back() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    write(dir, only_n(), &[(0, 1)]).unwrap();
    // Where the second day's directory belongs there is a file.
    fs::write(dir.join("dt=1970-01-02"), "in the way").unwrap();
    let before = tree(dir);
    for mode in [WriteMode::Append, WriteMode::Overwrite] {
        let error = write(dir, only_n().with_mode(mode), &[(0, 2), (1, 3)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert_eq!(tree(dir), before, "{mode:?}");
    }
}

#[test]
fn two_runs_of_one_new_table_do_not_mix() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("table");
    let mut first = sink(&dir, only_n()).unwrap();
    first.write(&batch(&[(0, 1)])).unwrap();
    fs::create_dir(dir.join("dt=1970-01-01")).unwrap();
    fs::write(dir.join("dt=1970-01-01/part.csv"), "another's").unwrap();
    assert!(first.finish().unwrap_err().to_string().contains("exists already"));
    assert_eq!(names(&dir), ["dt=1970-01-01/", "dt=1970-01-01/part.csv"]);
}

#[test]
fn open_files_are_bounded_and_no_row_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let mut sink = sink(dir, only_n().with_max_open(4)).unwrap();
    for round in 0..3 {
        let rows: Vec<(i64, i64)> = (0..100).map(|day| (day, round * 100 + day)).collect();
        sink.write(&batch(&rows)).unwrap();
        assert!(sink.open.len() <= 4);
    }
    // The days that are open go on in their files.
    sink.write(&batch(&[(99, 300), (98, 301)])).unwrap();
    let finished = sink.finish().unwrap();
    assert_eq!(finished.files.len(), 300);
    assert_eq!(text(dir, "dt=1970-01-01/part.csv"), "n\n0\n");
    assert_eq!(text(dir, "dt=1970-01-01/part-1.csv"), "n\n100\n");
    assert_eq!(text(dir, "dt=1970-01-01/part-2.csv"), "n\n200\n");
    assert_eq!(text(dir, "dt=1970-04-10/part-2.csv"), "n\n299\n300\n");
    let numbers: std::collections::BTreeSet<i64> = finished
        .files
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines().skip(1).map(|line| line.parse().unwrap()).collect::<Vec<i64>>()
        })
        .collect();
    assert_eq!(numbers.len(), 302);
}

#[test]
fn a_table_without_rows_is_complete() {
    let root = tempfile::tempdir().unwrap();
    let finished = write(root.path(), only_n(), &[]).unwrap();
    assert_eq!(finished, Finished::default());
    assert_eq!(names(root.path()), ["_SUCCESS"]);
}

#[test]
fn options_that_make_no_table() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("table");
    for (options, text) in [
        (PartitionOptions::new().with_columns(["n", "gone"]), "there is no column \"gone\""),
        (PartitionOptions::new().with_name("../x"), "cannot be the name"),
        (PartitionOptions::new().with_name("_x"), "cannot be the name"),
        (PartitionOptions::new().with_name(""), "cannot be the name"),
    ] {
        let error = sink(&dir, options).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = write(&dir, only_n().with_max_days(2), &[(0, 1), (1, 1), (2, 1)]).unwrap_err();
    assert!(error.to_string().contains("more than 2 days"), "{error}");
    assert_eq!(names(root.path()), Vec::<String>::new());

    let dt = RecordBatch::try_from_iter([
        ("ts", batch(&[]).column(0).clone()),
        ("DT", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef),
    ])
    .unwrap();
    let error = PartitionedSink::try_new(
        &dir,
        dt.schema(),
        PartitionOptions::new(),
        SinkOptions::new(OutputFormat::Csv),
    )
    .err()
    .unwrap();
    assert!(error.to_string().contains("column dt"), "{error}");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_hold_the_rows_without_the_day() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let root = tempfile::tempdir().unwrap();
    let schema = batch(&[]).schema();
    let options = PartitionOptions::new().with_name("july");
    let mut sink: Box<dyn BatchSink> = Box::new(
        PartitionedSink::try_new(root.path(), schema, options, SinkOptions::new(OutputFormat::Parquet))
            .unwrap(),
    );
    let rows: Vec<(i64, i64)> = (0..1000).map(|n| (n % 3, n)).collect();
    for part in rows.chunks(100) {
        sink.write(&batch(part)).unwrap();
    }
    let finished = sink.finish().unwrap();
    assert_eq!(finished.files.len(), 3);
    for (day, path) in finished.files.iter().enumerate() {
        assert!(path.ends_with("july.parquet"), "{path:?}");
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
        let mut expected = day as i64;
        for read in reader {
            let read = read.unwrap();
            assert_eq!(read.num_columns(), 4);
            let numbers = read.column_by_name("n").unwrap().as_primitive::<arrow::datatypes::Int64Type>();
            let texts = read.column_by_name("text").unwrap().as_string::<i32>();
            for row in 0..read.num_rows() {
                assert_eq!(numbers.value(row), expected);
                assert_eq!(texts.value(row), format!("a text that is row {expected}"));
                expected += 3;
            }
            assert_eq!(numbers.null_count(), 0);
        }
        assert!(expected >= 1000);
    }
}

#[test]
fn files_that_are_staged_have_the_names_that_they_would_get() {
    let dir = tempfile::tempdir().unwrap();
    let options = || only_n().with_max_open(1).with_name("x");
    let [mut placed, mut staged] =
        ["placed", "staged"].map(|name| sink(&dir.path().join(name), options()).unwrap());
    for row in [(1, 1), (2, 2), (1, 3)] {
        placed.write(&batch(&[row])).unwrap();
        staged.write(&batch(&[row])).unwrap();
    }
    placed.finish().unwrap();
    let mut found = Vec::new();
    for file in staged.stage().unwrap() {
        assert!(file.path.starts_with(dir.path().join("staged")) && file.path.extension().unwrap() == "tmp");
        let text = fs::read_to_string(&file.path).unwrap();
        assert_eq!(text.len() as u64, file.bytes);
        found.push((file.name.to_str().unwrap().to_owned(), text));
    }
    found.sort();
    let mut placed = tree(&dir.path().join("placed"));
    placed.retain(|(name, _)| name.ends_with(".csv"));
    assert_eq!((found.len(), found), (3, placed));
}
