//! Times as logs write them.

/// A time and the UTC offset it was logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub ms: i64,
    /// Minutes east of UTC, as logged: -240 for `-0400`.
    pub tz_offset: i16,
}

const DAY_MS: i64 = 86_400_000;
/// The instants of 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z, in milliseconds.
const YEARS: std::ops::Range<i64> = -719_162 * DAY_MS..2_932_897 * DAY_MS;

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. The date has to exist.
///
/// Years are counted from March, so that the leap day is a year's last; a "century of centuries" (400 years) has
/// always 146,097 days.
///
/// ```
/// assert_eq!(nasalogs::field::time::days_from_civil(1995, 7, 1), 9312);
/// ```
#[must_use]
pub const fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = year as i64 - (month <= 2) as i64;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date, as (year, month, day), of a count of days since 1970-01-01.
///
/// ```
/// assert_eq!(nasalogs::field::time::civil_from_days(9312), (1995, 7, 1));
/// ```
#[must_use]
pub const fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year as i32, month as u32, day as u32)
}

/// The same for a date as text, `1995-07-01`; nothing where it is none.
///
/// ```
/// use nasalogs::field::time::days_from_date;
/// assert_eq!(days_from_date("1995-07-01"), Some(9312));
/// assert_eq!((days_from_date("1995-7-1"), days_from_date("1995-02-29")), (None, None));
/// ```
#[must_use]
pub fn days_from_date(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits::<4>(text, 0)? as i32, digits::<2>(text, 5)?, digits::<2>(text, 8)?);
    is_date(year, month, day).then(|| days_from_civil(year, month, day))
}

fn is_date(year: i32, month: u32, day: u32) -> bool {
    (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day)
}

const fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The month names of access logs, as written.
pub const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `N` digits as a number.
fn digits<const N: usize>(text: &[u8], at: usize) -> Option<u32> {
    let text: &[u8; N] = text.get(at..at + N)?.try_into().ok()?;
    text.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| value * 10 + u32::from(digit))
    })
}

/// The fields of a time, before they are known to make sense.
struct Parts {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    zone_sign: u8,
    zone_hour: u32,
    zone_minute: u32,
}

impl Parts {
    fn instant(&self) -> Option<Instant> {
        let year = self.year as i32;
        let fits = is_date(year, self.month, self.day)
            && self.hour <= 23
            && self.minute <= 59
            && self.second <= 60
            && self.zone_hour <= 23
            && self.zone_minute <= 59;
        if !fits {
            return None;
        }
        let east = (self.zone_hour * 60 + self.zone_minute) as i64;
        let east = if self.zone_sign == b'-' { -east } else { east };
        let seconds = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        // A second 60 is the first instant of the next minute: nothing more is needed for it.
        let ms = days_from_civil(year, self.month, self.day) * DAY_MS + (seconds - east * 60) * 1000;
        YEARS.contains(&ms).then_some(Instant { ms, tz_offset: east as i16 })
    }
}

/// The length of `dd/Mon/yyyy:HH:MM:SS +hhmm`.
pub const CLF_LEN: usize = 26;

fn is_sign(byte: u8) -> bool {
    byte == b'+' || byte == b'-'
}

/// Whether a text has the shape of a Common Log Format time, whatever its numbers: digits, letters and separators at
/// their places.
#[must_use]
pub fn is_clf_shape(text: &[u8]) -> bool {
    const SHAPE: &[u8; CLF_LEN] = b"00/aaa/0000:00:00:00 +0000";
    text.len() == CLF_LEN
        && text.iter().zip(SHAPE).all(|(&byte, &shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            b'+' => is_sign(byte),
            other => byte == other,
        })
}

/// A Common Log Format time: exactly `dd/Mon/yyyy:HH:MM:SS +hhmm`, a date that exists.
///
/// ```
/// use nasalogs::field::time::clf;
/// let time = clf(b"01/Jul/1995:00:00:01 -0400").unwrap();
/// assert_eq!((time.ms, time.tz_offset), (804_571_201_000, -240));
/// assert_eq!(clf(b"31/Feb/1995:00:00:01 -0400"), None);
/// ```
#[must_use]
pub fn clf(text: &[u8]) -> Option<Instant> {
    if !is_clf_shape(text) {
        return None;
    }
    let month = MONTHS.iter().position(|name| name[..] == text[3..6])? as u32 + 1;
    Parts {
        day: digits::<2>(text, 0)?,
        month,
        year: digits::<4>(text, 7)?,
        hour: digits::<2>(text, 12)?,
        minute: digits::<2>(text, 15)?,
        second: digits::<2>(text, 18)?,
        zone_sign: text[21],
        zone_hour: digits::<2>(text, 22)?,
        zone_minute: digits::<2>(text, 24)?,
    }
    .instant()
}

/// An ISO 8601 time: exactly `yyyy-mm-ddTHH:MM:SS+hh:mm`, as nginx writes it, or `…+hhmm`, as strftime does.
///
/// ```
/// use nasalogs::field::time::iso;
/// assert_eq!(iso(b"1995-07-01T00:00:01-04:00").unwrap().ms, 804_571_201_000);
/// assert_eq!(iso(b"1995-07-01T00:00:01-0400"), iso(b"1995-07-01T00:00:01-04:00"));
/// ```
#[must_use]
pub fn iso(text: &[u8]) -> Option<Instant> {
    let zone_minute = match text.len() {
        25 if text[22] == b':' => 23,
        24 => 22,
        _ => return None,
    };
    let separators = is_sign(text[19])
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|&(at, byte)| text[at] == byte);
    if !separators {
        return None;
    }
    Parts {
        year: digits::<4>(text, 0)?,
        month: digits::<2>(text, 5)?,
        day: digits::<2>(text, 8)?,
        hour: digits::<2>(text, 11)?,
        minute: digits::<2>(text, 14)?,
        second: digits::<2>(text, 17)?,
        zone_sign: text[19],
        zone_hour: digits::<2>(text, 20)?,
        zone_minute: digits::<2>(text, zone_minute)?,
    }
    .instant()
}

/// An instant as a count of units since 1970. `digits` of it make a second's fraction: 0 for seconds (with an
/// optional fraction after a point), 3 for milliseconds, 6 for microseconds.
///
/// ```
/// use nasalogs::field::time::epoch;
/// assert_eq!(epoch(b"804571201.250", 0), Some(804_571_201_250));
/// assert_eq!(epoch(b"804571201250", 3), Some(804_571_201_250));
/// ```
#[must_use]
pub fn epoch(text: &[u8], digits: u8) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let ms = match digits {
        0 => super::number::decimal(text, 3)?,
        digits => super::number::bytes(text)? / 10i64.checked_pow(u32::from(digits).checked_sub(3)?)?,
    };
    Some(if negative { -ms } else { ms }).filter(|ms| YEARS.contains(ms))
}

/// Remembers the last minute and the last offset: neighbouring lines of a log mostly share them, and then only the
/// seconds are left to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClfCache {
    /// `[dd/Mon/`, `yyyy:HH:`, `MM:` and ` +hhmm]`. No text has zeros at the places of digits.
    key: (u64, u64, u32, u64),
    /// The minute's start, in milliseconds UTC.
    minute: i64,
    /// The date's midnight in that zone, likewise.
    midnight: i64,
    tz_offset: i16,
}

impl ClfCache {
    /// What [`clf`] gives for what is between the brackets; none without brackets.
    #[inline(always)]
    pub(crate) fn parse(&mut self, text: &[u8; CLF_LEN + 2]) -> Option<Instant> {
        let word = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
        let (minute, tail) = (u32::from_le_bytes([text[16], text[17], text[18], 0]), word(20) >> 8);
        let key = (word(0), word(8), minute, tail);
        let differ = (key.0 ^ self.key.0)
            | (key.1 ^ self.key.1)
            | u64::from(key.2 ^ self.key.2)
            | (key.3 ^ self.key.3);
        let second = u32::from(u16::from_le_bytes([text[19], text[20]])) ^ 0x3030;
        // The second is 00 to 59: adding this sets the high bit of a first digit above 5 or a second above 9.
        let odd = (second | (second + 0x767A)) & 0x8080;
        if differ | u64::from(odd) != 0 {
            return self.miss(text, key);
        }
        let second = (second & 0xFF) * 10 + (second >> 8);
        Some(Instant { ms: self.minute + i64::from(second * 1000), tz_offset: self.tz_offset })
    }

    /// Another minute, mostly of the same day.
    #[cold]
    #[inline(never)]
    fn miss(&mut self, text: &[u8; CLF_LEN + 2], key: (u64, u64, u32, u64)) -> Option<Instant> {
        /// The first five bytes of the second word are the year and a colon.
        const YEAR: u64 = 0xFF_FFFF_FFFF;
        let text = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
        let same_day = key.0 == self.key.0 && (key.1 ^ self.key.1) & YEAR == 0 && key.3 == self.key.3;
        if same_day {
            let clock: [u8; 8] = text[12..20].try_into().ok()?;
            if let Some(ms) = usual_time(u64::from_le_bytes(clock)) {
                self.key = key;
                self.minute = self.midnight + i64::from(ms / 60_000 * 60_000);
                return Some(Instant { ms: self.midnight + i64::from(ms), tz_offset: self.tz_offset });
            }
        }
        let instant = clf(text)?;
        let clock = |at| digits::<2>(text, at).map(i64::from);
        let (hour, minute, second) = (clock(12)?, clock(15)?, clock(18)?);
        // At the edges of the calendar every line is judged on its own: a day can be half in range.
        if (YEARS.start + 2 * DAY_MS..YEARS.end - 2 * DAY_MS).contains(&instant.ms) {
            let start = instant.ms - second * 1000;
            let midnight = start - (hour * 60 + minute) * 60_000;
            *self = Self { key, minute: start, midnight, tz_offset: instant.tz_offset };
        }
        Some(instant)
    }
}

/// Milliseconds since midnight of the eight bytes `HH:MM:SS`, first byte lowest; none for a leap second or nonsense.
fn usual_time(word: u64) -> Option<u32> {
    // Digits become 0-9, colons 0.
    let fields = word ^ 0x3030_3A30_303A_3030;
    // Adding this sets the high bit of a byte above what may stand there: 2, 9, 0 | 5, 9, 0 | 5, 9. High bits that were
    // set already are taken from the word itself, so that no byte carries into the next.
    let above = (fields & 0x7F7F_7F7F_7F7F_7F7F) + 0x767A_7F76_7A7F_767D;
    // Each pair of digits meets in its first byte: bytes 0, 3 and 6.
    let pairs = fields.wrapping_mul(10) + (fields >> 8);
    let (hour, minute, second) = (pairs & 0xFF, pairs >> 24 & 0xFF, pairs >> 48 & 0xFF);
    if (fields | above) & 0x8080_8080_8080_8080 != 0 || hour > 23 {
        return None;
    }
    Some((hour * 3_600_000 + minute * 60_000 + second * 1000) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn days_go_there_and_back() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        for days in (-719_162..2_932_897).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(-719_162), (1, 1, 1));
        assert_eq!(civil_from_days(2_932_896), (9999, 12, 31));
    }

    fn ms(text: &str) -> Option<i64> {
        clf(text.as_bytes()).map(|time| time.ms)
    }

    #[test]
    fn leap_seconds_are_the_next_minute() {
        assert_eq!(ms("01/Jul/1995:23:59:60 +0000"), ms("02/Jul/1995:00:00:00 +0000"));
        assert_eq!(ms("01/Jul/1995:12:30:60 +0000"), ms("01/Jul/1995:12:31:00 +0000"));
        assert_eq!(ms("01/Jul/1995:12:30:61 +0000"), None);
    }

    #[test]
    fn dates_have_to_exist() {
        for bad in [
            "29/Feb/1995:00:00:00 +0000",
            "31/Apr/1995:00:00:00 +0000",
            "00/Jul/1995:00:00:00 +0000",
            "29/Feb/1900:00:00:00 +0000",
            "01/jul/1995:00:00:00 +0000",
            "01/JUL/1995:00:00:00 +0000",
            "01/Jul/1995:24:00:00 +0000",
            "01/Jul/1995:00:60:00 +0000",
            "01/Jul/1995:00:00:00 +2400",
            "01/Jul/1995:00:00:00 +0060",
            "01/Jul/1995:00:00:00 0400",
            "01/Jul/1995 00:00:00 +0000",
            "1/Jul/1995:00:00:00 +0000",
            "01/Jul/0000:00:00:00 +0000",
            "01/Jan/0001:00:00:00 +0001",
            "31/Dec/9999:23:59:59 -0001",
            "31/Dec/9999:23:59:60 +0000",
            "01/Jul/1995:00:00:0\u{b2} +000",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(ms("29/Feb/2000:00:00:00 +0000"), Some(11_016 * DAY_MS));
        assert!(ms("01/Jan/0001:00:00:00 +0000").is_some() && ms("31/Dec/9999:23:59:59 +2359").is_some());
        assert_eq!(ms("01/Jul/1965:00:00:01 -0400"), Some(days_from_civil(1965, 7, 1) * DAY_MS + 14_401_000));
    }

    #[test]
    fn other_clocks() {
        assert_eq!(iso(b"1995-07-01T00:00:01-04:00"), clf(b"01/Jul/1995:00:00:01 -0400"));
        assert_eq!(iso(b"1995-07-01 00:00:01-04:00"), None);
        assert_eq!(epoch(b"804571201250999", 6), Some(804_571_201_250));
        assert_eq!(epoch(b"-1", 0), Some(-1000));
        assert_eq!(epoch(b"99999999999999", 0), None);
        assert_eq!(epoch(b"", 0), None);
    }

    fn time() -> impl Strategy<Value = String> {
        let number = |top: u32| 0..=top;
        (number(31), 0..12usize, prop_oneof![Just(1995), Just(1), Just(9999), 0..=9999u32], number(24), number(60), number(61), any::<bool>(), number(24), number(60))
            .prop_map(|(day, month, year, hour, minute, second, west, zone_hour, zone_minute)| {
                let month = std::str::from_utf8(MONTHS[month]).unwrap();
                let sign = if west { '-' } else { '+' };
                format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {sign}{zone_hour:02}{zone_minute:02}")
            })
    }

    proptest! {
        #[test]
        fn the_cache_changes_nothing(times in proptest::collection::vec(time(), 1..20), at in 0..CLF_LEN + 2, byte in any::<u8>(), damage in any::<bool>()) {
            let mut cache = ClfCache::default();
            for text in &times {
                let mut text: [u8; CLF_LEN + 2] = format!("[{text}]").into_bytes().try_into().unwrap();
                let plain = |text: &[u8]| text.strip_prefix(b"[")?.strip_suffix(b"]").and_then(clf);
                // Twice, so that the second reading is from the cache; then damaged.
                prop_assert_eq!(cache.parse(&text), plain(&text));
                prop_assert_eq!(cache.parse(&text), plain(&text));
                if damage {
                    text[at] = byte;
                    prop_assert_eq!(cache.parse(&text), plain(&text));
                }
            }
        }
    }
}
