//! Whether a dictionary pays, before much has been put into it.

use super::rle;

/// How many values a trial takes. More would say more; but what is refused has been looked up in vain.
const VALUES: usize = 1 << 14;

/// How much there is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Values.
    pub(super) values: usize,
    /// Values in the dictionary.
    pub(super) distinct: usize,
    /// Bytes of the dictionary page.
    pub(super) dictionary: usize,
    /// Bytes of the values without a dictionary.
    pub(super) plain: usize,
}

impl Tally {
    /// Whether the dictionary and its ids have less than `percent` of what the values have.
    pub(super) fn pays(&self, percent: usize) -> bool {
        let ids = self.values * rle::width(self.distinct) as usize / 8;
        self.dictionary + ids < self.plain / 100 * percent
    }
}

/// The trial of a chunk's dictionary. Its second half counts: at first all values are new.
#[derive(Debug, Default)]
pub(super) struct Trial {
    half: Tally,
    over: bool,
}

impl Trial {
    /// Whether the trial goes on.
    pub(super) fn is_open(&self) -> bool {
        !self.over
    }

    /// Looks at how it goes; once, at the end of the trial, what there is to judge. The chunk's end is its end too.
    pub(super) fn look(&mut self, now: Tally, end: bool) -> Option<Tally> {
        if self.over {
            return None;
        }
        if now.values < VALUES {
            if self.half.values == 0 && now.values >= VALUES / 2 {
                self.half = now;
            }
            self.over = end;
            return end.then_some(now);
        }
        self.over = true;
        Some(Tally {
            values: now.values - self.half.values,
            distinct: now.distinct,
            dictionary: now.dictionary - self.half.dictionary,
            plain: now.plain - self.half.plain,
        })
    }
}
