//! `nasalogs report`: where it comes from, where it goes, and what is said when it cannot be.

use std::fs;
use std::io::Write;

use nasalogs::generate::GenerateOptions;
use serde_json::Value;

use crate::cli::{Place, lines, log, stderr};

fn stdout(place: &Place, arguments: &[&str], code: i32) -> String {
    let assert = place.run(arguments).assert().code(code);
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_four_classic_panels_are_there() {
    let place = Place::new();
    place.write("access.log", lines(3000));
    let said = stdout(&place, &["report", "access.log"], 0);
    for heading in ["Top URLs", "Top hosts", "Hourly traffic", "Status codes"] {
        assert!(said.contains(&format!("\n{heading}")), "{said}");
    }
    assert!(said.starts_with("access.log\n") && said.contains("Requests       3,000"), "{said}");
    assert!(said.contains("3,000 lines = 3,000 rows + 0 rejected + 0 blank"), "{said}");
    assert!(said.is_ascii() && said.lines().all(|line| line.len() <= 80), "{said}");
    let narrow = place.run(&["report", "access.log"]).env("COLUMNS", "60").assert().success();
    assert!(narrow.get_output().stdout.split(|byte| *byte == b'\n').all(|line| line.len() <= 60));
}

#[test]
fn several_outputs_at_once() {
    let place = Place::new();
    place.write("access.log", lines(3000));
    let outputs = ["--html", "page.html", "--json", "report.json", "--markdown", "report.md"];
    let arguments = [&["report", "access.log", "--top", "3"][..], &outputs].concat();
    assert!(stdout(&place, &arguments, 0).contains("Top URLs"));
    let report = json(&place.read("report.json"));
    assert_eq!((&report["requests"], &report["lines"]["rows"]), (&3000.into(), &3000.into()));
    assert!(report["urls"]["rows"].as_array().unwrap().len() <= 3);
    assert!(place.read("report.md").starts_with("# `access.log`"));
    let page = place.read("page.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("\"requests\":3000"));
    // Nothing is replaced unless that is asked for, and nothing is half done.
    let said = stderr(place.run(&arguments), 2);
    assert!(said.contains("page.html") && said.contains("--overwrite"), "{said}");
    assert!(stdout(&place, &[&arguments[..], &["--overwrite", "--quiet"]].concat(), 0).is_empty());
    assert_eq!(place.names(), ["access.log", "page.html", "report.json", "report.md"]);
}

#[test]
fn standard_input_and_output() {
    let place = Place::new();
    for arguments in [
        &["report", "--json"][..],
        &["report", "-", "--json", "-"],
        &["report", "--json", "--html", "p.html"],
    ] {
        let assert = place.run(arguments).write_stdin(lines(2000)).assert().success();
        let report = json(std::str::from_utf8(&assert.get_output().stdout).unwrap());
        assert_eq!((&report["requests"], &report["inputs"][0]), (&2000.into(), &"standard input".into()));
    }
    // The page is made of what was read before.
    assert!(place.read("p.html").contains("\"requests\":2000"));
    let ago = place
        .run(&["report", "--json", "--since", "1 second ago"])
        .write_stdin(lines(2000))
        .assert()
        .success();
    let report = json(std::str::from_utf8(&ago.get_output().stdout).unwrap());
    assert_eq!(report["period"]["last"].as_i64().unwrap() - report["period"]["first"].as_i64().unwrap(), 1);
    assert_eq!(report["lines"]["rows"], 2000);
}

#[test]
fn nothing_to_count_is_a_report_too() {
    let place = Place::new();
    place.write("access.log", lines(100));
    place.write("empty.log", "");
    place.write("blank.log", "\n  \n");
    for (arguments, says) in [
        (&["report", "empty.log"][..], "0 lines = 0 rows + 0 rejected + 0 blank"),
        (&["report", "blank.log"], "2 lines = 0 rows + 0 rejected + 2 blank"),
        (&["report", "access.log", "--method", "BREW"], "100 rows filtered out"),
    ] {
        let said = stdout(&place, arguments, 0);
        assert!(said.contains("No requests") && said.contains(says), "{said}");
        let arguments =
            [arguments, &["--html", "p.html", "--json", "j.json", "--markdown", "m.md", "--overwrite"]]
                .concat();
        stdout(&place, &arguments, 0);
        let report = json(&place.read("j.json"));
        assert_eq!(
            (&report["requests"], &report["period"], &report["peak"]),
            (&0.into(), &Value::Null, &Value::Null)
        );
        assert!(place.read("m.md").contains("No requests"));
    }
}

#[test]
fn what_cannot_be_reported_is_said() {
    let place = Place::new();
    place.write("access.log", lines(100));
    place.write("garbage.log", "nonsense\n".repeat(50));
    place.write("timeless.log", "192.0.2.1 200\n".repeat(50));
    fs::create_dir(place.path().join("logs")).unwrap();
    stderr(place.run(&["convert", "access.log", "-o", "t.parquet"]), 0);
    for (arguments, says) in [
        (&["report", "none.log"][..], "none.log: no such file"),
        (&["report", "logs"], "logs: is a directory without a Parquet file"),
        (&["report", "none*.log"], "nothing matches this pattern"),
        (&["report", "garbage.log"], "is in a built-in format"),
        (&["report", "timeless.log", "--format", "%h %>s"], "has no time of the request"),
        (&["report", "access.log", "t.parquet"], "one run reads one of the two"),
        (&["report", "access.log", "--json", "-", "--markdown"], "standard output cannot take two things"),
        (&["report", "access.log", "--json", "access.log"], "--json is an input"),
        (&["report", "--json", "access.log"], "name the log first: nasalogs report access.log --json"),
        (&["report", "access.log", "--html", "logs"], "logs"),
        (&["report", "access.log", "--tz", "Mars/Base"], "there is no time zone"),
        (&["report", "access.log", "--since", "noon"], "is no time"),
        (&["report", "access.log", "--status", "6"], "is no status"),
        (&["report", "access.log", "--host", "10.0.0.0/40"], "is no network"),
        (&["report", "access.log", "--max-memory", "1kB"], "pass --approx"),
        (&["report", "access.log", "--top", "0"], "from 1 to 10000"),
        (
            &["report", "timeless.log", "--format", "%h %t", "--path", "/"],
            "no column path, which --path looks at",
        ),
    ] {
        let said = stderr(place.run(arguments), 2);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    stderr(place.run(&["convert", "access.log", "-o", "c.parquet", "--names", "classic"]), 0);
    let said = stderr(place.run(&["report", "c.parquet"]), 2);
    assert!(said.contains("has no column ts") && said.contains("classic records"), "{said}");
}

#[test]
fn rejected_lines_decide_as_in_convert() {
    let place = Place::new();
    let (odd, tally) = log(GenerateOptions::new().with_lines(5000).with_oddities(0.3));
    place.write("odd.log", &odd);
    let _ = tally;
    let report = json(&stdout(&place, &["report", "odd.log", "--json", "--strict"], 1));
    let rejected = report["lines"]["rejected"].as_u64().unwrap();
    assert!(rejected > 0);
    assert!(report["rejects"][0]["first"].as_str().unwrap().starts_with("odd.log:"), "{}", report["rejects"]);
    stdout(&place, &["report", "odd.log", "--max-rejects", &rejected.to_string()], 0);
    assert!(stdout(&place, &["report", "odd.log", "--max-rejects", "1"], 1).is_empty());
    let said = stdout(&place, &["report", "odd.log"], 0);
    assert!(said.contains("missing_field") && said.contains("(first"), "{said}");
}

#[test]
fn a_bounded_memory_gives_estimates() {
    let place = Place::new();
    place.write("access.log", lines(5000));
    let report = json(&stdout(&place, &["report", "access.log", "--json", "--approx"], 0));
    assert_eq!((&report["exact"], &report["requests"]), (&false.into(), &5000.into()));
    assert!(!report["bounds"].as_array().unwrap().is_empty());
    assert!(stdout(&place, &["report", "access.log", "--approx"], 0).contains("\nEstimates"));
}

#[test]
fn names_from_strangers_command_nobody() {
    let place = Place::new();
    let hostile = "evil\u{9b}31m - - [01/Jul/1995:00:00:01 -0400] \"GET /\x1b]0;x\x07`|<script>alert(1)</script>\u{202e} HTTP/1.0\" 404 5\n";
    place.write("a\u{1b}[2J.log", hostile);
    for arguments in [&["report", "a\u{1b}[2J.log"][..], &["report", "a\u{1b}[2J.log", "--markdown"]] {
        let said = stdout(&place, arguments, 0);
        assert!(said.chars().all(|character| character == '\n' || !character.is_control()), "{said:?}");
        assert!(!said.contains('\u{202e}') && said.contains("\\x1B]0;x\\x07"), "{said}");
    }
    let said = stdout(&place, &["report", "a\u{1b}[2J.log", "--markdown"], 0);
    assert!(said.contains("`/\\x1B]0;x\\x07\\x60\\x7C<script>alert(1)</script>"), "{said}");
}

#[test]
fn filters_count_what_they_leave_out() {
    let place = Place::new();
    place.write("access.log", lines(1000));
    let said = stderr(
        place.run(&[
            "convert",
            "access.log",
            "-o",
            "o.csv",
            "--status",
            "2xx",
            "--columns",
            "host",
            "--summary-json",
            "s.json",
        ]),
        0,
    );
    let summary = json(&place.read("s.json"));
    let (rows, filtered) = (summary["rows"].as_u64().unwrap(), summary["filtered"].as_u64().unwrap());
    assert_eq!((rows, summary["lines"].as_u64().unwrap()), (1000, 1000));
    // A column that only the filter looks at is not written.
    let written = place.read("o.csv");
    assert_eq!((written.lines().next(), written.lines().count() as u64), (Some("host"), rows - filtered + 1));
    assert_eq!(said.contains("were filtered out"), filtered > 0, "{said}");
    let report = json(&stdout(&place, &["report", "access.log", "--status", "2xx", "--json"], 0));
    assert_eq!(
        (&report["lines"]["filtered"], &report["filters"][0]),
        (&filtered.into(), &"--status 2xx".into())
    );
    for arguments in
        [&["--names", "classic", "--method", "POST"][..], &["--partition-by", "dt", "--since", "1995-07-01"]]
    {
        let name = arguments[1];
        stderr(
            place.run(&[&["convert", "access.log", "--to", "parquet", "-o", name][..], arguments].concat()),
            0,
        );
    }
    let said = stderr(
        place.run(&["convert", "-o", "x.csv", "--since", "2 hours ago"]).write_stdin(lines(10)).into(),
        2,
    );
    assert!(said.contains("standard input: cannot be read twice"), "{said}");
    assert!(!place.names().contains(&"x.csv".to_owned()));
}

#[test]
fn a_log_that_grows_is_read_as_far_as_it_was() {
    let place = Place::new();
    place.write("access.log", lines(20_000));
    let path = place.path().join("access.log");
    let growing = std::thread::spawn(move || {
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        for _ in 0..200 {
            file.write_all(lines(50).as_bytes()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    for _ in 0..5 {
        let arguments = ["report", "access.log", "--html", "p.html", "--json", "--overwrite"];
        let report = json(&stdout(&place, &arguments, 0));
        let cells = page_meta(&place.read("p.html"))["cells"].as_u64().unwrap();
        assert!(cells > 0 && cells <= report["requests"].as_u64().unwrap());
    }
    growing.join().unwrap();
}

/// What the page says of its cells.
fn page_meta(page: &str) -> Value {
    let mark = "id=\"meta\">";
    let from = page.find(mark).unwrap() + mark.len();
    let to = page[from..].find("</script>").unwrap();
    json(&page[from..from + to])
}
