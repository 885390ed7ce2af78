//! `nasalogs convert`: what it writes, and the account that it gives.

use std::collections::BTreeMap;
use std::fs;

use nasalogs::RejectReason;
use nasalogs::generate::{GenerateOptions, Outcome, Traffic};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use crate::cli::{Place, lines, log, stderr};

fn parquet_rows(place: &Place, name: &str) -> i64 {
    let file = fs::File::open(place.path().join(name)).unwrap();
    SerializedFileReader::new(file).unwrap().metadata().file_metadata().num_rows()
}

#[test]
fn writes_every_format() {
    let place = Place::new();
    place.write("access.log", lines(3000));
    for name in ["out.parquet", "out.arrow", "out.ndjson", "out.csv"] {
        let said = stderr(place.run(&["convert", "access.log", "-o", name]), 0);
        assert!(said.contains("3,000 lines in 1 file: 3,000 rows, 0 rejected, 0 blank"), "{said}");
        assert!(said.contains("format common, detected: 100%"), "{said}");
    }
    assert_eq!(parquet_rows(&place, "out.parquet"), 3000);
    assert_eq!(place.read("out.ndjson").lines().count(), 3000);
    assert_eq!(place.read("out.csv").lines().count(), 3001);
    let arrow = fs::File::open(place.path().join("out.arrow")).unwrap();
    let reader = arrow::ipc::reader::FileReader::try_new(arrow, None).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3000);
    assert_eq!(place.names(), ["access.log", "out.arrow", "out.csv", "out.ndjson", "out.parquet"]);
}

#[test]
fn goes_from_standard_input_to_standard_output() {
    let place = Place::new();
    for arguments in
        [&["convert", "-o", "-", "--to", "ndjson"][..], &["convert", "-", "-o", "-", "--to", "ndjson"]]
    {
        let assert = place.run(arguments).write_stdin(lines(10)).assert().success();
        let out = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        assert_eq!(out.lines().count(), 10);
        let row: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        assert_eq!(row["method"], "GET");
        assert_eq!(row["ts"], "1995-07-01T04:00:01.000Z");
    }
    assert!(place.names().is_empty());
}

#[test]
fn every_line_is_accounted_for() {
    for traffic in [Traffic::Common, Traffic::Combined] {
        let place = Place::new();
        let options = GenerateOptions::new().with_lines(20_000).with_oddities(0.3).with_traffic(traffic);
        let (log, tally) = log(options);
        place.write("access.log", &log);
        let format = ["--format", traffic.as_str()];
        let arguments = ["convert", "access.log", "-o", "out.parquet", "--summary-json", "summary.json"];
        let said =
            stderr(place.run(&[&arguments[..], &format, &["--rejects", "rejects.ndjson"]].concat()), 0);

        let summary = place.json("summary.json");
        let keys: Vec<&str> = summary.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = vec![
            "files",
            "lines",
            "rows",
            "rejected",
            "blank",
            "filtered",
            "rejects_by_reason",
            "bytes_in",
            "bytes_out",
            "seconds",
            "format",
        ];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(summary["files"], 1);
        assert_eq!(summary["lines"], 20_000);
        assert_eq!(summary["rows"], tally.count(Outcome::Row));
        assert_eq!(summary["blank"], tally.count(Outcome::Blank));
        assert_eq!(summary["bytes_in"], log.len());
        assert_eq!(summary["bytes_out"], fs::metadata(place.path().join("out.parquet")).unwrap().len());
        assert_eq!(summary["format"], traffic.as_str());
        let mut by_reason: BTreeMap<String, u64> = BTreeMap::new();
        for reason in RejectReason::ALL {
            let count = tally.count(Outcome::Reject(reason));
            if count > 0 {
                by_reason.insert(reason.to_string(), count);
                assert!(said.contains(reason.describe()), "{said}");
            }
        }
        assert_eq!(summary["rejects_by_reason"], serde_json::to_value(&by_reason).unwrap());
        assert_eq!(summary["rejected"], by_reason.values().sum::<u64>());
        assert_eq!(parquet_rows(&place, "out.parquet") as u64, tally.count(Outcome::Row));

        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for line in place.read("rejects.ndjson").lines() {
            let reject: Value = serde_json::from_str(line).unwrap();
            assert_eq!(reject["file"], "access.log");
            let offset = reject["offset"].as_u64().unwrap() as usize;
            let before = log[..offset].iter().filter(|&&byte| byte == b'\n').count() as u64;
            assert_eq!(reject["line"], before + 1);
            let raw = reject["raw"].as_str().unwrap();
            let (plain, _) = raw.split_once("\\x").unwrap_or((raw, ""));
            assert!(log[offset..].starts_with(plain.as_bytes()));
            *seen.entry(reject["reason"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(seen, by_reason);
    }
}

#[test]
fn rejects_can_be_forbidden_or_bounded() {
    let place = Place::new();
    let mut log = lines(98);
    log.extend_from_slice(b"nonsense\nmore nonsense\n");
    place.write("access.log", log);
    let run = |extra: &[&str]| {
        place.run(&[&["convert", "access.log", "-o", "out.csv", "--overwrite"], extra].concat())
    };

    assert!(stderr(run(&[]), 0).contains("first access.log:99: nonsense"));
    stderr(run(&["--strict"]), 1);
    assert_eq!(place.read("out.csv").lines().count(), 99, "the output is written all the same");
    stderr(run(&["--max-rejects", "2"]), 0);
    stderr(run(&["--max-rejects", "2%"]), 0);

    fs::remove_file(place.path().join("out.csv")).unwrap();
    for bound in ["1", "1%", "0"] {
        let said =
            stderr(run(&["--max-rejects", bound, "--summary-json", "s.json", "--rejects", "r.ndjson"]), 1);
        assert!(said.contains("no output was written"), "{said}");
        assert_eq!(place.names(), ["access.log", "r.ndjson", "s.json"]);
        assert!(!place.read("r.ndjson").is_empty());
        assert_eq!(place.json("s.json")["bytes_out"], 0);
    }
}

#[test]
fn nothing_to_read_is_an_empty_table() {
    let place = Place::new();
    place.write("empty.log", "");
    place.write("blank.log", "\n  \n\r\n");
    for (name, blank) in [("empty.log", 0), ("blank.log", 3)] {
        stderr(
            place.run(&["convert", name, "-o", "out.parquet", "--overwrite", "--summary-json", "s.json"]),
            0,
        );
        assert_eq!(parquet_rows(&place, "out.parquet"), 0);
        let summary = place.json("s.json");
        assert_eq!((&summary["rows"], &summary["blank"]), (&Value::from(0), &Value::from(blank)));
    }
}

#[test]
fn days_become_directories() {
    let place = Place::new();
    place.write("access.log", lines(60_000));
    let convert = |extra: &[&str]| {
        place.run(&[&["convert", "access.log", "-o", "table", "--partition-by", "dt"], extra].concat())
    };
    stderr(convert(&[]), 0);
    let days = |place: &Place| -> Vec<String> {
        let mut days: Vec<String> = fs::read_dir(place.path().join("table"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        days.sort();
        days
    };
    assert_eq!(days(&place), ["_SUCCESS", "dt=1995-07-01", "dt=1995-07-02"]);
    let files = |place: &Place| fs::read_dir(place.path().join("table/dt=1995-07-01")).unwrap().count();

    let said = stderr(convert(&[]), 2);
    assert!(said.contains("--overwrite") && said.contains("--append"), "{said}");
    stderr(convert(&["--append"]), 0);
    assert_eq!(files(&place), 2);
    stderr(convert(&["--overwrite"]), 0);
    assert_eq!(files(&place), 1);

    // The day is made from columns that the files need not have.
    let only = ["--overwrite", "--columns", "path,status", "--with", "line", "--partition-tz", "log"];
    stderr(convert(&only), 0);
    let path =
        fs::read_dir(place.path().join("table/dt=1995-07-01")).unwrap().next().unwrap().unwrap().path();
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let columns: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|c| c.name().to_owned())
        .collect();
    assert_eq!(columns, ["path", "status", "line"]);
}

#[test]
fn columns_and_formats_can_be_chosen() {
    let place = Place::new();
    place.write("access.log", b"1.2.3.4 7 [01/Jul/1995:00:00:01 -0400] \"GET /a?b=caf\xe9 HTTP/1.0\"\n");
    let format = "$remote_addr $request_time [$time_local] \"$request\"";
    let run = |extra: &[&str]| {
        let arguments =
            [&["convert", "access.log", "-o", "-", "--to", "csv", "-q", "--format", format], extra].concat();
        let assert = place.run(&arguments).assert().success();
        assert!(assert.get_output().stderr.is_empty(), "quiet");
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    };
    assert_eq!(
        run(&["--columns", "query,host,request_time_ms", "--with", "line,byte_offset"]),
        "query,host,request_time_ms,line,byte_offset\nb=caf\\xE9,1.2.3.4,7000,1,0\n"
    );
    assert_eq!(run(&["--columns", "query", "--encoding", "latin1"]), "query\nb=caf\u{e9}\n");
}

#[test]
fn several_inputs_are_one_table() {
    let place = Place::new();
    place.write("a.1.log", lines(10));
    place.write("a.2.log", lines(20));
    stderr(
        place.run(&["convert", "a.*.log", "-o", "out.csv", "--with", "file", "--summary-json", "s.json"]),
        0,
    );
    assert_eq!(place.json("s.json")["files"], 2);
    let csv = place.read("out.csv");
    assert_eq!(csv.lines().filter(|line| line.ends_with("a.1.log")).count(), 10);
    assert_eq!(csv.lines().filter(|line| line.ends_with("a.2.log")).count(), 20);
}

#[test]
fn the_summary_can_go_to_standard_output() {
    let place = Place::new();
    place.write("access.log", lines(5));
    let assert = place
        .run(&["convert", "access.log", "-o", "out.csv", "-q", "--summary-json", "-"])
        .assert()
        .success();
    let summary: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(summary["lines"], 5);
}

#[test]
fn columns_can_have_other_names() {
    let place = Place::new();
    let log = "h - - [01/Jul/1995:00:00:01 -0400] \"GET /a?b HTTP/1.0\" 200 -\n";
    place.write("access.log", log);
    let classic = ["convert", "access.log", "-o", "-", "--to", "ndjson", "--names", "classic"];
    let out = place.run(&classic).assert().success().get_output().stdout.clone();
    let row: Value = serde_json::from_slice(&out).unwrap();
    let expected = serde_json::json!({
        "ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "method": "GET", "url": "/a?b",
        "protocol": "HTTP/1.0", "status_code": 200, "bytes": 0,
    });
    assert_eq!(row, expected);
    let arguments = [
        "convert",
        "access.log",
        "-o",
        "out.csv",
        "--columns",
        "ip,url",
        "--names",
        "classic",
        "--rename",
        "ip=a",
    ];
    stderr(place.run(&arguments), 0);
    assert_eq!(place.read("out.csv"), "a,url\nh,/a?b\n");

    let table = ["convert", "access.log", "-o", "table", "--partition-by", "dt", "--columns", "host,status"];
    stderr(place.run(&[&table[..], &["--rename", "host=client"]].concat()), 0);
    let file = fs::read_dir(place.path().join("table/dt=1995-07-01")).unwrap().next().unwrap().unwrap();
    let rows = SerializedFileReader::new(fs::File::open(file.path()).unwrap()).unwrap();
    let schema = rows.metadata().file_metadata().schema_descr().root_schema().get_fields().to_vec();
    assert_eq!(schema.iter().map(|field| field.name()).collect::<Vec<_>>(), ["client", "status"]);
    for (names, said) in [
        (["--rename", "ts=t"], "days are made from the columns ts and tz_offset"),
        (["--names", "classic"], "classic records have no column to make days from"),
    ] {
        let said_so = stderr(place.run(&[&table[..6], &names].concat()), 2);
        assert!(said_so.contains(said), "{said_so}");
    }
    let said = stderr(place.run(&["convert", "access.log", "-o", "x.csv", "--rename", "host"]), 2);
    assert!(said.contains("expected the old name and the new one, such as host=client"), "{said}");
}
