//! The delivery engine alone: records offered, packed into requests, and acknowledged, without a network or a clock.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nasalogs::delivery::{Engine, Options, Outcome, Rate, RecordOutcome, ShardMap, Step};
use nasalogs::envelope::{SourceId, Span, StreamRecord};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 100_000;
/// Bytes of a NASA-like line.
const LINE: u64 = 112;

/// Raw lines, each with its key.
fn records() -> Vec<StreamRecord> {
    let data = Bytes::from(vec![b'x'; LINE as usize]);
    let record = |at: u64| StreamRecord {
        data: data.clone(),
        partition_key: format!("0123456789abcdef-{}", at * LINE),
        explicit_hash_key: None,
        span: Span { source: SourceId(1995), begin: at * LINE, end: (at + 1) * LINE, lines: 1 },
    };
    (0..RECORDS).map(record).collect()
}

/// Everything is stored at once; of every so many requests, one is refused as a whole.
fn deliver(options: Options, shards: usize, records: Vec<StreamRecord>, refuse: Option<u64>) -> u64 {
    let mut engine = Engine::new(options, ShardMap::even(shards)).expect("sound options");
    let (mut now, mut requests) = (Duration::ZERO, 0);
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() || !engine.is_empty() {
        while engine.has_room()
            && let Some(record) = records.next()
        {
            engine.offer(now, record).expect("there is room");
        }
        if records.peek().is_none() {
            engine.drain();
        }
        match engine.next(now) {
            Step::Send(request) => {
                requests += 1;
                let is_refused = refuse.is_some_and(|every| requests % every == 0);
                let result = || match is_refused {
                    true => RecordOutcome::Throttled,
                    false => RecordOutcome::Stored { shard: String::new(), sequence: String::new() },
                };
                let results = (0..request.records().len()).map(|_| result()).collect();
                let id = request.id();
                drop(request);
                engine.complete(id, now, Outcome::Answered(results)).expect("it is under way");
            }
            Step::Wait(until) => now = until,
            step => panic!("{step:?}"),
        }
    }
    requests
}

fn engine(criterion: &mut Criterion) {
    let free = Options { rate: None, ..Options::default() };
    let paced = Options { rate: Some(Rate::SHARD), ..Options::default() };
    let mut group = criterion.benchmark_group("delivery");
    group.throughput(Throughput::Elements(RECORDS));
    let all = records();
    for (name, options, shards, refuse) in [
        ("1 shard", &free, 1, None),
        ("512 shards", &free, 512, None),
        ("512 shards, paced", &paced, 512, None),
        ("32 shards, one request in ten refused", &free, 32, Some(10)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || all.clone(),
                |records| black_box(deliver(options.clone(), shards, records, refuse)),
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = engine
}
criterion_main!(benches);
