//! The account that a conversion gives of every line: for people on standard error, for programs as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use nasalogs::{Error, ErrorKind, Reject, RejectReason, Result, Summary};
use serde::Serialize;

use crate::number::{counted, grouped, percent, size};

/// A conversion, done or given up.
#[derive(Debug)]
pub struct Account {
    /// What was read.
    pub summary: Summary,
    /// Rows that the filters left out.
    pub filtered: u64,
    /// What was written.
    pub written: Written,
    /// How long it took.
    pub elapsed: Duration,
    /// The first rejected line for each reason.
    pub first_rejects: BTreeMap<RejectReason, Reject>,
}

/// What became of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is there, so many bytes of it.
    All(u64),
    /// The run was given up, and a part of it has gone to standard output.
    Part,
    /// The run was given up, and nothing is there.
    Nothing,
}

impl Written {
    fn bytes(self) -> u64 {
        if let Self::All(bytes) = self { bytes } else { 0 }
    }
}

/// The keys of `--summary-json`.
#[derive(Serialize)]
struct Json {
    files: u64,
    lines: u64,
    rows: u64,
    rejected: u64,
    blank: u64,
    filtered: u64,
    rejects_by_reason: BTreeMap<&'static str, u64>,
    bytes_in: u64,
    bytes_out: u64,
    seconds: f64,
    format: Option<String>,
}

/// How much of a rejected line is shown.
const SHOWN: usize = 160;

impl Account {
    /// For programs.
    ///
    /// # Errors
    /// None that can be expected: numbers and names are always JSON.
    pub fn to_json(&self) -> Result<String> {
        let summary = &self.summary;
        let json = Json {
            files: summary.files,
            lines: summary.lines,
            rows: summary.rows,
            rejected: summary.rejected,
            blank: summary.blank,
            filtered: self.filtered,
            rejects_by_reason: summary
                .rejects
                .iter()
                .map(|(reason, count)| (reason.as_str(), count))
                .collect(),
            bytes_in: summary.bytes_in,
            bytes_out: self.written.bytes(),
            seconds: self.elapsed.as_secs_f64(),
            format: summary.format.as_ref().map(ToString::to_string),
        };
        serde_json::to_string(&json)
            .map(|text| text + "\n")
            .map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
    }

    /// For people, several lines.
    pub fn to_text(&self) -> String {
        let summary = &self.summary;
        let mut text = format!(
            "{} in {}: {}, {} rejected, {} blank",
            counted(summary.lines, "line"),
            counted(summary.files, "file"),
            counted(summary.rows, "row"),
            grouped(summary.rejected),
            grouped(summary.blank),
        );
        if self.filtered > 0 {
            let kept = summary.rows.saturating_sub(self.filtered);
            text.push_str(&format!(
                "\n  of the rows {} were filtered out, {} are left",
                grouped(self.filtered),
                grouped(kept)
            ));
        }
        for (reason, count) in summary.rejects.iter() {
            text.push_str(&format!("\n  {} {reason}: {}", grouped(count), reason.describe()));
            if let Some(reject) = self.first_rejects.get(&reason) {
                text.push_str(&format!("\n    first {}", first(reject)));
            }
        }
        if let Some(format) = &summary.format {
            text.push_str(&format!("\nformat {format}"));
            let looked_at = summary.detections.iter().fold((0, 0), |(fits, lines), (_, detection)| {
                (fits + detection.fits as u64, lines + detection.lines as u64)
            });
            if let (fits, lines @ 1..) = looked_at {
                text.push_str(&format!(
                    ", detected: {} of the {} looked at fit",
                    percent(fits, lines),
                    counted(lines, "line")
                ));
            }
        }
        let seconds = self.elapsed.as_secs_f64();
        text.push_str(&format!("\n{} read", size(summary.bytes_in)));
        if summary.bytes_parsed != summary.bytes_in {
            text.push_str(&format!(" ({} of log)", size(summary.bytes_parsed)));
        }
        text.push_str(&format!(" in {seconds:.2} s"));
        if summary.bytes_parsed > 0 {
            text.push_str(&format!(", {:.1} MB/s", summary.bytes_parsed as f64 / seconds.max(1e-9) / 1e6));
        }
        text.push_str(&match self.written {
            Written::All(bytes) => format!("; {} written", size(bytes)),
            Written::Part => "; the output is not complete".to_owned(),
            Written::Nothing => "; no output was written".to_owned(),
        });
        text
    }
}

/// `access.log:17: …`, cut.
fn first(reject: &Reject) -> String {
    let text = reject.text();
    let place = match &reject.file {
        Some(file) => format!("{file}:{}", reject.line),
        None => format!("line {}", reject.line),
    };
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{place}: {shown}")
}
