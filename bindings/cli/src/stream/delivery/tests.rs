//! What is acknowledged when delivery fails: never a line that is neither stored nor spooled.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use nasalogs::LogFormat;
use nasalogs::envelope::EncodeOptions;

use super::super::key::Key;
use super::*;

const SOURCE: SourceId = SourceId(1);
const SHARDS: usize = 4;

/// What a stream does with a request, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// The records of the first shard are refused.
    InPart,
    /// All but the first request are.
    Fatal,
    /// The first is answered; further ones never are.
    Silent,
    /// As `InPart`, and only when the run is given up.
    Late,
    /// The first is answered, and then whatever carries requests is gone.
    Gone,
}

/// What is known outside.
#[derive(Debug, Default)]
struct Known {
    /// Where the lines begin that were stored.
    stored: BTreeSet<u64>,
    is_given_up: bool,
}

struct Script {
    answers: Answers,
    known: Arc<Mutex<Known>>,
    shards: ShardMap,
    requests: u64,
    events: VecDeque<Event>,
}

impl Transport for Script {
    fn put(&mut self, request: Request) {
        self.requests += 1;
        let is_first = self.requests == 1;
        let mut result = |record: &StreamRecord| {
            let shard = self.shards.find(record.hash_key());
            if matches!(self.answers, Answers::InPart | Answers::Late) && shard.first == 0 {
                return RecordOutcome::Internal;
            }
            let known = &mut self.known.lock().unwrap().stored;
            match packer::lines(&mut RecordDecoder::default(), record) {
                Ok(lines) => known.extend(lines.iter().map(|(_, id)| id.offset)),
                Err(_) => assert!(known.insert(record.span.begin) && record.span.lines == 1),
            }
            RecordOutcome::Stored { shard: shard.id.clone(), sequence: "1".to_owned() }
        };
        let outcome = match self.answers {
            Answers::Fatal if !is_first => Outcome::Fatal,
            Answers::Silent | Answers::Gone if !is_first => return,
            _ => Outcome::Answered(request.records().iter().map(&mut result).collect()),
        };
        self.events.push_back(Event::Put { id: request.id(), outcome, trouble: None });
    }

    fn list_shards(&mut self) {}

    fn wait(&mut self, _longest: Duration) -> Option<Event> {
        let is_held = self.answers == Answers::Late && !self.known.lock().unwrap().is_given_up;
        let event = if is_held { None } else { self.events.pop_front() };
        event.or_else(|| (self.answers == Answers::Gone).then_some(Event::Gone))
    }
}

fn delivery(form: RecordForm, answers: Answers, spool: Option<&Path>) -> (Delivery, Arc<Mutex<Known>>) {
    let (shards, known) = (ShardMap::even(SHARDS), Arc::<Mutex<Known>>::default());
    let key = Key::new("host", Some(&LogFormat::common())).unwrap();
    let encode = EncodeOptions::new(form).with_format(LogFormat::common());
    let packer = Packer::new(encode, form, key, shards.clone(), Duration::ZERO);
    let script = Script {
        answers,
        known: Arc::clone(&known),
        shards: shards.clone(),
        requests: 0,
        events: VecDeque::new(),
    };
    let is_one_by_one = matches!(answers, Answers::Fatal | Answers::Silent | Answers::Gone);
    let max_records = if is_one_by_one { 1 } else { 500 };
    let options = Options { max_attempts: Some(1), max_records, ..Options::default() };
    let spool = spool.map(|directory| Spool::open(directory).unwrap());
    (Delivery::new(options, shards, packer, form, Box::new(script), spool).unwrap(), known)
}

/// Gives lines of some hosts, which go to every shard in turn; gives where they begin.
fn give(delivery: &mut Delivery) -> Vec<u64> {
    delivery.begin(SOURCE, 0);
    let (mut offset, mut offsets) = (0, Vec::new());
    for number in 0..400 {
        let line =
            format!("host{} - - [01/Jul/1995:00:00:01 -0400] \"GET /{number} HTTP/1.0\" 200 5", number % 23);
        let (id, end) = (LineId { source: SOURCE, offset }, offset + line.len() as u64 + 1);
        let line = SourceLine { bytes: line.as_bytes(), id, known_as: id, end };
        assert_eq!(delivery.take(&line).unwrap(), Fate::Taken);
        offsets.push(offset);
        offset = end;
    }
    delivery.drain().unwrap();
    offsets
}

fn fail(delivery: &mut Delivery) -> Option<Error> {
    (0..50).find_map(|_| delivery.work(Duration::ZERO).err())
}

#[test]
fn what_is_not_stored_is_not_acknowledged() {
    for form in [RecordForm::Kpl, RecordForm::Block] {
        let all = [Answers::InPart, Answers::Fatal, Answers::Silent, Answers::Late, Answers::Gone];
        for answers in all {
            let (mut delivery, known) = delivery(form, answers, None);
            let offsets = give(&mut delivery);
            let error = fail(&mut delivery);
            assert_eq!(error.is_none(), matches!(answers, Answers::Silent | Answers::Late), "{answers:?}");
            known.lock().unwrap().is_given_up = true;
            delivery.give_up(Duration::ZERO).unwrap();
            let stored = &known.lock().unwrap().stored;
            assert!(!stored.is_empty() && stored.len() < offsets.len());
            let missing = offsets.iter().find(|offset| !stored.contains(offset)).copied();
            assert_eq!(delivery.acknowledged(SOURCE), missing, "{form:?}, {answers:?}");
            assert!(!delivery.is_empty());
        }
    }
}

#[test]
fn what_cannot_be_spooled_is_not_acknowledged() {
    for form in [RecordForm::Ndjson, RecordForm::Kpl, RecordForm::Block] {
        for answers in [Answers::InPart, Answers::Fatal, Answers::Late] {
            let directory = tempfile::tempdir().unwrap();
            let place = directory.path().join("spool");
            let (mut delivery, known) = delivery(form, answers, Some(&place));
            let offsets = give(&mut delivery);
            fs::remove_dir(&place).unwrap();
            fail(&mut delivery);
            known.lock().unwrap().is_given_up = true;
            assert!(delivery.give_up(Duration::ZERO).is_err());
            let stored = known.lock().unwrap().stored.clone();
            let missing = offsets.iter().find(|offset| !stored.contains(offset)).copied();
            assert_eq!(delivery.acknowledged(SOURCE), missing, "{form:?}, {answers:?}");
            assert_eq!(delivery.delivered().spooled, 0);
            // There is room again: all that is missing goes there.
            fs::create_dir(&place).unwrap();
            delivery.give_up(Duration::ZERO).unwrap();
            assert_eq!(delivery.delivered().spooled, (offsets.len() - stored.len()) as u64);
            assert!(delivery.is_empty() && delivery.acknowledged(SOURCE) > offsets.last().copied());
        }
    }
}

#[test]
fn what_is_forgotten_is_not_known_any_more() {
    let (mut delivery, _) = delivery(RecordForm::Kpl, Answers::Gone, None);
    delivery.begin(SOURCE, 7);
    assert_eq!(delivery.acknowledged(SOURCE), Some(7));
    delivery.forget(SOURCE);
    assert_eq!(delivery.acknowledged(SOURCE), None);
}
