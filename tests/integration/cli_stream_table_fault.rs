//! `nasalogs stream` to a directory, cut short: by `kill -9`, by a full disk, by someone who may not write.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::cli::{Place, binary, skip, stderr};
use crate::cli_stream::{end, signal, wait_until};
use crate::cli_stream_table::{
    arguments, check, days, left_behind, parquet_files, spawn, stream, table, table_of,
};

#[test]
fn a_run_that_is_killed_at_any_time_is_gone_on_with() {
    let log = days(20_000);
    for seed in 0..6_u64 {
        let place = Place::new();
        place.write("access.log", &log);
        let (to, dir) = (table_of(&place), place.path().join("lake"));
        let mut random = seed;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..5 {
            // Rolls of other sizes each time, so that those that were begun have to be cut as they were.
            let size = (20_000 + next(200_000)).to_string();
            let child = spawn(&place, &arguments(&to, &["--roll-size", &size, "--rate", "60000/s"]));
            std::thread::sleep(Duration::from_millis(next(250)));
            signal(&child, "-KILL");
            end(child);
            // What is there can be read, and nothing of it comes twice.
            table(&dir);
        }
        let code = stream(&place, &arguments(&to, &[])).output().unwrap().status.code();
        assert!(code.is_some_and(|code| code < 2));
        check(&place, &log);
        let said = stderr(stream(&place, &arguments(&to, &[])), 0);
        assert!(said.contains("nothing new"), "{said}");
    }
}

#[test]
fn a_follower_that_is_killed_is_gone_on_with() {
    let (place, log) = (Place::new(), days(4000));
    place.write("access.log", &log[..log.len() / 2]);
    let (to, dir) = (table_of(&place), place.path().join("lake"));
    for half in [&log[..0], &log[log.len() / 2..]] {
        let written = [&fs::read(place.path().join("access.log")).unwrap(), half].concat();
        place.write("access.log", written);
        let before = parquet_files(&dir).len();
        let child = spawn(&place, &arguments(&to, &["--follow", "--roll-age", "0.05"]));
        wait_until("files", || parquet_files(&dir).len() > before);
        signal(&child, "-KILL");
        end(child);
    }
    stream(&place, &arguments(&to, &[])).output().unwrap();
    check(&place, &log);
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_loses_nothing() {
    // The disk is small, and large the next time.
    const SCRIPT: &str = r#"
        mkdir lake && mount -t tmpfs -o size=400k tmpfs lake || exit 99
        "$@"; code=$?
        mount -o remount,size=100M lake || exit 99
        echo "first: $code"; cp -r lake first
        "$@"; code=$?
        echo "second: $code"; cp -r lake second
    "#;
    let log = days(40_000);
    // Root needs no name space of users, and others cannot do without.
    for flags in [&["--mount"][..], &["--map-root-user", "--mount"]] {
        let place = Place::new();
        place.write("access.log", &log);
        let to = table_of(&place);
        let mut command = std::process::Command::new("unshare");
        command.args(flags).args(["sh", "-c", SCRIPT, "sh"]).arg(binary()).arg("stream");
        command.args(arguments(&to, &["--roll-size", "400k"])).current_dir(place.path());
        command.env("XDG_STATE_HOME", place.path().join("state"));
        let Ok(output) = command.output() else { continue };
        let (answer, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !answer.contains("first: ") {
            continue;
        }
        assert_eq!(answer, "first: 2\nsecond: 1\n", "{said}");
        assert!(said.contains("lake") && said.contains("hint: ") && said.contains("full"), "{said}");
        let first = table(&place.path().join("first")).len();
        assert!(first < 40_000);
        fs::rename(place.path().join("second"), place.path().join("lake2")).unwrap();
        fs::remove_dir(place.path().join("lake")).unwrap();
        fs::rename(place.path().join("lake2"), place.path().join("lake")).unwrap();
        return check(&place, &log);
    }
    skip("a disk that fills up under a table: no file system can be mounted here");
}

#[cfg(target_os = "linux")]
#[test]
fn lines_that_wait_need_room_too() {
    const SCRIPT: &str = r#"trap '' XFSZ; ulimit -f 400; exec "$@""#;
    let (place, log) = (Place::new(), days(20_000));
    place.write("access.log", &log);
    let to = table_of(&place);
    let mut command = assert_cmd::Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(binary()).arg("stream").args(arguments(&to, &[]));
    command.env("XDG_STATE_HOME", place.path().join("state")).current_dir(place.path());
    let said = stderr(command, 2);
    assert!(
        said.contains("lines that wait to be written cannot be kept") && said.contains("TMPDIR"),
        "{said}"
    );
    assert_eq!(place.json("r.json")["ended"], "failed");
    assert_eq!(left_behind(&place.path().join("lake")), Vec::<String>::new());
    stream(&place, &arguments(&to, &[])).assert().code(1);
    check(&place, &log);
}

#[test]
fn a_directory_that_may_not_be_written_to() {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let (place, log) = (Place::new(), days(100));
    place.write("access.log", &log);
    let to = table_of(&place);
    // It is no directory.
    place.write("lake", "");
    let said = stderr(stream(&place, &arguments(&to, &[])), 2);
    assert!(said.contains("lake") && said.contains("hint: "), "{said}");
    fs::remove_file(place.path().join("lake")).unwrap();
    // It is somebody else's. Root may write everywhere: be nobody, who has to find the program.
    let dir = place.path().join("lake");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
    fs::create_dir(place.path().join("state")).unwrap();
    for open in [".", "state"] {
        fs::set_permissions(place.path().join(open), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let mut command = std::process::Command::new(place.path().join("nasalogs"));
    fs::copy(binary(), place.path().join("nasalogs")).unwrap();
    command.arg("stream").args(arguments(&to, &[])).current_dir(place.path());
    command.env("XDG_STATE_HOME", place.path().join("state"));
    if fs::File::create(dir.join("probe")).is_ok() {
        fs::remove_file(dir.join("probe")).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("lake: cannot be written") && said.contains("ermission") && said.contains("hint: ")
    );
    // Once it may, nothing is missing.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    stream(&place, &arguments(&to, &[])).assert().code(1);
    check(&place, &log);
}
