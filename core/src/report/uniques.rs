//! How many different ones: exactly, or as a sketch knows it.

use datasketches::hll::{HllSketch, HllType, HllUnion};
use foldhash::fast::RandomState;
use hashbrown::HashSet;

/// Different members of each of many groups: hosts of a bucket, hosts of a URL.
#[derive(Debug, Clone)]
pub(super) enum Uniques {
    /// Every pair of group and member.
    Exact(HashSet<u64, RandomState>),
    /// A HyperLogLog sketch for each group, of 2^k registers.
    Sketches { k: u8, groups: Vec<HllSketch> },
}

/// A group and a member of it.
const fn pair(group: u32, member: u32) -> u64 {
    (group as u64) << 32 | member as u64
}

const fn unpair(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// A sketch of 2^k registers: k is ours, and within the bounds that it has.
pub(super) fn sketch(k: u8) -> HllSketch {
    HllSketch::new(k, HllType::Hll4).expect("between 4 and 21")
}

impl Uniques {
    pub(super) fn exact() -> Self {
        Self::Exact(HashSet::default())
    }

    pub(super) fn sketches(k: u8) -> Self {
        Self::Sketches { k, groups: Vec::new() }
    }

    /// Adds a member, whose name this is, to a group.
    #[inline]
    pub(super) fn insert(&mut self, group: u32, member: u32, name: &[u8]) {
        match self {
            Self::Exact(pairs) => {
                pairs.insert(pair(group, member));
            }
            Self::Sketches { k, groups } => {
                let at = group as usize;
                if at >= groups.len() {
                    groups.resize_with(at + 1, || sketch(*k));
                }
                groups[at].update(name);
            }
        }
    }

    /// How many members each of so many groups has.
    pub(super) fn counts(&self, groups: usize) -> Vec<u64> {
        let mut counts = vec![0; groups];
        match self {
            Self::Exact(pairs) => {
                for pair in pairs {
                    counts[unpair(*pair).0 as usize] += 1;
                }
            }
            Self::Sketches { groups, .. } => {
                for (count, sketch) in counts.iter_mut().zip(groups) {
                    *count = sketch.estimate().round() as u64;
                }
            }
        }
        counts
    }

    /// Adds what another has seen, whose groups and members have these numbers here. A group without a number is left out.
    pub(super) fn merge(&mut self, other: &Self, groups: &[Option<u32>], members: &[u32]) {
        match (self, other) {
            (Self::Exact(pairs), Self::Exact(more)) => {
                pairs.extend(more.iter().filter_map(|both| {
                    let (group, member) = unpair(*both);
                    groups[group as usize].map(|group| pair(group, members[member as usize]))
                }));
            }
            (Self::Sketches { k, groups: into }, Self::Sketches { groups: more, .. }) => {
                for (sketch_of, group) in more.iter().zip(groups) {
                    let Some(at) = group.map(|group| group as usize) else { continue };
                    if at >= into.len() {
                        into.resize_with(at + 1, || sketch(*k));
                    }
                    into[at] = union(&into[at], sketch_of);
                }
            }
            // Tallies of one kind are merged with each other.
            _ => {}
        }
    }

    /// The same with its groups numbered anew.
    pub(super) fn regrouped(&self, groups: &[Option<u32>], members: u32) -> Self {
        let mut new = match self {
            Self::Exact(_) => Self::exact(),
            Self::Sketches { k, .. } => Self::sketches(*k),
        };
        // Sketches know no members by number.
        let members: Vec<u32> = match self {
            Self::Exact(_) => (0..members).collect(),
            Self::Sketches { .. } => Vec::new(),
        };
        new.merge(self, groups, &members);
        new
    }

    /// Sketches of what is known exactly; `group` and `name` say where a group goes and what a member is called.
    pub(super) fn sketched<'a>(
        &self,
        into: &mut Self,
        group: impl Fn(u32) -> u32,
        name: impl Fn(u32) -> (u32, &'a [u8]),
    ) {
        if let Self::Exact(pairs) = self {
            for both in pairs {
                let (of, member) = unpair(*both);
                let (member, name) = name(member);
                into.insert(group(of), member, name);
            }
        }
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Exact(pairs) => pairs.allocation_size(),
            // At most, once a group has many members.
            Self::Sketches { k, groups } => groups.len() * ((1 << k) / 2 + size_of::<HllSketch>()),
        }
    }
}

/// What both have seen.
pub(super) fn union(one: &HllSketch, other: &HllSketch) -> HllSketch {
    let mut union = HllUnion::new(one.lg_config_k()).expect("that of a sketch");
    union.update(one);
    union.update(other);
    union.to_sketch(HllType::Hll4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut uniques: Uniques) -> Uniques {
        for member in 0..500_u32 {
            for group in 0..2 {
                uniques.insert(
                    group,
                    member * (group + 1) % 400,
                    &(member * (group + 1) % 400).to_le_bytes(),
                );
            }
        }
        uniques
    }

    #[test]
    fn members_are_counted_once() {
        assert_eq!(filled(Uniques::exact()).counts(2), [400, 200]);
        let about = filled(Uniques::sketches(12)).counts(2);
        assert!(about[0].abs_diff(400) < 20 && about[1].abs_diff(200) < 10, "{about:?}");
    }

    #[test]
    fn groups_flow_together() {
        for (uniques, off) in [(Uniques::exact(), 0), (Uniques::sketches(12), 20)] {
            let one = filled(uniques);
            let both = one.regrouped(&[Some(0), Some(0)], 400).counts(1)[0];
            assert!(both.abs_diff(400) <= off, "{both}");
            let gone = one.regrouped(&[None, Some(0)], 400).counts(1)[0];
            assert!(gone.abs_diff(200) <= off, "{gone}");
        }
    }
}
