//! What a caller can choose about delivery.

use std::time::Duration;

use crate::delivery::{Backoff, Rate};
use crate::error::{Error, ErrorKind, Result};

const MIB: usize = 1 << 20;

/// How to deliver. The defaults suit every stream.
///
/// ```
/// use nasalogs::delivery::Options;
/// let options = Options { ordered: true, ..Options::default() };
/// assert!(options.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Records in a request, at most; Kinesis takes 500.
    pub max_records: usize,
    /// Bytes in a request, at most, data and partition keys (explicit hash keys do not count). 5 MiB, which every region
    /// takes; 10 MiB is what AWS documents since October 2025.
    pub max_request_bytes: usize,
    /// Bytes in a record, at most, data and partition key. 1 MiB; up to 10 MiB where the stream was set so.
    pub max_record_bytes: usize,
    /// Requests under way at the same time, at most.
    pub max_in_flight: usize,
    /// Bytes of memory for the records that are not yet acknowledged: no more are taken from here on. See
    /// [`Engine::buffered`](crate::delivery::Engine::buffered).
    pub buffer_bytes: usize,
    /// How long a record waits for company in its request.
    pub linger: Duration,
    /// What a shard takes a second; `None` does not hold back.
    pub rate: Option<Rate>,
    /// After a pause, so much of the rate may go at once. A shard of Kinesis allows about a second's; what is less than
    /// that is the slack for requests that overtake each other.
    pub burst: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// How often a record is tried before it is given up, also by requests that did not leave; `None` is for ever.
    pub max_attempts: Option<u32>,
    /// One record under way per shard, and the next only when it is stored: the order of what was offered is kept per
    /// shard, and per partition key when the stream is re-sharded.
    pub ordered: bool,
    /// Records with an explicit hash key hold lines of one shard, and are of no use in another: when the shards change, or
    /// one was stored elsewhere, give them back ([`Step::Displaced`](crate::delivery::Step::Displaced)).
    pub reaggregate: bool,
    /// The seed of the jitter: different for producers that run at the same time.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_records: 500,
            max_request_bytes: 5 * MIB,
            max_record_bytes: MIB,
            max_in_flight: 4,
            buffer_bytes: 32 * MIB,
            linger: Duration::from_millis(50),
            rate: Some(Rate::SHARD),
            burst: Duration::from_millis(500),
            backoff: Backoff::default(),
            max_attempts: None,
            ordered: false,
            reaggregate: false,
            seed: 0,
        }
    }
}

impl Options {
    /// Whether the options make sense together; [`Engine::new`](crate::delivery::Engine::new) asks this.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] names the one that does not.
    pub fn check(&self) -> Result<()> {
        let rate = self.rate.unwrap_or(Rate::SHARD);
        let wrong = [
            (!(1..=500).contains(&self.max_records), "max_records has to be from 1 to 500"),
            (
                !(1..=10 * MIB).contains(&self.max_record_bytes),
                "max_record_bytes has to be from 1 to 10 MiB (10485760)",
            ),
            (
                !(self.max_record_bytes..=10 * MIB).contains(&self.max_request_bytes),
                "max_request_bytes has to be from max_record_bytes to 10 MiB (10485760)",
            ),
            (self.max_in_flight == 0, "max_in_flight has to be at least 1"),
            (self.buffer_bytes == 0, "buffer_bytes has to be at least 1"),
            (self.max_attempts == Some(0), "max_attempts has to be at least 1, or none for no end"),
            (
                ![rate.bytes, rate.records].iter().all(|rate| (1.0..1e15).contains(rate)),
                "rate has to be at least 1 byte and 1 record a second, or none for no limit",
            ),
            (self.linger > Duration::from_secs(3600), "linger has to be at most an hour"),
            (self.burst > Duration::from_secs(3600), "burst has to be at most an hour"),
        ];
        match wrong.iter().find(|(wrong, _)| *wrong) {
            Some((_, text)) => Err(Error::new(ErrorKind::Options, *text)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        let good = Options::default();
        good.check().unwrap();
        for (bad, name) in [
            (Options { max_records: 501, ..good.clone() }, "max_records"),
            (Options { max_record_bytes: 11 * MIB, ..good.clone() }, "max_record_bytes"),
            (Options { max_request_bytes: MIB - 1, ..good.clone() }, "max_request_bytes"),
            (Options { max_in_flight: 0, ..good.clone() }, "max_in_flight"),
            (Options { max_attempts: Some(0), ..good.clone() }, "max_attempts"),
            (Options { rate: Some(Rate { bytes: f64::NAN, records: 1.0 }), ..good.clone() }, "rate"),
            (Options { rate: Some(Rate { bytes: 1e6, records: 0.0 }), ..good.clone() }, "rate"),
        ] {
            let error = bad.check().unwrap_err();
            assert!(error.message().starts_with(name), "{error}");
        }
    }
}
