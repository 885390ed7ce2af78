//! What the targets share: an input's first bytes choose how the rest is read, as a log.

use nasalogs::arrow::array::RecordBatch;
use nasalogs::arrow::compute::concat_batches;
use nasalogs::{Counts, Decoder, Encoding, Extras, LogFormat, ParseOptions, Reject, StringType};

/// Formats to choose from: all that are built in, and two that are not.
pub const CUSTOM: [&str; 2] = [
    r#"%h %l %u %t "%r" %s %>s %b %D "%{X-Request-Id}i""#,
    r#"$msec|$remote_addr|$request_time|$status|"$request_uri"|$upstream_response_time"#,
];

/// Splits an input into options and a log. `None` when it is too short.
pub fn choose(data: &[u8]) -> Option<(ParseOptions, &[u8])> {
    let (&[format, option], log) = data.split_first_chunk()?;
    let index = usize::from(format) % (LogFormat::BUILT_IN.len() + CUSTOM.len());
    let format = match LogFormat::BUILT_IN.get(index) {
        Some(name) => LogFormat::built_in(name).expect("a name of the table"),
        None => CUSTOM[index - LogFormat::BUILT_IN.len()].parse().expect("a format that is tested elsewhere"),
    };
    let encoding = [Encoding::Escape, Encoding::Latin1, Encoding::Binary][usize::from(option & 3) % 3];
    let strings = [StringType::View, StringType::Utf8, StringType::Compact][usize::from(option >> 2 & 3) % 3];
    let options = ParseOptions::new()
        .with_format(format)
        .with_encoding(encoding)
        .with_strings(strings)
        .with_extras(Extras { line: true, byte_offset: true, raw: true, file: false })
        // Short enough to be met.
        .with_max_line(if option & 128 == 0 { 1 << 20 } else { 96 });
    Some((options, log))
}

/// All that a log gives, as one batch.
#[derive(Debug, PartialEq)]
pub struct Given {
    /// Its rows.
    pub rows: Option<RecordBatch>,
    /// Its rejects, in order.
    pub rejects: Vec<Reject>,
    /// What was counted.
    pub counts: Counts,
}

/// Decodes a log that is pushed in pieces, whose lengths come from `piece`.
pub fn decode(
    options: &ParseOptions,
    log: &[u8],
    mut piece: impl FnMut() -> usize,
) -> nasalogs::Result<Given> {
    let mut decoder = Decoder::new(options.clone())?;
    let mut batches = Vec::new();
    let mut rest = log;
    while !rest.is_empty() {
        let length = piece().clamp(1, rest.len());
        let used = decoder.push(&rest[..length])?;
        assert!(used <= length);
        rest = &rest[used..];
        batches.extend(std::iter::from_fn(|| decoder.next_batch()));
    }
    decoder.finish()?;
    batches.extend(std::iter::from_fn(|| decoder.next_batch()));
    for batch in &batches {
        batch.columns().iter().for_each(|column| column.to_data().validate_full().expect("a valid column"));
    }
    let rows = match batches.first() {
        Some(first) => Some(concat_batches(&first.schema(), &batches)?),
        None => None,
    };
    Ok(Given { rows, rejects: decoder.take_rejects(), counts: decoder.counts() })
}

/// Decodes a log that is pushed whole.
pub fn decode_whole(options: &ParseOptions, log: &[u8]) -> nasalogs::Result<Given> {
    decode(options, log, || usize::MAX)
}

/// That two ways to read a log gave the same: also the same error.
pub fn assert_same(one: &nasalogs::Result<Given>, other: &nasalogs::Result<Given>) {
    match (one, other) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, other) => panic!("one is an error: {one:?}, {other:?}"),
    }
}
