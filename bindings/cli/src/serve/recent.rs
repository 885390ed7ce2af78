//! What came in the last minute, and the requests that came last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nasalogs::Result;
use nasalogs::arrow::array::RecordBatch;
use nasalogs::report::{LastRequest, last};

/// How many seconds are told.
const SECONDS: usize = 60;
/// How many requests are told at a time.
const MOST: usize = 50;

/// The last minute.
#[derive(Debug)]
pub(super) struct Recent {
    /// Requests of each whole second, the oldest first.
    seconds: VecDeque<u64>,
    /// Requests since the last of them.
    count: u64,
    /// When it ended.
    until: Option<Instant>,
    /// The last requests, the newest last.
    whole: VecDeque<LastRequest>,
    /// How many of them were not told.
    new: usize,
}

impl Default for Recent {
    fn default() -> Self {
        let seconds = VecDeque::from(vec![0; SECONDS]);
        Self { seconds, count: 0, until: None, whole: VecDeque::new(), new: 0 }
    }
}

impl Recent {
    /// Takes rows in; those that were there before anybody looked do not count as requests of now.
    pub(super) fn push(&mut self, batch: &RecordBatch, is_now: bool) -> Result<()> {
        if is_now {
            self.count += batch.num_rows() as u64;
        }
        let rows = last(batch, MOST)?;
        self.new = (self.new + rows.len()).min(MOST);
        self.whole.extend(rows);
        self.whole.drain(..self.whole.len().saturating_sub(MOST));
        Ok(())
    }

    /// Lets the seconds pass that have passed.
    pub(super) fn turn(&mut self, now: Instant) {
        let until = *self.until.get_or_insert(now);
        // Ticks are a little late, never early: what is left is counted with the next.
        let passed = now.duration_since(until).as_secs();
        if passed == 0 {
            return;
        }
        self.until = Some(until + Duration::from_secs(passed));
        for _ in 1..passed.min(SECONDS as u64) {
            self.seconds.push_back(0);
        }
        self.seconds.push_back(std::mem::take(&mut self.count));
        self.seconds.drain(..self.seconds.len() - SECONDS);
    }

    /// The data of the event `now`.
    pub(super) fn seconds(&self) -> String {
        serde_json::json!({ "seconds": self.seconds }).to_string()
    }

    /// The data of the event `last`, if there is something new.
    pub(super) fn last(&mut self) -> Option<String> {
        let new = std::mem::take(&mut self.new);
        let requests: Vec<&LastRequest> = self.whole.iter().skip(self.whole.len() - new).collect();
        (new > 0).then(|| serde_json::json!({ "requests": requests }).to_string())
    }

    /// The same for a reader that has none.
    pub(super) fn whole(&self) -> String {
        serde_json::json!({ "requests": self.whole, "whole": true }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use nasalogs::{Decoder, LogFormat, ParseOptions};

    use super::*;

    #[test]
    fn seconds_pass() {
        let mut decoder = Decoder::new(ParseOptions::new().with_format(LogFormat::common())).unwrap();
        let line = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
        decoder.push(&line.repeat(70)).unwrap();
        decoder.finish().unwrap();
        let batch = decoder.next_batch().unwrap();

        let mut recent = Recent::default();
        let begin = Instant::now();
        recent.turn(begin);
        recent.push(&batch, true).unwrap();
        assert_eq!(recent.last().unwrap().matches("\"path\":\"/\"").count(), MOST);
        assert_eq!(recent.last(), None);
        recent.push(&batch, false).unwrap();
        recent.turn(begin + Duration::from_millis(999));
        assert_eq!(recent.seconds.back(), Some(&0));
        recent.turn(begin + Duration::from_millis(2500));
        assert_eq!(recent.seconds.iter().rev().take(3).collect::<Vec<_>>(), [&70, &0, &0]);
        recent.turn(begin + Duration::from_millis(3100));
        assert_eq!(recent.seconds.iter().rev().take(2).collect::<Vec<_>>(), [&0, &70]);
        recent.turn(begin + Duration::from_secs(1000));
        assert_eq!((recent.seconds.len(), recent.seconds.iter().sum::<u64>()), (SECONDS, 0));
    }
}
