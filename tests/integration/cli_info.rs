//! The subcommands that tell something: detect, schema, doctor, bench, completions, man, and help.

use std::path::Path;

use nasalogs::LogFormat;
use nasalogs::generate::{GenerateOptions, Traffic};
use serde_json::Value;

use crate::cli::{Place, lines, log, nasalogs};

fn stdout(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

#[test]
fn detect_tells_format_and_first_line() {
    let place = Place::new();
    place.write("a.log", lines(100));
    place.write("b.log", log(GenerateOptions::new().with_lines(100).with_traffic(Traffic::Combined)).0);
    let text = stdout(&mut place.run(&["detect", "a.log", "b.log"]));
    assert!(text.starts_with("a.log: common: 100 of 100 lines fit (100 %)"), "{text}");
    assert!(text.contains("\nb.log: combined: 100 of 100 lines fit"), "{text}");
    assert!(text.contains("/images/USA-logosmall.gif") && text.contains("1995-07-01T04:00:01"), "{text}");

    let json = stdout(&mut place.run(&["detect", "--json", "a.log", "b.log"]));
    let found: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found[0]["format"], "common");
    assert_eq!(found[0]["confidence"], 1.0);
    assert_eq!(found[0]["columns"][0]["name"], "host");
    assert_eq!(found[0]["columns"][0]["first"], "161.243.56.77");
    assert_eq!(found[0]["columns"][1]["first"], Value::Null);
    assert_eq!(found[1]["columns"].as_array().unwrap().len(), LogFormat::combined().columns().count());
}

#[test]
fn detect_makes_a_hostile_line_harmless() {
    let place = Place::new();
    place.write("a.log", "h - - [01/Jul/1995:00:00:01 -0400] \"GET /\x1b[31m\x07 HTTP/1.0\" 200 5\n");
    let text = stdout(&mut place.run(&["detect", "a.log"]));
    assert!(!text.contains('\x1b') && text.contains("\\x1B[31m"), "{text:?}");
}

#[test]
fn schema_lists_the_columns() {
    for name in LogFormat::BUILT_IN {
        let text = stdout(&mut nasalogs(&["schema", "--format", name]));
        let json: Value =
            serde_json::from_str(&stdout(&mut nasalogs(&["schema", "--json", "--format", name]))).unwrap();
        let format = LogFormat::built_in(name).unwrap();
        let columns = json["columns"].as_array().unwrap();
        assert_eq!(columns.len(), format.columns().count());
        for (row, column) in columns.iter().zip(format.columns()) {
            assert_eq!(row["name"], column.name.as_ref());
            assert_eq!(row["nullable"], column.nullable);
            assert!(text.contains(column.doc.as_ref()));
        }
    }
    let custom = stdout(&mut nasalogs(&["schema", "--format", "%h %t %D"]));
    assert!(custom.contains("duration_us") && custom.contains("int64"), "{custom}");
}

#[test]
fn doctor_names_the_backend_that_is_used() {
    let text = stdout(nasalogs(&["doctor"]).env("NASALOGS_SIMD", "scalar"));
    assert!(text.contains("scalar (used)") && text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    let json: Value = serde_json::from_str(&stdout(&mut nasalogs(&["doctor", "--json"]))).unwrap();
    let backends = json["backends"].as_array().unwrap();
    assert!(
        backends.iter().any(|backend| backend["name"] == json["backend"] && backend["available"] == true)
    );
}

#[test]
fn bench_measures_every_backend() {
    let place = Place::new();
    place.write("a.log", lines(1000));
    let json: Value = serde_json::from_str(&stdout(&mut place.run(&["bench", "a.log", "--json"]))).unwrap();
    assert_eq!((&json["lines"], &json["rows"]), (&Value::from(1000), &Value::from(1000)));
    let results = json["results"].as_array().unwrap();
    for backend in nasalogs::Backend::available() {
        for task in ["index", "parse to Arrow"] {
            let measured =
                results.iter().find(|r| r["task"] == task && r["backend"] == backend.name()).unwrap();
            assert!(measured["gb_per_second"].as_f64().unwrap() > 0.0);
        }
    }
    assert!(results.iter().any(|r| r["task"] == "memcpy"));
    let text = stdout(&mut place.run(&["bench", "a.log"]));
    assert!(text.contains("memchr newline count") && text.contains("ns/line"), "{text}");
}

#[test]
fn completions_and_manual_know_all_subcommands() {
    let subcommands =
        ["convert", "compact", "detect", "schema", "generate", "bench", "doctor", "completions", "man"];
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&mut nasalogs(&["completions", shell]));
        assert!(subcommands.iter().all(|name| script.contains(name)), "{shell}");
    }
    let page = stdout(&mut nasalogs(&["man"]));
    assert!(subcommands.iter().all(|name| page.contains(&format!("nasalogs\\-{name}"))), "{page}");
    assert!(page.starts_with(".ie"), "a manual page: {page}");
}

#[test]
fn the_documentation_is_what_the_command_line_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == stdout(&mut nasalogs(&["docs-markdown"])),
        "run `make docs` to renew {}",
        path.display()
    );
}

#[test]
fn help_tells_the_exit_codes() {
    let text = stdout(&mut nasalogs(&["--help"]));
    assert!(text.contains("Exit codes: 0 done; 1"), "{text}");
    assert!(!text.contains("docs-markdown"), "{text}");
}
