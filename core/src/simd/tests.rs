//! Every backend against the plainest possible code.

use proptest::prelude::*;

use super::*;

/// What a backend makes of a sequence of blocks.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    masks: Vec<[u64; 2]>,
    parity: Vec<u64>,
    high: Vec<bool>,
    at: Vec<u32>,
    byte: Vec<u8>,
}

struct Look<'a>(&'a [[u8; BLOCK]], u8);

impl Kernel for Look<'_> {
    type Output = Seen;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Seen {
        let mut seen = Seen { masks: vec![], parity: vec![], high: vec![], at: vec![], byte: vec![] };
        let mut hits = Hits::default();
        for (index, bytes) in self.0.iter().enumerate() {
            let block = simd.load(bytes);
            let mask = simd.eq(block, self.1) | simd.eq(block, b'"');
            seen.masks.push([simd.eq(block, self.1), mask]);
            seen.parity.push(simd.prefix_xor(mask));
            seen.high.push(simd.has_high(block));
            simd.push(&mut hits, bytes, block, mask, (index * BLOCK) as u32);
        }
        seen.at = hits.at().to_vec();
        seen.byte = hits.byte().to_vec();
        seen
    }
}

fn plain(blocks: &[[u8; BLOCK]], needle: u8) -> Seen {
    let mut seen = Seen { masks: vec![], parity: vec![], high: vec![], at: vec![], byte: vec![] };
    for (index, bytes) in blocks.iter().enumerate() {
        let (mut one, mut both, mut parity, mut odd) = (0, 0, 0, false);
        for (bit, &byte) in bytes.iter().enumerate() {
            one |= u64::from(byte == needle) << bit;
            if byte == needle || byte == b'"' {
                both |= 1 << bit;
                odd = !odd;
                seen.at.push((index * BLOCK + bit) as u32);
                seen.byte.push(byte);
            }
            parity |= u64::from(odd) << bit;
        }
        seen.masks.push([one, both]);
        seen.parity.push(parity);
        seen.high.push(!bytes.is_ascii());
    }
    seen
}

fn block() -> impl Strategy<Value = [u8; BLOCK]> {
    prop_oneof![
        proptest::array::uniform::<_, BLOCK>(any::<u8>()),
        proptest::array::uniform::<_, BLOCK>(prop_oneof![Just(b'"'), Just(b' '), Just(b'a'), Just(0x80)]),
        Just([b'"'; BLOCK]),
        Just([b'x'; BLOCK]),
    ]
}

proptest! {
    #[test]
    fn backends_equal_plain_code(blocks in proptest::collection::vec(block(), 0..8), needle in prop_oneof![Just(b' '), any::<u8>()]) {
        let expected = plain(&blocks, needle);
        for backend in Backend::available() {
            prop_assert_eq!(&backend.run(Look(&blocks, needle)), &expected, "{}", backend.name());
        }
    }
}

#[test]
fn the_table_names_each_backend_once() {
    for &backend in Backend::ALL {
        assert_eq!(backend.name().parse::<Backend>().unwrap(), backend);
    }
    let error = "mmx".parse::<Backend>().unwrap_err();
    assert!(error.to_string().contains("scalar"), "{error}");
}
