//! Files that get another name, or go: renamed, deleted, compressed, replaced.

use super::*;

#[test]
fn renamed_and_written_to_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a.log", "two\n");
    stage.rename("a.log", "a.log.1");
    stage.expect(&["one\ntwo\n"]);
    stage.append("a.log", "new\n");
    stage.append("a.log.1", "three\n");
    stage.expect(&["one\ntwo\nthree\n", "new\n"]);
    stage.wait_for_all();
    stage.append("a.log.1", "four\nfi");
    stage.expect(&["one\ntwo\nthree\nfour\n", "new\n"]);
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\nfour\nfi", "new\n"]);
    assert_eq!(stage.unended, [stage.order[0]]);
    stage.rename("a.log.1", "a.log.2");
    stage.append("a.log.2", "ve\n");
    stage.expect(&["one\ntwo\nthree\nfour\nfive\n", "new\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn renamed_twice_between_two_looks() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a.log", "two\n");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "between\n");
    stage.rename("a.log.1", "a.log.2");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "new\n");
    stage.expect(&["one\ntwo\n", "between\n", "new\n"]);
}

#[test]
fn what_was_rotated_before_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.append("a.log.1", "old\n");
    stage.append("a.log.2", "older\n");
    stage.compress("a.log.2");
    stage.append("a.log", "one\n");
    stage.start();
    stage.expect(&["one\n"]);
    stage.rename("a.log.2.gz", "a.log.3.gz");
    stage.compress("a.log.1");
    stage.rename("a.log.1.gz", "a.log.2.gz");
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "two\n");
    stage.expect(&["one\n", "two\n"]);
    stage.wait_for_all();
    stage.expect(&["one\n", "two\n"]);
}

#[test]
fn deleted_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.drain();
    let mut writer = OpenOptions::new().append(true).open(stage.path("a.log")).unwrap();
    writer.write_all(b"two\n").unwrap();
    stage.remove("a.log");
    stage.expect(&["one\ntwo\n"]);
    writer.write_all(b"three\nfou").unwrap();
    stage.expect(&["one\ntwo\nthree\n"]);
    stage.append("a.log", "new\n");
    writer.write_all(b"r\nfi").unwrap();
    stage.expect(&["one\ntwo\nthree\nfour\n", "new\n"]);
    stage.wait_for_all();
    stage.expect(&["one\ntwo\nthree\nfour\nfi", "new\n"]);
    assert!(stage.gaps.is_empty());
    // Nothing is kept of what is over.
    assert_eq!(stage.follower.as_ref().unwrap().tails.len(), 1);
}

#[test]
fn compressed_after_rotation() {
    let dir = tempfile::tempdir().unwrap();
    for input in ["a.log", "a.log*", "."] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::started(&dir, &[input]);
        stage.append("a.log", "one\n");
        stage.drain();
        stage.append("a.log", "two\nthr");
        stage.rename("a.log", "a.log.1");
        stage.append("a.log", "new\n");
        stage.compress("a.log.1");
        stage.expect(&["one\ntwo\n", "new\n"]);
        stage.wait_for_all();
        stage.expect(&["one\ntwo\nthr", "new\n"]);
        stage.rename("a.log.1.gz", "a.log.2.gz");
        stage.wait_for_all();
        stage.expect(&["one\ntwo\nthr", "new\n"]);
        assert!(stage.gaps.is_empty());
    }
}

#[test]
fn a_compressor_takes_its_time() {
    let dir = tempfile::tempdir().unwrap();
    for input in ["a.log", "a.log*"] {
        let dir = tempfile::tempdir_in(dir.path()).unwrap();
        let mut stage = Stage::started(&dir, &[input]);
        stage.drain();
        stage.append("a.log", &lines(0..5000));
        stage.rename("a.log", "a.log.1");
        stage.append("a.log", "new\n");
        stage.drain();
        let packed = gzip(lines(0..5000).as_bytes());
        for part in packed.chunks(packed.len() / 5) {
            append(&stage.path("a.log.1.gz"), part);
            stage.wait(Duration::from_secs(1));
        }
        stage.remove("a.log.1");
        stage.wait_for_all();
        stage.drain();
        let mut texts = stage.texts();
        texts.sort_unstable();
        assert_eq!(texts, [&lines(0..5000), "new\n"]);
        assert_eq!((stage.gaps.len(), stage.troubles.len()), (0, 0));
    }
}

#[test]
fn replaced_by_a_longer_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.drain();
    for text in ["one\ntwo\n", "one\ntwo\nthree\n"] {
        stage.append("new", text);
        stage.rename("new", "a.log");
        stage.expect(&[text]);
    }
    stage.wait_for_all();
    stage.append("new", "other\n");
    stage.rename("new", "a.log");
    stage.expect(&["one\ntwo\nthree\n", "other\n"]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn what_is_only_called_so_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::started(&dir, &["a.log"]);
    stage.append("a.log", "one\n");
    stage.expect(&["one\n"]);
    stage.append("a-2.log", "another server\n");
    stage.expect(&["one\n"]);
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "two\n");
    stage.append("a-2.log", "and more\n");
    stage.expect(&["one\n", "two\n"]);
}
