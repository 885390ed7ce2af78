//! Numbers, times and names as people read them.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::answer::{Report, Size};
use crate::field::text::escape_control;
use crate::field::time::civil_from_days;
use crate::filter::Zone;

/// A number in groups of three digits.
///
/// ```
/// assert_eq!(nasalogs::report::grouped(1_891_715), "1,891,715");
/// ```
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in decimal units.
///
/// ```
/// assert_eq!(nasalogs::report::size(205_242_368), "205.2 MB");
/// ```
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// The same, for a column of a table.
pub(super) fn short_size(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { size(bytes) }
}

/// A share in percent; nothing that is there is shown as nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if part == whole => "100%".to_owned(),
        _ if percent < 0.05 => "<0.1%".to_owned(),
        // Not all is shown as all.
        _ if percent >= 99.95 => "99.9%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The days of a week, as a report's rows of hours have them.
pub(super) fn weekday(number: usize) -> &'static str {
    WEEKDAYS.get(number).copied().unwrap_or("")
}

/// A report's clock: how its times are written.
pub(super) struct Clock(Zone);

impl Clock {
    pub(super) fn of(report: &Report) -> Self {
        Self(report.zone.parse().unwrap_or_default())
    }

    /// `Sat 1 Jul 1995 00:00:01`.
    pub(super) fn long(&self, second: i64) -> String {
        let (weekday, date, time) = self.parts(second);
        format!("{weekday} {date} {time}")
    }

    /// What tells one bucket from the other: `1 Jul 1995`, with the time where buckets are shorter than days.
    pub(super) fn bucket(&self, second: i64, step: i64) -> String {
        let (_, date, time) = self.parts(second);
        match step {
            86_400.. => date,
            60.. => format!("{date} {}", &time[..5]),
            _ => format!("{date} {time}"),
        }
    }

    fn parts(&self, second: i64) -> (&'static str, String, String) {
        let local = second.saturating_add(i64::from(self.0.offset_at(second)));
        let (days, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        // The last years that calendars are asked about.
        let (year, month, day) = civil_from_days(days.clamp(-100_000_000, 100_000_000));
        let weekday = WEEKDAYS[(days + 3).rem_euclid(7) as usize];
        let month = MONTHS.get(month as usize - 1).copied().unwrap_or("");
        let time = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
        (weekday, format!("{day} {month} {year}"), time)
    }
}

/// The length of a bucket: `10 minutes`.
pub(super) fn step(seconds: i64) -> String {
    let (number, unit) = match seconds {
        604_800.. if seconds % 604_800 == 0 => (seconds / 604_800, "week"),
        86_400.. if seconds % 86_400 == 0 => (seconds / 86_400, "day"),
        3600.. if seconds % 3600 == 0 => (seconds / 3600, "hour"),
        60.. if seconds % 60 == 0 => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    if number == 1 { unit.to_owned() } else { format!("{number} {unit}s") }
}

/// What a status means, where RFC 9110 or its relatives say so.
pub(super) fn phrase(status: Option<i16>) -> &'static str {
    let Some(status) = status else { return "none logged" };
    let known = match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    };
    match status / 100 {
        _ if !known.is_empty() => known,
        1 => "informational",
        2 => "success",
        3 => "redirection",
        4 => "client error",
        5 => "server error",
        _ => "unknown",
    }
}

/// Sizes by steps of four times, few enough to look at: what the range is called, and its requests.
pub(super) fn sizes(sizes: &[Size]) -> Vec<(String, u64)> {
    let binary = |bytes: u64| match bytes.max(1).ilog2() {
        0..10 => format!("{bytes} B"),
        10..20 => format!("{} KiB", bytes >> 10),
        20..30 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    };
    // Bins are powers of two: 1, 2-3, 4-7 …; those below 1 KiB go together, then each two.
    let mut rows: Vec<(Option<u32>, String, u64)> = Vec::new();
    for bin in sizes {
        let (key, name) = match bin.from {
            None => (None, "none logged".to_owned()),
            Some(0) => (Some(0), "0 B".to_owned()),
            Some(from) if from < 1024 => (Some(1), "1 B to 1 KiB".to_owned()),
            Some(from) => {
                let step = (from.ilog2() - 10) / 2;
                let low = 1_u64 << (10 + 2 * step);
                (
                    Some(2 + step),
                    format!("{} to {}", binary(low), low.checked_mul(4).map_or("…".to_owned(), binary)),
                )
            }
        };
        match rows.iter_mut().find(|(known, _, _)| *known == key) {
            Some((_, _, requests)) => *requests += bin.requests,
            None => rows.push((key, name, bin.requests)),
        }
    }
    rows.into_iter().map(|(_, name, requests)| (name, requests)).collect()
}

/// A name that may be missing, harmless for a terminal.
pub(super) fn name(name: Option<&str>) -> String {
    match name {
        None => "(none)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(name) => escape_control(name.as_bytes()),
    }
}

/// A text in at most so many columns of a terminal: what is too long loses its middle, so that beginning and end can be
/// read.
pub(super) fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    // The beginning says more than the end: two parts of three.
    let head: String = take(text.chars(), room - room / 3);
    let tail: String = take(text.chars().rev(), room - head.width().min(room));
    let tail: String = tail.chars().rev().collect();
    if room == 0 { take(text.chars(), width) } else { format!("{head}{ellipsis}{tail}") }
}

fn take(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_891_715].map(grouped), ["0", "999", "1,000", "1,891,715"]);
        assert_eq!([999, 1000, 38_695_973_491].map(size), ["999 bytes", "1.0 kB", "38.7 GB"]);
        assert_eq!(
            [percent(0, 9), percent(9, 9), percent(1, 3), percent(1, 100_000), percent(99_999, 100_000)],
            ["0%", "100%", "33.3%", "<0.1%", "99.9%"]
        );
        assert_eq!(
            [1, 10, 600, 3600, 86_400, 604_800, 52 * 604_800].map(step),
            ["second", "10 seconds", "10 minutes", "hour", "day", "week", "52 weeks"]
        );
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(cut("/images/launch-logo.gif", 23, "…"), "/images/launch-logo.gif");
        assert_eq!(cut("/images/launch-logo.gif", 16, "…"), "/images/la…o.gif");
        assert_eq!(cut("/images/launch-logo.gif", 16, "..."), "/images/l....gif");
        // A character of two columns is not cut in half.
        assert_eq!(cut("目录目录目录", 7, "…"), "目录…录");
        for width in 0..10 {
            assert!(cut("/目录/é/abcdefgh", width, "…").width() <= width);
        }
    }

    #[test]
    fn sizes_are_few() {
        let bin = |from, to| Size { from, to, requests: 1 };
        let bins = [
            bin(None, None),
            bin(Some(0), Some(0)),
            bin(Some(1), Some(1)),
            bin(Some(512), Some(1023)),
            bin(Some(1024), Some(2047)),
            bin(Some(2048), Some(4095)),
            bin(Some(4096), Some(8191)),
            bin(Some(1 << 62), Some(i64::MAX as u64)),
        ];
        let expected = [
            ("none logged", 1),
            ("0 B", 1),
            ("1 B to 1 KiB", 2),
            ("1 KiB to 4 KiB", 2),
            ("4 KiB to 16 KiB", 1),
            ("4294967296 GiB to …", 1),
        ];
        assert_eq!(sizes(&bins), expected.map(|(name, requests)| (name.to_owned(), requests)));
    }
}
