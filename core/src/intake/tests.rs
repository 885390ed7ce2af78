//! Records of every form, mixed, cut and damaged.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::{Int16Type, TimestampMillisecondType};
use proptest::prelude::*;

use super::*;
use crate::envelope::{EncodeOptions, Line, RecordEncoder, RecordForm, SourceId, StreamRecord};
use crate::naming::Names;
use crate::sink::PartitionTz;
use crate::sink::parquet::ParquetOptions;

const LINE: &str = r#"h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 5"#;
const COMBINED: &str =
    r#"h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 5 "http://r.example/" "agent""#;

fn take(records: &[(&str, &[u8])]) -> Taken {
    take_with(IntakeOptions::new(), records)
}

fn take_with(options: IntakeOptions, records: &[(&str, &[u8])]) -> Taken {
    let mut intake = Intake::new(options);
    for (name, data) in records {
        assert!(intake.push(Arrival { name, data, partition_key: "key" }));
    }
    let taken = intake.finish().unwrap();
    let counts = taken.counts;
    assert_eq!(counts.rows + counts.rejected + counts.blanks, counts.lines);
    assert_eq!(taken.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(), counts.rows);
    assert_eq!(taken.rejects.len() as u64, counts.rejected);
    taken
}

fn texts(taken: &Taken, column: &str) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    for batch in &taken.batches {
        let column = batch.column_by_name(column).unwrap();
        let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
        texts.extend(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)));
    }
    texts
}

fn ids(taken: &Taken) -> Vec<String> {
    texts(taken, "line_id").into_iter().flatten().collect()
}

/// The records of some lines in a form.
fn records(form: RecordForm, names: Names, lines: &[String]) -> Vec<StreamRecord> {
    let mut encoder = RecordEncoder::new(EncodeOptions::new(form).with_names(names));
    let mut records = Vec::new();
    let mut offset = 0;
    for line in lines {
        let id = LineId { source: SourceId(7), offset };
        offset += line.len() as u64 + 1;
        // A line that is no row cannot be an object: what sends it has put it aside.
        let _ = encoder.push(Line { bytes: line.as_bytes(), id, end: offset, key: None });
        records.extend(std::iter::from_fn(|| encoder.next_record()));
    }
    encoder.flush();
    records.extend(std::iter::from_fn(|| encoder.next_record()));
    records
}

#[test]
fn what_has_no_id_is_known_by_its_record() {
    let both = format!("{LINE}\n{LINE}\n");
    let taken = take(&[("shard:1", both.as_bytes()), ("shard:2", LINE.as_bytes())]);
    assert_eq!(ids(&taken), ["shard:1/0", "shard:1/1", "shard:2/0"]);
}

#[test]
fn a_raw_line_has_the_id_that_is_its_partition_key() {
    let mut intake = Intake::new(IntakeOptions::new());
    let key = "0000000000000007-42";
    assert!(intake.push(Arrival { name: "n", data: LINE.as_bytes(), partition_key: key }));
    assert_eq!(ids(&intake.finish().unwrap()), [key]);
}

#[test]
fn classic_objects_are_rows_like_lines() {
    let object =
        br#"{"ip": "h.example", "timestamp": "01/Jul/1995:00:00:01 -0400", "method": "GET", "url": "/a?b",
        "protocol": "HTTP/1.0", "status_code": 200, "bytes": 5}"#;
    let (object, line) = (take(&[("1", object)]), take(&[("1", LINE.as_bytes())]));
    // One line, whatever it was on the way; only an object in two lines is two of them.
    assert_eq!(object.counts.rows, 0);
    let object = br#"{"ip": "h.example", "timestamp": "01/Jul/1995:00:00:01 -0400", "method": "GET", "url": "/a?b", "protocol": "HTTP/1.0", "status_code": 200, "bytes": 5}"#;
    let object = take(&[("1", object)]);
    assert_eq!((object.counts.rows, object.counts.objects), (1, 1));
    assert_eq!(object.batches, line.batches);
    drop(object);
}

#[test]
fn lines_and_objects_share_a_table_that_has_the_columns_of_both() {
    let lines = [COMBINED.to_owned()];
    let options = EncodeOptions::new(RecordForm::Ndjson).with_format(LogFormat::combined());
    let mut encoder = RecordEncoder::new(options);
    let id = LineId { source: SourceId(7), offset: 0 };
    encoder.push(Line { bytes: lines[0].as_bytes(), id, end: 99, key: None }).unwrap();
    encoder.flush();
    let object = encoder.next_record().unwrap();
    let taken = take(&[("1", LINE.as_bytes()), ("2", &object.data)]);
    assert_eq!(texts(&taken, "user_agent"), [None, Some("agent".to_owned())]);
    assert_eq!(ids(&taken), ["1/0", "0000000000000007-0"]);
    concat_batches(&taken.batches[0].schema(), &taken.batches).unwrap();
    // Where the format is fixed, so are the columns.
    let fixed = IntakeOptions::new().with_format(LogFormat::common());
    let taken = take_with(fixed, &[("1", LINE.as_bytes()), ("2", &object.data)]);
    assert_eq!(taken.batches[0].num_columns(), 12);
    concat_batches(&taken.batches[0].schema(), &taken.batches).unwrap();
    // Objects alone have the columns of their format.
    assert_eq!(take(&[("2", &object.data)]).format, LogFormat::combined());
}

#[test]
fn objects_that_are_no_rows() {
    for (object, reason) in [
        (r#"{"ip": "", "timestamp": "01/Jul/1995:00:00:01 -0400"}"#, "missing_field"),
        (r#"{"ip": "h", "timestamp": "1995-07-01"}"#, "bad_timestamp"),
        (r#"{"ip": "h", "timestamp": 5}"#, "bad_timestamp"),
        (r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "status_code": 1000}"#, "bad_status"),
        (r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "status_code": true}"#, "bad_status"),
        (r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "bytes": -1}"#, "bad_bytes"),
        (r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "bytes": 0.5}"#, "bad_bytes"),
        (r#"{"host": "h", "ts": "1995-07-01T00:00:01Z", "tz_offset": 5000}"#, "bad_timestamp"),
        (r#"{"host": "h", "ts": "1995-07-01T00:00:01Z", "tz_offset": 1.5}"#, "bad_timestamp"),
    ] {
        let taken = take(&[("1", object.as_bytes())]);
        assert_eq!(taken.rejects[0].reason.as_str(), reason, "{object}");
        assert_eq!(taken.rejects[0].text(), object);
    }
    let lenient =
        r#"{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "status_code": "404", "bytes": "-"}"#;
    let taken = take(&[("1", lenient.as_bytes())]);
    assert_eq!(taken.batches[0].column_by_name("status").unwrap().as_primitive::<Int16Type>().value(0), 404);
    assert_eq!(taken.batches[0].column_by_name("bytes").unwrap().null_count(), 1);
}

#[test]
fn what_cannot_be_unpacked_takes_nothing_with_it() {
    let mut intake = Intake::new(IntakeOptions::new());
    assert!(intake.push(Arrival { name: "1", data: LINE.as_bytes(), partition_key: "k" }));
    assert!(intake.push(Arrival { name: "2", data: b"\x1F\x8B\x08 no gzip", partition_key: "k" }));
    intake.refuse("3", b"%%%", "no base64");
    assert!(intake.push(Arrival { name: "4", data: b"nonsense\n\n", partition_key: "k" }));
    assert!(intake.push(Arrival { name: "5", data: LINE.as_bytes(), partition_key: "k" }));
    assert!(intake.push(Arrival { name: "6", data: b"", partition_key: "k" }));
    let taken = intake.finish().unwrap();
    assert_eq!(ids(&taken), ["1/0", "5/0"]);
    let rejects: Vec<(&str, &str)> =
        taken.rejects.iter().map(|reject| (&*reject.record, reject.reason.as_str())).collect();
    assert_eq!(rejects, [("2", "damaged_record"), ("3", "damaged_record"), ("4", "missing_field")]);
    assert_eq!(taken.rejects[2].line_id(), "4/0");
    assert_eq!((taken.counts.records, taken.counts.lines, taken.counts.blanks), (6, 6, 1));
}

#[test]
fn marks_and_other_encodings_are_lines_like_any_other() {
    for data in [&b"\xFF\xFEh\0"[..], b"\xEF\xBB\xBFh", b"h\0 \0-\0 \0", b"\0", b"BZh9", b"\xFD7zXZ\0"] {
        let taken = take(&[("1", data), ("2", LINE.as_bytes())]);
        assert_eq!((taken.counts.rows, taken.counts.rejected), (1, 1), "{data:?}");
    }
    let none = take(&[]);
    assert!(none.batches.is_empty() && none.days(PartitionTz::Utc).unwrap().is_empty());
    assert!(Taken::parquet(&[], ParquetOptions::new()).is_err());
}

#[test]
fn objects_have_the_columns_of_all_of_them_whichever_comes_first() {
    let object = |format: LogFormat, line: &str| {
        let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Ndjson).with_format(format));
        let id = LineId { source: SourceId(7), offset: line.len() as u64 };
        encoder.push(Line { bytes: line.as_bytes(), id, end: 999, key: None }).unwrap();
        encoder.flush();
        encoder.next_record().unwrap().data
    };
    let (common, combined) = (object(LogFormat::common(), LINE), object(LogFormat::combined(), COMBINED));
    let agent = Some("agent".to_owned());
    let taken = take(&[("1", &common), ("2", &combined)]);
    assert_eq!(texts(&taken, "user_agent"), [None, agent.clone()]);
    assert_eq!(texts(&take(&[("2", &combined), ("1", &common)]), "user_agent"), [agent, None]);
}

#[test]
fn a_delivery_that_is_full_leaves_the_rest() {
    let cost = LINE.len() + COST;
    let mut intake = Intake::new(IntakeOptions::new().with_limit(3 * cost));
    for name in ["1", "2", "3"] {
        assert!(intake.push(Arrival { name, data: LINE.as_bytes(), partition_key: "k" }));
    }
    let combined = format!("{LINE}\nnonsense\n\n");
    assert!(!intake.push(Arrival { name: "4", data: combined.as_bytes(), partition_key: "k" }));
    let taken = intake.finish().unwrap();
    assert_eq!((ids(&taken).len(), taken.rejects.len(), taken.counts.lines), (3, 0, 3));
    assert_eq!(taken.counts.blanks, 0);
    // By itself, a record may have more.
    let twelve = format!("{LINE}\n").repeat(12);
    let mut intake = Intake::new(IntakeOptions::new().with_limit(3 * cost));
    assert!(intake.push(Arrival { name: "1", data: twelve.as_bytes(), partition_key: "k" }));
    assert!(!intake.push(Arrival { name: "2", data: LINE.as_bytes(), partition_key: "k" }));
    assert_eq!(intake.finish().unwrap().counts.rows, 12);
}

/// A record of some kilobytes that unpacks to millions of lines: it costs what it may, is told, and holds nobody up.
#[test]
fn a_record_that_no_delivery_has_room_for() {
    let line = format!("{LINE}\n");
    for (line, rejected, is_full) in [("x\n", 1, true), ("\n", 0, false), (&*line, 1, false)] {
        let bomb = zstd::bulk::compress(line.repeat(200_000).as_bytes(), 3).unwrap();
        let mut intake = Intake::new(IntakeOptions::new().with_limit(1 << 20));
        assert!(intake.push(Arrival { name: "1", data: &bomb, partition_key: "k" }));
        assert!(intake.lines.is_empty() && intake.damaged.len() <= 1);
        let fits = intake.push(Arrival { name: "2", data: LINE.as_bytes(), partition_key: "k" });
        assert_eq!(fits, !is_full, "{line:?}");
        let taken = intake.finish().unwrap();
        assert_eq!(
            (taken.counts.rejected, taken.counts.blanks),
            (rejected, if rejected == 0 { 200_000 } else { 0 })
        );
    }
}

#[test]
fn days_are_those_of_the_log_or_of_utc() {
    let evening = LINE.replace("00:00:01", "20:00:00");
    let both = format!("{evening}\n{LINE}\n");
    let taken = take(&[("1", both.as_bytes())]);
    let days = |tz| taken.days(tz).unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(days(PartitionTz::Utc), ["1995-07-01", "1995-07-02"]);
    assert_eq!(days(PartitionTz::Log), ["1995-07-01"]);
}

fn form() -> impl Strategy<Value = (RecordForm, Names)> {
    prop_oneof![
        Just((RecordForm::Raw, Names::Nasalogs)),
        Just((RecordForm::Kpl, Names::Nasalogs)),
        Just((RecordForm::Block, Names::Nasalogs)),
        Just((RecordForm::Ndjson, Names::Nasalogs)),
        Just((RecordForm::Ndjson, Names::Classic)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the form, and wherever the deliveries are cut, the rows are those of the lines, each with its id; the same
    /// deliveries give the same bytes.
    #[test]
    fn any_form_and_any_cut_give_the_rows_of_the_lines(
        (form, names) in form(),
        paths in proptest::collection::vec("[a-zé\\\\ ]{0,9}", 1..40),
        cuts in proptest::collection::btree_set(1..40usize, 0..4),
    ) {
        let lines: Vec<String> = paths
            .iter()
            .zip(0..)
            .map(|(path, n): (&String, u32)| {
                LINE.replace("/a?b", &format!("/{path}?{n}")).replace("00:00:01", &format!("{:02}:00:01", n % 24))
            })
            .collect();
        let records = records(form, names, &lines);
        let expected = take(&[("all", lines.join("\n").as_bytes())]);
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        let mut start = 0;
        let ends = cuts.into_iter().filter(|cut| *cut < records.len()).chain([records.len()]);
        for end in ends {
            let deliver = || {
                let mut intake = Intake::new(IntakeOptions::new());
                for (record, number) in records[start..end].iter().zip(start..) {
                    let name = format!("shard:{number}");
                    assert!(intake.push(Arrival { name: &name, data: &record.data, partition_key: &record.partition_key }));
                }
                intake.finish().unwrap()
            };
            let (taken, again) = (deliver(), deliver());
            prop_assert!(taken.rejects.is_empty());
            for (day, rows) in taken.days(PartitionTz::Utc).unwrap() {
                let file = Taken::parquet(&rows, ParquetOptions::new()).unwrap();
                let same = &again.days(PartitionTz::Utc).unwrap()[&day];
                prop_assert_eq!(file, Taken::parquet(same, ParquetOptions::new()).unwrap());
            }
            seen.extend(ids(&taken));
            for (path, query) in texts(&taken, "path").into_iter().zip(texts(&taken, "query")) {
                found.push((path, query));
            }
            start = end;
        }
        prop_assert_eq!(seen.len(), lines.len());
        if names == Names::Nasalogs {
            let mut offset = 0;
            for line in &lines {
                let id = LineId { source: SourceId(7), offset }.to_string();
                prop_assert!(seen.contains(&id), "{} is missing", id);
                offset += line.len() as u64 + 1;
            }
        }
        let mut wanted: Vec<_> = texts(&expected, "path").into_iter().zip(texts(&expected, "query")).collect();
        wanted.sort();
        found.sort();
        prop_assert_eq!(found, wanted);
    }

    /// No bytes do harm, and none are lost without an account.
    #[test]
    fn any_bytes_are_accounted_for(data in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6)) {
        let records: Vec<(&str, &[u8])> = data.iter().map(|data| ("n", &data[..])).collect();
        take(&records);
    }
}

#[test]
fn times_are_instants() {
    let taken = take(&[("1", LINE.as_bytes())]);
    let ts = taken.batches[0].column_by_name("ts").unwrap().as_primitive::<TimestampMillisecondType>();
    assert_eq!(ts.value(0), 804_571_201_000);
}
