//! Statuses: single ones, classes, ranges.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// Which statuses are meant: a list of single ones (`404`), classes (`5xx`), ranges (`200-299`), and `-` for none.
///
/// ```
/// use nasalogs::filter::Statuses;
/// let statuses: Statuses = "5xx,404,-".parse()?;
/// assert!(statuses.matches(Some(503)) && statuses.matches(None) && !statuses.matches(Some(200)));
/// # Ok::<(), nasalogs::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    text: String,
    ranges: Vec<(i16, i16)>,
    /// Whether rows without a status are meant.
    none: bool,
}

impl Statuses {
    /// Whether a status is meant.
    #[must_use]
    pub fn matches(&self, status: Option<i16>) -> bool {
        status.map_or(self.none, |status| {
            self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&status))
        })
    }
}

impl FromStr for Statuses {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut statuses = Self { text: text.to_owned(), ranges: Vec::new(), none: false };
        for word in text.split(',').map(str::trim) {
            if word == "-" {
                statuses.none = true;
                continue;
            }
            statuses.ranges.push(range(word).ok_or_else(|| {
                Error::new(ErrorKind::Options, format!("{word:?} is no status"))
                    .with_hint("expected some of 404, 5xx, 200-299, or - for none, with commas between them")
            })?);
        }
        Ok(statuses)
    }
}

fn range(word: &str) -> Option<(i16, i16)> {
    let single = |word: &str| {
        let is_number = word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse::<i16>().ok().filter(|_| is_number)
    };
    if let Some(class) = word.strip_suffix("xx").or_else(|| word.strip_suffix("XX")) {
        let class = single(&format!("{class}00"))?;
        return Some((class, class + 99));
    }
    let (low, high) = match word.split_once('-') {
        Some((low, high)) => (single(low)?, single(high)?),
        None => (single(word)?, single(word)?),
    };
    (low <= high).then_some((low, high))
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_statuses() {
        let statuses: Statuses = "5xx, 404,200-299,000".parse().unwrap();
        for (status, meant) in [
            (Some(500), true),
            (Some(599), true),
            (Some(600), false),
            (Some(499), false),
            (Some(404), true),
            (Some(299), true),
            (Some(0), true),
            (None, false),
        ] {
            assert_eq!(statuses.matches(status), meant, "{status:?}");
        }
        assert!("-".parse::<Statuses>().unwrap().matches(None));
        for text in ["", "5x", "xx", "4040", "40", "299-200", "abc", "200-", "200,,404", "+20", "10xx", "é"]
        {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
