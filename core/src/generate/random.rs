//! Random numbers that are the same everywhere: a small generator, and sampling in proportion to weights.
//!
//! All of it is integer arithmetic, or the four operations and the square root of IEEE 754, which every platform rounds
//! alike; `powf` and `ln` differ between C libraries.

/// xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Random([u64; 4]);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        }))
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`. The bias is below `bound / 2^32`: nobody will see it.
    #[inline]
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// One of a list.
    #[inline]
    pub(super) fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len() as u32) as usize]
    }
}

/// The finisher of splitmix64: every bit of the result depends on every bit of the argument.
pub(super) fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Draws an index in proportion to its weight, in constant time: Walker's alias method, built as by Vose (1991).
#[derive(Debug)]
pub(super) struct Alias(Vec<Slot>);

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The slot gives its own index below this share of 2^32, and `other` from there on.
    keep: u32,
    other: u32,
}

impl Alias {
    /// A table for weights, of which there must be at least one above zero and fewer than 2^32 in all.
    pub(super) fn new(weights: &[u64]) -> Self {
        const ONE: u64 = 1 << 32;
        let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        let count = weights.len() as u128;
        // Weights scaled so that their mean is ONE.
        let mut left: Vec<u64> = weights
            .iter()
            .map(|&weight| ((u128::from(weight) * count) << 32).div_euclid(total) as u64)
            .collect();
        let mut slots: Vec<Slot> =
            (0..weights.len() as u32).map(|own| Slot { keep: u32::MAX, other: own }).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..weights.len() as u32).partition(|&index| left[index as usize] < ONE);
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            slots[poor as usize] = Slot { keep: left[poor as usize] as u32, other: rich };
            left[rich as usize] -= ONE - left[poor as usize];
            if left[rich as usize] < ONE {
                large.pop();
                small.push(rich);
            }
        }
        Self(slots)
    }

    /// The index that belongs to 64 random bits.
    #[inline]
    pub(super) fn at(&self, bits: u64) -> usize {
        let index = ((bits >> 32) * self.0.len() as u64) >> 32;
        let slot = self.0[index as usize];
        if (bits as u32) < slot.keep { index as usize } else { slot.other as usize }
    }
}

/// `1 / x^(3/4)`, scaled to an integer: the long tail of hosts.
pub(super) fn weight_three_quarters(x: f64) -> u64 {
    scale(1.0 / (x.sqrt() * x.sqrt().sqrt()))
}

/// `1 / x^(5/4)`, scaled to an integer: the steeper tail of paths.
pub(super) fn weight_five_quarters(x: f64) -> u64 {
    scale(1.0 / (x * x.sqrt().sqrt()))
}

fn scale(weight: f64) -> u64 {
    (weight * (1_u64 << 40) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_fixed() {
        let mut random = Random::new(1);
        let first: [u64; 3] = std::array::from_fn(|_| random.next());
        assert_eq!(first, [0xcfc5_d07f_6f03_c29b, 0xbf42_4132_963f_e08d, 0x19a3_7d57_57aa_f520]);
    }

    #[test]
    fn draws_follow_the_weights() {
        let weights = [1, 0, 5, 994, 1000];
        let alias = Alias::new(&weights);
        let mut random = Random::new(7);
        let mut seen = [0_i64; 5];
        for _ in 0..200_000 {
            seen[alias.at(random.next())] += 1;
        }
        for (weight, count) in weights.iter().zip(seen) {
            assert!((count - *weight as i64 * 100).abs() < 1000, "{weight}: {count}");
        }
        assert_eq!(seen[1], 0);
        assert!(seen[0] > 0);
    }
}
