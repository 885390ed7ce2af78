//! Days and times as text.

use crate::field::time::civil_from_days;

/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// `YYYY-MM-DD`.
pub(crate) fn date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes times as RFC 3339 in UTC with milliseconds: `1995-07-01T04:00:01.000Z`.
#[cfg(any(feature = "ndjson", feature = "csv", feature = "envelope"))]
#[derive(Debug)]
pub(crate) struct TimeFormatter {
    // Logs are nearly sorted: the day is mostly that of the line before.
    day: i64,
    text: String,
}

#[cfg(any(feature = "ndjson", feature = "csv", feature = "envelope"))]
impl TimeFormatter {
    pub(crate) fn new() -> Self {
        Self { day: 0, text: format!("{}T00:00:00.000Z", date(0)) }
    }

    /// The text for milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) fn format(&mut self, millis: i64) -> &str {
        const TIME: usize = "00:00:00.000Z".len();
        let day = millis.div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            self.text = format!("{}T00:00:00.000Z", date(day));
        }
        let rest = millis.rem_euclid(DAY_MS);
        let (second, milli) = (rest / 1000, rest % 1000);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let digit = |value: i64| char::from(b'0' + (value % 10) as u8);
        self.text.truncate(self.text.len() - TIME);
        self.text.extend([digit(hour / 10), digit(hour), ':', digit(minute / 10), digit(minute), ':']);
        self.text.extend([digit(second / 10), digit(second), '.']);
        self.text.extend([digit(milli / 100), digit(milli / 10), digit(milli), 'Z']);
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_first_day_and_of_absurd_ones() {
        assert_eq!(date(-719_162), "0001-01-01");
        date(i64::MAX / DAY_MS);
        date(i64::MIN / DAY_MS - 1);
    }

    #[cfg(any(feature = "ndjson", feature = "csv", feature = "envelope"))]
    #[test]
    fn times_are_written() {
        let mut formatter = TimeFormatter::new();
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (804_571_201_000, "1995-07-01T04:00:01.000Z"),
            (804_571_201_987, "1995-07-01T04:00:01.987Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(formatter.format(millis), text);
        }
        formatter.format(i64::MAX);
        formatter.format(i64::MIN);
        assert_eq!(formatter.format(0), "1970-01-01T00:00:00.000Z");
    }
}
