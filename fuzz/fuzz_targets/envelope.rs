//! Records of a stream, whatever is in them: nothing panics, and no more comes out than is allowed. Lines that are packed
//! come back, with their identities, in records that are not too large.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nasalogs::envelope::{
    DecodeOptions, EncodeOptions, Item, Line, LineId, RecordDecoder, RecordEncoder, RecordForm, SourceId,
};

const LIMIT: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    if choice & 1 == 0 { unpack(data) } else { there_and_back(choice >> 1, data) }
});

fn unpack(data: &[u8]) {
    let mut given = 0;
    RecordDecoder::new(DecodeOptions::new().with_limit(LIMIT)).decode(
        data,
        "0123456789abcdef-7",
        &mut |item| {
            given += match item {
                Item::Line { bytes, .. } => bytes.len(),
                Item::Json { record, .. } => {
                    let _ = (record.host(), record.ts(), record.tz_offset(), record.url(), record.status());
                    record.as_bytes().len()
                }
                Item::Damaged { error, .. } => error.to_string().len().min(0),
                _ => 0,
            };
        },
    );
    assert!(given <= LIMIT + data.len());
}

fn there_and_back(choice: u8, log: &[u8]) {
    let forms = [RecordForm::Raw, RecordForm::Ndjson, RecordForm::Kpl, RecordForm::Block];
    let form = forms[usize::from(choice & 3)];
    let limit = if choice & 4 == 0 { 400 } else { LIMIT };
    let names = if choice & 8 == 0 { nasalogs::Names::Nasalogs } else { nasalogs::Names::Classic };
    let options = EncodeOptions::new(form).with_max_record(limit).with_names(names).with_level(1);
    let keys = choice & 16 != 0 && form != RecordForm::Raw;
    let mut encoder = RecordEncoder::new(options);
    let (mut offset, mut sent) = (0, Vec::new());
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let id = LineId { source: SourceId(1), offset };
        offset += line.len() as u64;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let key = std::str::from_utf8(line).ok().filter(|_| keys);
        // Some lines are left out.
        if line != b"-" && encoder.push(Line { bytes: line, id, end: offset, key }).is_ok() {
            sent.push((id, line));
        }
    }
    encoder.flush();
    let mut sent = sent.into_iter();
    let mut decoder = RecordDecoder::default();
    while let Some(record) = encoder.next_record() {
        assert!(record.size() <= limit);
        decoder.decode(&record.data, &record.partition_key, &mut |item| {
            let (wanted, line) = sent.next().expect("no more than were sent");
            match item {
                Item::Line { bytes, id } => assert_eq!((bytes, id), (line, Some(wanted))),
                Item::Json { record, id } => {
                    assert_eq!(id, Some(wanted));
                    assert_eq!((form, record.names()), (RecordForm::Ndjson, names));
                }
                other => panic!("{other:?}"),
            }
        });
    }
    assert!(sent.next().is_none());
}
