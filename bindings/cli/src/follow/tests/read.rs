//! What is read when, and how much at once.

use super::*;

#[test]
fn whole_lines_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.expect(&[]);
    stage.append("a.log", "");
    stage.expect(&[]);
    stage.append("a.log", "on");
    stage.expect(&[]);
    stage.append("a.log", "e\ntw");
    stage.expect(&["one\n"]);
    stage.append("a.log", "o\nthree\n");
    stage.expect(&["one\ntwo\nthree\n"]);
    stage.wait_for_all();
    stage.append("a.log", "four");
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\n"]);
    assert!(stage.gaps.is_empty() && stage.unended.is_empty());
}

#[test]
fn a_compressed_file_arrives_bit_by_bit() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["."]);
    let text = lines(0..50_000);
    let packed = gzip(text.as_bytes());
    for part in packed.chunks(packed.len() / 7) {
        append(&stage.path("a.log.gz"), part);
        stage.wait(Duration::from_secs(1));
    }
    stage.expect(&[&text]);
    stage.wait_for_all();
    stage.expect(&[&text]);
    // One that never becomes complete.
    append(&stage.path("b.log.gz"), &packed[..packed.len() / 2]);
    stage.wait_for_all();
    assert_eq!((stage.gaps.len(), stage.troubles.len()), (1, 1));
    assert!(stage.troubles[0].contains("ends early"), "{}", stage.troubles[0]);
    assert!(text.starts_with(stage.texts()[1]) && stage.texts()[1].len() > 1000);
}

#[test]
fn many_files_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log", "sub/*/x", "a.log", "."]);
    stage.options.max_open = 3;
    stage.append("a.log", "a1\n");
    stage.start();
    stage.expect(&["a1\n"]);
    fs::create_dir_all(stage.path("sub/one")).unwrap();
    stage.append("b.log", "b1\n");
    stage.append("sub/one/x", "x1\n");
    stage.append("plain", "p1\n");
    stage.append(".hidden.log", "h1\n");
    stage.wait(Duration::from_secs(1));
    let sorted = |stage: &Stage| {
        let mut texts: Vec<String> = stage.texts().into_iter().map(str::to_owned).collect();
        texts.sort();
        texts
    };
    assert_eq!(sorted(&stage), ["a1\n", "b1\n", "p1\n", "x1\n"]);
    for (name, text) in [("a.log", "a2\n"), ("plain", "p2\n"), ("b.log", "b2\n"), ("sub/one/x", "x2\n")] {
        stage.append(name, text);
    }
    stage.wait(Duration::from_secs(1));
    assert_eq!(sorted(&stage), ["a1\na2\n", "b1\nb2\n", "p1\np2\n", "x1\nx2\n"]);
    assert_eq!(stage.troubles, [""; 0]);
    let follower = stage.follower.as_ref().unwrap();
    assert!(follower.tails.values().filter(|tail| !tail.is_closed()).count() <= 3);
}

#[test]
fn every_file_has_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log"]);
    stage.options.chunk = 100;
    stage.append("a.log", &lines(0..1000));
    stage.append("b.log", &lines(0..1000));
    stage.start();
    let follower = stage.follower.as_mut().unwrap();
    let mut from = BTreeMap::new();
    for _ in 0..20 {
        if let Poll::Lines(lines) = follower.poll(stage.now).unwrap() {
            *from.entry(lines.source).or_insert(0) += 1;
        }
    }
    assert_eq!(from.values().copied().collect::<Vec<_>>(), [10, 10]);
}

#[test]
fn a_line_may_be_longer_than_memory_allows() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.options = Options { chunk: 100, max_line: 250, ..stage.options };
    let text = format!("short\n{}\nend\n", "x".repeat(5000));
    stage.append("a.log", &text);
    stage.start();
    let follower = stage.follower.as_mut().unwrap();
    let mut parts = Vec::new();
    while let Poll::Lines(lines) = follower.poll(stage.now).unwrap() {
        assert!(lines.bytes.len() <= 400);
        parts.push(lines.part);
    }
    parts.dedup();
    assert_eq!(parts, [Part::Lines, Part::Begin, Part::Middle, Part::End, Part::Lines]);
}

#[test]
fn read_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["b.log", "a*"]);
    stage.options = Options { follow: false, chunk: 64, ..Options::default() };
    stage.append("a.log", &lines(0..50));
    stage.append("a.log.1", &lines(100..150));
    stage.compress("a.log.1");
    stage.append("a.empty", "");
    stage.append("b.log", "one\ntwo");
    stage.start();
    assert!(stage.drain());
    assert_eq!(stage.texts(), ["one\ntwo", &lines(0..50), &lines(100..150)]);
    assert_eq!(stage.unended, [stage.order[0]]);
    assert!(stage.drain());
    let error = Follower::open(&[stage.path("none.log")], Options::default(), None).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
}

#[test]
fn the_end_is_found_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.options = Options { follow: false, ..Options::default() };
    stage.append("a.log", "one\n");
    // Nothing has happened for long: no look would be needed.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for path in [stage.path("a.log"), dir.path().to_owned()] {
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    stage.start();
    assert!(stage.drain());
    assert_eq!(stage.texts(), ["one\n"]);
}

#[test]
fn copies_are_sources_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log", "b.log"]);
    for name in ["a.log", "b.log"] {
        stage.append(name, "same\n");
    }
    stage.start();
    stage.expect(&["same\n", "same\n"]);
    assert_ne!(stage.order[0], stage.order[1]);
}

#[test]
fn nothing_to_do_is_found_out_cheaply() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let age = |path: &Path| File::open(path).unwrap().set_modified(long_ago).unwrap();
    let is_as_before = |stage: &Stage| stage.follower.as_ref().unwrap().is_as_before(stage.now);
    assert!(!is_as_before(&stage));
    age(&stage.path("a.log"));
    age(dir.path());
    stage.drain();
    assert!(is_as_before(&stage));
    stage.append("a.log", "two\n");
    assert!(!is_as_before(&stage));
    age(&stage.path("a.log"));
    assert!(!is_as_before(&stage));
    stage.expect(&["one\ntwo\n"]);
    stage.rename("a.log", "a.log.1");
    assert!(!is_as_before(&stage));
    stage.drain();
    age(dir.path());
    stage.drain();
    assert!(is_as_before(&stage));
    // What is no more under its name is asked for by its open file.
    stage.append("a.log.1", "three\n");
    assert!(!is_as_before(&stage));
    stage.expect(&["one\ntwo\nthree\n"]);
}

#[test]
fn more_files_than_may_be_open() {
    let dir = tempfile::tempdir().unwrap();
    for follow in [true, false] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::new(&dir, &["."]);
        stage.options = Options { follow, max_open: 2, chunk: 100, ..Options::default() };
        let mut expected = BTreeMap::new();
        for at in 0..10 {
            let text = lines(at * 1000..at * 1000 + 100);
            stage.append(&format!("plain{at}"), &text);
            fs::write(stage.path(&format!("packed{at}")), gzip(text.to_uppercase().as_bytes())).unwrap();
            expected.insert(text.to_uppercase(), ());
            expected.insert(text, ());
        }
        stage.start();
        let follower = stage.follower.as_mut().unwrap();
        let mut most = 0;
        let mut end = false;
        while !end {
            match follower.poll(stage.now).unwrap() {
                Poll::Lines(lines) => {
                    assert!(follower.oldest_unacknowledged().is_some());
                    follower.acknowledge(lines.source, lines.offset + lines.bytes.len() as u64);
                    stage.given.entry(lines.source).or_default().extend_from_slice(&lines.bytes);
                }
                Poll::End | Poll::Idle => end = true,
                step => panic!("{step:?}"),
            }
            most = most.max(follower.tails.values().filter(|tail| !tail.is_closed()).count());
        }
        assert!(most <= 4, "{most}");
        assert_eq!((follower.unread_bytes(), follower.oldest_unacknowledged()), (0, None));
        let given: BTreeMap<_, _> =
            stage.given.values().map(|text| (String::from_utf8(text.clone()).unwrap(), ())).collect();
        assert!(given == expected);
        if follow {
            stage.append("plain3", "more\n");
            stage.now += Duration::from_secs(1);
            stage.acknowledges = false;
            stage.order = stage.given.keys().copied().collect();
            stage.drain();
            assert!(stage.texts().iter().any(|text| text.ends_with("line 3099\nmore\n")));
            fs::write(stage.path("plain4"), "other\n").unwrap();
            stage.drain();
            assert!(stage.texts().contains(&"other\n"));
            assert_eq!(stage.gaps.len(), 1);
        }
    }
}

#[test]
fn copies_beside_a_file_that_is_read_once_are_not_waited_for() {
    for copy in ["a.log.gz", "a.log.1", "a.log.old", "a.log.bak"] {
        let dir = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(&dir, &["a.log"]);
        stage.options.follow = false;
        stage.checkpoint = Some(stage.path("state/checkpoint"));
        stage.append("a.log", "one\n");
        let copied = if copy.ends_with("gz") { gzip(b"one\n") } else { b"one\n".to_vec() };
        fs::write(stage.path(copy), copied).unwrap();
        for run in 1..4 {
            stage.start();
            assert!(stage.drain(), "{copy}, run {run}: no end");
            assert_eq!(stage.texts(), ["one\n"], "{copy}, run {run}");
            stage.stop(true);
        }
        assert!(stage.gaps.is_empty() && stage.troubles.is_empty());
    }
}

#[test]
fn a_file_that_changes_while_it_is_looked_at_is_looked_at_again() {
    use crate::follow::disk::Stat;
    use crate::follow::newcomer::Newcomer;
    use crate::follow::packed::Look;

    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.options.follow = false;
    stage.append("a.log", "one\n");
    stage.start();
    let path = stage.path("a.log");
    let file = File::open(&path).unwrap();
    let newcomer =
        Newcomer::new(path.clone(), file.try_clone().unwrap(), Stat::of(&file).unwrap(), stage.now);
    let look = Look::at(&file, &"a.log".into()).unwrap();
    fs::write(&path, "two\n").unwrap();
    let follower = stage.follower.as_mut().unwrap();
    let again = follower.take_in(newcomer, &look, stage.now).expect("it is something else now");
    assert!(follower.tails.is_empty());
    follower.newcomers.push(again);
    assert!(stage.drain());
    assert_eq!(stage.texts(), ["two\n"]);
}
