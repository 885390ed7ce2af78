//! The properties that the whole parser rests on: every backend, every chunking and the careful parser give the same.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimestampMillisecondType};
use proptest::prelude::*;

use crate::{Backend, Decoder, Encoding, Extras, LogFormat, ParseOptions, Reject, StringType, Value};

/// A value that outlives its batch.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Text(Vec<u8>),
    Int(i64),
}

impl From<Value<'_>> for Cell {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Cell::Null,
            Value::Text(bytes) => Cell::Text(bytes.to_vec()),
            Value::Int(value) | Value::Timestamp(value) => Cell::Int(value),
        }
    }
}

fn cell(array: &dyn Array, row: usize) -> Cell {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Utf8View => Cell::Text(array.as_string_view().value(row).into()),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row).into()),
        DataType::BinaryView => Cell::Text(array.as_binary_view().value(row).into()),
        DataType::Binary => Cell::Text(array.as_binary::<i32>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => Cell::Int(array.as_primitive::<TimestampMillisecondType>().value(row)),
        other => panic!("no column has the type {other}"),
    }
}

/// What a log gives: rows and rejects, and the counts that have to add up.
#[derive(Debug, PartialEq)]
struct Given {
    rows: Vec<Vec<Cell>>,
    rejects: Vec<Reject>,
    lines: u64,
    blanks: u64,
}

fn decode(log: &[u8], options: &ParseOptions, piece: usize) -> Given {
    let mut decoder = Decoder::new(options.clone()).unwrap();
    let mut given = Given { rows: vec![], rejects: vec![], lines: 0, blanks: 0 };
    let take = |decoder: &mut Decoder, given: &mut Given| {
        while let Some(batch) = decoder.next_batch() {
            check(&batch);
            let row = |row| batch.columns().iter().map(|column| cell(column, row)).collect();
            given.rows.extend((0..batch.num_rows()).map(row));
        }
        given.rejects.extend(decoder.take_rejects());
    };
    for mut piece in log.chunks(piece) {
        while !piece.is_empty() {
            piece = &piece[decoder.push(piece).unwrap()..];
            take(&mut decoder, &mut given);
        }
    }
    decoder.finish().unwrap();
    take(&mut decoder, &mut given);
    let counts = decoder.counts();
    (given.lines, given.blanks) = (counts.lines, counts.blanks);
    assert_eq!(counts.rows + counts.rejected() + counts.blanks, counts.lines);
    assert_eq!(counts.rows, given.rows.len() as u64);
    assert_eq!(counts.rejected(), given.rejects.len() as u64);
    given
}

/// Arrow's own full validation: what the unchecked constructors took on trust.
fn check(batch: &RecordBatch) {
    for column in batch.columns() {
        column.to_data().validate_full().unwrap();
    }
}

/// What the careful parser gives, line by line.
fn read(log: &[u8], format: &LogFormat) -> (Vec<Vec<Cell>>, Vec<Reject>) {
    let (mut rows, mut rejects) = (vec![], vec![]);
    for record in format.records(log) {
        match record {
            Ok(record) => rows.push(record.values().map(|(_, value)| Cell::from(value)).collect()),
            Err(reject) => rejects.push(reject),
        }
    }
    (rows, rejects)
}

fn formats() -> Vec<LogFormat> {
    let custom = [
        r#"%h %t "%r" %>s %D"#,
        r#"%v:%p %a %l %u %t "%m %U%q %H" %>s %O "%{X-Id}i" %X"#,
        r#"$remote_addr [$time_iso8601] "$request_uri" rt=$request_time ut="$upstream_response_time""#,
        r#"$msec $status"#,
        r#"[%t] %h"#,
        r#""%h" "%t" "%>s" "%B" "%k" "%r""#,
        r#""$time_iso8601" '$remote_addr' "$status" "$body_bytes_sent" "$request_time""#,
        r#""$msec" "$host" $status"#,
    ];
    let built_in = LogFormat::BUILT_IN.into_iter().map(|name| LogFormat::built_in(name).unwrap());
    built_in.chain(custom.into_iter().map(|pattern| pattern.parse().unwrap())).collect()
}

/// Text as clients send it: mostly tame, sometimes not.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let tame = "[a-z0-9./_-]{1,30}".prop_map(String::into_bytes);
    let wild = proptest::collection::vec(
        prop_oneof![
            Just(b'"'),
            Just(b' '),
            Just(b'\\'),
            Just(b'['),
            Just(b']'),
            Just(b'?'),
            Just(b'-'),
            Just(b':'),
            Just(0xE9),
            Just(b'\r'),
            Just(b'a'),
            Just(0),
            Just(0xC3),
            Just(0xA9),
            any::<u8>().prop_filter("a line", |byte| *byte != b'\n')
        ],
        0..24,
    );
    let long = (0..3000usize).prop_map(|length| vec![b'x'; length]);
    prop_oneof![12 => tame, 4 => wild, 1 => Just(b"-".to_vec()), 1 => Just(vec![]), 1 => long]
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![8 => Just("GET "), 1 => Just("POST "), 1 => Just("HEAD "), 1 => Just("get "), 1 => Just("")];
    let protocol = prop_oneof![8 => Just(" HTTP/1.0"), 2 => Just(" HTTP/1.1"), 1 => Just(" HTTP/V1.0"), 1 => Just("  HTTP/1.0"), 1 => Just("")];
    let query = prop_oneof![6 => Just(""), 1 => Just("?"), 2 => Just("?a=b?c")];
    (method, text(), query, protocol).prop_map(|(method, target, query, protocol)| {
        [method.as_bytes(), &target, query.as_bytes(), protocol.as_bytes()].concat()
    })
}

fn time() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        12 => Just("01/Jul/1995:00:00:01 -0400"), 6 => Just("02/Jul/1995:23:59:60 +0530"), 1 => Just("31/Feb/1995:00:00:01 -0400"),
        1 => Just("01/Jul/1995:00:00:01"), 1 => Just(""), 1 => Just("01/Jul/1965:00:00:01 +0000"),
    ]
}

fn number() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just("200"), 3 => Just("404"), 6 => Just("6245"), 2 => Just("-"), 1 => Just("-5"), 1 => Just("12345678"), 1 => Just("123456789"),
        1 => Just("9223372036854775808"), 1 => Just(""), 1 => Just("0.042"), 1 => Just("20x"),
    ]
}

/// A line of a format, now and then with something odd in it.
fn line(format: LogFormat) -> impl Strategy<Value = Vec<u8>> {
    use crate::format::{FieldKind, Segment};
    let pieces: Vec<BoxedStrategy<Vec<u8>>> = format
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(bytes) => Just(bytes.clone()).boxed(),
            Segment::Field(field) => match field.kind {
                FieldKind::ClfTime => time().prop_map(|text| text.into()).boxed(),
                FieldKind::IsoTime => Just(b"1995-07-01T00:00:01-04:00".to_vec()).boxed(),
                FieldKind::EpochTime(_) => Just(b"804571201.250".to_vec()).boxed(),
                FieldKind::Request => request().boxed(),
                FieldKind::Status => prop_oneof![9 => Just(b"200".to_vec()), 1 => number().prop_map(|text| text.into())].boxed(),
                FieldKind::Bytes | FieldKind::Integer | FieldKind::Millis => {
                    prop_oneof![9 => Just(b"42".to_vec()), 3 => number().prop_map(|text| text.into())].boxed()
                }
                FieldKind::VhostPort => prop_oneof![Just(b"example.org:80".to_vec()), text()].boxed(),
                FieldKind::User => prop_oneof![6 => Just(b"-".to_vec()), 1 => Just(b"\"\"".to_vec()), 1 => Just(b"john doe".to_vec()), 1 => text()].boxed(),
                _ => prop_oneof![3 => "[a-z.]{1,20}".prop_map(String::into_bytes), 1 => text()].boxed(),
            },
        })
        .collect();
    let whole = pieces.prop_map(|pieces| pieces.concat());
    (whole, 0..40u8, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut line, damage, at, byte)| {
        line.retain(|byte| *byte != b'\n');
        match damage {
            0 => line.truncate(at.index(line.len() + 1)),
            1 if !line.is_empty() => {
                let at = at.index(line.len());
                line[at] = if byte == b'\n' { b' ' } else { byte };
            }
            2 => line.extend_from_slice(b" extra \"data\""),
            3 => line = vec![b' '; usize::from(byte % 4)],
            4 => line.push(b'\r'),
            _ => {}
        }
        line
    })
}

fn log() -> impl Strategy<Value = (LogFormat, Vec<u8>)> {
    proptest::sample::select(formats()).prop_flat_map(|format| {
        let lines = proptest::collection::vec(line(format.clone()), 0..40);
        (Just(format), lines, any::<bool>(), any::<bool>()).prop_map(|(format, lines, newline, returns)| {
            let end: &[u8] = if returns { b"\r\n" } else { b"\n" };
            let mut log = lines.join(end);
            if newline && !lines.is_empty() {
                log.extend_from_slice(end);
            }
            (format, log)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn batches_agree_with_records((format, log) in log()) {
        let options = ParseOptions::new().with_format(format.clone()).with_encoding(Encoding::Binary);
        let given = decode(&log, &options, usize::MAX);
        let (rows, rejects) = read(&log, &format);
        prop_assert_eq!(&given.rows, &rows);
        prop_assert_eq!(given.rejects, rejects);
        prop_assert_eq!(given.lines, log.split(|byte| *byte == b'\n').count() as u64 - u64::from(log.is_empty() || log.ends_with(b"\n")));
    }

    #[test]
    fn backends_and_chunkings_agree((format, log) in log(), piece in 1..3000usize) {
        let extras = Extras { line: true, byte_offset: true, raw: true, file: true };
        let mut options = ParseOptions::new().with_format(format).with_extras(extras);
        let expected = decode(&log, &options.clone().with_backend(Backend::Scalar), usize::MAX);
        for backend in Backend::available() {
            prop_assert_eq!(&decode(&log, &options.clone().with_backend(backend), usize::MAX), &expected, "{}", backend.name());
        }
        // Smaller than any that can be asked for, so that lines of a test are many chunks.
        options.chunk = Some(200);
        prop_assert_eq!(decode(&log, &options, piece), expected);
    }

    #[test]
    fn layouts_and_projections_agree((format, log) in log()) {
        let options = ParseOptions::new().with_format(format.clone());
        let views = decode(&log, &options, usize::MAX);
        for strings in [StringType::Utf8, StringType::Compact] {
            prop_assert_eq!(&decode(&log, &options.clone().with_strings(strings), usize::MAX), &views);
        }
        let mut names: Vec<String> = format.columns().map(|column| column.name.to_string()).step_by(2).collect();
        names.reverse();
        let some = decode(&log, &options.clone().with_columns(names.clone()), usize::MAX);
        prop_assert_eq!(&some.rejects, &views.rejects);
        prop_assert_eq!(some.rows.len(), views.rows.len());
        let at: Vec<usize> = names.iter().map(|name| format.columns().position(|column| column.name == *name).unwrap()).collect();
        for (some, all) in some.rows.iter().zip(&views.rows) {
            prop_assert_eq!(some, &at.iter().map(|&column| all[column].clone()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn canonical_lines_are_rendered_as_they_are((format, line) in proptest::sample::select(formats()).prop_flat_map(|format| (Just(format.clone()), canonical(&format)))) {
        let record = format.parse_line(&line).unwrap();
        prop_assert_eq!(String::from_utf8(record.render()), String::from_utf8(line));
    }
}

/// A line in which every field is written in the one way that rendering writes it.
fn canonical(format: &LogFormat) -> BoxedStrategy<Vec<u8>> {
    use crate::format::{FieldKind, Segment};
    let word = || "[a-z0-9./_~-]{2,30}".prop_map(String::into_bytes);
    let or_dash = |texts: BoxedStrategy<Vec<u8>>| prop_oneof![4 => texts, 1 => Just(b"-".to_vec())].boxed();
    let request = ("(GET|post|X-FOO) ", "[a-z/]{1,20}", "(\\?[a-z?=]{0,9})?", "( HTTP/1.[01])?")
        .prop_map(|(method, path, query, protocol)| [method, path, query, protocol].concat().into_bytes());
    let pieces: Vec<BoxedStrategy<Vec<u8>>> = format
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Literal(bytes) => Just(bytes.clone()).boxed(),
            Segment::Field(field) => match field.kind {
                FieldKind::ClfTime => proptest::sample::select(vec![
                    b"01/Jul/1995:00:00:01 -0400".to_vec(),
                    b"29/Feb/2000:23:59:59 +0530".to_vec(),
                    b"31/Dec/0001:00:00:00 +0000".to_vec(),
                ])
                .boxed(),
                FieldKind::IsoTime => Just(b"1995-07-01T00:00:01-04:00".to_vec()).boxed(),
                FieldKind::EpochTime(_) | FieldKind::Millis => (0..9_999_999u32)
                    .prop_map(|ms| format!("{}.{:03}", ms / 1000, ms % 1000).into_bytes())
                    .boxed(),
                FieldKind::Request => or_dash(request.clone().boxed()),
                FieldKind::Status => or_dash("[1-5][0-9]{2}".prop_map(String::into_bytes).boxed()),
                FieldKind::Bytes | FieldKind::Integer => {
                    or_dash((0..i64::from(i32::MAX)).prop_map(|size| size.to_string().into_bytes()).boxed())
                }
                FieldKind::VhostPort => {
                    "[a-z.]{2,20}(:[1-9][0-9]{0,4})?".prop_map(String::into_bytes).boxed()
                }
                FieldKind::Query => "(\\?[a-z=]{0,9})?".prop_map(String::into_bytes).boxed(),
                FieldKind::User => {
                    or_dash(prop_oneof![word(), Just(b"john doe".to_vec()), Just(b"\"\"".to_vec())].boxed())
                }
                FieldKind::Host => word().boxed(),
                FieldKind::Text | FieldKind::Target => or_dash(word().boxed()),
            },
        })
        .collect();
    pieces.prop_map(|pieces| pieces.concat()).boxed()
}

#[test]
fn canonical_lines_are_rendered_as_they_were() {
    for (format, line) in [
        ("common", r#"h.example.org - - [01/Jul/1995:00:00:01 -0400] "GET /a/b.gif?q HTTP/1.0" 200 6245"#),
        ("common", r#"192.0.2.1 id john doe [29/Feb/2000:23:59:59 +0530] "POST / HTTP/1.1" 304 -"#),
        ("common", r#"h - "" [01/Jan/1969:00:00:00 +0000] "-" - 0"#),
        ("combined", r#"h - - [01/Jul/1995:00:00:01 -0400] "GET /" 404 - "-" "a \"b\" c""#),
        (
            "vhost_combined",
            r#"example.org:80 h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/2.0" 200 1 "http://x/" "y""#,
        ),
        ("vhost_common", r#"example.org h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/2.0" 200 1"#),
        (
            "nginx_main",
            r#"h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/2.0" 200 1 "-" "y" "192.0.2.1, 192.0.2.2""#,
        ),
    ] {
        let format: LogFormat = format.parse().unwrap();
        let record = format.parse_line(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(record.render()).unwrap(), line);
    }
}

#[test]
fn texts_are_not_copied() {
    let log = b"a-host-with-a-long-name.example.org - - [01/Jul/1995:00:00:01 -0400] \"GET /a/path/of/some/length HTTP/1.0\" 200 5\n".repeat(100);
    let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
    assert_eq!(decoder.push(&log).unwrap(), log.len());
    decoder.finish().unwrap();
    let batch = decoder.next_batch().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap().as_string_view();
    let (host, path) = (column("host"), column("path"));
    // One buffer, the same of both columns, and every text at its place in it.
    assert_eq!((host.data_buffers().len(), path.data_buffers().len()), (1, 1));
    let chunk = &host.data_buffers()[0];
    assert_eq!(chunk.as_ptr(), path.data_buffers()[0].as_ptr());
    let line = log.len() / 100;
    for row in 0..100 {
        assert_eq!(host.value(row).as_ptr() as usize - chunk.as_ptr() as usize, row * line);
        assert_eq!(path.value(row).as_ptr() as usize - chunk.as_ptr() as usize, row * line + 74);
    }
    assert_eq!(column("protocol").value(0), "HTTP/1.0");
}
