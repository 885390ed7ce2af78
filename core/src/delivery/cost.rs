//! What a delivery would take, and cost, before it is made.

use std::time::Duration;

use crate::delivery::batch::Batch;
use crate::delivery::{Options, Rate};
use crate::envelope::StreamRecord;

/// Hours in a month, as AWS counts them.
pub const MONTH_HOURS: f64 = 730.0;

/// Bytes in a PUT payload unit: 25 KB, a KB being 1,024 bytes as elsewhere on the price list.
pub const PUT_UNIT_BYTES: u64 = 25 * 1024;

/// What provisioned shards cost, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// One shard for an hour.
    pub shard_hour: f64,
    /// A million PUT payload units.
    pub million_put_units: f64,
}

impl Prices {
    /// The list prices of us-east-1, as they stood in [`Prices::AS_OF`] on <https://aws.amazon.com/kinesis/data-streams/pricing/>:
    /// provisioned mode, without extended retention and enhanced fan-out. Other regions cost more.
    pub const US_EAST_1: Self = Self { shard_hour: 0.015, million_put_units: 0.014 };

    /// When [`Prices::US_EAST_1`] were the list prices: they may have changed since.
    pub const AS_OF: &'static str = "2025";
}

impl Default for Prices {
    fn default() -> Self {
        Self::US_EAST_1
    }
}

/// Adds up records as they would be put: into full requests, each once.
///
/// ```
/// use std::time::Duration;
/// use nasalogs::delivery::{Options, Rate, cost::{Prices, Tally}};
/// // A line to a record: 110 bytes and a partition key of 16.
/// let mut tally = Tally::new(&Options::default());
/// for _ in 0..10_000 {
///     tally.add(126, 1);
/// }
/// let estimate = tally.estimate(Duration::from_secs(5), Rate::SHARD, &Prices::US_EAST_1);
/// assert_eq!((estimate.requests, estimate.put_units), (20, 10_000));
/// assert_eq!((estimate.shard_seconds, estimate.shards), (10.0, 2));
/// assert_eq!(estimate.lines_per_shard_second, 1000.0);
/// ```
#[derive(Debug, Clone)]
pub struct Tally {
    empty: Batch,
    open: Batch,
    /// Requests that are full.
    full: u64,
    lines: u64,
    records: u64,
    bytes: u64,
    put_units: u64,
}

impl Tally {
    /// Nothing yet, with the limits of these options.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let empty = Batch::new(options.max_records, options.max_request_bytes);
        Self { open: empty.clone(), empty, full: 0, lines: 0, records: 0, bytes: 0, put_units: 0 }
    }

    /// Adds a record that counts `size` bytes, data and partition key, and holds so many lines.
    pub fn add(&mut self, size: usize, lines: u64) {
        if !self.open.add(size) {
            self.full += 1;
            self.open = self.empty.clone();
            self.open.add(size);
        }
        self.lines += lines;
        self.records += 1;
        self.bytes += size as u64;
        self.put_units += (size as u64).div_ceil(PUT_UNIT_BYTES).max(1);
    }

    /// Adds a record.
    pub fn add_record(&mut self, record: &StreamRecord) {
        self.add(record.size(), record.span.lines);
    }

    /// What these records take when they are put evenly over a span of time, and what a month of that costs.
    ///
    /// Where traffic comes in waves, give the span of the busiest part: shards are paid for by the hour, whether used or
    /// not. A span of nothing is a second.
    #[must_use]
    pub fn estimate(&self, span: Duration, shard: Rate, prices: &Prices) -> Estimate {
        let seconds = if span.is_zero() { 1.0 } else { span.as_secs_f64() };
        let by_bytes = self.bytes as f64 / shard.bytes;
        let by_records = self.records as f64 / shard.records;
        let shard_seconds = by_bytes.max(by_records);
        // A hair above a whole number is rounding, not traffic.
        let shards = (shard_seconds / seconds - 1e-9).ceil().max(1.0);
        let spans_per_month = MONTH_HOURS * 3600.0 / seconds;
        let shard_cost = shards * MONTH_HOURS * prices.shard_hour;
        let put_cost = self.put_units as f64 * spans_per_month / 1e6 * prices.million_put_units;
        Estimate {
            lines: self.lines,
            records: self.records,
            bytes: self.bytes,
            requests: self.full + u64::from(self.open.records > 0),
            put_units: self.put_units,
            shard_seconds,
            bound_by_records: by_records > by_bytes,
            shards: shards as u64,
            lines_per_shard_second: if shard_seconds > 0.0 { self.lines as f64 / shard_seconds } else { 0.0 },
            monthly_shards: shard_cost,
            monthly_puts: put_cost,
            monthly: shard_cost + put_cost,
        }
    }
}

/// What records take, and cost.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// Lines.
    pub lines: u64,
    /// Records.
    pub records: u64,
    /// Bytes, data and partition keys.
    pub bytes: u64,
    /// Requests, were all of them full: what lingers no longer makes more.
    pub requests: u64,
    /// PUT payload units: each record counts whole ones.
    pub put_units: u64,
    /// Seconds that one shard is busy: for the bytes or for the records, whichever takes longer.
    pub shard_seconds: f64,
    /// Whether it is the number of records that takes longer.
    pub bound_by_records: bool,
    /// Shards that are needed to keep up.
    pub shards: u64,
    /// Lines that a shard takes a second.
    pub lines_per_shard_second: f64,
    /// What the shards cost a month, in the currency of the prices.
    pub monthly_shards: f64,
    /// What the PUT payload units cost a month.
    pub monthly_puts: f64,
    /// Both.
    pub monthly: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(records: usize, size: usize, lines: u64) -> Tally {
        let mut tally = Tally::new(&Options::default());
        for _ in 0..records {
            tally.add(size, lines);
        }
        tally
    }

    #[test]
    fn the_example_of_the_price_list() {
        // 100 records of 35 KB a second: 3.4 MB/s, four shards; two units a record.
        let rate = Rate { bytes: 1024.0 * 1024.0, records: 1000.0 };
        let estimate = tally(100, 35 * 1024, 1).estimate(Duration::from_secs(1), rate, &Prices::US_EAST_1);
        assert_eq!((estimate.shards, estimate.put_units, estimate.requests), (4, 200, 1));
        assert!((estimate.monthly_shards - 4.0 * 730.0 * 0.015).abs() < 1e-9);
        assert!((estimate.monthly_puts - 200.0 * 730.0 * 3600.0 / 1e6 * 0.014).abs() < 1e-6);
        assert!(!estimate.bound_by_records);
    }

    #[test]
    fn requests_are_cut_at_both_limits() {
        let requests =
            |n, size| tally(n, size, 1).estimate(Duration::ZERO, Rate::SHARD, &Prices::default()).requests;
        assert_eq!(requests(0, 1), 0);
        assert_eq!(requests(500, 1), 1);
        assert_eq!(requests(501, 1), 2);
        assert_eq!(requests(10, 1 << 20), 2);
        assert_eq!(requests(11, 1 << 20), 3);
    }

    #[test]
    fn blocks_beat_lines() {
        let of = |t: Tally| t.estimate(Duration::from_secs(60), Rate::SHARD, &Prices::default());
        let raw = of(tally(100_000, 126, 1));
        let kpl = of(tally(100_000 / 8, 8 * 120, 8));
        assert!(raw.bound_by_records && raw.lines_per_shard_second == 1000.0);
        assert!(kpl.lines_per_shard_second > 7.9 * raw.lines_per_shard_second);
        assert!(kpl.monthly < raw.monthly);
    }

    #[test]
    fn nothing_costs_one_shard() {
        let estimate = tally(0, 0, 0).estimate(Duration::ZERO, Rate::SHARD, &Prices::default());
        assert_eq!((estimate.shards, estimate.lines_per_shard_second), (1, 0.0));
    }
}
