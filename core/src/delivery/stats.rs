//! What was done so far.

use std::time::Duration;

use crate::delivery::{Outcome, Shard};

/// What was done so far, for the progress and the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Lines in the records that were taken.
    pub lines: u64,
    /// Records that were taken.
    pub records: u64,
    /// Their bytes, data and partition keys.
    pub bytes: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Records in these requests: with retries, more than were taken.
    pub sent_records: u64,
    /// Bytes in these requests.
    pub sent_bytes: u64,
    /// Lines that are stored.
    pub acknowledged_lines: u64,
    /// Records that are stored.
    pub acknowledged_records: u64,
    /// Bytes that are stored.
    pub acknowledged_bytes: u64,
    /// Records that were refused as too much, each time.
    pub throttled: u64,
    /// Records that failed inside Kinesis, each time.
    pub internal: u64,
    /// Records that were sent again, each time.
    pub retried: u64,
    /// Lines that may be stored more than once: exactly those of records for which an attempt ended in the unknown.
    pub possibly_duplicated_lines: u64,
    /// Records whose lines these are.
    pub possibly_duplicated_records: u64,
    /// Requests that were refused as too much.
    pub requests_throttled: u64,
    /// Requests that did not leave.
    pub requests_not_sent: u64,
    /// Requests of which nobody knows.
    pub requests_unknown: u64,
    /// Records that were given up.
    pub gave_up: u64,
    /// Records that were given back because their shard is no more, each time.
    pub displaced: u64,
    /// Records stored in another shard than the shard map says.
    pub misrouted: u64,
    /// Records that wait.
    pub waiting: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// Memory for records that are not acknowledged, in bytes.
    pub buffered: usize,
    /// How long ago the oldest record that is not acknowledged was offered.
    pub oldest_unacknowledged: Option<Duration>,
}

impl Stats {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Throttled => self.requests_throttled += 1,
            Outcome::NotSent => self.requests_not_sent += 1,
            Outcome::Unknown => self.requests_unknown += 1,
            Outcome::Answered(_) | Outcome::Fatal => {}
        }
    }
}

/// How one shard fares.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShardStats {
    /// The shard.
    pub shard: Shard,
    /// Records that wait for it.
    pub waiting: usize,
    /// Records under way to it.
    pub in_flight: usize,
    /// Records stored in it.
    pub acknowledged: u64,
    /// Records that it refused as too much, each time.
    pub throttled: u64,
    /// The share of the rate that is in use, from above 0 to 1: below 1, the shard has refused records lately.
    pub pace: f64,
    /// The highest sequence number of a record stored in it; empty if there is none.
    pub last_sequence: String,
}
