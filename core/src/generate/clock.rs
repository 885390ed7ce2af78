//! The time of each line, and its text.

use crate::field::time::{MONTHS, civil_from_days};

/// Requests of one July, by hour of the day, in NASA's log of 1995 (1,891,714 in all).
const HOURS: [u64; 24] = [
    62_450, 53_066, 45_297, 37_398, 32_234, 31_919, 35_253, 54_017, 83_750, 99_969, 105_507, 115_720,
    122_085, 120_814, 122_479, 121_200, 118_037, 97_609, 79_282, 71_776, 69_809, 71_922, 70_759, 69_362,
];

/// How busy the days of a week are, from Thursday (as 1 January 1970 was), in percent of the mean day.
const DAYS: [u64; 7] = [122, 104, 62, 60, 112, 118, 122];

/// Fractional bits of a second.
const FRACTION: u32 = 16;

/// Advances from line to line and keeps the text between a line's host and its request:
/// ` - - [01/Jul/1995:00:00:01 -0400] "`.
#[derive(Debug)]
pub(super) struct Clock {
    /// Local time in units of 2^-16 s since 1970.
    now: i64,
    /// The local second that `text` shows.
    shown: i64,
    /// The first second of the minute that `text` shows.
    minute: i64,
    /// The mean distance of two lines at this hour of the week, in units of 2^-16 s.
    gap: u64,
    text: [u8; Clock::LEN],
    /// An exponential distribution of mean 1 (times 2^16), cut into equal shares.
    exponential: Box<[u32; 1024]>,
}

impl Clock {
    const LEN: usize = 35;
    /// Where in the text the time stands, with its brackets.
    pub(super) const TIME: std::ops::Range<usize> = 5..33;
    const SECONDS: usize = 24;

    /// The first and the last second that a log can show: years 0001 to 9999.
    pub(super) const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

    /// A clock at a local second in [`Clock::RANGE`], in a zone so many minutes east of UTC.
    pub(super) fn new(local: i64, tz_offset: i16) -> Self {
        let mut text = *b" - - [01/Jul/1995:00:00:01 +0000] \"";
        let east = tz_offset.unsigned_abs();
        text[27] = if tz_offset < 0 { b'-' } else { b'+' };
        text[28..30].copy_from_slice(&two_digits(u64::from(east / 60)));
        text[30..32].copy_from_slice(&two_digits(u64::from(east % 60)));
        let mut clock = Self {
            now: local << FRACTION,
            shown: local,
            minute: 0,
            gap: 0,
            text,
            exponential: exponential(),
        };
        clock.show_all();
        clock
    }

    #[inline]
    pub(super) fn text(&self) -> &[u8; Self::LEN] {
        &self.text
    }

    /// Goes on to the next line's time, with ten random bits.
    #[inline]
    pub(super) fn advance(&mut self, bits: u64) {
        let stretch = u64::from(self.exponential[(bits & 1023) as usize]);
        self.now += ((self.gap * stretch) >> FRACTION) as i64;
        let second = self.now >> FRACTION;
        if second != self.shown {
            self.shown = second;
            if second - self.minute < 60 {
                self.text[Self::SECONDS..Self::SECONDS + 2]
                    .copy_from_slice(&two_digits((second - self.minute) as u64));
            } else {
                self.show_all();
            }
        }
    }

    fn show_all(&mut self) {
        // After eight thousand years of lines the clock stands still.
        if self.shown > *Self::RANGE.end() {
            self.shown = *Self::RANGE.end();
            self.now = self.shown << FRACTION;
        }
        self.minute = self.shown - self.shown.rem_euclid(60);
        let (days, second) = (self.shown.div_euclid(86_400), self.shown.rem_euclid(86_400) as u64);
        let (year, month, day) = civil_from_days(days);
        // Within the range all three are positive.
        let (year, day) = (year as u64, u64::from(day));
        let hour = second / 3600;
        let text = &mut self.text[6..26];
        text[..2].copy_from_slice(&two_digits(day));
        text[3..6].copy_from_slice(MONTHS[month as usize - 1]);
        text[7..9].copy_from_slice(&two_digits(year / 100));
        text[9..11].copy_from_slice(&two_digits(year % 100));
        text[12..14].copy_from_slice(&two_digits(hour));
        text[15..17].copy_from_slice(&two_digits(second / 60 % 60));
        text[18..20].copy_from_slice(&two_digits(second % 60));
        let day_of_week = days.rem_euclid(7) as usize;
        // 31 days of 3600 s for that hour's requests, times the share of the day in percent.
        self.gap = ((31 * 3600 * 100) << FRACTION) / (HOURS[hour as usize] * DAYS[day_of_week]);
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// The quantiles of an exponential distribution of mean 1, times 2^16: the k-th smallest of n such values is, on
/// average, the sum of `1/j` for j from n-k+1 to n. So no logarithm is needed, and the mean is kept.
fn exponential() -> Box<[u32; 1024]> {
    let count = 1024_u64;
    let mut sum = 0;
    Box::new(std::array::from_fn(|index| {
        sum += (1_u64 << 40) / (count - index as u64);
        (sum >> 24) as u32
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(local: i64, tz_offset: i16) -> String {
        String::from_utf8(Clock::new(local, tz_offset).text()[Clock::TIME].to_vec()).unwrap()
    }

    #[test]
    fn shows_the_time() {
        assert_eq!(shown(804_556_801, -240), "[01/Jul/1995:00:00:01 -0400]");
        assert_eq!(shown(0, 330), "[01/Jan/1970:00:00:00 +0530]");
        assert_eq!(shown(951_782_400 + 86_399, 0), "[29/Feb/2000:23:59:59 +0000]");
        assert_eq!(shown(*Clock::RANGE.start(), 0), "[01/Jan/0001:00:00:00 +0000]");
        assert_eq!(shown(*Clock::RANGE.end(), 0), "[31/Dec/9999:23:59:59 +0000]");
    }

    #[test]
    fn gaps_have_mean_one_and_a_tail() {
        let table = exponential();
        let mean = table.iter().map(|&value| u64::from(value)).sum::<u64>() as f64 / 1024.0 / 65_536.0;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        assert!(table[1023] > 7 << FRACTION && table[0] < 100);
    }

    #[test]
    fn a_week_has_the_mean_of_its_days() {
        assert_eq!(DAYS.iter().sum::<u64>(), 700);
        assert_eq!(HOURS.iter().sum::<u64>(), 1_891_714);
    }

    #[test]
    fn the_end_of_time_is_the_last_second() {
        let mut clock = Clock::new(*Clock::RANGE.end() - 1, 0);
        for _ in 0..100 {
            clock.advance(900);
        }
        assert_eq!(&clock.text()[Clock::TIME], b"[31/Dec/9999:23:59:59 +0000]");
    }
}
