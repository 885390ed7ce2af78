//! A writer at full speed that rotates in every way in which nothing need be lost, and a follower beside it.

use std::collections::BTreeSet;
use std::thread;

use super::*;

const LINES: usize = 200_000;

/// Writes numbered lines, and rotates now and then.
fn write(dir: &Path) {
    let path = dir.join("a.log");
    let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut file = open();
    let (mut number, mut rotations) = (0, 0);
    while number < LINES {
        let last = LINES.min(number + 1 + number % 997);
        let text: String =
            (number..last).map(|number| format!("{number} {}\n", "y".repeat(number % 90))).collect();
        // Cut anywhere.
        let (first, second) = text.split_at(text.len() / 3);
        file.write_all(first.as_bytes()).unwrap();
        file.write_all(second.as_bytes()).unwrap();
        number = last;
        if number % 5 != 0 {
            continue;
        }
        rotations += 1;
        let rotated = dir.join(format!("a.log-{rotations}"));
        match rotations % 3 {
            0 => {
                fs::rename(&path, &rotated).unwrap();
                file.write_all(format!("{number} late\n").as_bytes()).unwrap();
                number += 1;
                file = open();
            }
            _ => {
                fs::copy(&path, &rotated).unwrap();
                file.set_len(0).unwrap();
            }
        }
        if rotations % 4 < 2 {
            let packed = dir.join(format!("a.log-{rotations}.gz"));
            fs::write(packed, gzip(&fs::read(&rotated).unwrap())).unwrap();
            fs::remove_file(&rotated).unwrap();
        }
    }
}

#[test]
fn nothing_is_lost_in_a_storm() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { follow: true, grace: Duration::from_millis(200), ..Options::default() };
    let mut follower = Follower::open(&[dir.path().join("a.log")], options, None).unwrap();
    // Rotated files are what was not there at the beginning.
    assert!(matches!(follower.poll(Instant::now()).unwrap(), Poll::Idle));
    let writer = {
        let dir = dir.path().to_owned();
        thread::spawn(move || write(&dir))
    };
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<SourceId, (u64, usize)> = BTreeMap::new();
    let mut idle = 0;
    while idle < 30 {
        match follower.next(Duration::from_millis(50)).unwrap() {
            Poll::Lines(lines) => {
                let text = std::str::from_utf8(&lines.bytes).unwrap();
                let (end, before) = last.entry(lines.source).or_default();
                assert_eq!(*end, lines.offset);
                *end += lines.bytes.len() as u64;
                for line in text.lines() {
                    let number: usize = line.split(' ').next().unwrap().parse().unwrap();
                    assert!(seen.insert(number), "{number} twice, in {}", lines.file);
                    assert!(number >= *before, "{number} after {before}");
                    *before = number;
                }
            }
            Poll::Idle if writer.is_finished() => idle += 1,
            Poll::Idle => {}
            step => panic!("{step:?}"),
        }
        if seen.len() == LINES {
            break;
        }
    }
    writer.join().unwrap();
    let missing: Vec<_> = (0..LINES).filter(|number| !seen.contains(number)).take(5).collect();
    assert_eq!(missing, [0; 0]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let mut follower = Follower::open(&[&path], Options::default(), None).unwrap();
    assert!(!follower.is_resumable());
    let writer = thread::spawn({
        let path = path.clone();
        move || {
            let mut file = OpenOptions::new().write(true).open(path).unwrap();
            for part in ["one\ntw", "o\n", "three"] {
                file.write_all(part.as_bytes()).unwrap();
                thread::yield_now();
            }
        }
    });
    let mut text = Vec::new();
    let mut sources = BTreeSet::new();
    loop {
        match follower.next(Duration::from_secs(1)).unwrap() {
            Poll::Lines(lines) => {
                assert_eq!(lines.offset as usize, text.len());
                text.extend_from_slice(&lines.bytes);
                sources.insert(lines.source);
            }
            Poll::Idle => {}
            Poll::End => break,
            step => panic!("{step:?}"),
        }
    }
    writer.join().unwrap();
    assert_eq!((text, sources.len()), (b"one\ntwo\nthree".to_vec(), 1));
}
