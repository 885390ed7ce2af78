//! What was merged, for people and for programs.

use nasalogs::field::text::escape_control;
use nasalogs::{Error, ErrorKind, Result};
use serde::Serialize;

use super::note::Note;
use super::plan::{Partition, Plan};
use crate::number::{counted, grouped, size};
use crate::object::Location;

/// Files before and after, with their bytes and rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub files_before: u64,
    pub files_after: u64,
    pub bytes_before: u64,
    /// Of a dry run not known.
    pub bytes_after: Option<u64>,
    /// Rows of the new files.
    pub rows: Option<u64>,
    /// Rows that are not in them, as an earlier one has their id.
    pub duplicates_removed: Option<u64>,
}

impl Tally {
    pub fn of(note: &Note) -> Self {
        Self {
            files_before: note.inputs.len() as u64,
            files_after: note.outputs.len() as u64,
            bytes_before: note.inputs.iter().map(|input| input.size).sum(),
            bytes_after: Some(note.outputs.iter().map(|output| output.size).sum()),
            rows: Some(note.outputs.iter().map(|output| output.rows).sum()),
            duplicates_removed: Some(note.duplicates),
        }
    }

    /// What is known of a partition that is not merged yet.
    pub fn expected(partition: &Partition, target: u64) -> Self {
        let bytes = partition.bytes();
        Self {
            files_before: partition.files.len() as u64,
            files_after: ((bytes + target / 2) / target).max(1),
            bytes_before: bytes,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |ours: &mut Option<u64>, theirs: Option<u64>| *ours = ours.zip(theirs).map(|(a, b)| a + b);
        self.files_before += other.files_before;
        self.files_after += other.files_after;
        self.bytes_before += other.bytes_before;
        add(&mut self.bytes_after, other.bytes_after);
        add(&mut self.rows, other.rows);
        add(&mut self.duplicates_removed, other.duplicates_removed);
    }
}

/// A partition that was merged.
#[derive(Debug, Clone, Serialize)]
pub struct Merged {
    partition: String,
    #[serde(flatten)]
    tally: Tally,
    /// Whether an earlier run had begun it.
    resumed: bool,
}

/// A partition that was left as it is.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    partition: String,
    reason: String,
}

/// The account of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    lake: String,
    dry_run: bool,
    partitions: Vec<Merged>,
    total: Tally,
    refused: Vec<Refused>,
    /// Partitions that need nothing.
    settled_partitions: u64,
    /// Files of streams that are at work.
    files_in_flight: u64,
    /// Old files that were replaced while they were merged, and stay.
    files_replaced: u64,
}

impl Report {
    pub fn new(lake: &Location) -> Self {
        let total =
            Tally { bytes_after: Some(0), rows: Some(0), duplicates_removed: Some(0), ..Tally::default() };
        Self {
            lake: lake.to_string(),
            dry_run: false,
            partitions: Vec::new(),
            total,
            refused: Vec::new(),
            settled_partitions: 0,
            files_in_flight: 0,
            files_replaced: 0,
        }
    }

    /// Of a run that only says what one would do.
    pub fn dry(lake: &Location) -> Self {
        Self { dry_run: true, ..Self::new(lake) }
    }

    pub fn planned(&mut self, plan: &Plan) {
        self.settled_partitions += plan.settled;
        self.files_in_flight += plan.in_flight;
    }

    pub fn merged(&mut self, partition: &str, tally: Tally, resumed: bool) {
        self.total.add(&tally);
        self.partitions.push(Merged { partition: partition.to_owned(), tally, resumed });
    }

    pub fn refused(&mut self, partition: &str, reason: &Error) {
        self.refused.push(Refused { partition: partition.to_owned(), reason: reason.to_string() });
    }

    pub fn settled(&mut self) {
        self.settled_partitions += 1;
    }

    pub fn replaced(&mut self, files: u64) {
        self.files_replaced += files;
    }

    pub fn has_news(&self) -> bool {
        !self.partitions.is_empty() || !self.refused.is_empty()
    }

    pub fn is_complete(&self) -> bool {
        self.refused.is_empty()
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|text| format!("{text}\n"))
            .map_err(|error| Error::new(ErrorKind::Sink, error.to_string()))
    }

    pub fn to_text(&self) -> String {
        let mut lines: Vec<String> = self
            .partitions
            .iter()
            .map(|merged| {
                let resumed = if merged.resumed { ", begun by an earlier run" } else { "" };
                format!("{}: {}{resumed}", merged.partition, self.tally(&merged.tally))
            })
            .collect();
        let plural = if self.partitions.len() == 1 { "" } else { "s" };
        let verb = if self.dry_run { "to merge" } else { "merged" };
        lines.push(match self.partitions.len() {
            0 => format!("nothing {verb}"),
            count => {
                format!("{} partition{plural} {verb}: {}", grouped(count as u64), self.tally(&self.total))
            }
        });
        if self.settled_partitions > 0 {
            lines.push(format!("{} need nothing", counted(self.settled_partitions, "partition")));
        }
        if self.files_in_flight > 0 {
            lines.push(format!(
                "{} left to the next run: `nasalogs stream` is at work on them, or was killed and has to be resumed",
                counted(self.files_in_flight, "file")
            ));
        }
        if self.files_replaced > 0 {
            lines.push(format!(
                "{} replaced meanwhile: run the same again to merge what is in them now",
                counted(self.files_replaced, "file")
            ));
        }
        lines.extend(
            self.refused
                .iter()
                .map(|refused| format!("{} is left as it is: {}", refused.partition, refused.reason)),
        );
        // Names of files and columns are somebody else's.
        let lines = lines.iter().map(|line| escape_control(line.as_bytes()));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn tally(&self, tally: &Tally) -> String {
        let mut text = format!("{} ({})", counted(tally.files_before, "file"), size(tally.bytes_before));
        let about = if self.dry_run { "about " } else { "" };
        text.push_str(&format!(" -> {about}{}", counted(tally.files_after, "file")));
        if let Some(bytes) = tally.bytes_after {
            text.push_str(&format!(" ({})", size(bytes)));
        }
        if let Some(rows) = tally.rows {
            text.push_str(&format!(", {}", counted(rows, "row")));
        }
        if let Some(duplicates) = tally.duplicates_removed.filter(|&count| count > 0) {
            text.push_str(&format!(", {} removed", counted(duplicates, "duplicate")));
        }
        text
    }
}
