//! How long to wait after a failure, and the dice for it.

use std::time::Duration;

/// How long to wait before the next try: a random time between nothing and a bound, which doubles with every failure.
/// ("Full jitter": producers that failed together do not come back together.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first failure.
    pub base: Duration,
    /// The bound never grows beyond this.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From 100 ms to 10 s.
    fn default() -> Self {
        Self { base: Duration::from_millis(100), cap: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The longest wait after so many failures in a row.
    #[must_use]
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    pub(super) fn wait(&self, failures: u32, random: &mut Random) -> Duration {
        // Never quite nothing: a failure that comes back at once would otherwise be tried again in the same instant.
        self.bound(failures).mul_f64(random.share()).max(Duration::from_millis(1))
    }
}

/// splitmix64 (Steele, Lea and Flood, 2014): plenty for jitter.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(1) };
        let bounds: Vec<_> = [0, 1, 2, 3, 5, 6, u32::MAX].map(|n| backoff.bound(n).as_millis()).into();
        assert_eq!(bounds, [50, 50, 100, 200, 800, 1000, 1000]);
    }

    #[test]
    fn waits_are_spread_over_the_whole_of_it() {
        let (backoff, mut random) = (Backoff::default(), Random::new(7));
        let waits: Vec<_> = (0..1000).map(|_| backoff.wait(4, &mut random)).collect();
        assert!(waits.iter().all(|wait| *wait <= backoff.bound(4)));
        let quarter = backoff.bound(4) / 4;
        for part in 0..4 {
            let count = waits.iter().filter(|&&w| w >= quarter * part && w < quarter * (part + 1)).count();
            assert!((150..350).contains(&count), "{count} of 1000 in quarter {part}");
        }
    }
}
