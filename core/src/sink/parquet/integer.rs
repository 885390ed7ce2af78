//! The values of an integer or time column: a dictionary where it pays, plain otherwise.

use arrow::datatypes::ArrowNativeType;
use parquet::basic::Encoding;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::hash::Seeds;
use super::page::take_plain;
use super::rle;
use super::statistic::Bounds;
use super::trial::{Tally, Trial};

/// How many values are looked at together.
const BLOCK: usize = 32;
/// Values from 0 up to this one find their id in an array.
const DIRECT: usize = 1 << 16;
/// A larger dictionary is given up for the rest of its chunk.
const MAX_DICTIONARY_LEN: usize = 1 << 17;
/// A dictionary must make this much less of the values, in percent: plain ones compress better.
const PAYS: usize = 60;
/// A run that is written as such.
const LONG_RUN: usize = 16;
/// The id that no value has.
const NONE: u32 = u32::MAX;

/// An integer of Arrow's.
pub(super) trait Native: ArrowNativeType + Ord + Into<i64> {}

impl Native for i16 {}
impl Native for i32 {}
impl Native for i64 {}

/// The values of the open page, and the dictionary of the chunk.
pub(super) struct Integer {
    wide: bool,
    seeds: Seeds,
    /// The ids of small values.
    direct: Vec<u32>,
    /// The ids of the others: open addressing, a 32-bit hash below an id plus 1.
    slots: Vec<u64>,
    hashed: usize,
    dictionary: Vec<i64>,
    interning: bool,
    referred: bool,
    trial: Trial,
    /// How often a value was another one than the one before it, while the trial goes on.
    runs: usize,
    ids: Vec<u32>,
    plain: Vec<u8>,
    last: Option<(i64, u32)>,
    values: usize,
    bounds: Bounds,
}

impl Integer {
    /// A column of INT64, or of INT32.
    pub(super) fn new(wide: bool) -> Self {
        Self {
            wide,
            seeds: Seeds::random(),
            direct: Vec::new(),
            slots: vec![0; 64],
            hashed: 0,
            dictionary: Vec::new(),
            interning: true,
            referred: false,
            trial: Trial::default(),
            runs: 0,
            ids: Vec::new(),
            plain: Vec::new(),
            last: None,
            values: 0,
            bounds: Bounds::EMPTY,
        }
    }

    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// How many bytes it occupies.
    pub(super) fn memory(&self) -> usize {
        (self.direct.capacity() + self.ids.capacity()) * 4
            + (self.slots.capacity() + self.dictionary.capacity()) * 8
            + self.plain.capacity()
    }

    pub(super) fn page_bytes(&self) -> usize {
        self.plain.len() + self.ids.len() * 2
    }

    fn value_bytes(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Appends values that are not null.
    pub(super) fn append<T: Native>(&mut self, values: &[T]) {
        let Some(&first) = values.first() else { return };
        let (min, max) =
            values.iter().fold((first, first), |(min, max), &value| (min.min(value), max.max(value)));
        self.bounds.join(Bounds { min: min.into(), max: max.into() });
        self.values += values.len();
        if !self.interning {
            push_plain(&mut self.plain, self.wide, values.iter().map(|&value| value.into()));
            return;
        }
        if self.trial.is_open() {
            self.runs += values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        }
        for block in values.chunks(BLOCK) {
            if let Some((last, id)) = self.last
                && block.iter().fold(0, |difference, &value| difference | (value.into() ^ last)) == 0
            {
                self.ids.resize(self.ids.len() + block.len(), id);
                continue;
            }
            let mut ids = [NONE; BLOCK];
            for (id, &value) in ids.iter_mut().zip(block) {
                let at = usize::try_from(value.into()).unwrap_or(usize::MAX);
                *id = self.direct.get(at).copied().unwrap_or(NONE);
            }
            for (id, &value) in ids.iter_mut().zip(block) {
                if *id == NONE {
                    *id = self.find_or_insert(value.into());
                }
            }
            self.ids.extend_from_slice(&ids[..block.len()]);
            self.last = block.last().map(|&value| value.into()).zip(self.ids.last().copied());
        }
    }

    #[inline]
    fn find_or_insert(&mut self, value: i64) -> u32 {
        match usize::try_from(value) {
            Ok(at) if at < DIRECT => self.insert_direct(at),
            _ => self.find_or_insert_hashed(value),
        }
    }

    #[cold]
    fn insert_direct(&mut self, at: usize) -> u32 {
        // A value that is twice in a block is new only once.
        if let Some(&id) = self.direct.get(at)
            && id != NONE
        {
            return id;
        }
        if at >= self.direct.len() {
            self.direct.resize((at + 1).next_power_of_two().max(1024), NONE);
        }
        let id = self.dictionary.len() as u32;
        self.direct[at] = id;
        self.dictionary.push(at as i64);
        id
    }

    fn find_or_insert_hashed(&mut self, value: i64) -> u32 {
        let hash = self.seeds.integer(value);
        let mask = self.slots.len() - 1;
        let mut at = (hash >> (32 - self.slots.len().trailing_zeros())) as usize;
        while self.slots[at] != 0 {
            let slot = self.slots[at];
            let id = (slot >> 32) as u32 - 1;
            if slot as u32 == hash && self.dictionary[id as usize] == value {
                return id;
            }
            at = (at + 1) & mask;
        }
        let id = self.dictionary.len() as u32;
        self.slots[at] = u64::from(id + 1) << 32 | u64::from(hash);
        self.dictionary.push(value);
        self.hashed += 1;
        if self.hashed * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; old.len() * 2];
        let mask = self.slots.len() - 1;
        let shift = 32 - self.slots.len().trailing_zeros();
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            let mut at = (slot as u32 >> shift) as usize;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// Looks at the dictionary from time to time, and at the chunk's end; true if it has to be given up, which needs a
    /// new page.
    pub(super) fn review(&mut self, end: bool) -> bool {
        if !self.interning {
            return false;
        }
        let distinct = self.dictionary.len();
        let tally = Tally {
            values: self.values,
            distinct,
            dictionary: distinct * self.value_bytes(),
            plain: self.values * self.value_bytes(),
        };
        let full = distinct > MAX_DICTIONARY_LEN;
        let pays = match self.trial.look(tally, end) {
            // Values that do not come back after others (time does not) are better off plain, unless they come in
            // long runs.
            Some(half) => {
                half.pays(PAYS) && (self.runs >= 2 * distinct || self.values >= LONG_RUN * distinct)
            }
            None if full => tally.pays(PAYS),
            None => return false,
        };
        if !pays && !self.referred {
            self.unfold();
            return false;
        }
        full || !pays
    }

    /// Turns the ids of the first page into plain values: it is as if there had never been a dictionary.
    fn unfold(&mut self) {
        self.interning = false;
        let ids = std::mem::take(&mut self.ids);
        push_plain(&mut self.plain, self.wide, ids.iter().map(|&id| self.dictionary[id as usize]));
        self.dictionary = Vec::new();
        self.drop_tables();
    }

    fn drop_tables(&mut self) {
        self.direct = Vec::new();
        self.slots = vec![0; 64];
        self.hashed = 0;
    }

    /// Gives the dictionary up: the pages that follow are plain.
    pub(super) fn give_up(&mut self) {
        self.interning = false;
        self.drop_tables();
    }

    /// Appends the values of the open page, and empties it.
    pub(super) fn take_page(&mut self, out: &mut Vec<u8>) -> (Encoding, Bounds) {
        let bounds = std::mem::replace(&mut self.bounds, Bounds::EMPTY);
        if self.ids.is_empty() {
            take_plain(&mut self.plain, out);
            return (Encoding::PLAIN, bounds);
        }
        let width = rle::width(self.dictionary.len());
        out.push(width as u8);
        rle::encode_ids(&self.ids, width, out);
        self.ids.clear();
        self.referred = true;
        (Encoding::RLE_DICTIONARY, bounds)
    }

    pub(super) fn take_dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        if !self.referred {
            return None;
        }
        let mut page = Vec::new();
        push_plain(&mut page, self.wide, self.dictionary.iter().copied());
        Some((page, self.dictionary.len()))
    }

    pub(super) fn statistics(&self, bounds: Bounds, nulls: u64) -> Statistics {
        let (min, max) = bounds.get().unzip();
        if self.wide {
            ValueStatistics::new(min, max, None, Some(nulls), false)
                .with_backwards_compatible_min_max(true)
                .into()
        } else {
            let narrow = |value: i64| value as i32;
            ValueStatistics::new(min.map(narrow), max.map(narrow), None, Some(nulls), false)
                .with_backwards_compatible_min_max(true)
                .into()
        }
    }

    pub(super) fn reset(&mut self) {
        self.direct.fill(NONE);
        self.slots.fill(0);
        self.hashed = 0;
        self.dictionary.clear();
        (self.interning, self.referred) = (true, false);
        (self.trial, self.runs) = (Trial::default(), 0);
        self.last = None;
        self.values = 0;
    }
}

fn push_plain(out: &mut Vec<u8>, wide: bool, values: impl ExactSizeIterator<Item = i64>) {
    let start = out.len();
    if wide {
        out.resize(start + values.len() * 8, 0);
        for (to, value) in out[start..].as_chunks_mut::<8>().0.iter_mut().zip(values) {
            *to = value.to_le_bytes();
        }
    } else {
        out.resize(start + values.len() * 4, 0);
        for (to, value) in out[start..].as_chunks_mut::<4>().0.iter_mut().zip(values) {
            *to = (value as i32).to_le_bytes();
        }
    }
}
