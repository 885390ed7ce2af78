//! Endings: of files that are over, of sources that are lost.

use std::time::{Duration, Instant};

use super::Poll;
use super::follower::Follower;
use super::newcomer::Waits;
use super::rotation::is_kin;
use super::scan::{Place, is_rotated_among};
use super::tail::{Tail, absolute};
use super::watch::Found;

impl Follower {
    /// Ends what has ended.
    pub(super) fn settle(&mut self, found: &[Found], now: Instant) {
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
                        self.forgotten.push((tail.id, tail.offset()));
                        self.tails.remove(&serial);
                        self.is_changed = true;
                    }
                }
                Place::Lost if self.is_awaited(tail, now) => {}
                // One that is open would be read to its end, and be over. This one was at its end when it was last looked at.
                Place::Lost if tail.is_parked && quiet >= self.options.grace && !tail.has_more() => {
                    self.finish(serial);
                }
                Place::Lost => self.give_up(serial),
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

    /// Nothing follows, and nothing is lost.
    fn finish(&mut self, serial: u64) {
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        let rest = tail.finish();
        self.events.extend(rest.map(Poll::Lines));
        tail.end();
        self.is_changed = true;
    }

    fn settle_open(&mut self, serial: u64, quiet: Duration, found: &[Found]) {
        let is_once = !self.options.follow;
        let (grace, linger) = (self.options.grace, self.options.linger);
        let Some(tail) = self.tails.get_mut(&serial) else { return };
        if tail.stalled.is_some() {
            if is_once || quiet >= grace {
                let error = tail.stalled.take();
                self.events.extend(error.map(Poll::Trouble));
                self.reported.insert(tail.path.clone());
                if is_once {
                    // Its writer may finish it: nothing of the line that is cut off is given, and a later run has it whole.
                    tail.close();
                    self.over.insert(serial);
                } else {
                    self.give_up(serial);
                }
            }
            return;
        }
        if (tail.is_closed() && !tail.is_parked) || tail.done || tail.has_more() || tail.queued {
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
