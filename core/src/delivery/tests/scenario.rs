//! One thing at a time.

use std::time::Duration;

use super::world::{Plan, World, data, identity, stored};
use crate::delivery::simulator::Faults;
use crate::delivery::{
    Engine, Options, Outcome, Rate, RecordOutcome, Refusal, Request, Shard, ShardMap, Step,
};
use crate::envelope::{SourceId, Span, StreamRecord, hash_key};

const SOURCE: SourceId = SourceId(3);

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn record(number: u64, key: &str) -> StreamRecord {
    let span = Span { source: SOURCE, begin: number * 10, end: number * 10 + 10, lines: 1 };
    StreamRecord { data: data(number, 10), partition_key: key.into(), explicit_hash_key: None, span }
}

fn engine(options: Options, shards: usize) -> Engine {
    Engine::new(options, ShardMap::even(shards)).unwrap()
}

fn request(step: Step) -> Request {
    match step {
        Step::Send(request) => request,
        step => panic!("a request is due, not {step:?}"),
    }
}

fn wait(step: Step) -> Duration {
    match step {
        Step::Wait(until) => until,
        step => panic!("nothing is due, not {step:?}"),
    }
}

fn numbers(request: &Request) -> Vec<u64> {
    request.records().iter().map(identity).collect()
}

#[test]
fn a_lone_record_lingers_and_a_full_request_does_not() {
    let mut engine = engine(Options { max_records: 3, ..Options::default() }, 1);
    assert!(matches!(engine.next(at(0)), Step::Idle));
    engine.offer(at(1000), record(0, "a")).unwrap();
    assert_eq!(wait(engine.next(at(1000))), at(1050));
    engine.offer(at(1020), record(1, "a")).unwrap();
    assert_eq!(wait(engine.next(at(1049))), at(1050));
    assert_eq!(numbers(&request(engine.next(at(1050)))), [0, 1], "with the company that came");
    assert!(matches!(engine.next(at(1050)), Step::Idle));
    for number in 2..6 {
        engine.offer(at(1060), record(number, "a")).unwrap();
    }
    assert_eq!(numbers(&request(engine.next(at(1060)))), [2, 3, 4]);
    assert_eq!(wait(engine.next(at(1060))), at(1110));
    for number in 6..8 {
        engine.offer(at(1070), record(number, "a")).unwrap();
    }
    assert_eq!(numbers(&request(engine.next(at(1070)))), [5, 6, 7], "full before its time");
    engine.offer(at(1070), record(8, "a")).unwrap();
    assert_eq!(wait(engine.next(at(1070))), at(1120));
    engine.drain();
    assert_eq!(numbers(&request(engine.next(at(1070)))), [8]);
    assert_eq!(engine.stats(at(1100)).oldest_unacknowledged, Some(at(100)));
}

#[test]
fn a_quiet_stream_has_every_record_on_the_wire_within_the_linger() {
    let faults = Faults { delay: at(20), ..Faults::default() };
    let mut world = World::new(Plan { gap: at(7), faults, ..Plan::default() });
    world.run();
    assert!(world.slowest_start <= at(50), "{:?}", world.slowest_start);
}

#[test]
fn only_what_failed_is_sent_again() {
    let mut engine = engine(Options::default(), 1);
    engine.drain();
    for number in 0..4 {
        engine.offer(at(0), record(number, "a")).unwrap();
    }
    let first = request(engine.next(at(0)));
    let fine =
        |n: u32| RecordOutcome::Stored { shard: "shardId-000000000000".into(), sequence: n.to_string() };
    let results = vec![fine(9), RecordOutcome::Throttled, fine(10), RecordOutcome::Internal];
    engine.complete(first.id(), at(10), Outcome::Answered(results)).unwrap();
    assert_eq!(engine.acknowledged(SOURCE), Some(10));
    let mut again = Vec::new();
    let mut now = at(10);
    while again.len() < 2 {
        match engine.next(now) {
            Step::Send(request) => again.extend(numbers(&request)),
            Step::Wait(until) => now = until,
            step => panic!("{step:?}"),
        }
    }
    again.sort_unstable();
    assert_eq!(again, [1, 3]);
    let stats = engine.stats(now);
    assert_eq!((stats.throttled, stats.internal, stats.retried), (1, 1, 2));
    assert_eq!(stats.possibly_duplicated_lines, 1, "the throttled one was not stored");
    let shard = engine.shard_stats().next().unwrap();
    assert_eq!((shard.acknowledged, shard.throttled, shard.in_flight), (2, 1, 2));
    assert_eq!(shard.last_sequence, "10", "as numbers");
    assert!(shard.pace < 1.0);
}

#[test]
fn a_shard_that_refuses_holds_up_no_other() {
    let mut world = World::new(Plan { records: 3000, gap: at(1), keys: 300, ..Plan::default() });
    let deaf: Shard = world.stream.map().shards()[1].clone();
    world.stream.deaf = Some(deaf.clone());
    let elsewhere: Vec<u64> = world
        .input
        .iter()
        .filter(|(_, record)| !(deaf.first..=deaf.last).contains(&record.hash_key()))
        .map(|(_, record)| identity(record))
        .collect();
    assert!((1500..2500).contains(&elsewhere.len()));
    while world.now < at(3200) {
        assert!(world.step());
    }
    assert!(elsewhere.iter().all(|number| world.stream.arrived.contains(number)));
    let stats = world.engine.stats(world.now);
    assert_eq!(stats.acknowledged_records, elsewhere.len() as u64);
    assert!(stats.throttled < 3000, "{} refusals: it is not hammered", stats.throttled);
    world.stream.deaf = None;
    world.run();
}

#[test]
fn a_shard_that_fills_every_request_leaves_room_for_others() {
    let mut engine = engine(Options { max_records: 10, rate: None, ..Options::default() }, 2);
    assert_ne!(engine.shards().find(hash_key("a")), engine.shards().find(hash_key("b")));
    for (busy, quiet) in [("a", "b"), ("b", "a")] {
        for number in 0..100 {
            engine.offer(at(0), record(number, busy)).unwrap();
        }
        engine.offer(at(0), record(100, quiet)).unwrap();
        let mut went = 0;
        for turn in 1.. {
            let request = request(engine.next(at(0)));
            if went == 0 && numbers(&request).contains(&100) {
                went = turn;
            }
            engine.complete(request.id(), at(0), stored(&request)).unwrap();
            if engine.is_empty() || engine.stats(at(0)).waiting < 10 {
                break;
            }
        }
        assert!((1..=2).contains(&went), "in request {went}");
        while let Step::Send(request) = engine.next(at(1000)) {
            engine.complete(request.id(), at(1000), stored(&request)).unwrap();
        }
    }
}

#[test]
fn an_endpoint_that_is_down_is_not_hammered() {
    let mut world = World::new(Plan { gap: at(1), ..Plan::default() });
    world.stream.faults.not_sent = 1.0;
    while world.now < Duration::from_secs(120) {
        assert!(world.step());
    }
    let stats = world.engine.stats(world.now);
    assert!((10..100).contains(&stats.requests), "{} tries in two minutes", stats.requests);
    assert_eq!((stats.acknowledged_records, stats.possibly_duplicated_lines), (0, 0));
    world.stream.faults.not_sent = 0.0;
    world.run();
}

#[test]
fn the_rate_is_used_in_requests_worth_sending() {
    let faults = Faults { delay: at(30), ..Faults::default() };
    let limits = Some(Rate::SHARD);
    let plan = Plan { shards: 1, records: 10_000, gap: Duration::ZERO, limits, faults, ..Plan::default() };
    let mut world = World::new(plan);
    let stats = world.run();
    assert!(world.now < at(9_800), "{:?} for what takes a shard 10 s, less the burst", world.now);
    assert!(stats.requests < 250, "{} requests", stats.requests);
}

#[test]
fn a_shard_that_is_shared_is_learnt() {
    // Half of the shard is used by others: 500 records a second are left of the 1,000.
    let limits = Some(Rate { bytes: 1e6, records: 500.0 });
    let plan = Plan { shards: 1, records: 20_000, size: 50, gap: Duration::ZERO, limits, ..Plan::default() };
    let mut world = World::new(plan);
    let stats = world.run();
    let seconds = world.now.as_secs_f64();
    assert!(seconds < 40.0 / 0.6, "{seconds} s for what takes at least 40");
    assert!(stats.throttled < stats.records / 2, "{} refusals", stats.throttled);
}

#[test]
fn what_is_wrong_for_good_stops_everything_and_loses_nothing() {
    let mut engine = engine(Options { max_attempts: Some(1), ..Options::default() }, 2);
    engine.drain();
    for number in 0..3 {
        engine.offer(at(0), record(number, &number.to_string())).unwrap();
    }
    let first = request(engine.next(at(0)));
    engine.offer(at(0), record(3, "3")).unwrap();
    engine.complete(first.id(), at(1), Outcome::Fatal).unwrap();
    assert!(matches!(engine.next(at(1)), Step::Stopped));
    engine.resume();
    let second = request(engine.next(at(2)));
    assert_eq!(second.records().len(), 4, "it was not an attempt");
    engine.complete(second.id(), at(3), Outcome::Fatal).unwrap();
    let taken = engine.take_waiting();
    let order: Vec<_> =
        taken.iter().map(|back| (identity(&back.record), back.attempts, back.uncertain)).collect();
    assert_eq!(order, [0, 1, 2, 3].map(|number| (number, 0, false)));
    assert!(engine.is_empty() && engine.buffered() == 0);
    assert_eq!(engine.acknowledged(SOURCE), Some(0));
    assert_eq!(engine.stats(at(9)).oldest_unacknowledged, None);
}

#[test]
fn what_was_given_up_holds_the_offset_back_until_it_is_given_back() {
    for takes_all in [false, true] {
        let mut engine = engine(Options { max_attempts: Some(1), ..Options::default() }, 1);
        engine.drain();
        // Of two shards, dealt out in turn: what the first covers has lines of the second in it.
        for (begin, end) in [(0, 100), (5, 95)] {
            let span = Span { source: SOURCE, begin, end, lines: 3 };
            engine.offer(at(0), StreamRecord { span, ..record(begin, "a") }).unwrap();
        }
        let sent = request(engine.next(at(0)));
        let is_stored = RecordOutcome::Stored { shard: String::new(), sequence: "1".into() };
        let answer = Outcome::Answered(vec![is_stored, RecordOutcome::Internal]);
        engine.complete(sent.id(), at(1), answer).unwrap();
        assert_eq!(engine.acknowledged(SOURCE), Some(5));
        let back = match takes_all {
            true => engine.take_waiting(),
            false => match engine.next(at(1)) {
                Step::GaveUp(back) => back,
                step => panic!("{step:?}"),
            },
        };
        assert_eq!((back.len(), back[0].record.span.begin), (1, 5));
        assert!(engine.is_empty() && engine.buffered() == 0);
    }
}

#[test]
fn what_can_never_be_delivered_is_refused() {
    let mut engine = engine(Options { max_record_bytes: 100, ..Options::default() }, 1);
    let refused = |engine: &mut Engine, key: &str, size| {
        let record = StreamRecord { data: data(0, size), ..record(0, key) };
        engine.offer(at(0), record).map_err(|refused| refused.reason)
    };
    assert_eq!(refused(&mut engine, "a", 100), Err(Refusal::TooLarge { size: 101, limit: 100 }));
    assert_eq!(refused(&mut engine, "", 10), Err(Refusal::PartitionKey));
    let mut engine = self::engine(Options::default(), 1);
    assert_eq!(refused(&mut engine, &"x".repeat(257), 10), Err(Refusal::PartitionKey));
    assert_eq!(refused(&mut engine, &"\u{e4}".repeat(257), 10), Err(Refusal::PartitionKey));
    assert_eq!(refused(&mut engine, &"\u{e4}".repeat(256), 10), Ok(()), "characters, not bytes");
}

#[test]
fn in_order_across_a_split() {
    let options = Options { ordered: true, ..Options::default() };
    let mut engine = engine(options, 1);
    engine.drain();
    for number in 0..4 {
        // "a" and "b" end up in different halves.
        engine.offer(at(0), record(number, if number % 2 == 0 { "a" } else { "b" })).unwrap();
    }
    assert!((hash_key("a") > u128::MAX / 2) != (hash_key("b") > u128::MAX / 2));
    let first = request(engine.next(at(0)));
    assert_eq!(numbers(&first), [0]);
    engine.set_shards(at(1), ShardMap::even(2));
    let second = request(engine.next(at(1)));
    assert_eq!(numbers(&second), [1], "the other half need not wait for what is under way");
    assert!(matches!(engine.next(at(1)), Step::Idle));
    engine.complete(first.id(), at(2), Outcome::Answered(vec![RecordOutcome::Internal])).unwrap();
    let until = wait(engine.next(at(2)));
    assert_eq!(numbers(&request(engine.next(until))), [0], "before 2");
    engine.complete(second.id(), until, stored(&second)).unwrap();
    assert_eq!(numbers(&request(engine.next(until))), [3]);
}

#[test]
fn a_record_that_came_elsewhere_says_that_the_map_is_old() {
    let mut engine = engine(Options::default(), 1);
    engine.drain();
    for number in 0..2 {
        engine.offer(at(0), record(number, "a")).unwrap();
        let request = request(engine.next(at(0)));
        let shard = "shardId-000000000007".to_owned();
        let results = vec![RecordOutcome::Stored { shard, sequence: "1".into() }];
        if number == 1 {
            engine.set_shards(at(0), ShardMap::even(2));
        }
        engine.complete(request.id(), at(1), Outcome::Answered(results)).unwrap();
        assert_eq!(engine.is_stale(), number == 0, "of an old request, it is no news");
    }
    assert_eq!(engine.stats(at(1)).misrouted, 2);
    assert_eq!(engine.acknowledged(SOURCE), Some(20), "stored is stored");
}

#[test]
fn a_shard_that_refuses_is_not_hammered_even_without_a_rate() {
    let options = Options { rate: None, ..Options::default() };
    let mut world = World::new(Plan { options, shards: 1, gap: at(1), ..Plan::default() });
    world.stream.deaf = Some(world.stream.map().shards()[0].clone());
    while world.now < Duration::from_secs(120) {
        assert!(world.step());
    }
    let requests = world.engine.stats(world.now).requests;
    assert!((10..100).contains(&requests), "{requests} tries in two minutes");
    world.stream.deaf = None;
    world.run();
}

#[test]
fn after_a_failure_one_request_at_a_time() {
    let mut engine = engine(Options { max_records: 1, max_in_flight: 3, ..Options::default() }, 1);
    for number in 0..5 {
        engine.offer(at(0), record(number, "a")).unwrap();
    }
    let [first, second, third] = [0; 3].map(|_| request(engine.next(at(0))));
    assert!(matches!(engine.next(at(0)), Step::Idle));
    engine.complete(first.id(), at(1), Outcome::Unknown).unwrap();
    engine.complete(second.id(), at(1), Outcome::NotSent).unwrap();
    engine.complete(third.id(), at(1), Outcome::Unknown).unwrap();
    let until = wait(engine.next(at(1)));
    let probe = request(engine.next(until));
    assert!(matches!(engine.next(until), Step::Idle), "until it is known how that one went");
    engine.complete(probe.id(), until, stored(&probe)).unwrap();
    for _ in 0..3 {
        let _ = request(engine.next(until));
    }
    assert_eq!(engine.stats(until).possibly_duplicated_lines, 2);
}

#[test]
fn displaced_records_come_back_together_and_before_newer_ones() {
    let options = Options { ordered: true, reaggregate: true, ..Options::default() };
    let mut engine = engine(options, 1);
    engine.drain();
    let aggregate = |number| StreamRecord { explicit_hash_key: Some(0), ..record(number, "a") };
    for number in 0..3 {
        engine.offer(at(0), aggregate(number)).unwrap();
    }
    let first = request(engine.next(at(0)));
    engine.set_shards(at(1), ShardMap::even(2));
    assert!(matches!(engine.next(at(1)), Step::Idle), "the first may have to come along");
    assert!(!engine.has_room());
    let refused = engine.offer(at(1), aggregate(3)).unwrap_err();
    assert_eq!(refused.reason, Refusal::Unsettled);
    engine.complete(first.id(), at(2), Outcome::Unknown).unwrap();
    let Step::Displaced(back) = engine.next(at(2)) else { panic!("all three are displaced") };
    let back: Vec<_> = back.iter().map(|back| (identity(&back.record), back.uncertain)).collect();
    assert_eq!(back, [(0, true), (1, false), (2, false)]);
    assert!(engine.is_empty() && engine.has_room());
    assert_eq!(engine.acknowledged(SOURCE), Some(0));
}
