//! Days and times as text.

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// Year, month and day of the proleptic Gregorian calendar for a number of days since 1970-01-01.
///
/// Eras of 400 years have the same number of days; a year is counted from March, so that the leap day is its last.
pub(super) fn civil_from_days(days: i64) -> (i64, u8, u8) {
    const ERA: i64 = 146_097;
    // 0000-03-01 is 719,468 days before 1970-01-01.
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let day_of_era = days.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, again and again: 153 days for five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

/// `YYYY-MM-DD`.
pub(super) fn date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Writes times as RFC 3339 in UTC with milliseconds: `1995-07-01T04:00:01.000Z`.
#[cfg(any(feature = "ndjson", feature = "csv"))]
pub(super) struct TimeFormatter {
    // Logs are nearly sorted: the day is mostly that of the line before.
    day: i64,
    text: String,
}

#[cfg(any(feature = "ndjson", feature = "csv"))]
impl TimeFormatter {
    pub(super) fn new() -> Self {
        Self { day: 0, text: format!("{}T00:00:00.000Z", date(0)) }
    }

    /// The text for milliseconds since 1970-01-01T00:00:00Z.
    pub(super) fn format(&mut self, millis: i64) -> &str {
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
    fn days_run_through_the_calendar() {
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(9_312), (1995, 7, 1));
        assert_eq!(civil_from_days(-719_162), (1, 1, 1));
        assert_eq!(civil_from_days(2_932_896), (9999, 12, 31));
        // Each day is the one after the day before, by the rules that a child knows.
        let (mut year, mut month, mut day) = (1, 1, 1);
        for days in -719_162..=2_932_896 {
            assert_eq!(civil_from_days(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u8::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!(date(-719_162), "0001-01-01");
        date(i64::MAX / DAY_MS);
        date(i64::MIN / DAY_MS - 1);
    }

    #[cfg(any(feature = "ndjson", feature = "csv"))]
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
