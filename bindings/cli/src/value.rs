//! Values on the command line.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use nasalogs::MaxRejects;
use nasalogs::field::time::{self, Instant};

/// A parser for an enum of the crate whose values have names.
pub fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err = nasalogs::Error> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// A count: `2000000`, `2_000_000` or `2M`.
pub fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1_u64),
    };
    let digits = digits.replace('_', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| digits.parse::<u64>().ok()?.checked_mul(factor))
        .flatten()
        .ok_or_else(|| "expected a number such as 2000000, 2_000_000 or 2M".to_owned())
}

/// A number of bytes: `64000000`, `64M`, `64MB` or `64MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let binary = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, factor) = binary.unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    count(number)
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "expected a number of bytes such as 64000000, 64M or 64MiB".to_owned())
}

/// How many names are named: from 1 to 10,000.
pub fn top(text: &str) -> Result<usize, String> {
    count(text)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| "expected a number from 1 to 10000".to_owned())
}

/// A share of lines: `5%`, as a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "expected a share from 0% to 100%, such as 2.5%".to_owned())
}

/// A bound on rejected lines: a count, or a share of the lines.
pub fn max_rejects(text: &str) -> Result<MaxRejects, String> {
    let bound = if text.ends_with('%') {
        share(text).map(MaxRejects::Share)
    } else {
        count(text).map(MaxRejects::Count)
    };
    bound.map_err(|_| "expected a number of lines such as 100, or a share of them such as 0.5%".to_owned())
}

/// A time with its offset: `1995-07-01T00:00:01-04:00`, or as logs write it.
pub fn instant(text: &str) -> Result<Instant, String> {
    let bytes = text.as_bytes();
    let bytes = bytes.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(bytes);
    time::iso(bytes).or_else(|| time::clf(bytes)).ok_or_else(|| {
        "expected a time with its offset, such as 1995-07-01T00:00:01-04:00 or '01/Jul/1995:00:00:01 -0400'"
            .to_owned()
    })
}

/// Two names of a column: `host=client`.
pub fn renamed(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .ok_or_else(|| "expected the old name and the new one, such as host=client".to_owned())
}

/// A name without the blanks around it, as in `--columns "ts, status"`.
#[allow(clippy::unnecessary_wraps, reason = "what the argument parser wants")]
pub fn trimmed(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(count("2_000"), Ok(2000));
        assert_eq!(count("2M"), Ok(2_000_000));
        for bad in ["", "M", "-1", "1.5", "99999999999G", "1e6", "_"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!((size("5"), size("64M"), size("64MB")), (Ok(5), Ok(64_000_000), Ok(64_000_000)));
        assert_eq!((size("2KiB"), size("3GiB"), size("5B")), (Ok(2048), Ok(3 << 30), Ok(5)));
        for bad in ["", "B", "MiB", "1.5M", "99999999999GiB", "1 M"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(share("5%"), Ok(0.05));
        assert_eq!(share("100 %"), Ok(1.0));
        for bad in ["5", "-1%", "101%", "NaN%", "%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds() {
        assert!(matches!(max_rejects("10"), Ok(MaxRejects::Count(10))));
        assert!(matches!(max_rejects("50%"), Ok(MaxRejects::Share(share)) if share == 0.5));
        assert!(max_rejects("many").is_err());
    }

    #[test]
    fn times() {
        let expected = Instant { ms: 804_571_201_000, tz_offset: -240 };
        for text in
            ["1995-07-01T00:00:01-04:00", "01/Jul/1995:00:00:01 -0400", "[01/Jul/1995:00:00:01 -0400]"]
        {
            assert_eq!(instant(text), Ok(expected));
        }
        assert!(instant("1995-07-01").is_err());
    }
}
