//! `nasalogs stream` to a Kinesis that goes away, does not answer, or no longer lets us in: what is said, how it ends, and
//! that nothing is lost.
#![cfg(unix)]

use std::net::TcpListener;
use std::time::Duration;

use nasalogs_simulator::{Faults, Simulator};
use serde_json::json;

use crate::cli::{Place, lines};
use crate::cli_stream::{PATIENCE, consumed, duplicates, end, free, signal, spawn, stream, wait_until};

const HOUR: Duration = Duration::from_secs(3600);

/// A run that is under way.
struct Run {
    place: Place,
    simulator: Simulator,
    log: Vec<u8>,
    form: &'static str,
}

impl Run {
    fn new(form: &'static str) -> Self {
        let (place, log) = (Place::new(), lines(800));
        place.write("access.log", &log);
        Self { place, simulator: free(2, Faults::default()), log, form }
    }

    fn arguments<'a>(&'a self, input: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let usual = [
            input,
            "--to",
            "kinesis://web",
            "--records",
            self.form,
            "--max-record-size",
            "4096",
            "--report",
            "r.json",
        ];
        [&usual, more].concat()
    }

    /// Starts it, lets something happen after the first records, and waits for its end.
    fn until(&self, more: &[&str], happen: impl FnOnce(&Simulator)) -> (Option<i32>, String) {
        let child = spawn(
            &self.place,
            &self.simulator,
            &self.arguments("access.log", &[more, &["--rate", "1000/s"]].concat()),
        );
        wait_until("records", || self.simulator.stats()["records"].as_u64().unwrap() > 0);
        happen(&self.simulator);
        end(child)
    }

    /// Goes on with an input, to its end.
    fn go_on(&self, input: &str) {
        stream(&self.place, &self.simulator, &self.arguments(input, &[])).assert().code(0);
    }
}

#[test]
fn an_endpoint_that_stays_away_ends_the_run() {
    for form in ["raw", "block"] {
        let run = Run::new(form);
        let (code, said) = run.until(&["--attempts", "3"], |simulator| simulator.down(HOUR));
        assert_eq!(code, Some(2), "{said}");
        // At once, and in the end.
        let place = format!("kinesis://web in us-east-1 at {}: ", run.simulator.url());
        for text in [&format!("trying again: {place}"), &format!("nasalogs: {place}"), "hint: "] {
            assert!(said.contains(text), "{text} in {said}");
        }
        assert!(run.place.json("r.json")["error"].as_str().unwrap().contains(&place));
        // Nobody is there at the start either, which is known at once.
        let before = stream(&run.place, &run.simulator, &run.arguments("access.log", &[])).assert().code(2);
        let said = String::from_utf8_lossy(&before.get_output().stderr).into_owned();
        assert!(said.contains(&format!("{place}no connection: ")), "{said}");
        run.simulator.down(Duration::ZERO);
        run.go_on("access.log");
        duplicates(&run.simulator, &run.log);
    }
}

#[test]
fn an_endpoint_that_stays_away_fills_the_spool() {
    for form in ["ndjson", "kpl"] {
        let run = Run::new(form);
        let spool = ["--attempts", "2", "--on-exhausted", "spool=spool"];
        let (code, said) = run.until(&spool, |simulator| simulator.down(HOUR));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("are in the spool"), "{said}");
        let report = run.place.json("r.json");
        let number = |name: &str| report[name].as_u64().unwrap();
        assert_eq!((number("lines"), number("spooled") + number("acknowledged")), (800, 800));
        run.simulator.down(Duration::ZERO);
        run.go_on("access.log");
        assert_eq!(run.place.json("r.json")["lines"], 0);
        run.go_on("spool");
        duplicates(&run.simulator, &run.log);
    }
}

#[test]
fn credentials_that_expire_end_the_run() {
    for (form, more) in [("kpl", &[][..]), ("ndjson", &["--on-exhausted", "spool=spool"])] {
        let run = Run::new(form);
        let expire = |simulator: &Simulator| {
            simulator.patch(json!({"account": {"credentials": "expired"}})).unwrap();
        };
        let (code, said) = run.until(more, expire);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("kinesis://web in us-east-1") && said.contains("have expired"), "{said}");
        let (lines, there) = (run.place.json("r.json")["lines"].clone(), consumed(&run.simulator).len());
        assert!(lines.as_u64().unwrap() < 800, "the end came at once");
        assert!((there as u64) < 800);
        run.simulator.patch(json!({"account": {"credentials": "any"}})).unwrap();
        run.go_on("access.log");
        if !more.is_empty() {
            run.go_on("spool");
        }
        duplicates(&run.simulator, &run.log);
    }
}

#[test]
fn who_never_answers_is_not_waited_for_for_ever() {
    // Connections come about, and nothing is ever said.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let run = Run::new("raw");
    let mut command =
        stream(&run.place, &run.simulator, &run.arguments("access.log", &["--endpoint-url", &address]));
    let ended = command.timeout(PATIENCE).assert().code(2);
    let said = String::from_utf8_lossy(&ended.get_output().stderr).into_owned();
    assert!(
        said.contains(&format!("at {address}: no answer within 10 s")) && said.contains("hint: "),
        "{said}"
    );
    assert!(!run.place.path().join("state").exists());
}

#[test]
fn asked_twice_it_ends_at_once_and_says_no_more_than_that() {
    let run = Run::new("raw");
    run.simulator.patch(json!({"faults": {"throttle_record": 1.0}})).unwrap();
    let mut child = spawn(&run.place, &run.simulator, &run.arguments("access.log", &[]));
    wait_until("requests", || run.simulator.stats()["put_requests"].as_u64().unwrap() > 2);
    wait_until("the end", || {
        signal(&child, "-INT");
        child.try_wait().unwrap().is_some()
    });
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted") && !said.contains("files"), "{said}");
    run.simulator.patch(json!({"faults": {"throttle_record": 0.0}})).unwrap();
    run.go_on("access.log");
    assert_eq!(duplicates(&run.simulator, &run.log), 0);
}
