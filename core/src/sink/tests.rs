use std::io;
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, BinaryViewArray, Int16Array, Int64Array, StringArray, StringViewArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::DataType;

use super::*;

/// A writer whose bytes can be looked at, and which can break.
#[derive(Clone, Default)]
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.bytes.lock().unwrap();
        if self.room.is_some_and(|room| all.len() + bytes.len() > room) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const HOSTILE: [Option<&str>; 8] = [
    Some("plain"),
    Some("a \"quote\", a comma"),
    Some("line\nbreak\r\ttab \u{0}\u{1b}[31m \u{7f}\u{9b}"),
    Some("=1+1"),
    Some("back\\slash é 漢 🚀 \u{2028}</script>"),
    Some(""),
    None,
    Some("-"),
];

fn hostile() -> RecordBatch {
    let ts: TimestampMillisecondArray = (0..8).map(|n| (n != 6).then_some(804_571_201_000 + n)).collect();
    let status: Int16Array = (0..8).map(|n| (n != 6).then_some(200 + n)).collect();
    let bytes: Int64Array = (0..8).map(|n| (n != 6).then_some(i64::MAX - n)).collect();
    let raw: Vec<Option<&[u8]>> = vec![
        Some(b"caf\xe9 \xff\xc3\xa9"),
        Some(b""),
        Some(b"\""),
        Some(b"@x"),
        Some(b"\xed\xa0\x80"),
        Some(b"a"),
        None,
        Some(b"\\xE9"),
    ];
    RecordBatch::try_from_iter_with_nullable([
        ("text", Arc::new(StringViewArray::from_iter(HOSTILE)) as ArrayRef, true),
        ("ts", Arc::new(ts.with_timezone("UTC")), true),
        ("status", Arc::new(status), true),
        ("bytes", Arc::new(bytes), true),
        ("raw", Arc::new(BinaryViewArray::from(raw)), true),
    ])
    .unwrap()
}

fn to_bytes(options: &SinkOptions, batches: &[RecordBatch]) -> Vec<u8> {
    let shared = Shared::default();
    let mut sink = create(Output::Writer(Box::new(shared.clone())), batches[0].schema(), options).unwrap();
    for batch in batches {
        sink.write(batch).unwrap();
    }
    let finished = sink.finish().unwrap();
    let bytes = shared.bytes.lock().unwrap().clone();
    assert_eq!(finished.bytes, bytes.len() as u64);
    bytes
}

#[cfg(feature = "ndjson")]
#[test]
fn ndjson_of_hostile_values() {
    let text = String::from_utf8(to_bytes(&SinkOptions::new(OutputFormat::Ndjson), &[hostile()])).unwrap();
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    let rest = |n: i64| {
        format!("\"ts\":\"1995-07-01T04:00:01.00{n}Z\",\"status\":{},\"bytes\":{}", 200 + n, i64::MAX - n)
    };
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0], format!(r#"{{"text":"plain",{},"raw":"caf\\xE9 \\xFFé"}}"#, rest(0)));
    assert_eq!(lines[1], format!(r#"{{"text":"a \"quote\", a comma",{},"raw":""}}"#, rest(1)));
    assert_eq!(
        lines[2],
        format!(
            "{{\"text\":\"line\\nbreak\\r\\ttab \\u0000\\u001b[31m \u{7f}\u{9b}\",{},\"raw\":\"\\\"\"}}",
            rest(2)
        )
    );
    assert_eq!(lines[3], format!(r#"{{"text":"=1+1",{},"raw":"@x"}}"#, rest(3)));
    assert_eq!(
        lines[4],
        format!(
            "{{\"text\":\"back\\\\slash é 漢 🚀 \u{2028}</script>\",{},\"raw\":\"\\\\xED\\\\xA0\\\\x80\"}}",
            rest(4)
        )
    );
    assert_eq!(lines[5], format!(r#"{{"text":"",{},"raw":"a"}}"#, rest(5)));
    assert_eq!(lines[6], r#"{"text":null,"ts":null,"status":null,"bytes":null,"raw":null}"#);
    assert_eq!(lines[7], format!(r#"{{"text":"-",{},"raw":"\\xE9"}}"#, rest(7)));
}

#[cfg(feature = "csv")]
#[test]
fn csv_of_hostile_values() {
    let rest = |n: i64| format!("1995-07-01T04:00:01.00{n}Z,{},{}", 200 + n, i64::MAX - n);
    let expected = |formula: &str, raw: &str, minus: &str| {
        [
            "text,ts,status,bytes,raw\n".to_owned(),
            format!("plain,{},caf\\xE9 \\xFFé\n", rest(0)),
            format!("\"a \"\"quote\"\", a comma\",{},\n", rest(1)),
            format!("\"line\nbreak\r\ttab \u{0}\u{1b}[31m \u{7f}\u{9b}\",{},\"\"\"\"\n", rest(2)),
            format!("{formula},{},{raw}\n", rest(3)),
            format!("back\\slash é 漢 🚀 \u{2028}</script>,{},\\xED\\xA0\\x80\n", rest(4)),
            format!(",{},a\n", rest(5)),
            ",,,,\n".to_owned(),
            format!("{minus},{},\\xE9\n", rest(7)),
        ]
        .concat()
    };
    let options = SinkOptions::new(OutputFormat::Csv);
    let text = String::from_utf8(to_bytes(&options, &[hostile()])).unwrap();
    assert_eq!(text, expected("=1+1", "@x", "-"));
    let text = String::from_utf8(to_bytes(&options.with_csv_safe(true), &[hostile()])).unwrap();
    assert_eq!(text, expected("'=1+1", "'@x", "'-"));
}

#[cfg(feature = "csv")]
#[test]
fn csv_is_made_safe_only_where_it_must_be() {
    let text =
        StringArray::from_iter([Some("=a"), Some("+a"), Some("@a"), Some("\ta"), Some("\ra"), Some("a=")]);
    let batch = RecordBatch::try_from_iter([
        ("t", Arc::new(text) as ArrayRef),
        ("n", Arc::new(Int64Array::from_iter(-6..0)) as ArrayRef),
    ])
    .unwrap();
    let options = SinkOptions::new(OutputFormat::Csv).with_csv_safe(true);
    assert_eq!(
        String::from_utf8(to_bytes(&options, &[batch.clone(), batch.slice(5, 1)])).unwrap(),
        "t,n\n'=a,-6\n'+a,-5\n'@a,-4\n'\ta,-3\n\"'\ra\",-2\na=,-1\na=,-1\n"
    );
}

#[cfg(any(feature = "csv", feature = "ndjson"))]
#[test]
fn large_batches_are_written_in_parts() {
    let count = 3 * plain::ROWS as i64 + 5;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(0..count));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    for format in formats() {
        let line = match format {
            OutputFormat::Csv => "%\n",
            OutputFormat::Ndjson => "{\"n\":%}\n",
            _ => continue,
        };
        let mut expected = if format == OutputFormat::Csv { "n\n".to_owned() } else { String::new() };
        (0..count).for_each(|n| expected += &line.replace('%', &n.to_string()));
        assert!(to_bytes(&SinkOptions::new(format), std::slice::from_ref(&batch)) == expected.as_bytes());
    }
}

#[cfg(feature = "ipc")]
#[test]
fn ipc_reads_back_equal_and_compact() {
    use arrow::ipc::reader::{FileReader, StreamReader};
    let batch = hostile();
    let batches = [batch.clone(), batch.slice(2, 3)];
    let same = |read: Vec<RecordBatch>| {
        assert_eq!(read.len(), 2);
        for (read, batch) in read.iter().zip(&batches) {
            assert_eq!(*read.column(0).data_type(), DataType::Utf8);
            assert_eq!(*read.column(4).data_type(), DataType::Binary);
            for (read, column) in read.columns().iter().zip(batch.columns()) {
                assert_eq!(&arrow::compute::cast(read, column.data_type()).unwrap(), column);
            }
        }
    };
    let options = SinkOptions::new(OutputFormat::Arrow);
    let stream = to_bytes(&options, &batches);
    same(StreamReader::try_new(&stream[..], None).unwrap().map(Result::unwrap).collect());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.arrow");
    let mut sink = create(Output::file(&path), batch.schema(), &options).unwrap();
    batches.iter().for_each(|batch| sink.write(batch).unwrap());
    let finished = sink.finish().unwrap();
    assert_eq!(finished.bytes, std::fs::metadata(&path).unwrap().len());
    assert_eq!(finished.files, std::slice::from_ref(&path));
    same(
        FileReader::try_new(std::fs::File::open(&path).unwrap(), None).unwrap().map(Result::unwrap).collect(),
    );
}

#[cfg(feature = "ipc")]
#[test]
fn ipc_does_not_write_the_shared_chunk() {
    let chunk = arrow::buffer::Buffer::from(vec![b'x'; 1 << 20]);
    let mut column = arrow::array::StringViewBuilder::new();
    let block = column.append_block(chunk);
    column.try_append_view(block, 0, 20).unwrap();
    let column: ArrayRef = Arc::new(column.finish());
    let batch = RecordBatch::try_from_iter([("a", column.clone()), ("b", column)]).unwrap();
    assert!(to_bytes(&SinkOptions::new(OutputFormat::Arrow), &[batch]).len() < 4096);
}

fn formats() -> impl Iterator<Item = OutputFormat> {
    [
        (OutputFormat::Parquet, cfg!(feature = "parquet")),
        (OutputFormat::Arrow, cfg!(feature = "ipc")),
        (OutputFormat::Ndjson, cfg!(feature = "ndjson")),
        (OutputFormat::Csv, cfg!(feature = "csv")),
    ]
    .into_iter()
    .filter_map(|(format, compiled)| compiled.then_some(format))
}

#[test]
fn files_appear_at_the_end_or_never() {
    for format in formats() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let options = SinkOptions::new(format);
        let create =
            |overwrite| create(Output::File { path: path.clone(), overwrite }, hostile().schema(), &options);
        let count = || std::fs::read_dir(dir.path()).unwrap().count();

        let mut sink = create(false).unwrap();
        sink.write(&hostile()).unwrap();
        assert!(!path.exists() && count() == 1, "{format:?}");
        drop(sink);
        assert_eq!(count(), 0, "{format:?}");

        let mut sink = create(false).unwrap();
        sink.write(&hostile()).unwrap();
        sink.finish().unwrap();
        assert!(path.exists() && count() == 1, "{format:?}");

        let error = create(false).err().unwrap();
        assert!(error.to_string().contains("--overwrite"), "{error}");
        let before = std::fs::metadata(&path).unwrap().len();
        create(true).unwrap().finish().unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < before && count() == 1, "{format:?}");
    }
}

#[test]
fn a_reader_that_is_gone_is_recognised() {
    for format in formats() {
        for room in [0, 10, 1000] {
            let shared = Shared { room: Some(room), ..Shared::default() };
            let batch = hostile();
            let run = || {
                let mut sink = create(
                    Output::Writer(Box::new(shared.clone())),
                    batch.schema(),
                    &SinkOptions::new(format),
                )?;
                for _ in 0..100 {
                    sink.write(&batch)?;
                }
                sink.finish()
            };
            let error = run().unwrap_err();
            assert_eq!(
                error.io_error().map(io::Error::kind),
                Some(io::ErrorKind::BrokenPipe),
                "{format:?}: {error}"
            );
        }
    }
}

#[test]
fn other_columns_are_refused() {
    for format in formats() {
        let batch = hostile();
        let writer = Output::Writer(Box::new(Shared::default()));
        let mut sink = create(writer, batch.schema(), &SinkOptions::new(format)).unwrap();
        sink.write(&batch).unwrap();
        let error = sink.write(&batch.project(&[0, 1]).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sink);
        assert!(error.to_string().contains("other columns"), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_by_every_format() {
    for format in formats() {
        let output = Output::File { path: "/dev/full".into(), overwrite: true };
        let run = || {
            let mut sink = create(output, hostile().schema(), &SinkOptions::new(format))?;
            sink.write(&hostile())?;
            sink.finish()
        };
        let error = run().unwrap_err();
        assert!(error.to_string().starts_with("/dev/full: the disk is full"), "{format:?}: {error}");
    }
}
