//! `nasalogs ddl`: a definition for each engine, and what it refuses.

use serde_json::Value;

use crate::cli::{nasalogs, stderr};

const LAKE: [&str; 2] = ["--location", "s3://lake/access"];

fn ddl(engine: &str, more: &[&str]) -> String {
    let arguments = [&["ddl", "--as", engine], &LAKE[..], more].concat();
    String::from_utf8(nasalogs(&arguments).assert().success().get_output().stdout.clone()).unwrap()
}

#[test]
fn every_engine_gets_the_columns_of_the_format() {
    for engine in ["athena", "glue", "spark", "duckdb", "cloudformation"] {
        let text = ddl(engine, &["--format", "vhost_combined"]);
        for column in ["vhost_port", "authuser", "user_agent", "line_id"] {
            assert!(text.contains(column), "{engine}: {text}");
        }
        assert!(text.contains("s3://lake/access/"), "{engine}: {text}");
    }
}

#[test]
fn names_days_and_further_columns() {
    let text =
        ddl("athena", &["--database", "logs", "--table", "web", "--since", "2026-02-01", "--with", "file"]);
    assert!(text.starts_with("CREATE EXTERNAL TABLE IF NOT EXISTS logs.web ("), "{text}");
    assert!(text.contains("'projection.dt.range' = '2026-02-01,NOW+1DAYS'"), "{text}");
    assert!(text.contains("  file string COMMENT"), "{text}");
    let glue: Value = serde_json::from_str(&ddl("glue", &["--partition", "none"])).unwrap();
    assert_eq!(glue["PartitionKeys"], Value::Array(Vec::new()));
    assert_eq!(glue["Parameters"]["projection.enabled"], Value::Null);
}

#[test]
fn what_no_engine_takes_is_refused() {
    for (arguments, says) in [
        (&["--as", "hive", "--location", "s3://lake/"][..], "invalid value 'hive'"),
        (&["--as", "athena", "--location", "/lake"], "is not in S3"),
        (&["--as", "spark", "--location", "/lake", "--table", "Web"], "cannot be the name of a table"),
        (&["--as", "spark", "--location", "/lake", "--since", "today"], "is no day"),
        (&["--as", "glue", "--location", "s3://${Lake}/"], "names no bucket"),
        (&["--as", "athena"], "--location"),
    ] {
        let text = stderr(nasalogs(&[&["ddl"], arguments].concat()), 2);
        assert!(text.contains(says), "{text}");
    }
}
