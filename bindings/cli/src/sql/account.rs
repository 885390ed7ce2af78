//! What was read for an answer, on standard error.

use std::time::Duration;

use nasalogs_datafusion::{FirstReject, Summary};

use crate::message;
use crate::number::{counted, grouped, size};

/// How much of a rejected line is shown.
const SHOWN: usize = 160;

/// Says it: every line accounted for. In a talk, only what is not as it should be.
pub fn say(summaries: &[(String, Summary)], elapsed: Duration, talk: bool) {
    for (name, summary) in summaries {
        match (talk, summary.rejected()) {
            (false, _) => message::note(&text(name, summary, elapsed)),
            (true, 0) => {}
            (true, rejected) => {
                let lines = counted(summary.lines, "line");
                message::note(&format!("{name}: of {lines} that were read, {} rejected", grouped(rejected)));
            }
        }
    }
}

fn text(name: &str, summary: &Summary, elapsed: Duration) -> String {
    let mut text = format!(
        "{name}: {} in {}: {}, {} rejected, {} blank; {} read in {:.2} s",
        counted(summary.lines, "line"),
        counted(summary.files, "file"),
        counted(summary.rows, "row"),
        grouped(summary.rejected()),
        grouped(summary.blank),
        size(summary.bytes_in),
        elapsed.as_secs_f64(),
    );
    if summary.scans > 1 {
        text.push_str(&format!("; all of it in {} readings", summary.scans));
    }
    for (reason, count) in summary.rejects.iter() {
        text.push_str(&format!("\n  {} {reason}: {}", grouped(count), reason.describe()));
        if let Some(first) = summary.first_rejects.iter().find(|first| first.reason == reason) {
            text.push_str(&format!("\n    first {}", shown(first)));
        }
    }
    text
}

/// `access.log:17: …`, cut.
fn shown(reject: &FirstReject) -> String {
    let file = reject.file.as_deref();
    let place = match (file, reject.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => format!("{file} at byte {}", reject.offset),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => format!("at byte {}", reject.offset),
    };
    let mut shown: String = reject.text.chars().take(SHOWN).collect();
    if shown.len() < reject.text.len() {
        shown.push('…');
    }
    format!("{place}: {shown}")
}
