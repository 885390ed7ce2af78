//! Random schedules of writing, rotating, looking and restarting, against a model of what could be read.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const LOG: &str = "a.log";
const KEPT: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// Writes whole lines, and perhaps the first half of another.
    Write {
        lines: usize,
        half: bool,
    },
    /// Moves the log away.
    Rename,
    /// Copies the log and truncates it; something may happen between the two.
    Truncate {
        copy: bool,
        between: Between,
    },
    /// Deletes the log, while its writer writes on.
    Delete {
        lines: usize,
    },
    /// Writes to the file that was renamed or deleted last.
    WriteLate,
    /// Compresses a rotated log.
    Compress(usize),
    /// Looks until there is nothing new.
    Look,
    /// Looks a little.
    LookABit(usize),
    Wait,
    Restart {
        save: bool,
    },
}

#[derive(Debug, Clone)]
enum Between {
    Nothing,
    Write,
    Look,
    LookAndWrite,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let between = prop_oneof![
        3 => Just(Between::Nothing),
        1 => Just(Between::Write),
        1 => Just(Between::Look),
        1 => Just(Between::LookAndWrite),
        1 => Just(Between::Restart),
    ];
    prop_oneof![
        10 => (0..5usize, any::<bool>()).prop_map(|(lines, half)| Step::Write { lines, half }),
        3 => Just(Step::Rename),
        3 => (prop::bool::weighted(0.8), between).prop_map(|(copy, between)| Step::Truncate { copy, between }),
        2 => (0..3usize).prop_map(|lines| Step::Delete { lines }),
        2 => Just(Step::WriteLate),
        3 => (1..=KEPT).prop_map(Step::Compress),
        6 => Just(Step::Look),
        3 => (1..6usize).prop_map(Step::LookABit),
        2 => Just(Step::Wait),
        2 => any::<bool>().prop_map(|save| Step::Restart { save }),
    ]
}

/// The bytes that belong together, and what of them could be read so far.
#[derive(Debug, Default)]
struct Written {
    bytes: Vec<u8>,
    readable: usize,
    /// Whether its rest was nowhere at some time.
    vanished: bool,
    /// Whether it was where it was written, at the last look; and whether it vanished from there.
    original: bool,
    is_known_loss: bool,
}

/// A file, as the model has it: it holds the first bytes of something written.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    written: usize,
    bytes: usize,
    packed: bool,
    /// Nobody writes to copies. Each has a number, as the original has none.
    copy: Option<usize>,
}

struct Model {
    stage: Stage,
    written: Vec<Written>,
    files: BTreeMap<String, Held>,
    /// A deleted file that its writer, and the follower, have open.
    deleted: Vec<(File, Held)>,
    /// Files that the follower has open for sure.
    open: Vec<Held>,
    /// The file that is still written to after a rotation.
    late: Option<String>,
    number: usize,
    is_half: bool,
    has_restarted: bool,
}

impl Model {
    fn new(dir: &tempfile::TempDir, input: &str, chunk: usize) -> Self {
        let mut stage = Stage::new(dir, &[input]);
        fs::create_dir(stage.path(".state")).unwrap();
        stage.checkpoint = Some(stage.path(".state/job.json"));
        stage.options.chunk = chunk;
        stage.start();
        stage.drain();
        let files = BTreeMap::new();
        Self {
            stage,
            written: Vec::new(),
            files,
            deleted: Vec::new(),
            open: Vec::new(),
            late: None,
            number: 0,
            is_half: false,
            has_restarted: false,
        }
    }

    /// The next lines; a half of one is long enough to be told from all others.
    fn text(&mut self, lines: usize, half: bool) -> String {
        let mut text = String::new();
        if std::mem::take(&mut self.is_half) {
            text.push_str(" rest\n");
        }
        for _ in 0..lines {
            self.number += 1;
            // Long ones too, so that more than the first 4 KiB are looked at.
            let filling = "x".repeat(if self.number.is_multiple_of(13) { 3000 } else { self.number % 7 });
            text.push_str(&format!("{:06} {filling}\n", self.number));
        }
        if half {
            self.number += 1;
            text.push_str(&format!("{:06} half", self.number));
            self.is_half = true;
        }
        text
    }

    fn write(&mut self, name: &str, text: &str) {
        append(&self.stage.path(name), text.as_bytes());
        let next = self.written.len();
        let held = self.files.entry(name.to_owned()).or_insert(Held {
            written: next,
            bytes: 0,
            packed: false,
            copy: None,
        });
        if held.written == next {
            self.written.push(Written::default());
        }
        let written = &mut self.written[held.written];
        assert_eq!(written.bytes.len(), held.bytes, "only the one who has it all may go on");
        written.bytes.extend_from_slice(text.as_bytes());
        held.bytes = written.bytes.len();
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Write { lines, half } => {
                let text = self.text(lines, half);
                self.write(LOG, &text);
            }
            Step::Rename if self.files.contains_key(LOG) => {
                self.shift();
                self.move_file(LOG, "a.log.1");
                self.late = Some("a.log.1".to_owned());
                self.is_half = false;
            }
            Step::Truncate { copy, ref between } if self.files.contains_key(LOG) => {
                if copy {
                    self.shift();
                    fs::copy(self.stage.path(LOG), self.stage.path("a.log.1")).unwrap();
                    self.number += 1;
                    self.files
                        .insert("a.log.1".to_owned(), Held { copy: Some(self.number), ..self.files[LOG] });
                }
                match between {
                    Between::Nothing => {}
                    Between::Write => self.run(&Step::Write { lines: 1, half: false }),
                    Between::Look => self.look(),
                    Between::LookAndWrite => {
                        self.look();
                        self.run(&Step::Write { lines: 2, half: false });
                        self.look();
                    }
                    Between::Restart => self.restart(true),
                }
                File::options().write(true).open(self.stage.path(LOG)).unwrap().set_len(0).unwrap();
                let next = self.written.len();
                self.written.push(Written::default());
                self.files
                    .insert(LOG.to_owned(), Held { written: next, bytes: 0, packed: false, copy: None });
                self.is_half = false;
            }
            Step::Delete { lines } if self.files.contains_key(LOG) => {
                self.remove(LOG);
                self.is_half = false;
                if lines > 0 {
                    self.write_deleted(lines);
                }
            }
            Step::WriteLate => match self.late.clone() {
                Some(name) if self.files.get(&name).is_some_and(|held| !held.packed) => {
                    let half = std::mem::take(&mut self.is_half);
                    let text = self.text(1, false);
                    self.write(&name, &text);
                    self.is_half = half;
                }
                _ => self.write_deleted(1),
            },
            Step::Compress(at) => {
                let name = format!("a.log.{at}");
                if let Some(held) = self.files.get(&name).copied() {
                    let packed = format!("{name}.gz");
                    let bytes = fs::read(self.stage.path(&name)).unwrap();
                    fs::write(self.stage.path(&packed), gzip(&bytes)).unwrap();
                    self.files.insert(packed, Held { packed: true, ..held });
                    self.remove(&name);
                }
            }
            Step::Look => self.look(),
            Step::LookABit(steps) => {
                self.stage.steps(steps);
                self.forget_originals();
            }
            Step::Wait => {
                // Nobody writes to what is deleted for ever.
                self.look();
                for (_, held) in self.deleted.drain(..) {
                    self.written[held.written].original = false;
                }
                self.stage.now += self.stage.options.grace;
                self.look();
            }
            Step::Restart { save } => self.restart(save),
            _ => {}
        }
    }

    /// What the follower knows of sources that are no more where they were written, the model does not know.
    fn forget_originals(&mut self) {
        for written in 0..self.written.len() {
            self.written[written].original &= self
                .files
                .values()
                .any(|held| held.written == written && held.copy.is_none() && !held.packed);
        }
    }

    fn write_deleted(&mut self, lines: usize) {
        let half = std::mem::take(&mut self.is_half);
        let text = self.text(lines, false);
        self.is_half = half;
        if let Some((file, held)) = self.deleted.last_mut() {
            let written = &mut self.written[held.written];
            if held.bytes == written.bytes.len() && held.copy.is_none() {
                file.write_all(text.as_bytes()).unwrap();
                written.bytes.extend_from_slice(text.as_bytes());
                held.bytes = written.bytes.len();
            }
        }
    }

    fn move_file(&mut self, from: &str, to: &str) {
        if let Some(held) = self.files.remove(from) {
            self.stage.rename(from, to);
            self.files.insert(to.to_owned(), held);
            if self.late.as_deref() == Some(from) {
                self.late = Some(to.to_owned());
            }
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(held) = self.files.remove(name) {
            let file = OpenOptions::new().append(true).open(self.stage.path(name)).unwrap();
            self.stage.remove(name);
            let is_same = |open: &Held| (open.written, open.copy) == (held.written, held.copy);
            if self.open.iter().any(is_same) && !held.packed {
                self.deleted.push((file, held));
            }
            if self.late.as_deref() == Some(name) {
                self.late = None;
            }
        }
    }

    fn shift(&mut self) {
        for ending in ["", ".gz"] {
            self.remove(&format!("a.log.{KEPT}{ending}"));
        }
        for at in (1..KEPT).rev() {
            for ending in ["", ".gz"] {
                self.move_file(&format!("a.log.{at}{ending}"), &format!("a.log.{}{ending}", at + 1));
            }
        }
    }

    fn restart(&mut self, save: bool) {
        self.stage.stop(save);
        self.stage.allows_again |= !save;
        if !save {
            self.forget_originals();
        }
        self.has_restarted = true;
        self.deleted.clear();
        self.open.clear();
        for written in 0..self.written.len() {
            // What was read and is no whole line is forgotten.
            self.written[written].readable = self.given(written);
        }
        self.stage.start();
    }

    /// The source of something written.
    fn source(&self, written: usize) -> Option<SourceId> {
        let bytes = &self.written[written].bytes;
        let begin = bytes.get(..7)?;
        let found = self.stage.given.iter().filter(|(_, given)| given.starts_with(begin));
        let mut found: Vec<_> = found.filter(|(_, given)| !self.is_fragment(given)).collect();
        let source = found.pop().map(|(source, _)| *source);
        assert_eq!(found, [], "one source under two ids: {}", bytes.escape_ascii());
        source
    }

    /// A copy of less than a first line is not known again after a restart.
    fn is_fragment(&self, given: &[u8]) -> bool {
        let is_longer = |other: &&Vec<u8>| other.len() > given.len() && other.starts_with(given);
        self.has_restarted
            && !given.contains(&b'\n')
            && self.stage.given.values().any(|other| is_longer(&other))
    }

    fn given(&self, written: usize) -> usize {
        self.source(written).map_or(0, |source| self.stage.given[&source].len())
    }

    /// What a look must find: everything that is there, and what is held open.
    fn look(&mut self) {
        self.stage.drain();
        self.open = self.files.values().filter(|held| !held.packed).copied().collect();
        for written in 0..self.written.len() {
            let given = self.given(written);
            let deleted = self.deleted.iter().map(|(_, held)| held);
            let there = self.files.values().chain(deleted).filter(|held| held.written == written);
            let original = there.clone().any(|held| held.copy.is_none() && !held.packed);
            let there = there.map(|held| held.bytes).max().unwrap_or(0);
            let written = &mut self.written[written];
            written.readable = written.readable.max(there);
            written.vanished |= there < given;
            written.is_known_loss |= there < given && written.original;
            written.original = original;
        }
    }

    fn check(&mut self) {
        let text = self.text(1, false);
        self.write(LOG, &text);
        self.run(&Step::Wait);
        self.stage.wait_for_all();
        assert_eq!(self.stage.troubles, [""; 0]);
        for written in 0..self.written.len() {
            let source = self.source(written);
            let Written { bytes, readable, vanished, is_known_loss, .. } = &self.written[written];
            let given = source.map_or(&[][..], |source| &self.stage.given[&source]);
            let shown = || String::from_utf8_lossy(bytes).replace('x', "").replace('\n', "|");
            assert!(bytes.starts_with(given), "what was given is what was written");
            assert!(given.len() >= *readable, "lost: {} of {readable} of {}", given.len(), shown());
            let gap = self.stage.gaps.iter().find(|gap| Some(gap.source) == source);
            match gap {
                Some(gap) => {
                    assert!(*vanished || bytes.len() > given.len(), "no gap: {gap:?} in {}", shown());
                    assert!(bytes.len() as u64 >= gap.offset + gap.at_least);
                }
                // What was written between a copy and the truncation, and never seen, nobody can know of.
                None => assert!(
                    !is_known_loss || given.len() == bytes.len(),
                    "a gap that was not reported: {} of {}",
                    given.len(),
                    shown()
                ),
            }
        }
        let known: Vec<_> = (0..self.written.len()).filter_map(|written| self.source(written)).collect();
        let whole = self.stage.given.values().filter(|given| !self.is_fragment(given));
        assert_eq!(known.len(), whole.count(), "a source of nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(
        steps in prop::collection::vec(step(), 1..40),
        input in prop::sample::select(vec![LOG, "a.log*", "."]),
        chunk in prop::sample::select(vec![16_usize, 1000, 1 << 18]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new(&dir, input, chunk);
        for step in &steps {
            model.run(step);
        }
        model.check();
    }
}
