//! Points in time as people say them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Zone;
use crate::error::{Error, ErrorKind};
use crate::field::time;

/// A point in time: an instant, what a wall clock shows, or so long before the log's end.
///
/// - An instant: RFC 3339, `1995-07-01T04:00:00Z`, or as logs write it, `01/Jul/1995:00:00:00 -0400`.
/// - A wall clock's: `1995-07-01 06:30`, in the zone that is asked for. A date alone is the day's first instant.
/// - Relative: `2 hours ago`, `90m`, and whole days, `today` and `yesterday`. They count from the log's own last row, so
///   that they mean something for a log of last year.
///
/// ```
/// use nasalogs::filter::{Moment, Zone};
/// let zone: Zone = "-04:00".parse()?;
/// let moment: Moment = "1995-07-01".parse()?;
/// assert_eq!(moment.resolve(&zone, None)?, 804_571_200_000);
/// let moment: Moment = "2 hours ago".parse()?;
/// assert_eq!(moment.resolve(&zone, Some(7_200_000))?, 0);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Milliseconds since 1970 in UTC.
    Instant(i64),
    /// What the wall clock shows.
    Civil(DateTime),
    /// Milliseconds before the log's end.
    Before(i64),
    /// The first instant of the day so many days before the log's last.
    Day(i64),
}

impl Moment {
    /// An instant, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let text = Timestamp::from_millisecond(millis)
            .map_or_else(|_| format!("{millis} ms"), |timestamp| timestamp.to_string());
        Self { text, kind: Kind::Instant(millis) }
    }

    /// Whether it counts from the log's end.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        matches!(self.kind, Kind::Before(_) | Kind::Day(_))
    }

    /// Whether it depends on the zone.
    #[must_use]
    pub fn needs_zone(&self) -> bool {
        matches!(self.kind, Kind::Civil(_) | Kind::Day(_))
    }

    /// The instant, in milliseconds since 1970-01-01T00:00:00Z. `end` is that of the log's last row. Where clocks were
    /// put forward over a wall clock's time, it is taken as so much later; where it comes twice, the first is meant.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when it counts from an end that is not known.
    pub fn resolve(&self, zone: &Zone, end: Option<i64>) -> Result<i64, Error> {
        let end = || {
            end.ok_or_else(|| {
                Error::new(
                    ErrorKind::Options,
                    format!("{:?} counts from the log's end, which is not known", self.text),
                )
                .with_hint("name a date or a time")
            })
        };
        Ok(match &self.kind {
            Kind::Instant(millis) => *millis,
            Kind::Civil(wall) => instant(*wall, zone),
            Kind::Before(millis) => end()?.saturating_sub(*millis),
            Kind::Day(days) => {
                const DAY: i64 = 86_400;
                let last = end()?.div_euclid(1000);
                let local = last.saturating_add(i64::from(zone.offset_at(last)));
                let day = (local.div_euclid(DAY) - days).saturating_mul(DAY);
                // A day's midnight as a wall clock shows it, which no zone has to do with.
                let wall =
                    Timestamp::from_second(day).map(|midnight| jiff::tz::TimeZone::UTC.to_datetime(midnight));
                wall.map_or_else(|_| day.saturating_mul(1000), |wall| instant(wall, zone))
            }
        })
    }
}

/// The first instant at which a wall clock shows this.
fn instant(wall: DateTime, zone: &Zone) -> i64 {
    match zone.civil().to_ambiguous_timestamp(wall).compatible() {
        Ok(timestamp) => timestamp.as_millisecond(),
        // Beyond the ends of time.
        Err(_) if wall.year() > 0 => i64::MAX,
        Err(_) => i64::MIN,
    }
}

impl FromStr for Moment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let kind = kind(text).ok_or_else(|| {
            Error::new(ErrorKind::Options, format!("{text:?} is no time")).with_hint(
                "expected one such as 1995-07-01, '1995-07-01 06:30', 1995-07-01T06:30:00-04:00, '2 hours ago' or yesterday",
            )
        })?;
        Ok(Self { text: text.to_owned(), kind })
    }
}

fn kind(text: &str) -> Option<Kind> {
    match text.to_ascii_lowercase().as_str() {
        "today" => return Some(Kind::Day(0)),
        "yesterday" => return Some(Kind::Day(1)),
        _ => {}
    }
    let logged = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let logged = time::clf(logged.as_bytes()).or_else(|| time::iso(text.as_bytes()));
    if let Some(instant) = logged {
        return Some(Kind::Instant(instant.ms));
    }
    // Names of zones in brackets, and whatever else jiff reads, are not promised.
    if !text.contains('[') {
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Some(Kind::Instant(timestamp.as_millisecond()));
        }
        if let Ok(wall) = text.parse::<DateTime>() {
            return Some(Kind::Civil(wall));
        }
    }
    before(text).map(Kind::Before)
}

/// The milliseconds of `2 hours ago` or `90m`.
fn before(text: &str) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let span = text.strip_suffix("ago").unwrap_or(&text).trim();
    let unit = span.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = span.split_at(unit);
    let seconds = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(seconds)?.checked_mul(1000)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, zone: &str) -> i64 {
        // Tue, 1 Aug 1995 03:59:59 UTC: a second before midnight in New York.
        let end = 807_249_599_000;
        text.parse::<Moment>().unwrap().resolve(&zone.parse().unwrap(), Some(end)).unwrap()
    }

    #[test]
    fn instants_walls_and_spans() {
        for (text, zone, seconds) in [
            ("1995-07-01T00:00:01-04:00", "utc", 804_571_201),
            ("1995-07-01T04:00:01Z", "Europe/Berlin", 804_571_201),
            ("1995-07-01 04:00:01Z", "utc", 804_571_201),
            ("01/Jul/1995:00:00:01 -0400", "utc", 804_571_201),
            ("[01/Jul/1995:00:00:01 -0400]", "utc", 804_571_201),
            ("1995-07-01", "utc", 804_556_800),
            ("1995-07-01", "-04:00", 804_571_200),
            ("1995-07-01", "America/New_York", 804_571_200),
            ("1995-07-01 06:30", "+02:00", 804_573_000),
            ("1995-07-01T06:30:05", "+02:00", 804_573_005),
            ("2 hours ago", "utc", 807_242_399),
            ("2h", "utc", 807_242_399),
            ("90 minutes ago", "utc", 807_244_199),
            ("1 Day ago", "utc", 807_163_199),
            ("1 week ago", "utc", 806_644_799),
            ("today", "-04:00", 807_163_200),
            ("today", "utc", 807_235_200),
            ("yesterday", "America/New_York", 807_076_800),
        ] {
            assert_eq!(resolved(text, zone), seconds * 1000, "{text} in {zone}");
        }
    }

    #[test]
    fn clocks_that_were_put_forward() {
        // Berlin, 29 March 2026: 02:00 to 03:00 does not exist; 25 October: it comes twice.
        assert_eq!(resolved("2026-03-29 02:30", "Europe/Berlin"), resolved("2026-03-29T01:30:00Z", "utc"));
        assert_eq!(resolved("2026-10-25 02:30", "Europe/Berlin"), resolved("2026-10-25T00:30:00Z", "utc"));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "ago",
            "hours ago",
            "2 months ago",
            "-2 hours",
            "1995-13-01",
            "9999999999999999w",
            "noon",
            "é",
        ] {
            assert!(text.parse::<Moment>().unwrap_err().to_string().contains("is no time"), "{text}");
        }
        let relative: Moment = "2h".parse().unwrap();
        assert!(relative.is_relative() && !relative.needs_zone());
        assert!(relative.resolve(&Zone::utc(), None).unwrap_err().to_string().contains("the log's end"));
        assert_eq!(resolved("-009999-01-01", "+14:00"), i64::MIN);
        assert_eq!(Moment::from_millis(804_571_201_000).to_string(), "1995-07-01T04:00:01Z");
    }
}
