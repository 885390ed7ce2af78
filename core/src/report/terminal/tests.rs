//! What is shown, however odd it is.

use proptest::prelude::*;

use super::*;
use crate::report::{Account, Lines, ReportOptions, Tally, markdown};
use crate::{Decoder, LogFormat, ParseOptions};

fn report_of(log: &str, zone: &str) -> Report {
    let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::combined())).unwrap();
    let mut bytes = log.as_bytes();
    let mut tally = Tally::new(&ReportOptions::new().with_zone(zone.parse().unwrap()));
    while !bytes.is_empty() {
        bytes = &bytes[decoder.push(bytes).unwrap()..];
    }
    decoder.finish().unwrap();
    while let Some(batch) = decoder.next_batch() {
        tally.push(&batch).unwrap();
    }
    let rows = tally.requests();
    let account = Account {
        inputs: vec!["a\u{1b}[2J.log".to_owned(), "b.log".to_owned()],
        format: Some("combined".to_owned()),
        filters: vec!["--path '/a*'".to_owned()],
        lines: Lines { lines: rows, rows, ..Lines::default() },
        ..Account::default()
    };
    tally.report(&account, 10)
}

/// The text without our own colours.
fn plain(text: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[36m"]
        .iter()
        .fold(text.to_owned(), |text, code| text.replace(code, ""))
}

fn line() -> impl Strategy<Value = String> {
    let path = prop_oneof!["/[a-z]{0,90}", "/[^ \"\n\r\\\\]{0,40}", Just("/目录/".repeat(12))];
    let status = proptest::sample::select(vec!["200", "304", "404", "503", "-", "999"]);
    (0..28_u32, 0..24_u32, "[^ \n\r]{1,60}", path, status, any::<u32>()).prop_map(
        |(day, hour, host, path, status, bytes)| {
            let day = day + 1;
            format!(
                "{host} - - [{day:02}/Mar/2026:{hour:02}:00:00 +0000] \"GET {path} HTTP/1.1\" {status} {bytes} \"-\" \"a\"\n"
            )
        },
    )
}

proptest! {
    #[test]
    fn no_line_is_too_wide_and_none_commands(
        lines in proptest::collection::vec(line(), 0..40),
        width in 0..200_usize,
        colour: bool,
        unicode: bool,
        zone in proptest::sample::select(vec!["utc", "Europe/Berlin", "-09:30"]),
    ) {
        let report = report_of(&lines.concat(), zone);
        let options = TerminalOptions::new().with_width(width).with_colour(colour).with_unicode(unicode);
        let text = terminal(&report, &options);
        let text = if colour { plain(&text) } else { text };
        for line in text.lines() {
            prop_assert!(line.width() <= width.clamp(50, 160), "{} {:?}", line.width(), line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
        // A cell of a table is a cell, whatever stands in it.
        for line in markdown(&report).lines().filter(|line| line.starts_with("| `")) {
            prop_assert!(line.matches('`').count() == 2 && !line.chars().any(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn what_there_is_is_said() {
    let log =
        "h - - [01/Jul/1995:00:00:01 -0400] \"GET /a|b.gif HTTP/1.0\" 404 5 \"-\" \"agent\"\n".repeat(1500);
    let report = report_of(&log, "-04:00");
    let text = terminal(&report, &TerminalOptions::new());
    for says in [
        "a\\x1B[2J.log and 1 more\n",
        "Sat 1 Jul 1995 00:00:01 to Sat 1 Jul 1995 00:00:01 (-04:00)",
        "only --path '/a*'",
        "Client errors  1,500 (100%)",
        "Peak second    1,500 at 1 Jul 1995 00:00:01",
        "/a|b.gif",
        "404 Not Found",
        "  00      1,500 ##",
        "User agents\n  agent",
        "1,500 lines = 1,500 rows + 0 rejected + 0 blank",
    ] {
        assert!(text.contains(says), "{says}\n{text}");
    }
    assert!(
        markdown(&report).contains("| `/a\\x7Cb.gif` | 1,500 | 100% | 7.5 kB | 1,500 | 1 |"),
        "{}",
        markdown(&report)
    );
}
