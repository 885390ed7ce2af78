//! Every file of a table, and the table as a whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nasalogs::field::time::days_from_date;
use nasalogs::lake::{Ailment, FileColumn, Inspection, Problem, column_type, inspect};
use nasalogs::schema::{Column, ColumnType, EXTRA, LINE_ID};
use nasalogs::{Error, ErrorKind, LogFormat, Result};

use super::leftover;
use super::report::{Finding, Level, Report};
use crate::compact::{Days, data_file, no_table};
use crate::crew;
use crate::interrupt::Stop;
use crate::number::grouped;
use crate::object::{Access, Location};
use crate::table::{Depot, Entry};

/// Smaller files are better merged.
const SMALL: u64 = 128_000_000;

/// Looks at a table.
pub fn examine(lake: &Location, access: &Access, days: &Days, stop: &Stop) -> Result<Report> {
    let depot = Depot::visit(lake, access)?;
    let entries = depot.files("")?;
    let mut report = Report { lake: lake.to_string(), ..Report::default() };
    let mut files = Vec::new();
    let mut nested = BTreeSet::new();
    for entry in &entries {
        let place = Place::of(&entry.name);
        match place {
            Place::Hidden => continue,
            Place::Day(day) if !days.has(day) => continue,
            // What is in it is for a visit there.
            Place::Nested(table) => {
                if entry.name.ends_with(".parquet") {
                    nested.insert(table);
                }
                continue;
            }
            // What lies around is nobody's data.
            Place::Outside | Place::Other(_) if !entry.name.ends_with(".parquet") => continue,
            _ => {}
        }
        report.add(place.finding(&entry.name));
        files.push((entry, place));
    }
    if files.is_empty() {
        // Days that have none are not a wrong place.
        return Err(match entries.iter().any(|entry| data_file(&entry.name).is_some()) {
            true => Error::new(ErrorKind::Io, "has no files of these days").with_file(lake.to_string()),
            false => no_table(&lake.to_string()),
        });
    }
    report.add(nested.into_iter().filter_map(|table| Place::Nested(table).finding(table)));
    let copies = tempfile::tempdir().map_err(|error| Error::io("temporary directory", error))?;
    let inspections = crew::each(&files, |(entry, place)| {
        stop.check()?;
        let file = depot.fetch(&entry.name, copies.path())?;
        let day = if let Place::Day(day) = place { Some(*day) } else { None };
        inspect(&file.path, day)
    })?;
    report.files = files.len() as u64;
    report.bytes = files.iter().map(|(entry, _)| entry.size).sum();
    report.rows = inspections.iter().map(|inspection| inspection.rows).sum();
    let partitions: BTreeSet<&str> =
        files.iter().filter_map(|(entry, _)| entry.name.split_once("/").map(|(first, _)| first)).collect();
    report.partitions = partitions.len() as u64;
    let names: Vec<&str> = files.iter().map(|(entry, _)| entry.name.as_str()).collect();
    for (name, inspection) in names.iter().zip(&inspections) {
        report.add(inspection.problems.iter().map(|problem| of_problem(name, problem)));
    }
    report.add(types(&names, &inspections));
    report.add(small(&entries, days));
    report.add(leftover::find(&depot, &entries)?);
    report.sort();
    Ok(report)
}

/// Where a file lies in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// Where no engine looks: `_…` and `.…`.
    Hidden,
    /// Below the partition of a day.
    Day(&'a str),
    /// Below a partition that is none of a day.
    Other(&'a str),
    /// In a partition of a table of its own, below this one, which lies there.
    Nested(&'a str),
    /// In no partition.
    Outside,
}

impl<'a> Place<'a> {
    fn of(name: &'a str) -> Self {
        if name.split('/').any(|part| part.starts_with(['_', '.'])) {
            return Self::Hidden;
        }
        let Some((directories, _)) = name.rsplit_once('/') else { return Self::Outside };
        if let Some((table, _)) =
            directories.split_once("/dt=").filter(|(table, _)| !table.starts_with("dt="))
        {
            return Self::Nested(table);
        }
        let first = directories.split('/').next().unwrap_or_default();
        match first.strip_prefix("dt=") {
            Some(day) if days_from_date(day).is_some() => Self::Day(day),
            Some(other) => Self::Other(other),
            None => Self::Outside,
        }
    }

    fn finding(self, name: &str) -> Option<Finding> {
        match self {
            Self::Hidden | Self::Day(_) => None,
            Self::Other(day) => Some(Finding::new(
                name,
                Level::Error,
                "partition",
                format!("dt={day} is no day: partition projection does not find it"),
            )),
            Self::Nested(_) => Some(Finding::new(
                name,
                Level::Error,
                "nested",
                "is a table of its own below this one: engines mix both, or do not find it; move it away",
            )),
            Self::Outside => Some(Finding::new(
                name,
                Level::Error,
                "outside",
                "is in no partition dt=YYYY-MM-DD: engines do not find it, or fail on it",
            )),
        }
    }
}

fn of_problem(file: &str, problem: &Problem) -> Finding {
    let finding = Finding::new(file, Level::Error, problem.ailment.name(), problem.message.clone());
    Finding { column: problem.column.clone(), ..finding }
}

/// Columns whose type is another one than in most files, or than in tables of ours.
fn types(names: &[&str], inspections: &[Inspection]) -> Vec<Finding> {
    let mut alike: HashMap<&[FileColumn], Vec<usize>> = HashMap::new();
    for (at, inspection) in inspections.iter().enumerate() {
        alike.entry(&inspection.columns).or_default().push(at);
    }
    let mut types: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (columns, files) in &alike {
        for column in *columns {
            *types.entry(&column.name).or_default().entry(&column.data_type).or_default() += files.len();
        }
    }
    let ours = own_types();
    let mut found = Vec::new();
    for (columns, files) in &alike {
        for column in *columns {
            let seen = &types[column.name.as_str()];
            let most = seen.iter().max_by_key(|(_, count)| **count).map_or("", |(name, _)| name);
            let wanted = match ours.get(column.name.as_str()) {
                // With --encoding binary.
                Some(ColumnType::Text) if most == "BINARY" => most,
                // Parquet has them in the same way, and so do engines.
                Some(own @ (ColumnType::Int16 | ColumnType::Int32))
                    if matches!(most, "INT16" | "INT32") && !seen.contains_key(column_type(*own)) =>
                {
                    most
                }
                Some(own) => column_type(*own),
                None => most,
            };
            if column.data_type == wanted {
                continue;
            }
            let of_whom = match seen.get(wanted) {
                Some(&count) => format!("but {wanted} in {} of the table's files", grouped(count as u64)),
                None => format!("and not {wanted}"),
            };
            let message = format!("column {:?} is {}, {of_whom}", column.name, column.data_type);
            for &at in files {
                // What is wrong with the type by itself has been said.
                let known = |problem: &Problem| {
                    problem.column.as_deref() == Some(&*column.name) && problem.ailment.is_of_type()
                };
                if !inspections[at].problems.iter().any(known) {
                    let finding =
                        Finding::new(names[at], Level::Error, Ailment::Type.name(), message.clone());
                    found.push(Finding { column: Some(column.name.clone()), ..finding });
                }
            }
        }
    }
    found
}

/// The columns that files of ours have, whatever the format.
fn own_types() -> HashMap<String, ColumnType> {
    let formats = LogFormat::BUILT_IN.iter().filter_map(|name| LogFormat::built_in(name));
    let columns: Vec<Column> =
        formats.flat_map(|format| format.columns().cloned().collect::<Vec<_>>()).collect();
    columns
        .into_iter()
        .chain(EXTRA)
        .chain([LINE_ID])
        .map(|column| (column.name.into_owned(), column.column_type))
        .collect()
}

/// Days that are over and have several small files.
fn small(entries: &[Entry], days: &Days) -> Option<Finding> {
    let over = Days::before_today();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.size < SMALL) {
        if let Some((day, _)) = data_file(&entry.name).filter(|(day, _)| over.has(day) && days.has(day)) {
            *counts.entry(day).or_default() += 1;
        }
    }
    counts.retain(|_, count| *count > 1);
    let files: u64 = counts.values().sum();
    (files > 0).then(|| Finding {
        file: None,
        level: Level::Advice,
        kind: "small_files",
        column: None,
        message: format!(
            "{} files of {} days are smaller than 128 MB: nasalogs compact merges them",
            grouped(files),
            grouped(counts.len() as u64)
        ),
    })
}
