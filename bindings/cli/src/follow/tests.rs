//! On real files and without a clock: a stage for what happens to them, and what becomes of it.

mod crowd;
mod read;
mod rename;
mod restart;
mod schedule;
mod storm;
mod truncate;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use nasalogs::envelope::SourceId;

use super::*;

/// A directory, a follower, and what that gave.
struct Stage {
    dir: PathBuf,
    inputs: Vec<PathBuf>,
    options: Options,
    checkpoint: Option<PathBuf>,
    follower: Option<Follower>,
    now: Instant,
    /// The bytes of every source.
    given: BTreeMap<SourceId, Vec<u8>>,
    /// Sources in the order in which they began.
    order: Vec<SourceId>,
    unended: Vec<SourceId>,
    gaps: Vec<Gap>,
    troubles: Vec<String>,
    /// Whether everything is acknowledged as it comes.
    acknowledges: bool,
    /// Whether a checkpoint was not saved.
    allows_again: bool,
}

impl Stage {
    fn new(dir: &tempfile::TempDir, inputs: &[&str]) -> Self {
        let inputs = inputs.iter().map(|input| dir.path().join(input)).collect();
        let options = Options { follow: true, ..Options::default() };
        Self {
            dir: dir.path().to_owned(),
            inputs,
            options,
            checkpoint: None,
            follower: None,
            now: Instant::now(),
            given: BTreeMap::new(),
            order: Vec::new(),
            unended: Vec::new(),
            gaps: Vec::new(),
            troubles: Vec::new(),
            acknowledges: true,
            allows_again: false,
        }
    }

    fn started(dir: &tempfile::TempDir, inputs: &[&str]) -> Self {
        let mut stage = Self::new(dir, inputs);
        stage.start();
        stage
    }

    fn start(&mut self) {
        let checkpoint = self.checkpoint.as_deref().map(|path| Checkpoint::open(path).unwrap());
        self.follower = Some(Follower::open(&self.inputs, self.options.clone(), checkpoint).unwrap());
    }

    /// Ends the process that follows; without saving, as if by `kill -9`.
    fn stop(&mut self, save: bool) {
        let mut follower = self.follower.take().unwrap();
        if save {
            follower.save().unwrap();
        }
    }

    /// Polls until there is nothing. Gives whether that was the end.
    fn drain(&mut self) -> bool {
        self.steps(usize::MAX)
    }

    fn steps(&mut self, steps: usize) -> bool {
        let follower = self.follower.as_mut().unwrap();
        for _ in 0..steps {
            match follower.poll(self.now).unwrap() {
                Poll::Lines(lines) => {
                    let end = lines.offset + lines.bytes.len() as u64;
                    if !self.order.contains(&lines.source) {
                        self.order.push(lines.source);
                    }
                    let given = self.given.entry(lines.source).or_default();
                    let offset = lines.offset as usize;
                    assert!(offset <= given.len(), "a hole in {} at {}", lines.source, given.len());
                    // After a restart what was not acknowledged comes again, as it was.
                    let again = (given.len() - offset).min(lines.bytes.len());
                    assert_eq!(given[offset..offset + again], lines.bytes[..again], "{}", lines.source);
                    assert!(
                        again == 0 || !self.acknowledges || self.allows_again,
                        "twice: {}",
                        lines.bytes.escape_ascii()
                    );
                    given.extend_from_slice(&lines.bytes[again..]);
                    match lines.part {
                        Part::Lines => assert_eq!(lines.bytes.last(), Some(&b'\n')),
                        Part::Unended => self.unended.push(lines.source),
                        Part::Begin | Part::Middle | Part::End => {}
                    }
                    if self.acknowledges {
                        follower.acknowledge(lines.source, end);
                    }
                }
                Poll::Gap(gap) => self.gaps.push(gap),
                Poll::Trouble(error) => self.troubles.push(error.to_string()),
                Poll::Idle => return false,
                Poll::End => return true,
            }
        }
        false
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.drain();
    }

    /// Waits until everything that rotated is over.
    fn wait_for_all(&mut self) {
        for _ in 0..4 {
            self.wait(self.options.grace);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text.as_bytes());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    fn copy_and_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        File::options().write(true).open(self.path(from)).unwrap().set_len(0).unwrap();
    }

    /// As gzip does it: the original goes when the new file is complete.
    fn compress(&self, name: &str) {
        let bytes = fs::read(self.path(name)).unwrap();
        fs::write(self.path(&format!("{name}.gz")), gzip(&bytes)).unwrap();
        self.remove(name);
    }

    /// The texts of all sources, in the order in which they began.
    fn texts(&self) -> Vec<&str> {
        self.order.iter().map(|id| std::str::from_utf8(&self.given[id]).unwrap()).collect()
    }

    #[track_caller]
    fn expect(&mut self, texts: &[&str]) {
        self.drain();
        assert_eq!(self.texts(), texts);
        assert_eq!(self.troubles, [""; 0]);
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|number| format!("line {number}\n")).collect()
}
