//! Lines that cannot be delivered: counted, shown, and kept where that was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nasalogs::envelope::SourceId;
use nasalogs::{Reject, RejectReason, Result};

use crate::rejects::RejectFile;
use crate::table::RejectSink;

/// Where they go. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Rejects {
    file: Option<RejectFile>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    by_reason: BTreeMap<&'static str, u64>,
    first: BTreeMap<RejectReason, Reject>,
}

impl Rejects {
    /// With a file, if they are to be kept.
    pub(super) fn new(file: Option<RejectFile>) -> Self {
        Self { file, seen: Arc::default() }
    }

    /// Takes one.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(super) fn add(&self, reject: Reject) -> Result<()> {
        if let Some(file) = &self.file {
            file.add(&reject)?;
        }
        let mut seen = self.seen();
        *seen.by_reason.entry(reject.reason.as_str()).or_default() += 1;
        seen.first.entry(reject.reason).or_insert(reject);
        Ok(())
    }

    /// Brings all to the disk.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), RejectFile::sync)
    }

    /// The end.
    ///
    /// # Errors
    /// When the last ones cannot be written.
    pub(super) fn finish(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), RejectFile::finish)
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.seen().by_reason.values().sum()
    }

    /// How many there were for each reason.
    pub(super) fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.seen().by_reason.clone()
    }

    /// The first one for each reason.
    pub(super) fn first(&self) -> BTreeMap<RejectReason, Reject> {
        self.seen().first.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RejectSink for Rejects {
    fn add(&mut self, _source: SourceId, reject: Reject) -> Result<()> {
        Rejects::add(self, reject)
    }

    fn sync(&mut self) -> Result<()> {
        Rejects::sync(self)
    }
}
