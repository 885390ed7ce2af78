//! From texts cut out of a chunk to arrays, whatever the bytes are.
//!
//! Whether a chunk is UTF-8 is asked once: of the index, which saw whether a byte above 127 is there, then of a
//! validator. Only in a chunk that is not are lines looked at one by one, and only in lines that are not are texts
//! written anew.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewArray, StringArray, StringViewArray};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use simdutf8::basic::from_utf8;

use super::text::{Ground, Line, TextColumn};
use crate::field::text;
use crate::options::{Encoding, StringType};

/// Makes arrays of the texts of one chunk.
#[derive(Debug)]
pub(crate) struct Encoder {
    chunk: Buffer,
    encoding: Encoding,
    strings: StringType,
    /// The rows whose lines hold bytes that need a change.
    odd: Vec<u32>,
}

impl Encoder {
    /// Looks at the lines of a chunk. The ground's bytes are the chunk's, with its padding.
    pub(crate) fn new<L: Line>(
        chunk: &Buffer,
        ground: Ground<'_, L>,
        encoding: Encoding,
        strings: StringType,
    ) -> Self {
        let odd = if ground.ascii || encoding == Encoding::Binary {
            Vec::new()
        } else {
            odd_rows(ground, encoding)
        };
        Self { chunk: chunk.clone(), encoding, strings, odd }
    }

    /// The array of a column that was filled from this chunk.
    pub(crate) fn finish(&self, mut column: TextColumn) -> ArrayRef {
        if self.encoding == Encoding::Binary {
            return self.finish_binary(column);
        }
        let mut side = Vec::new();
        column.change(&self.chunk, &self.odd, &mut side, |text, side| change(self.encoding, text, side));
        let mut buffers = vec![self.chunk.clone()];
        if !side.is_empty() {
            buffers.push(Buffer::from_vec(side));
        }
        let (views, nulls) = column.into_parts();
        // SAFETY: `fill` and `change` made every view to lie within its buffer, inline ones padded with zeros. Each
        // text is UTF-8: a part, from between characters to between characters, of a line that is UTF-8; all others,
        // in the odd rows and where `fill` saw a cut, were checked, and written anew where they were not.
        let array = unsafe { StringViewArray::new_unchecked(views, buffers, nulls) };
        self.laid_out(array.gc_if(self.strings), &DataType::Utf8)
    }

    /// The array of a column of bytes.
    pub(crate) fn finish_binary(&self, column: TextColumn) -> ArrayRef {
        let (views, nulls) = column.into_parts();
        // SAFETY: `fill` made every view to lie within the chunk, inline ones padded with zeros.
        let array = unsafe { BinaryViewArray::new_unchecked(views, vec![self.chunk.clone()], nulls) };
        self.laid_out(array.gc_if(self.strings), &DataType::Binary)
    }

    fn laid_out(&self, array: ArrayRef, plain: &DataType) -> ArrayRef {
        match self.strings {
            StringType::View | StringType::Compact => array,
            StringType::Utf8 => {
                arrow::compute::cast(&array, plain).expect("a view casts to its plain layout")
            }
        }
    }
}

/// Copies what the views point at, where that is wanted.
trait Compact {
    fn gc_if(self, strings: StringType) -> ArrayRef;
}

impl<T: arrow::datatypes::ByteViewType> Compact for arrow::array::GenericByteViewArray<T> {
    fn gc_if(self, strings: StringType) -> ArrayRef {
        Arc::new(if strings == StringType::Compact { self.gc() } else { self })
    }
}

/// The rows whose lines are not UTF-8, or not ASCII where every other byte means something else.
fn odd_rows<L: Line>(ground: Ground<'_, L>, encoding: Encoding) -> Vec<u32> {
    let latin1 = encoding == Encoding::Latin1;
    if !latin1 && from_utf8(ground.bytes).is_ok() {
        return Vec::new();
    }
    let is_odd = |line: &L| {
        let (start, end) = line.span();
        let line = &ground.bytes[start as usize..end as usize];
        !line.is_ascii() && (latin1 || from_utf8(line).is_err())
    };
    (0..).zip(ground.lines).filter(|(_, line)| is_odd(line)).map(|(row, _)| row).collect()
}

/// Appends a text in UTF-8 to `side` if it is another than the bytes.
fn change(encoding: Encoding, bytes: &[u8], side: &mut Vec<u8>) -> bool {
    let mut changed = String::new();
    match encoding {
        Encoding::Latin1 if !bytes.is_ascii() => text::latin1_into(bytes, &mut changed),
        Encoding::Escape if std::str::from_utf8(bytes).is_err() => {
            text::escape_invalid_into(bytes, &mut changed)
        }
        _ => return false,
    }
    side.extend_from_slice(changed.as_bytes());
    true
}

/// A column that holds the same text in every row, or only nulls.
pub(crate) fn constant(value: Option<&str>, rows: usize, strings: StringType) -> ArrayRef {
    let values = std::iter::repeat_n(value, rows);
    match strings {
        StringType::Utf8 => Arc::new(StringArray::from_iter(values)),
        StringType::View | StringType::Compact => Arc::new(StringViewArray::from_iter(values)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::super::text::{Piece, fill};
    use super::*;

    struct Cut(u32, u32);

    impl Line for Cut {
        fn span(&self) -> (u32, u32) {
            (self.0, self.1)
        }
    }

    fn array(texts: &[&[u8]], encoding: Encoding) -> ArrayRef {
        let mut bytes = texts.concat();
        let mut at = 0;
        let lines: Vec<Cut> = texts
            .iter()
            .map(|text| {
                at += text.len() as u32;
                Cut(at - text.len() as u32, at)
            })
            .collect();
        let ascii = bytes.is_ascii();
        bytes.resize(bytes.len() + 16, 0);
        let buffer = Buffer::from_vec(bytes);
        let ground = Ground { bytes: &buffer, ascii, lines: &lines };
        let mut column = TextColumn::default();
        fill([&mut column], ground, |row| {
            [Piece { start: lines[row].0, end: lines[row].1, valid: row % 5 != 4 }]
        });
        let array = Encoder::new(&buffer, ground, encoding, StringType::View).finish(column);
        array.to_data().validate_full().unwrap();
        array
    }

    #[test]
    fn views_of_every_length() {
        let text: Vec<u8> = (0..40).map(|index| b'a' + index % 26).collect();
        let texts: Vec<&[u8]> = (0..40).map(|length| &text[..length]).collect();
        let array = array(&texts, Encoding::Escape);
        let array = array.as_string_view();
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(array.is_valid(row), row % 5 != 4);
            assert_eq!(array.value(row).as_bytes(), *text);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        let texts: [&[u8]; 4] = [b"caf\xE9", b"caf\xC3\xA9", b"plain", b"a longer text with \xFF in it"];
        let values = |array: ArrayRef| -> Vec<String> {
            array.as_string_view().iter().map(|text| text.unwrap().to_owned()).collect()
        };
        assert_eq!(
            values(array(&texts, Encoding::Escape)),
            [r"caf\xE9", "café", "plain", r"a longer text with \xFF in it"]
        );
        assert_eq!(
            values(array(&texts, Encoding::Latin1)),
            ["café", "cafÃ©", "plain", "a longer text with ÿ in it"]
        );
        let binary = array(&texts, Encoding::Binary);
        assert_eq!(binary.as_binary_view().iter().map(Option::unwrap).collect::<Vec<_>>(), texts);
    }
}
