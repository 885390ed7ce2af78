//! The rate a shard takes: a token bucket for bytes and one for records, which learn from being throttled.

use std::time::Duration;

/// What one shard takes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Bytes, partition keys included.
    pub bytes: f64,
    /// Records.
    pub records: f64,
}

impl Rate {
    /// What AWS documents for a shard: 1 MB and 1,000 records a second. (Some pages say MiB: the smaller one is never too
    /// much.)
    pub const SHARD: Self = Self { bytes: 1e6, records: 1e3 };
}

/// What remains of the rate after a shard said that it was too much.
const SLOWER: f64 = 0.7;

/// How much of the full rate comes back a second.
const RECOVERY: f64 = 0.05;

/// Never slower than this share of the full rate: there has to be something to learn from.
const SLOWEST: f64 = 1.0 / 64.0;

/// Tokens for one shard. They fill up at the rate, up to a burst. A record that is larger than the burst goes when the
/// bucket is full, and leaves a debt: over any time, no more than burst, rate × time and one record.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: Rate,
    burst: Rate,
    /// The share of the rate that is used: multiplied when throttled, added to while not.
    share: f64,
    tokens: Rate,
    at: Duration,
    slowed: Option<Duration>,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(rate: Rate, burst: Duration, now: Duration) -> Self {
        let seconds = burst.as_secs_f64();
        let burst =
            Rate { bytes: (rate.bytes * seconds).max(1.0), records: (rate.records * seconds).max(1.0) };
        Self { rate, burst, share: 1.0, tokens: burst, at: now, slowed: None }
    }

    /// Lets time pass.
    pub(super) fn refill(&mut self, now: Duration) {
        let seconds = now.saturating_sub(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let fill = |tokens: f64, rate: f64, burst: f64| (tokens + rate * self.share * seconds).min(burst);
        self.tokens = Rate {
            bytes: fill(self.tokens.bytes, self.rate.bytes, self.burst.bytes),
            records: fill(self.tokens.records, self.rate.records, self.burst.records),
        };
        self.share = (self.share + RECOVERY * seconds).min(1.0);
    }

    /// Whether a record can go, after others of this `bytes` and `records` have gone.
    pub(super) fn affords(&self, bytes: usize, records: usize, size: usize) -> bool {
        self.tokens.bytes - bytes as f64 >= self.need(size) && self.tokens.records - records as f64 >= 1.0
    }

    pub(super) fn take(&mut self, bytes: usize, records: usize) {
        self.tokens.bytes -= bytes as f64;
        self.tokens.records -= records as f64;
    }

    /// When a record of this size can go, should nothing go before it.
    pub(super) fn ready_at(&self, size: usize) -> Duration {
        let bytes = (self.need(size) - self.tokens.bytes) / (self.rate.bytes * self.share);
        let records = (1.0 - self.tokens.records) / (self.rate.records * self.share);
        let seconds = bytes.max(records).max(0.0);
        // Rounded up, so that the tokens are there when the time has come.
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.at.saturating_add(wait).saturating_add(Duration::from_micros(1))
    }

    /// The shard refused records of a request that was sent at `sent`. Requests that were under way when the rate was last
    /// lowered say nothing about the lower rate.
    pub(super) fn slow_down(&mut self, now: Duration, sent: Duration) {
        self.refill(now);
        // It has nothing left, so neither have we.
        self.tokens = Rate { bytes: self.tokens.bytes.min(0.0), records: self.tokens.records.min(0.0) };
        if self.slowed.is_none_or(|slowed| sent >= slowed) {
            self.share = (self.share * SLOWER).max(SLOWEST);
            self.slowed = Some(now);
        }
    }

    /// The share of the full rate that is in use, from above 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    fn need(&self, size: usize) -> f64 {
        (size as f64).min(self.burst.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Duration = Duration::from_millis(500);

    /// Sends records of a size as fast as the bucket lets, until `end`; when each went.
    fn run(bucket: &mut Bucket, size: usize, from: Duration, end: Duration) -> Vec<Duration> {
        let (mut now, mut sent) = (from, Vec::new());
        while now < end {
            bucket.refill(now);
            if bucket.affords(0, 0, size) {
                bucket.take(size, 1);
                sent.push(now);
            } else {
                let ready = bucket.ready_at(size);
                assert!(ready > now, "time passes");
                now = ready;
            }
        }
        sent
    }

    #[test]
    fn no_more_than_burst_and_rate() {
        let seconds = 20;
        for (size, expected) in [(100, 1000.0), (10_000, 100.0), (1_000_000, 1.0), (10_000_000, 0.1)] {
            let mut bucket = Bucket::new(Rate::SHARD, BURST, Duration::ZERO);
            let sent = run(&mut bucket, size, Duration::ZERO, Duration::from_secs(seconds)).len() as f64;
            let most = expected * (seconds as f64 + 0.5) + 1.0;
            assert!(sent <= most && sent >= expected * seconds as f64 - 1.0, "{sent} of {size} bytes");
        }
    }

    #[test]
    fn throttling_slows_down_once_for_what_was_under_way() {
        let mut bucket = Bucket::new(Rate::SHARD, BURST, Duration::ZERO);
        let at = Duration::from_millis;
        bucket.slow_down(at(100), at(50));
        bucket.slow_down(at(110), at(60));
        assert!((bucket.share() - SLOWER).abs() < 0.01, "one lesson");
        assert!(!bucket.affords(0, 0, 1), "what the shard has not, we have not");
        bucket.slow_down(at(200), at(150));
        assert!((bucket.share() - SLOWER * SLOWER).abs() < 0.01, "two");
        for n in 2..100 {
            bucket.slow_down(at(n * 100), at(n * 100));
        }
        assert!(bucket.share() >= SLOWEST);
        bucket.refill(Duration::from_secs(60));
        assert_eq!(bucket.share(), 1.0, "and back to the full rate");
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let mut bucket = Bucket::new(Rate::SHARD, BURST, Duration::from_secs(10));
        bucket.take(500_000, 500);
        bucket.refill(Duration::ZERO);
        assert!(!bucket.affords(0, 0, 1));
        bucket.refill(Duration::from_secs(10));
        assert!(!bucket.affords(0, 0, 1));
    }
}
