//! What the tests of the command line share.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use nasalogs::generate::{GenerateOptions, Generator, Tally};
use serde_json::Value;
use tempfile::TempDir;

/// The binary, which `cargo build --workspace` puts beside the tests.
pub fn binary() -> PathBuf {
    let deps = std::env::current_exe().expect("a test is a program");
    let path = deps.ancestors().nth(2).expect("target/<profile>/deps/test").join("nasalogs");
    assert!(path.exists(), "no {}: run `cargo build --workspace` first", path.display());
    path
}

/// The program, with nothing of our surroundings that would change what it does.
pub fn nasalogs(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.env_remove("NASALOGS_SIMD").env_remove("NO_COLOR").args(arguments);
    command
}

/// A directory of a test's own, and the program run in it.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = nasalogs(arguments);
        command.current_dir(self.path());
        command
    }

    /// All that is there, sorted: nothing else may be left behind.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }
}

/// Generated lines, and what is odd about them.
pub fn log(options: GenerateOptions) -> (Vec<u8>, Tally) {
    let mut generator = Generator::new(options).unwrap();
    let mut log = Vec::new();
    generator.write_to(&mut log).unwrap();
    (log, generator.tally())
}

/// Some ordinary lines.
pub fn lines(count: u64) -> Vec<u8> {
    log(GenerateOptions::new().with_lines(count)).0
}

/// What a run said on standard error, after it ended with a code.
pub fn stderr(mut command: Command, code: i32) -> String {
    let assert = command.assert().code(code);
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}

/// A test that cannot run here says so; where no skip is allowed it fails.
pub fn skip(why: &str) {
    assert!(std::env::var_os("NASALOGS_NO_SKIPS").is_none_or(|set| set != "1"), "skipped: {why}");
    // Past the test harness, which swallows what a passing test prints.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}
