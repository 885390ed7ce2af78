//! The golden corpus (`tests/corpus/`, its README says how to read it): what a line must give, whichever way it is read.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use nasalogs::arrow::array::{Array, AsArray, RecordBatch};
use nasalogs::arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimestampMillisecondType};
use nasalogs::{
    Backend, Decoder, Encoding, ErrorKind, Extras, LogFormat, ParseOptions, Reject, StringType,
    Value as Typed,
};
use serde_json::{Map, Value, json};

/// What a line must give.
#[derive(Debug, Clone)]
enum Outcome {
    Row(Map<String, Value>),
    Reject(String),
    Blank,
}

/// A line of the corpus, as it stands in a log: with its newline, if it has one.
#[derive(Debug, Clone)]
struct Case {
    place: String,
    bytes: Vec<u8>,
    outcome: Outcome,
}

impl Case {
    fn line(&self) -> &[u8] {
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
}

/// Cases that may stand in one file, and how to read it.
#[derive(Debug, Clone, Default)]
struct Group {
    format: String,
    options: ParseOptions,
    /// Whether each may only be read by itself.
    alone: bool,
    cases: Vec<Case>,
}

/// `{HH}` and `{HH*N}` to bytes.
fn expand(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if let Some((byte, count, after)) = escape(rest) {
            out.extend(std::iter::repeat_n(byte, count));
            rest = after;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

fn escape(text: &[u8]) -> Option<(u8, usize, &[u8])> {
    let inner = text.strip_prefix(b"{")?;
    let end = inner.iter().position(|&byte| byte == b'}')?;
    let (body, after) = (std::str::from_utf8(&inner[..end]).ok()?, &inner[end + 1..]);
    let (hex, count) = body.split_once('*').unwrap_or((body, "1"));
    let upper = hex.len() == 2 && !hex.bytes().any(|byte| byte.is_ascii_lowercase());
    upper.then_some((u8::from_str_radix(hex, 16).ok()?, count.parse().ok()?, after))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, counted the slow way.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years =
        |range: std::ops::Range<i64>| range.map(|year| if leap(year) { 366 } else { 365 }).sum::<i64>();
    years(1970..year.max(1970)) - years(year.min(1970)..1970)
        + months[..month as usize - 1].iter().sum::<i64>()
        + day
        - 1
}

/// `1995-07-01T04:00:01.250Z` to milliseconds.
fn milliseconds(text: &str) -> i64 {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let seconds = days(number(0, 4), number(5, 7), number(8, 10)) * 86_400
        + number(11, 13) * 3600
        + number(14, 16) * 60
        + number(17, 19);
    let fraction = if text.as_bytes()[19] == b'.' { number(20, 23) } else { 0 };
    seconds * 1000 + fraction
}

fn object(text: &[u8], place: &str) -> Map<String, Value> {
    let text = expand(text.trim_ascii());
    let text = if text.is_empty() { b"{}".to_vec() } else { text };
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{place}: {error}"))
}

fn read(name: &str) -> Vec<Group> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut groups: Vec<Group> = Vec::new();
    let mut base = Map::new();
    let mut bytes = None;
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let place = format!("{name}:{}", number + 1);
        let (mark, rest) = line.split_at(line.len().min(1));
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        match mark {
            b"" | b"#" => {}
            b"@" => {
                let rest = std::str::from_utf8(rest).unwrap();
                let (word, value) = rest.split_once(' ').unwrap_or((rest, ""));
                if word == "base" {
                    base = object(value.as_bytes(), &place);
                    continue;
                }
                let mut group = Group { cases: Vec::new(), ..groups.last().cloned().unwrap_or_default() };
                match word {
                    "format" => {
                        let format = value.parse::<LogFormat>().unwrap_or_else(|e| panic!("{place}: {e}"));
                        let options = ParseOptions::new().with_format(format);
                        group = Group { format: value.to_owned(), options, alone: false, cases: Vec::new() };
                    }
                    "encoding" => {
                        group.options = group.options.with_encoding(value.parse::<Encoding>().unwrap());
                    }
                    "max_line" => group.options = group.options.with_max_line(value.parse().unwrap()),
                    "alone" => group.alone = true,
                    "together" => group.alone = false,
                    other => panic!("{place}: there is no @{other}"),
                }
                groups.push(group);
            }
            b"<" => {
                assert!(bytes.is_none(), "{place}: the line before it has no outcome");
                let (rest, end) = match rest.strip_suffix(b"{EOF}") {
                    Some(rest) => (rest, &b""[..]),
                    None => (rest, &b"\n"[..]),
                };
                bytes = Some([&expand(rest), end].concat());
            }
            b">" | b"!" | b"~" => {
                let outcome = match mark {
                    b">" => {
                        let mut row = base.clone();
                        for (column, value) in object(rest, &place) {
                            assert!(
                                row.insert(column.clone(), value).is_some(),
                                "{place}: no column {column}"
                            );
                        }
                        Outcome::Row(row)
                    }
                    b"!" => Outcome::Reject(String::from_utf8(rest.to_vec()).unwrap()),
                    _ => Outcome::Blank,
                };
                let bytes = bytes.take().unwrap_or_else(|| panic!("{place}: an outcome of no line"));
                groups.last_mut().unwrap().cases.push(Case { place, bytes, outcome });
            }
            _ => panic!("{place}: a line begins with one of # @ < > ! ~"),
        }
    }
    groups.retain(|group| !group.cases.is_empty());
    groups
}

/// A value of a batch as JSON, bytes as Latin-1.
fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let latin1 = |bytes: &[u8]| json!(bytes.iter().map(|&byte| char::from(byte)).collect::<String>());
    match array.data_type() {
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::Utf8View => json!(array.as_string_view().value(row)),
        DataType::Binary => latin1(array.as_binary::<i32>().value(row)),
        DataType::BinaryView => latin1(array.as_binary_view().value(row)),
        DataType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => json!(array.as_primitive::<TimestampMillisecondType>().value(row)),
        other => panic!("a column of type {other}"),
    }
}

/// Everything that a log gave.
#[derive(Debug, Default)]
struct Given {
    rows: Vec<Map<String, Value>>,
    rejects: Vec<Reject>,
    lines: u64,
    blanks: u64,
}

fn rows(batch: &RecordBatch, into: &mut Vec<Map<String, Value>>) {
    batch.columns().iter().for_each(|column| column.to_data().validate_full().unwrap());
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        let named = schema.fields().iter().zip(batch.columns());
        into.push(named.map(|(field, column)| (field.name().clone(), value(column, row))).collect());
    }
}

/// Decodes a log, pushed in pieces of so many bytes.
fn decode(options: &ParseOptions, log: &[u8], piece: usize) -> Given {
    let mut given = Given::default();
    let mut decoder = Decoder::new(options.clone()).unwrap();
    for mut rest in log.chunks(piece.max(1)) {
        while !rest.is_empty() {
            let used = decoder.push(rest).unwrap();
            rest = &rest[used..];
            while let Some(batch) = decoder.next_batch() {
                rows(&batch, &mut given.rows);
            }
        }
    }
    decoder.finish().unwrap();
    while let Some(batch) = decoder.next_batch() {
        rows(&batch, &mut given.rows);
    }
    given.rejects = decoder.take_rejects();
    let counts = decoder.counts();
    assert_eq!(counts.rows, given.rows.len() as u64);
    assert_eq!(counts.rejected(), given.rejects.len() as u64);
    assert_eq!(counts.rows + counts.rejected() + counts.blanks, counts.lines);
    (given.lines, given.blanks) = (counts.lines, counts.blanks);
    given
}

/// Reads a log record by record, which is the careful parser alone, into what batches hold.
fn records(options: &ParseOptions, cases: &[Case], log: &[u8]) -> Given {
    let format = options.format.as_ref().unwrap();
    let mut given = Given { lines: cases.len() as u64, ..Given::default() };
    for record in format.records(log) {
        let record = match record {
            Ok(record) => record,
            Err(reject) => {
                given.rejects.push(reject);
                continue;
            }
        };
        let latin1 = |bytes: &[u8]| json!(bytes.iter().map(|&byte| char::from(byte)).collect::<String>());
        let mut row = Map::new();
        for (column, value) in record.values() {
            let value = match value {
                Typed::Null => Value::Null,
                Typed::Text(_) if options.encoding == Encoding::Escape => json!(value.as_text().unwrap()),
                Typed::Text(bytes) => latin1(bytes),
                Typed::Int(number) | Typed::Timestamp(number) => json!(number),
            };
            row.insert(column.name.to_string(), value);
        }
        row.insert("line".to_owned(), json!(record.line_number()));
        row.insert("byte_offset".to_owned(), json!(record.byte_offset()));
        row.insert("raw".to_owned(), latin1(record.line()));
        given.rows.push(row);
    }
    given.blanks = given.lines - given.rows.len() as u64 - given.rejects.len() as u64;
    given
}

/// What is wrong with what a log of these cases gave.
fn differences(group: &Group, cases: &[Case], given: &Given, how: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found_rows = given.rows.iter().peekable();
    let mut found_rejects = given.rejects.iter().peekable();
    let (mut offset, mut blanks) = (0, 0);
    for (index, case) in cases.iter().enumerate() {
        let number = index as u64 + 1;
        let row = found_rows.next_if(|row| row["line"] == json!(number));
        let reject = found_rejects.next_if(|reject| reject.line == number);
        let place = format!(
            "{} ({}, {how}): {}",
            case.place,
            group.format,
            String::from_utf8_lossy(&case.line()[..case.line().len().min(200)])
        );
        match (&case.outcome, row, reject) {
            (Outcome::Row(expected), Some(row), None) => {
                for (column, expected) in expected {
                    let expected = match expected {
                        Value::String(text) if column == "ts" => json!(milliseconds(text)),
                        other => other.clone(),
                    };
                    if row.get(column) != Some(&expected) {
                        wrong.push(format!("{place}\n    {column}: {:?}, not {expected}", row.get(column)));
                    }
                }
                // Besides the columns of the format: line, byte_offset, raw.
                if row.len() != expected.len() + 3 {
                    wrong.push(format!("{place}\n    columns: {:?}", row.keys().collect::<Vec<_>>()));
                }
                let marked = case.bytes.starts_with(b"\xEF\xBB\xBF");
                if !marked {
                    let raw: String = case.line().iter().map(|&byte| char::from(byte)).collect();
                    if row["byte_offset"] != json!(offset) || row["raw"] != json!(raw) {
                        wrong.push(format!("{place}\n    at {}, raw {}", row["byte_offset"], row["raw"]));
                    }
                }
            }
            (Outcome::Reject(reason), None, Some(reject)) => {
                if reject.reason.as_str() != reason {
                    wrong.push(format!("{place}\n    rejected for {}, not {reason}", reject.reason));
                }
                let kept = &case.line()[..case.line().len().min(Reject::RAW_LIMIT)];
                if !case.bytes.starts_with(b"\xEF\xBB\xBF")
                    && (reject.offset, &reject.raw[..]) != (offset, kept)
                {
                    wrong.push(format!("{place}\n    rejected at {}, raw {}", reject.offset, reject.text()));
                }
            }
            (Outcome::Blank, None, None) => blanks += 1,
            (expected, row, reject) => {
                wrong.push(format!(
                    "{place}\n    expected {}, given {}",
                    match expected {
                        Outcome::Row(_) => "a row".to_owned(),
                        Outcome::Reject(reason) => format!("a reject for {reason}"),
                        Outcome::Blank => "a blank line".to_owned(),
                    },
                    match (row, reject) {
                        (_, Some(reject)) => format!("a reject for {}", reject.reason),
                        (Some(row), None) => format!("a row {}", Value::Object(row.clone())),
                        (None, None) => "nothing".to_owned(),
                    }
                ));
            }
        }
        offset += case.bytes.len() as u64;
    }
    if wrong.is_empty() && (given.lines, given.blanks) != (cases.len() as u64, blanks) {
        wrong.push(format!("{} ({how}): {} lines, {} blanks", group.format, given.lines, given.blanks));
    }
    wrong
}

/// All ways to read a group that must give the same.
fn check(name: &str) {
    let extras = Extras { line: true, byte_offset: true, raw: true, ..Extras::default() };
    let mut wrong = Vec::new();
    let mut count = 0;
    for mut group in read(name) {
        count += group.cases.len();
        let options = group.options.clone().with_extras(extras);
        let (alone, mut right) = (group.alone, Vec::new());
        for case in std::mem::take(&mut group.cases) {
            // A panic is a finding like another, and must not hide the rest.
            let found = catch_unwind(|| {
                let only = std::slice::from_ref(&case);
                let mut found =
                    differences(&group, only, &decode(&options, &case.bytes, usize::MAX), "alone");
                // Records have the usual limit of a line.
                if found.is_empty() && group.options.max_line.is_none() {
                    let given = records(&options, only, &case.bytes);
                    found = differences(&group, only, &given, "as a record");
                }
                found
            })
            .unwrap_or_else(|_| vec![format!("{} ({}): a panic", case.place, group.format)]);
            // What is wrong by itself need not be looked at again among others.
            if found.is_empty() { right.push(case) } else { wrong.extend(found) }
        }
        if alone {
            continue;
        }
        group.cases = right;
        let log = group.cases.iter().flat_map(|case| case.bytes.clone()).collect::<Vec<u8>>();
        for backend in Backend::available() {
            for strings in [StringType::View, StringType::Utf8, StringType::Compact] {
                let options = options.clone().with_backend(backend).with_strings(strings);
                for (chunk, piece) in [(ParseOptions::CHUNK, usize::MAX), (1024, 1000), (4096, 7)] {
                    let given = decode(&options.clone().with_chunk(chunk), &log, piece);
                    let how = format!("{backend:?}, {strings:?}, chunks of {chunk} pushed by {piece}");
                    wrong.extend(differences(&group, &group.cases, &given, &how));
                }
            }
        }
    }
    let some = wrong.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {count} lines of {name} differ:\n{some}", wrong.len());
}

#[test]
fn common() {
    check("common.txt");
}

#[test]
fn combined() {
    check("combined.txt");
}

#[test]
fn vhost() {
    check("vhost.txt");
}

#[test]
fn nginx_main() {
    check("nginx_main.txt");
}

#[test]
fn custom() {
    check("custom.txt");
}

#[test]
fn encoding() {
    check("encoding.txt");
}

/// Rule 1: an input without any line that is not blank is a success.
#[test]
fn nothing_but_blanks() {
    let options = ParseOptions::new().with_format(LogFormat::common());
    for (log, lines) in [(&b""[..], 0), (b"\n", 1), (b" ", 1), (b"\n \r\n", 2), (b"\xEF\xBB\xBF", 0)] {
        let given = decode(&options, log, usize::MAX);
        assert_eq!((given.lines, given.blanks), (lines, lines), "{log:?}");
    }
}

/// Rule 1: UTF-16 is an error that says so.
#[test]
fn utf_16() {
    let line = r#"h - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 5"#;
    for (mark, order) in
        [(b"\xFF\xFE", u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xFE\xFF", u16::to_be_bytes)]
    {
        let log = [&mark[..], &line.encode_utf16().flat_map(order).collect::<Vec<u8>>()].concat();
        let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
        let error = decoder.push(&log).and_then(|_| decoder.finish()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encoding);
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }
}
