//! Looking around: which file holds which source now.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nasalogs::{Error, Result};

use super::Poll;
use super::checkpoint::PassedOver;
use super::disk::{FileKey, Stat, bytes_at};
use super::follower::Follower;
use super::identity::{Print, first_line, nonce};
use super::newcomer::{Known, Newcomer, Waits};
use super::packed::Look;
use super::rotation::{earlier_names, is_kin, is_rotated};
use super::tail::{Fit, Tail, absolute, name_of};
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
enum Place {
    /// In a file that has a name.
    Named,
    /// In a file that was deleted and is still open.
    Deleted,
    /// Nobody knows.
    Lost,
}

impl Tail {
    fn place(&self) -> Place {
        match (self.is_closed(), self.key) {
            (false, _) if self.links == 0 => Place::Deleted,
            (false, _) => Place::Named,
            (true, Some(_)) if self.seen => Place::Named,
            (true, _) => Place::Lost,
        }
    }

    fn file_name(&self) -> &str {
        file_name(&self.path)
    }
}

/// What is to be done with a newcomer.
enum Verdict {
    Wait(Waits),
    /// It is taken care of.
    Settled,
    New(Look),
}

impl Follower {
    /// Looks at all files once.
    pub(super) fn scan(&mut self, now: Instant) {
        let losses = self.losses;
        let is_alarmed = std::mem::take(&mut self.is_alarmed);
        let mut found = self.find(is_alarmed, now);
        self.observe(&found, now);
        if self.losses != losses {
            // What the source was copied to may be newer than the list of names.
            found = self.find(true, now);
            self.observe(&found, now);
        }
        self.examine_all(&found, now);
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

    /// The files that are there, each once.
    fn find(&mut self, forced: bool, now: Instant) -> Vec<Found> {
        let mut all = Vec::new();
        let mut errors = Vec::new();
        for watch in &mut self.watches {
            errors.extend(
                watch.files(forced, now, &mut all).into_iter().map(|error| (watch.input.clone(), error)),
            );
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

    fn owners(&self) -> HashMap<FileKey, Owner> {
        let mut owners = HashMap::new();
        for (index, known) in self.passed_over.iter().enumerate() {
            owners.insert(known.state.file, Owner::PassedOver(index));
        }
        for (&serial, tail) in &self.tails {
            owners.extend(tail.alias.map(|stat| (stat.key, Owner::Alias(serial))));
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

    /// A file that was not there before.
    fn meet(&mut self, found: &Found, now: Instant) {
        match open(&found.path) {
            Ok((file, stat)) => {
                self.reported.remove(&found.path);
                let mut newcomer = Newcomer::new(found.path.clone(), file, stat, now);
                (newcomer.wanted, newcomer.before) = (found.wanted, found.before);
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
        tail.rename(&found.path, now);
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
        } else if tail.is_proven && is_as_before && tail.is_parked {
            Ok(true)
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
            Err(error) => self.report(&found.path, error),
        }
    }

    /// A file that is known to hold what a source holds, which is read from elsewhere.
    fn observe_alias(&mut self, serial: u64, found: &Found, now: Instant) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        let is_as_before = tail.alias == Some(found.stat) && !found.stat.is_recent();
        let holds = |tail: &Tail| {
            let (file, stat) = open(&found.path).ok()?;
            let look = Look::at(&file, &name_of(&found.path)).ok()?;
            (stat.key == found.stat.key && tail.begins(&look.head) != Fit::No).then_some(stat)
        };
        match is_as_before.then_some(found.stat).or_else(|| holds(tail)) {
            Some(stat) => {
                tail.alias = Some(stat);
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
        match opened {
            Ok((file, stat)) => {
                let mut newcomer = Newcomer::new(path, file, stat, now);
                newcomer.wanted = wanted;
                self.newcomers.push(newcomer);
            }
            // Found anew as soon as it can be opened.
            Err(_) => {}
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

    /// Finds out what newcomers are.
    fn examine_all(&mut self, found: &[Found], now: Instant) {
        for newcomer in &mut self.newcomers {
            newcomer.is_rotated |= !newcomer.wanted || is_rotated_among(&newcomer.path, found);
        }
        if self.options.follow {
            // Lines that were written first come first.
            self.newcomers.sort_by_key(|newcomer| {
                (!newcomer.is_rotated, newcomer.is_rotated.then_some(newcomer.stat.modified))
            });
        }
        // Where a source is deleted, what was compressed from it is worth another look too.
        let homeless = self.tails.iter().filter(|(_, tail)| tail.place() != Place::Named);
        let epoch = (self.losses, homeless.map(|(serial, _)| serial + 1).sum());
        let mut index = 0;
        while index < self.newcomers.len() {
            let mut newcomer = self.newcomers.remove(index);
            match self.examine(&mut newcomer, epoch, now) {
                Ok(Verdict::Wait(state)) => {
                    newcomer.state = state;
                    self.newcomers.insert(index, newcomer);
                    index += 1;
                }
                Ok(Verdict::Settled) => {}
                Ok(Verdict::New(look)) => self.take_in(newcomer, &look, now),
                Err(error) => {
                    self.report(&newcomer.path, error);
                    if self.options.follow {
                        newcomer.state = Waits::Compressor;
                        self.newcomers.insert(index, newcomer);
                        index += 1;
                    }
                }
            }
        }
    }

    fn examine(&mut self, newcomer: &mut Newcomer, epoch: (u64, u64), now: Instant) -> Result<Verdict> {
        let is_once = !self.options.follow;
        let is_quiet = is_once || now.duration_since(newcomer.changed) >= self.options.grace;
        let is_deleted = newcomer.stat.links == 0;
        let moment = Some((epoch.0, epoch.1, is_quiet, newcomer.is_rotated));
        if newcomer.state != Waits::Unseen && newcomer.looked == moment {
            return Ok(Verdict::Wait(newcomer.state));
        }
        newcomer.looked = moment;
        let name = name_of(&newcomer.path);
        let look = Look::at(&newcomer.file, &name)?;
        if look.head.is_empty() && !look.is_cut {
            let is_nothing = is_once || (is_deleted && is_quiet);
            return Ok(if is_nothing { Verdict::Settled } else { Verdict::Wait(Waits::FirstLine) });
        }
        if let Some(verdict) = self.recognise(newcomer, &look, is_quiet, now)? {
            return Ok(verdict);
        }
        if look.is_cut && look.head.len() < super::identity::HEAD && !is_quiet {
            return Ok(Verdict::Wait(Waits::Compressor));
        }
        let is_over = is_quiet && (is_deleted || newcomer.is_rotated);
        let is_complete = first_line(&look.head).is_some() || look.packed || is_once || is_over;
        if is_complete {
            let is_copy = !is_quiet && self.newcomers.iter().any(|other| is_copy_of(newcomer, &look, other));
            return Ok(if is_copy { Verdict::Wait(Waits::Unseen) } else { Verdict::New(look) });
        }
        newcomer.head = look.head;
        Ok(Verdict::Wait(Waits::FirstLine))
    }

    /// Whether a newcomer holds the bytes of a source that is known.
    fn recognise(
        &mut self,
        newcomer: &Newcomer,
        look: &Look,
        is_quiet: bool,
        now: Instant,
    ) -> Result<Option<Verdict>> {
        let name = newcomer.file_name().to_owned();
        let mut is_copy = false;
        for tail in self.tails.values_mut().rev() {
            let fit = if tail.is_dormant { Fit::No } else { tail.begins(&look.head) };
            if fit == Fit::No {
                continue;
            }
            let is_kin = is_kin(&name, tail.file_name());
            match tail.place() {
                Place::Named => is_copy |= is_rotated(&name, tail.file_name()),
                Place::Deleted if is_kin => {
                    if fit == Fit::Short {
                        self.pass_over(newcomer, look);
                        return Ok(Some(Verdict::Settled));
                    }
                    tail.alias = Some(newcomer.stat);
                    tail.rename(&newcomer.path, now);
                    tail.seen = true;
                    self.is_changed = true;
                    return Ok(Some(Verdict::Settled));
                }
                // Replaced in its place by one that begins with the same bytes.
                Place::Deleted if newcomer.path == tail.path && fit == Fit::Full => {
                    if tail.has_more() {
                        return Ok(Some(Verdict::Wait(Waits::Unseen)));
                    }
                    if tail.attach(&newcomer.file, newcomer.stat, now)? == Fit::Full {
                        tail.seen = true;
                        self.is_changed = true;
                        return Ok(Some(Verdict::Settled));
                    }
                }
                Place::Deleted => {}
                Place::Lost => {
                    // What was compressed from a source that was read to its end has nothing more.
                    let is_known = tail.done && look.packed;
                    let fit = match fit {
                        Fit::Full if !is_known => tail.attach(&newcomer.file, newcomer.stat, now)?,
                        fit => fit,
                    };
                    match fit {
                        Fit::Full => {}
                        Fit::Unknown if !is_quiet => return Ok(Some(Verdict::Wait(Waits::Compressor))),
                        // An older copy: what it has was read.
                        Fit::Short if is_kin => {
                            self.pass_over(newcomer, look);
                            return Ok(Some(Verdict::Settled));
                        }
                        _ => continue,
                    }
                    if is_known {
                        tail.key = Some(newcomer.stat.key);
                        tail.note(&newcomer.stat);
                        tail.packed = true;
                    }
                    tail.rename(&newcomer.path, now);
                    (tail.superseded, tail.is_copy) = (true, is_kin);
                    tail.seen = true;
                    tail.wanted = newcomer.wanted;
                    self.is_changed = true;
                    return Ok(Some(Verdict::Settled));
                }
            }
        }
        if is_copy && !(newcomer.wanted && is_quiet) {
            return Ok(Some(Verdict::Wait(Waits::Copy)));
        }
        let is_known = |known: &&mut Known| match known.state.whole {
            true => look.is_whole && known.state.head.is_of(&look.head),
            false => known.state.head.begins(&look.head),
        };
        if !earlier_names(&name).is_empty()
            && let Some(known) = self.passed_over.iter_mut().find(is_known)
        {
            known.state.file = newcomer.stat.key;
            known.looked = Some((newcomer.stat.size, newcomer.stat.modified));
            known.seen = true;
            self.is_changed = true;
            return Ok(Some(Verdict::Settled));
        }
        Ok(None)
    }

    /// Remembers a file that is not to be read.
    fn pass_over(&mut self, newcomer: &Newcomer, look: &Look) {
        let head = Print::of(look.head.len() as u64, &look.head);
        let state = PassedOver { file: newcomer.stat.key, head, whole: look.is_whole };
        let looked = Some((newcomer.stat.size, newcomer.stat.modified));
        self.passed_over.push(Known { state, looked, seen: true });
        self.is_changed = true;
    }

    /// A source of its own, or a file to pass over.
    fn take_in(&mut self, newcomer: Newcomer, look: &Look, now: Instant) {
        if newcomer.before {
            self.pass_over(&newcomer, look);
            return;
        }
        // A deleted file whose only line has no end, and what was compressed from it.
        let name = newcomer.file_name().to_owned();
        self.newcomers.retain(|other| {
            other.stat.links > 0
                || other.head.is_empty()
                || !look.head.starts_with(&other.head)
                || !is_kin(&name, other.file_name())
        });
        let mut tail = Tail::new(nonce(), &look.head, &newcomer.path, now);
        match tail.attach(&newcomer.file, newcomer.stat, now) {
            Ok(Fit::Full) => {
                tail.is_parked = !self.may_open();
                if tail.is_parked {
                    tail.close();
                }
                (tail.wanted, tail.seen, tail.superseded) =
                    (newcomer.wanted, newcomer.seen, !newcomer.wanted);
                self.reported.remove(&newcomer.path);
                self.add(tail);
            }
            // It has just changed.
            // It has just changed: another look finds out.
            Ok(_) => self.is_alarmed = true,
            Err(error) => self.report(&newcomer.path, error),
        }
    }

    /// Ends what has ended.
    fn settle(&mut self, found: &[Found], now: Instant) {
        let serials: Vec<u64> = self.tails.keys().copied().collect();
        for serial in serials {
            let Some(tail) = self.tails.get(&serial) else { continue };
            if tail.is_dormant {
                continue;
            }
            let quiet = now.duration_since(tail.changed);
            match tail.place() {
                Place::Lost if tail.done => {
                    let is_safe = !self.has_checkpoint() || tail.is_acknowledged();
                    if is_safe && !tail.queued && !self.is_awaited(tail, now) {
                        self.ids.remove(&tail.id);
                        self.tails.remove(&serial);
                        self.is_changed = true;
                    }
                }
                Place::Lost if !self.is_awaited(tail, now) => self.give_up(serial),
                Place::Lost => {}
                Place::Named | Place::Deleted => self.settle_open(serial, quiet, found),
            }
        }
        self.passed_over.retain(|known| known.seen);
        self.newcomers.retain(|newcomer| {
            newcomer.seen || newcomer.stat.links == 0 || !matches!(newcomer.state, Waits::Copy)
        });
    }

    /// Whether a file is being written in which a source may be found again.
    fn is_awaited(&self, tail: &Tail, now: Instant) -> bool {
        // A file system that is not there comes back.
        let is_away = absolute(&tail.path).parent().is_some_and(|parent| !parent.exists());
        is_away && self.options.follow
            || self.newcomers.iter().any(|newcomer| {
                newcomer.state == Waits::Compressor
                    && now.duration_since(newcomer.changed) < self.options.grace
                    && is_kin(newcomer.file_name(), tail.file_name())
            })
    }

    fn settle_open(&mut self, serial: u64, quiet: Duration, found: &[Found]) {
        let is_once = !self.options.follow;
        let (grace, linger) = (self.options.grace, self.options.linger);
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        if tail.stalled.is_some() {
            if is_once || quiet >= grace {
                let error = tail.stalled.take();
                let path = tail.path.clone();
                self.events.extend(error.map(Poll::Trouble));
                self.reported.insert(path);
                self.give_up(serial);
            }
            return;
        }
        if tail.is_closed() || tail.has_more() || tail.queued {
            return;
        }
        let is_superseded = tail.superseded
            || tail.links == 0
            || !tail.seen
            || (quiet >= grace && is_rotated_among(&tail.path, found));
        let is_ended = tail.packed || tail.is_copy || is_once || (is_superseded && quiet >= grace);
        if !is_ended {
            return;
        }
        let rest = tail.finish();
        self.events.extend(rest.map(Poll::Lines));
        if tail.packed || tail.is_copy || (tail.links == 0 && quiet >= grace) || quiet >= linger {
            tail.end();
            self.is_changed = true;
        }
    }
}

/// The last part of a path, where it is text.
pub(super) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

/// Whether a newcomer begins like another one, and is called as a rotated form of it.
fn is_copy_of(newcomer: &Newcomer, look: &Look, other: &Newcomer) -> bool {
    let is_related = if other.stat.links == 0 { is_kin } else { is_rotated };
    is_related(newcomer.file_name(), other.file_name())
        && Look::at(&other.file, &name_of(&other.path)).is_ok_and(|other| {
            let shorter = look.head.len().min(other.head.len());
            let is_same_line = |line| first_line(&other.head) == Some(line);
            look.head[..shorter] == other.head[..shorter]
                && first_line(&look.head).map_or(shorter == look.head.len(), is_same_line)
        })
}

/// Whether a file is called as a rotated form of another that is there.
fn is_rotated_among(path: &Path, found: &[Found]) -> bool {
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
