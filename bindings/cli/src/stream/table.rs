//! A table of files by day as a destination.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nasalogs::Result;
use nasalogs::envelope::SourceId;

use super::destination::Destination;
use super::report::Delivered;
use super::spool::Identities;
use crate::follow::Lines;
use crate::table::{Rest, Table};

/// A table, and how far each source is visible in it.
pub(super) struct ToTable {
    table: Table,
    sources: HashMap<SourceId, Progress>,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    taken: u64,
    visible: u64,
}

impl ToTable {
    pub(super) fn new(table: Table) -> Self {
        Self { table, sources: HashMap::new() }
    }

    fn learn(&mut self) {
        for (source, offset) in self.table.acknowledged() {
            if let Some(progress) = self.sources.get_mut(&source) {
                // Where the rest of a source is lost, its last roll ends where it would have ended.
                progress.visible = progress.visible.max(offset.min(progress.taken));
            }
        }
    }
}

impl Destination for ToTable {
    fn begin(&mut self, source: SourceId, offset: u64, file: &str) -> Result<()> {
        self.sources.insert(source, Progress { taken: offset, visible: offset });
        if let Some(identities) = Identities::of_file(file)? {
            self.table.identify(source, identities);
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.table.has_room()
    }

    fn take(&mut self, lines: &Lines) -> Result<usize> {
        let taken = self.table.push(lines, Instant::now())?;
        if let Some(progress) = self.sources.get_mut(&lines.source) {
            progress.taken = lines.offset + taken as u64;
        }
        Ok(taken)
    }

    fn end(&mut self, source: SourceId) -> Result<()> {
        self.table.end(source)
    }

    fn work(&mut self, longest: Duration) -> Result<()> {
        self.table.tick(Instant::now())?;
        if longest > Duration::ZERO {
            self.table.wait(longest)?;
        }
        self.learn();
        Ok(())
    }

    /// The age of a roll is looked after whenever the loop comes by, which is often enough.
    fn due(&self) -> Option<Duration> {
        self.table.is_writing().then_some(Duration::MAX)
    }

    fn drain(&mut self, more: bool) -> Result<()> {
        self.table.drain(if more { Rest::Later } else { Rest::Nothing });
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn acknowledged(&self, source: SourceId) -> Option<u64> {
        self.sources.get(&source).map(|progress| progress.visible)
    }

    fn saved(&mut self, source: SourceId, offset: u64) {
        self.table.saved(source, offset);
    }

    fn forget(&mut self, source: SourceId) {
        self.sources.remove(&source);
        self.table.forget(source);
    }

    fn give_up(&mut self, longest: Duration) -> Result<()> {
        self.table.give_up(longest);
        self.learn();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.table.close()
    }

    fn delivered(&self) -> Delivered {
        let counts = self.table.counts();
        Delivered {
            rows: Some(counts.rows),
            blank: counts.blanks,
            acknowledged: counts.rows,
            files: counts.files,
            files_there: counts.files_there,
            bytes: counts.bytes_out,
            acknowledged_bytes: counts.bytes_out,
            duplicates_removable: true,
            oldest_unacknowledged_seconds: self.table.oldest().map(|since| since.elapsed().as_secs_f64()),
            ..Delivered::default()
        }
    }
}
