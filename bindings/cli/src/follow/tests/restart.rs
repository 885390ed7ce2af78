//! What happens between two runs.

use super::*;

fn stage(dir: &tempfile::TempDir, inputs: &[&str]) -> Stage {
    let mut stage = Stage::new(dir, inputs);
    fs::create_dir_all(dir.path().join(".state")).unwrap();
    stage.checkpoint = Some(dir.path().join(".state/job.json"));
    stage.start();
    stage
}

/// Runs, stops, lets something happen, runs again.
fn restarted(input: &str, between: impl FnOnce(&Stage), texts: &[&str]) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = stage(&dir, &[input]);
    stage.append("a.log", &lines(0..3));
    stage.drain();
    stage.append("a.log", &lines(3..5));
    stage.stop(true);
    between(&stage);
    stage.start();
    stage.drain();
    stage.wait_for_all();
    stage.expect(texts);
    // And once more: nothing comes again.
    stage.stop(true);
    stage.start();
    stage.drain();
    stage.wait_for_all();
    stage.expect(texts);
    stage
}

#[test]
fn goes_on_where_it_was() {
    let stage =
        restarted("a.log", |stage| stage.append("a.log", "end\n"), &[&format!("{}end\n", lines(0..5))]);
    assert!(stage.gaps.is_empty());
}

#[test]
fn rotated_meanwhile() {
    for input in ["a.log", "a.log*", "."] {
        let stage = restarted(
            input,
            |stage| {
                stage.rename("a.log", "a.log.1");
                stage.append("a.log", "between\n");
                stage.rename("a.log.1", "a.log.2");
                stage.rename("a.log", "a.log.1");
                stage.append("a.log", "new\n");
            },
            &[&lines(0..5), "between\n", "new\n"],
        );
        assert!(stage.gaps.is_empty());
    }
}

#[test]
fn rotated_and_compressed_meanwhile() {
    for input in ["a.log", "a.log*", "."] {
        let stage = restarted(
            input,
            |stage| {
                stage.rename("a.log", "a.log.1");
                stage.compress("a.log.1");
                stage.append("a.log", "new\n");
            },
            &[&lines(0..5), "new\n"],
        );
        assert!(stage.gaps.is_empty());
    }
}

#[test]
fn copied_and_truncated_meanwhile() {
    for input in ["a.log", "a.log*"] {
        let stage = restarted(
            input,
            |stage| {
                stage.copy_and_truncate("a.log", "a.log.1");
                stage.append("a.log", &lines(10..30));
            },
            &[&lines(0..5), &lines(10..30)],
        );
        assert!(stage.gaps.is_empty());
    }
}

#[test]
fn gone_meanwhile() {
    let stage = restarted(
        "a.log",
        |stage| {
            stage.remove("a.log");
            stage.append("a.log", "new\n");
        },
        &[&lines(0..3), "new\n"],
    );
    let [gap] = &stage.gaps[..] else { panic!("{:?}", stage.gaps) };
    assert_eq!((gap.source, gap.offset, gap.at_least), (stage.order[0], 21, 0));
}

#[test]
fn what_was_not_acknowledged_comes_again_under_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = stage(&dir, &["a.log"]);
    stage.acknowledges = false;
    stage.append("a.log", &lines(0..5));
    stage.drain();
    stage.follower.as_mut().unwrap().acknowledge(stage.order[0], 14);
    stage.append("a.log", &lines(5..7));
    stage.drain();
    // Killed: the id was saved before any line was given, the offset was not.
    stage.stop(false);
    stage.start();
    stage.expect(&[&lines(0..7)]);
    stage.follower.as_mut().unwrap().acknowledge(stage.order[0], 21);
    stage.stop(true);
    stage.start();
    let Poll::Lines(again) = stage.follower.as_mut().unwrap().poll(stage.now).unwrap() else { panic!() };
    assert_eq!((again.source, again.offset), (stage.order[0], 21));
}

#[test]
fn rotated_before_the_first_run_stays_unread() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log"]);
    stage.checkpoint = Some(dir.path().join(".job.json"));
    stage.append("a.log.1", "old\n");
    stage.append("a.log", "one\n");
    stage.start();
    stage.expect(&["one\n"]);
    stage.stop(true);
    stage.compress("a.log.1");
    stage.rename("a.log.1.gz", "a.log.2.gz");
    stage.rename("a.log", "a.log.1");
    stage.start();
    stage.expect(&["one\n"]);
    stage.append("a.log", "two\n");
    stage.expect(&["one\n", "two\n"]);
}

#[test]
fn once_and_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["a.log", "b.gz"]);
    stage.checkpoint = Some(dir.path().join(".job.json"));
    stage.options.follow = false;
    stage.append("a.log", "one\n");
    fs::write(stage.path("b.gz"), gzip(b"packed\n")).unwrap();
    for texts in [["one\n", "packed\n"], ["one\ntwo\n", "packed\n"], ["one\ntwo\ntwo\n", "packed\n"]] {
        stage.start();
        assert!(stage.drain());
        assert_eq!(stage.texts(), texts);
        stage.stop(true);
        stage.append("a.log", "two\n");
    }
    stage.rename("a.log", "a.log.1");
    stage.append("a.log", "new\n");
    stage.start();
    assert!(stage.drain());
    assert_eq!(stage.texts(), ["one\ntwo\ntwo\ntwo\n", "packed\n", "new\n"]);
    assert!(stage.gaps.is_empty() && stage.troubles.is_empty());
}

#[test]
fn other_inputs_keep_what_is_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = stage(&dir, &["a.log", "b.log"]);
    stage.append("a.log", "a1\n");
    stage.append("b.log", "b1\n");
    stage.drain();
    stage.stop(true);
    let both = stage.inputs.clone();
    stage.inputs.pop();
    stage.append("a.log", "a2\n");
    stage.append("b.log", "b2\n");
    stage.start();
    stage.expect(&["a1\na2\n", "b1\n"]);
    stage.stop(true);
    stage.inputs = both;
    stage.start();
    stage.expect(&["a1\na2\n", "b1\nb2\n"]);
    assert!(stage.gaps.is_empty());
}
