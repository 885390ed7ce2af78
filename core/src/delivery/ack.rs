//! Up to where a source is delivered, and since when the oldest record waits.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::envelope::{SourceId, Span};

/// What of each source is settled: acknowledged, or in no need of delivery.
///
/// A byte that nobody spoke of is not settled: what was forgotten holds the offset back, and costs a line that is sent
/// twice, not one that is lost.
#[derive(Debug, Default)]
pub(super) struct Acks(BTreeMap<SourceId, Track>);

#[derive(Debug, Default)]
struct Track {
    /// Everything before is settled.
    floor: u64,
    /// What is settled beyond the floor, merged: begin to end. Between two of them is at least one unsettled record.
    islands: BTreeMap<u64, u64>,
    /// Where records that were offered and are not settled begin, and how many do: spans of records may overlap, where
    /// lines were dealt out to shards.
    outstanding: BTreeMap<u64, u32>,
}

impl Acks {
    /// A source is read from this offset on: what is before was delivered earlier.
    pub(super) fn begin(&mut self, source: SourceId, offset: u64) {
        self.0.entry(source).or_default().settle(0..offset);
    }

    /// No longer of interest.
    pub(super) fn forget(&mut self, source: SourceId) {
        self.0.remove(&source);
    }

    pub(super) fn offered(&mut self, span: &Span) {
        *self.0.entry(span.source).or_default().outstanding.entry(span.begin).or_default() += 1;
    }

    pub(super) fn acknowledged(&mut self, span: &Span) {
        self.returned(span);
        // Of a source that was forgotten, late acknowledgements are of no interest.
        if let Some(track) = self.0.get_mut(&span.source) {
            track.settle(span.begin..span.end);
        }
    }

    /// The record is the caller's again, and its lines are as if never offered.
    pub(super) fn returned(&mut self, span: &Span) {
        let Some(track) = self.0.get_mut(&span.source) else { return };
        if let Some(count) = track.outstanding.get_mut(&span.begin) {
            *count -= 1;
            if *count == 0 {
                track.outstanding.remove(&span.begin);
            }
        }
    }

    pub(super) fn skip(&mut self, source: SourceId, bytes: Range<u64>) {
        self.0.entry(source).or_default().settle(bytes);
    }

    /// The lowest offset that is not settled.
    pub(super) fn lowest(&self, source: SourceId) -> Option<u64> {
        let track = self.0.get(&source)?;
        let outstanding = track.outstanding.first_key_value().map_or(u64::MAX, |(begin, _)| *begin);
        Some(track.floor.min(outstanding))
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = SourceId> + '_ {
        self.0.keys().copied()
    }
}

impl Track {
    fn settle(&mut self, bytes: Range<u64>) {
        let Range { mut start, mut end } = bytes;
        if end <= self.floor || end <= start {
            return;
        }
        if start <= self.floor && self.islands.is_empty() {
            // All in order, which is most of the time.
            self.floor = end;
            return;
        }
        // The island that begins before and reaches here, then all that begin within.
        if let Some((&begin, &until)) = self.islands.range(..start).next_back()
            && until >= start
        {
            start = begin;
        }
        while let Some((&begin, &until)) = self.islands.range(start..=end).next() {
            self.islands.remove(&begin);
            end = end.max(until);
        }
        if start <= self.floor {
            self.floor = end;
        } else {
            self.islands.insert(start, end);
        }
    }
}

/// How many records were offered at which time and are not settled, to the millisecond: what the oldest of them is must
/// be known at any time, and a record that waits for hours must not make this grow.
#[derive(Debug, Default)]
pub(super) struct Ages(BTreeMap<u64, usize>);

impl Ages {
    pub(super) fn add(&mut self, offered: Duration) {
        *self.0.entry(millis(offered)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, offered: Duration) {
        let at = millis(offered);
        if let Some(count) = self.0.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&at);
            }
        }
    }

    /// The age of the oldest.
    pub(super) fn oldest(&self, now: Duration) -> Option<Duration> {
        self.0.first_key_value().map(|(at, _)| now.saturating_sub(Duration::from_millis(*at)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: SourceId = SourceId(1);

    fn span(begin: u64, end: u64) -> Span {
        Span { source: SOURCE, begin, end, lines: 1 }
    }

    #[test]
    fn a_gap_holds_the_offset_back() {
        let mut acks = Acks::default();
        assert_eq!(acks.lowest(SOURCE), None);
        acks.begin(SOURCE, 10);
        for (begin, end) in [(10, 20), (25, 30), (30, 40)] {
            acks.offered(&span(begin, end));
        }
        acks.acknowledged(&span(30, 40));
        acks.acknowledged(&span(25, 30));
        assert_eq!(acks.lowest(SOURCE), Some(10));
        acks.acknowledged(&span(10, 20));
        assert_eq!(acks.lowest(SOURCE), Some(20), "nobody spoke of 20 to 25");
        acks.skip(SOURCE, 20..25);
        assert_eq!(acks.lowest(SOURCE), Some(40));
        acks.forget(SOURCE);
        acks.acknowledged(&span(40, 50));
        assert_eq!(acks.lowest(SOURCE), None, "forgotten is forgotten");
    }

    #[test]
    fn spans_that_overlap_hold_each_other_back() {
        let mut acks = Acks::default();
        acks.begin(SOURCE, 0);
        acks.offered(&span(0, 100));
        acks.offered(&span(5, 95));
        acks.acknowledged(&span(0, 100));
        assert_eq!(acks.lowest(SOURCE), Some(5));
        acks.acknowledged(&span(5, 95));
        assert_eq!(acks.lowest(SOURCE), Some(100));
    }

    proptest! {
        /// Against a plain array of bytes, for any order, overlaps and hostile spans included.
        #[test]
        fn as_if_every_byte_were_marked(
            start in 0u64..20,
            spans in prop::collection::vec((0u64..120, 0u64..40, any::<bool>()), 0..60),
        ) {
            let mut acks = Acks::default();
            let mut bytes = [false; 200];
            acks.begin(SOURCE, start);
            bytes[..start as usize].fill(true);
            let spans: Vec<_> = spans.into_iter().map(|(b, l, skip)| (span(b, b + l), skip)).collect();
            for (span, skip) in &spans {
                if !skip {
                    acks.offered(span);
                }
            }
            let mut outstanding: Vec<_> = spans.iter().filter(|(_, skip)| !skip).map(|(s, _)| s.begin).collect();
            for (span, skip) in &spans {
                if *skip {
                    acks.skip(SOURCE, span.begin..span.end);
                } else {
                    acks.acknowledged(span);
                    let at = outstanding.iter().position(|b| *b == span.begin).unwrap();
                    outstanding.swap_remove(at);
                }
                bytes[span.begin as usize..span.end as usize].fill(true);
                let floor = bytes.iter().position(|byte| !byte).unwrap() as u64;
                let lowest = outstanding.iter().copied().min().unwrap_or(u64::MAX);
                prop_assert_eq!(acks.lowest(SOURCE), Some(floor.min(lowest)));
                let track = &acks.0[&SOURCE];
                let mut last = track.floor;
                for (begin, end) in &track.islands {
                    prop_assert!(*begin > last && end > begin, "islands are merged");
                    last = *end;
                }
            }
        }
    }
}
