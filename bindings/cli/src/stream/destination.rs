//! Where lines go: what the loop that reads knows of it.

use std::time::Duration;

use nasalogs::Result;
use nasalogs::envelope::SourceId;

use super::report::Delivered;
use crate::follow::Lines;

/// Where lines go.
///
/// One thread reads, gives lines in the order of their source, lets the destination [work](Self::work), and asks how far
/// each source is [acknowledged](Self::acknowledged); that is saved, and read on from after a restart.
pub(super) trait Destination {
    /// Says that a source is read from this offset on: what is before was delivered by an earlier run. Comes once per
    /// source, before its first line.
    ///
    /// # Errors
    /// When what has to be known of its file cannot be read.
    fn begin(&mut self, source: SourceId, offset: u64, file: &str) -> Result<()>;

    /// Whether lines would be taken now. When not, the caller lets it [work](Self::work).
    fn has_room(&self) -> bool;

    /// Takes lines from the front, of which at least the first is taken where there [is room](Self::has_room), and gives
    /// how many bytes that were. The rest comes again.
    ///
    /// # Errors
    /// When nothing more can be delivered.
    fn take(&mut self, lines: &Lines) -> Result<usize>;

    /// Says that the rest of a source is lost.
    ///
    /// # Errors
    /// As [`Destination::take`].
    fn end(&mut self, _source: SourceId) -> Result<()> {
        Ok(())
    }

    /// Does what is due, and waits for something to happen if nothing is, for at most `longest`.
    ///
    /// # Errors
    /// When nothing more can be delivered; what was acknowledged stays so.
    fn work(&mut self, longest: Duration) -> Result<()>;

    /// When [work](Self::work) is wanted next, from now, though no line is given. `None`: it will do whenever the loop
    /// comes by.
    fn due(&self) -> Option<Duration>;

    /// Says that no line is there to be taken at present: what waits for company has waited for long enough as soon as
    /// a person would notice.
    fn pause(&mut self) {}

    /// Says that nothing more comes: nothing waits for company any longer. `more` says whether a later run may go on with
    /// the same sources.
    ///
    /// # Errors
    /// As [`Destination::work`].
    fn drain(&mut self, more: bool) -> Result<()>;

    /// Whether nothing is left to be done for what was taken.
    fn is_empty(&self) -> bool;

    /// Up to where a source is safe: every byte before was delivered, rejected, or needs no delivery. `None` for a source
    /// that never [began](Self::begin).
    fn acknowledged(&self, source: SourceId) -> Option<u64>;

    /// Says that it is on the disk up to where a source was acknowledged: no run begins before it any more.
    fn saved(&mut self, _source: SourceId, _offset: u64) {}

    /// Says that nothing of a source comes any more, all of which is acknowledged and saved: whatever is known of it can
    /// go.
    fn forget(&mut self, source: SourceId);

    /// Called once when nothing more will be delivered: waits for what is under way, so that as much as possible is known
    /// to be delivered, brings the rest to safety if there is a place for it, and sends nothing more.
    ///
    /// # Errors
    /// When it cannot be brought to safety.
    fn give_up(&mut self, _longest: Duration) -> Result<()> {
        Ok(())
    }

    /// The end, after everything was delivered and saved: whatever has to be cleared away.
    ///
    /// # Errors
    /// When that fails, which loses nothing.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// Something that whoever watches should know now, once: that nothing gets through at present, for instance.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// What was done so far, for the report.
    fn delivered(&self) -> Delivered;
}
