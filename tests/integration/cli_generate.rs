//! `nasalogs generate`.

use nasalogs::generate::{GenerateOptions, Traffic};

use crate::cli::{Place, lines, log, nasalogs, stderr};

#[test]
fn writes_what_the_crate_makes() {
    let place = Place::new();
    stderr(place.run(&["generate", "--lines", "5k", "-o", "access.log"]), 0);
    assert!(place.read("access.log").as_bytes() == lines(5000));
    // Made again, it replaces what was there.
    stderr(place.run(&["generate", "--lines", "5", "-o", "access.log"]), 0);
    assert!(place.read("access.log").as_bytes() == lines(5));
    assert_eq!(place.names(), ["access.log"]);
}

#[test]
fn every_option_counts() {
    let arguments = [
        "generate",
        "--lines",
        "2_000",
        "--seed",
        "9",
        "--format",
        "combined",
        "--start",
        "10/Oct/2000:13:55:36 -0700",
        "--oddities",
        "25%",
    ];
    let assert = nasalogs(&arguments).assert().success();
    let options = GenerateOptions::new()
        .with_lines(2000)
        .with_seed(9)
        .with_traffic(Traffic::Combined)
        .with_start(971_211_336_000, -420)
        .with_oddities(0.25);
    assert!(assert.get_output().stdout == log(options).0);
    assert!(assert.get_output().stderr.is_empty());
}
