//! The kinds of rotation one by one, on real files and without a clock.

mod restart;
mod schedule;
mod storm;

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

#[test]
fn whole_lines_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.expect(&[]);
    stage.append("a.log", "");
    stage.expect(&[]);
    stage.append("a.log", "on");
    stage.expect(&[]);
    stage.append("a.log", "e\ntw");
    stage.expect(&["one\n"]);
    stage.append("a.log", "o\nthree\n");
    stage.expect(&["one\ntwo\nthree\n"]);
    stage.wait_for_all();
    stage.append("a.log", "four");
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\n"]);
    assert!(stage.gaps.is_empty() && stage.unended.is_empty());
}

#[test]
fn renamed_and_written_to_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a.log", "two\n");
    stage.rename("a.log", "a.log.1");
    stage.expect(&["one\ntwo\n"]);
    stage.append("a.log", "new\n");
    stage.append("a.log.1", "three\n");
    stage.expect(&["one\ntwo\nthree\n", "new\n"]);
    stage.wait_for_all();
    stage.append("a.log.1", "four\nfi");
    stage.expect(&["one\ntwo\nthree\nfour\n", "new\n"]);
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\nfour\nfi", "new\n"]);
    assert_eq!(stage.unended, [stage.order[0]]);
    stage.rename("a.log.1", "a.log.2");
    stage.append("a.log.2", "ve\n");
    stage.expect(&["one\ntwo\nthree\nfour\nfive\n", "new\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn renamed_twice_between_two_looks() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a.log", "two\n");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "between\n");
    stage.rename("a.log.1", "a.log.2");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&["one\ntwo\n", "between\n", "new\n"]);
}

#[test]
fn what_was_rotated_before_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.append("a.log.1", "old\n");
    stage.append("a.log.2", "older\n");
    stage.compress("a.log.2");
    stage.append("a.log", "one\n");
    stage.start();
    stage.expect(&["one\n"]);
    stage.rename("a.log.2.gz", "a.log.3.gz");
    stage.compress("a.log.1");
    stage.rename("a.log.1.gz", "a.log.2.gz");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "two\n");
    stage.expect(&["one\n", "two\n"]);
    stage.wait_for_all();
    stage.expect(&["one\n", "two\n"]);
}

#[test]
fn copied_and_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\ntw");
    stage.expect(&["one\n"]);
    stage.append("a.log", "o\nthree\nfour");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&["one\ntwo\nthree\nfour", "new\n"]);
    assert!(stage.gaps.is_empty());
    // A copy in the place of the older one.
    stage.append("a.log", "newer\n");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "newest\n");
    stage.expect(&["one\ntwo\nthree\nfour", "new\nnewer\n", "newest\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn truncated_and_longer_than_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", &lines(0..2));
    stage.expect(&[&lines(0..2)]);
    stage.append("a.log", &lines(2..4));
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", &lines(100..200));
    stage.expect(&[&lines(0..4), &lines(100..200)]);
    // The same length, and the same first bytes.
    let long = lines(1000..3000);
    stage.append("a.log", &long);
    stage.drain();
    let (head, rest) = long.split_at(9000);
    let copy = fs::read(stage.path("a.log")).unwrap();
    stage.append("a.log", &lines(3000..3002));
    stage.copy_and_truncate("a.log", "a.log.1");
    let changed = [&copy[..copy.len() - rest.len()], rest.replace("line", "LINE").as_bytes()].concat();
    append(&stage.path("a.log"), &changed);
    stage.drain();
    assert_eq!(stage.texts()[1], [&lines(100..200), head, rest, &lines(3000..3002)].concat());
    assert_eq!(stage.texts()[2].as_bytes(), changed);
    assert!(stage.gaps.is_empty());
}

#[test]
fn copied_truncated_and_compressed_between_two_looks() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", &lines(0..2000));
    stage.drain();
    stage.append("a.log", &lines(2000..3000));
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.compress("a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&[&lines(0..3000), "new\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn truncated_without_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\ntw");
    stage.drain();
    stage.append("a.log", "o\n");
    fs::write(stage.path("a.log"), "new\n").unwrap();
    stage.expect(&["one\ntw", "new\n"]);
    let file = stage.path("a.log").to_str().unwrap().into();
    assert_eq!(stage.gaps, [Gap { source: stage.order[0], file, offset: 6, at_least: 0 }]);
    assert_eq!(stage.unended, [stage.order[0]]);
}

#[test]
fn truncated_before_the_first_line_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "beginning");
    stage.expect(&[]);
    stage.append("a.log", " and end\n");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "other");
    stage.expect(&["beginning and end\n"]);
    fs::write(stage.path("a.log"), "new\n").unwrap();
    stage.drain();
    let mut texts = stage.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["beginning and end\n", "new\n", "other"]);
    assert_eq!(stage.gaps.len(), 1);
}

#[test]
fn deleted_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.drain();
    let mut writer = OpenOptions::new().append(true).open(stage.path("a.log")).unwrap();
    writer.write_all(b"two\n").unwrap();
    stage.remove("a.log");
    stage.expect(&["one\ntwo\n"]);
    writer.write_all(b"three\nfou").unwrap();
    stage.expect(&["one\ntwo\nthree\n"]);
    stage.append("a.log", "new\n");
    writer.write_all(b"r\nfi").unwrap();
    stage.expect(&["one\ntwo\nthree\nfour\n", "new\n"]);
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\nfour\nfi", "new\n"]);
    assert!(stage.gaps.is_empty());
    // Nothing is kept of what is over.
    assert_eq!(stage.follower.as_ref().unwrap().tails.len(), 1);
}

#[test]
fn compressed_after_rotation() {
    let dir = tempfile::tempdir().unwrap();
    for input in ["a.log", "a.log*", "."] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::started(&dir, &[input]);
        stage.append("a.log", "one\n");
        stage.drain();
        stage.append("a.log", "two\nthr");
        stage.rename("a.log", "a.log.1");
        stage.append("a.log", "new\n");
        stage.compress("a.log.1");
        stage.expect(&["one\ntwo\n", "new\n"]);
        stage.wait_for_all();
        stage.expect(&["one\ntwo\nthr", "new\n"]);
        stage.rename("a.log.1.gz", "a.log.2.gz");
        stage.wait_for_all();
        stage.expect(&["one\ntwo\nthr", "new\n"]);
        assert!(stage.gaps.is_empty());
    }
}

#[test]
fn a_compressor_takes_its_time() {
    let dir = tempfile::tempdir().unwrap();
    for input in ["a.log", "a.log*"] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::started(&dir, &[input]);
        stage.drain();
        stage.append("a.log", &lines(0..5000));
        stage.rename("a.log", "a.log.1");
        stage.append("a.log", "new\n");
        stage.drain();
        let packed = gzip(lines(0..5000).as_bytes());
        for part in packed.chunks(packed.len() / 5) {
            append(&stage.path("a.log.1.gz"), part);
            stage.wait(Duration::from_secs(1));
        }
        stage.remove("a.log.1");
        stage.wait_for_all();
        stage.drain();
        let mut texts = stage.texts();
        texts.sort_unstable();
        assert_eq!(texts, [&lines(0..5000), "new\n"]);
        assert_eq!((stage.gaps.len(), stage.troubles.len()), (0, 0));
    }
}

#[test]
fn a_compressed_file_arrives_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["."]);
    let text = lines(0..50_000);
    let packed = gzip(text.as_bytes());
    for part in packed.chunks(packed.len() / 7) {
        append(&stage.path("a.log.gz"), part);
        stage.wait(Duration::from_secs(1));
    }
    stage.expect(&[&text]);
    stage.wait_for_all();
    stage.expect(&[&text]);
    // One that never becomes complete.
    append(&stage.path("b.log.gz"), &packed[..packed.len() / 2]);
    stage.wait_for_all();
    assert_eq!((stage.gaps.len(), stage.troubles.len()), (1, 1));
    assert!(stage.troubles[0].contains("ends early"), "{}", stage.troubles[0]);
    assert!(text.starts_with(stage.texts()[1]) && stage.texts()[1].len() > 1000);
}

#[test]
fn replaced_by_a_longer_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.drain();
    for text in ["one\ntwo\n", "one\ntwo\nthree\n"] {
        stage.append("new", text);
        stage.rename("new", "a.log");
        stage.expect(&[text]);
    }
    stage.wait_for_all();
    stage.append("new", "other\n");
    stage.rename("new", "a.log");
    stage.expect(&["one\ntwo\nthree\n", "other\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn many_files_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log", "sub/*/x", "a.log", "."]);
    stage.options.max_open = 3;
    stage.append("a.log", "a1\n");
    stage.start();
    stage.expect(&["a1\n"]);
    fs::create_dir_all(stage.path("sub/one")).unwrap();
    stage.append("b.log", "b1\n");
    stage.append("sub/one/x", "x1\n");
    stage.append("plain", "p1\n");
    stage.append(".hidden.log", "h1\n");
    stage.wait(Duration::from_secs(1));
    let sorted = |stage: &Stage| {
        let mut texts: Vec<String> = stage.texts().into_iter().map(str::to_owned).collect();
        texts.sort();
        texts
    };
    assert_eq!(sorted(&stage), ["a1\n", "b1\n", "p1\n", "x1\n"]);
    for (name, text) in [("a.log", "a2\n"), ("plain", "p2\n"), ("b.log", "b2\n"), ("sub/one/x", "x2\n")] {
        stage.append(name, text);
    }
    stage.wait(Duration::from_secs(1));
    assert_eq!(sorted(&stage), ["a1\na2\n", "b1\nb2\n", "p1\np2\n", "x1\nx2\n"]);
    assert_eq!(stage.troubles, [""; 0]);
    let follower = stage.follower.as_ref().unwrap();
    assert!(follower.tails.values().filter(|tail| !tail.is_closed()).count() <= 3);
}

#[test]
fn every_file_has_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log"]);
    stage.options.chunk = 100;
    stage.append("a.log", &lines(0..1000));
    stage.append("b.log", &lines(0..1000));
    stage.start();
    let follower = stage.follower.as_mut().unwrap();
    let mut from = BTreeMap::new();
    for _ in 0..20 {
        if let Poll::Lines(lines) = follower.poll(stage.now).unwrap() {
            *from.entry(lines.source).or_insert(0) += 1;
        }
    }
    assert_eq!(from.values().copied().collect::<Vec<_>>(), [10, 10]);
}

#[test]
fn a_line_may_be_longer_than_memory_allows() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.options = Options { chunk: 100, max_line: 250, ..stage.options };
    let text = format!("short\n{}\nend\n", "x".repeat(5000));
    stage.append("a.log", &text);
    stage.start();
    let follower = stage.follower.as_mut().unwrap();
    let mut parts = Vec::new();
    while let Poll::Lines(lines) = follower.poll(stage.now).unwrap() {
        assert!(lines.bytes.len() <= 400);
        parts.push(lines.part);
    }
    parts.dedup();
    assert_eq!(parts, [Part::Lines, Part::Begin, Part::Middle, Part::End, Part::Lines]);
}

#[test]
fn read_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["b.log", "a*"]);
    stage.options = Options { follow: false, chunk: 64, ..Options::default() };
    stage.append("a.log", &lines(0..50));
    stage.append("a.log.1", &lines(100..150));
    stage.compress("a.log.1");
    stage.append("a.empty", "");
    stage.append("b.log", "one\ntwo");
    stage.start();
    assert!(stage.drain());
    assert_eq!(stage.texts(), ["one\ntwo", &lines(0..50), &lines(100..150)]);
    assert_eq!(stage.unended, [stage.order[0]]);
    assert!(stage.drain());
    let error = Follower::open(&[stage.path("none.log")], Options::default(), None).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
}

#[test]
fn copies_are_sources_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log", "b.log"]);
    for name in ["a.log", "b.log"] {
        stage.append(name, "same\n");
    }
    stage.start();
    stage.expect(&["same\n", "same\n"]);
    assert_ne!(stage.order[0], stage.order[1]);
}

#[test]
fn nothing_to_do_is_found_out_cheaply() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let age = |path: &Path| File::open(path).unwrap().set_modified(long_ago).unwrap();
    let is_as_before = |stage: &Stage| stage.follower.as_ref().unwrap().is_as_before(stage.now);
    assert!(!is_as_before(&stage));
    age(&stage.path("a.log"));
    age(dir.path());
    stage.drain();
    assert!(is_as_before(&stage));
    stage.append("a.log", "two\n");
    assert!(!is_as_before(&stage));
    age(&stage.path("a.log"));
    assert!(!is_as_before(&stage));
    stage.expect(&["one\ntwo\n"]);
    stage.rename("a.log", "a.log.1");
    assert!(!is_as_before(&stage));
    stage.drain();
    age(dir.path());
    stage.drain();
    assert!(is_as_before(&stage));
    // What is no more under its name is asked for by its open file.
    stage.append("a.log.1", "three\n");
    assert!(!is_as_before(&stage));
    stage.expect(&["one\ntwo\nthree\n"]);
}

#[test]
fn more_files_than_may_be_open() {
    let dir = tempfile::tempdir().unwrap();
    for follow in [true, false] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::new(&dir, &["."]);
        stage.options = Options { follow, max_open: 2, chunk: 100, ..Options::default() };
        let mut expected = BTreeMap::new();
        for at in 0..10 {
            let text = lines(at * 1000..at * 1000 + 100);
            stage.append(&format!("plain{at}"), &text);
            fs::write(stage.path(&format!("packed{at}")), gzip(text.to_uppercase().as_bytes())).unwrap();
            expected.insert(text.to_uppercase(), ());
            expected.insert(text, ());
        }
        stage.start();
        let follower = stage.follower.as_mut().unwrap();
        let mut most = 0;
        let mut end = false;
        while !end {
            match follower.poll(stage.now).unwrap() {
                Poll::Lines(lines) => {
                    assert!(follower.oldest_unacknowledged().is_some());
                    follower.acknowledge(lines.source, lines.offset + lines.bytes.len() as u64);
                    stage.given.entry(lines.source).or_default().extend_from_slice(&lines.bytes);
                }
                Poll::End | Poll::Idle => end = true,
                step => panic!("{step:?}"),
            }
            most = most.max(follower.tails.values().filter(|tail| !tail.is_closed()).count());
        }
        assert!(most <= 4, "{most}");
        assert_eq!((follower.unread_bytes(), follower.oldest_unacknowledged()), (0, None));
        let given: BTreeMap<_, _> =
            stage.given.values().map(|text| (String::from_utf8(text.clone()).unwrap(), ())).collect();
        assert!(given == expected);
        if follow {
            stage.append("plain3", "more\n");
            stage.now += Duration::from_secs(1);
            stage.acknowledges = false;
            stage.order = stage.given.keys().copied().collect();
            stage.drain();
            assert!(stage.texts().iter().any(|text| text.ends_with("line 3099\nmore\n")));
            fs::write(stage.path("plain4"), "other\n").unwrap();
            stage.drain();
            assert!(stage.texts().contains(&"other\n"));
            assert_eq!(stage.gaps.len(), 1);
        }
    }
}

#[test]
fn a_writer_that_does_not_append() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.drain();
    let mut writer = File::create(stage.path("a.log")).unwrap();
    writer.write_all(lines(0..20_000).as_bytes()).unwrap();
    stage.drain();
    stage.copy_and_truncate("a.log", "a.log.1");
    writer.write_all(b"new\n").unwrap();
    let follower = stage.follower.as_mut().unwrap();
    let Poll::Lines(new) = follower.poll(stage.now).unwrap() else { panic!() };
    assert_eq!((&new.bytes[..], new.offset), (&b"new\n"[..], lines(0..20_000).len() as u64));
    assert!(matches!(follower.poll(stage.now).unwrap(), Poll::Idle));
}

#[test]
fn what_is_only_called_so_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a-2.log", "another server\n");
    stage.expect(&["one\n"]);
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "two\n");
    stage.append("a-2.log", "and more\n");
    stage.expect(&["one\n", "two\n"]);
}
