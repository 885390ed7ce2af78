//! The loop with a destination that takes everything.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use super::super::pace::Pace;
use super::super::report::Delivered;
use super::*;
use crate::follow::{Checkpoint, Options};

/// Takes everything, and acknowledges what it may.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    taken: BTreeMap<SourceId, u64>,
    is_slow: bool,
    forgotten: Vec<SourceId>,
}

impl Destination for Memory {
    fn begin(&mut self, source: SourceId, offset: u64, _file: &str) -> Result<()> {
        self.0.lock().unwrap().taken.insert(source, offset);
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, lines: &Lines) -> Result<usize> {
        let end = lines.offset + lines.bytes.len() as u64;
        self.0.lock().unwrap().taken.insert(lines.source, end);
        Ok(lines.bytes.len())
    }

    fn work(&mut self, _longest: Duration) -> Result<()> {
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        None
    }

    fn drain(&mut self, _more: bool) -> Result<()> {
        Ok(())
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn acknowledged(&self, source: SourceId) -> Option<u64> {
        let known = self.0.lock().unwrap();
        let taken = known.taken.get(&source).copied();
        if known.is_slow { taken.map(|_| 0) } else { taken }
    }

    fn forget(&mut self, source: SourceId) {
        let mut known = self.0.lock().unwrap();
        known.taken.remove(&source);
        known.forgotten.push(source);
    }

    fn delivered(&self) -> Delivered {
        Delivered::default()
    }
}

#[test]
fn sources_that_are_over_are_forgotten_when_they_are_delivered() {
    for has_checkpoint in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        let checkpoint = has_checkpoint.then(|| Checkpoint::open(&dir.path().join("job.json")).unwrap());
        let options = Options { follow: true, grace: Duration::ZERO, ..Options::default() };
        let (memory, rejects) = (Memory::default(), Rejects::default());
        let mut pipeline = Pipeline::new(Parts {
            follower: Follower::open(&[&log], options, checkpoint).unwrap(),
            ahead: Vec::new(),
            destination: Box::new(memory.clone()),
            pacer: Pacer::new(Pace::Max),
            format: None,
            rejects,
            stop: Stop::default(),
            quiet: true,
            live_report: None,
            report: Report::default(),
        });
        let mut go = |what: &str, is_done: &dyn Fn(&Known) -> bool| {
            for _ in 0..500 {
                while matches!(pipeline.step().unwrap(), Step::Went) {}
                pipeline.save().unwrap();
                if is_done(&memory.0.lock().unwrap()) {
                    return pipeline.sources.len();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("waited for {what}");
        };
        for number in 0..3 {
            memory.0.lock().unwrap().is_slow = true;
            fs::write(&log, format!("line {number}\n")).unwrap();
            go("a line", &|known| known.taken.values().any(|taken| *taken > 0));
            fs::remove_file(&log).unwrap();
            // Not before it is delivered.
            for _ in 0..20 {
                go("a while", &|known| known.forgotten.len() == number);
                std::thread::sleep(Duration::from_millis(10));
            }
            memory.0.lock().unwrap().is_slow = false;
            let left = go("the end", &|known| known.forgotten.len() > number);
            assert_eq!((left, memory.0.lock().unwrap().taken.len()), (0, 0));
        }
    }
}
