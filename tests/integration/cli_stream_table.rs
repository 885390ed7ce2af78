//! `nasalogs stream` to a directory: a table has the rows of the log, each once.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};

use crate::cli::{Place, binary, lines, nasalogs, stderr};
use crate::cli_stream::{PATIENCE, end, signal, wait_until};

/// Lines of many days in turn, with rejected and blank ones among them.
pub fn days(count: usize) -> Vec<u8> {
    let mut log = String::new();
    for line in 0..count {
        match line % 97 {
            13 => log.push_str("what is this?\n"),
            31 => log.push_str(" \n"),
            _ => {}
        }
        let (day, hour, second) = (1 + line * 20 / count, line % 24, line % 60);
        log.push_str(&format!(
            "h{line} - - [{day:02}/Jul/1995:{hour:02}:12:{second:02} -0400] \"GET /{line}?q HTTP/1.0\" 200 {line}\n"
        ));
    }
    log.into_bytes()
}

pub fn arguments<'a>(to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["access.log", "--to", to, "--report", "r.json"], more].concat()
}

pub fn table_of(place: &Place) -> String {
    format!("file://{}/lake", place.path().display())
}

pub fn stream(place: &Place, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = place.run(&["stream"]);
    command.args(arguments).env("XDG_STATE_HOME", place.path().join("state")).timeout(PATIENCE);
    command
}

pub fn spawn(place: &Place, arguments: &[&str]) -> Child {
    let mut command = std::process::Command::new(binary());
    command.arg("stream").args(arguments).current_dir(place.path());
    command.env("XDG_STATE_HOME", place.path().join("state"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A row: its id, and its columns as text.
type Row = (String, String);

/// Whatever in a directory is called a file of Parquet: nobody may see one that cannot be read.
pub fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn rows_of(file: &Path, id: &str) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    let row = |row: parquet::errors::Result<parquet::record::Row>| {
        let row = row.unwrap();
        let (mut known_as, mut text) = (String::new(), String::new());
        for (name, field) in row.get_column_iter() {
            match field {
                _ if name != id => text.push_str(&format!("{name}={field} ")),
                Field::Str(id) => known_as.clone_from(id),
                other => known_as = other.to_string(),
            }
        }
        (known_as, text)
    };
    reader.get_row_iter(None).unwrap().map(row).collect()
}

/// All rows of a table by their ids, in the order of each source. None comes twice, and each is in the directory of its day.
pub fn table(dir: &Path) -> BTreeMap<(String, u64), String> {
    let mut rows = BTreeMap::new();
    for file in parquet_files(dir) {
        let day = file.parent().unwrap().file_name().unwrap().to_str().unwrap().strip_prefix("dt=").unwrap();
        for (id, text) in rows_of(&file, "line_id") {
            assert!(text.contains(&format!("ts={day}")), "{text} in {}", file.display());
            let (source, offset) = id.split_once('-').unwrap();
            let before = rows.insert((source.to_owned(), offset.parse().unwrap()), text);
            assert!(before.is_none(), "{id} comes twice");
        }
    }
    rows
}

/// What `nasalogs convert` makes of a log: offsets and columns.
pub fn converted(place: &Place, log: &[u8]) -> Vec<(u64, String)> {
    place.write("whole.log", log);
    let options = ["-o", "whole.parquet", "--with", "byte_offset", "--quiet", "--overwrite"];
    place.run(&["convert", "whole.log"]).args(options).assert().code(0);
    let rows = rows_of(&place.path().join("whole.parquet"), "byte_offset");
    rows.into_iter().map(|(offset, text)| (offset.parse().unwrap(), text)).collect()
}

/// The table has the rows of a log that is one source, each once and known by its place in the log; and nothing else is
/// left behind.
pub fn check(place: &Place, log: &[u8]) {
    let dir = place.path().join("lake");
    let found: Vec<(u64, String)> =
        table(&dir).into_iter().map(|((_, offset), text)| (offset, text)).collect();
    let expected = converted(place, log);
    assert_eq!(found.len(), expected.len(), "rows");
    assert!(found == expected);
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}

/// What is no row: notes, and files that are not complete.
pub fn left_behind(dir: &Path) -> Vec<String> {
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    };
    let mut left = names(&dir.join("_rolls"));
    left.extend(names(dir).into_iter().filter(|name| !name.starts_with("dt=") && name != "_rolls"));
    left
}

#[test]
fn a_table_has_the_rows_of_the_log() {
    let (place, log) = (Place::new(), days(20_000));
    place.write("access.log", &log);
    let to = table_of(&place);
    let arguments = arguments(&to, &["--roll-size", "200KB", "--rejects", "bad.ndjson"]);
    let child = spawn(&place, &arguments);
    // Whoever looks while it is written sees whole files only.
    let is_over = AtomicBool::new(false);
    let (code, said) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for file in parquet_files(&place.path().join("lake")) {
                    assert!(!rows_of(&file, "line_id").is_empty());
                }
            }
        });
        let ended = end(child);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("files of") && said.contains("missing_field"), "{said}");
    check(&place, &log);
    let report = place.json("r.json");
    let number = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(number("rows") + number("rejected") + number("blank"), number("lines"));
    assert_eq!((number("rows"), number("acknowledged"), number("lag_bytes")), (20_000, 20_000, 0));
    let odd = (0..20_000).filter(|line| line % 97 == 13).count() as u64;
    assert_eq!((number("rejected"), number("bytes_read")), (odd, log.len() as u64));
    let files = parquet_files(&place.path().join("lake"));
    let bytes: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!((number("files"), number("bytes"), number("files_there")), (files.len() as u64, bytes, 0));
    assert!(files.len() > 20 + log.len() / 210_000);
    assert_eq!((&report["ended"], &report["records_form"]), (&json!("complete"), &json!("parquet")));
    assert_eq!(report["oldest_unacknowledged_seconds"], Value::Null);
    let bad = place.read("bad.ndjson");
    assert_eq!(bad.lines().count() as u64, odd);
    for line in bad.lines() {
        let reject: Value = serde_json::from_str(line).unwrap();
        let offset = reject["offset"].as_u64().unwrap() as usize;
        assert!(log[offset..].starts_with(b"what is this?\n") && reject["raw"] == "what is this?");
    }
    // Nothing is left to do.
    let said = stderr(stream(&place, &arguments), 0);
    assert!(said.contains("nothing new"), "{said}");
    check(&place, &log);
}

#[test]
fn a_log_is_followed_into_a_table_through_its_rotation() {
    let (place, log) = (Place::new(), lines(30));
    let parts: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let part = |range: std::ops::Range<usize>| parts[range].concat();
    let to = table_of(&place);
    let child = spawn(&place, &arguments(&to, &["--follow", "--roll-age", "0.1s"]));
    let dir = place.path().join("lake");
    let has = |count: usize| wait_until("rows", || table(&dir).len() == count);
    // Rolls end by their age, while it is followed.
    place.write("access.log", part(0..10));
    has(10);
    let path = place.path().join("access.log");
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&part(10..11)).unwrap();
    has(11);
    fs::rename(&path, place.path().join("access.log.1")).unwrap();
    file.write_all(&part(11..20)).unwrap();
    place.write("access.log", part(20..29));
    has(29);
    assert!(parquet_files(&dir).len() > 3);
    signal(&child, "-TERM");
    let (code, said) = end(child);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(place.json("r.json")["acknowledged"], 29);
    // What comes after the stop is read by the next run.
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&part(29..30)).unwrap();
    stream(&place, &arguments(&to, &[])).assert().code(0);
    let mut found: Vec<String> = table(&dir).into_values().collect();
    let mut expected: Vec<String> = converted(&place, &log).into_iter().map(|(_, text)| text).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(left_behind(&dir), Vec::<String>::new());
}

#[test]
fn a_stop_makes_visible_what_was_read() {
    let log = days(20_000);
    for name in ["-INT", "-TERM"] {
        let place = Place::new();
        place.write("access.log", &log);
        let to = table_of(&place);
        let child = spawn(&place, &arguments(&to, &["--rate", "5000/s", "--roll-size", "50k"]));
        let dir = place.path().join("lake");
        wait_until("files", || !parquet_files(&dir).is_empty());
        signal(&child, name);
        let (code, said) = end(child);
        assert_eq!(code, Some(130), "{said}");
        let report = place.json("r.json");
        assert_eq!((&report["ended"], &report["lag_bytes"]), (&json!("stopped"), &json!(0)));
        let acknowledged = report["acknowledged"].as_u64().unwrap();
        assert_eq!(acknowledged, table(&dir).len() as u64);
        assert!(0 < acknowledged && acknowledged < 20_000);
        assert_eq!(left_behind(&dir), Vec::<String>::new());
        // And on it goes.
        assert!(
            [0, 1].contains(&stream(&place, &arguments(&to, &[])).output().unwrap().status.code().unwrap())
        );
        check(&place, &log);
    }
}

#[test]
fn a_replay_fills_a_table_in_the_rhythm_of_the_log() {
    let place = Place::new();
    let line = |second| {
        format!(
            "h - - [01/Jul/1995:00:{:02}:{:02} -0400] \"GET /{second} HTTP/1.0\" 200 5\n",
            second / 60,
            second % 60
        )
    };
    let log = [line(0), line(1), line(0), line(2), line(3000)].concat();
    place.write("access.log", &log);
    let (to, dir) = (table_of(&place), place.path().join("lake"));
    // The second line is due after hours, at this speed.
    let child = spawn(&place, &arguments(&to, &["--replay", "0.0001x", "--roll-age", "10ms"]));
    let (code, said) = end(child);
    assert_eq!(code, Some(2), "{said}");
    let child = spawn(&place, &arguments(&to, &["--replay", "0.0001x", "--roll-age", "0.01"]));
    wait_until("the first row", || table(&dir).len() == 1);
    signal(&child, "-INT");
    let (code, said) = end(child);
    assert_eq!((code, table(&dir).len()), (Some(130), 1), "{said}");
    // On from there, fast.
    stream(&place, &arguments(&to, &["--replay", "3000x"])).assert().code(0);
    let report = place.json("r.json");
    assert_eq!((&report["lines"], &report["rows"]), (&json!(4), &json!(4)));
    assert!(report["seconds"].as_f64().unwrap() > 0.9, "{report}");
    check(&place, log.as_bytes());
}

#[test]
fn standard_input_becomes_a_table() {
    let (place, log) = (Place::new(), days(3000));
    let to = table_of(&place);
    let mut command = stream(&place, &["-", "--to", &to, "--report", "r.json"]);
    let said = stderr(
        {
            command.write_stdin(log.clone());
            command
        },
        1,
    );
    assert!(said.contains("cannot be read again"), "{said}");
    check(&place, &log);
    assert!(!place.path().join("state").exists());
}

#[test]
fn each_source_has_a_format_of_its_own() {
    let place = Place::new();
    place.write("a.log", "h - - [01/Jul/1995:00:00:01 -0400] \"GET /a HTTP/1.0\" 200 5\n");
    place.write("b.log", "v h - - [01/Jul/1995:00:00:01 -0400] \"GET /b HTTP/1.0\" 200 5 \"-\" \"me\"\n");
    let to = table_of(&place);
    stream(&place, &["a.log", "b.log", "--to", &to]).assert().code(0);
    let texts: Vec<String> = table(&place.path().join("lake")).into_values().collect();
    let has = |text: &str| texts.iter().any(|row| row.contains(text));
    assert_eq!(texts.len(), 2);
    assert!(has("path=\"/a\"") && has("user_agent=\"me\""), "{texts:?}");
    // Nothing will ever be a row of this one.
    place.write("c.log", "nonsense\n");
    let said = stderr(stream(&place, &["c.log", "--to", &to]), 2);
    assert!(said.contains("c.log"), "{said}");
}

#[test]
fn lines_that_were_spooled_keep_their_ids() {
    let place = Place::new();
    fs::create_dir(place.path().join("spool")).unwrap();
    let log = days(3);
    place.write("spool/0000000000000007-42.log", &log);
    let second = log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let ids = format!("nasalogs spool 1 0000000000000007\n0 42\n{second} 3000\n");
    place.write("spool/.0000000000000007-42.log.ids", ids);
    let to = table_of(&place);
    stream(&place, &["spool", "--to", &to]).assert().code(0);
    let ids: Vec<(String, u64)> = table(&place.path().join("lake")).into_keys().collect();
    let id = |offset: usize| ("0000000000000007".to_owned(), offset as u64);
    let third = memchr(&log[second..]);
    assert_eq!(ids, [id(42), id(3000), id(3000 + third)]);
}

fn memchr(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1
}

#[test]
fn what_makes_no_sense_for_files_is_refused() {
    let place = Place::new();
    place.write("access.log", lines(5));
    let to = table_of(&place);
    for (arguments, texts) in [
        (&["--records", "raw"][..], ["--records is for records", "rows of Parquet"]),
        (&["--json-names", "classic"], ["--json-names is for", "no keys"]),
        (&["--partition-key", "host"], ["--partition-key is for", "no shards"]),
        (&["--ordered"], ["--ordered is for", "in order"]),
        (&["--on-exhausted", "spool=x"], ["--on-exhausted is for", "next run"]),
        (&["--max-record-size", "5k"], ["--max-record-size is for", "--roll-size"]),
        (&["--dry-run"], ["--dry-run is for", "priced"]),
        (&["--format", "%h %s"], ["no time", "%h %s"]),
        (&["--roll-size", "0"], ["--roll-size", "more than 0"]),
        (&["--roll-age", "5d"], ["--roll-age", "30s"]),
    ] {
        let mut command = stream(&place, &["access.log", "--to", &to]);
        command.args(arguments);
        let said = stderr(command, 2);
        assert!(texts.iter().all(|text| said.contains(text)), "{said}");
    }
    assert_eq!(place.names(), ["access.log"]);
    let said = stderr(nasalogs(&["stream", "x", "--to", "file://lake"]), 2);
    assert!(said.contains("three slashes"), "{said}");
}
