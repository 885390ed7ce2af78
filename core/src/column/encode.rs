//! From texts cut out of a chunk to arrays, whatever the bytes are.
//!
//! Whether a chunk is UTF-8 is asked once: of the index, which saw whether a byte above 127 is there, then of a
//! validator. Only in a chunk that is not are lines looked at one by one, and only in lines that are not are texts
//! written anew.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BinaryViewArray, StringArray, StringViewArray};
use arrow::buffer::Buffer;
use simdutf8::basic::from_utf8;

use super::matrix::{Matrix, Row};
use super::text::{Ground, TextColumn};
use crate::field::text;
use crate::options::{Encoding, StringType};
use crate::simd::Backend;

/// Makes arrays of the texts of one chunk.
#[derive(Debug)]
pub(crate) struct Encoder {
    backend: Backend,
    chunk: Buffer,
    encoding: Encoding,
    strings: StringType,
    /// The rows whose lines hold bytes that need a change.
    odd: Vec<u32>,
    text: Ground,
    binary: Ground,
    rows: usize,
}

impl Encoder {
    /// Looks at the lines of a chunk, whose bytes are the matrix's.
    pub(crate) fn new(
        backend: Backend,
        chunk: &Buffer,
        matrix: Matrix<'_>,
        encoding: Encoding,
        strings: StringType,
    ) -> Self {
        let plain = matrix.is_ascii() || encoding == Encoding::Binary;
        let odd = if plain { Vec::new() } else { odd_rows(matrix, encoding) };
        let (text, binary) = (Ground::of(matrix), Ground::of(matrix.as_binary()));
        assert_eq!(chunk.as_ptr(), matrix.bytes().as_ptr(), "the matrix is the chunk's");
        let rows = matrix.rows().len();
        Self { backend, chunk: chunk.clone(), encoding, strings, odd, text, binary, rows }
    }

    /// The array of a column that was filled from this chunk.
    ///
    /// # Panics
    /// When it was filled from another, or is to be text and was not cut as text.
    pub(crate) fn finish(&self, mut column: TextColumn) -> ArrayRef {
        if self.encoding == Encoding::Binary {
            return self.finish_binary(column);
        }
        assert!(column.is_of(self.text, self.rows), "the column is the chunk's");
        let mut side = Vec::new();
        column.change(&self.chunk, &self.odd, &mut side, |text, side| change(self.encoding, text, side));
        if self.strings == StringType::Utf8 {
            let (offsets, bytes, nulls) = column.into_plain(self.backend, [&self.chunk, &side]);
            // SAFETY: as below, each text is UTF-8, and so are all of them one after the other.
            return Arc::new(unsafe { StringArray::new_unchecked(offsets, bytes, nulls) });
        }
        let mut buffers = vec![self.chunk.clone()];
        if !side.is_empty() {
            buffers.push(Buffer::from_vec(side));
        }
        let (views, nulls) = column.into_parts(self.backend);
        // SAFETY: `fill` and `change` made every view to lie within its buffer, inline ones padded with zeros. Each
        // text is UTF-8: a part, from between characters to between characters, of a line that is UTF-8; all others,
        // in the odd rows and where `fill` saw a cut, were checked, and written anew where they were not.
        let array = unsafe { StringViewArray::new_unchecked(views, buffers, nulls) };
        array.gc_if(self.strings)
    }

    /// The array of a column of bytes.
    pub(crate) fn finish_binary(&self, column: TextColumn) -> ArrayRef {
        let ours = column.is_of(self.text, self.rows) || column.is_of(self.binary, self.rows);
        assert!(ours, "the column is the chunk's");
        if self.strings == StringType::Utf8 {
            let (offsets, bytes, nulls) = column.into_plain(self.backend, [&self.chunk, &[]]);
            return Arc::new(BinaryArray::new(offsets, bytes, nulls));
        }
        let (views, nulls) = column.into_parts(self.backend);
        // SAFETY: `fill` made every view to lie within the chunk, inline ones padded with zeros.
        let array = unsafe { BinaryViewArray::new_unchecked(views, vec![self.chunk.clone()], nulls) };
        array.gc_if(self.strings)
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
fn odd_rows(matrix: Matrix<'_>, encoding: Encoding) -> Vec<u32> {
    let latin1 = encoding == Encoding::Latin1;
    if !latin1 && from_utf8(matrix.bytes()).is_ok() {
        return Vec::new();
    }
    let is_odd = |row: &Row| {
        let line = &matrix.bytes()[row.start as usize..row.end as usize];
        !line.is_ascii() && (latin1 || from_utf8(line).is_err())
    };
    (0..).zip(matrix.rows()).filter(|(_, row)| is_odd(row)).map(|(number, _)| number).collect()
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

    use super::super::matrix::Edge;
    use super::super::text::{Here, View, fill, fill_one};
    use super::*;

    const START: Edge = Edge { at: Edge::BEFORE, delta: 1 };
    const END: Edge = Edge { at: 0, delta: 0 };

    /// Texts as lines, and their matrix of one place a line.
    struct Lines {
        chunk: Buffer,
        ascii: bool,
        rows: Vec<Row>,
        places: Vec<u32>,
    }

    impl Lines {
        fn new(texts: &[&[u8]]) -> Self {
            let mut bytes = Vec::new();
            let (mut rows, mut places) = (vec![], vec![u32::MAX]);
            for (text, number) in texts.iter().zip(0..) {
                let start = bytes.len() as u32;
                bytes.extend_from_slice(text);
                let end = bytes.len() as u32;
                bytes.push(b'\n');
                rows.push(Row { start, end, first: number + 1, number });
                places.push(end);
            }
            let ascii = bytes.is_ascii();
            bytes.resize(bytes.len() + 16, 0);
            Self { chunk: Buffer::from_vec(bytes), ascii, rows, places }
        }

        fn matrix(&self) -> Matrix<'_> {
            Matrix::new(&self.chunk, self.ascii, &self.rows, &self.places, 1)
        }

        fn array(&self, encoding: Encoding) -> ArrayRef {
            let matrix = self.matrix();
            let mut column = TextColumn::default();
            fill_one::<false>(&mut column, matrix, START, END, |matrix, Here { row, start, end, .. }| {
                matrix.text_if(row, start, end, row.number % 5 != 4)
            });
            let array =
                Encoder::new(Backend::best(), &self.chunk, matrix, encoding, StringType::View).finish(column);
            array.to_data().validate_full().unwrap();
            array
        }
    }

    #[test]
    fn views_of_every_length() {
        let text: Vec<u8> = (0..40).map(|index| b'a' + index % 26).collect();
        let texts: Vec<&[u8]> = (0..40).map(|length| &text[..length]).collect();
        let array = Lines::new(&texts).array(Encoding::Escape);
        let array = array.as_string_view();
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(array.is_valid(row), row % 5 != 4);
            assert_eq!(array.value(row).as_bytes(), *text);
        }
    }

    #[test]
    fn texts_from_elsewhere() {
        let lines = Lines::new(&[b"", b""]);
        let columns = [View::constant("GET"), View::constant("HTTP/1.0"), View::NULL].map(|view| {
            let mut column = TextColumn::default();
            fill_one::<false>(&mut column, lines.matrix(), START, END, |_, _| view);
            column
        });
        let encoder =
            Encoder::new(Backend::best(), &lines.chunk, lines.matrix(), Encoding::Escape, StringType::View);
        let arrays = columns.map(|column| encoder.finish(column));
        assert!(arrays.iter().all(|array| array.to_data().validate_full().is_ok()));
        assert_eq!(arrays[0].as_string_view().value(1), "GET");
        assert_eq!(arrays[1].as_string_view().value(0), "HTTP/1.0");
        assert_eq!(arrays[2].null_count(), 2);
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        let texts: [&[u8]; 4] = [b"caf\xE9", b"caf\xC3\xA9", b"plain", b"a longer text with \xFF in it"];
        let lines = Lines::new(&texts);
        let values = |encoding| -> Vec<String> {
            lines.array(encoding).as_string_view().iter().map(|text| text.unwrap().to_owned()).collect()
        };
        assert_eq!(values(Encoding::Escape), [r"caf\xE9", "café", "plain", r"a longer text with \xFF in it"]);
        assert_eq!(values(Encoding::Latin1), ["café", "cafÃ©", "plain", "a longer text with ÿ in it"]);
        let binary = lines.array(Encoding::Binary);
        assert_eq!(binary.as_binary_view().iter().map(Option::unwrap).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn a_cut_character_is_seen() {
        let lines = Lines::new(&["né, a text of some length".as_bytes(), b"plain"]);
        let matrix = lines.matrix();
        // Two bytes of the first line begin inside its second character.
        let mut column = TextColumn::default();
        fill_one::<true>(&mut column, matrix, START, END, |matrix, Here { row, start, end, .. }| {
            matrix.text(row, start + 2 - 2 * row.number, end)
        });
        let array = Encoder::new(Backend::best(), &lines.chunk, matrix, Encoding::Escape, StringType::View)
            .finish(column);
        array.to_data().validate_full().unwrap();
        assert_eq!(array.as_string_view().value(0), r"\xA9, a text of some length");
    }

    #[test]
    fn unusual_rows_come_last_and_stand_in_their_place() {
        let lines = Lines::new(&[b"usual", b"odd, and longer than twelve", b"usual too", "né".as_bytes()]);
        let matrix = lines.matrix();
        let mut column = TextColumn::default();
        fill::<1, true>(
            [&mut column],
            matrix,
            START,
            END,
            |matrix, Here { row, start, end, .. }| (end - start < 10).then(|| [matrix.text(row, start, end)]),
            |matrix, Here { row, start, .. }| [matrix.text(row, start, start + 3)],
        );
        let array = Encoder::new(Backend::best(), &lines.chunk, matrix, Encoding::Escape, StringType::View)
            .finish(column);
        array.to_data().validate_full().unwrap();
        let texts: Vec<&str> = array.as_string_view().iter().flatten().collect();
        assert_eq!(texts, ["usual", "odd", "usual too", "né"]);
    }

    #[test]
    #[should_panic(expected = "their places exist")]
    fn a_matrix_without_places_is_refused() {
        let lines = Lines::new(&[b"a", b"b"]);
        let _ = Matrix::new(&lines.chunk, true, &lines.rows, &lines.places[..2], 1);
    }

    #[test]
    #[should_panic(expected = "lies in its line")]
    fn a_text_beyond_its_line_is_refused() {
        let lines = Lines::new(&[b"a", b"b"]);
        let matrix = lines.matrix();
        fill_one::<true>(&mut TextColumn::default(), matrix, START, END, |matrix, here| {
            matrix.text(here.row, here.start, here.end + 1)
        });
    }
}
