//! Where lines go: what the loop that reads knows of it.

use std::ops::Range;
use std::time::Duration;

use nasalogs::envelope::{LineId, SourceId};
use nasalogs::{RejectReason, Result};

use super::report::Delivered;

/// A line on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceLine<'a> {
    /// Without its line end.
    pub(crate) bytes: &'a [u8],
    /// Its source, and where in it the line begins: what [`Destination::acknowledged`] is about.
    pub(crate) id: LineId,
    /// The identity that is sent along. The same, unless it was read from a spool.
    pub(crate) known_as: LineId,
    /// One past its end in the source, the line end included.
    pub(crate) end: u64,
}

/// What became of a line that was given to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is on its way: [`Destination::acknowledged`] will tell.
    Taken,
    /// It cannot be delivered. The caller keeps it and says so with [`Destination::skip`].
    Rejected(RejectReason),
    /// There is nothing in it to deliver. As above, without keeping it.
    Blank,
}

/// Where lines go.
///
/// One thread reads, gives lines in the order of their source, lets the destination [work](Self::work), and asks how far
/// each source is [acknowledged](Self::acknowledged); that is saved, and read on from after a restart.
pub(crate) trait Destination {
    /// Says that a source is read from this offset on: what is before was delivered by an earlier run. Comes once per
    /// source, before its first line.
    fn begin(&mut self, source: SourceId, offset: u64);

    /// Whether a line would be taken now. When not, the caller lets it [work](Self::work).
    fn has_room(&self) -> bool;

    /// Takes a line.
    ///
    /// # Errors
    /// When nothing more can be delivered. The line was not taken then.
    fn take(&mut self, line: &SourceLine<'_>) -> Result<Fate>;

    /// Says that these bytes of a source need no delivery: blank and rejected lines, gaps.
    fn skip(&mut self, source: SourceId, bytes: Range<u64>);

    /// Does what is due, and waits for something to happen if nothing is, for at most `longest`.
    ///
    /// # Errors
    /// When nothing more can be delivered; what was acknowledged stays so.
    fn work(&mut self, longest: Duration) -> Result<()>;

    /// When [work](Self::work) is wanted next, from now, though no line is given. `None`: not before one is.
    fn due(&self) -> Option<Duration>;

    /// Says that no line is there to be taken at present: what waits for company has waited for long enough as soon as
    /// a person would notice.
    fn pause(&mut self) {}

    /// Says that nothing more comes: nothing waits for company any longer.
    ///
    /// # Errors
    /// As [`Destination::work`].
    fn drain(&mut self) -> Result<()>;

    /// Whether everything that was taken is acknowledged.
    fn is_empty(&self) -> bool;

    /// Up to where a source is safe: every byte before was delivered or [skipped](Self::skip). `None` for a source that
    /// never [began](Self::begin).
    fn acknowledged(&self, source: SourceId) -> Option<u64>;

    /// Called once when nothing more will be delivered: waits for what is under way, so that as much as possible is known
    /// to be delivered, brings the rest to safety if there is a place for it, and sends nothing more.
    ///
    /// # Errors
    /// When it cannot be brought to safety.
    fn give_up(&mut self, _longest: Duration) -> Result<()> {
        Ok(())
    }

    /// The end: whatever has to be closed.
    ///
    /// # Errors
    /// When that fails.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// Something that whoever watches should know now, once: that nothing gets through at present, for instance.
    fn notice(&mut self) -> Option<String> {
        None
    }

    /// What was done so far, for the report.
    fn delivered(&self) -> Delivered;
}
