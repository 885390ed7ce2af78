//! Whose clock: hours and days are those of a time zone.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{Error, ErrorKind};

/// A time zone: UTC, a fixed offset, one of the IANA database, or that of the log itself.
///
/// ```
/// use nasalogs::filter::Zone;
/// let zone: Zone = "-04:00".parse()?;
/// assert_eq!((zone.offset_at(804_571_201), zone.to_string().as_str()), (-14_400, "-04:00"));
/// let log: Zone = "log".parse()?;
/// assert_eq!(log.resolve(-240), zone);
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Seconds east of UTC.
    Fixed(i32),
    /// One whose offset changes.
    Named(TimeZone),
    /// The offset of the log's first row, which is not known yet.
    Log,
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl Zone {
    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self(Kind::Fixed(0))
    }

    /// The offset of the log's first row: see [`Zone::resolve`].
    #[must_use]
    pub const fn log() -> Self {
        Self(Kind::Log)
    }

    /// A fixed offset, in minutes east of UTC, as the column `tz_offset` has it.
    #[must_use]
    pub const fn from_minutes(minutes: i16) -> Self {
        Self(Kind::Fixed(minutes as i32 * 60))
    }

    /// Whether it is the log's own and not known yet.
    #[must_use]
    pub const fn is_log(&self) -> bool {
        matches!(self.0, Kind::Log)
    }

    /// The zone itself; for the log's own the offset of its first row, in minutes east of UTC.
    #[must_use]
    pub fn resolve(&self, log_offset_minutes: i16) -> Self {
        if self.is_log() { Self::from_minutes(log_offset_minutes) } else { self.clone() }
    }

    /// The offset at an instant (seconds since 1970-01-01T00:00:00Z), in seconds east of UTC. The log's own counts as
    /// UTC until it is [resolved](Zone::resolve). For one row after another see [`Zone::clock`].
    #[must_use]
    pub fn offset_at(&self, utc_seconds: i64) -> i32 {
        match &self.0 {
            Kind::Fixed(offset) => *offset,
            Kind::Named(zone) => zone.to_offset(timestamp(utc_seconds)).seconds(),
            Kind::Log => 0,
        }
    }

    /// A clock that remembers the offset and how long it lasts.
    ///
    /// ```
    /// # use nasalogs::filter::Zone;
    /// let zone: Zone = "+05:30".parse()?;
    /// let mut clock = zone.clock();
    /// assert_eq!(clock.local(804_571_201), 804_571_201 + 19_800);
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> ZoneClock {
        ZoneClock::new(self.clone())
    }

    /// What an instant's wall clock is counted from: the zone that knows civil times.
    pub(crate) fn civil(&self) -> TimeZone {
        match &self.0 {
            Kind::Fixed(offset) => {
                jiff::tz::Offset::from_seconds(*offset).map_or(TimeZone::UTC, TimeZone::fixed)
            }
            Kind::Named(zone) => zone.clone(),
            Kind::Log => TimeZone::UTC,
        }
    }
}

/// The nearest instant that the database of zones knows.
fn timestamp(utc_seconds: i64) -> Timestamp {
    let bounds = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(utc_seconds.clamp(bounds.0, bounds.1)).unwrap_or_default()
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
            return Ok(Self::utc());
        }
        if text.eq_ignore_ascii_case("log") {
            return Ok(Self::log());
        }
        if text.starts_with(['+', '-']) {
            return minutes(text).map(Self::from_minutes).ok_or_else(|| unknown(text));
        }
        let zone = TimeZone::get(text).map_err(|error| unknown(text).with_source(error))?;
        Ok(Self(Kind::Named(zone)))
    }
}

/// The minutes of `+hh`, `+hhmm` or `+hh:mm`.
fn minutes(text: &str) -> Option<i16> {
    let (sign, rest) = text.split_at_checked(1)?;
    let (hours, minutes) = match rest.len() {
        2 => (rest, "00"),
        4 => rest.split_at_checked(2)?,
        5 => rest.split_once(':')?,
        _ => return None,
    };
    let number = |text: &str, end: i16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|value: &i16| digits && *value < end)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    Some(if sign == "-" { -minutes } else { minutes })
}

fn unknown(text: &str) -> Error {
    let error = Error::new(ErrorKind::Options, format!("there is no time zone {text:?}"));
    let named = !text.starts_with(['+', '-']);
    if named && jiff::tz::db().is_definitively_empty() {
        return error.with_hint(
            "this machine has no database of time zones (the package tzdata); give an offset such as +02:00",
        );
    }
    error.with_hint(
        "expected utc, log (the log's own), an offset such as +02:00, or a name such as Europe/Berlin",
    )
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Fixed(0) => f.write_str("utc"),
            Kind::Fixed(offset) => {
                let minutes = offset.abs() / 60;
                let sign = if *offset < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Kind::Named(zone) => f.write_str(zone.iana_name().unwrap_or("unnamed")),
            Kind::Log => f.write_str("log"),
        }
    }
}

/// Offsets for one instant after another: between two changes of a zone's clocks there is nothing to look up.
#[derive(Debug, Clone)]
pub struct ZoneClock {
    zone: Zone,
    /// From its first second to the one before its last the offset holds.
    from: i64,
    to: i64,
    offset: i32,
}

impl ZoneClock {
    fn new(zone: Zone) -> Self {
        match zone.0 {
            Kind::Named(_) => Self { zone, from: 0, to: 0, offset: 0 },
            Kind::Fixed(_) | Kind::Log => {
                let offset = zone.offset_at(0);
                Self { zone, from: i64::MIN, to: i64::MAX, offset }
            }
        }
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The offset at an instant, in seconds east of UTC: as [`Zone::offset_at`].
    #[inline]
    #[must_use]
    pub fn offset_at(&mut self, utc_seconds: i64) -> i32 {
        if !(self.from..self.to).contains(&utc_seconds) {
            self.turn(utc_seconds);
        }
        self.offset
    }

    /// What the wall clock shows, as seconds since its own 1970-01-01T00:00:00.
    #[inline]
    #[must_use]
    pub fn local(&mut self, utc_seconds: i64) -> i64 {
        utc_seconds.saturating_add(i64::from(self.offset_at(utc_seconds)))
    }

    #[cold]
    fn turn(&mut self, utc_seconds: i64) {
        self.offset = self.zone.offset_at(utc_seconds);
        let Kind::Named(zone) = &self.zone.0 else {
            (self.from, self.to) = (i64::MIN, i64::MAX);
            return;
        };
        let here = timestamp(utc_seconds);
        // A change at this very second is already behind us.
        let next = timestamp(utc_seconds.saturating_add(1));
        self.from = zone.preceding(next).next().map_or(i64::MIN, |change| change.timestamp().as_second());
        self.to = zone.following(here).next().map_or(i64::MAX, |change| change.timestamp().as_second());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(text: &str) -> Zone {
        text.parse().unwrap()
    }

    #[test]
    fn names_and_offsets() {
        for (text, shown, offset) in [
            ("utc", "utc", 0),
            ("Z", "utc", 0),
            ("+00:00", "utc", 0),
            ("-00:00", "utc", 0),
            ("+02", "+02:00", 7200),
            ("+0530", "+05:30", 19_800),
            ("-04:00", "-04:00", -14_400),
            ("-00:30", "-00:30", -1800),
            ("log", "log", 0),
            ("Europe/Berlin", "Europe/Berlin", 7200),
            ("europe/berlin", "Europe/Berlin", 7200),
            ("America/New_York", "America/New_York", -14_400),
        ] {
            let zone = zone(text);
            assert_eq!((zone.to_string().as_str(), zone.offset_at(804_571_201)), (shown, offset), "{text}");
            assert_eq!(zone.to_string().parse::<Zone>().unwrap(), zone, "{text}");
        }
        for text in [
            "",
            "+",
            "+2",
            "+24",
            "+02:60",
            "+ab",
            "+0:100",
            "+02:0",
            "-04:00:00",
            "Mars/Base",
            "../etc/passwd",
            "+é1",
        ] {
            assert!(
                text.parse::<Zone>().unwrap_err().to_string().contains("there is no time zone"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_log_s_own_is_that_of_its_first_row() {
        assert_eq!(zone("log").resolve(-240), zone("-04:00"));
        assert_eq!(zone("Europe/Berlin").resolve(-240), zone("Europe/Berlin"));
    }

    #[test]
    fn clocks_change_at_their_second() {
        // 2026-03-29T01:00:00Z: Berlin goes from +1 to +2.
        let change = 1_774_746_000;
        let mut clock = zone("Europe/Berlin").clock();
        for (seconds, offset) in [(-1, 3600), (0, 7200), (1, 7200), (-1, 3600), (0, 7200)] {
            assert_eq!(clock.offset_at(change + seconds), offset, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn a_clock_says_what_its_zone_says(
            name in proptest::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
                "Africa/Monrovia", "utc", "+05:30", "log",
            ]),
            instants in proptest::collection::vec(prop_oneof![-3_000_000_000..6_000_000_000_i64, any::<i64>()], 1..40),
        ) {
            let zone = zone(name);
            let mut clock = zone.clock();
            for instant in instants {
                prop_assert_eq!(clock.offset_at(instant), zone.offset_at(instant), "{}", instant);
            }
        }
    }
}
