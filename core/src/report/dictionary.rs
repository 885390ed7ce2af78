//! Names, each once, with a number.

use hashbrown::HashTable;

/// Names, numbered in the order in which they were first met.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionary {
    slots: HashTable<Slot>,
    bytes: Vec<u8>,
    /// Where each name ends.
    ends: Vec<usize>,
}

/// A name's place, beside its number, so that a look at the table leads straight to the bytes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    start: usize,
    number: u32,
}

impl Dictionary {
    /// The number of a name, whose hash this is.
    #[inline]
    pub(super) fn intern(&mut self, name: &[u8], hash: u64) -> u32 {
        let bytes = &self.bytes;
        let ends = &self.ends;
        let is_it = |slot: &Slot| {
            slot.hash == hash && bytes.get(slot.start..ends[slot.number as usize]) == Some(name)
        };
        if let Some(slot) = self.slots.find(hash, is_it) {
            return slot.number;
        }
        let slot = Slot { hash, start: self.bytes.len(), number: self.len() };
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
        self.slots.insert_unique(hash, slot, |slot| slot.hash);
        slot.number
    }

    /// The number of a name that is there.
    pub(super) fn find(&self, name: &[u8], hash: u64) -> Option<u32> {
        let is_it = |slot: &Slot| slot.hash == hash && self.name(slot.number) == name;
        self.slots.find(hash, is_it).map(|slot| slot.number)
    }

    /// How many there are.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        // Memory ends long before the numbers do.
        self.ends.len() as u32
    }

    /// A name by its number.
    #[inline]
    pub(super) fn name(&self, number: u32) -> &[u8] {
        let at = number as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
    }

    /// All names in the order of their numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|number| self.name(number))
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>() + self.slots.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_number() {
        let mut names = Dictionary::default();
        // Also where all hashes are equal, and for the empty name.
        for (name, number) in [("a", 0), ("", 1), ("ab", 2), ("a", 0), ("", 1), ("b", 3)] {
            assert_eq!(names.intern(name.as_bytes(), 7), number);
        }
        assert_eq!(names.find(b"ab", 7), Some(2));
        assert_eq!(names.find(b"x", 7), None);
        assert_eq!(names.names().collect::<Vec<_>>(), [&b"a"[..], b"", b"ab", b"b"]);
    }
}
