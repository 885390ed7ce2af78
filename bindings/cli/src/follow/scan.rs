//! Looking around: which file holds which source now.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use nasalogs::{Error, Result};

use super::attach::Fit;
use super::disk::{FileKey, Stat, bytes_at};
use super::follower::Follower;
use super::identity::nonce;
use super::newcomer::{Newcomer, Waits};
use super::packed::Look;
use super::rotation::earlier_names;
use super::tail::{Alias, Tail, name_of};
use super::watch::Found;

/// Whose file it is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Tail(u64),
    /// A tail that is still read from elsewhere.
    Alias(u64),
    Newcomer(usize),
    PassedOver(usize),
}

/// Where the bytes of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file that has a name.
    Named,
    /// In a file that was deleted and is still open.
    Deleted,
    /// Nobody knows.
    Lost,
}

impl Tail {
    pub(super) fn place(&self) -> Place {
        match (self.is_closed(), self.key) {
            (false, _) if self.links == 0 => Place::Deleted,
            (false, _) => Place::Named,
            (true, Some(_)) if self.seen => Place::Named,
            (true, _) => Place::Lost,
        }
    }

    pub(super) fn file_name(&self) -> &str {
        file_name(&self.path)
    }
}

impl Follower {
    /// Looks at all files once.
    pub(super) fn scan(&mut self, now: Instant) {
        self.scans += 1;
        let losses = self.losses;
        self.room = self.options.max_open.max(1);
        let is_alarmed = std::mem::take(&mut self.is_alarmed);
        let mut found = self.find(is_alarmed, now);
        self.observe(&found, now);
        if self.losses != losses {
            // What the source was copied to may be newer than the list of names.
            found = self.find(true, now);
            self.put_off.clear();
            self.observe(&found, now);
        }
        self.examine_all(&found, now);
        while !self.put_off.is_empty() {
            self.room = self.options.max_open.max(1);
            for found in std::mem::take(&mut self.put_off) {
                self.meet(&found, now);
            }
            self.examine_all(&found, now);
        }
        self.settle(&found, now);
        for watch in &mut self.watches {
            self.is_changed |= std::mem::take(&mut watch.is_first);
        }
        let is_once = !self.options.follow;
        for (&serial, tail) in &mut self.tails {
            if tail.is_dormant {
                continue;
            }
            if tail.has_more() && !tail.queued && !self.over.contains(&serial) {
                tail.queued = true;
                self.ready.push_back(serial);
            } else if is_once && !tail.queued && tail.stalled.is_none() {
                self.over.insert(serial);
            }
        }
    }

    /// Whether nothing has happened since the last scan, as far as that shows without opening and comparing.
    pub(super) fn is_as_before(&self, now: Instant) -> bool {
        let is_same = |file: &File, then: (u64, SystemTime, u64)| {
            Stat::of(file)
                .is_ok_and(|stat| (stat.size, stat.modified, stat.links) == then && !stat.is_recent())
        };
        let is_found = |seen, wanted| seen && wanted;
        let parked = self.parked();
        !self.is_alarmed
            && self.watches.iter().all(|watch| watch.is_as_before(&parked, now))
            && self.tails.values().all(|tail| match tail.file() {
                Some(file) if !is_found(tail.seen, tail.wanted) || tail.alias.is_some() => {
                    is_same(file, tail.last_look())
                }
                _ => true,
            })
            && self.newcomers.iter().all(|newcomer| {
                let stat = newcomer.stat;
                is_found(newcomer.seen, newcomer.wanted)
                    || is_same(&newcomer.file, (stat.size, stat.modified, stat.links))
            })
    }

    /// The files that are there, each once.
    fn find(&mut self, forced: bool, now: Instant) -> Vec<Found> {
        let mut all = Vec::new();
        let (parked, mut errors) = (self.parked(), Vec::new());
        for watch in &mut self.watches {
            let failed = watch.files(forced, &parked, now, &mut all).into_iter();
            errors.extend(failed.map(|error| (watch.input.clone(), error)));
        }
        for (path, error) in errors {
            self.report(&path, error);
        }
        // Rotated ones come first; one that is asked for by another input is that.
        let wanted: HashSet<FileKey> =
            all.iter().filter(|found| found.wanted).map(|found| found.stat.key).collect();
        let mut keys = HashSet::new();
        all.retain(|found| {
            found.stat.is_file
                && (found.wanted || !wanted.contains(&found.stat.key))
                && keys.insert(found.stat.key)
        });
        all.sort_by_key(|found| found.wanted);
        all
    }

    /// Files that are known, not over, and not open: too many are.
    fn parked(&self) -> HashSet<FileKey> {
        let parked = self.tails.values().filter(|tail| tail.is_parked && tail.is_closed() && !tail.done);
        parked.filter_map(|tail| tail.key).collect()
    }

    fn owners(&self) -> HashMap<FileKey, Owner> {
        let mut owners = HashMap::new();
        for (index, known) in self.passed_over.iter().enumerate() {
            owners.insert(known.state.file, Owner::PassedOver(index));
        }
        for (&serial, tail) in &self.tails {
            owners.extend(tail.alias.map(|alias| (alias.stat.key, Owner::Alias(serial))));
        }
        for (&serial, tail) in &self.tails {
            owners.extend(tail.key.map(|key| (key, Owner::Tail(serial))));
        }
        for (index, newcomer) in self.newcomers.iter().enumerate() {
            owners.insert(newcomer.stat.key, Owner::Newcomer(index));
        }
        owners
    }

    /// Compares what is there with what is known.
    fn observe(&mut self, found: &[Found], now: Instant) {
        let owners = self.owners();
        self.tails.values_mut().for_each(|tail| tail.seen = false);
        self.newcomers.iter_mut().for_each(|newcomer| newcomer.seen = false);
        self.passed_over.iter_mut().for_each(|known| known.seen = false);
        for found in found {
            match owners.get(&found.stat.key) {
                Some(&Owner::Tail(serial)) => self.observe_tail(serial, found, now),
                Some(&Owner::Alias(serial)) => self.observe_alias(serial, found, now),
                Some(&Owner::Newcomer(index)) => {
                    let newcomer = &mut self.newcomers[index];
                    newcomer.seen = true;
                    newcomer.is_rotated |= newcomer.path != found.path;
                    newcomer.path.clone_from(&found.path);
                    newcomer.wanted = found.wanted;
                    if found.wanted {
                        newcomer.note(found.stat, now);
                    }
                }
                Some(&Owner::PassedOver(index)) => {
                    let known = &mut self.passed_over[index];
                    let is_rotated = !earlier_names(file_name(&found.path)).is_empty();
                    let as_before = Some((found.stat.size, found.stat.modified));
                    let is_as_before = known.looked == as_before && !found.stat.is_recent();
                    known.seen = is_rotated && (known.looked.is_none() || is_as_before);
                    // Looked at once in a run: the number may be another file's by now.
                    if !known.seen || known.looked.is_none() {
                        self.meet(found, now);
                    }
                }
                None => self.meet(found, now),
            }
        }
        let serials: Vec<u64> = self.tails.keys().copied().collect();
        for serial in serials {
            self.observe_open(serial, now);
        }
        for tail in self.tails.values_mut().filter(|tail| !tail.seen) {
            // Its number may be given to another file.
            (tail.alias, tail.is_proven) = (None, tail.is_proven && !tail.is_closed());
        }
        self.observe_newcomers(now);
    }

    /// A file that was not there before. It is open until it is known what it is, which is why others have to wait.
    fn meet(&mut self, found: &Found, now: Instant) {
        if self.room == 0 {
            return self.put_off.push(found.clone());
        }
        self.room -= 1;
        match open(&found.path) {
            Ok((file, stat)) => {
                self.reported.remove(&found.path);
                let mut newcomer = Newcomer::new(found.path.clone(), file, stat, now);
                (newcomer.wanted, newcomer.before) = (found.wanted, found.before);
                newcomer.met = self.scans;
                self.newcomers.push(newcomer);
            }
            // It is gone again, or comes back later.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.report(&found.path, open_error(&found.path, error)),
        }
    }

    /// A file that has a source's number.
    fn observe_tail(&mut self, serial: u64, found: &Found, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        tail.seen = true;
        if tail.rename(&found.path, now) {
            tail.since = self.scans;
        }
        tail.wanted = found.wanted;
        tail.superseded |= !found.wanted;
        tail.is_dormant = false;
        let is_as_before = tail.is_as_before(&found.stat);
        let outcome = if !tail.is_closed() {
            // Of those that are not asked for every time, only the open file knows.
            if found.wanted {
                tail.look(&found.stat, now).map_err(|error| Error::io(tail.name.as_ref(), error))
            } else {
                Ok(true)
            }
        } else if tail.is_parked && tail.is_proven && !tail.done {
            // Compared when it is opened to be read.
            let is_there = tail.packed || tail.position() <= found.stat.size;
            if is_there && !is_as_before {
                tail.note(&found.stat);
                tail.changed = now;
            }
            Ok(is_there)
        } else if tail.done && tail.size == found.stat.size {
            let is_proven = tail.is_proven && is_as_before && !found.stat.is_recent();
            if is_proven { Ok(true) } else { prove(tail) }
        } else {
            reopen(tail, now)
        };
        match outcome {
            Ok(true) => {
                self.reported.remove(&found.path);
            }
            Ok(false) => self.lose(serial, found.wanted, now),
            Err(error) => {
                // It is opened anew: the file system may have been mounted anew.
                tail.close();
                self.report(&found.path, error);
            }
        }
    }

    /// A file that is known to hold what a source holds, which is read from elsewhere.
    fn observe_alias(&mut self, serial: u64, found: &Found, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        let before = tail.alias.filter(|alias| alias.stat == found.stat && !found.stat.is_recent());
        let holds = |tail: &Tail| {
            let (file, stat) = open(&found.path).ok()?;
            let look = Look::at(&file, &name_of(&found.path)).ok()?;
            let is_held = stat.key == found.stat.key && tail.begins(&look.head) != Fit::No;
            is_held.then_some(Alias { stat, packed: look.packed })
        };
        match before.or_else(|| holds(tail)) {
            Some(alias) => {
                tail.alias = Some(alias);
                tail.seen = true;
                tail.rename(&found.path, now);
            }
            None => {
                tail.alias = None;
                self.meet(found, now);
            }
        }
    }

    /// Files that are open and were not found, or were found in an older list.
    fn observe_open(&mut self, serial: u64, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        let Some(file) = tail.file() else { return };
        if tail.seen && tail.wanted && tail.alias.is_none() {
            return;
        }
        let stat = match Stat::of(file) {
            Ok(stat) => stat,
            Err(error) => {
                let (path, error) = (tail.path.clone(), Error::io(tail.name.as_ref(), error));
                tail.close();
                return self.report(&path, error);
            }
        };
        match tail.look(&stat, now) {
            Ok(true) => {}
            Ok(false) => self.lose(serial, false, now),
            Err(error) => {
                let (path, error) = (tail.path.clone(), Error::io(tail.name.as_ref(), error));
                tail.close();
                self.report(&path, error);
            }
        }
    }

    /// A source's file holds other bytes now.
    fn lose(&mut self, serial: u64, wanted: bool, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        self.losses += 1;
        let file = tail.lose();
        tail.seen = false;
        tail.changed = now;
        let path = tail.path.clone();
        let opened = match file {
            Some(file) => Stat::of(&file).map(|stat| (file, stat)),
            None => open(&path),
        };
        // What cannot be opened is found anew as soon as it can.
        if let Ok((file, stat)) = opened {
            let mut newcomer = Newcomer::new(path, file, stat, now);
            newcomer.wanted = wanted;
            self.newcomers.push(newcomer);
        }
    }

    /// Files whose first line is incomplete may be truncated too.
    fn observe_newcomers(&mut self, now: Instant) {
        let mut remains = Vec::new();
        for newcomer in &mut self.newcomers {
            let Ok(stat) = Stat::of(&newcomer.file) else { continue };
            newcomer.note(stat, now);
            let head = &newcomer.head;
            if !head.is_empty() && bytes_at(&newcomer.file, 0, head.len()).is_ok_and(|bytes| bytes != *head) {
                let head = std::mem::take(&mut newcomer.head);
                newcomer.state = Waits::Unseen;
                remains.push(Tail::of_remains(nonce(), head, &newcomer.path, now));
            }
        }
        for tail in remains {
            self.losses += 1;
            self.add(tail);
        }
    }
}

/// The last part of a path, where it is text.
pub(super) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// Whether a file is called as a rotated form of another that is there.
pub(super) fn is_rotated_among(path: &Path, found: &[Found]) -> bool {
    let names = earlier_names(file_name(path));
    !names.is_empty() && {
        let paths: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
        found.iter().any(|found| paths.contains(&found.path))
    }
}

/// Opens a file that must be there, and says which it is.
fn open(path: &Path) -> io::Result<(File, Stat)> {
    let file = File::open(path)?;
    let stat = Stat::of(&file)?;
    Ok((file, stat))
}

/// Opens the file of a source again. `false`: it holds something else.
pub(super) fn reopen(tail: &mut Tail, now: Instant) -> Result<bool> {
    match open_own(tail)? {
        Some((file, stat)) => Ok(matches!(tail.attach(&file, stat, now)?, Fit::Full | Fit::Unknown)),
        None => Ok(true),
    }
}

/// Looks whether a file still begins as a source that was read to its end.
fn prove(tail: &mut Tail) -> Result<bool> {
    let Some((file, stat)) = open_own(tail)? else { return Ok(true) };
    let look = Look::at(&file, &tail.name)?;
    tail.note(&stat);
    tail.is_proven = tail.begins(&look.head) != Fit::No;
    Ok(tail.is_proven)
}

/// The file of a source; none if it has gone, and the next look tells where.
fn open_own(tail: &Tail) -> Result<Option<(File, Stat)>> {
    match open(&tail.path) {
        Ok(opened) => Ok(Some(opened).filter(|(_, stat)| tail.key == Some(stat.key))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(open_error(&tail.path, error)),
    }
}

fn open_error(path: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "run as a user who may read the file, or change its mode",
        _ if error.raw_os_error() == Some(24) => "raise the number of files that may be open: ulimit -n",
        _ => "it is tried again as long as this runs",
    };
    Error::io(name_of(path).as_ref(), error).with_hint(hint)
}
