//! The hybrid of run lengths and bit packing in which Parquet keeps dictionary indices and definition levels.

use arrow::buffer::BooleanBuffer;

/// Bytes behind the last packed group that a store may touch before they are cut off again.
const SLACK: usize = 32;

/// How many bits the ids of a dictionary of `len` values take. At least 1: some readers know no zero width.
pub(super) fn width(len: usize) -> u32 {
    usize::BITS - len.saturating_sub(1).max(1).leading_zeros()
}

/// Appends dictionary ids: runs where they pay, groups of eight packed to `width` bits otherwise.
pub(super) fn encode_ids(ids: &[u32], width: u32, out: &mut Vec<u8>) {
    // A run interrupts the packed groups: two more headers and its value, and slower to decode when it is short.
    let worth = 16.max(64 / width as usize);
    let mut packed = 0; // the start of the groups that are not written yet
    let mut at = 0;
    while let Some(group) = ids[at..].first_chunk::<8>() {
        let first = group[0];
        if !is_run(group, first) {
            at += 8;
            continue;
        }
        let (groups, rest) = ids[at..].as_chunks::<8>();
        let whole = groups.iter().take_while(|group| is_run(group, first)).count();
        let next = groups.get(whole).map_or(rest, |group| &group[..]);
        let run = 8 * whole + next.iter().take_while(|&&id| id == first).count();
        if run < worth {
            at += 8 * whole;
            continue;
        }
        pack(&ids[packed..at], width, out);
        write_varint((run as u64) << 1, out);
        out.extend_from_slice(&first.to_le_bytes()[..width.div_ceil(8) as usize]);
        at += run;
        packed = at;
    }
    pack(&ids[packed..], width, out);
}

#[inline(always)]
fn is_run(group: &[u32; 8], first: u32) -> bool {
    group.iter().fold(0, |difference, id| difference | (id ^ first)) == 0
}

/// Appends the definition levels of a page of an optional column, with their length in front as v1 pages want it.
pub(super) fn encode_levels(valid: &BooleanBuffer, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let set = valid.count_set_bits();
    if set == valid.len() || set == 0 {
        write_varint((valid.len() as u64) << 1, out);
        out.push(u8::from(set != 0));
    } else {
        encode_bits(valid, out);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// A bitmap of Arrow's is a packed run of width 1 as it stands; only long uniform stretches are cut out of it.
fn encode_bits(valid: &BooleanBuffer, out: &mut Vec<u8>) {
    const WORTH: usize = 8;
    let bits = valid.sliced();
    let bytes = &bits.as_slice()[..valid.len().div_ceil(8)];
    let whole = valid.len() / 8;
    let mut packed = 0;
    let mut at = 0;
    while at < whole {
        let byte = bytes[at];
        if byte != 0 && byte != 0xFF {
            at += 1;
            continue;
        }
        let run = bytes[at..whole].iter().take_while(|&&other| other == byte).count();
        if run >= WORTH {
            write_packed_bytes(&bytes[packed..at], out);
            write_varint((run as u64 * 8) << 1, out);
            out.push(byte & 1);
            packed = at + run;
        }
        at += run;
    }
    write_packed_bytes(&bytes[packed..], out);
}

fn write_packed_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        write_varint((bytes.len() as u64) << 1 | 1, out);
        out.extend_from_slice(bytes);
    }
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends one bit-packed run; the last group is filled up with zeros.
fn pack(ids: &[u32], width: u32, out: &mut Vec<u8>) {
    if ids.is_empty() {
        return;
    }
    write_varint((ids.len().div_ceil(8) as u64) << 1 | 1, out);
    let (groups, rest) = ids.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let tail = if rest.is_empty() { &[][..] } else { std::slice::from_ref(&last) };
    // The width as a constant turns all shifts into immediates.
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                $($width => {
                    pack_groups::<$width>(groups, out);
                    pack_groups::<$width>(tail, out);
                })*
                _ => unreachable!("a dictionary id has 1 to 32 bits"),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

#[inline]
fn pack_groups<const WIDTH: usize>(groups: &[[u32; 8]], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + groups.len() * WIDTH + SLACK, 0);
    let mut to = start;
    for group in groups {
        // Four ids fill at most a u128; the eight fill at most two of them, minus what the first has left.
        let quad = |at: usize| {
            u128::from(u64::from(group[at]) | u64::from(group[at + 1]) << WIDTH)
                | u128::from(u64::from(group[at + 2]) | u64::from(group[at + 3]) << WIDTH) << (2 * WIDTH)
        };
        let (low, high) = (quad(0), quad(4));
        if WIDTH <= 16 {
            let word = low | high << ((4 * WIDTH) % 128);
            out[to..to + 16].copy_from_slice(&word.to_le_bytes());
        } else {
            let first = if WIDTH < 32 { low | high << ((4 * WIDTH) % 128) } else { low };
            let second = high >> ((128 - 4 * WIDTH) % 128);
            out[to..to + 16].copy_from_slice(&first.to_le_bytes());
            out[to + 16..to + 32].copy_from_slice(&second.to_le_bytes());
        }
        to += WIDTH;
    }
    out.truncate(to);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads what was written, by the book.
    fn decode(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let mut header = 0_u64;
            for shift in (0..).step_by(7) {
                let (byte, rest) = bytes.split_first().unwrap();
                bytes = rest;
                header |= u64::from(byte & 0x7F) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            if header & 1 == 0 {
                let (value, rest) = bytes.split_at(width.div_ceil(8) as usize);
                bytes = rest;
                let mut word = [0; 4];
                word[..value.len()].copy_from_slice(value);
                let run = usize::try_from(header >> 1).unwrap();
                values.resize(values.len() + run, u32::from_le_bytes(word));
            } else {
                let groups = usize::try_from(header >> 1).unwrap();
                let (packed, rest) = bytes.split_at(groups * width as usize);
                bytes = rest;
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                let width = width as usize;
                values
                    .extend((0..groups * 8).map(|i| (0..width).fold(0, |v, b| v | bit(i * width + b) << b)));
            }
        }
        // Only the last run may be filled up.
        assert!(values.len() < count + 8);
        assert_eq!(bytes, b"");
        values.truncate(count);
        values
    }

    #[test]
    fn widths() {
        let found = [0, 1, 2, 3, 4, 5, 256, 257, 1 << 20].map(width);
        assert_eq!(found, [1, 1, 1, 2, 2, 3, 8, 9, 20]);
    }

    #[test]
    fn a_run_is_short() {
        let mut out = Vec::new();
        encode_ids(&[5; 100_000], 17, &mut out);
        assert_eq!(out.len(), 3 + 3);
        out.clear();
        encode_levels(&BooleanBuffer::new_set(65_536), &mut out);
        assert_eq!(out, [4, 0, 0, 0, 0x80, 0x80, 0x08, 1]);
    }

    proptest! {
        #[test]
        fn ids_are_read_back(
            width in 1_u32..=32,
            runs in prop::collection::vec((any::<u32>(), prop_oneof![1_usize..3, 1_usize..200]), 0..60),
        ) {
            let ids: Vec<u32> =
                runs.into_iter().flat_map(|(id, run)| std::iter::repeat_n(id >> (32 - width), run)).collect();
            let mut out = vec![7];
            encode_ids(&ids, width, &mut out);
            prop_assert_eq!(out[0], 7);
            prop_assert_eq!(decode(&out[1..], width, ids.len()), ids);
        }

        #[test]
        fn levels_are_read_back(
            runs in prop::collection::vec((any::<bool>(), prop_oneof![1_usize..3, 1_usize..300]), 1..40),
            front in 0_usize..20,
        ) {
            let bits: Vec<bool> =
                runs.into_iter().flat_map(|(bit, run)| std::iter::repeat_n(bit, run)).collect();
            let front = front.min(bits.len() - 1);
            let valid = BooleanBuffer::from(bits.clone()).slice(front, bits.len() - front);
            let mut out = Vec::new();
            encode_levels(&valid, &mut out);
            let (length, levels) = out.split_first_chunk().unwrap();
            prop_assert_eq!(u32::from_le_bytes(*length) as usize, levels.len());
            let found: Vec<bool> = decode(levels, 1, valid.len()).into_iter().map(|bit| bit == 1).collect();
            prop_assert_eq!(&found[..], &bits[front..]);
        }
    }
}
