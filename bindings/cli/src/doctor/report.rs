//! What is wrong with a table, for people and for programs.

use nasalogs::field::text::escape_control;
use nasalogs::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::number::{counted, size};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Some engine cannot read it, or reads other rows.
    Error,
    /// It could be better.
    Advice,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, below the table; none where it is about many.
    pub file: Option<String>,
    pub level: Level,
    /// What, for programs.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    pub message: String,
}

impl Finding {
    pub fn new(file: &str, level: Level, kind: &'static str, message: impl Into<String>) -> Self {
        Self { file: Some(file.to_owned()), level, kind, column: None, message: message.into() }
    }
}

/// The account of a visit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    pub lake: String,
    pub files: u64,
    pub bytes: u64,
    pub rows: u64,
    pub partitions: u64,
    pub errors: u64,
    pub advice: u64,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Takes what was found.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            match finding.level {
                Level::Error => self.errors += 1,
                Level::Advice => self.advice += 1,
            }
            self.findings.push(finding);
        }
    }

    /// By file, in order; errors first where a file has both.
    pub fn sort(&mut self) {
        self.findings
            .sort_by(|a, b| (a.file.is_none(), &a.file, a.level).cmp(&(b.file.is_none(), &b.file, b.level)));
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|text| format!("{text}\n"))
            .map_err(|error| Error::new(ErrorKind::Sink, error.to_string()))
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let level = if finding.level == Level::Error { "error" } else { "advice" };
            let file = finding.file.as_deref().map(|file| format!("{file}: ")).unwrap_or_default();
            // Names of files and columns are somebody else's.
            let line = escape_control(format!("{level}: {file}{}", finding.message).as_bytes());
            text.push_str(&line);
            text.push('\n');
        }
        let verdict = match (self.errors, self.advice) {
            (0, 0) => "all is well".to_owned(),
            (errors, advice) => format!("{}, {advice} of advice", counted(errors, "error")),
        };
        text.push_str(&format!(
            "{} ({}) in {}, {}: {verdict}\n",
            counted(self.files, "file"),
            size(self.bytes),
            counted(self.partitions, "partition"),
            counted(self.rows, "row"),
        ));
        text
    }
}
