//! Bytes, cut behind lines.

use bytes::Bytes;
use memchr::{memchr, memrchr};

use super::Part;

/// What was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
    pub(super) part: Part,
}

impl Piece {
    /// One past its last byte.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The state between reading and giving: what was read and is no whole line yet.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// Up to where everything was given.
    offset: u64,
    /// What follows it.
    carry: Vec<u8>,
    /// Whether there was anything but zeros.
    is_begun: bool,
    /// Where a line begins that is given in parts.
    long: Option<u64>,
    /// The lines that were given in parts, from the first that somebody may still ask for.
    longs: Vec<(u64, u64)>,
}

impl Cutter {
    pub(super) fn at(offset: u64) -> Self {
        Self { offset, is_begun: offset > 0, ..Self::default() }
    }

    /// Up to where everything was given.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Up to where everything was read.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.carry.len() as u64
    }

    /// Whether a line is incomplete.
    pub(super) fn is_inside(&self) -> bool {
        !self.carry.is_empty() || self.long.is_some()
    }

    /// A buffer with what waits, and room behind it; and where the room begins.
    pub(super) fn room(&self, bytes: usize) -> (Vec<u8>, usize) {
        let mut buffer = Vec::with_capacity(self.carry.len() + bytes);
        buffer.extend_from_slice(&self.carry);
        buffer.resize(self.carry.len() + bytes, 0);
        (buffer, self.carry.len())
    }

    /// Takes such a buffer back, cut to what was filled, and cuts lines off it.
    pub(super) fn cut(&mut self, mut buffer: Vec<u8>, max_line: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !self.is_begun {
            // Who does not append writes on at its old place after a truncation: before it there is nothing.
            let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
            buffer.drain(..zeros);
            self.offset += zeros as u64;
            self.is_begun = !buffer.is_empty();
        }
        let fresh = self.carry.len().min(buffer.len());
        self.carry.clear();
        if let Some(begin) = self.long {
            let newline = memchr(b'\n', &buffer);
            let length = newline.map_or(buffer.len(), |newline| newline + 1);
            if length == 0 {
                return pieces;
            }
            let part = if newline.is_some() { Part::End } else { Part::Middle };
            let bytes = Bytes::copy_from_slice(&buffer[..length]);
            pieces.push(Piece { offset: self.offset, bytes, part });
            self.offset += length as u64;
            buffer.drain(..length);
            if newline.is_none() {
                return pieces;
            }
            self.longs.push((begin, self.offset));
            self.long = None;
        }
        let whole =
            memrchr(b'\n', &buffer[fresh.min(buffer.len())..]).map_or(0, |newline| fresh + newline + 1);
        self.carry = buffer[whole..].to_vec();
        if whole > 0 {
            buffer.truncate(whole);
            // A few bytes must not keep a large buffer alive.
            let bytes = match buffer.capacity() > 2 * whole {
                true => Bytes::copy_from_slice(&buffer),
                false => Bytes::from(buffer),
            };
            pieces.push(Piece { offset: self.offset, bytes, part: Part::Lines });
            self.offset += whole as u64;
        }
        if self.carry.len() > max_line {
            self.long = Some(self.offset);
            pieces.extend(self.rest(Part::Begin));
        }
        pieces
    }

    /// What waits, when nothing can follow.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        let Some(begin) = self.long.take() else { return self.rest(Part::Unended) };
        self.longs.push((begin, self.offset));
        Some(Piece { offset: self.offset, bytes: Bytes::new(), part: Part::End })
    }

    fn rest(&mut self, part: Part) -> Option<Piece> {
        if self.carry.is_empty() {
            return None;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.carry));
        let piece = Piece { offset: self.offset, bytes, part };
        self.offset = piece.end();
        Some(piece)
    }

    /// The last place at or before `offset` at which reading can begin anew: not inside of a line that was given in
    /// parts.
    pub(super) fn resumable(&mut self, offset: u64) -> u64 {
        let offset = offset.min(self.offset);
        self.longs.retain(|&(_, end)| end > offset);
        let open = self.long.map(|begin| (begin, u64::MAX));
        self.longs
            .iter()
            .copied()
            .chain(open)
            .find(|&(begin, _)| begin < offset)
            .map_or(offset, |(begin, _)| begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(cutter: &mut Cutter, bytes: &[u8]) -> Vec<(u64, String, Part)> {
        let (mut buffer, at) = cutter.room(bytes.len());
        buffer[at..].copy_from_slice(bytes);
        let pieces = cutter.cut(buffer, 8);
        pieces
            .iter()
            .map(|piece| (piece.offset, String::from_utf8_lossy(&piece.bytes).into(), piece.part))
            .collect()
    }

    #[test]
    fn lines_are_whole() {
        let mut cutter = Cutter::at(10);
        assert_eq!(feed(&mut cutter, b"ab"), []);
        assert!(cutter.is_inside());
        assert_eq!(feed(&mut cutter, b"c\nd\ne"), [(10, "abc\nd\n".into(), Part::Lines)]);
        assert_eq!((cutter.offset(), cutter.position()), (16, 17));
        assert_eq!(feed(&mut cutter, b"\n"), [(16, "e\n".into(), Part::Lines)]);
        assert_eq!(feed(&mut cutter, b"f"), []);
        let last = cutter.finish().unwrap();
        assert_eq!((last.offset, &last.bytes[..], last.part), (18, &b"f"[..], Part::Unended));
        assert_eq!(cutter.finish(), None);
    }

    #[test]
    fn zeros_before_everything_are_passed_over() {
        let mut cutter = Cutter::at(0);
        assert_eq!(feed(&mut cutter, &[0; 100]), []);
        assert_eq!((cutter.offset(), cutter.position()), (100, 100));
        assert_eq!(feed(&mut cutter, b"\0\0a\0\n\0"), [(102, "a\0\n".into(), Part::Lines)]);
        assert_eq!(feed(&mut cutter, b"b\n"), [(105, "\0b\n".into(), Part::Lines)]);
    }

    #[test]
    fn long_lines_come_in_parts() {
        let mut cutter = Cutter::at(0);
        assert_eq!(feed(&mut cutter, b"12345678"), []);
        assert_eq!(feed(&mut cutter, b"9"), [(0, "123456789".into(), Part::Begin)]);
        assert_eq!(cutter.resumable(9), 0);
        assert_eq!(feed(&mut cutter, b"abc"), [(9, "abc".into(), Part::Middle)]);
        let parts = feed(&mut cutter, b"d\nnew\nx");
        assert_eq!(parts, [(12, "d\n".into(), Part::End), (14, "new\n".into(), Part::Lines)]);
        assert_eq!([9, 13, 14, 15].map(|offset| cutter.resumable(offset)), [0, 0, 14, 15]);
        assert_eq!(feed(&mut cutter, b"yyyyyyyyyyy"), [(18, "xyyyyyyyyyyy".into(), Part::Begin)]);
        assert_eq!(feed(&mut cutter, b"z"), [(30, "z".into(), Part::Middle)]);
        let last = cutter.finish().unwrap();
        assert_eq!((last.offset, last.bytes.len(), last.part), (31, 0, Part::End));
        assert_eq!(cutter.resumable(99), 31);
    }
}
