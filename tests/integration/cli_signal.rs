//! Ctrl-C, and readers that leave: no half output, no noise.
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::{Place, binary, lines};

fn start(place: &Place, arguments: &[&str]) -> Child {
    Command::new(binary())
        .args(arguments)
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits until a file of the run has appeared: then it is under way, and its handlers are in place.
fn wait_for_any_file(place: &Place) {
    let patience = Instant::now() + Duration::from_secs(60);
    while place.names().is_empty() {
        assert!(Instant::now() < patience, "nothing was begun");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end: code and standard error. What the run writes to standard output is not read.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn ctrl_c_leaves_no_output() {
    for name in ["-INT", "-TERM"] {
        for arguments in [
            &["generate", "--lines", "100G", "-o", "out.log"][..],
            &["convert", "-o", "out.csv"],
            &["convert", "-o", "out.parquet", "--rejects", "rejects.ndjson"],
            &["convert", "-o", "table", "--partition-by", "dt"],
        ] {
            let place = Place::new();
            let mut child = start(&place, arguments);
            // A log that does not end: the writer stops when the reader is gone.
            let mut stdin = child.stdin.take().unwrap();
            let log = lines(10_000);
            let feeder = std::thread::spawn(move || while stdin.write_all(&log).is_ok() {});
            wait_for_any_file(&place);
            signal(&child, name);
            let (code, said) = end(child);
            assert_eq!(code, Some(130), "{arguments:?}: {said}");
            assert!(said.contains("interrupted"), "{said}");
            assert!(place.names().is_empty(), "{arguments:?} left {:?}", place.names());
            feeder.join().unwrap();
        }
    }
}

/// The pipe stays open and silent: the run has to end all the same.
#[test]
fn ctrl_c_ends_a_wait_for_input() {
    let place = Place::new();
    let mut child = start(&place, &["convert", "-o", "out.csv", "--format", "common"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&lines(20_000)).unwrap();
    wait_for_any_file(&place);
    signal(&child, "-INT");
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(place.names().is_empty(), "{:?}", place.names());
    drop(stdin);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    place.write("access.log", lines(200_000));
    for arguments in [
        &["generate", "--lines", "10M"][..],
        &["convert", "access.log", "-o", "-", "--to", "ndjson", "-q"],
        &["convert", "access.log", "-o", "-", "--to", "csv", "-q"],
        &["convert", "access.log", "-o", "-", "--to", "arrow", "-q"],
        &["convert", "access.log", "-o", "-", "--to", "parquet", "-q"],
    ] {
        let mut child = start(&place, arguments);
        let mut some = [0; 4];
        child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
        drop(child.stdout.take());
        let (code, said) = end(child);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert!(Path::new(&place.path().join("access.log")).exists());
    assert_eq!(place.names(), ["access.log"]);
}
