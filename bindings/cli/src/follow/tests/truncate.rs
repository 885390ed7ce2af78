//! Files that are copied and truncated, and those of which no copy is left.

use super::*;

#[test]
fn copied_and_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\ntw");
    stage.expect(&["one\n"]);
    stage.append("a.log", "o\nthree\nfour");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&["one\ntwo\nthree\nfour", "new\n"]);
    assert!(stage.gaps.is_empty());
    // A copy in the place of the older one.
    stage.append("a.log", "newer\n");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "newest\n");
    stage.expect(&["one\ntwo\nthree\nfour", "new\nnewer\n", "newest\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn truncated_and_longer_than_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", &lines(0..2));
    stage.expect(&[&lines(0..2)]);
    stage.append("a.log", &lines(2..4));
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", &lines(100..200));
    stage.expect(&[&lines(0..4), &lines(100..200)]);
    // The same length, and the same first bytes.
    let long = lines(1000..3000);
    stage.append("a.log", &long);
    stage.drain();
    let (head, rest) = long.split_at(9000);
    let copy = fs::read(stage.path("a.log")).unwrap();
    stage.append("a.log", &lines(3000..3002));
    stage.copy_and_truncate("a.log", "a.log.1");
    let changed = [&copy[..copy.len() - rest.len()], rest.replace("line", "LINE").as_bytes()].concat();
    append(&stage.path("a.log"), &changed);
    stage.drain();
    assert_eq!(stage.texts()[1], [&lines(100..200), head, rest, &lines(3000..3002)].concat());
    assert_eq!(stage.texts()[2].as_bytes(), changed);
    assert!(stage.gaps.is_empty());
}

#[test]
fn copied_truncated_and_compressed_between_two_looks() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", &lines(0..2000));
    stage.drain();
    stage.append("a.log", &lines(2000..3000));
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.compress("a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&[&lines(0..3000), "new\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn truncated_without_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\ntw");
    stage.drain();
    stage.append("a.log", "o\n");
    fs::write(stage.path("a.log"), "new\n").unwrap();
    stage.expect(&["one\ntw", "new\n"]);
    let file = stage.path("a.log").to_str().unwrap().into();
    assert_eq!(stage.gaps, [Gap { source: stage.order[0], file, offset: 6, at_least: 0 }]);
    assert_eq!(stage.unended, [stage.order[0]]);
}

#[test]
fn truncated_before_the_first_line_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "beginning");
    stage.expect(&[]);
    stage.append("a.log", " and end\n");
    stage.copy_and_truncate("a.log", "a.log.1");
    stage.append("a.log", "other");
    stage.expect(&["beginning and end\n"]);
    fs::write(stage.path("a.log"), "new\n").unwrap();
    stage.drain();
    let mut texts = stage.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["beginning and end\n", "new\n", "other"]);
    assert_eq!(stage.gaps.len(), 1);
}

#[test]
fn a_writer_that_does_not_append() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.drain();
    let mut writer = File::create(stage.path("a.log")).unwrap();
    writer.write_all(lines(0..20_000).as_bytes()).unwrap();
    stage.drain();
    stage.copy_and_truncate("a.log", "a.log.1");
    writer.write_all(b"new\n").unwrap();
    let follower = stage.follower.as_mut().unwrap();
    let Poll::Lines(new) = follower.poll(stage.now).unwrap() else { panic!() };
    assert_eq!((&new.bytes[..], new.offset), (&b"new\n"[..], lines(0..20_000).len() as u64));
    assert!(matches!(follower.poll(stage.now).unwrap(), Poll::Idle));
}
