//! Which partitions are to be merged.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::SystemTime;

use nasalogs::field::time::days_from_date;
use nasalogs::{Error, ErrorKind, Result};
use twox_hash::XxHash3_64;

use super::note::Input;
use crate::table::{Depot, Entry};

/// Days, with the first and the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    first: Option<String>,
    last: Option<String>,
}

impl Days {
    /// Reads a day, or two with two points between them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let day = |text: &str| match text {
            "" => Ok(None),
            day if days_from_date(day).is_some() => Ok(Some(day.to_owned())),
            _ => Err("expected a day such as 2026-07-01, or 2026-07-01..2026-07-31".to_owned()),
        };
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let days = Self { first: day(first)?, last: day(last)? };
        match (&days.first, &days.last) {
            (None, None) => Err("expected a day; for all of them there is --all".to_owned()),
            (Some(first), Some(last)) if first > last => {
                Err("the last day is before the first one".to_owned())
            }
            _ => Ok(days),
        }
    }

    pub fn all() -> Self {
        Self { first: None, last: None }
    }

    /// Those that are over in UTC.
    pub fn before_today() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let yesterday = i64::try_from(now.as_millis()).unwrap_or(i64::MAX) - 86_400_000;
        Self { first: None, last: Some(nasalogs::intake::day(yesterday)) }
    }

    pub fn has(&self, day: &str) -> bool {
        self.first.as_deref().is_none_or(|first| first <= day)
            && self.last.as_deref().is_none_or(|last| day <= last)
    }
}

/// Day and own name of a table's data file: `dt=1995-07-01/x.parquet`, right below the partition.
pub fn data_file(name: &str) -> Option<(&str, &str)> {
    let (directory, own) = name.split_once('/')?;
    let day = directory.strip_prefix("dt=").filter(|day| days_from_date(day).is_some())?;
    let is_data = !own.contains('/') && !own.starts_with(['_', '.']) && own.ends_with(".parquet");
    is_data.then_some((day, own))
}

/// What is said of a place in which there is nothing to look at: a name that is mistyped is not a table in good order.
pub fn no_table(place: &str) -> Error {
    Error::new(ErrorKind::Io, "has no files of a table").with_file(place).with_hint(
        "name the place in which the partitions are, dt=YYYY-MM-DD; or has nothing been written there yet?",
    )
}

/// A partition that is to be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// `dt=1995-07-01`.
    pub name: String,
    /// Its files, in the order of their rows.
    pub files: Vec<Entry>,
}

impl Partition {
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// The partitions to merge.
    pub partitions: Vec<Partition>,
    /// How many need nothing.
    pub settled: u64,
    /// How many files are left alone as the stream that wrote them may put them once more.
    pub in_flight: u64,
}

impl Plan {
    /// Looks at what is there.
    pub fn make(depot: &Depot, days: &Days, target: u64) -> Result<Self> {
        let mut partitions: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        let mut is_table = false;
        for entry in depot.files("dt=")? {
            let Some((day, _)) = data_file(&entry.name) else { continue };
            is_table = true;
            if days.has(day) {
                partitions.entry(format!("dt={day}")).or_default().push(entry);
            }
        }
        if !is_table {
            return Err(no_table(&depot.name("")));
        }
        // After the files: see the module above.
        let rolls: Vec<String> = depot
            .notes()?
            .into_values()
            .filter_map(|note| Some(note.rsplit_once('/')?.1.to_owned()))
            .collect();
        let mut plan = Self::default();
        for (name, mut files) in partitions {
            let before = files.len();
            files.retain(|file| !is_in_flight(own_name(&file.name), &rolls));
            plan.in_flight += (before - files.len()) as u64;
            files.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
            if files.is_empty() || is_settled(&files, target) {
                plan.settled += u64::from(!files.is_empty());
            } else {
                plan.partitions.push(Partition { name, files });
            }
        }
        Ok(plan)
    }
}

fn own_name(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, own)| own)
}

/// Whether a file is of a roll that is noted: `SOURCE-BEGIN-END.parquet` of `SOURCE-BEGIN`.
fn is_in_flight(own: &str, rolls: &[String]) -> bool {
    rolls.iter().any(|roll| own.strip_prefix(roll.as_str()).is_some_and(|rest| rest.starts_with('-')))
}

/// What was merged before comes first: it is older than what was added to it.
fn order(name: &str) -> (bool, &str) {
    (Merged::parse(own_name(name)).is_none(), name)
}

/// Whether the files are what one run has made, and not too small.
fn is_settled(files: &[Entry], target: u64) -> bool {
    let merged: Option<Vec<Merged>> = files.iter().map(|file| Merged::parse(own_name(&file.name))).collect();
    let Some(merged) = merged else { return false };
    let is_one = merged
        .windows(2)
        .all(|pair| (pair[0].generation, pair[0].print) == (pair[1].generation, pair[1].print));
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    is_one && (files.len() == 1 || bytes / files.len() as u64 >= target / 2)
}

/// What a merged file is called: `z0001-0123456789abcdef-0000.parquet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// How many merges its rows have seen; so that the name sorts behind those of its inputs.
    generation: u32,
    /// Of the inputs.
    print: u64,
}

impl Merged {
    /// The name's beginning, `z`, sorts behind digits, capitals and what else names of files begin with here.
    pub fn parse(own: &str) -> Option<Self> {
        let mut parts = own.strip_prefix('z')?.strip_suffix(".parquet")?.split('-');
        let (generation, print, number) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number = |text: &str| text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = is_number(generation) && print.len() == 16 && is_number(number) && parts.next().is_none();
        fits.then_some(())?;
        Some(Self { generation: generation.parse().ok()?, print: u64::from_str_radix(print, 16).ok()? })
    }

    /// What comes out of some files.
    pub fn of(inputs: &[Input]) -> Self {
        let before = inputs.iter().filter_map(|input| Self::parse(own_name(&input.name)));
        let generation =
            before.map(|merged| merged.generation).max().map_or(1, |most| most.saturating_add(1));
        let mut print = XxHash3_64::new();
        for input in inputs {
            print.write(input.name.as_bytes());
            print.write(&[0]);
            print.write(&input.size.to_le_bytes());
        }
        Self { generation, print: print.finish() }
    }

    /// The name of one of the files.
    pub fn file(self, number: usize) -> String {
        format!("z{:04}-{:016x}-{number:04}.parquet", self.generation, self.print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> Entry {
        Entry { name: format!("dt=1995-07-01/{name}"), size, version: String::new() }
    }

    #[test]
    fn days_are_read() {
        let days = |text: &str| Days::parse(text).unwrap();
        assert!(days("1995-07-01").has("1995-07-01") && !days("1995-07-01").has("1995-07-02"));
        assert!(days("1995-07-01..1995-07-03").has("1995-07-03"));
        assert!(days("..1995-07-03").has("1994-01-01") && !days("..1995-07-03").has("1995-07-04"));
        assert!(days("1995-07-03..").has("2026-01-01") && !days("1995-07-03..").has("1995-07-02"));
        for bad in ["", "..", "1995-7-1", "1995-07-32", "1995-07-03..1995-07-01", "today"] {
            assert!(Days::parse(bad).is_err(), "{bad}");
        }
        assert!(!Days::before_today().has("9999-01-01") && Days::before_today().has("1995-07-01"));
    }

    #[test]
    fn data_files_are_right_below_a_day() {
        assert_eq!(data_file("dt=1995-07-01/a.parquet"), Some(("1995-07-01", "a.parquet")));
        for other in [
            "a.parquet",
            "dt=x/a.parquet",
            "dt=1995-07-01/h=1/a.parquet",
            "dt=1995-07-01/_a.parquet",
            "dt=1995-07-01/a",
        ] {
            assert_eq!(data_file(other), None, "{other}");
        }
    }

    #[test]
    fn merged_files_sort_behind_what_they_are_made_of() {
        let inputs = |names: &[&str]| names.iter().map(|name| entry(name, 5).into()).collect::<Vec<Input>>();
        let first = Merged::of(&inputs(&["a.parquet", "shardId-000000000000-1-2.parquet"]));
        let name = first.file(0);
        assert_eq!(Merged::parse(&name), Some(first));
        assert!(["shardId-000000000000-1-2.parquet", "part.parquet"].iter().all(|other| *name > **other));
        let second = Merged::of(&inputs(&[&name, "b.parquet"]));
        assert!(second.file(0) > first.file(9999));
        assert_eq!(Merged::parse("zebra.parquet"), None);
    }

    #[test]
    fn what_one_run_has_made_is_settled() {
        let merged = Merged::of(&[entry("a.parquet", 5).into()]);
        let files = |sizes: &[u64]| {
            sizes.iter().enumerate().map(|(at, &size)| entry(&merged.file(at), size)).collect::<Vec<_>>()
        };
        assert!(is_settled(&files(&[7]), 1000));
        assert!(is_settled(&files(&[1000, 600]), 1000));
        assert!(!is_settled(&files(&[300, 300]), 1000));
        let mut late = files(&[1000]);
        late.push(entry("b.parquet", 1000));
        assert!(!is_settled(&late, 1000));
    }

    #[test]
    fn files_of_noted_rolls_are_in_flight() {
        let rolls = ["0123456789abcdef-00000000000000000005".to_owned()];
        let file = |begin: u64| format!("0123456789abcdef-{begin:020}-{:020}.parquet", begin + 9);
        assert!(is_in_flight(&file(5), &rolls) && !is_in_flight(&file(50), &rolls));
    }
}
