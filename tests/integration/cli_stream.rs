//! `nasalogs stream` against a Kinesis on this machine: what arrives, and what is said about it.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nasalogs::envelope::{Item, LineId, RecordDecoder};
use nasalogs_simulator::{Config, Faults, Limits, Settings, Simulator};
use serde_json::{Value, json};

use crate::cli::{Place, binary, lines, nasalogs};

/// Nothing takes so long unless it never ends: machines stand still at times.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A stream that takes whatever comes.
pub fn free(shards: usize, faults: Faults) -> Simulator {
    start(shards, Settings { limits: Limits::OFF, faults, ..Settings::default() })
}

pub fn start(shards: usize, settings: Settings) -> Simulator {
    Simulator::start(Config { streams: vec![("web".to_owned(), shards)], settings, ..Config::default() })
        .unwrap()
}

/// The program in a place of its own, with credentials that are good for nothing else.
pub fn stream(place: &Place, simulator: &Simulator, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = place.run(&["stream"]);
    command.args(arguments).timeout(PATIENCE);
    for (name, value) in environment(place, simulator) {
        command.env(name, value);
    }
    command
}

pub fn spawn(place: &Place, simulator: &Simulator, arguments: &[&str]) -> Child {
    let mut command = std::process::Command::new(binary());
    command.arg("stream").args(arguments).current_dir(place.path());
    command.envs(environment(place, simulator));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn environment(place: &Place, simulator: &Simulator) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL_KINESIS", simulator.url()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("XDG_STATE_HOME", place.path().join("state").to_string_lossy().into_owned()),
    ]
}

pub fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end: code and standard error.
pub fn end(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A record that was stored.
pub struct Stored {
    pub shard: String,
    pub sequence: String,
    pub key: String,
    pub data: Vec<u8>,
}

pub fn stored(simulator: &Simulator) -> Vec<Stored> {
    let records = simulator.records("web");
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let data = base64_simd::STANDARD.decode_to_vec(text("data")).unwrap();
        Stored { shard: text("shard"), sequence: text("sequence"), key: text("partition_key"), data }
    };
    records.lines().map(row).collect()
}

/// What a consumer makes of all that is stored: lines (or objects) with their ids, in the order of each shard.
pub fn consumed(simulator: &Simulator) -> Vec<(Option<LineId>, Vec<u8>)> {
    let (mut decoder, mut all) = (RecordDecoder::default(), Vec::new());
    for record in stored(simulator) {
        decoder.decode(&record.data, &record.key, &mut |item| match item {
            Item::Line { bytes, id } => all.push((id, bytes.to_vec())),
            Item::Json { record, id } => all.push((id, record.as_bytes().to_vec())),
            other => panic!("{other:?}"),
        });
    }
    all
}

/// How many lines are there for the second time, after which all are there once; checks that these are the log.
pub fn duplicates(simulator: &Simulator, log: &[u8]) -> usize {
    let all = consumed(simulator);
    let count = all.len();
    let mut once: BTreeMap<LineId, Vec<u8>> = BTreeMap::new();
    for (id, line) in all {
        let line = once.entry(id.expect("every line has an id")).or_insert_with(|| line.clone()).clone();
        assert!(!line.is_empty());
    }
    let expected: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(once.len(), expected.len(), "lines that are there");
    for (found, expected) in once.values().zip(expected) {
        if !found.starts_with(b"{") {
            assert_eq!(String::from_utf8_lossy(found), String::from_utf8_lossy(expected));
        }
    }
    count - once.len()
}

pub const FORMS: [&str; 4] = ["raw", "ndjson", "kpl", "block"];

#[test]
fn every_form_arrives() {
    let log = lines(5000);
    for form in FORMS {
        for key in ["random", "host"] {
            let (place, simulator) = (Place::new(), free(3, Faults::default()));
            place.write("access.log", &log);
            let arguments = [
                "access.log",
                "--to",
                "kinesis://web",
                "--records",
                form,
                "--partition-key",
                key,
                "--report",
                "r.json",
            ];
            stream(&place, &simulator, &arguments).assert().code(0);
            let report = place.json("r.json");
            let number = |name: &str| report[name].as_u64().unwrap();
            assert_eq!(
                (number("lines"), number("acknowledged"), number("possibly_duplicated")),
                (5000, 5000, 0)
            );
            assert_eq!(report["ended"], "complete");
            assert_eq!(report["shards"].as_array().unwrap().len(), 3);
            assert_eq!(report["rows"], if form == "ndjson" { json!(5000) } else { Value::Null });
            let records = stored(&simulator);
            assert_eq!(records.len() as u64, number("records"));
            let shards = records.iter().map(|record| &record.shard).collect::<BTreeSet<_>>().len();
            // Few aggregates and blocks need not reach every shard.
            assert!(
                shards == 3 || (key == "random" && ["kpl", "block"].contains(&form)),
                "{form} {key}: {shards}"
            );
            if (form, key) == ("raw", "host") {
                assert_eq!(report["duplicates_removable"], false);
                let mut found: Vec<Vec<u8>> =
                    consumed(&simulator).into_iter().map(|(_, line)| line).collect();
                let mut expected: Vec<&[u8]> =
                    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
                found.sort();
                expected.sort_unstable();
                assert_eq!(found, expected);
            } else {
                assert_eq!(report["duplicates_removable"], true);
                assert_eq!(duplicates(&simulator, &log), 0, "{form} {key}");
            }
        }
    }
}

#[test]
fn classic_objects_have_the_keys_that_consumers_expect() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    place.write("access.log", lines(10));
    let arguments = ["access.log", "--to", "kinesis://web", "--records", "ndjson", "--json-names", "classic"];
    stream(&place, &simulator, &arguments).assert().code(0);
    for record in stored(&simulator) {
        let object: Value = serde_json::from_slice(&record.data).unwrap();
        for key in ["ip", "timestamp", "method", "url", "protocol", "status_code", "bytes", "line_id"] {
            assert!(object.get(key).is_some(), "{key} in {object}");
        }
    }
}

#[test]
fn a_stop_delivers_what_was_read() {
    let log = lines(20_000);
    for name in ["-INT", "-TERM"] {
        let (place, simulator) = (Place::new(), free(32, Faults::default()));
        place.write("access.log", &log);
        let arguments = ["access.log", "--to", "kinesis://web", "--rate", "2000/s", "--report", "r.json"];
        let child = spawn(&place, &simulator, &arguments);
        wait_until("records", || simulator.stats()["records"].as_u64().unwrap() > 100);
        signal(&child, name);
        let (code, said) = end(child);
        assert_eq!(code, Some(130), "{said}");
        let report = place.json("r.json");
        assert_eq!((&report["ended"], &report["lag_bytes"]), (&json!("stopped"), &json!(0)));
        assert_eq!(report["acknowledged"].as_u64().unwrap(), consumed(&simulator).len() as u64);
        // And on it goes.
        stream(&place, &simulator, &["access.log", "--to", "kinesis://web"]).assert().code(0);
        assert_eq!(duplicates(&simulator, &log), 0);
    }
}

#[test]
fn a_log_is_followed_through_its_rotation() {
    let (place, simulator) = (Place::new(), free(2, Faults::default()));
    let log = lines(30);
    let cut = |from: usize, to: usize| {
        let ends: Vec<usize> = std::iter::once(0)
            .chain(log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        log[ends[from]..ends[to]].to_vec()
    };
    let arguments =
        ["access.log", "--to", "kinesis://web", "--follow", "--records", "block", "--report", "r.json"];
    // It is not there yet.
    let child = spawn(&place, &simulator, &arguments);
    place.write("access.log", cut(0, 10));
    wait_until("the first lines", || consumed(&simulator).len() == 10);
    let mut file = std::fs::OpenOptions::new().append(true).open(place.path().join("access.log")).unwrap();
    file.write_all(&cut(10, 11)).unwrap();
    wait_until("a new line", || consumed(&simulator).len() == 11);
    std::fs::rename(place.path().join("access.log"), place.path().join("access.log.1")).unwrap();
    file.write_all(&cut(11, 20)).unwrap();
    place.write("access.log", cut(20, 30));
    wait_until("the rest", || consumed(&simulator).len() == 30);
    signal(&child, "-TERM");
    let (code, said) = end(child);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(place.json("r.json")["acknowledged"], 30);
    let mut found: Vec<Vec<u8>> = consumed(&simulator).into_iter().map(|(_, line)| line).collect();
    let mut expected: Vec<&[u8]> = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_row_is_kept() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    let mut log = lines(50);
    log.extend_from_slice(b"nonsense\n\n   \n");
    place.write("access.log", &log);
    let arguments = |form| {
        [
            "access.log",
            "--to",
            "kinesis://web",
            "--records",
            form,
            "--no-checkpoint",
            "--rejects",
            "bad.ndjson",
            "--report",
            "r.json",
        ]
    };
    stream(&place, &simulator, &arguments("ndjson")).assert().code(1);
    let report = place.json("r.json");
    assert_eq!(
        (&report["lines"], &report["rows"], &report["rejected"], &report["blank"]),
        (&json!(53), &json!(50), &json!(1), &json!(2))
    );
    let reject: Value = serde_json::from_str(place.read("bad.ndjson").trim_end()).unwrap();
    assert_eq!(
        (&reject["raw"], &reject["line"], &reject["reason"]),
        (&json!("nonsense"), &json!(51), &json!("missing_field"))
    );
    // Whoever carries lines carries these too.
    stream(&place, &simulator, &arguments("raw")).assert().code(0);
    assert_eq!(consumed(&simulator).len(), 50 + 53);
}

#[test]
fn lines_that_are_too_long_are_rejected() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    let long = "x".repeat(3_000_000);
    let noise: String = (0..5000_u64).map(|at| char::from(b'!' + (at * at * 7919 % 90) as u8)).collect();
    place.write("access.log", format!("short\n{long}\n{noise}\nlast\n"));
    let arguments = [
        "access.log",
        "--to",
        "kinesis://web",
        "--max-record-size",
        "4096",
        "--rejects",
        "bad.ndjson",
        "--report",
        "r.json",
    ];
    stream(&place, &simulator, &arguments).assert().code(1);
    let lines: Vec<_> = consumed(&simulator).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, [b"short".to_vec(), b"last".to_vec()]);
    assert_eq!(place.json("r.json")["rejects_by_reason"], json!({"line_too_long": 2}));
    let bad = place.read("bad.ndjson");
    assert_eq!(bad.lines().count(), 2);
    assert!(bad.lines().all(|line| line.contains("\"line_too_long\"")));
}

#[test]
fn standard_output_takes_every_form() {
    let place = Place::new();
    let log = lines(100);
    place.write("access.log", &log);
    let run = |arguments: &[&str]| {
        let mut command = nasalogs(&["stream", "access.log", "--to", "-", "--quiet"]);
        command.args(arguments).current_dir(place.path()).timeout(PATIENCE);
        command.assert().code(0).get_output().stdout.clone()
    };
    assert_eq!(run(&[]), log);
    let objects = String::from_utf8(run(&["--records", "ndjson"])).unwrap();
    assert_eq!(objects.lines().count(), 100);
    for line in objects.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["line_id"].is_string());
    }
    for form in ["kpl", "block"] {
        let (mut decoder, mut found) = (RecordDecoder::default(), Vec::new());
        for line in String::from_utf8(run(&["--records", form])).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let data = base64_simd::STANDARD.decode_to_vec(row["Data"].as_str().unwrap()).unwrap();
            decoder.decode(&data, row["PartitionKey"].as_str().unwrap(), &mut |item| match item {
                Item::Line { bytes, .. } => found.extend([bytes, b"\n"].concat()),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(found, log, "{form}");
    }
}

#[test]
fn standard_input_is_passed_on_as_it_comes() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    let mut child =
        spawn(&place, &simulator, &["-", "--to", "kinesis://web", "--records", "kpl", "--report", "r.json"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    wait_until("the first line", || consumed(&simulator).len() == 1);
    stdin.write_all(b"two\nthree").unwrap();
    drop(stdin);
    let (code, said) = end(child);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cannot be read again"), "{said}");
    assert_eq!(place.json("r.json")["resumable"], false);
    let lines: Vec<_> = consumed(&simulator).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    assert!(!place.path().join("state").exists());
}

#[test]
fn a_replay_keeps_to_the_times_of_the_log() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    let line = |second| {
        format!(
            "h - - [01/Jul/1995:00:{:02}:{:02} -0400] \"GET / HTTP/1.0\" 200 5\n",
            second / 60,
            second % 60
        )
    };
    // The last line is due after a year, at this speed.
    place.write("access.log", [line(0), line(1), line(0), line(2), line(3000)].concat());
    let child = spawn(
        &place,
        &simulator,
        &["access.log", "--to", "kinesis://web", "--replay", "0.0001x", "--report", "r.json"],
    );
    wait_until("the first line", || consumed(&simulator).len() == 1);
    signal(&child, "-INT");
    let (code, said) = end(child);
    assert_eq!((code, consumed(&simulator).len()), (Some(130), 1), "{said}");
    // On from there, fast.
    let arguments = ["access.log", "--to", "kinesis://web", "--replay", "3000x", "--report", "r.json"];
    stream(&place, &simulator, &arguments).assert().code(0);
    let report = place.json("r.json");
    assert_eq!((&report["lines"], &report["resumed_sources"]), (&json!(4), &json!(1)));
    assert!(report["seconds"].as_f64().unwrap() > 0.9, "{report}");
    let without = ["access.log", "--to", "kinesis://web", "--replay", "2x", "--format", "%h %s"];
    let said = stream(&place, &simulator, &without).assert().code(2);
    assert!(String::from_utf8_lossy(&said.get_output().stderr).contains("no time to replay"));
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    place.write("access.log", lines(20_000));
    let arguments = ["access.log", "--to", "kinesis://web", "--dry-run", "--report", "r.json"];
    let said = stream(&place, &simulator, &arguments).assert().code(0);
    let table = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    assert!(FORMS.iter().all(|form| table.contains(form)), "{table}");
    assert_eq!(simulator.stats()["requests"], json!({}));
    assert!(!place.path().join("state").exists());
    let report = place.json("r.json");
    let forms = report["dry_run"]["forms"].as_array().unwrap();
    let lines_per = |at: usize| forms[at]["lines_per_shard_second"].as_f64().unwrap();
    assert_eq!(
        (lines_per(0), &forms[0]["records"], &forms[0]["requests"]),
        (1000.0, &json!(20_000), &json!(40))
    );
    assert!(lines_per(2) > 8.0 * lines_per(0) && lines_per(3) > 40.0 * lines_per(0), "{forms:?}");
    assert!(forms[3]["monthly_usd"].as_f64().unwrap() <= forms[0]["monthly_usd"].as_f64().unwrap());
}

#[test]
fn options_that_do_not_go_together() {
    let place = Place::new();
    place.write("access.log", lines(5));
    for (arguments, text) in [
        (&["--to", "-", "--report", "-"][..], "cannot take two things"),
        (&["--to", "-", "--partition-key", "hots"], "no column 'hots'"),
        (&["--to", "-", "--roll-size", "5"], "are for files"),
        (&["--to", "-", "--replay", "1x", "--rate", "5/s"], "cannot be used with"),
        (&["--to", "http://x"], "is no destination"),
        (&["--to", "-", "--rejects", "access.log"], "is an input"),
    ] {
        let mut command = place.run(&["stream", "access.log"]);
        let said = command.args(arguments).timeout(PATIENCE).assert().code(2);
        let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn a_checkpoint_for_standard_input_is_told_to_have_no_effect() {
    let place = Place::new();
    place.write("access.log", "one\n");
    for (input, count) in [("-", 1), ("access.log", 0)] {
        let mut command = place.run(&["stream", input, "--to", "-", "--checkpoint", "job.json"]);
        let ended = command.write_stdin("one\n").assert().code(0);
        let said = String::from_utf8_lossy(&ended.get_output().stderr).into_owned();
        assert_eq!(said.matches("--checkpoint has no effect").count(), count, "{said}");
    }
}

#[test]
fn more_files_than_may_be_open() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("logs")).unwrap();
    for number in 0..500 {
        place.write(&format!("logs/{number}.log"), format!("line {number}\n"));
    }
    let mut command = std::process::Command::new("sh");
    let run = "ulimit -n 400; exec \"$0\" stream 'logs/*.log' --to - --checkpoint job.json";
    let output = command.args(["-c", run]).arg(binary()).current_dir(place.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 501, "{said}");
}

#[test]
fn a_stream_of_the_same_name_elsewhere_is_another_one() {
    let (place, log) = (Place::new(), lines(50));
    place.write("access.log", &log);
    for simulator in [free(1, Faults::default()), free(1, Faults::default())] {
        let arguments = ["access.log", "--to", "kinesis://web", "--report", "r.json"];
        for count in [50, 0] {
            stream(&place, &simulator, &arguments).assert().code(0);
            assert_eq!(place.json("r.json")["lines"], count);
        }
        assert_eq!(duplicates(&simulator, &log), 0);
    }
}
