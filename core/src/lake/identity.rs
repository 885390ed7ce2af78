//! Which rows were there before, in little memory.
//!
//! Each id is 128 bits of hash here, with the number of its row. These are sorted, in as many buckets as it takes for
//! one of them to be small; with more than one, they wait on the disk. What remains is a bit for each row.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::error::{Error, Result};

/// How many rows a bucket has: 64 MiB of memory.
const BUCKET: u64 = 2 << 20;
/// How many buckets there are at most: each is an open file. Beyond 512 million rows they grow.
const BUCKETS: u64 = 256;
/// The bytes of an entry on the disk.
const ENTRY: usize = 24;

type Entry = (u128, u64);

/// Collects the ids of rows.
pub(super) struct Identities(Buckets);

enum Buckets {
    Memory(Vec<Entry>),
    Disk(Vec<BufWriter<File>>),
}

impl Identities {
    /// For about so many rows, which nobody need have counted; `spill` is a directory for what memory shall not hold.
    pub(super) fn new(rows: u64, spill: &Path) -> Result<Self> {
        Self::with_bucket(rows, BUCKET, spill)
    }

    pub(super) fn with_bucket(rows: u64, bucket: u64, spill: &Path) -> Result<Self> {
        let count = rows.div_ceil(bucket).min(BUCKETS);
        if count <= 1 {
            return Ok(Self(Buckets::Memory(Vec::new())));
        }
        let create = |_| {
            tempfile::tempfile_in(spill)
                .map(BufWriter::new)
                .map_err(|error| Error::io(spill.to_string_lossy(), error))
        };
        Ok(Self(Buckets::Disk((0..count).map(create).collect::<Result<_>>()?)))
    }

    /// Adds a row.
    pub(super) fn add(&mut self, id: &[u8], row: u64) -> Result<()> {
        let hash = XxHash3_128::oneshot(id);
        match &mut self.0 {
            Buckets::Memory(entries) => entries.push((hash, row)),
            Buckets::Disk(files) => {
                let at = (hash % files.len() as u128) as usize;
                let mut entry = [0; ENTRY];
                entry[..16].copy_from_slice(&hash.to_le_bytes());
                entry[16..].copy_from_slice(&row.to_le_bytes());
                files[at].write_all(&entry).map_err(spill_error)?;
            }
        }
        Ok(())
    }

    /// The rows whose ids others have that came before them.
    pub(super) fn duplicates(self) -> Result<Rows> {
        let mut found = Rows::default();
        match self.0 {
            Buckets::Memory(entries) => mark(entries, &mut found),
            Buckets::Disk(files) => {
                for file in files {
                    mark(read(file).map_err(spill_error)?, &mut found);
                }
            }
        }
        Ok(found)
    }
}

fn read(file: BufWriter<File>) -> std::io::Result<Vec<Entry>> {
    let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    let length = file.stream_position()?;
    file.rewind()?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut entries = Vec::with_capacity((length / ENTRY as u64) as usize);
    let mut entry = [0; ENTRY];
    for _ in 0..length / ENTRY as u64 {
        file.read_exact(&mut entry)?;
        let (hash, row) = entry.split_at(16);
        let hash = hash.iter().rev().fold(0, |hash, &byte| (hash << 8) | u128::from(byte));
        let row = row.iter().rev().fold(0, |row, &byte| (row << 8) | u64::from(byte));
        entries.push((hash, row));
    }
    Ok(entries)
}

fn mark(mut entries: Vec<Entry>, found: &mut Rows) {
    entries.sort_unstable();
    for pair in entries.windows(2) {
        if pair[0].0 == pair[1].0 {
            found.add(pair[1].1);
        }
    }
}

fn spill_error(error: std::io::Error) -> Error {
    Error::io("temporary file", error).with_hint("make room where temporary files are, or set TMPDIR")
}

/// Some rows: a bit for each, up to the last of them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bits: Vec<u64>,
    count: u64,
}

impl Rows {
    fn add(&mut self, row: u64) {
        let (bit, at) = (1 << (row % 64), (row / 64) as usize);
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        let word = &mut self.bits[at];
        self.count += u64::from(*word & bit == 0);
        *word |= bit;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn has(&self, row: u64) -> bool {
        self.bits.get((row / 64) as usize).is_some_and(|word| word & (1 << (row % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn buckets_find_what_a_set_finds(ids in prop::collection::vec(0_u8..40, 0..200), bucket in 1_u64..300) {
            let spill = tempfile::tempdir().unwrap();
            let rows = ids.len() as u64;
            let mut identities = Identities::with_bucket(rows, bucket, spill.path()).unwrap();
            for (row, id) in ids.iter().enumerate() {
                identities.add(&[*id], row as u64).unwrap();
            }
            let found = identities.duplicates().unwrap();
            let mut seen = HashSet::new();
            for (row, id) in ids.iter().enumerate() {
                prop_assert_eq!(found.has(row as u64), !seen.insert(id));
            }
            prop_assert_eq!(found.count(), rows - seen.len() as u64);
        }
    }
}
