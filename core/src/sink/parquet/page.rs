//! Finished pages of a column chunk, and what the file's footer says about them.

use parquet::basic::{Encoding, EncodingMask, PageType, Type};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::statistic::Bounds;
use crate::error::Result;
use crate::sink::Compression;

/// The compressed pages of a column chunk that is still growing.
#[derive(Default)]
pub(super) struct Pages {
    dictionary: Option<CompressedPage>,
    data: Vec<DataPage>,
    compressed_bytes: usize,
}

struct DataPage {
    page: CompressedPage,
    encoding: Encoding,
    rows: usize,
    nulls: usize,
    bounds: Bounds,
}

impl Pages {
    /// How many bytes of compressed pages wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.compressed_bytes
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
        let compressed = compression.compress(body)?;
        self.compressed_bytes += compressed.len();
        let page = Page::DataPage {
            buf: compressed.into(),
            num_values: rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let page = CompressedPage::new(page, body.len());
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
        let compressed = compression.compress(body)?;
        self.compressed_bytes += compressed.len();
        let page = Page::DictionaryPage {
            buf: compressed.into(),
            num_values: values as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.dictionary = Some(CompressedPage::new(page, body.len()));
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

    /// Joins all pages, dictionary first, and describes them.
    pub(super) fn close(
        self,
        descriptor: &ColumnDescPtr,
        codec: parquet::basic::Compression,
        statistics: Statistics,
    ) -> Result<(Vec<u8>, ColumnCloseResult), ParquetError> {
        let rows: usize = self.data.iter().map(|page| page.rows).sum();
        let column_index = column_index(descriptor.physical_type(), &self.data)?;
        let mut out =
            TrackedWrite::new(Vec::with_capacity(self.compressed_bytes + 64 * (self.data.len() + 1)));
        let mut writer = SerializedPageWriter::new(&mut out);

        let mut encodings = vec![Encoding::RLE];
        let mut stats: Vec<PageEncodingStats> = Vec::new();
        let mut uncompressed = 0;
        let mut dictionary_offset = None;
        if let Some(page) = self.dictionary {
            let written = writer.write_page(page)?;
            uncompressed += written.uncompressed_size;
            dictionary_offset = Some(written.offset as i64);
            encodings.push(Encoding::PLAIN);
            stats.push(PageEncodingStats {
                page_type: PageType::DICTIONARY_PAGE,
                encoding: Encoding::PLAIN,
                count: 1,
            });
        }
        let mut offsets = OffsetIndexBuilder::new();
        let mut data_offset = None;
        for DataPage { page, encoding, rows, .. } in self.data {
            let written = writer.write_page(page)?;
            uncompressed += written.uncompressed_size;
            data_offset.get_or_insert(written.offset as i64);
            offsets.append_row_count(rows as i64);
            offsets.append_offset_and_size(written.offset as i64, written.compressed_size as i32);
            encodings.push(encoding);
            match stats.last_mut() {
                Some(last) if last.page_type == PageType::DATA_PAGE && last.encoding == encoding => {
                    last.count += 1;
                }
                _ => stats.push(PageEncodingStats { page_type: PageType::DATA_PAGE, encoding, count: 1 }),
            }
        }
        let bytes = out.into_inner()?;
        let metadata = ColumnChunkMetaData::builder(descriptor.clone())
            .set_compression(codec)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(stats)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed as i64)
            .set_num_values(rows as i64)
            .set_data_page_offset(data_offset.unwrap_or(0))
            .set_dictionary_page_offset(dictionary_offset)
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(offsets.build()),
        };
        Ok((bytes, close))
    }
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
