//! More files than may be open.

use super::*;

const FILES: [&str; 4] = ["a.log", "b.log", "c.log", "d.log"];

/// As if nothing had changed for long: what has shows only to who looks at it.
fn age(stage: &Stage) {
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for path in
        fs::read_dir(&stage.dir).unwrap().map(|entry| entry.unwrap().path()).chain([stage.dir.clone()])
    {
        File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
}

fn sorted(stage: &Stage) -> Vec<String> {
    let mut texts: Vec<String> = stage.texts().into_iter().map(str::to_owned).collect();
    texts.sort();
    texts
}

/// Four files, of which one may be open, are followed and renamed.
fn renamed(dir: &tempfile::TempDir) -> Stage {
    let mut stage = Stage::new(dir, &["*.log"]);
    stage.options.max_open = 1;
    for name in FILES {
        stage.append(name, &format!("{name} 1\n"));
    }
    stage.start();
    stage.wait(Duration::from_secs(1));
    for name in FILES {
        stage.rename(name, &format!("{name}.1"));
    }
    stage.wait(Duration::from_secs(1));
    age(&stage);
    stage.wait(Duration::from_secs(1));
    stage
}

#[test]
fn what_is_written_after_a_rename_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = renamed(&dir);
    for name in FILES {
        stage.append(&format!("{name}.1"), &format!("{name} 2\n{name} 3"));
    }
    stage.wait(Duration::from_secs(1));
    assert_eq!(sorted(&stage), FILES.map(|name| format!("{name} 1\n{name} 2\n")));
    // A last line without an end is given when its writer is silent.
    age(&stage);
    stage.wait_for_all();
    assert_eq!(sorted(&stage), FILES.map(|name| format!("{name} 1\n{name} 2\n{name} 3")));
    assert!(stage.gaps.is_empty() && stage.troubles.is_empty());
}

#[test]
fn what_was_read_to_its_end_is_no_gap_when_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = renamed(&dir);
    stage.wait_for_all();
    for name in FILES {
        stage.remove(&format!("{name}.1"));
    }
    stage.wait_for_all();
    assert_eq!(sorted(&stage), FILES.map(|name| format!("{name} 1\n")));
    assert_eq!(stage.gaps, []);
    // In the end nobody knows of them any more.
    assert!(stage.follower.as_ref().unwrap().tails.is_empty());
}

#[test]
fn what_was_just_written_to_is_a_gap_when_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = renamed(&dir);
    for name in FILES {
        stage.append(&format!("{name}.1"), &format!("{name} 2\n"));
    }
    stage.wait(Duration::from_secs(1));
    for name in FILES {
        stage.remove(&format!("{name}.1"));
    }
    stage.wait(Duration::from_secs(1));
    // More may have been written to those that were not open.
    assert_eq!(stage.gaps.len(), FILES.len() - 1);
}

#[test]
fn files_are_met_some_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log"]);
    (stage.options.follow, stage.options.max_open) = (false, 2);
    stage.checkpoint = Some(stage.path("state/checkpoint"));
    let names: Vec<String> = (0..7).map(|number| format!("{number}.log")).collect();
    for name in &names {
        stage.append(name, &format!("{name} 1\n"));
        // Rotated before anybody read: of none of them it may be forgotten that it was.
        stage.append(&format!("{name}.1"), &format!("{name} 0\n"));
    }
    for _ in 0..3 {
        stage.start();
        assert!(stage.drain());
        assert_eq!(sorted(&stage), names.iter().map(|name| format!("{name} 1\n")).collect::<Vec<_>>());
        assert!(stage.gaps.is_empty() && stage.troubles.is_empty());
        stage.stop(true);
    }
}

#[test]
fn what_was_renamed_meanwhile_is_found_among_many() {
    let dir = tempfile::tempdir().unwrap();
    let mut stage = Stage::new(&dir, &["*.log"]);
    stage.options.max_open = 1;
    stage.checkpoint = Some(stage.path("state/checkpoint"));
    for name in FILES {
        stage.append(name, &format!("{name} 1\n"));
    }
    stage.start();
    stage.wait(Duration::from_secs(1));
    stage.stop(true);
    for name in FILES {
        stage.append(name, &format!("{name} 2\n"));
        stage.rename(name, &format!("{name}.1"));
        stage.compress(&format!("{name}.1"));
    }
    stage.start();
    stage.wait(Duration::from_secs(1));
    assert_eq!(stage.gaps, []);
    assert_eq!(sorted(&stage), FILES.map(|name| format!("{name} 1\n{name} 2\n")));
}
