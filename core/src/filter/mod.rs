//! Which rows are wanted, and whose clock is meant: what reports, conversions and live pages have in common.
//!
//! A [`Filter`] is what was asked for. Times in it can depend on a zone and on the log's end, so it is
//! [settled](Filter::settle) first; the [`Sieve`] that comes of it looks at batches.
//!
//! ```
//! use nasalogs::filter::{Filter, Zone};
//! use nasalogs::{ParseOptions, ReaderBuilder, source::Source};
//! let log = b"192.0.2.1 - - [01/Jul/1995:00:00:01 -0400] \"GET /a HTTP/1.0\" 200 5\n\
//!             192.0.2.1 - - [01/Jul/1995:00:00:02 -0400] \"GET /b HTTP/1.0\" 404 -\n";
//! let mut filter = Filter::new();
//! filter.include.hosts.push("192.0.2.0/24".parse()?);
//! filter.exclude.statuses.push("4xx".parse()?);
//! let sieve = filter.settle(&Zone::utc(), None)?;
//!
//! let mut reader = ReaderBuilder::new().open_sources(vec![Source::memory(log)])?;
//! let batch = reader.next_batch()?.unwrap();
//! assert_eq!((batch.num_rows(), sieve.apply(batch)?.num_rows()), (2, 1));
//! # Ok::<(), nasalogs::Error>(())
//! ```

mod glob;
mod host;
mod moment;
mod sieve;
mod status;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;

pub use glob::Glob;
pub use host::HostRule;
pub use moment::Moment;
pub use sieve::Sieve;
pub use status::Statuses;
pub use zone::{Zone, ZoneClock};

use arrow::datatypes::Schema;

use crate::error::Result;

/// Rules about what a row says. Several of one kind are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rules {
    /// Statuses.
    pub statuses: Vec<Statuses>,
    /// Methods, whose case does not count.
    pub methods: Vec<String>,
    /// Patterns of paths, without their queries.
    pub paths: Vec<Glob>,
    /// Hosts.
    pub hosts: Vec<HostRule>,
}

impl Rules {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty() && self.methods.is_empty() && self.paths.is_empty() && self.hosts.is_empty()
    }

    /// Each kind: its column, which is its option's name too, and what was asked for.
    fn kinds(&self) -> [(&'static str, Vec<String>); 4] {
        fn words<T: fmt::Display>(rules: &[T]) -> Vec<String> {
            rules.iter().map(ToString::to_string).collect()
        }
        [
            ("status", words(&self.statuses)),
            ("method", words(&self.methods)),
            ("path", words(&self.paths)),
            ("host", words(&self.hosts)),
        ]
    }
}

/// Which rows are wanted.
///
/// A row is wanted when it is not before `since` and before `until`, when for each kind of rule in `include` one of
/// that kind fits, and none in `exclude` does. What a row does not have (null) fits no rule, so that it is never
/// included by one nor excluded; only the status `-` means rows without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Filter {
    /// The first instant that is wanted.
    pub since: Option<Moment>,
    /// The first instant that is not.
    pub until: Option<Moment>,
    /// What a row has to fit.
    pub include: Rules,
    /// What a row must not fit.
    pub exclude: Rules,
}

impl Filter {
    /// A filter through which all rows go.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether all rows go through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn moments(&self) -> impl Iterator<Item = (&'static str, &Moment)> {
        [("since", self.since.as_ref()), ("until", self.until.as_ref())]
            .into_iter()
            .filter_map(|(name, moment)| Some((name, moment?)))
    }

    /// Whether times count from the log's end, which has to be found first.
    #[must_use]
    pub fn needs_end(&self) -> bool {
        self.moments().any(|(_, moment)| moment.is_relative())
    }

    /// Whether times depend on the zone.
    #[must_use]
    pub fn needs_zone(&self) -> bool {
        self.moments().any(|(_, moment)| moment.needs_zone())
    }

    /// The columns that are looked at, each with the option that asks for it.
    #[must_use]
    pub fn columns(&self) -> Vec<(&'static str, String)> {
        let mut columns: Vec<(&'static str, String)> = Vec::new();
        if let Some((option, _)) = self.moments().next() {
            columns.push(("ts", format!("--{option}")));
        }
        for (prefix, rules) in [("--", &self.include), ("--exclude-", &self.exclude)] {
            for (column, words) in rules.kinds() {
                if !words.is_empty() && !columns.iter().any(|(known, _)| *known == column) {
                    columns.push((column, format!("{prefix}{column}")));
                }
            }
        }
        columns
    }

    /// Whether rows of a schema can be filtered; `format` is what to call it.
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) with the column that is missing and the option that needs it.
    pub fn check(&self, schema: &Schema, format: Option<&str>) -> Result<()> {
        sieve::check(self, schema, format)
    }

    /// What was asked for, one option each, as on a command line.
    #[must_use]
    pub fn terms(&self) -> Vec<String> {
        let term = |option: &str, word: &str| format!("--{option} {}", quoted(word));
        let mut terms: Vec<String> =
            self.moments().map(|(option, moment)| term(option, &moment.to_string())).collect();
        for (prefix, rules) in [("", &self.include), ("exclude-", &self.exclude)] {
            for (option, words) in rules.kinds() {
                terms.extend(words.iter().map(|word| term(&format!("{prefix}{option}"), word)));
            }
        }
        terms
    }

    /// The filter with its times worked out. `end` is the time of the log's last row, in milliseconds since 1970, which
    /// is needed where [`Filter::needs_end`]; a zone that is the log's has to be [resolved](Zone::resolve) where
    /// [`Filter::needs_zone`].
    ///
    /// # Errors
    /// [`ErrorKind::Options`](crate::ErrorKind::Options) when the end is needed and not known.
    pub fn settle(&self, zone: &Zone, end: Option<i64>) -> Result<Sieve> {
        let resolve =
            |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.resolve(zone, end)).transpose();
        Ok(Sieve::new(self.clone(), resolve(&self.since)?, resolve(&self.until)?))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.terms().join(" "))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,+@%=".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
