//! The messages of an aggregate as bytes.

use md5::{Digest, Md5};

use super::{DIGEST, MAGIC};

/// Bytes that follow: strings, bytes and messages.
const LENGTH: u64 = 2;
/// A number.
const VARINT: u64 = 0;

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field that is a number.
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3 | VARINT);
    put_varint(out, value);
}

/// Appends a field that is text, bytes or a message.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | LENGTH);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The fields of a message, one after the other; an error ends them.
struct Fields<'a>(&'a [u8]);

/// Not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::envelope) struct Malformed;

#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
    /// Of a type that the format does not use.
    Other,
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let tag = self.varint()?;
        match (tag >> 3, tag & 7) {
            (0, _) => Err(Malformed),
            (field, VARINT) => Ok(Field::Number(field, self.varint()?)),
            (field, LENGTH) => {
                let length = self.varint()?;
                Ok(Field::Bytes(field, self.bytes(length)?))
            }
            (_, 1) => self.bytes(8).map(|_| Field::Other),
            (_, 5) => self.bytes(4).map(|_| Field::Other),
            _ => Err(Malformed),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// A user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::envelope) struct UserRecord<'a> {
    pub(in crate::envelope) partition_key_index: u64,
    pub(in crate::envelope) data: &'a [u8],
    /// The value of a tag `line_id`.
    pub(in crate::envelope) run: Option<&'a [u8]>,
}

impl<'a> UserRecord<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut index, mut data, mut run) = (None, None, None);
        for field in Fields(message) {
            match field? {
                Field::Number(1, value) => index = Some(value),
                Field::Bytes(3, bytes) => data = Some(bytes),
                Field::Bytes(4, tag) => run = run_of(tag)?.or(run),
                _ => {}
            }
        }
        let (Some(partition_key_index), Some(data)) = (index, data) else { return Err(Malformed) };
        Ok(Self { partition_key_index, data, run })
    }
}

/// The value of a tag if its key is `line_id`.
fn run_of(tag: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let (mut key, mut value) = (None, None);
    for field in Fields(tag) {
        match field? {
            Field::Bytes(1, bytes) => key = Some(bytes),
            Field::Bytes(2, bytes) => value = Some(bytes),
            _ => {}
        }
    }
    Ok(value.filter(|_| key == Some(super::TAG.as_bytes())))
}

/// The message of an aggregate.
#[derive(Debug)]
pub(in crate::envelope) struct Message<'a> {
    bytes: &'a [u8],
    partition_keys: Vec<&'a [u8]>,
}

impl<'a> Message<'a> {
    /// The message in data, if it is an aggregate: the magic alone could be anything, with the MD5 it is none of chance.
    pub(in crate::envelope) fn within(data: &'a [u8]) -> Option<&'a [u8]> {
        let message = data.strip_prefix(&MAGIC)?;
        let (message, digest) = message.split_last_chunk::<DIGEST>()?;
        (!message.is_empty() && Md5::digest(message)[..] == digest[..]).then_some(message)
    }

    /// Reads a message, and checks all of it.
    pub(in crate::envelope) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut partition_keys = Vec::new();
        for field in Fields(bytes) {
            match field? {
                Field::Bytes(1, key) => partition_keys.push(key),
                Field::Bytes(3, record) => drop(UserRecord::read(record)?),
                _ => {}
            }
        }
        Ok(Self { bytes, partition_keys })
    }

    /// A partition key, if there is one of that number and it is text.
    pub(in crate::envelope) fn partition_key(&self, index: u64) -> Option<&'a str> {
        let bytes = self.partition_keys.get(usize::try_from(index).ok()?)?;
        std::str::from_utf8(bytes).ok()
    }

    /// The user records, in order.
    pub(in crate::envelope) fn records(&self) -> impl Iterator<Item = UserRecord<'a>> {
        Fields(self.bytes).filter_map(|field| match field {
            Ok(Field::Bytes(3, record)) => UserRecord::read(record).ok(),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Result<u64, Malformed> {
        Fields(bytes).varint()
    }

    #[test]
    fn numbers_there_and_back() {
        for value in [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(varint(&out), Ok(value));
            assert_eq!(varint(&out[..out.len() - 1]), Err(Malformed));
        }
        assert_eq!(varint(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]), Err(Malformed));
        assert_eq!(varint(&[0x80; 11]), Err(Malformed));
    }

    #[test]
    fn what_is_no_message() {
        let records = |bytes| Message::read(bytes).map(|message| message.records().count());
        assert_eq!(records(b""), Ok(0));
        // A field that is not known, of each type.
        assert_eq!(
            records(b"\x28\x01\x32\x01a\x39\x00\x00\x00\x00\x00\x00\x00\x00\x3D\x00\x00\x00\x00"),
            Ok(0)
        );
        assert_eq!(records(b"\x1A\x04\x08\x00\x1A\x00"), Ok(1));
        for broken in [
            &b"\x00\x00"[..], // no field has the number 0
            b"\x0B",          // groups
            b"\x0A\x05abc",   // longer than what there is
            b"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
            b"\x1A\x02\x08\x00",                     // no data
            b"\x1A\x02\x1A\x00",                     // no partition key
            b"\x1A\x07\x08\x00\x1A\x00\x22\x01\xFF", // a tag that is none
        ] {
            assert_eq!(records(broken), Err(Malformed), "{broken:?}");
        }
    }
}
