//! What is said when something cannot be done: what, where, and what to do.

use std::fs;

use crate::cli::{Place, lines, skip, stderr};

/// The message has these pieces and a hint, the code is 2, and nothing is left behind.
fn fails(place: &Place, arguments: &[&str], pieces: &[&str]) {
    let before = place.names();
    let said = stderr(place.run(arguments), 2);
    assert!(said.starts_with("nasalogs: "), "{said}");
    for piece in pieces {
        assert!(said.contains(piece), "{piece:?} is missing in: {said}");
    }
    assert!(said.lines().any(|line| line.starts_with("hint: ")), "{said}");
    assert!(!said.contains('\x1b'), "{said:?}");
    assert_eq!(place.names(), before);
}

#[test]
fn inputs_that_cannot_be_read() {
    let place = Place::new();
    fs::create_dir(place.path().join("logs")).unwrap();
    fails(&place, &["convert", "gone.log", "-o", "o.csv"], &["gone.log"]);
    fails(&place, &["convert", "gone*.log", "-o", "o.csv"], &["gone*.log"]);
    fails(&place, &["convert", "logs", "-o", "o.csv"], &["logs", "directory"]);
    fails(&place, &["detect", "gone.log"], &["gone.log"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("secret.log", lines(1));
    let path = place.path().join("secret.log");
    fs::set_permissions(&path, fs::Permissions::from_mode(0)).unwrap();
    if fs::File::open(&path).is_ok() {
        return skip("a file without read permission: root may read it");
    }
    fails(&place, &["convert", "secret.log", "-o", "o.csv"], &["secret.log", "ermission"]);
}

#[test]
fn inputs_that_are_no_logs() {
    let place = Place::new();
    place.write("prose.log", "It was a dark and stormy night;\nthe rain fell in torrents.\n");
    place.write("binary.log", (0..4096_u32).map(|n| (n * 7919 >> 3) as u8).collect::<Vec<u8>>());
    place.write("wide.log", b"\xff\xfeh\0 \0-\0 \0-\0\n\0");
    fails(&place, &["convert", "prose.log", "-o", "o.csv"], &["prose.log", "dark and stormy", "--format"]);
    fails(&place, &["convert", "prose.log", "-o", "o.csv", "--format", "common"], &["dark and stormy"]);
    fails(&place, &["convert", "binary.log", "-o", "o.csv"], &["binary.log"]);
    fails(&place, &["convert", "wide.log", "-o", "o.csv"], &["wide.log", "UTF-16"]);
    fails(&place, &["detect", "prose.log"], &["prose.log"]);
}

#[test]
fn damaged_compression() {
    let place = Place::new();
    place.write("access.log.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03cut short");
    fails(&place, &["convert", "access.log.gz", "-o", "o.csv"], &["access.log.gz"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::new();
    place.write("access.log", lines(10));
    place.write("there.csv", "precious");
    fs::create_dir(place.path().join("directory")).unwrap();
    fails(&place, &["convert", "access.log", "-o", "there.csv"], &["there.csv", "--overwrite"]);
    fails(&place, &["convert", "access.log", "-o", "directory", "--to", "csv"], &["directory"]);
    fails(&place, &["convert", "access.log", "-o", "gone/o.csv"], &["gone/o.csv"]);
    fails(&place, &["convert", "access.log", "-o", "o.txt"], &["o.txt", "--to"]);
    fails(&place, &["convert", "access.log", "-o", "-"], &["--to"]);
    fails(&place, &["generate", "--lines", "1", "-o", "directory"], &["directory"]);
    assert_eq!(place.read("there.csv"), "precious");
}

#[test]
fn options_that_make_no_sense() {
    let place = Place::new();
    place.write("access.log", lines(10));
    let convert = |extra: &[&'static str]| [&["convert", "access.log", "-o", "o.csv"], extra].concat();
    fails(&place, &convert(&["--format", "%h %h%u"]), &["%h"]);
    fails(&place, &convert(&["--format", "klingon"]), &["klingon", "combined"]);
    fails(&place, &convert(&["--columns", "host,colour"]), &["colour", "status"]);
    fails(&place, &convert(&["--compression", "zstd"]), &["csv"]);
    fails(
        &place,
        &["convert", "access.log", "-o", "-", "--to", "csv", "--summary-json", "-"],
        &["standard output"],
    );
    fails(&place, &["schema", "--format", "klingon"], &["klingon"]);
    // What clap refuses has its own words, and the same code.
    for arguments in [
        &["convert"][..],
        &["convert", "a", "-o", "b.csv", "--append"],
        &["convert", "a", "-o", "b", "--partition-by", "dt", "--append", "--overwrite"],
        &["convert", "a", "-o", "b", "--max-rejects", "some"],
        &["convert", "a", "-o", "b", "--with", "colour"],
        &["generate", "--lines", "many"],
        &["generate", "--lines", "1", "--oddities", "200%"],
        &["generate", "--lines", "1", "--start", "yesterday"],
        &["frobnicate"],
    ] {
        let said = stderr(place.run(arguments), 2);
        assert!(said.starts_with("error: "), "{said}");
    }
}

#[test]
fn a_wrong_backend_is_named() {
    let place = Place::new();
    place.write("access.log", lines(10));
    for arguments in [&["convert", "access.log", "-o", "o.csv"][..], &["doctor"]] {
        let mut command = place.run(arguments);
        command.env("NASALOGS_SIMD", "abacus");
        let said = stderr(command, 2);
        assert!(said.contains("abacus") && said.contains("scalar"), "{said}");
    }
}

#[test]
fn a_terminal_is_never_commanded_by_a_log() {
    let place = Place::new();
    let evil = "\x1b]0;owned\x07\x1b[2J";
    place.write(&format!("{evil}.log"), format!("{evil} is no log\n"));
    for arguments in [&["convert", "*.log", "-o", "o.csv"][..], &["detect", "*.log"]] {
        let said = stderr(place.run(arguments), 2);
        assert!(!said.contains('\x1b') && !said.contains('\x07'), "{said:?}");
    }
    let mut log = lines(3);
    log.extend_from_slice(format!("{evil}\n").as_bytes());
    place.write("other.log", log);
    let said = stderr(place.run(&["convert", "other.log", "-o", "o.csv"]), 0);
    assert!(said.contains("other.log:4: \\x1B]0;owned") && !said.contains('\x1b'), "{said:?}");
}

/// `script` gives a program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn colour_is_for_terminals_and_can_be_declined() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return skip("colours on a terminal: there is no `script` to make one");
    }
    let said = |no_color: &str| {
        let command = format!("{} convert gone.log -o o.csv", crate::cli::binary().display());
        let output = std::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said("").contains("\x1b[1;31mnasalogs:"), "{:?}", said(""));
    assert!(!said("1").contains('\x1b'), "{:?}", said("1"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_called_that() {
    for arguments in [
        &["generate", "--lines", "10k", "-o", "/dev/full"][..],
        &["convert", "-o", "/dev/full", "--to", "csv"],
    ] {
        let place = Place::new();
        let mut command = place.run(arguments);
        command.write_stdin(lines(10_000));
        let said = stderr(command, 2);
        assert!(
            said.contains("/dev/full") && said.contains("disk is full") && said.contains("\nhint: "),
            "{said}"
        );
    }
    let place = Place::new();
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .arg(place.path())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        return skip("a small disk that fills up: mounting one needs root");
    }
    let outcome = std::panic::catch_unwind(|| {
        for name in ["out.csv", "out.parquet", "out.ndjson", "out.arrow"] {
            let mut command = place.run(&["convert", "-o", name]);
            command.write_stdin(lines(100_000));
            let said = stderr(command, 2);
            assert!(said.contains(name) && said.contains("disk is full"), "{said}");
            assert!(place.names().is_empty(), "{:?}", place.names());
        }
        let mut command = place.run(&["convert", "-o", "table", "--partition-by", "dt"]);
        command.write_stdin(lines(100_000));
        assert!(stderr(command, 2).contains("disk is full"));
        assert!(place.names().is_empty(), "{:?}", place.names());
    });
    assert!(mount(&["umount"]));
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
