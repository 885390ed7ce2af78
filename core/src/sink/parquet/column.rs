//! One column of the open row group.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use parquet::schema::types::ColumnDescPtr;

use super::integer::{Integer, Native};
use super::job::Job;
use super::page::{Chunk, Pages, Written};
use super::rle;
use super::source::{Block, Source};
use super::statistic::Bounds;
use super::text::Text;
use crate::error::Result;
use crate::sink::Compression;

/// Rows between two looks at whether the page is full or the dictionary too large.
const STEP: usize = 1024;
/// A page ends at this many rows,
const PAGE_ROWS: usize = 1 << 16;
/// or when it has about this many bytes.
const PAGE_BYTES: usize = 1 << 20;
/// A step of strings has about this many bytes at most: a dictionary grows by no more before it is looked at again.
const STEP_BYTES: usize = 1 << 20;

/// The encoder of a column: values and levels of the open page, finished pages.
pub(super) struct Column {
    descriptor: ColumnDescPtr,
    compression: Compression,
    values: Values,
    levels: Levels,
    pages: Pages,
    body: Vec<u8>,
}

/// Which rows of the open page have a value.
struct Levels {
    /// Only for optional columns.
    valid: Option<BooleanBufferBuilder>,
    rows: usize,
    nulls: usize,
}

impl Levels {
    /// Takes rows of an array; gives back their nulls, if they have any.
    fn push(&mut self, nulls: Option<&NullBuffer>, rows: Range<usize>) -> Option<NullBuffer> {
        self.rows += rows.len();
        let nulls =
            nulls.map(|nulls| nulls.slice(rows.start, rows.len())).filter(|nulls| nulls.null_count() > 0);
        self.nulls += nulls.as_ref().map_or(0, NullBuffer::null_count);
        match (&mut self.valid, &nulls) {
            (Some(valid), Some(nulls)) => valid.append_buffer(nulls.inner()),
            (Some(valid), None) => valid.append_n(rows.len(), true),
            (None, _) => {}
        }
        nulls
    }

    /// Appends the levels of the page and forgets them; the numbers of its rows and nulls.
    fn take(&mut self, out: &mut Vec<u8>) -> (usize, usize) {
        if let Some(valid) = &mut self.valid {
            rle::encode_levels(&valid.finish(), out);
        }
        (std::mem::take(&mut self.rows), std::mem::take(&mut self.nulls))
    }
}

/// The stretches of rows that have values.
fn runs(rows: Range<usize>, nulls: Option<&NullBuffer>) -> impl Iterator<Item = Range<usize>> {
    let start = rows.start;
    let whole = nulls.is_none().then_some(rows);
    let slices = nulls.into_iter().flat_map(NullBuffer::valid_slices);
    whole.into_iter().chain(slices.map(move |(from, to)| start + from..start + to))
}

enum Values {
    Text(Text),
    Integer(Integer),
}

impl Values {
    fn release(&mut self) {
        match self {
            Self::Text(text) => *text = Text::new(text.is_utf8()),
            Self::Integer(integer) => *integer = Integer::new(integer.is_wide()),
        }
    }
}

impl Column {
    /// Whether columns of a type can be written at all.
    pub(super) fn supports(data_type: &DataType) -> bool {
        match data_type {
            DataType::Utf8 | DataType::Binary | DataType::Utf8View | DataType::BinaryView => true,
            DataType::Int16 | DataType::Int32 | DataType::Int64 => true,
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                zone.as_deref().is_some_and(|zone| matches!(zone, "UTC" | "+00:00"))
            }
            _ => false,
        }
    }

    pub(super) fn new(data_type: &DataType, descriptor: ColumnDescPtr, compression: Compression) -> Self {
        let values = match data_type {
            DataType::Int16 | DataType::Int32 => Values::Integer(Integer::new(false)),
            DataType::Int64 | DataType::Timestamp(..) => Values::Integer(Integer::new(true)),
            DataType::Binary | DataType::BinaryView => Values::Text(Text::new(false)),
            _ => Values::Text(Text::new(true)),
        };
        let valid = (descriptor.max_def_level() > 0).then(|| BooleanBufferBuilder::new(0));
        Self {
            descriptor,
            compression,
            values,
            levels: Levels { valid, rows: 0, nulls: 0 },
            pages: Pages::default(),
            body: Vec::new(),
        }
    }

    /// Gives the memory back that a chunk took; only between two chunks.
    pub(super) fn release(&mut self) {
        self.values.release();
        self.body = Vec::new();
    }

    /// How many bytes the column occupies.
    pub(super) fn memory(&self) -> usize {
        self.pages.bytes()
            + self.body.capacity()
            + match &self.values {
                Values::Text(text) => text.memory(),
                Values::Integer(integer) => integer.memory(),
            }
    }

    /// Whether the column would rather have a new row group.
    pub(super) fn is_outgrown(&self) -> bool {
        matches!(&self.values, Values::Text(text) if text.is_outgrown())
    }

    /// Appends rows.
    pub(super) fn write(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            DataType::Utf8 => self.write_text(array.as_string::<i32>(), array.nulls()),
            DataType::Binary => self.write_text(array.as_binary::<i32>(), array.nulls()),
            DataType::Utf8View => self.write_text(array.as_string_view(), array.nulls()),
            DataType::BinaryView => self.write_text(array.as_binary_view(), array.nulls()),
            DataType::Int16 => self.write_integers(array.as_primitive::<Int16Type>().values(), array.nulls()),
            DataType::Int32 => self.write_integers(array.as_primitive::<Int32Type>().values(), array.nulls()),
            DataType::Int64 => self.write_integers(array.as_primitive::<Int64Type>().values(), array.nulls()),
            _ => {
                let times = array.as_primitive::<TimestampMillisecondType>();
                self.write_integers(times.values(), array.nulls())
            }
        }
    }

    fn write_text<S: Source + Array>(&mut self, source: &S, nulls: Option<&NullBuffer>) -> Result<()> {
        let mut block = Block::new();
        let all_null = nulls.is_some_and(|nulls| nulls.null_count() == source.len());
        let mut start = 0;
        while start < source.len() {
            let mut step = start..(start + STEP).min(source.len());
            let mut bytes = if all_null { 0 } else { source.total(step.clone()) };
            while bytes > STEP_BYTES && step.len() > 1 {
                step.end = start + step.len() / 2;
                bytes = source.total(step.clone());
            }
            start = step.end;
            let nulls = self.levels.push(nulls, step.clone());
            let Values::Text(text) = &mut self.values else { break };
            text.announce(bytes, step.len() - nulls.as_ref().map_or(0, NullBuffer::null_count));
            for run in runs(step, nulls.as_ref()) {
                text.append(source, run, &mut block);
            }
            text.flush(&mut block);
            self.review(false)?;
        }
        Ok(())
    }

    fn write_integers<T: Native>(&mut self, source: &[T], nulls: Option<&NullBuffer>) -> Result<()> {
        let mut start = 0;
        while start < source.len() {
            let step = start..(start + STEP).min(source.len());
            start = step.end;
            let nulls = self.levels.push(nulls, step.clone());
            let Values::Integer(integer) = &mut self.values else { break };
            for run in runs(step, nulls.as_ref()) {
                integer.append(&source[run]);
            }
            self.review(false)?;
        }
        Ok(())
    }

    fn review(&mut self, end: bool) -> Result<()> {
        let (full, given_up) = match &mut self.values {
            Values::Text(text) => (text.page_bytes() >= PAGE_BYTES, text.review(end)),
            Values::Integer(integer) => (integer.page_bytes() >= PAGE_BYTES, integer.review(end)),
        };
        if full || given_up || self.levels.rows >= PAGE_ROWS {
            self.end_page()?;
        }
        if given_up {
            match &mut self.values {
                Values::Text(text) => text.give_up(),
                Values::Integer(integer) => integer.give_up(),
            }
        }
        Ok(())
    }

    fn end_page(&mut self) -> Result<()> {
        if self.levels.rows == 0 {
            return Ok(());
        }
        self.body.clear();
        let (rows, nulls) = self.levels.take(&mut self.body);
        let (encoding, bounds) = match &mut self.values {
            Values::Text(text) => (text.take_page(&mut self.body), Bounds::EMPTY),
            Values::Integer(integer) => integer.take_page(&mut self.body),
        };
        self.pages.push(self.compression, &self.body, encoding, rows, nulls, bounds)
    }

    /// Ends the chunk and makes ready for the next one. The dictionary page, which can take as long as all else that a
    /// group of batches needs, is left to a thread with nothing else to do.
    pub(super) fn end_chunk(&mut self, parallel: bool) -> Result<Chunk> {
        self.review(true)?;
        self.end_page()?;
        let pages = std::mem::take(&mut self.pages);
        let nulls = pages.nulls() as u64;
        let (dictionary, statistics) = match &mut self.values {
            Values::Text(text) => (text.take_dictionary(), text.take_statistics(nulls)),
            Values::Integer(integer) => {
                (integer.take_dictionary(), integer.statistics(pages.bounds(), nulls))
            }
        };
        let compression = self.compression;
        let dictionary = dictionary.map(|(page, values)| {
            Job::start(parallel, move || Written::dictionary(compression, &page, values))
        });
        match &mut self.values {
            Values::Text(text) => text.reset(),
            Values::Integer(integer) => integer.reset(),
        }
        Ok(Chunk { descriptor: self.descriptor.clone(), pages, dictionary, statistics })
    }
}
