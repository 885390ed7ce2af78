//! What runs have left in a table: notes, temporary files, objects without a commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Read;

use nasalogs::Result;
use nasalogs::source::Source;

use super::report::{Finding, Level};
use crate::compact::{NOTES, data_file};
use crate::table::{Depot, Entry};

/// The longest sequence number.
const DIGITS: usize = 56;

/// Finds what was left.
pub fn find(depot: &Depot, entries: &[Entry]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let mut temporary = BTreeSet::new();
    let mut rolls = 0;
    for Entry { name, .. } in entries {
        let parts: Vec<&str> = name.split('/').collect();
        let is_temporary =
            |part: &&str| (part.starts_with('_') && part.ends_with(".tmp")) || part.starts_with(".tmp");
        if let Some(at) = parts.iter().position(is_temporary) {
            temporary.insert(parts[..=at].join("/"));
        } else if parts[0] == NOTES && name.ends_with(".json") {
            found.push(Finding::new(
                name,
                Level::Error,
                "compaction",
                "a compaction was begun and not completed, or is at work: rows can be there twice; run nasalogs compact",
            ));
        } else if parts[0] == "_rolls" {
            rolls += 1;
        }
    }
    for name in temporary {
        found.push(Finding::new(
            &name,
            Level::Advice,
            "temporary",
            "is of a run that is at work, or was killed: remove it if none is",
        ));
    }
    if rolls > 0 {
        found.push(Finding::new(
            "_rolls",
            Level::Advice,
            "roll",
            format!(
                "nasalogs stream is at work on {rolls} of its files, or was killed: resume it with its checkpoint"
            ),
        ));
    }
    found.extend(uncommitted(depot, entries)?);
    Ok(found)
}

/// Objects of the Lambda function that no commit names: of deliveries that failed, or are not done yet.
fn uncommitted(depot: &Depot, entries: &[Entry]) -> Result<Vec<Finding>> {
    let commits: HashSet<&str> = entries
        .iter()
        .filter(|entry| entry.name.starts_with("_commits/"))
        .map(|entry| entry.name.as_str())
        .collect();
    let shards: HashSet<&str> = commits.iter().filter_map(|name| name.split('/').nth(1)).collect();
    let mut objects: HashMap<String, Vec<&str>> = HashMap::new();
    for Entry { name, .. } in entries {
        let Some((_, own)) = data_file(name) else { continue };
        let own = own.strip_suffix(".parquet").unwrap_or(own);
        let mut parts = own.rsplitn(3, '-');
        let (Some(_last), Some(first), Some(shard)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if shards.contains(shard) {
            objects.entry(format!("_commits/{shard}/{}.json.gz", countdown(first))).or_default().push(name);
        }
    }
    let mut found = Vec::new();
    for (commit, names) in objects {
        let bytes = match commits.contains(commit.as_str()) {
            true => depot.read(&commit)?,
            false => None,
        };
        let committed = match bytes.map(keys).transpose() {
            Ok(keys) => keys.unwrap_or_default(),
            Err(error) => {
                // What it names is not known.
                let message = format!("is no commit, and the function fails on it: {error}");
                found.push(Finding::new(&commit, Level::Error, "commit", message));
                continue;
            }
        };
        // Keys are of the bucket, and end in the name.
        let has = |name: &str| committed.iter().any(|key| key == name || key.ends_with(&format!("/{name}")));
        found.extend(names.into_iter().filter(|name| !has(name)).map(|name| {
            Finding::new(
                name,
                Level::Advice,
                "uncommitted",
                "no commit names it: its delivery failed, or is not done; rows of it that came again are removed by \
                 nasalogs compact",
            )
        }));
    }
    Ok(found)
}

/// A sequence number as commits are called: each digit's complement.
fn countdown(sequence: &str) -> String {
    let complement =
        |digit: char| digit.to_digit(10).and_then(|digit| char::from_digit(9 - digit, 10)).unwrap_or(digit);
    format!("{sequence:0>DIGITS$}").chars().map(complement).collect()
}

/// The objects that a commit names.
fn keys(bytes: Vec<u8>) -> Result<Vec<String>, String> {
    #[derive(serde::Deserialize)]
    struct Commit {
        objects: Vec<String>,
    }
    let source = Source::memory(bytes).open().map_err(|error| error.message().to_owned())?;
    // A commit is small; what expands without end is none.
    let commit: Commit = serde_json::from_reader(source.take(64 << 20)).map_err(|error| error.to_string())?;
    Ok(commit.objects)
}

#[cfg(test)]
mod tests {
    #[test]
    fn commits_are_called_as_the_function_calls_them() {
        assert_eq!(super::countdown("12"), format!("{}87", "9".repeat(54)));
    }
}
