//! Finished pages of a column chunk, and what the file's footer says about them.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use parquet::basic::{BoundaryOrder, Encoding, EncodingMask, PageType, Type};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::job::Job;
use super::statistic::Bounds;
use crate::error::Result;
use crate::sink::Compression;

/// A page as it goes to the file, with its header.
pub(super) struct Written {
    bytes: Bytes,
    uncompressed: usize,
}

impl Written {
    /// A dictionary page.
    pub(super) fn dictionary(compression: Compression, body: &[u8], values: usize) -> Result<Self> {
        let page = Page::DictionaryPage {
            buf: compression.compress(body)?.into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        Self::new(CompressedPage::new(page, body.len()))
    }

    fn data(compression: Compression, body: &[u8], encoding: Encoding, rows: usize) -> Result<Self> {
        let page = Page::DataPage {
            buf: compression.compress(body)?.into(),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        Self::new(CompressedPage::new(page, body.len()))
    }

    fn new(page: CompressedPage) -> Result<Self> {
        Self::serialize(page).map_err(super::error)
    }

    fn serialize(page: CompressedPage) -> Result<Self, ParquetError> {
        const HEADER: usize = 64;
        let mut out = TrackedWrite::new(Vec::with_capacity(page.compressed_size() + HEADER));
        let spec = SerializedPageWriter::new(&mut out).write_page(page)?;
        Ok(Self { bytes: out.into_inner()?.into(), uncompressed: spec.uncompressed_size })
    }
}

struct DataPage {
    page: Written,
    encoding: Encoding,
    rows: usize,
    nulls: usize,
    bounds: Bounds,
}

/// The data pages of a column chunk that is still growing.
#[derive(Default)]
pub(super) struct Pages {
    data: Vec<DataPage>,
    bytes: usize,
}

impl Pages {
    /// How many bytes wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Compresses a page of `rows` rows, of which `nulls` are null.
    pub(super) fn push(
        &mut self,
        compression: Compression,
        body: &[u8],
        encoding: Encoding,
        rows: usize,
        nulls: usize,
        bounds: Bounds,
    ) -> Result<()> {
        let page = Written::data(compression, body, encoding, rows)?;
        self.bytes += page.bytes.len();
        self.data.push(DataPage { page, encoding, rows, nulls, bounds });
        Ok(())
    }

    /// How many nulls all pages have together.
    pub(super) fn nulls(&self) -> usize {
        self.data.iter().map(|page| page.nulls).sum()
    }

    /// The bounds of all pages together.
    pub(super) fn bounds(&self) -> Bounds {
        self.data.iter().fold(Bounds::EMPTY, |mut all, page| {
            all.join(page.bounds);
            all
        })
    }
}

/// A column chunk whose values are all there; its dictionary page may be in the making.
pub(super) struct Chunk {
    pub(super) descriptor: ColumnDescPtr,
    pub(super) pages: Pages,
    pub(super) dictionary: Option<Job<Result<Written>>>,
    pub(super) statistics: Statistics,
}

impl Chunk {
    /// How many bytes of pages wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.pages.bytes
    }

    /// Whether nothing is in the making any more.
    pub(super) fn is_ready(&self) -> bool {
        self.dictionary.as_ref().is_none_or(Job::is_done)
    }

    /// Appends the chunk to a row group.
    pub(super) fn append_to<W: Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        codec: parquet::basic::Compression,
    ) -> Result<()> {
        let dictionary = self.dictionary.map(Job::finish).transpose()?;
        let description =
            describe(&self.descriptor, codec, dictionary.as_ref(), &self.pages.data, self.statistics);
        let pages = dictionary.into_iter().chain(self.pages.data.into_iter().map(|data| data.page));
        let pages = InOrder(pages.map(|page| page.bytes).collect());
        group.append_column(&pages, description.map_err(super::error)?).map_err(super::error)
    }
}

/// What the footer says about a chunk, dictionary first.
fn describe(
    descriptor: &ColumnDescPtr,
    codec: parquet::basic::Compression,
    dictionary: Option<&Written>,
    data: &[DataPage],
    statistics: Statistics,
) -> Result<ColumnCloseResult, ParquetError> {
    let mut encodings = vec![Encoding::RLE];
    let mut stats: Vec<PageEncodingStats> = Vec::new();
    let (mut offset, mut uncompressed) = (0, 0);
    if let Some(page) = dictionary {
        offset += page.bytes.len();
        uncompressed += page.uncompressed;
        encodings.push(Encoding::PLAIN);
        stats.push(PageEncodingStats {
            page_type: PageType::DICTIONARY_PAGE,
            encoding: Encoding::PLAIN,
            count: 1,
        });
    }
    let data_offset = offset;
    let mut offsets = OffsetIndexBuilder::new();
    for DataPage { page, encoding, rows, .. } in data {
        offsets.append_row_count(*rows as i64);
        offsets.append_offset_and_size(offset as i64, page.bytes.len() as i32);
        offset += page.bytes.len();
        uncompressed += page.uncompressed;
        encodings.push(*encoding);
        match stats.last_mut() {
            Some(last) if last.page_type == PageType::DATA_PAGE && last.encoding == *encoding => {
                last.count += 1;
            }
            _ => stats.push(PageEncodingStats {
                page_type: PageType::DATA_PAGE,
                encoding: *encoding,
                count: 1,
            }),
        }
    }
    let rows: usize = data.iter().map(|page| page.rows).sum();
    let metadata = ColumnChunkMetaData::builder(descriptor.clone())
        .set_compression(codec)
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_page_encoding_stats(stats)
        .set_total_compressed_size(offset as i64)
        .set_total_uncompressed_size(uncompressed as i64)
        .set_num_values(rows as i64)
        .set_data_page_offset(data_offset as i64)
        .set_dictionary_page_offset(dictionary.is_some().then_some(0))
        .set_statistics(statistics)
        .build()?;
    Ok(ColumnCloseResult {
        bytes_written: offset as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: column_index(descriptor.physical_type(), data)?,
        offset_index: Some(offsets.build()),
    })
}

/// The bounds of each page, for integers: time prunes pages. Strings of a log hardly ever do, and cost much more.
fn column_index(physical: Type, pages: &[DataPage]) -> Result<Option<ColumnIndexMetaData>, ParquetError> {
    let bytes: fn(i64) -> Vec<u8> = match physical {
        Type::INT32 => |value| (value as i32).to_le_bytes().to_vec(),
        Type::INT64 => |value| value.to_le_bytes().to_vec(),
        _ => return Ok(None),
    };
    let mut index = ColumnIndexBuilder::new(physical);
    for page in pages {
        let (min, max) = match page.bounds.get() {
            Some((min, max)) => (bytes(min), bytes(max)),
            None => (Vec::new(), Vec::new()),
        };
        index.append(page.bounds.is_empty(), min, max, page.nulls as i64);
    }
    let bounded: Vec<Bounds> = pages.iter().map(|page| page.bounds).filter(|b| !b.is_empty()).collect();
    if bounded.windows(2).all(|pair| pair[0].min <= pair[1].min && pair[0].max <= pair[1].max) {
        index.set_boundary_order(BoundaryOrder::ASCENDING);
    }
    Ok(Some(index.build()?))
}

/// Pages in the order of the file, from where parquet-rs copies them.
struct InOrder(VecDeque<Bytes>);

impl ChunkReader for InOrder {
    type T = Self;

    fn get_read(&self, start: u64) -> Result<Self, ParquetError> {
        let mut rest = Self(self.0.clone());
        io::copy(&mut (&mut rest).take(start), &mut io::sink())?;
        Ok(rest)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Length for InOrder {
    fn len(&self) -> u64 {
        self.0.iter().map(|page| page.len() as u64).sum()
    }
}

impl Read for InOrder {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(page) = self.0.front_mut() else { return Ok(0) };
        let length = page.len().min(into.len());
        page.copy_to_slice(&mut into[..length]);
        if page.is_empty() {
            self.0.pop_front();
        }
        Ok(length)
    }
}

/// Moves plain values to the end of a page, without a copy where there is nothing before them.
pub(super) fn take_plain(plain: &mut Vec<u8>, page: &mut Vec<u8>) {
    if page.is_empty() {
        std::mem::swap(plain, page);
    } else {
        page.extend_from_slice(plain);
    }
    plain.clear();
}
