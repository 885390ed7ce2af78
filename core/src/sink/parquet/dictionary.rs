//! The dictionary of a text column: strings to ids, ids in order of first appearance.

use super::hash::{INLINE, Seeds, equal};
use super::source::Key;

/// How many strings are looked up together, so that their cache misses overlap.
pub(super) const BLOCK: usize = 32;

/// Bytes of a record before the string: its id and its length.
const HEADER: usize = 8;
/// Bytes of the smallest record.
const SMALLEST: usize = 24;

/// Strings and their ids.
///
/// A slot of the table is a 32-bit hash below the place of a record in the arena, so that a hit costs two cache misses
/// at most. A record is the id, the length (both `u32`) and the string, padded to a multiple of eight: at least
/// twelve bytes of it, which makes the length and a short string together the `u128` that its view is.
#[derive(Debug)]
pub(super) struct Dictionary {
    seeds: Seeds,
    slots: Vec<u64>,
    arena: Vec<u8>,
    len: u32,
    text_bytes: usize,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        // The record at 0 belongs to the empty slot: looked at, never taken.
        Self { seeds: Seeds::random(), slots: vec![0; 64], arena: vec![0; SMALLEST], len: 0, text_bytes: 0 }
    }

    /// How many strings it holds.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// How many bytes its strings have in a dictionary page.
    pub(super) fn page_bytes(&self) -> usize {
        self.text_bytes + 4 * self.len()
    }

    /// How many bytes it occupies.
    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * 8 + self.arena.capacity()
    }

    /// Forgets everything but its memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.arena.truncate(SMALLEST);
        self.len = 0;
        self.text_bytes = 0;
    }

    /// Gives the table back: from here on the strings can only be listed.
    pub(super) fn seal(&mut self) {
        self.slots = vec![0; 64];
        self.arena.shrink_to_fit();
    }

    /// Appends the ids of up to [`BLOCK`] strings, which are added where they are new.
    #[inline(always)]
    pub(super) fn intern(&mut self, keys: &[Key<'_>], ids: &mut Vec<u32>) {
        let mut hashes = [0; BLOCK];
        let mut slots = [0; BLOCK];
        let mut heads = [0; BLOCK];
        // Each loop's loads are independent of each other: the processor waits for all of them at once.
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = match key {
                Key::Inline(view) => self.seeds.inline(*view),
                Key::Long(bytes) => self.seeds.long(bytes),
            };
        }
        let shift = self.shift();
        for (slot, hash) in slots.iter_mut().zip(&hashes[..keys.len()]) {
            *slot = self.slots[(hash >> shift) as usize];
        }
        for (head, slot) in heads.iter_mut().zip(&slots[..keys.len()]) {
            *head = self.arena[place(*slot)];
        }
        // The heads are not needed, their cache lines are: keep the compiler from seeing that.
        std::hint::black_box(&heads);
        for (i, key) in keys.iter().enumerate() {
            let id = match self.check(slots[i], hashes[i], *key) {
                Some(id) => id,
                None => self.find_or_insert(hashes[i], *key),
            };
            ids.push(id);
        }
    }

    fn shift(&self) -> u32 {
        32 - self.slots.len().trailing_zeros()
    }

    /// The id of a slot's string, if that is the key.
    #[inline(always)]
    fn check(&self, slot: u64, hash: u32, key: Key<'_>) -> Option<u32> {
        if slot as u32 != hash {
            return None;
        }
        let record = &self.arena[place(slot)..];
        let head: &[u8; SMALLEST] = record.first_chunk()?;
        let (id, rest) = head.split_first_chunk::<4>()?;
        let same = match key {
            Key::Inline(view) => u128::from_le_bytes(*rest.first_chunk()?) == view,
            Key::Long(bytes) => {
                u32::from_le_bytes(*rest.first_chunk()?) as usize == bytes.len()
                    && equal(&record[HEADER..HEADER + bytes.len()], bytes)
            }
        };
        (same && place(slot) != 0).then_some(u32::from_le_bytes(*id))
    }

    #[inline(never)]
    fn find_or_insert(&mut self, hash: u32, key: Key<'_>) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift()) as usize;
        while self.slots[at] != 0 {
            if let Some(id) = self.check(self.slots[at], hash, key) {
                return id;
            }
            at = (at + 1) & mask;
        }
        let place = (self.arena.len() / 8) as u64;
        assert!(place < 1 << 32, "a dictionary is given up long before it has 32 GiB");
        self.slots[at] = place << 32 | u64::from(hash);
        let id = self.len;
        self.arena.extend_from_slice(&id.to_le_bytes());
        match key {
            Key::Inline(view) => {
                self.arena.extend_from_slice(&view.to_le_bytes());
                self.text_bytes += view as u32 as usize;
            }
            Key::Long(bytes) => {
                self.arena.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                self.arena.extend_from_slice(bytes);
                self.text_bytes += bytes.len();
            }
        }
        self.arena.resize(self.arena.len().next_multiple_of(8), 0);
        self.len += 1;
        if self.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; old.len() * 2];
        let (mask, shift) = (self.slots.len() - 1, self.shift());
        for slot in old.into_iter().filter(|&slot| slot != 0) {
            let mut at = (slot as u32 >> shift) as usize;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// The strings in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.arena[SMALLEST..];
        std::iter::from_fn(move || {
            let (header, behind) = rest.split_first_chunk::<HEADER>()?;
            let len = (u64::from_le_bytes(*header) >> 32) as usize;
            rest = &behind[len.max(INLINE).next_multiple_of(8)..];
            Some(&behind[..len])
        })
    }
}

/// Where a slot's record starts.
#[inline(always)]
fn place(slot: u64) -> usize {
    (slot >> 32) as usize * 8
}
