//! Stage 1: where the structure of a chunk is.
//!
//! Structural bytes are newlines, quotes, and spaces outside quotes. Their places are what stage 2 works on; beside
//! them, a bitmap of the question marks, so that splitting a target costs no search.

use crate::simd::{BLOCK, Backend, Hits, Kernel, Simd};

/// The structure of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// A newline before the chunk (place -1), then the structural bytes in order: their places, and which they are.
    pub(crate) hits: Hits,
    /// Bit `i % 64` of word `i / 64` tells whether byte `i` is a `?`. One more word, which is zero, follows.
    pub(crate) marks: Vec<u64>,
    /// Whether all bytes are ASCII.
    pub(crate) ascii: bool,
}

impl Index {
    /// Indexes `padded[..length]`. The rest of `padded`, at least to the end of the last block, holds no structural
    /// byte that is not wanted.
    pub(crate) fn fill(&mut self, backend: Backend, padded: &[u8], length: usize) {
        self.hits.restart();
        self.marks.clear();
        // One byte more, so that a newline appended behind an unterminated line is seen.
        let blocks = length / BLOCK + 1;
        self.marks.reserve(blocks + 1);
        let blocks = &padded.as_chunks::<BLOCK>().0[..blocks];
        backend.run(Fill { index: self, blocks });
        self.marks.push(0);
    }
}

struct Fill<'a> {
    index: &'a mut Index,
    blocks: &'a [[u8; BLOCK]],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Index { hits, marks, ascii } = self.index;
        let mut high = false;
        // All ones while a quote is open at a block's start.
        let mut open = 0u64;
        let mut base = 0;
        for bytes in self.blocks {
            let block = simd.load(bytes);
            let newline = simd.eq(block, b'\n');
            let quote = simd.eq(block, b'"');
            let space = simd.eq(block, b' ');
            let mut inside = simd.prefix_xor(quote) ^ open;
            // A newline inside quotes: the line is damaged. Turn everything behind it over, so that the next line
            // starts outside, and look again.
            let mut damaged = newline & inside;
            while damaged != 0 {
                let up_to = damaged ^ (damaged - 1);
                inside ^= !up_to;
                damaged = newline & inside & !up_to;
            }
            // Bit 63 decides for the next block; a newline there closes whatever was open.
            open = (((inside & !newline) as i64) >> 63) as u64;
            simd.push(hits, bytes, block, newline | quote | (space & !inside), base);
            marks.push(simd.eq(block, b'?'));
            high |= simd.has_high(block);
            base += BLOCK as u32;
        }
        *ascii = !high;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        bytes.resize(text.len() + 2 * BLOCK, 0);
        bytes
    }

    fn plain(text: &[u8]) -> Vec<(u32, u8)> {
        let mut open = false;
        let mut hits = vec![];
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                b'\n' => open = false,
                b'"' => open = !open,
                b' ' if !open => {}
                _ => continue,
            }
            hits.push((at as u32, byte));
        }
        hits
    }

    proptest! {
        #[test]
        fn every_backend_finds_the_structure(text in proptest::collection::vec(prop_oneof![
            3 => Just(b'"'), 3 => Just(b' '), 1 => Just(b'\n'), 4 => Just(b'a'), 1 => Just(b'?'), 1 => any::<u8>(),
        ], 0..400)) {
            let bytes = padded(&text);
            for backend in Backend::available() {
                let mut index = Index::default();
                index.fill(backend, &bytes, text.len());
                let hits: Vec<(u32, u8)> = index.hits.at().iter().copied().zip(index.hits.byte().iter().copied()).skip(1).collect();
                prop_assert_eq!(hits, plain(&text), "{}", backend.name());
                prop_assert_eq!(index.ascii, text.is_ascii());
                for (at, &byte) in text.iter().enumerate() {
                    prop_assert_eq!(index.marks[at / 64] >> (at % 64) & 1 == 1, byte == b'?');
                }
            }
        }
    }
}
