//! `nasalogs stream` against a Kinesis that throttles, loses answers, splits shards and goes away.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nasalogs::envelope::{Item, LineId, RecordDecoder};
use nasalogs_simulator::{Account, Config, Credentials, Faults, Limits, Settings, Simulator};
use serde_json::{Value, json};

use crate::cli::{Place, binary, lines, nasalogs};

/// Nothing takes so long unless it never ends: machines stand still at times.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stream that takes whatever comes.
fn free(shards: usize, faults: Faults) -> Simulator {
    start(shards, Settings { limits: Limits::OFF, faults, ..Settings::default() })
}

fn start(shards: usize, settings: Settings) -> Simulator {
    Simulator::start(Config { streams: vec![("web".to_owned(), shards)], settings, ..Config::default() })
        .unwrap()
}

/// The program in a place of its own, with credentials that are good for nothing else.
fn stream(place: &Place, simulator: &Simulator, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = place.run(&["stream"]);
    command.args(arguments).timeout(PATIENCE);
    for (name, value) in environment(place, simulator) {
        command.env(name, value);
    }
    command
}

fn spawn(place: &Place, simulator: &Simulator, arguments: &[&str]) -> Child {
    let mut command = std::process::Command::new(binary());
    command.arg("stream").args(arguments).current_dir(place.path());
    command.envs(environment(place, simulator));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn environment(place: &Place, simulator: &Simulator) -> Vec<(&'static str, String)> {
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

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end: code and standard error.
fn end(mut child: Child) -> (Option<i32>, String) {
    drop(child.stdin.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A record that was stored.
struct Stored {
    shard: String,
    key: String,
    data: Vec<u8>,
}

fn stored(simulator: &Simulator) -> Vec<Stored> {
    let records = simulator.records("web");
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let data = base64_simd::STANDARD.decode_to_vec(text("data")).unwrap();
        Stored { shard: text("shard"), key: text("partition_key"), data }
    };
    records.lines().map(row).collect()
}

/// What a consumer makes of all that is stored: lines (or objects) with their ids, in the order of each shard.
fn consumed(simulator: &Simulator) -> Vec<(Option<LineId>, Vec<u8>)> {
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
fn duplicates(simulator: &Simulator, log: &[u8]) -> usize {
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

const FORMS: [&str; 4] = ["raw", "ndjson", "kpl", "block"];

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
fn nothing_is_lost_and_what_is_doubled_is_known() {
    let log = lines(3000);
    let faults = |seed| Faults {
        seed,
        throttle_record: 0.05,
        fail_record: 0.02,
        fail_record_stored: 0.02,
        throttle_request: 0.05,
        fail_request: 0.03,
        fail_request_stored: 0.03,
        unavailable: 0.03,
        drop_unread: 0.03,
        drop_request: 0.03,
        lose_ack: 0.05,
        cut_answer: 0.03,
        reshard_every: 7,
        ..Faults::default()
    };
    for (seed, form) in (0..).zip(FORMS.iter().cycle().take(8)) {
        let (place, simulator) = (Place::new(), free(2, faults(seed)));
        place.write("access.log", &log);
        // Small records, so that there are many of them.
        let key = if seed % 2 == 0 || *form == "raw" { "random" } else { "host" };
        let arguments = [
            "access.log",
            "--to",
            "kinesis://web",
            "--records",
            form,
            "--partition-key",
            key,
            "--max-record-size",
            "4096",
            "--report",
            "r.json",
        ];
        stream(&place, &simulator, &arguments).assert().code(0);
        let report = place.json("r.json");
        let doubled = duplicates(&simulator, &log) as u64;
        assert_eq!(report["acknowledged"], 3000, "{report}");
        let possible = report["possibly_duplicated"].as_u64().unwrap();
        // A line may be stored by more than one of its attempts.
        assert!(doubled == 0 || possible > 0, "{doubled} doubled, {possible} possible");
        assert!(report["retried"].as_u64().unwrap() > 0);
    }
}

#[test]
fn shards_that_are_too_slow_are_waited_for() {
    let log = lines(1000);
    // A stream that takes less than it should.
    let limits = Limits { shard_records: 300, ..Limits::default() };
    let (place, simulator) = (Place::new(), start(1, Settings { limits, ..Settings::default() }));
    place.write("access.log", &log);
    stream(&place, &simulator, &["access.log", "--to", "kinesis://web", "--report", "r.json"])
        .assert()
        .code(0);
    assert_eq!(duplicates(&simulator, &log), 0);
    assert!(place.json("r.json")["throttled"].as_u64().unwrap() > 0);
}

#[test]
fn order_is_kept_in_each_shard() {
    let log = lines(2000);
    for (seed, form) in [(1, "kpl"), (2, "block"), (3, "raw")] {
        let faults =
            Faults { seed, throttle_record: 0.1, fail_record: 0.05, unavailable: 0.05, ..Faults::default() };
        let (place, simulator) = (Place::new(), free(3, faults));
        place.write("access.log", if form == "raw" { log[..20_000].to_vec() } else { log.clone() });
        let arguments = [
            "access.log",
            "--to",
            "kinesis://web",
            "--records",
            form,
            "--ordered",
            "--max-record-size",
            "4096",
        ];
        stream(&place, &simulator, &arguments).assert().code(0);
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        let mut decoder = RecordDecoder::default();
        for record in stored(&simulator) {
            decoder.decode(&record.data, &record.key, &mut |item| {
                let Item::Line { id: Some(id), .. } = item else { panic!("{item:?}") };
                let before = last.insert(record.shard.clone(), id.offset);
                assert!(before.is_none_or(|before| before < id.offset), "{form}");
            });
        }
        assert!(last.len() > 1);
    }
}

#[test]
fn a_run_that_is_killed_is_gone_on_with() {
    let good = lines(12_000);
    for (form, key) in [("raw", "random"), ("ndjson", "random"), ("kpl", "host"), ("block", "random")] {
        let place = Place::new();
        let simulator = free(16, Faults { lose_ack: 0.05, ..Faults::default() });
        let cut = good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(5000).unwrap().0 + 1;
        let log = [&good[..cut], b"nonsense\n", &good[cut..]].concat();
        place.write("access.log", &log);
        let arguments = [
            "access.log",
            "--to",
            "kinesis://web",
            "--records",
            form,
            "--partition-key",
            key,
            "--max-record-size",
            "4096",
            "--rate",
            "8000/s",
            "--rejects",
            "bad.ndjson",
            "--report",
            "r.json",
        ];
        let stored_bytes = || simulator.stats()["bytes"].as_u64().unwrap();
        for part in 1..4 {
            let mut child = spawn(&place, &simulator, &arguments);
            let before = stored_bytes();
            wait_until("records", || {
                stored_bytes() > before + part * 20_000 || child.try_wait().unwrap().is_some()
            });
            signal(&child, "-KILL");
            end(child);
        }
        let code = if form == "ndjson" { 1 } else { 0 };
        let mut last = stream(&place, &simulator, &arguments);
        let ended = last.assert();
        // Whether the line that is no row came in this run or before.
        assert!([0, code].contains(&ended.get_output().status.code().unwrap()));
        duplicates(&simulator, if form == "ndjson" { &good } else { &log });
        if form == "ndjson" {
            assert!(place.read("bad.ndjson").contains("nonsense"));
        }
        // Once more: nothing is left to do.
        let said = stream(&place, &simulator, &arguments).assert().code(0);
        let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
        assert!(said.contains("nothing new"), "{said}");
        assert_eq!(place.json("r.json")["lines"], 0);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_saved_ends_the_run() {
    let (place, simulator) = (Place::new(), free(16, Faults::default()));
    let log = lines(20_000);
    place.write("access.log", &log);
    let arguments = [
        "access.log",
        "--to",
        "kinesis://web",
        "--rate",
        "3000/s",
        "--checkpoint",
        "there/job.json",
        "--report",
        "r.json",
    ];
    let child = spawn(&place, &simulator, &arguments);
    wait_until("records", || simulator.stats()["records"].as_u64().unwrap() > 100);
    std::fs::remove_dir_all(place.path().join("there")).unwrap();
    let (code, said) = end(child);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there"), "{said}");
    let report = place.json("r.json");
    assert_eq!(report["ended"], "failed");
    assert!(report["lines"].as_u64().unwrap() < 20_000);
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
fn troubles_have_names() {
    let place = Place::new();
    place.write("access.log", lines(5));
    let account = |account| start(1, Settings { account, ..Settings::default() });
    let usual = || account(Account::default());
    let away = { usual().url() };
    for (simulator, stream_name, environment, texts) in [
        (usual(), "other", None, ["no such stream", "--region"]),
        (usual(), "web", Some(("AWS_REGION", None)), ["no AWS region", "--region"]),
        (usual(), "web", Some(("AWS_ACCESS_KEY_ID", None)), ["no AWS credentials", "AWS_PROFILE"]),
        (
            usual(),
            "web",
            Some(("AWS_ENDPOINT_URL_KINESIS", Some(away.clone()))),
            ["no connection", "is the address right"],
        ),
        (
            account(Account { credentials: Credentials::Expired, ..Account::default() }),
            "web",
            None,
            ["have expired", "goes on where it stopped"],
        ),
        (
            account(Account { access_key: Some("other".to_owned()), ..Account::default() }),
            "web",
            None,
            ["not accepted", "--region"],
        ),
        (
            account(Account { only_region: Some("eu-west-1".to_owned()), ..Account::default() }),
            "web",
            None,
            ["not accepted", "--region"],
        ),
    ] {
        let to = format!("kinesis://{stream_name}");
        let mut command = stream(&place, &simulator, &["access.log", "--to", &to]);
        match environment {
            Some((name, Some(value))) => drop(command.env(name, value)),
            Some((name, None)) => drop(command.env_remove(name)),
            None => {}
        }
        let said = String::from_utf8(command.assert().code(2).get_output().stderr.clone()).unwrap();
        assert!(texts.iter().all(|text| said.contains(text)), "{said}");
    }
}

#[test]
fn an_endpoint_that_comes_back_is_waited_for() {
    let (place, simulator) = (Place::new(), free(1, Faults::default()));
    let log = lines(4000);
    place.write("access.log", &log);
    let arguments = ["access.log", "--to", "kinesis://web", "--rate", "4000/s", "--report", "r.json"];
    let child = spawn(&place, &simulator, &arguments);
    wait_until("records", || simulator.stats()["records"].as_u64().unwrap() > 100);
    simulator.down(Duration::from_millis(700));
    let (code, said) = end(child);
    assert_eq!(code, Some(0), "{said}");
    duplicates(&simulator, &log);
}

#[test]
fn what_cannot_be_delivered_ends_the_run_or_is_spooled() {
    let log = lines(900);
    for form in FORMS {
        // Where there are several requests, the first of them is answered.
        let fault_from = u64::from(["raw", "ndjson"].contains(&form));
        let (place, simulator) =
            (Place::new(), free(2, Faults { fault_from, fail_request_stored: 1.0, ..Faults::default() }));
        place.write("access.log", &log);
        let arguments = |to_spool: bool, input| {
            let mut arguments = vec![
                input,
                "--to",
                "kinesis://web",
                "--records",
                form,
                "--attempts",
                "2",
                "--max-record-size",
                "4096",
                "--report",
                "r.json",
            ];
            if to_spool {
                arguments.extend(["--on-exhausted", "spool=spool"]);
            }
            arguments
        };
        let said = stream(&place, &simulator, &arguments(false, "access.log")).assert().code(2);
        let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
        assert!(said.contains("status 500"), "{said}");
        assert_eq!(place.json("r.json")["ended"], "failed");

        stream(&place, &simulator, &arguments(true, "access.log")).assert().code(1);
        let report = place.json("r.json");
        let number = |name: &str| report[name].as_u64().unwrap();
        assert!(number("spooled") > 0 && number("spooled") + number("acknowledged") == number("lines"));
        // Nothing is left in the log, and everything is in the spool, by the ids it had.
        simulator.patch(json!({"faults": {"fail_request_stored": 0.0}})).unwrap();
        stream(&place, &simulator, &arguments(false, "access.log")).assert().code(0);
        assert_eq!(place.json("r.json")["lines"], 0);
        stream(&place, &simulator, &arguments(false, "spool")).assert().code(0);
        assert_eq!(place.json("r.json")["lines"], number("spooled"));
        assert!(duplicates(&simulator, &log) > 0, "{form}");
    }
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
