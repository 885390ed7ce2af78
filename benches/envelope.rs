//! Lines to records of a stream and back, in every form. Sizes are printed by the example `envelope` of the crate.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nasalogs::envelope::{
    EncodeOptions, Line, LineId, RecordDecoder, RecordEncoder, RecordForm, SourceId, StreamRecord,
};
use nasalogs::generate::{GenerateOptions, Generator};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: u64 = 100_000;

fn encode(options: &EncodeOptions, log: &[u8], mut take: impl FnMut(StreamRecord)) {
    let mut encoder = RecordEncoder::new(options.clone());
    let mut offset = 0;
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let id = LineId { source: SourceId(1995), offset };
        offset += line.len() as u64;
        let bytes = &line[..line.len() - 1];
        encoder.push(Line { bytes, id, end: offset, key: None }).expect("a row that is not large");
        while let Some(record) = encoder.next_record() {
            take(record);
        }
    }
    encoder.flush();
    while let Some(record) = encoder.next_record() {
        take(record);
    }
}

fn forms(criterion: &mut Criterion) {
    let mut log = Vec::new();
    let options = GenerateOptions::new().with_lines(LINES).with_seed(1995);
    Generator::new(options).expect("sound options").write_to(&mut log).expect("memory takes everything");
    let forms = [
        ("raw", EncodeOptions::new(RecordForm::Raw)),
        ("ndjson", EncodeOptions::new(RecordForm::Ndjson)),
        ("classic", EncodeOptions::new(RecordForm::Ndjson).with_names(nasalogs::Names::Classic)),
        ("kpl", EncodeOptions::new(RecordForm::Kpl)),
        ("block", EncodeOptions::new(RecordForm::Block)),
    ];
    for (name, options) in forms {
        let mut group = criterion.benchmark_group(format!("envelope, {name}"));
        group.throughput(Throughput::Elements(LINES));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| encode(&options, &log, |record| drop(black_box(record))));
        });
        let mut records = Vec::new();
        encode(&options, &log, |record| records.push(record));
        let mut decoder = RecordDecoder::default();
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                for record in &records {
                    decoder.decode(&record.data, &record.partition_key, &mut |item| drop(black_box(item)));
                }
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = forms
}
criterion_main!(benches);
