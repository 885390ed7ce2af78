//! Rates: the token bucket that a shard allows, and the window in which it is observed. Time is handed in.

use std::collections::VecDeque;
use std::time::Duration;

/// Tokens that refill at a constant rate, up to a burst.
#[derive(Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Option<Duration>,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new() -> Self {
        Self { tokens: 0.0, at: None }
    }

    /// What time has brought, at `rate` a second and up to `burst` seconds of it.
    pub(crate) fn refill(&mut self, now: Duration, rate: u64, burst: f64) {
        let most = rate as f64 * burst;
        self.tokens = match self.at {
            None => most,
            Some(at) => (self.tokens + now.saturating_sub(at).as_secs_f64() * rate as f64).min(most),
        };
        self.at = Some(now);
    }

    /// Whether `cost` can be taken. What is larger than a burst can be taken from a full bucket, which is then in debt:
    /// otherwise a large record could never pass a slow shard.
    pub(crate) fn affords(&self, cost: u64, rate: u64, burst: f64) -> bool {
        // A millionth less: the sum of many small refills is not exact.
        self.tokens + 1e-6 >= (cost as f64).min(rate as f64 * burst)
    }

    /// Take `cost`.
    pub(crate) fn take(&mut self, cost: u64) {
        self.tokens -= cost as f64;
    }
}

/// The most that was seen within any one second.
#[derive(Debug, Default)]
pub(crate) struct Window {
    seen: VecDeque<(Duration, u64, u64)>,
    records: u64,
    bytes: u64,
    /// The most records within any second.
    pub most_records: u64,
    /// The most bytes within any second.
    pub most_bytes: u64,
}

impl Window {
    /// One record more.
    pub(crate) fn add(&mut self, now: Duration, bytes: u64) {
        // All records of a request arrive at one time: one entry.
        match self.seen.back_mut() {
            Some(last) if last.0 == now => {
                last.1 += 1;
                last.2 += bytes;
            }
            _ => self.seen.push_back((now, 1, bytes)),
        }
        self.records += 1;
        self.bytes += bytes;
        while let Some((at, records, bytes)) = self.seen.front().copied()
            && at + Duration::from_secs(1) <= now
        {
            self.seen.pop_front();
            self.records -= records;
            self.bytes -= bytes;
        }
        self.most_records = self.most_records.max(self.records);
        self.most_bytes = self.most_bytes.max(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Duration, rate: u64, offered: u64) -> u64 {
        bucket.refill(now, rate, 1.0);
        (0..offered)
            .filter(|_| {
                let affords = bucket.affords(1, rate, 1.0);
                if affords {
                    bucket.take(1);
                }
                affords
            })
            .count() as u64
    }

    #[test]
    fn a_bucket_gives_a_burst_and_then_its_rate() {
        let mut bucket = Bucket::new();
        assert_eq!(taken(&mut bucket, Duration::from_secs(5), 1_000, 3_000), 1_000);
        let steady: u64 = (1..=100)
            .map(|tick| taken(&mut bucket, Duration::from_millis(5_000 + tick * 10), 1_000, 500))
            .sum();
        assert_eq!(steady, 1_000);
        assert_eq!(taken(&mut bucket, Duration::from_secs(60), 1_000, 3_000), 1_000);
    }

    #[test]
    fn what_is_larger_than_the_bucket_leaves_it_in_debt() {
        let mut bucket = Bucket::new();
        bucket.refill(Duration::ZERO, 100, 1.0);
        assert!(bucket.affords(250, 100, 1.0));
        bucket.take(250);
        bucket.refill(Duration::from_millis(1_400), 100, 1.0);
        assert!(!bucket.affords(1, 100, 1.0));
        bucket.refill(Duration::from_millis(1_600), 100, 1.0);
        assert!(bucket.affords(1, 100, 1.0));
    }

    #[test]
    fn a_window_knows_the_worst_second() {
        let mut window = Window::default();
        for at in [0, 900, 1_000, 1_100, 1_850, 5_000] {
            window.add(Duration::from_millis(at), 10);
        }
        assert_eq!((window.most_records, window.most_bytes), (4, 40));
    }
}
