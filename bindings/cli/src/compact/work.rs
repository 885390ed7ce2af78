//! One partition after the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use nasalogs::lake::{Cut, Made, Merge, MergeOptions, Piece};
use nasalogs::sink::parquet::ParquetOptions;
use nasalogs::{Error, ErrorKind, Result};

use super::Args;
use super::note::{Input, NOTES, Note, Output};
use super::plan::{Days, Merged, Partition, Plan};
use super::report::{Report, Tally};
use crate::crew;
use crate::interrupt::Stop;
use crate::table::{Depot, Entry, Fetched};

/// Whose files are both there, until readers of the old ones are done.
struct Published {
    since: Instant,
    note: Note,
    resumed: bool,
}

/// What a run would do, as far as names, sizes and footers tell.
pub fn rehearse(depot: &Depot, plan: &Plan, args: &Args, stop: &Stop) -> Result<Report> {
    let copies = tempfile::tempdir().map_err(|error| Error::io("temporary directory", error))?;
    let check = || stop.check();
    let mut report = Report::dry(&args.lake);
    report.planned(plan);
    for partition in &plan.partitions {
        let footers = crew::each(&partition.files, |file| {
            check()?;
            depot.fetch_footer(file, copies.path())
        })?;
        let pieces =
            partition.files.iter().zip(&footers).map(|(file, footer)| piece(depot, &file.name, footer));
        match Merge::open(pieces.collect(), &check) {
            Ok(merge) if needs_nothing(&merge, partition.files.len()) => report.settled(),
            Ok(_) => report.merged(&partition.name, Tally::expected(partition, args.target_size), false),
            Err(error) if is_of_files(&error) => report.refused(&partition.name, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

pub struct Compactor<'a> {
    depot: &'a Depot,
    args: &'a Args,
    stop: &'a Stop,
    options: MergeOptions,
    published: VecDeque<Published>,
    report: Report,
}

impl<'a> Compactor<'a> {
    pub fn new(depot: &'a Depot, args: &'a Args, stop: &'a Stop) -> Self {
        let parquet = ParquetOptions::new().with_compression(args.compression);
        Self {
            depot,
            args,
            stop,
            options: MergeOptions::new().with_parquet(parquet),
            published: VecDeque::new(),
            report: Report::new(&args.lake),
        }
    }

    /// Completes what was begun, and merges what needs it.
    pub fn run(&mut self, days: &Days) -> Result<()> {
        for note in Note::all(self.depot)? {
            self.resume(note)?;
        }
        // What comes out of it is there now, or soon.
        self.retire(true)?;
        let plan = Plan::make(self.depot, days, self.args.target_size)?;
        self.report.planned(&plan);
        for partition in &plan.partitions {
            self.stop.check()?;
            match self.merge(partition) {
                Err(error) if is_of_files(&error) => self.report.refused(&partition.name, &error),
                outcome => outcome?,
            }
            self.retire(false)?;
        }
        self.retire(true)?;
        self.depot.tidy(NOTES);
        Ok(())
    }

    pub fn finish(self) -> Report {
        self.report
    }

    /// Does what a note says that an earlier run has left.
    fn resume(&mut self, note: Note) -> Result<()> {
        let (missing, there) = self.compare(&note)?;
        if missing.len() == note.outputs.len() && self.changed(&note)?.is_some() {
            // Nothing is visible of it, and its rows are others by now: as if it had not begun.
            return self.depot.remove(&note.name());
        }
        if !missing.is_empty() {
            // Nothing is removed before all of the new files are there.
            if let Some(gone) = note.inputs.iter().find(|input| !there.contains_key(&input.name)) {
                return Err(Error::new(ErrorKind::Io, "is gone, and was not merged yet")
                    .with_file(self.depot.name(&gone.name))
                    .with_hint(format!(
                        "somebody else has removed it: see which files {} names, remove those of its outputs that are \
                         there, and it",
                        self.depot.name(&note.name())
                    )));
            }
            let staging = self.depot.staging()?;
            let rows: Vec<u64> = note.outputs.iter().map(|output| output.rows).collect();
            let (merge, duplicates, _copies) = self.open(&note.inputs, staging.path())?;
            let made = self.write(&merge, staging.path(), Cut::Rows(&rows))?;
            let same = duplicates == note.duplicates
                && made.iter().map(|made| made.rows).eq(rows.iter().copied())
                && made.len() == note.outputs.len();
            if !same {
                return Err(Error::new(ErrorKind::Io, "does not name the rows that the files have")
                    .with_file(self.depot.name(&note.name()))
                    .with_hint(
                        "a file was replaced since: remove those of its outputs that are there, and the note",
                    ));
            }
            self.put(&note, &made, &missing)?;
        }
        self.published.push_back(Published { since: Instant::now(), note, resumed: true });
        Ok(())
    }

    /// Merges a partition, up to where its new files are there.
    fn merge(&mut self, partition: &Partition) -> Result<()> {
        let staging = self.depot.staging()?;
        let inputs: Vec<Input> = partition.files.iter().cloned().map(Input::from).collect();
        let (merge, duplicates, _copies) = self.open(&inputs, staging.path())?;
        if needs_nothing(&merge, inputs.len()) {
            self.report.settled();
            return Ok(());
        }
        let made = self.write(&merge, staging.path(), Cut::Bytes(self.args.target_size))?;
        let names = Merged::of(&inputs);
        let outputs: Vec<Output> = made
            .iter()
            .enumerate()
            .map(|(number, made)| Output {
                name: format!("{}/{}", partition.name, names.file(number)),
                rows: made.rows,
                size: made.bytes,
            })
            .collect();
        self.stop.check()?;
        let note = Note::new(&partition.name, inputs, outputs, duplicates);
        note.write(self.depot)?;
        // Another run may have merged them meanwhile; from here on none does.
        if let Some(name) = self.changed(&note)? {
            self.depot.remove(&note.name())?;
            return Err(Error::new(ErrorKind::Sink, "was removed or replaced while it was merged")
                .with_file(self.depot.name(&name))
                .with_hint("run the same again"));
        }
        let all = note.outputs.iter().map(|output| output.name.clone()).collect();
        self.put(&note, &made, &all)?;
        self.published.push_back(Published { since: Instant::now(), note, resumed: false });
        Ok(())
    }

    /// An old file that is not what was read.
    fn changed(&self, note: &Note) -> Result<Option<String>> {
        let (_, there) = self.compare(note)?;
        let is_as_read = |input: &&Input| there.get(&input.name).is_some_and(|entry| is_same(input, entry));
        Ok(note.inputs.iter().find(|input| !is_as_read(input)).map(|input| input.name.clone()))
    }

    /// The inputs as one sequence of rows without duplicates, how many of those there were, and what to keep meanwhile.
    fn open(&self, inputs: &[Input], staging: &Path) -> Result<(Merge, u64, Vec<Fetched>)> {
        let check = || self.stop.check();
        let copies = crew::each(inputs, |input| {
            check()?;
            self.depot.fetch(&input.name, staging)
        })?;
        let pieces = inputs.iter().zip(&copies).map(|(input, copy)| piece(self.depot, &input.name, copy));
        let mut merge = Merge::open(pieces.collect(), &check)?;
        let duplicates = merge.remove_duplicates(staging, &check)?;
        Ok((merge, duplicates, copies))
    }

    fn write(&self, merge: &Merge, staging: &Path, cut: Cut<'_>) -> Result<Vec<Made>> {
        let place = |number: usize| staging.join(format!("{number}.parquet"));
        merge.write(&place, cut, &self.options, &|| self.stop.check())
    }

    /// Puts those of the new files that are to be put.
    fn put(&self, note: &Note, made: &[Made], missing: &HashSet<String>) -> Result<()> {
        for (output, made) in note.outputs.iter().zip(made) {
            self.stop.check()?;
            if missing.contains(&output.name) {
                self.depot.put(&output.name, &made.path, &self.stop.flag())?;
            }
        }
        Ok(())
    }

    /// Removes old files whose time has come; with `all`, waits for it.
    fn retire(&mut self, all: bool) -> Result<()> {
        while let Some(next) = self.published.front() {
            let left = self.args.grace.saturating_sub(next.since.elapsed());
            if left.is_zero() {
                if let Some(Published { note, resumed, .. }) = self.published.pop_front() {
                    self.remove(&note)?;
                    self.report.merged(&note.partition, Tally::of(&note), resumed);
                }
            } else if all {
                self.stop.check()?;
                std::thread::sleep(left.min(Duration::from_millis(50)));
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Removes the old files of a note, and it.
    fn remove(&mut self, note: &Note) -> Result<()> {
        let (missing, there) = self.compare(note)?;
        if let Some(name) = missing.iter().next() {
            return Err(Error::new(ErrorKind::Io, "was just put, and is not there: nothing is removed")
                .with_file(self.depot.name(name))
                .with_hint("is another run at work on this table? run the same again when it is done"));
        }
        self.verify(note, &there)?;
        let still = note.inputs.iter().filter_map(|input| Some((input, there.get(&input.name)?)));
        let (old, replaced): (Vec<_>, Vec<_>) = still.partition(|(input, entry)| is_same(input, entry));
        crew::each(&old, |(input, _)| self.depot.remove(&input.name))?;
        self.report.replaced(replaced.len() as u64);
        self.depot.settle(&note.partition)?;
        self.depot.remove(&note.name())
    }

    /// That the new files are what was put: whatever happened to one since, the old files are all there is of its rows.
    fn verify(&self, note: &Note, there: &HashMap<String, Entry>) -> Result<()> {
        let staging = self.depot.staging()?;
        for output in &note.outputs {
            let is_of_size = there.get(&output.name).is_some_and(|entry| entry.size == output.size);
            // A store checks what it takes; to read all of it once more would cost as much as to merge it.
            if is_of_size && !self.depot.is_directory() {
                continue;
            }
            let copy = self.depot.fetch(&output.name, staging.path())?;
            let piece = piece(self.depot, &output.name, &copy);
            let rows = Merge::open(vec![piece], &|| Ok(())).map(|merge| merge.rows());
            if !rows.as_ref().is_ok_and(|rows| *rows == output.rows) {
                return Err(Error::new(ErrorKind::Io, "is not what was put: nothing is removed")
                    .with_file(self.depot.name(&output.name))
                    .with_hint("remove it, and run the same again: it is made anew of the old files"));
            }
        }
        Ok(())
    }

    /// The outputs of a note that are missing, and what is there.
    fn compare(&self, note: &Note) -> Result<(HashSet<String>, HashMap<String, Entry>)> {
        let there: HashMap<String, Entry> = self
            .depot
            .files(&format!("{}/", note.partition))?
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect();
        let outputs = note.outputs.iter().map(|output| output.name.clone());
        Ok((outputs.filter(|name| !there.contains_key(name)).collect(), there))
    }
}

fn piece(depot: &Depot, name: &str, copy: &Fetched) -> Piece {
    Piece { name: depot.name(name), path: copy.path.clone() }
}

/// Whether so many files are as good as what they would be merged into.
fn needs_nothing(merge: &Merge, files: usize) -> bool {
    merge.rows() == 0 || (files == 1 && !merge.has_ids())
}

fn is_same(input: &Input, entry: &Entry) -> bool {
    input.size == entry.size && input.version == entry.version
}

/// Whether an error is about files of one partition, and the others can be merged all the same.
fn is_of_files(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Format | ErrorKind::Sink)
}
