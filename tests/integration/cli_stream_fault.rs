//! `nasalogs stream` against a Kinesis that throttles, loses answers, splits shards and goes away; and what becomes of a
//! run that is killed.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::time::Duration;

use nasalogs::envelope::{Item, RecordDecoder};
use nasalogs_simulator::{Account, Credentials, Faults, Limits, Settings};
use serde_json::json;

use crate::cli::{Place, lines};
use crate::cli_stream::{FORMS, duplicates, end, free, signal, spawn, start, stored, stream, wait_until};

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
