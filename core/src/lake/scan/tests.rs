//! Files of ours, of others, and of nobody.

use arrow::array::{
    BinaryArray, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;

const FIRST: i64 = 804_571_201_000;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn times(seconds: &[i64]) -> ArrayRef {
    let values = seconds.iter().map(|second| FIRST + second * 1000);
    Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn read(scan: &Scan, parts: usize) -> Vec<i64> {
    let mut found: Vec<i64> = scan
        .divide(parts)
        .into_iter()
        .flatten()
        .flat_map(|batch| {
            let batch = batch.unwrap();
            assert_eq!(batch.schema(), scan.schema());
            let times =
                batch.column_by_name("ts").unwrap().as_primitive::<TimestampMillisecondType>().clone();
            times.values().to_vec()
        })
        .collect();
    found.sort_unstable();
    found.iter().map(|time| (time - FIRST) / 1000).collect()
}

#[test]
fn files_are_found_and_told_from_logs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in [
        "lake/dt=1995-07-02/b.parquet",
        "lake/dt=1995-07-01/a.parquet",
        "lake/_tmp/x.parquet",
        "lake/.y.parquet",
    ] {
        write(&at(name), vec![("ts", times(&[0]))]);
    }
    write(&at("odd-name"), vec![("ts", times(&[0]))]);
    fs::write(at("lake/_SUCCESS"), "").unwrap();
    fs::write(at("a.log"), "PAR").unwrap();
    fs::create_dir(at("empty")).unwrap();
    let table = vec![at("lake/dt=1995-07-01/a.parquet"), at("lake/dt=1995-07-02/b.parquet")];
    assert_eq!(find([at("lake")]).unwrap(), Some(table.clone()));
    assert_eq!(find([at("lake/dt=*")]).unwrap(), Some(table.clone()));
    assert_eq!(find([at("lake/*/*.parquet"), at("odd-name")]).unwrap().unwrap().len(), 4);
    assert_eq!(find([at("a.log"), PathBuf::from("-")]).unwrap(), None);
    assert_eq!(find(Vec::<PathBuf>::new()).unwrap(), None);
    for (words, says) in [
        (vec![at("lake"), at("a.log")], "one run reads one of the two"),
        (vec![at("empty")], "is a directory without a Parquet file; logs in it are passed as files"),
        (vec![at("none")], "no such file"),
        (vec![at("none*")], "nothing matches this pattern"),
        (vec![at("lake"), PathBuf::from("-")], "standard input is not"),
    ] {
        let error = find(words).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn whatever_a_writer_chose_rows_are_those_of_logs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(
        &at("ours.parquet"),
        vec![
            ("ts", times(&[0, 1, 2])),
            ("host", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
            ("status", Arc::new(Int16Array::from(vec![Some(200), None, Some(404)]))),
        ],
    );
    write(
        &at("micros.parquet"),
        vec![
            ("bytes", Arc::new(Int32Array::from(vec![5]))),
            ("host", Arc::new(BinaryArray::from_vec(vec![b"d\xFF"]))),
            ("status", Arc::new(Int64Array::from(vec![500]))),
            ("ts", Arc::new(TimestampMicrosecondArray::from(vec![(FIRST + 3000) * 1000]))),
        ],
    );
    let nanos = TimestampNanosecondArray::from(vec![(FIRST + 4000) * 1_000_000]).with_timezone("+02:00");
    write(&at("nanos.parquet"), vec![("ts", Arc::new(nanos)), ("more", times(&[7]))]);
    let files = find([at("*.parquet")]).unwrap().unwrap();
    let scan = Scan::open(files, &["host", "ts", "path", "status", "bytes"], &["ts"]).unwrap();
    let names: Vec<&str> = scan.shared.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["host", "ts", "status", "bytes"]);
    for parts in 1..4 {
        assert_eq!(read(&scan, parts), [0, 1, 2, 3, 4]);
    }
    assert_eq!((scan.rows(), scan.last().unwrap()), (5, Some(FIRST + 4000)));
    let batches: Vec<RecordBatch> = scan.divide(1).remove(0).map(Result::unwrap).collect();
    let hosts: Vec<Option<&str>> =
        batches.iter().flat_map(|batch| batch.column(0).as_string_view()).collect();
    assert_eq!(hosts, [Some("d\\xFF"), None, Some("a"), Some("b"), Some("c")]);
    let statuses: Vec<Option<i16>> = batches
        .iter()
        .flat_map(|batch| batch.column(2).as_primitive::<arrow::datatypes::Int16Type>())
        .collect();
    assert_eq!(statuses, [Some(500), None, Some(200), None, Some(404)]);
}

#[test]
fn row_groups_of_other_times_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write(&path, vec![("ts", times(&[0, 1, 2, 3, 4, 5]))]);
    let within = |since: Option<i64>, until: Option<i64>| {
        let scan = Scan::open(vec![path.clone()], &["ts"], &["ts"]).unwrap();
        let millis = |second: i64| FIRST + second * 1000;
        read(&scan.within(since.map(millis), until.map(millis)), 2)
    };
    assert_eq!(within(None, None), [0, 1, 2, 3, 4, 5]);
    assert_eq!(within(Some(3), None), [2, 3, 4, 5]);
    assert_eq!(within(Some(2), Some(4)), [2, 3]);
    assert_eq!(within(None, Some(3)), [0, 1, 2, 3]);
    assert_eq!(within(Some(6), None), [0; 0]);
}

#[test]
fn what_cannot_be_rows_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let names = ["ip", "timestamp", "method", "url", "protocol", "status_code", "bytes"];
    write(&at("classic.parquet"), names.iter().map(|name| (*name, Arc::clone(&text))).collect());
    write(&at("other.parquet"), vec![("x", Arc::clone(&text))]);
    write(&at("typed.parquet"), vec![("ts", times(&[0])), ("status", Arc::clone(&text))]);
    write(
        &at("large.parquet"),
        vec![("ts", times(&[0])), ("status", Arc::new(Int64Array::from(vec![70_000])))],
    );
    fs::write(at("cut.parquet"), &fs::read(at("other.parquet")).unwrap()[..100]).unwrap();
    for (file, says) in [
        ("classic.parquet", "has no column ts; these are classic records"),
        ("other.parquet", "has no column ts; a table of `nasalogs convert` has ts, host"),
        ("typed.parquet", "the column status has the type Utf8, and is expected to be an integer"),
        ("large.parquet", "the column status cannot be read as Int16"),
        ("cut.parquet", "cannot be read as Parquet"),
    ] {
        let files = find([at(file)]).unwrap().unwrap();
        let outcome = Scan::open(files, &["ts", "status"], &["ts"])
            .and_then(|scan| scan.divide(1).remove(0).try_for_each(|batch| batch.map(drop)));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(file), "{error}");
    }
}
