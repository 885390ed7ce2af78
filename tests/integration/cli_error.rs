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

#[test]
fn nothing_replaces_what_is_read_or_written_beside_it() {
    let place = Place::new();
    place.write("a.log", lines(3));
    for arguments in [
        &["-o", "a.log", "--to", "csv", "--overwrite"][..],
        &["-o", "o.csv", "--rejects", "./a.log"],
        &["-o", "o.csv", "--summary-json", "a.log"],
    ] {
        fails(&place, &[&["convert", "a.log"], arguments].concat(), &["is an input"]);
    }
    for arguments in [
        &["-o", "o.csv", "--rejects", "./o.csv"][..],
        &["-o", "o.csv", "--rejects", "r", "--summary-json", "r"],
    ] {
        fails(&place, &[&["convert", "a.log"], arguments].concat(), &["are the same file"]);
    }
    fails(&place, &["convert", "a.log", "-o", "o.csv", "--summary-json", "no/s.json"], &["--summary-json"]);
    assert_eq!(place.read("a.log").into_bytes(), lines(3));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let place = Place::new();
    place.write("secret.log", lines(1));
    let allow = |name: &str, mode| {
        fs::set_permissions(place.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("secret.log", 0);
    if fs::File::open(place.path().join("secret.log")).is_err() {
        return fails(&place, &["convert", "secret.log", "-o", "o.csv"], &["secret.log", "ermission"]);
    }
    // Root may read everything: be somebody else, who has to find the program.
    fs::copy(crate::cli::binary(), place.path().join("nasalogs")).unwrap();
    allow(".", 0o755);
    let run = || {
        std::process::Command::new(place.path().join("nasalogs"))
            .args(["convert", "secret.log", "-o", "-", "--to", "csv"])
            .current_dir(place.path())
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
    };
    // A process that another test starts meanwhile has the copy open until it becomes what it is to be.
    let output = std::iter::repeat_with(run)
        .find(|done| !matches!(done, Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy))
        .expect("it is tried for ever")
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("secret.log") && said.contains("ermission") && said.contains("\nhint: "), "{said}");
}

#[test]
fn inputs_that_are_no_logs() {
    let place = Place::new();
    place.write("prose.log", "It was a dark and stormy night;\nthe rain fell in torrents.\n");
    place.write("binary.log", (0..4096_u32).map(|n| ((n * 7919) >> 3) as u8).collect::<Vec<u8>>());
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
}

/// A disk of 256 KiB, in a name space of its own: nobody else sees it, and it goes away with the program.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_keeps_nothing_of_the_output() {
    const SCRIPT: &str =
        r#"mount -t tmpfs -o size=256k tmpfs . && cd "$PWD" || exit 99; "$@"; code=$?; ls -A; exit $code"#;
    let log = lines(100_000);
    let mut done = 0;
    for arguments in [
        &["convert", "-o", "out.csv"][..],
        &["convert", "-o", "out.parquet"],
        &["convert", "-o", "out.ndjson"],
        &["convert", "-o", "out.arrow"],
        &["convert", "-o", "table", "--partition-by", "dt"],
        &["convert", "-o", "/dev/null", "--to", "csv", "--rejects", "rejects.ndjson", "--format", "combined"],
        &["generate", "--lines", "100k", "-o", "out.log"],
    ] {
        // Root needs no name space of users, and others cannot do without.
        for flags in [&["--mount"][..], &["--map-root-user", "--mount"]] {
            let place = Place::new();
            let mut command = assert_cmd::Command::new("unshare");
            command.args(flags).args(["sh", "-c", SCRIPT, "sh"]).arg(crate::cli::binary()).args(arguments);
            let Ok(output) = command
                .current_dir(place.path())
                .write_stdin(log.clone())
                .ok()
                .or_else(|error| error.as_output().cloned().ok_or(()))
            else {
                continue;
            };
            let said = String::from_utf8_lossy(&output.stderr);
            if output.status.code() == Some(2) && said.contains("nasalogs: ") {
                assert!(said.contains("disk is full"), "{arguments:?}: {said}");
                assert!(
                    output.stdout.is_empty(),
                    "{arguments:?} left {}",
                    String::from_utf8_lossy(&output.stdout)
                );
                done += 1;
                break;
            }
        }
    }
    if done == 0 {
        return skip("a disk that fills up: no mount name space can be had");
    }
    assert_eq!(done, 7, "each of the runs filled the disk");
}
