//! How a report is made.

use foldhash::fast::RandomState;

use crate::filter::Zone;

/// How a report is made.
///
/// ```
/// use nasalogs::report::ReportOptions;
/// let options = ReportOptions::new().with_zone("-04:00".parse()?).with_max_memory(1 << 30);
/// assert!(!options.approx);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReportOptions {
    /// Whose hours and days: UTC unless set. [`Zone::log`] counts as UTC until it is [resolved](Zone::resolve).
    pub zone: Zone,
    /// How many bytes the counting may take, of all tallies together; without a limit unless set.
    pub max_memory: u64,
    /// Whether rare names may be forgotten and different hosts estimated, so that memory does not grow.
    pub approx: bool,
    /// Which names a bounded tally keeps at least, of URLs, hosts and the others each.
    pub kept: usize,
    /// Shared, so that tallies of one report hash alike.
    pub(super) hasher: RandomState,
}

impl ReportOptions {
    /// Exact, in UTC, without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            zone: Zone::utc(),
            max_memory: u64::MAX,
            approx: false,
            kept: 1 << 15,
            hasher: RandomState::default(),
        }
    }

    /// Chooses whose hours and days are meant.
    #[must_use]
    pub fn with_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// Limits the memory, in bytes. A tally that would need more fails.
    #[must_use]
    pub fn with_max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Chooses whether numbers may be estimates. The report then says what they are good for.
    #[must_use]
    pub fn with_approx(mut self, approx: bool) -> Self {
        self.approx = approx;
        self
    }

    /// Chooses how many names a bounded tally keeps of each kind, at least 16; it holds twice as many at times.
    #[must_use]
    pub fn with_kept(mut self, names: usize) -> Self {
        self.kept = names.max(16);
        self
    }
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self::new()
    }
}
