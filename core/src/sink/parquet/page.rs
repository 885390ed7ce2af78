//! Finished pages of a column chunk, and what the file's footer says about them.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use parquet::basic::{Encoding, EncodingMask, PageType, Type};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::compression::Compression;
use super::statistic::Bounds;
use crate::error::Result;

/// The compressed pages of a column chunk that is still growing.
#[derive(Default)]
pub(super) struct Pages {
    dictionary: Option<Written>,
    data: Vec<DataPage>,
}

/// A page as it goes to the file, with its header.
struct Written {
    bytes: Bytes,
    uncompressed: usize,
}

struct DataPage {
    page: Written,
    encoding: Encoding,
    rows: usize,
    nulls: usize,
    bounds: Bounds,
}

impl Pages {
    /// How many bytes of compressed pages wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.all().map(|page| page.bytes.len()).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Written> {
        self.dictionary.iter().chain(self.data.iter().map(|data| &data.page))
    }

    /// Compresses a data page of `rows` rows, of which `nulls` are null.
    pub(super) fn push(
        &mut self,
        compression: Compression,
        body: &[u8],
        encoding: Encoding,
        rows: usize,
        nulls: usize,
        bounds: Bounds,
    ) -> Result<()> {
        let page = Page::DataPage {
            buf: compression.compress(body)?.into(),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = written(CompressedPage::new(page, body.len())).map_err(super::error)?;
        self.data.push(DataPage { page, encoding, rows, nulls, bounds });
        Ok(())
    }

    /// Compresses the dictionary page.
    pub(super) fn set_dictionary(
        &mut self,
        compression: Compression,
        body: &[u8],
        values: usize,
    ) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: compression.compress(body)?.into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.dictionary = Some(written(CompressedPage::new(page, body.len())).map_err(super::error)?);
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

    /// Describes the chunk that the pages make, dictionary first.
    pub(super) fn describe(
        &self,
        descriptor: &ColumnDescPtr,
        codec: parquet::basic::Compression,
        statistics: Statistics,
    ) -> Result<ColumnCloseResult, ParquetError> {
        let mut encodings = vec![Encoding::RLE];
        let mut stats: Vec<PageEncodingStats> = Vec::new();
        let mut offset = 0;
        if let Some(page) = &self.dictionary {
            offset += page.bytes.len();
            encodings.push(Encoding::PLAIN);
            stats.push(PageEncodingStats {
                page_type: PageType::DICTIONARY_PAGE,
                encoding: Encoding::PLAIN,
                count: 1,
            });
        }
        let data_offset = offset;
        let mut offsets = OffsetIndexBuilder::new();
        for DataPage { page, encoding, rows, .. } in &self.data {
            offsets.append_row_count(*rows as i64);
            offsets.append_offset_and_size(offset as i64, page.bytes.len() as i32);
            offset += page.bytes.len();
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
        let rows: usize = self.data.iter().map(|page| page.rows).sum();
        let metadata = ColumnChunkMetaData::builder(descriptor.clone())
            .set_compression(codec)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(offset as i64)
            .set_total_uncompressed_size(self.all().map(|page| page.uncompressed as i64).sum())
            .set_num_values(rows as i64)
            .set_data_page_offset(data_offset as i64)
            .set_dictionary_page_offset(self.dictionary.is_some().then_some(0))
            .set_statistics(statistics)
            .build()?;
        Ok(ColumnCloseResult {
            bytes_written: offset as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: column_index(descriptor.physical_type(), &self.data)?,
            offset_index: Some(offsets.build()),
        })
    }
}

/// Serializes a page and its header.
fn written(page: CompressedPage) -> Result<Written, ParquetError> {
    const HEADER: usize = 64;
    let mut out = TrackedWrite::new(Vec::with_capacity(page.compressed_size() + HEADER));
    let spec = SerializedPageWriter::new(&mut out).write_page(page)?;
    Ok(Written { bytes: out.into_inner()?.into(), uncompressed: spec.uncompressed_size })
}

/// parquet-rs copies the chunk from here into the file.
impl ChunkReader for Pages {
    type T = PagesReader;

    fn get_read(&self, start: u64) -> Result<PagesReader, ParquetError> {
        let mut pages: VecDeque<Bytes> = self.all().map(|page| page.bytes.clone()).collect();
        let mut skip = start as usize;
        while let Some(page) = pages.front_mut() {
            let here = skip.min(page.len());
            page.advance(here);
            skip -= here;
            if !page.is_empty() {
                break;
            }
            pages.pop_front();
        }
        Ok(PagesReader(pages))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = vec![0; length];
        self.get_read(start)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.bytes() as u64
    }
}

/// Reads pages one after the other.
pub(super) struct PagesReader(VecDeque<Bytes>);

impl Read for PagesReader {
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

/// The bounds of each page, for integers: time prunes pages. Strings of a log hardly ever do, and cost much more.
fn column_index(
    physical: Type,
    pages: &[DataPage],
) -> Result<Option<parquet::file::page_index::column_index::ColumnIndexMetaData>, ParquetError> {
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
        index.set_boundary_order(parquet::basic::BoundaryOrder::ASCENDING);
    }
    Ok(Some(index.build()?))
}
