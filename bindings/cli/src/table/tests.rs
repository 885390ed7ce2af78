//! Tables in directories: no line is lost and none comes twice, however lines come and runs end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use nasalogs::RejectReason;
use nasalogs::arrow::array::AsArray;
use nasalogs::arrow::datatypes::{Int64Type, TimestampMillisecondType};
use nasalogs::envelope::LineId;
use nasalogs::generate::{GenerateOptions, Generator};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::follow::Part;
use crate::object::{Access, Location};

const SOURCE: SourceId = SourceId(0xfeed);

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(u64, String, RejectReason)>>>);

impl RejectSink for Kept {
    fn add(&mut self, source: SourceId, reject: Reject) -> Result<()> {
        assert_eq!(source, SOURCE);
        self.0.lock().unwrap().push((reject.offset, reject.text(), reject.reason));
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

fn depot(dir: &Path) -> Depot {
    Depot::open(&Location::Directory(dir.to_owned()), &Access::default()).unwrap()
}

struct Run {
    table: Table,
    rejects: Kept,
    acknowledged: u64,
    now: Instant,
}

impl Run {
    fn open(dir: &Path, options: Options) -> Self {
        let rejects = Kept::default();
        let table = Table::open(depot(dir), options, Box::new(rejects.clone())).unwrap();
        Self { table, rejects, acknowledged: 0, now: Instant::now() }
    }

    fn lines(offset: usize, bytes: &[u8], part: Part) -> Lines {
        let bytes = Bytes::copy_from_slice(bytes);
        Lines { source: SOURCE, file: "a.log".into(), offset: offset as u64, bytes, part }
    }

    fn push(&mut self, offset: usize, bytes: &[u8], part: Part) -> Result<()> {
        let mut lines = Self::lines(offset, bytes, part);
        loop {
            let taken = self.table.push(&lines, self.now)?;
            lines = Self::lines(lines.offset as usize + taken, &lines.bytes[taken..], part);
            if lines.bytes.is_empty() {
                return Ok(());
            }
            self.table.wait(Duration::from_secs(60))?;
        }
    }

    /// Waits until everything is visible that will be.
    fn finish(&mut self, rest: Rest) -> Result<()> {
        self.table.drain(rest);
        while !self.table.is_empty() {
            self.table.tick(self.now)?;
            self.table.wait(Duration::from_secs(60))?;
        }
        Ok(())
    }

    /// Pushes whole lines from an offset on, some bytes of them at a time.
    fn push_all(&mut self, log: &[u8], from: usize, piece: usize) -> Result<()> {
        let mut at = from;
        while at < log.len() {
            let most = (at + piece).min(log.len());
            let end = memchr::memrchr(b'\n', &log[at..most])
                .or_else(|| memchr::memchr(b'\n', &log[at..]))
                .map_or(log.len(), |newline| at + newline + 1);
            self.push(at, &log[at..end], Part::Lines)?;
            at = end;
        }
        Ok(())
    }

    fn take(&mut self) -> u64 {
        for (source, offset) in self.table.acknowledged() {
            assert_eq!(source, SOURCE);
            assert!(offset > self.acknowledged);
            self.acknowledged = offset;
        }
        self.acknowledged
    }

    /// The checkpoint is saved, and the run over.
    fn close(mut self) -> Counts {
        let offset = self.take();
        self.table.saved(SOURCE, offset);
        let counts = *self.table.counts();
        self.table.close().unwrap();
        counts
    }
}

/// The rows of a table: ids, with the day they lie in, the time and the bytes. An id that comes twice is an error.
fn rows(dir: &Path) -> BTreeMap<u64, (String, i64, Option<i64>)> {
    let mut rows = BTreeMap::new();
    for day in fs::read_dir(dir).unwrap().map(|day| day.unwrap()) {
        let name = day.file_name().into_string().unwrap();
        if !name.starts_with("dt=") || !day.path().is_dir() {
            assert!(name.starts_with('_') || !day.path().is_dir(), "{name}");
            continue;
        }
        for file in fs::read_dir(day.path()).unwrap() {
            let file = fs::File::open(file.unwrap().path()).unwrap();
            for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                let batch = batch.unwrap();
                assert!(batch.column_by_name("byte_offset").is_none());
                let ids = batch.column_by_name("line_id").unwrap().as_string::<i32>();
                let ts = batch.column_by_name("ts").unwrap().as_primitive::<TimestampMillisecondType>();
                let bytes = batch.column_by_name("bytes").unwrap().as_primitive::<Int64Type>();
                for row in 0..batch.num_rows() {
                    let id = LineId::parse(ids.value(row)).unwrap();
                    assert_eq!(id.source, SOURCE);
                    let bytes = bytes.iter().nth(row).unwrap();
                    let before = rows.insert(id.offset, (name.clone(), ts.value(row), bytes));
                    assert!(before.is_none(), "{id} comes twice");
                }
            }
        }
    }
    rows
}

/// The offsets of lines, and what they should become.
fn expected(log: &[u8]) -> BTreeMap<u64, Option<i64>> {
    let mut at = 0;
    let mut lines = BTreeMap::new();
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let mut parsed = nasalogs::records(line);
        if let Some(Ok(record)) = parsed.next() {
            lines.insert(at, record.bytes());
        }
        at += line.len() as u64;
    }
    lines
}

/// Lines of many days, in turn, with something that is no row now and then.
fn days(lines: usize, per_day: usize) -> Vec<u8> {
    let mut log = String::new();
    for line in 0..lines {
        let (day, second) = (1 + line / per_day % 28, line % 60);
        if line % 31 == 30 {
            log.push_str("what is this?\n");
        }
        log.push_str(&format!(
            "h{line} - - [{day:02}/Jul/1995:12:00:{second:02} -0400] \"GET /{line} HTTP/1.0\" 200 {line}\n"
        ));
    }
    log.into_bytes()
}

fn log(lines: u64, oddities: f64) -> Vec<u8> {
    let options = GenerateOptions::new().with_lines(lines).with_oddities(oddities).with_seed(7);
    let mut log = Vec::new();
    Generator::new(options).unwrap().write_to(&mut log).unwrap();
    log
}

fn check(dir: &Path, log: &[u8]) {
    let found: BTreeMap<u64, Option<i64>> =
        rows(dir).into_iter().map(|(at, (_, _, bytes))| (at, bytes)).collect();
    assert!(found == expected(log), "{} rows, expected {}", found.len(), expected(log).len());
}

fn small(roll_size: u64) -> Options {
    Options { roll_size, format: Some(LogFormat::common()), ..Options::default() }
}

#[test]
fn every_line_is_a_row_or_a_reject() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(5_000, 0.05);
    let mut run = Run::open(dir.path(), small(100_000));
    run.push_all(&log, 0, 7_000).unwrap();
    run.finish(Rest::Nothing).unwrap();
    assert_eq!(run.take(), log.len() as u64);
    let rejects = run.rejects.clone();
    let counts = run.close();
    check(dir.path(), &log);
    let lines = log.iter().filter(|&&byte| byte == b'\n').count() as u64;
    assert_eq!((counts.lines, counts.bytes_in, counts.files_there), (lines, log.len() as u64, 0));
    assert_eq!(counts.rows + counts.rejected + counts.blanks, lines);
    let rejects = rejects.0.lock().unwrap();
    assert!(counts.rolls > 3 && !rejects.is_empty() && rejects.len() as u64 == counts.rejected);
    for (offset, text, _) in rejects.iter() {
        let line = log[*offset as usize..].split(|&byte| byte == b'\n').next().unwrap();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert_eq!(*text, nasalogs::field::text::escape_control(line));
    }
    assert_eq!(fs::read_dir(dir.path().join("_rolls")).unwrap().count(), 0, "no notes are left");
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".tmp"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn files_are_functions_of_bytes() {
    let log = log(3_000, 0.02);
    let files = |piece: usize| {
        let dir = tempfile::tempdir().unwrap();
        let mut run = Run::open(dir.path(), small(60_000));
        run.push_all(&log, 0, piece).unwrap();
        run.finish(Rest::Later).unwrap();
        run.close();
        let mut files = BTreeMap::new();
        for path in glob::glob(&format!("{}/dt=*/*", dir.path().display())).unwrap().map(|path| path.unwrap())
        {
            let name = path.strip_prefix(dir.path()).unwrap().to_owned();
            files.insert(name, fs::read(path).unwrap());
        }
        files
    };
    let whole = files(usize::MAX >> 1);
    assert!(whole.len() > 4);
    for piece in [1, 333, 64 << 10] {
        assert!(files(piece) == whole, "{piece}");
    }
}

/// A file where a day's directory should be: the files of the days before it are put, and then the run breaks off.
fn obstruct(dir: &Path, day: &str) {
    fs::write(dir.join(day), "").unwrap();
}

#[test]
fn a_roll_that_was_begun_is_cut_again_at_the_same_place() {
    let dir = tempfile::tempdir().unwrap();
    let log = &days(2_000, 100)[..];
    let mut run = Run::open(dir.path(), small(100_000));
    obstruct(dir.path(), "dt=1995-07-04");
    let failed = run.push_all(log, 0, 100_000).and_then(|()| run.finish(Rest::Later)).unwrap_err();
    assert!(failed.to_string().contains("dt=1995-07-04"), "{failed}");
    let reached = run.take();
    drop(run);
    let before = rows(dir.path()).len();
    assert!(before > 0);
    fs::remove_file(dir.path().join("dt=1995-07-04")).unwrap();

    let mut run = Run::open(dir.path(), small(10_000));
    run.acknowledged = reached;
    run.push_all(log, reached as usize, 3_000).unwrap();
    run.finish(Rest::Nothing).unwrap();
    assert_eq!(run.take(), log.len() as u64);
    let counts = run.close();
    assert!(counts.files_there > 0, "{counts:?}");
    check(dir.path(), log);
}

#[test]
fn an_end_that_is_noted_and_not_reached_waits_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let log = days(300, 100);
    let half = memchr::memrchr(b'\n', &log[..log.len() / 2]).unwrap() + 1;
    depot(dir.path()).note(SOURCE, 0, log.len() as u64).unwrap();
    let mut run = Run::open(dir.path(), small(1_000));
    run.push_all(&log[..half], 0, 500).unwrap();
    run.now += Duration::from_secs(1_000);
    run.table.tick(run.now).unwrap();
    run.finish(Rest::Later).unwrap();
    assert_eq!(run.take(), 0, "neither size nor age end it");
    drop(run);
    // And where nothing more comes, it ends all the same.
    let mut run = Run::open(dir.path(), small(1_000));
    run.push_all(&log[..half], 0, 500).unwrap();
    run.finish(Rest::Nothing).unwrap();
    assert_eq!(run.take(), log.len() as u64);
    run.close();
    check(dir.path(), &log[..half]);
}

#[test]
fn a_line_that_has_grown_since_is_cut_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let log = &days(40, 10)[..];
    // The last line was not complete.
    let end = log.len() - 1;
    let mut run = Run::open(dir.path(), small(1 << 20));
    obstruct(dir.path(), "dt=1995-07-03");
    run.push(0, &log[..end], Part::Unended).and_then(|()| run.finish(Rest::Nothing)).unwrap_err();
    assert_eq!(run.take(), 0);
    drop(run);
    fs::remove_file(dir.path().join("dt=1995-07-03")).unwrap();
    for part in [Part::Lines, Part::Unended] {
        let grown = [log, b"more\n"].concat();
        let mut run = Run::open(dir.path(), small(100));
        run.push(0, &grown, part).unwrap();
        run.finish(Rest::Nothing).unwrap();
        assert_eq!(run.take(), grown.len() as u64);
        assert!(run.table.counts().files_there > 0);
        check(dir.path(), log);
    }
    let mut run = Run::open(dir.path(), small(1 << 20));
    depot(dir.path()).note(SOURCE, 5000, 5010).unwrap();
    drop(run);
    run = Run::open(dir.path(), small(1 << 20));
    run.push(5000, b"beginning of ", Part::Begin).unwrap();
    run.push(5013, b"a long one", Part::Middle).unwrap();
    run.push(5023, b"\n", Part::End).unwrap();
    run.finish(Rest::Nothing).unwrap();
    assert_eq!(run.take(), 5024);
    let rejects = run.rejects.0.lock().unwrap();
    let texts: Vec<(u64, &str)> = rejects.iter().map(|(offset, text, _)| (*offset, text.as_str())).collect();
    assert_eq!(texts, [(5000, "beginning "), (5010, "of a long one")]);
}

#[test]
fn what_a_killed_run_left_behind_is_removed_and_what_another_one_needs_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let staging = || {
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("_stream.")).count()
    };
    fs::create_dir(dir.path().join("_stream.killed.tmp")).unwrap();
    fs::write(dir.path().join("_stream.killed.tmp/lock"), "").unwrap();
    fs::create_dir_all(dir.path().join("_stream.early.tmp")).unwrap();
    fs::create_dir_all(dir.path().join("_stream.late.tmp/rest")).unwrap();
    let one = Run::open(dir.path(), small(5_000));
    assert_eq!(staging(), 1);
    let two = Run::open(dir.path(), small(5_000));
    assert_eq!(staging(), 2);
    one.close();
    two.close();
    assert_eq!(staging(), 0);
}

#[test]
fn two_runs_of_one_source_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = days(300, 100);
    let mut one = Run::open(dir.path(), small(5_000));
    let mut two = Run::open(dir.path(), small(6_000));
    one.push_all(&log, 0, 500).unwrap();
    one.finish(Rest::Later).unwrap();
    let error = two.push_all(&log, 0, 500).and_then(|()| two.finish(Rest::Later)).unwrap_err();
    assert!(error.to_string().contains("another run writes lines of the same source"), "{error}");
    assert_eq!(two.take(), 0);
}

#[test]
fn long_lines_gaps_and_unended_ones() {
    let dir = tempfile::tempdir().unwrap();
    let line = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
    let mut run = Run::open(dir.path(), small(1_000));
    run.push(0, line, Part::Lines).unwrap();
    run.push(100, &[b'x'; 100_000], Part::Begin).unwrap();
    run.push(100_100, &[b'y'; 500], Part::Middle).unwrap();
    run.push(100_600, b"z\r\n", Part::End).unwrap();
    run.push(200_000, line, Part::Lines).unwrap();
    run.push(200_000 + line.len(), &line[..line.len() - 1], Part::Unended).unwrap();
    run.finish(Rest::Later).unwrap();
    assert_eq!(run.take(), 200_000 + 2 * line.len() as u64 - 1);
    assert_eq!(rows(dir.path()).into_keys().collect::<Vec<_>>(), [0, 200_000, 200_000 + line.len() as u64]);
    let rejects = run.rejects.0.lock().unwrap();
    let [(100, text, RejectReason::LineTooLong)] = &rejects[..] else { panic!("{rejects:?}") };
    assert_eq!(text.len(), Reject::RAW_LIMIT);
}

#[test]
fn age_and_number_end_rolls() {
    let dir = tempfile::tempdir().unwrap();
    let line = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
    let mut run = Run::open(dir.path(), Options { max_open: 2, ..small(1 << 30) });
    assert_eq!(run.table.due(), None);
    let begun = run.now;
    run.push(0, line, Part::Lines).unwrap();
    assert_eq!(run.table.due(), Some(begun + Duration::from_secs(300)));
    run.table.tick(begun + Duration::from_secs(299)).unwrap();
    assert_eq!(run.table.waiting(), line.len() as u64);
    run.table.tick(begun + Duration::from_secs(300)).unwrap();
    assert_eq!((run.table.waiting(), run.table.due()), (0, None));
    run.finish(Rest::Later).unwrap();
    assert_eq!(run.take(), line.len() as u64);
    for source in 1..=3 {
        let lines = Lines { source: SourceId(source), ..Run::lines(0, line, Part::Lines) };
        run.table.push(&lines, begun + Duration::from_secs(source)).unwrap();
    }
    assert_eq!(run.table.waiting(), 2 * line.len() as u64, "the oldest one was ended");
    run.finish(Rest::Later).unwrap();
    let mut seen: Vec<u64> = run.table.acknowledged().iter().map(|(source, _)| source.0).collect();
    seen.sort();
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn a_note_that_ends_where_it_begins_is_refused() {
    let line = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
    for (begin, end) in [(0, 0), (100, 100), (100, 7)] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("_rolls")).unwrap();
        let note = dir.path().join(format!("_rolls/{SOURCE}-{begin:020}"));
        fs::write(&note, format!("{{\"end\":{end}}}")).unwrap();
        let mut run = Run::open(dir.path(), small(1 << 30));
        let error = run.table.push(&Run::lines(begin, line, Part::Lines), run.now).unwrap_err();
        assert!(error.to_string().contains("does not say where a roll ends"), "{error}");
        assert!(note.exists() && error.hint().is_some());
    }
}

#[test]
fn lines_of_no_format_and_of_no_encoding_end_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::open(dir.path(), Options { format: None, ..small(40) });
    let line = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
    let log = [&b"\xFF\xFEa\0\nnonsense\n\n"[..], line, b"\xEF\xBB\xBF\n\0\0\0\n\xFE\xFF\n", line].concat();
    run.push_all(&log, 0, 10).unwrap();
    run.finish(Rest::Nothing).unwrap();
    assert_eq!(run.take(), log.len() as u64);
    assert_eq!(rows(dir.path()).len(), 2);
    let counts = *run.table.counts();
    assert_eq!((counts.lines, counts.rows, counts.blanks), (8, 2, 1), "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Runs that break off at any file, and are resumed where they had acknowledged, in other pieces and sizes.
    #[test]
    fn broken_off_at_random(
        runs in prop::collection::vec((1_000_u64..90_000, 1_usize..20_000, prop::option::of(1..28_u32), any::<bool>()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let log = days(2_000, 40);
        let mut reached = 0;
        for (size, piece, obstacle, is_saved) in runs {
            let obstacle = obstacle.map(|day| format!("dt=1995-07-{day:02}"));
            let obstacle = obstacle.filter(|day| !dir.path().join(day).exists());
            if let Some(day) = &obstacle {
                obstruct(dir.path(), day);
            }
            let mut run = Run::open(dir.path(), small(size));
            run.acknowledged = reached;
            let outcome = run.push_all(&log, reached as usize, piece).and_then(|()| run.finish(Rest::Later));
            prop_assert!(outcome.is_ok() || obstacle.is_some());
            let acknowledged = run.take();
            // The checkpoint may not have been saved any more: then the same comes again.
            if is_saved {
                reached = acknowledged;
                run.table.saved(SOURCE, reached);
            }
            let _ = run.table.close();
            if let Some(day) = &obstacle {
                fs::remove_file(dir.path().join(day)).unwrap();
            }
        }
        let mut run = Run::open(dir.path(), small(25_000));
        run.acknowledged = reached;
        run.push_all(&log, reached as usize, 9_999).unwrap();
        run.finish(Rest::Nothing).unwrap();
        prop_assert_eq!(run.take(), log.len() as u64);
        check(dir.path(), &log);
    }
}
