//! What is being merged into what: written before anything is visible.

use nasalogs::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::table::{Depot, Entry};

/// Where notes are. Query engines do not look into what begins with `_`.
pub const NOTES: &str = "_compact";

/// Which rows come out of which files, in which order: what a later run has to do in the same way.
const VERSION: u32 = 1;

/// A file that is merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name below the table.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Which version of it.
    pub version: String,
}

impl From<Entry> for Input {
    fn from(entry: Entry) -> Self {
        Self { name: entry.name, size: entry.size, version: entry.version }
    }
}

/// A file that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its name below the table.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub size: u64,
}

/// What is done to a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    version: u32,
    /// The partition: `dt=1995-07-01`.
    pub partition: String,
    /// In the order of their rows.
    pub inputs: Vec<Input>,
    /// The same.
    pub outputs: Vec<Output>,
    /// Rows that are left out, as an earlier one has their id.
    pub duplicates: u64,
}

impl Note {
    /// A note that is not written yet.
    pub fn new(partition: &str, inputs: Vec<Input>, outputs: Vec<Output>, duplicates: u64) -> Self {
        Self { version: VERSION, partition: partition.to_owned(), inputs, outputs, duplicates }
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("{NOTES}/{}.json", self.partition)
    }

    /// Writes it, unless there is one.
    pub fn write(&self, depot: &Depot) -> Result<()> {
        let text = serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot be written: {error}"))
                .with_file(depot.name(&self.name()))
        })?;
        match depot.put_text(&self.name(), &text)? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Io, "another run is at work on this partition")
                .with_file(depot.name(&self.name()))
                .with_hint("wait until it is done; if it was killed, run the same again")),
        }
    }

    /// The notes that are there. What was being written when somebody was killed is removed.
    pub fn all(depot: &Depot) -> Result<Vec<Self>> {
        let mut notes = Vec::new();
        for Entry { name, .. } in depot.files(&format!("{NOTES}/"))? {
            if name.ends_with(".json") {
                notes.extend(Self::read(depot, &name)?);
            } else if name.contains("/.tmp") {
                depot.remove(&name)?;
            }
        }
        Ok(notes)
    }

    /// A note; none where another run has removed it meanwhile.
    fn read(depot: &Depot, name: &str) -> Result<Option<Self>> {
        let Some(text) = depot.read(name)? else { return Ok(None) };
        let wrong = |message: String| {
            Error::new(ErrorKind::Io, message).with_file(depot.name(name)).with_hint(
                "it says what a run of compact has begun: let the version complete it that wrote it",
            )
        };
        let note: Self = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("is no note of compact: {error}")))?;
        let is_inside = |file: &str| {
            let own = file.strip_prefix(&note.partition).and_then(|rest| rest.strip_prefix('/'));
            own.is_some_and(|own| !own.is_empty() && !own.contains(['/', '\\']) && own != "..")
        };
        let mut files =
            note.inputs.iter().map(|input| &input.name).chain(note.outputs.iter().map(|output| &output.name));
        match note.version {
            VERSION if note.name() == name && files.all(|file| is_inside(file)) => Ok(Some(note)),
            VERSION => Err(wrong("is a note of compact that names files of elsewhere".to_owned())),
            other => Err(wrong(format!("is a note of compact in version {other}, which is not known here"))),
        }
    }
}
