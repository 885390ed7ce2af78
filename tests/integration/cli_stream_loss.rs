//! `nasalogs stream` with records that cover each other's lines, and a run that ends before all of them are delivered: the
//! next one delivers every line that is missing.
#![cfg(unix)]

use std::path::PathBuf;

use nasalogs_simulator::{Faults, Simulator};
use serde_json::json;

use crate::cli::{Place, lines};
use crate::cli_stream::{FORMS, consumed, duplicates, end, free, signal, spawn, stream, wait_until};

/// Lines of hosts that go to every shard.
const LINES: u64 = 2000;

struct Run {
    place: Place,
    simulator: Simulator,
    log: Vec<u8>,
    form: &'static str,
}

impl Run {
    fn new(form: &'static str, faults: Faults) -> Self {
        let (place, log) = (Place::new(), lines(LINES));
        place.write("access.log", &log);
        Self { place, simulator: free(4, faults), log, form }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let usual = [
            "access.log",
            "--to",
            "kinesis://web",
            "--records",
            self.form,
            "--partition-key",
            "host",
            "--max-record-size",
            "4096",
            "--report",
            "r.json",
        ];
        [&usual, more].concat()
    }

    /// Without faults, a second run delivers what the first one has not.
    fn go_on(&self) {
        let form = self.form;
        let missing = self.place.json("r.json");
        self.simulator.patch(json!({"faults": {"fail_record": 0.0, "throttle_record": 0.0}})).unwrap();
        assert!(consumed(&self.simulator).len() < LINES as usize, "{form}: nothing was missing: {missing}");
        stream(&self.place, &self.simulator, &self.arguments(&[])).assert().code(0);
        // Raw lines with a key of their own have no ids.
        match form {
            "raw" => {
                let mut found: Vec<_> = consumed(&self.simulator).into_iter().map(|(_, line)| line).collect();
                found.sort();
                found.dedup();
                let mut expected: Vec<_> = self.log.split(|byte| *byte == b'\n').collect();
                expected.retain(|line| !line.is_empty());
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(found, expected);
            }
            _ => drop(duplicates(&self.simulator, &self.log)),
        }
    }
}

fn failing(seed: u64) -> Faults {
    Faults { seed, fail_record: 0.5, ..Faults::default() }
}

#[test]
fn attempts_that_are_exhausted_lose_nothing() {
    for form in FORMS {
        let run = Run::new(form, failing(3));
        stream(&run.place, &run.simulator, &run.arguments(&["--attempts", "1"])).assert().code(2);
        run.go_on();
    }
}

#[test]
fn a_spool_that_cannot_be_written_loses_nothing() {
    // A directory that can be made, of a path that leaves no room for the name of a file.
    let deep: PathBuf = std::iter::repeat_n("d".repeat(250), 16).chain(["d".repeat(62)]).collect();
    let spool = format!("spool={}", deep.display());
    for form in FORMS {
        let run = Run::new(form, failing(4));
        let arguments = run.arguments(&["--attempts", "1", "--on-exhausted", &spool]);
        let ended = stream(&run.place, &run.simulator, &arguments).assert().code(2);
        let said = String::from_utf8_lossy(&ended.get_output().stderr).into_owned();
        assert!(run.place.path().join(&deep).is_dir() && said.contains("ddd"), "{said}");
        run.go_on();
    }
}

#[test]
fn a_stream_that_refuses_loses_nothing() {
    for form in FORMS {
        let run = Run::new(form, Faults::default());
        let child = spawn(&run.place, &run.simulator, &run.arguments(&["--rate", "2000/s"]));
        wait_until("records", || run.simulator.stats()["records"].as_u64().unwrap() > 0);
        run.simulator.patch(json!({"account": {"credentials": "expired"}})).unwrap();
        let (code, said) = end(child);
        assert_eq!(code, Some(2), "{said}");
        run.simulator.patch(json!({"account": {"credentials": "any"}})).unwrap();
        run.go_on();
    }
}

#[test]
fn who_is_asked_to_stop_and_cannot_deliver_loses_nothing() {
    let slow = |form| Run::new(form, Faults { seed: 5, throttle_record: 0.9, ..Faults::default() });
    let runs = ["kpl", "block"].map(slow);
    let start = |run: &Run| spawn(&run.place, &run.simulator, &run.arguments(&["--attempts", "1000"]));
    let children = [start(&runs[0]), start(&runs[1])];
    for (run, child) in runs.iter().zip(&children) {
        wait_until("records", || run.simulator.stats()["records"].as_u64().unwrap() > 0);
        signal(child, "-INT");
    }
    for (run, child) in runs.iter().zip(children) {
        let (code, said) = end(child);
        assert_eq!(code, Some(130), "{}: {said}", run.form);
        assert_eq!(run.place.json("r.json")["ended"], "cut");
        run.go_on();
    }
}
