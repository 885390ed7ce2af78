//! `nasalogs stream` over many seeds: everything goes wrong, the run is killed at any time and gone on with.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nasalogs::envelope::{Item, RecordDecoder};
use nasalogs_simulator::{Faults, Latency, Simulator};
use serde_json::Value;

use crate::cli::{Place, lines};
use crate::cli_stream::{FORMS, duplicates, end, free, spawn, stored, stream, wait_until};

/// All that can go wrong, in another order for each seed.
fn faults(seed: u64, reshard_every: u64) -> Faults {
    Faults {
        seed,
        reshard_every,
        throttle_record: 0.04,
        fail_record: 0.02,
        fail_record_stored: 0.02,
        throttle_request: 0.03,
        fail_request: 0.02,
        fail_request_stored: 0.03,
        unavailable: 0.02,
        drop_unread: 0.02,
        drop_request: 0.02,
        lose_ack: 0.05,
        cut_answer: 0.02,
        latency: Latency::Uniform(0.0, 10.0),
        reshard_most: 6,
        ..Faults::default()
    }
}

/// Dice for a test: the same seed, the same throws.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// A run, and what is particular about it.
struct Case {
    seed: u64,
    form: &'static str,
    ordered: bool,
}

impl Case {
    /// Lines of which the identity is sent, but for what is sent by a key nothing else is known.
    fn key(&self) -> &'static str {
        if self.form == "raw" || (self.seed.is_multiple_of(2) && !self.ordered) { "random" } else { "host" }
    }

    fn run(&self) {
        let Case { seed, form, ordered } = *self;
        let (count, rate, reshard_every) = match ordered {
            // One record at a time for each shard takes its time.
            true if ["raw", "ndjson"].contains(&form) => (150, "500/s", 25),
            true => (600, "2000/s", 15),
            false => (1500, "5000/s", 9),
        };
        let (place, simulator, log) = (Place::new(), free(2, faults(seed, reshard_every)), lines(count));
        place.write("access.log", &log);
        let mut arguments =
            vec!["access.log", "--to", "kinesis://web", "--records", form, "--report", "r.json"];
        arguments.extend(["--partition-key", self.key(), "--max-record-size", "2048", "--rate", rate]);
        if ordered {
            arguments.push("--ordered");
        }
        let (mut dice, mut killed) = (Dice(seed), false);
        let records = || simulator.stats()["records"].as_u64().unwrap();
        for _ in 0..dice.throw(4) {
            let mut child = spawn(&place, &simulator, &arguments);
            if dice.throw(4) == 0 {
                // Before anything is sent, or soon after.
                std::thread::sleep(Duration::from_millis(dice.throw(150)));
            } else {
                let most = records() + 1 + dice.throw(40);
                wait_until("records", || records() >= most || child.try_wait().unwrap().is_some());
            }
            killed |= child.try_wait().unwrap().is_none();
            // Not the command: who has ended already may be gone.
            child.kill().unwrap();
            end(child);
        }
        let ended = stream(&place, &simulator, &arguments).assert().code(0);
        let said = String::from_utf8_lossy(&ended.get_output().stderr).into_owned();
        let report = place.json("r.json");
        let what = format!("seed {seed}, {form}, ordered: {ordered}: {report}\n{said}");
        assert_eq!(report["ended"], "complete", "{what}");
        assert_eq!(report["acknowledged"], report["lines"], "{what}");
        let doubled = duplicates(&simulator, &log) as u64;
        let possible = report["possibly_duplicated"].as_u64().unwrap();
        // A line may be there as often as it was tried; after a kill, what came since the last checkpoint comes again.
        assert!(doubled == 0 || possible > 0 || killed, "{doubled} doubled: {what}");
        if ordered && self.key() == "host" {
            keeps_order(&simulator, &what);
        }
    }
}

/// The lines of each host come in the order of the log; copies of what is there already come when they like.
fn keeps_order(simulator: &Simulator, what: &str) {
    let mut records = stored(simulator);
    // By arrival, which the simulator counts in the middle of its numbers.
    records.sort_by_key(|record| record.sequence[16..36].to_owned());
    let (mut decoder, mut seen, mut last) = (RecordDecoder::default(), BTreeSet::new(), BTreeMap::new());
    for record in &records {
        decoder.decode(&record.data, &record.key, &mut |item| {
            let (host, id) = match item {
                Item::Line { bytes, id } => {
                    (bytes.split(|byte| *byte == b' ').next().unwrap_or_default().to_vec(), id)
                }
                Item::Json { record: object, id } => {
                    let row: Value = serde_json::from_slice(object.as_bytes()).unwrap();
                    (row["host"].as_str().unwrap().as_bytes().to_vec(), id)
                }
                other => panic!("{other:?}"),
            };
            let offset = id.expect("every line has an id").offset;
            if seen.insert(offset) {
                let before = last.insert(host, offset);
                assert!(before.is_none_or(|before| before < offset), "{before:?} before {offset}: {what}");
            }
        });
    }
}

/// So many seeds from one on; with `NASALOGS_SEEDS` another number of them, to look for longer.
fn over_seeds(first: u64, count: u64, ordered: bool) {
    let wanted = std::env::var("NASALOGS_SEEDS").ok().and_then(|number| number.parse().ok());
    for seed in first..first + wanted.unwrap_or(count) {
        Case { seed, form: FORMS[seed as usize % FORMS.len()], ordered }.run();
    }
}

#[test]
fn nothing_is_lost_over_many_seeds() {
    over_seeds(0, 12, false);
}

#[test]
fn order_is_kept_over_many_seeds() {
    over_seeds(1000, 8, true);
}
