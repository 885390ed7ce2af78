//! Any options, any faults, any seed.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Plan, World};
use crate::delivery::simulator::Faults;
use crate::delivery::{Backoff, Options, Rate};

fn share(most: f64) -> impl Strategy<Value = f64> {
    // Often none at all: each fault is seen alone, too.
    prop_oneof![Just(0.0), 0.0..most]
}

fn faults() -> impl Strategy<Value = Faults> {
    let requests = (share(0.15), share(0.15), share(0.15), share(0.15), share(0.1), share(0.1));
    (share(0.2), share(0.3), requests, 0u64..300).prop_map(|(internal, moody, requests, delay)| Faults {
        internal,
        moody,
        lost_answer: requests.0,
        lost_request: requests.1,
        late: requests.2,
        not_sent: requests.3,
        throttled: requests.4,
        garbled: requests.5,
        delay: Duration::from_millis(delay),
    })
}

fn options() -> impl Strategy<Value = Options> {
    let limits = (1usize..=500, 2000usize..200_000, 1usize..6, 1000usize..300_000);
    let pace = (0u64..200, prop_oneof![Just(None), (1000.0..1e6, 20.0..2000.0).prop_map(Some)], 0u64..1000);
    (limits, pace, prop_oneof![3 => Just(None), 1 => (1u32..5).prop_map(Some)], any::<bool>()).prop_map(
        |(limits, pace, max_attempts, ordered)| Options {
            max_records: limits.0,
            max_request_bytes: limits.1,
            max_record_bytes: 2000,
            max_in_flight: limits.2,
            buffer_bytes: limits.3,
            linger: Duration::from_millis(pace.0),
            rate: pace.1.map(|(bytes, records)| Rate { bytes, records }),
            burst: Duration::from_millis(pace.2),
            backoff: Backoff { base: Duration::from_millis(20), cap: Duration::from_secs(1) },
            max_attempts,
            ordered,
            ..Options::default()
        },
    )
}

prop_compose! {
    fn plans()(
        options in options(),
        faults in faults(),
        shards in 1usize..7,
        limits in prop_oneof![Just(None), (2e4..1e6, 50.0..2000.0).prop_map(Some)],
        records in 1u64..250,
        size in prop_oneof![Just(20usize), Just(200), Just(1900)],
        keys in 1u64..60,
        gap in prop_oneof![Just(0u64), 0u64..1000, 0u64..100_000],
        reshards in prop_oneof![Just(0u32), 0u32..6],
        seed: u64,
    ) -> Plan {
        let limits = limits.map(|(bytes, records)| Rate { bytes, records });
        let gap = Duration::from_micros(gap);
        Plan { options, shards, limits, faults, records, size, keys, gap, reshards, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every record arrives, or is given up where that is allowed; see `World` for all that is checked on the way.
    #[test]
    fn whatever_goes_wrong_nothing_is_lost(plan in plans()) {
        World::new(plan).run();
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// A stream that keeps the limits, and a producer that keeps half a second in reserve: nobody is ever refused.
    #[test]
    fn who_keeps_the_rate_is_not_refused(
        seed: u64,
        shards in 1usize..4,
        size in prop_oneof![Just(100usize), Just(20_000), Just(400_000)],
        delay in 0u64..200,
    ) {
        let faults = Faults { delay: Duration::from_millis(delay), ..Faults::default() };
        let records = if size > 1000 { 60 } else { 4000 };
        let gap = Duration::from_micros(100);
        let limits = Some(Rate::SHARD);
        let stats = World::new(Plan { seed, shards, size, faults, records, gap, limits, ..Plan::default() }).run();
        prop_assert_eq!((stats.throttled, stats.retried), (0, 0));
    }
}
