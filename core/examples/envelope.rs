//! Packs lines of a log into the records of a stream, and unpacks records: what tools of other makers are held against.
//!
//! ```sh
//! cargo run --example envelope -- pack kpl < access.log > records.ndjson
//! cargo run --example envelope -- unpack < records.ndjson > lines.txt
//! cargo run --release --example envelope -- measure < access.log
//! ```
//!
//! A record is a JSON object a line: `data` in hexadecimal, `partition_key`, `explicit_hash_key` (decimal, or null). A
//! line that was unpacked is written as its identity (or `-`), a blank, and its bytes.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nasalogs::envelope::{
    EncodeOptions, Item, Line, LineId, RecordDecoder, RecordEncoder, RecordForm, SourceId, StreamRecord,
};

// As the command and the wheel have it: what is measured here is what they do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["pack", form] => form.parse().map_err(Into::into).and_then(|form| pack(EncodeOptions::new(form))),
        ["unpack"] => unpack(),
        ["measure"] => measure(),
        _ => Err("usage: envelope pack raw|ndjson|kpl|block | unpack | measure".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("envelope: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Encodes a log, record by record; gives how many lines were refused.
fn encode(options: EncodeOptions, log: &[u8], mut take: impl FnMut(StreamRecord)) -> u64 {
    let mut encoder = RecordEncoder::new(options);
    let (mut offset, mut refused) = (0, 0);
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let id = LineId { source: SourceId(1995), offset };
        offset += line.len() as u64;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        refused += u64::from(encoder.push(Line { bytes: line, id, end: offset, key: None }).is_err());
        while let Some(record) = encoder.next_record() {
            take(record);
        }
    }
    encoder.flush();
    while let Some(record) = encoder.next_record() {
        take(record);
    }
    refused
}

fn pack(options: EncodeOptions) -> Result {
    let mut log = Vec::new();
    io::stdin().lock().read_to_end(&mut log)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut text = String::new();
    let mut written = Ok(());
    encode(options, &log, |record| {
        text.clear();
        for byte in &record.data {
            let _ = write!(text, "{byte:02x}");
        }
        let hash_key = record.explicit_hash_key.map_or("null".to_owned(), |key| format!("\"{key}\""));
        // Without a chosen key, a partition key is an identity: there is nothing to escape.
        let result = writeln!(
            out,
            r#"{{"data":"{text}","partition_key":"{}","explicit_hash_key":{hash_key}}}"#,
            record.partition_key
        );
        if written.is_ok() {
            written = result;
        }
    });
    written?;
    Ok(out.flush()?)
}

fn unpack() -> Result {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut decoder = RecordDecoder::default();
    for line in io::stdin().lock().lines() {
        let record: serde_json::Value = serde_json::from_str(&line?)?;
        let field = |name: &str| record[name].as_str().ok_or_else(|| format!("no {name}"));
        let digits = field("data")?;
        let data = (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16));
        let data = data.collect::<Result<Vec<u8>, _>>()?;
        let mut written = Ok(());
        decoder.decode(&data, field("partition_key")?, &mut |item| {
            let (bytes, id) = match item {
                Item::Line { bytes, id } => (bytes, id),
                Item::Json { record, id } => (record.as_bytes(), id),
                other => {
                    eprintln!("envelope: {other:?}");
                    return;
                }
            };
            let id = id.map_or("-".to_owned(), |id| id.to_string());
            let line = [id.as_bytes(), b" ", bytes, b"\n"].concat();
            if written.is_ok() {
                written = out.write_all(&line);
            }
        });
        written?;
    }
    Ok(out.flush()?)
}

/// Time that this thread has spent on a processor, which others on the machine do not add to; only on Linux.
fn spent() -> Option<Duration> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counts.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The fastest of several runs.
fn fastest(mut run: impl FnMut()) -> Duration {
    let times = (0..5).map(|_| {
        let (begin, before) = (Instant::now(), spent());
        run();
        before.zip(spent()).map_or_else(|| begin.elapsed(), |(before, now)| now - before)
    });
    times.min().unwrap_or_default()
}

/// Size and time of every form on a log.
fn measure() -> Result {
    let mut out = io::stdout().lock();
    let mut log = Vec::new();
    io::stdin().lock().read_to_end(&mut log)?;
    let lines = log.iter().filter(|&&byte| byte == b'\n').count() as f64;
    let million = |time: Duration| time.as_secs_f64() / lines * 1e6;
    let ndjson = || EncodeOptions::new(RecordForm::Ndjson);
    let mut forms = vec![
        ("raw".to_owned(), EncodeOptions::new(RecordForm::Raw)),
        ("ndjson".to_owned(), ndjson()),
        ("ndjson, 100 a record".to_owned(), ndjson().with_max_objects(100)),
        ("ndjson, classic".to_owned(), ndjson().with_names(nasalogs::Names::Classic)),
        ("kpl".to_owned(), EncodeOptions::new(RecordForm::Kpl)),
        ("kpl, 25 KiB".to_owned(), EncodeOptions::new(RecordForm::Kpl).with_max_record(25 << 10)),
    ];
    for level in [1, 3, 5, 6, 9] {
        let options = EncodeOptions::new(RecordForm::Block).with_level(level);
        forms.push((format!("block, level {level}"), options));
    }
    forms.push(("block, 25 KiB".to_owned(), EncodeOptions::new(RecordForm::Block).with_max_record(25 << 10)));
    writeln!(out, "{lines} lines of {:.1} bytes", log.len() as f64 / lines)?;
    writeln!(
        out,
        "{:<22} {:>9} {:>11} {:>12} {:>17} {:>12} {:>12}",
        "form", "records", "lines/rec.", "bytes/line", "lines/shard-s", "encode s/M", "decode s/M"
    )?;
    for (name, options) in forms {
        let mut records = Vec::new();
        encode(options.clone(), &log, |record| records.push(record));
        let bytes = records.iter().map(StreamRecord::size).sum::<usize>() as f64;
        // A shard takes 1,000 records and 1 MB a second, whichever is reached first.
        let seconds = (records.len() as f64 / 1000.0).max(bytes / 1e6);
        let encoding = fastest(|| {
            encode(options.clone(), &log, |record| drop(black_box(record)));
        });
        let mut decoder = RecordDecoder::default();
        let decoding = fastest(|| {
            for record in &records {
                decoder.decode(&record.data, &record.partition_key, &mut |item| drop(black_box(item)));
            }
        });
        writeln!(
            out,
            "{name:<22} {:>9} {:>11.1} {:>12.1} {:>17.0} {:>12.3} {:>12.3}",
            records.len(),
            lines / records.len() as f64,
            bytes / lines,
            lines / seconds,
            million(encoding),
            million(decoding)
        )?;
    }
    Ok(())
}
