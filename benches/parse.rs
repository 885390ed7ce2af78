//! Parsing, and beside it what bounds it from above (memcpy, a newline count) and what others do (a regular expression).
//!
//! `cargo bench -p nasalogs-benches -- <part of a name>`; figures belong in `docs/performance.md`, with processor and command.

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use nasalogs::generate::{GenerateOptions, Generator, Traffic};
use nasalogs::{Backend, Decoder, LogFormat, ParseOptions, StringType};

// Fresh buffers for every batch through the system's allocator cost half of the speed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Larger than any second-level cache, small enough for a quick run: about 23 MB.
const LINES: u64 = 200_000;

fn log(traffic: Traffic, oddities: f64) -> Vec<u8> {
    let options = GenerateOptions::new()
        .with_lines(LINES)
        .with_seed(1995)
        .with_traffic(traffic)
        .with_oddities(oddities);
    let mut log = Vec::new();
    Generator::new(options).expect("sound options").write_to(&mut log).expect("memory takes everything");
    log
}

/// Decodes a log, dropping batches as they come; gives the number of rows.
fn parse(options: &ParseOptions, log: &[u8]) -> u64 {
    let mut decoder = Decoder::new(options.clone()).expect("sound options");
    let mut rest = log;
    while !rest.is_empty() {
        let used = decoder.push(rest).expect("a readable log");
        rest = &rest[used..];
        while let Some(batch) = decoder.next_batch() {
            black_box(batch);
        }
        black_box(decoder.take_rejects());
    }
    decoder.finish().expect("a readable log");
    while let Some(batch) = decoder.next_batch() {
        black_box(batch);
    }
    decoder.counts().rows
}

fn group<'a>(criterion: &'a mut Criterion, name: &str, log: &[u8]) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(log.len() as u64));
    group
}

fn backends(criterion: &mut Criterion) {
    let log = log(Traffic::Common, 0.0);
    let mut group = group(criterion, "backend", &log);
    for backend in Backend::available() {
        let options = ParseOptions::new().with_format(LogFormat::common()).with_backend(backend);
        group.bench_function(backend.name(), |bencher| bencher.iter(|| parse(&options, &log)));
    }
}

fn formats(criterion: &mut Criterion) {
    for (name, traffic, format) in [
        ("common", Traffic::Common, LogFormat::common()),
        ("combined", Traffic::Combined, LogFormat::combined()),
    ] {
        for oddities in [0.0, 0.1] {
            let log = log(traffic, oddities);
            let mut group = group(criterion, "format", &log);
            let options = ParseOptions::new().with_format(format.clone());
            let name = format!("{name}, {:.0} % odd", oddities * 100.0);
            group.bench_function(name, |bencher| bencher.iter(|| parse(&options, &log)));
        }
    }
}

fn strings(criterion: &mut Criterion) {
    let log = log(Traffic::Common, 0.0);
    let mut group = group(criterion, "strings", &log);
    for strings in [StringType::View, StringType::Utf8, StringType::Compact] {
        let options = ParseOptions::new().with_format(LogFormat::common()).with_strings(strings);
        group.bench_function(strings.as_str(), |bencher| bencher.iter(|| parse(&options, &log)));
    }
    let columns = ["ts", "status", "bytes"];
    let options = ParseOptions::new().with_format(LogFormat::common()).with_columns(columns);
    group.bench_function("none: ts, status, bytes", |bencher| bencher.iter(|| parse(&options, &log)));
}

fn bounds(criterion: &mut Criterion) {
    let log = log(Traffic::Common, 0.0);
    let mut group = group(criterion, "bound", &log);
    let mut copy = vec![0; log.len()];
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| {
            copy.copy_from_slice(black_box(&log));
            black_box(&copy);
        });
    });
    group.bench_function("memchr newline count", |bencher| {
        bencher.iter(|| memchr::memchr_iter(b'\n', black_box(&log)).count());
    });
}

/// What a program does that has no parser: captures, and texts to numbers.
fn regular_expression(criterion: &mut Criterion) {
    let log = log(Traffic::Common, 0.0);
    let part = &log[..log.len() / 10];
    let mut group = group(criterion, "regex", part);
    let line = regex::bytes::Regex::new(r#"(?-u)^(\S+) (\S+) (.*?) \[([^\]]+)\] "(.*)" (\d{3}|-) (\d+|-)$"#)
        .expect("it compiles");
    group.bench_function("captures", |bencher| {
        let mut captures = line.capture_locations();
        bencher.iter(|| {
            let mut bytes = 0;
            for text in part.split(|&byte| byte == b'\n') {
                if line.captures_read(&mut captures, text).is_some() {
                    let (start, end) = captures.get(7).expect("the seventh group");
                    let number = std::str::from_utf8(&text[start..end]).expect("digits");
                    bytes += number.parse::<i64>().unwrap_or_default();
                }
            }
            bytes
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = bounds, backends, formats, strings, regular_expression
}
criterion_main!(benches);
