//! The account of a run: for programs as JSON, for people in a few lines.

use std::collections::BTreeMap;

use nasalogs::delivery::ShardStats;
use nasalogs::{Error, ErrorKind, Reject, RejectReason, Result};
use serde::Serialize;

use super::dry_run::Estimates;
use crate::follow::Gap;
use crate::number::{counted, grouped, size};

/// What a destination did. What does not apply to one is zero.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Delivered {
    /// Lines that are rows, where that was looked at.
    pub(super) rows: Option<u64>,
    /// Lines with nothing in them.
    pub(super) blank: u64,
    /// Records that were made of the lines.
    pub(super) records: u64,
    /// Files that were put into a table.
    pub(super) files: u64,
    /// Files that an earlier run had put there before it could say so.
    pub(super) files_there: u64,
    /// Bytes of the records, partition keys included; or of the files.
    pub(super) bytes: u64,
    /// Requests that were sent.
    pub(super) requests: u64,
    /// Lines that are delivered.
    pub(super) acknowledged: u64,
    /// Records that are delivered.
    pub(super) acknowledged_records: u64,
    /// Their bytes, or those of the files.
    pub(super) acknowledged_bytes: u64,
    /// Records that were refused as too much, each time.
    pub(super) throttled: u64,
    /// Requests that were refused as too much.
    pub(super) requests_throttled: u64,
    /// Records that failed inside the service, each time.
    pub(super) internal_failures: u64,
    /// Requests that found no connection.
    pub(super) requests_not_sent: u64,
    /// Requests without an answer.
    pub(super) requests_unknown: u64,
    /// Records that were sent again, each time.
    pub(super) retried: u64,
    /// Lines that may be there more than once.
    pub(super) possibly_duplicated: u64,
    /// Whether these can be told by the ids of lines.
    pub(super) duplicates_removable: bool,
    /// Lines that were brought to safety elsewhere.
    pub(super) spooled: u64,
    /// How long the oldest line waits that is not delivered, or its record.
    pub(super) oldest_unacknowledged_seconds: Option<f64>,
    /// The shards at the end.
    pub(super) shards: Vec<ShardReport>,
    /// What it would take, where nothing was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dry_run: Option<Estimates>,
}

/// A shard.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShardReport {
    id: String,
    first_hash_key: String,
    last_hash_key: String,
    acknowledged_records: u64,
    throttled: u64,
    last_sequence: String,
}

impl From<ShardStats> for ShardReport {
    fn from(stats: ShardStats) -> Self {
        Self {
            id: stats.shard.id,
            first_hash_key: stats.shard.first.to_string(),
            last_hash_key: stats.shard.last.to_string(),
            acknowledged_records: stats.acknowledged,
            throttled: stats.throttled,
            last_sequence: stats.last_sequence,
        }
    }
}

/// Lines that were lost before they could be read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct GapReport {
    file: String,
    source: String,
    offset: u64,
    at_least_bytes: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// Not yet.
    #[default]
    Running,
    /// At the end of the input, with all delivered.
    Complete,
    /// Someone asked to stop. All that was read is delivered.
    Stopped,
    /// Someone asked to stop, and not all that was read could be delivered.
    Cut,
    /// It failed.
    Failed,
}

/// The account of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Report {
    pub(super) destination: String,
    pub(super) records_form: &'static str,
    pub(super) ended: Ended,
    pub(super) error: Option<String>,
    /// Lines that were read, blank ones included.
    pub(super) lines: u64,
    pub(super) rejected: u64,
    pub(super) rejects_by_reason: BTreeMap<&'static str, u64>,
    pub(super) bytes_read: u64,
    /// Bytes that were read and are neither delivered nor rejected.
    pub(super) lag_bytes: u64,
    /// How far behind its time a line came, at most, where lines have one.
    pub(super) pace_lag_seconds: Option<f64>,
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) delivered: Delivered,
    /// Whether all inputs can be read again after a restart.
    pub(super) resumable: bool,
    pub(super) checkpoint: Option<String>,
    /// Sources that an earlier run had begun: what it sent after its last checkpoint was sent again.
    pub(super) resumed_sources: u64,
    pub(super) gaps: Vec<GapReport>,
    /// How many there were: not all are listed.
    pub(super) gaps_total: u64,
    /// What could not be read, while the rest went on.
    pub(super) troubles: Vec<String>,
    #[serde(skip)]
    pub(super) first_rejects: BTreeMap<RejectReason, Reject>,
}

/// The form of records that are rows of files.
pub(super) const FILES: &str = "parquet";
/// How many gaps and troubles are listed: a run may last for years.
const LISTED: usize = 1000;
/// How many gaps are shown.
const SHOWN_GAPS: usize = 5;
/// How much of a rejected line is shown.
const SHOWN: usize = 160;

impl Report {
    pub(super) fn add_gap(&mut self, gap: &Gap) {
        self.gaps_total += 1;
        if self.gaps.len() < LISTED {
            self.gaps.push(GapReport {
                file: gap.file.to_string(),
                source: gap.source.to_string(),
                offset: gap.offset,
                at_least_bytes: gap.at_least,
            });
        }
    }

    pub(super) fn add_trouble(&mut self, error: &Error) {
        if self.troubles.len() < LISTED {
            self.troubles.push(error.to_string());
        }
    }

    /// For programs.
    ///
    /// # Errors
    /// None that can be expected: numbers and text are always JSON.
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map(|text| text + "\n")
            .map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
    }

    /// For people, several lines.
    pub(super) fn to_text(&self) -> String {
        if self.lines == 0
            && self.ended == Ended::Complete
            && self.resumable
            && let Some(checkpoint) = &self.checkpoint
        {
            return format!(
                "nothing new to deliver to {}: there is nothing in the input that the checkpoint {checkpoint} does not know; \
                 --no-checkpoint sends all again",
                self.destination
            );
        }
        let delivered = &self.delivered;
        let mut text = format!(
            "{} read: {} delivered to {}, {} rejected, {} blank",
            counted(self.lines, "line"),
            grouped(delivered.acknowledged),
            self.destination,
            grouped(self.rejected),
            grouped(delivered.blank),
        );
        for (reason, reject) in &self.first_rejects {
            let count = self.rejects_by_reason.get(reason.as_str()).copied().unwrap_or(0);
            text.push_str(&format!("\n  {} {reason}: {}", grouped(count), reason.describe()));
            text.push_str(&format!("\n    first {}", first(reject)));
        }
        text.push_str(&format!("\n{}", self.traffic()));
        if delivered.possibly_duplicated > 0 {
            text.push_str(&format!(
                "\n{} may be there twice, and {}",
                counted(delivered.possibly_duplicated, "line"),
                if delivered.duplicates_removable {
                    "can be told by line id"
                } else {
                    "cannot be told: raw records with a chosen key have no line id"
                }
            ));
        }
        if delivered.spooled > 0 {
            text.push_str(&format!(
                "\n{} could not be delivered and are in the spool",
                counted(delivered.spooled, "line")
            ));
        }
        if self.gaps_total > 0 {
            text.push_str(&format!(
                "\nlines were lost before they could be read, in {}:",
                counted(self.gaps_total, "place")
            ));
            text.extend(self.gaps.iter().take(SHOWN_GAPS).map(|gap| format!("\n  {}", gap.to_text())));
        }
        if self.resumed_sources > 0 {
            let files = counted(self.resumed_sources, "file");
            text.push_str(&format!("\nwent on where an earlier run ended in {files}"));
        }
        if !self.resumable {
            text.push_str(
                "\nstandard input and pipes cannot be read again: a run that is cut short cannot go on",
            );
        }
        text.push_str(&format!(
            "\n{} read in {:.2} s, {} lines/s",
            size(self.bytes_read),
            self.seconds,
            grouped((self.lines as f64 / self.seconds.max(1e-9)) as u64),
        ));
        if self.lag_bytes > 0 {
            text.push_str(&format!("; {} of it not delivered", size(self.lag_bytes)));
        }
        text
    }

    /// What was made of the lines.
    fn traffic(&self) -> String {
        let delivered = &self.delivered;
        if self.records_form == FILES {
            let mut text = format!("{} of {}", counted(delivered.files, "file"), size(delivered.bytes));
            if delivered.files_there > 0 {
                let files = counted(delivered.files_there, "file");
                text.push_str(&format!("; {files} had been put by a run that was cut short"));
            }
            return text;
        }
        let mut text = format!("{} of {}", counted(delivered.records, "record"), size(delivered.bytes));
        if delivered.requests > 0 {
            let requests = counted(delivered.requests, "request");
            text.push_str(&format!(" in {requests}, {} sent again", grouped(delivered.retried)));
        }
        if delivered.throttled + delivered.requests_throttled > 0 {
            text.push_str(&format!(
                "; throttled: {}, {}",
                counted(delivered.throttled, "record"),
                counted(delivered.requests_throttled, "request")
            ));
        }
        text
    }
}

impl GapReport {
    fn to_text(&self) -> String {
        let bytes = match self.at_least_bytes {
            0 => "an unknown number of bytes".to_owned(),
            bytes => format!("at least {bytes} bytes"),
        };
        format!("{}: {bytes} from byte {} on", self.file.escape_debug(), self.offset)
    }
}

/// `access.log, byte 17: …`, cut.
fn first(reject: &Reject) -> String {
    let text = reject.text();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{}, byte {}: {shown}", reject.file.as_deref().unwrap_or("-").escape_debug(), reject.offset)
}
