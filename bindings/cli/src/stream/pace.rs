//! When a line may go: at once, so many a second, or in the rhythm of the log's own times.

use std::time::Duration;

/// Says when lines are due. It reads no clock: time is what the caller says, a duration since any moment.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    /// When the first line was due, moved on where the destination did not keep up with a rate.
    start: Option<Duration>,
    /// The first time of the log, and the latest, in milliseconds.
    times: Option<(i64, i64)>,
    /// Lines that went.
    count: u64,
    /// How far behind its time a line came, at most.
    lag: Duration,
}

/// What decides when a line goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// Nothing.
    Max,
    /// So many lines a second.
    Rate(f64),
    /// The log's own times, so many times as fast.
    Replay(f64),
}

/// How many lines are let go at once: what is let go counts as gone.
const AT_ONCE: usize = 256;

/// How far lines that go at a constant rate may be behind, and catch up: after a longer break they go on at the rate, not
/// in a burst.
const CATCH_UP: Duration = Duration::from_secs(1);

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, start: None, times: None, count: 0, lag: Duration::ZERO }
    }

    /// Whether the times of lines matter.
    pub(super) fn wants_times(&self) -> bool {
        matches!(self.pace, Pace::Replay(_))
    }

    /// Whether nothing ever waits.
    pub(super) fn is_idle(&self) -> bool {
        self.pace == Pace::Max
    }

    /// How many bytes from the front may go now, as whole lines; and when the next line may, where that is none. `logged`
    /// tells a line's time in milliseconds.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        bytes: &[u8],
        logged: impl Fn(&[u8]) -> Option<i64>,
    ) -> Result<usize, Duration> {
        if self.is_idle() {
            return Ok(bytes.len());
        }
        let mut admitted = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n').take(AT_ONCE) {
            let due = self.due(now, logged(line));
            if due > now {
                return if admitted > 0 { Ok(admitted) } else { Err(due) };
            }
            self.went(now, due);
            admitted += line.len();
        }
        Ok(admitted)
    }

    /// When the next line is due, `logged` being its time in milliseconds: never later than now where it comes out of
    /// order or has none.
    fn due(&mut self, now: Duration, logged: Option<i64>) -> Duration {
        let start = *self.start.get_or_insert(now);
        match self.pace {
            Pace::Max => now,
            Pace::Rate(rate) => {
                let due = start + Duration::from_secs_f64(self.count as f64 / rate);
                if let Some(behind) = now.checked_sub(due + CATCH_UP) {
                    self.start = Some(start + behind);
                    return due + behind;
                }
                due
            }
            Pace::Replay(times) => {
                let Some(logged) = logged else { return now };
                let (first, latest) = *self.times.get_or_insert((logged, logged));
                if logged < latest {
                    return now;
                }
                self.times = Some((first, logged));
                let since = u64::try_from(logged.saturating_sub(first)).unwrap_or(0);
                start.saturating_add(Duration::from_secs_f64((since as f64 / 1e3 / times).min(1e15)))
            }
        }
    }

    /// Says that a line that was due went.
    fn went(&mut self, now: Duration, due: Duration) {
        self.count += 1;
        self.lag = self.lag.max(now.saturating_sub(due));
    }

    /// How far behind its time a line came, at most.
    pub(super) fn lag(&self) -> Duration {
        self.lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Lets lines go when they are due, and gives when they did, in seconds.
    fn run(pace: Pace, times: &[Option<i64>], late: Duration) -> Vec<f64> {
        let (mut pacer, mut now) = (Pacer::new(pace), 5 * SECOND);
        let go = |logged: &Option<i64>| {
            let due = pacer.due(now, logged.map(|seconds| seconds * 1000));
            now = now.max(due) + late;
            pacer.went(now, due);
            now.as_secs_f64() - 5.0
        };
        times.iter().map(go).collect()
    }

    #[test]
    fn a_log_keeps_its_rhythm() {
        let times = [Some(100), Some(100), Some(160), Some(40), None, Some(160), Some(760)];
        let went = run(Pace::Replay(60.0), &times, Duration::ZERO);
        assert_eq!(went, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 11.0]);
        assert_eq!(run(Pace::Replay(1.0), &times, Duration::ZERO)[2], 60.0);
        assert_eq!(run(Pace::Max, &times, Duration::ZERO), [0.0; 7]);
    }

    #[test]
    fn who_is_late_does_not_wait() {
        let went = run(Pace::Replay(1.0), &[Some(0), Some(1), Some(2), Some(10)], 3 * SECOND);
        assert_eq!(went, [3.0, 6.0, 9.0, 13.0]);
    }

    #[test]
    fn a_rate_is_kept_and_not_made_up_for() {
        assert_eq!(run(Pace::Rate(2.0), &[None; 4], Duration::ZERO), [0.0, 0.5, 1.0, 1.5]);
        let mut pacer = Pacer::new(Pace::Rate(1.0));
        let due = pacer.due(Duration::ZERO, None);
        pacer.went(Duration::ZERO, due);
        // An hour during which nothing could be sent.
        let back = 3600 * SECOND;
        let due = pacer.due(back, None);
        assert_eq!(due, back - CATCH_UP);
        pacer.went(back, due);
        assert_eq!(pacer.due(back, None), back);
        assert_eq!(pacer.lag(), CATCH_UP);
    }

    #[test]
    fn lines_are_let_go_as_they_are_due() {
        let log = b"a\nb\nc\nd\n";
        let times = |line: &[u8]| Some(i64::from(line[0] - b'a') * 1000);
        let mut pacer = Pacer::new(Pace::Replay(2.0));
        assert_eq!(pacer.admit(SECOND, log, times), Ok(2));
        assert_eq!(pacer.admit(SECOND, &log[2..], times), Err(SECOND + SECOND / 2));
        assert_eq!(pacer.admit(2 * SECOND, &log[2..], times), Ok(4));
        assert_eq!(pacer.admit(9 * SECOND, &log[6..], times), Ok(2));
        let many = "x\n".repeat(1000);
        assert_eq!(Pacer::new(Pace::Max).admit(SECOND, many.as_bytes(), |_| None), Ok(2000));
        assert_eq!(Pacer::new(Pace::Replay(1.0)).admit(SECOND, many.as_bytes(), |_| None), Ok(2 * AT_ONCE));
    }
}
