//! What goes wrong with the n-th request: drawn from the seed and n, so that a run can be repeated.

use std::time::Duration;

use crate::setting::Faults;

/// Something that goes wrong with a request or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    ThrottleRequest,
    FailRequest,
    FailRequestStored,
    Unavailable,
    DropUnread,
    DropRequest,
    LoseAck,
    CutAnswer,
    ThrottleRecord,
    FailRecord,
    FailRecordStored,
    Stall,
    Reshard,
    Down,
}

/// The faults of a request, in the order of [`Faults::of_request`].
pub(crate) const REQUEST: [Fault; 8] = [
    Fault::ThrottleRequest,
    Fault::FailRequest,
    Fault::FailRequestStored,
    Fault::Unavailable,
    Fault::DropUnread,
    Fault::DropRequest,
    Fault::LoseAck,
    Fault::CutAnswer,
];

/// The faults of a record, in the order of [`Faults::of_record`].
pub(crate) const RECORD: [Fault; 3] = [Fault::ThrottleRecord, Fault::FailRecord, Fault::FailRecordStored];

impl Fault {
    /// The name that settings and counters have for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ThrottleRequest => "throttle_request",
            Self::FailRequest => "fail_request",
            Self::FailRequestStored => "fail_request_stored",
            Self::Unavailable => "unavailable",
            Self::DropUnread => "drop_unread",
            Self::DropRequest => "drop_request",
            Self::LoseAck => "lose_ack",
            Self::CutAnswer => "cut_answer",
            Self::ThrottleRecord => "throttle_record",
            Self::FailRecord => "fail_record",
            Self::FailRecordStored => "fail_record_stored",
            Self::Stall => "stall",
            Self::Reshard => "reshard",
            Self::Down => "down",
        }
    }

    /// Whether the client hears of its success in spite of it.
    pub(crate) fn acknowledges(self) -> bool {
        matches!(self, Self::Stall | Self::Reshard)
    }
}

/// What will happen to one request.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The fault of the request as a whole.
    pub request: Option<Fault>,
    /// How long its answer takes.
    pub delay: Duration,
    /// Whether that is a stall.
    pub stall: bool,
    /// Whether the shards change before it.
    pub reshard: bool,
    /// How long the endpoint goes away instead of answering.
    pub down: Option<Duration>,
    /// For what is still to be drawn: the faults of records, the shard to split.
    pub random: fastrand::Rng,
    record: [f64; 3],
}

impl Plan {
    /// Nothing goes wrong.
    pub(crate) fn none() -> Self {
        Self {
            request: None,
            delay: Duration::ZERO,
            stall: false,
            reshard: false,
            down: None,
            random: fastrand::Rng::with_seed(0),
            record: [0.0; 3],
        }
    }

    /// What happens to the request of this number.
    pub(crate) fn of(faults: &Faults, number: u64) -> Self {
        if number < faults.fault_from || faults.fault_until.is_some_and(|until| number >= until) {
            return Self::none();
        }
        // Neighbouring seeds give related first draws: spread them (the constant is 2^64 over the golden ratio).
        let mut random = fastrand::Rng::with_seed(
            faults.seed.rotate_left(32) ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let request = pick(&REQUEST, &faults.of_request(), random.f64());
        let stall = random.f64() < faults.stall;
        let mut delay = faults.latency.draw(&mut random);
        if stall {
            delay += Duration::from_millis(faults.stall_ms);
        }
        let every = |n: u64| n != 0 && (number + 1).is_multiple_of(n);
        Self {
            request,
            delay,
            stall,
            reshard: every(faults.reshard_every),
            down: every(faults.down_every).then(|| Duration::from_millis(faults.down_ms)),
            random,
            record: faults.of_record(),
        }
    }

    /// What happens to the next record.
    pub(crate) fn record(&mut self) -> Option<Fault> {
        if self.record == [0.0; 3] {
            return None; // no draw for each of millions of records
        }
        pick(&RECORD, &self.record, self.random.f64())
    }
}

/// One of several that exclude each other, by one draw.
fn pick(faults: &[Fault], probabilities: &[f64], draw: f64) -> Option<Fault> {
    let mut upto = 0.0;
    for (fault, probability) in faults.iter().zip(probabilities) {
        upto += probability;
        if draw < upto {
            return Some(*fault);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = Faults { lose_ack: 0.2, fail_record: 0.3, seed: 7, ..Faults::default() };
        let run = |faults: &Faults| -> Vec<_> {
            (0..200)
                .map(|number| {
                    let mut plan = Plan::of(faults, number);
                    (plan.request, plan.record(), plan.record())
                })
                .collect()
        };
        assert_eq!(run(&faults), run(&faults));
        assert_ne!(run(&faults), run(&Faults { seed: 8, ..faults.clone() }));
    }

    #[test]
    fn each_comes_as_often_as_it_says() {
        let faults = Faults { lose_ack: 0.1, fail_request: 0.2, throttle_record: 0.5, ..Faults::default() };
        let mut seen = std::collections::BTreeMap::<_, i32>::new();
        for number in 0..100_000 {
            let mut plan = Plan::of(&faults, number);
            for fault in plan.request.into_iter().chain(plan.record()) {
                *seen.entry(fault).or_default() += 1;
            }
        }
        let expected =
            [(Fault::FailRequest, 20_000), (Fault::LoseAck, 10_000), (Fault::ThrottleRecord, 50_000)];
        assert_eq!(seen.len(), expected.len());
        for (fault, expected) in expected {
            assert!((seen[&fault] - expected).abs() < 1_000, "{seen:?}");
        }
    }

    #[test]
    fn faults_keep_to_their_window() {
        let faults = Faults { fail_request: 1.0, fault_from: 3, fault_until: Some(5), ..Faults::default() };
        let hit: Vec<u64> = (0..9).filter(|number| Plan::of(&faults, *number).request.is_some()).collect();
        assert_eq!(hit, [3, 4]);
    }
}
