//! Lines there and back, in every form, and how large the records are.

mod hostile;

use std::io::Write;

use md5::{Digest, Md5};
use proptest::prelude::*;

use super::*;
use crate::{LogFormat, Names};

const SOURCE: SourceId = SourceId(0x0123_4567_89AB_CDEF);

/// A line as tests make it: bytes, the length of its line end, how many bytes are missing before it, another source,
/// the key.
#[derive(Debug, Clone)]
struct Made {
    bytes: Vec<u8>,
    line_end: u64,
    gap: u64,
    turn: bool,
    key: Option<String>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let any = prop::collection::vec(any::<u8>().prop_filter("a newline", |&byte| byte != b'\n'), 0..40);
    prop_oneof![
        6 => "[ -~]{0,120}".prop_map(String::into_bytes),
        3 => any,
        1 => Just(b"ends in returns\r\r".to_vec()),
        1 => Just(br#"{"ip":"h","timestamp":"","line_id":"0123456789abcdef-1"}"#.to_vec()),
        1 => Just(b"{no object".to_vec()),
        1 => Just([&block::MAGIC[..], b"and so on"].concat()),
        1 => Just(b"\x1F\x8B\x08".to_vec()),
        1 => Just(b"\x28\xB5\x2F\xFDx".to_vec()),
        1 => Just([&kpl::MAGIC[..], &[7; 30]].concat()),
        1 => Just(aggregate_without_newline()),
        1 => Just(vec![b'x'; 3000]),
    ]
}

fn key() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        6 => Just(None),
        3 => "[a-c]".prop_map(Some),
        1 => any::<String>().prop_map(Some),
        1 => Just(Some("0123456789abcdef-3".to_owned())),
        1 => Just(Some("0123456789abcdef-3+1".to_owned())),
        1 => "é{250,270}".prop_map(Some),
    ]
}

fn made() -> impl Strategy<Value = Made> {
    let line_end = prop_oneof![8 => Just(1u64), 3 => Just(2), 1 => Just(0)];
    let gap = prop_oneof![8 => Just(0u64), 1 => 1..5u64, 1 => any::<u32>().prop_map(u64::from)];
    (bytes(), line_end, gap, prop::bool::weighted(0.05), key())
        .prop_map(|(bytes, line_end, gap, turn, key)| Made { bytes, line_end, gap, turn, key })
}

/// A line that is an aggregate. One with partition keys has a newline in it: the tag of their field.
fn aggregate_without_newline() -> Vec<u8> {
    (0..=u8::MAX)
        .map(|last| aggregate(&[b'f', b'o', b'r', b'g', b'e', b'd', last]))
        .find(|data| !data.contains(&b'\n'))
        .expect("most digests have no newline")
}

/// An aggregate of one user record without a partition key.
fn aggregate(data: &[u8]) -> Vec<u8> {
    let mut message = vec![0x1A, data.len() as u8 + 4, 0x08, 0, 0x1A, data.len() as u8];
    message.extend_from_slice(data);
    [&kpl::MAGIC[..], &message, &Md5::digest(&message)].concat()
}

/// Gives the lines their places.
fn placed(lines: &[Made]) -> Vec<(LineId, u64)> {
    let (mut source, mut offset) = (SOURCE, 0);
    lines
        .iter()
        .map(|line| {
            if line.turn {
                (source, offset) = (SourceId(source.0 ^ 1), 0);
            }
            offset += line.gap;
            let id = LineId { source, offset };
            // A line without a line end that is not the last overlaps with none, but has no room for one either.
            offset += line.bytes.len() as u64 + line.line_end;
            (id, offset)
        })
        .collect()
}

#[derive(Debug, Clone, PartialEq)]
struct Got {
    bytes: Vec<u8>,
    id: Option<LineId>,
}

fn decoded(records: &[StreamRecord]) -> Vec<Got> {
    let mut decoder = RecordDecoder::default();
    let mut got = Vec::new();
    for record in records {
        decoder.decode(&record.data, &record.partition_key, &mut |item| match item {
            Item::Line { bytes, id } => got.push(Got { bytes: bytes.to_vec(), id }),
            Item::Json { record, id } => got.push(Got { bytes: record.as_bytes().to_vec(), id }),
            Item::Damaged { error, .. } => panic!("{error}"),
        });
    }
    got
}

/// Packs lines, with some flushes; gives the records, and which lines were taken.
fn packed(
    options: EncodeOptions,
    lines: &[Made],
    keys: bool,
    flush: usize,
) -> (Vec<StreamRecord>, Vec<bool>) {
    let limit = options.max_record;
    let mut encoder = RecordEncoder::new(options);
    let mut taken = Vec::new();
    let mut records = Vec::new();
    for (number, (line, (id, end))) in lines.iter().zip(placed(lines)).enumerate() {
        let key = line.key.as_deref().filter(|_| keys);
        let result = encoder.push(Line { bytes: &line.bytes, id, end, key });
        if let Err(Refusal::Oversize { size, limit: said }) = result {
            assert!(size > limit && said == limit);
        }
        taken.push(result.is_ok());
        if number % flush == flush - 1 {
            encoder.flush();
            assert_eq!(encoder.pending(), None);
        }
        records.extend(std::iter::from_fn(|| encoder.next_record()));
    }
    encoder.flush();
    records.extend(std::iter::from_fn(|| encoder.next_record()));
    for record in &records {
        assert!(record.size() <= limit, "{} > {limit}", record.size());
        let characters = record.partition_key.chars().count();
        assert!((1..=256).contains(&characters), "{characters}");
    }
    (records, taken)
}

/// That the spans of records are those of the lines that were taken.
fn assert_spans(records: &[StreamRecord], lines: &[Made], taken: &[bool]) {
    let mut places =
        placed(lines).into_iter().zip(taken).filter(|(_, taken)| **taken).map(|(place, _)| place);
    for StreamRecord { span, .. } in records {
        assert!(span.lines > 0);
        let mine: Vec<_> = places.by_ref().take(span.lines as usize).collect();
        assert!(mine.iter().all(|(id, _)| id.source == span.source));
        assert_eq!((mine[0].0.offset, mine[mine.len() - 1].1), (span.begin, span.end));
    }
    assert_eq!(places.next(), None);
}

fn expected(lines: &[Made], taken: &[bool]) -> Vec<Got> {
    let all = lines.iter().zip(placed(lines)).zip(taken).filter(|(_, taken)| **taken);
    all.map(|((line, (id, _)), _)| Got { bytes: line.bytes.clone(), id: Some(id) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn lines_come_back(
        lines in prop::collection::vec(made(), 0..60),
        form in prop::sample::select(vec![RecordForm::Raw, RecordForm::Kpl, RecordForm::Block]),
        max in prop_oneof![300..6000usize, Just(1 << 20)],
        keys in any::<bool>(),
        flush in prop_oneof![Just(1000usize), 1..9usize],
        shard in any::<bool>(),
    ) {
        let mut options = EncodeOptions::new(form).with_max_record(max);
        if shard {
            options = options.with_shard(1 << 100..=1 << 101);
        }
        let (records, taken) = packed(options, &lines, keys, flush);
        assert_spans(&records, &lines, &taken);
        if shard {
            prop_assert!(records.iter().all(|record| record.explicit_hash_key == Some(1 << 100)));
        }
        let mut wanted = expected(&lines, &taken);
        let got = decoded(&records);
        if form == RecordForm::Raw && keys {
            // A key that was chosen has no room for an identity; a line that was sent as a block has its own.
            let kept = lines.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(line, _)| line);
            for ((wanted, got), line) in wanted.iter_mut().zip(&got).zip(kept) {
                if line.key.is_some() && got.id.is_none() {
                    wanted.id = None;
                }
            }
        }
        prop_assert_eq!(got, wanted);
        if max == 1 << 20 {
            prop_assert!(taken.iter().all(|taken| *taken));
        }
    }

    #[test]
    fn rows_come_back(
        hosts in prop::collection::vec(("[^ \n\r\\PC]{1,20}", "[^ \n\"\r]{0,30}", any::<Option<u16>>()), 1..30),
        names in prop::sample::select(vec![Names::Nasalogs, Names::Classic]),
        objects in 1..5usize,
        max in prop_oneof![300..2000usize, Just(1 << 20)],
    ) {
        let lines: Vec<Made> = hosts
            .iter()
            .map(|(host, path, bytes)| {
                let bytes = bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
                let line = format!("{host} - - [01/Jul/1995:00:00:01 -0400] \"GET /{path}?q HTTP/1.0\" 200 {bytes}");
                Made { bytes: line.into_bytes(), line_end: 1, gap: 0, turn: false, key: None }
            })
            .collect();
        let options = EncodeOptions::new(RecordForm::Ndjson)
            .with_names(names)
            .with_max_objects(objects)
            .with_max_record(max);
        let (records, taken) = packed(options, &lines, false, 1000);
        assert_spans(&records, &lines, &taken);
        prop_assert!(records.iter().all(|record| record.span.lines <= objects as u64));
        let wanted = expected(&lines, &taken);
        let mut wanted = wanted.iter();
        let mut decoder = RecordDecoder::default();
        for record in &records {
            decoder.decode(&record.data, &record.partition_key, &mut |item| {
                let Item::Json { record, id } = item else { panic!("{item:?}") };
                let line = wanted.next().expect("no more than were sent");
                assert_eq!(id, line.id);
                let row = LogFormat::common().parse_line(&line.bytes).unwrap().clone();
                assert_eq!(record.names(), names);
                assert_eq!(record.host().map(str::as_bytes), row.host());
                assert_eq!((record.ts(), record.tz_offset()), (row.ts(), row.tz_offset()));
                assert_eq!(record.method().map(str::as_bytes), row.method());
                assert_eq!(record.path().map(str::as_bytes), row.path());
                assert_eq!(record.query().map(str::as_bytes), row.query());
                assert_eq!(record.protocol().map(str::as_bytes), row.protocol());
                assert_eq!(record.status(), row.status());
                let zero = (names == Names::Classic).then_some(0);
                assert_eq!(record.bytes(), row.bytes().or(zero));
            });
        }
        prop_assert!(wanted.next().is_none());
    }
}

fn one(form: RecordForm, lines: &[(&[u8], u64, u64)]) -> StreamRecord {
    let mut encoder = RecordEncoder::new(EncodeOptions::new(form));
    for &(bytes, offset, end) in lines {
        let id = LineId { source: SOURCE, offset };
        encoder.push(Line { bytes, id, end, key: None }).unwrap();
    }
    encoder.flush();
    let record = encoder.next_record().unwrap();
    assert!(encoder.next_record().is_none());
    record
}

fn items(data: &[u8], limit: usize) -> Vec<String> {
    let mut items = Vec::new();
    RecordDecoder::new(DecodeOptions::new().with_limit(limit)).decode(data, "key", &mut |item| {
        items.push(match item {
            Item::Line { bytes, id } => {
                format!("{} {}", String::from_utf8_lossy(bytes), id.map_or("-".into(), |id| id.to_string()))
            }
            Item::Json { record, .. } => format!("json {}", record.host().unwrap_or("-")),
            Item::Damaged { error, .. } => format!("damaged: {error}"),
        });
    });
    items
}

/// The layout of version 1 never changes: what these bytes say is for ever.
#[test]
fn block_version_1() {
    const GOLDEN: &[u8] = b"\xF5NLB\x01\0\0\0\
        \xEF\xCD\xAB\x89\x67\x45\x23\x01\
        \x64\0\0\0\0\0\0\0\
        \x04\0\0\0\
        \x01\0\0\0\
        \x28\0\0\0\
        \\5\x17v\
        \x28\xB5\x2F\xFD\x00\x58\x41\x01\x00\
        first\nsecond\r\nbehind a gap\n\n\x02\0\0\0\xF2\xFF\xFF\xFF\0\0\0\0";
    let lines = [
        "first 0123456789abcdef-100",
        "second 0123456789abcdef-106",
        "behind a gap 0123456789abcdef-4294967396",
        " 0123456789abcdef-4294967409",
    ];
    assert_eq!(items(GOLDEN, 1000), lines);
    let record = one(
        RecordForm::Block,
        &[
            (b"first", 100, 106),
            (b"second", 106, 114),
            (b"behind a gap", 4_294_967_396, 4_294_967_409),
            (b"", 4_294_967_409, 4_294_967_409),
        ],
    );
    // What is written some day may be compressed otherwise, but all of the header except its checksum stays.
    assert_eq!(record.data[..36], GOLDEN[..36]);
    assert_eq!(items(&record.data, 1000), lines);
}

#[test]
fn compressed_text() {
    let text = b"one\r\ntwo\n{\"ip\":\"h\",\"timestamp\":\"\"}\nthree";
    let wanted = ["one -", "two -", "json h", "three -"];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::bulk::compress(text, 3).unwrap();
    assert_eq!(items(text, 0), wanted);
    for data in [&gzip, &zstd] {
        assert_eq!(items(data, text.len()), wanted);
        let refused = items(data, text.len() - 1);
        assert!(
            refused[0].starts_with("damaged: the record decompresses to more than the limit"),
            "{refused:?}"
        );
        let cut = items(&data[..data.len() - 1], 1000);
        assert!(cut.len() == 1 && cut[0].starts_with("damaged: "), "{cut:?}");
    }
    assert_eq!(items(&[&gzip[..], &gzip].concat(), 1000).len(), 7, "members are joined");
}

#[test]
fn aggregates_of_blocks_but_not_of_aggregates() {
    let block = one(RecordForm::Block, &[(b"first", 100, 106), (b"second", 106, 113)]).data;
    let outer = aggregate(&block);
    assert_eq!(items(&outer, 1000), ["first 0123456789abcdef-100", "second 0123456789abcdef-106"]);
    let twice = items(&aggregate(&outer), 1000);
    assert!(twice.len() == 1 && twice[0].contains("another aggregate"), "{twice:?}");
    let mut forged = outer.clone();
    forged[6] ^= 1;
    assert_eq!(RecordDecoder::packing(&forged), Packing::Text);
}

/// What `aws-kinesis-agg` 1.2.3 writes.
#[test]
fn an_aggregate_of_another_maker() {
    let data = b"\xF3\x89\x9A\xC2\n\x06host a\n\x06host b\n\x130123456789abcdef-42\x12\x017\
        \x1A\t\x08\0\x10\0\x1A\x03one\x1A\r\x08\x01\x1A\ttwo\nthree\x1A\x06\x08\0\x10\0\x1A\0\
        \x1A\x08\x08\x02\x1A\x04four\x8EK\xA5\"\x11,+jl\0\x8AV\x1D\xD1\xC3\x08";
    assert_eq!(RecordDecoder::packing(data), Packing::Kpl);
    // A partition key that is an identity is one: a record of ours that somebody aggregated.
    assert_eq!(items(data, 0), ["one -", "two -", "three -", "four 0123456789abcdef-42"]);
}

/// An identity is carried once for all lines that follow each other, whatever the line ends, and none is lost where
/// partition keys were chosen.
#[test]
fn runs_of_an_aggregate() {
    for key in [None, Some("k")] {
        for (line_end, wanted) in [(1u64, 1), (2, 1)] {
            let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Kpl));
            let mut offset = 5;
            for _ in 0..1000 {
                let id = LineId { source: SOURCE, offset };
                offset += 4 + line_end;
                encoder.push(Line { bytes: b"line", id, end: offset, key }).unwrap();
            }
            encoder.flush();
            let record = encoder.next_record().unwrap();
            let text = SOURCE.to_string();
            let runs = memchr::memmem::find_iter(&record.data, text.as_bytes()).count();
            assert_eq!(runs, wanted);
            assert!(record.data.len() < 1000 * (4 + 8) + 150, "{}", record.data.len());
            let last = decoded(&[record]).pop().unwrap();
            assert_eq!(last.id.unwrap().offset, 5 + 999 * (4 + line_end));
        }
    }
}

#[test]
fn every_shard_gets_its_own() {
    for form in [RecordForm::Raw, RecordForm::Ndjson, RecordForm::Kpl, RecordForm::Block] {
        let mut encoder = RecordEncoder::new(EncodeOptions::new(form).with_shard(7..=9));
        let id = LineId { source: SOURCE, offset: 0 };
        let bytes = br#"h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 5"#;
        encoder.push(Line { bytes, id, end: 60, key: Some("h") }).unwrap();
        encoder.flush();
        let record = encoder.next_record().unwrap();
        assert_eq!((record.explicit_hash_key, record.partition_key.as_str()), (Some(7), "h"));
    }
}

#[test]
fn what_a_form_cannot_hold() {
    let id = LineId { source: SOURCE, offset: 0 };
    for form in [RecordForm::Raw, RecordForm::Kpl, RecordForm::Block] {
        let mut encoder = RecordEncoder::new(EncodeOptions::new(form).with_max_record(1000));
        // Without a pattern, so that compression is of no help.
        let noise: Vec<u8> =
            (0..125u32).flat_map(|n| Md5::digest(n.to_le_bytes())).map(|byte| byte | 128).collect();
        encoder.push(Line { bytes: b"before", id, end: 7, key: None }).unwrap();
        let refusal =
            encoder.push(Line { bytes: &noise, id: LineId { offset: 7, ..id }, end: 2008, key: None });
        assert!(
            matches!(refusal, Err(Refusal::Oversize { size: 1001.., limit: 1000 })),
            "{form:?} {refusal:?}"
        );
        encoder
            .push(Line { bytes: b"behind", id: LineId { offset: 2008, ..id }, end: 2015, key: None })
            .unwrap();
        encoder.flush();
        let records: Vec<_> = std::iter::from_fn(|| encoder.next_record()).collect();
        let got: Vec<_> = decoded(&records).iter().map(|got| got.id.unwrap().offset).collect();
        assert_eq!(got, [0, 2008]);
    }
    let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Ndjson));
    let refusal = encoder.push(Line { bytes: b"h - - ", id, end: 6, key: None }).unwrap_err();
    assert_eq!(refusal.reason(), crate::RejectReason::Truncated);
    let refusal = encoder.push(Line { bytes: b"h - - ", id, end: 7, key: None }).unwrap_err();
    assert_eq!(refusal.reason(), crate::RejectReason::MissingField);
}

/// A line that fits only when it is compressed.
#[test]
fn a_long_line_of_little_content() {
    let id = LineId { source: SOURCE, offset: 0 };
    let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Block).with_max_record(1000));
    encoder.push(Line { bytes: &[b'x'; 100_000], id, end: 100_001, key: None }).unwrap();
    let record = encoder.next_record().unwrap();
    assert!(record.size() < 200 && encoder.pending().is_none());
}

/// A record is nearly full before the next one begins.
#[cfg(feature = "generate")]
#[test]
fn blocks_are_full() {
    use crate::generate::{GenerateOptions, Generator};
    let mut log = Vec::new();
    Generator::new(GenerateOptions::new().with_lines(20_000)).unwrap().write_to(&mut log).unwrap();
    let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Block).with_max_record(64 << 10));
    let mut offset = 0;
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let (id, end) = (LineId { source: SOURCE, offset }, offset + line.len() as u64);
        encoder.push(Line { bytes: &line[..line.len() - 1], id, end, key: None }).unwrap();
        offset = end;
    }
    let records: Vec<_> = std::iter::from_fn(|| encoder.next_record()).collect();
    assert!(records.len() > 2);
    for record in records {
        assert!((60 << 10..=64 << 10).contains(&record.size()), "{}", record.size());
        assert!(record.span.lines > 3000, "{:?}", record.span);
    }
}

#[test]
fn encoders_and_decoders_can_move_to_threads() {
    fn is_send<T: Send>() {}
    is_send::<RecordEncoder>();
    is_send::<RecordDecoder>();
}
