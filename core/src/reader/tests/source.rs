//! Inputs of every kind, whole and damaged.

use std::io::Write;

use super::*;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Lines of which no two are the same, so that they do not compress to nothing.
fn log(lines: usize) -> String {
    let hash = |line: usize| line.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..lines).map(|line| COMMON.replace("GET /", &format!("GET /{:x}", hash(line)))).collect()
}

fn failing(text: &str, error: io::ErrorKind) -> Source {
    Source::reader(Slow { text: text.into(), at: 0, piece: 1000, error: Some(error) }).with_name("failing")
}

#[test]
fn members_of_a_compressed_input_are_one_log() {
    // The second member begins in the middle of a line.
    let log = log(20_000);
    let (first, second) = log.split_at(log.len() / 2 + 17);
    let packed = [gzip(first), gzip(second), vec![0; 100]].concat();
    let options = ParseOptions::new().with_extras("line,byte_offset,raw,file".parse().unwrap());
    for jobs in [1, 3] {
        let builder = ReaderBuilder::new().with_options(options.clone()).with_jobs(jobs);
        let given = read(builder, vec![memory("a.gz", &packed), memory("b", &log)]);
        assert_eq!((given.kind(), given.rows(), given.summary.rejected), (None, 40_000, 0));
        let found: Vec<Row> = given.batches.iter().flat_map(rows).collect();
        let (one, two) = found.split_at(20_000);
        for (one, two) in one.iter().zip(two) {
            assert_eq!((one.1, one.2, &one.3), (two.1, two.2, &two.3));
        }
        assert_eq!((one[0].0.as_str(), two[0].0.as_str()), ("a.gz", "b"));
        assert_eq!(given.summary.bytes_in, (packed.len() + log.len()) as u64);
        assert_eq!(given.summary.bytes_parsed, 2 * log.len() as u64);
    }
}

#[test]
fn what_comes_before_damage_is_given() {
    let log = log(30_000);
    let packed = gzip(&log);
    for (cut, forced) in [(packed.len() / 2, true), (packed.len() / 2, false), (400, true), (400, false)] {
        for jobs in [1, 3] {
            let mut options = ParseOptions::new();
            if forced {
                options = options.with_format(LogFormat::common());
            }
            let builder = ReaderBuilder::new().with_options(options).with_jobs(jobs);
            let given = read(
                builder,
                vec![memory("whole", COMMON), memory("cut.gz", &packed[..cut]), memory("never", COMMON)],
            );
            assert_eq!(given.kind(), Some(ErrorKind::Compression));
            assert!(given.text().starts_with("cut.gz: the gzip data ends early"), "{}", given.text());
            // Whole lines, and only whole ones: the last may look like one and lack a digit of its size.
            let reached = given.error.as_ref().unwrap().offset().unwrap() as usize;
            let whole = log[..reached].matches('\n').count();
            assert_eq!((given.rows(), given.summary.rejected), (1 + whole, 0), "{cut}");
            assert!(whole > 3);
            assert_eq!(given.summary.files, 2);
        }
    }
}

#[test]
fn half_a_line_before_damage_is_not_taken_for_a_line() {
    let half = COMMON.replace("200 5\n", "200 62");
    for forced in [true, false] {
        let mut options = ParseOptions::new();
        if forced {
            options = options.with_format(LogFormat::common());
        }
        let builder = ReaderBuilder::new().with_options(options);
        let given = read(builder, vec![failing(&format!("{COMMON}{half}"), io::ErrorKind::ConnectionReset)]);
        assert_eq!((given.rows(), given.summary.lines, given.kind()), (1, 1, Some(ErrorKind::Io)));
    }
}

#[test]
fn an_input_that_fails_at_once_is_an_error_of_opening() {
    for text in ["", "h - - [01/Ju"] {
        for sources in [
            vec![failing(text, io::ErrorKind::TimedOut)],
            vec![memory("a", COMMON), failing(text, io::ErrorKind::TimedOut)],
        ] {
            let error = open_error(sources);
            assert_eq!((error.kind(), error.file()), (ErrorKind::Io, Some("failing")), "{error}");
        }
    }
    // Where the format is given, a later input is not looked at before its turn.
    let options = ParseOptions::new().with_format(LogFormat::common());
    let builder = ReaderBuilder::new().with_options(options);
    let given =
        read(builder, vec![memory("a", COMMON), failing("", io::ErrorKind::TimedOut), memory("b", COMMON)]);
    assert_eq!((given.rows(), given.kind(), given.summary.files), (1, Some(ErrorKind::Io), 1));
}

#[test]
fn an_input_that_fails_later_gives_its_lines_first() {
    for lines in [10, 20_000] {
        for jobs in [1, 3] {
            let builder = ReaderBuilder::new().with_jobs(jobs);
            let given = read(
                builder,
                vec![memory("a", COMMON), failing(&log(lines), io::ErrorKind::TimedOut), memory("b", COMMON)],
            );
            assert_eq!(
                (given.rows(), given.kind(), given.summary.files),
                (1 + lines, Some(ErrorKind::Io), 2)
            );
            assert!(given.text().contains("failing"), "{}", given.text());
        }
    }
}

#[test]
fn what_cannot_be_opened_twice_is_read_in_any_position() {
    let log = log(10_000);
    let pipe = || Source::reader(Slow { text: log.clone().into(), at: 0, piece: 4096, error: None });
    let given = read(ReaderBuilder::new(), vec![memory("a", COMMON), pipe(), memory("b", COMMON), pipe()]);
    assert_eq!((given.rows(), given.summary.rejected, given.summary.files), (20_002, 0, 4));
}

#[test]
#[cfg(unix)]
fn a_named_pipe_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let (file, pipe) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::write(&file, COMMON).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let log = log(10_000);
    let writer = std::thread::spawn({
        let (pipe, log) = (pipe.clone(), log.clone());
        move || std::fs::write(pipe, log)
    });
    let reader = ReaderBuilder::new().open([&file, &pipe]).unwrap();
    assert_eq!(reader.progress().total(), None);
    let given = drain(reader);
    writer.join().unwrap().unwrap();
    assert_eq!((given.rows(), given.summary.rejected), (10_001, 0));
    assert_eq!(given.summary.bytes_in, (COMMON.len() + log.len()) as u64);
}

#[test]
fn a_name_that_was_given_stays() {
    let folder = tempfile::tempdir().unwrap();
    let sources = ["one", "two"].map(|name| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{COMMON}nonsense\n")).unwrap();
        Source::path(path).with_name(format!("s3://bucket/{name}"))
    });
    let options = ParseOptions::new().with_extras("line,byte_offset,raw,file".parse().unwrap());
    let (rejects, on_reject) = collector();
    let given = read(ReaderBuilder::new().with_options(options).with_rejects(on_reject), sources.into());
    let found: Vec<String> = given.batches.iter().flat_map(rows).map(|row| row.0).collect();
    assert_eq!(found, ["s3://bucket/one", "s3://bucket/two"]);
    assert_eq!(rejects.lock().unwrap()[1].file.as_deref(), Some("s3://bucket/two"));
}

#[test]
fn files_are_read_in_the_order_of_their_names_and_progress_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let size = 3 * COMMON.len() as u64;
    for name in ["b", "a", "c"] {
        std::fs::write(folder.path().join(name), COMMON.replace("h -", &format!("{name} -")).repeat(3))
            .unwrap();
    }
    let mut reader = ReaderBuilder::new().open([folder.path().join("?")]).unwrap();
    let progress = reader.progress();
    assert_eq!((progress.total(), reader.summary().bytes_in), (Some(3 * size), progress.bytes_read()));
    let hosts: Vec<String> = reader
        .by_ref()
        .flat_map(|batch| {
            let batch = batch.unwrap();
            let hosts = batch.column_by_name("host").unwrap().as_string_view().clone();
            hosts.iter().flatten().map(ToOwned::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(hosts.concat(), "aaabbbccc");
    assert_eq!((progress.bytes_read(), reader.summary().bytes_in), (3 * size, 3 * size));
}

#[test]
fn many_small_inputs_do_not_keep_much_memory() {
    let given = read(ReaderBuilder::new(), (0..500).map(|_| memory("a", COMMON)).collect());
    assert_eq!((given.rows(), given.batches.len()), (500, 500));
    let kept: usize = given
        .batches
        .iter()
        .map(|batch| batch.column_by_name("host").unwrap().get_buffer_memory_size())
        .sum();
    assert!(kept < 500 * 1024, "{kept}");
}

#[test]
fn someone_can_watch_where_nothing_is_given() {
    let mut seen = 0;
    let mut reader = ReaderBuilder::new()
        .with_options(ParseOptions::new().with_format(LogFormat::common()).with_chunk(1 << 10))
        .with_jobs(1)
        .with_watch(move || {
            seen += 1;
            if seen > 5 { Err(Error::new(ErrorKind::Interrupted, "enough")) } else { Ok(()) }
        })
        .open_sources(vec![memory("a", "nonsense\n".repeat(100_000))])
        .unwrap();
    assert_eq!(reader.next_batch().unwrap_err().kind(), ErrorKind::Interrupted);
    assert!(reader.summary().lines < 1000);
    assert!(reader.next_batch().unwrap().is_none());
}
