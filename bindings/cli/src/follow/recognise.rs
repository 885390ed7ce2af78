//! Newcomers: whose bytes they hold.

use std::time::Instant;

use nasalogs::Result;

use super::attach::Fit;
use super::checkpoint::PassedOver;
use super::follower::Follower;
use super::identity::{HEAD, Print, first_line, nonce};
use super::newcomer::{Known, Newcomer, Waits};
use super::packed::Look;
use super::rotation::{earlier_names, is_kin, is_rotated};
use super::scan::{Place, is_rotated_among};
use super::tail::{Alias, Tail, name_of};
use super::watch::Found;

/// What is to be done with a newcomer.
enum Verdict {
    Wait(Waits),
    /// It is taken care of.
    Settled,
    New(Look),
}

impl Follower {
    /// Finds out what newcomers are.
    pub(super) fn examine_all(&mut self, found: &[Found], now: Instant) {
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
                Ok(Verdict::New(look)) => {
                    if let Some(newcomer) = self.take_in(newcomer, &look, now) {
                        self.newcomers.insert(index, newcomer);
                        index += 1;
                    }
                }
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
        if look.is_cut && look.head.len() < HEAD && !is_quiet {
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
                    tail.alias = Some(Alias { stat: newcomer.stat, packed: look.packed });
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
                        (tail.seen, tail.since) = (true, self.scans);
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
                    (tail.seen, tail.since) = (true, self.scans);
                    tail.wanted = newcomer.wanted;
                    self.is_changed = true;
                    return Ok(Some(Verdict::Settled));
                }
            }
        }
        if is_copy && !(newcomer.wanted && is_quiet) {
            // Read once, nothing is truncated any more; another run looks again.
            let waits = if self.options.follow { Verdict::Wait(Waits::Copy) } else { Verdict::Settled };
            return Ok(Some(waits));
        }
        // The file itself may have grown.
        let is_known = |known: &&mut Known| match known.state.whole && known.state.file != newcomer.stat.key {
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

    /// Whether what is called as a rotated form came when nothing was rotated: the file whose form it would be was
    /// there before, and still is.
    fn is_unrelated(&self, newcomer: &Newcomer) -> bool {
        let names = earlier_names(newcomer.file_name());
        let paths: Vec<_> = names.iter().map(|name| newcomer.path.with_file_name(name)).collect();
        self.tails.values().any(|tail| {
            tail.wanted
                && tail.since < newcomer.met
                && tail.place() == Place::Named
                && paths.contains(&tail.path)
        })
    }

    /// Remembers a file that is not to be read.
    fn pass_over(&mut self, newcomer: &Newcomer, look: &Look) {
        let head = Print::of(look.head.len() as u64, &look.head);
        let state = PassedOver { file: newcomer.stat.key, head, whole: look.is_whole };
        let looked = Some((newcomer.stat.size, newcomer.stat.modified));
        self.passed_over.push(Known { state, looked, seen: true });
        self.is_changed = true;
    }

    /// A source of its own, or a file to pass over. It comes back when it is not what it was at the look.
    pub(super) fn take_in(&mut self, mut newcomer: Newcomer, look: &Look, now: Instant) -> Option<Newcomer> {
        if newcomer.before || (!newcomer.wanted && self.is_unrelated(&newcomer)) {
            self.pass_over(&newcomer, look);
            return None;
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
                tail.is_parked = !self.may_open(look.packed);
                if tail.is_parked {
                    tail.close();
                }
                tail.since = self.scans;
                (tail.wanted, tail.seen, tail.superseded) =
                    (newcomer.wanted, newcomer.seen, !newcomer.wanted);
                self.reported.remove(&newcomer.path);
                self.add(tail);
            }
            Ok(_) => {
                (newcomer.state, self.is_alarmed) = (Waits::Unseen, true);
                return Some(newcomer);
            }
            Err(error) => self.report(&newcomer.path, error),
        }
        None
    }
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
