//! The dictionary of a text column: strings to ids, ids in order of first appearance.

use super::hash::{Class, INLINE, Longer, Seeds, UpTo16, UpTo32, UpTo64, VIEW};
use super::source::Block;

/// Bytes of a record before the string: its id and its length.
const HEADER: usize = 8;
/// Bytes of the smallest record.
const SMALLEST: usize = 24;

/// Bits of a slot that say where its record starts, in units of eight bytes; the others are bits of the hash.
const PLACE_BITS: u32 = 22;

/// Strings and their ids.
///
/// A slot of the table is some bits of a hash above the place of a record in the arena, so that a hit costs two cache
/// misses at most and the table stays small. A record is the id, the length (both `u32`) and the string, padded to a
/// multiple of eight: at least twelve bytes of it, which makes the length and a short string together the `u128` that
/// its view is.
#[derive(Debug)]
pub(super) struct Dictionary {
    seeds: Seeds,
    slots: Vec<u32>,
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
        self.slots.capacity() * 4 + self.arena.capacity()
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

    /// Appends the ids of a block of strings, which are added where they are new.
    #[inline(always)]
    pub(super) fn intern(&mut self, block: &mut Block<'_>, ids: &mut Vec<u32>) {
        // In each of these steps the loads of all strings are independent of each other and no branch waits for one,
        // so that cache misses overlap.
        for i in 0..block.count(VIEW) {
            let at = block.place(VIEW, i);
            block.hashes[at] = self.seeds.view(block.views[at]);
        }
        self.hash::<UpTo16>(1, block);
        self.hash::<UpTo32>(2, block);
        self.hash::<UpTo64>(3, block);
        self.hash::<Longer>(4, block);
        let shift = self.shift();
        for at in 0..block.len() {
            block.slots[at] = self.slots[(block.hashes[at] >> shift) as usize];
        }
        for at in 0..block.len() {
            block.heads[at] = self.head(block.slots[at]);
        }
        let mut missed = 0;
        for i in 0..block.count(VIEW) {
            let at = block.place(VIEW, i);
            let view = self.arena.get(place(block.slots[at]) + 4..).and_then(|record| record.first_chunk());
            let same = view.is_some_and(|view| u128::from_le_bytes(*view) == block.views[at]);
            missed |= u64::from(!(same & (block.slots[at] != 0))) << at;
        }
        missed |= self.check::<UpTo16>(1, block);
        missed |= self.check::<UpTo32>(2, block);
        missed |= self.check::<UpTo64>(3, block);
        missed |= self.check::<Longer>(4, block);
        let start = ids.len();
        ids.extend(block.heads[..block.len()].iter().map(|&head| head as u32));
        while missed != 0 {
            let at = missed.trailing_zeros() as usize;
            missed &= missed - 1;
            let id = match block.view(at) {
                Some(view) => {
                    let view = view.to_le_bytes();
                    self.find_or_insert(block.hashes[at], &view[4..4 + view[0] as usize])
                }
                None => self.find_or_insert(block.hashes[at], block.bytes[at]),
            };
            ids[start + at] = id;
        }
    }

    #[inline(always)]
    fn hash<C: Class>(&self, class: usize, block: &mut Block<'_>) {
        for i in 0..block.count(class) {
            let at = block.place(class, i);
            block.hashes[at] = C::hash(&self.seeds, block.bytes[at]);
        }
    }

    /// Which strings of a class are not those that their slots lead to.
    #[inline(always)]
    fn check<C: Class>(&self, class: usize, block: &Block<'_>) -> u64 {
        let mut missed = 0;
        for i in 0..block.count(class) {
            let at = block.place(class, i);
            let (bytes, start) = (block.bytes[at], place(block.slots[at]) + HEADER);
            let same = (block.heads[at] >> 32) as usize == bytes.len()
                && self.arena.get(start..start + bytes.len()).is_some_and(|record| C::same(record, bytes));
            missed |= u64::from(!same) << at;
        }
        missed
    }

    fn shift(&self) -> u32 {
        32 - self.slots.len().trailing_zeros()
    }

    /// The id (lower half) and the length of a slot's string.
    #[inline(always)]
    fn head(&self, slot: u32) -> u64 {
        let record = self.arena.get(place(slot)..).and_then(|record| record.first_chunk());
        record.map_or(0, |head| u64::from_le_bytes(*head))
    }

    #[inline(never)]
    fn find_or_insert(&mut self, hash: u32, bytes: &[u8]) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> self.shift()) as usize;
        while self.slots[at] != 0 {
            let slot = self.slots[at];
            if slot >> PLACE_BITS == tag(hash) {
                let (head, start) = (self.head(slot), place(slot) + HEADER);
                let len = (head >> 32) as usize;
                if len == bytes.len() && self.arena[start..start + len] == *bytes {
                    return head as u32;
                }
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = new_slot(hash, self.arena.len());
        let id = self.len;
        self.arena.extend_from_slice(&((bytes.len() as u64) << 32 | u64::from(id)).to_le_bytes());
        self.arena.extend_from_slice(bytes);
        self.arena.extend_from_slice(&[0; 16][..padded(bytes.len()) - bytes.len()]);
        self.text_bytes += bytes.len();
        self.len += 1;
        if self.len() * 2 > self.slots.len() {
            self.grow();
        }
        id
    }

    #[cold]
    fn grow(&mut self) {
        let mut slots = vec![0; self.slots.len() * 2];
        let mask = slots.len() - 1;
        let shift = self.shift() - 1;
        let mut start = SMALLEST;
        for bytes in self.iter() {
            let hash = self.seeds.any(bytes);
            let mut at = (hash >> shift) as usize;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = new_slot(hash, start);
            start += HEADER + padded(bytes.len());
        }
        self.slots = slots;
    }

    /// The strings in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.arena[SMALLEST..];
        std::iter::from_fn(move || {
            let (header, behind) = rest.split_first_chunk::<HEADER>()?;
            let len = (u64::from_le_bytes(*header) >> 32) as usize;
            rest = &behind[padded(len)..];
            Some(&behind[..len])
        })
    }
}

/// The bits of a hash that a slot has: not those that say where the slot is.
#[inline(always)]
fn tag(hash: u32) -> u32 {
    hash & (u32::MAX >> PLACE_BITS)
}

#[inline(always)]
fn new_slot(hash: u32, start: usize) -> u32 {
    let place = start / 8;
    assert!(place < 1 << PLACE_BITS, "a dictionary is given up before it is so large");
    tag(hash) << PLACE_BITS | place as u32
}

/// Where a slot's record starts.
#[inline(always)]
fn place(slot: u32) -> usize {
    (slot & ((1 << PLACE_BITS) - 1)) as usize * 8
}

/// How many bytes a string has in a record.
fn padded(len: usize) -> usize {
    len.max(INLINE).next_multiple_of(8)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::StringViewArray;

    use super::super::source::{BLOCK, Source};
    use super::*;

    #[test]
    fn ids_are_those_of_a_map() {
        // All classes of length, many of them new in the same block that repeats them, and several growths.
        let strings: Vec<String> = (0..40_000_u32)
            .map(|i| {
                let number = i.wrapping_mul(2_654_435_761) >> (12 + i % 7);
                "padding".repeat((number % 13) as usize) + &number.to_string()
            })
            .collect();
        let array: StringViewArray = strings.iter().map(Some).collect();
        let (mut dictionary, mut block, mut ids) = (Dictionary::new(), Block::new(), Vec::new());
        for _ in 0..2 {
            let mut map = HashMap::new();
            let expected: Vec<u32> = strings
                .iter()
                .map(|string| {
                    let next = map.len() as u32;
                    *map.entry(string).or_insert(next)
                })
                .collect();
            for start in (0..strings.len()).step_by(BLOCK) {
                array.load(start..(start + BLOCK).min(strings.len()), &mut block);
                dictionary.intern(&mut block, &mut ids);
                block.clear();
            }
            assert_eq!(ids, expected);
            assert_eq!(dictionary.len(), map.len());
            assert_eq!(dictionary.page_bytes(), map.keys().map(|string| string.len() + 4).sum::<usize>());
            for (id, string) in dictionary.iter().enumerate() {
                assert_eq!(map[&String::from_utf8(string.to_vec()).unwrap()] as usize, id);
            }
            dictionary.clear();
            assert_eq!(dictionary.iter().count(), 0);
            ids.clear();
        }
    }
}
