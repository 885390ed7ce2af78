//! The columns of a batch, whatever their layout.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, Int16Array, Int64Array, RecordBatch, TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int16Type, Int64Type, TimeUnit, TimestampMillisecondType};

use crate::error::{Error, ErrorKind, Result};

/// What a report looks at. Text is bytes here: a log's need not be UTF-8.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) ts: TimestampMillisecondArray,
    pub(super) host: Option<BinaryViewArray>,
    pub(super) method: Option<BinaryViewArray>,
    pub(super) path: Option<BinaryViewArray>,
    pub(super) protocol: Option<BinaryViewArray>,
    pub(super) status: Option<Int16Array>,
    pub(super) bytes: Option<Int64Array>,
    pub(super) referer: Option<BinaryViewArray>,
    pub(super) agent: Option<BinaryViewArray>,
}

impl Columns {
    pub(super) fn of(batch: &RecordBatch) -> Result<Self> {
        let ts =
            column(batch, "ts", &DataType::Timestamp(TimeUnit::Millisecond, None))?.ok_or_else(|| {
                Error::new(ErrorKind::Options, "a report needs the column ts, and there is none")
                    .with_hint("choose a format that logs the time, as common and combined do")
            })?;
        if ts.null_count() > 0 {
            let message = format!("the column ts has {} rows without a time", ts.null_count());
            return Err(Error::new(ErrorKind::Options, message)
                .with_hint("leave them out: a request that happened at no time is in no report"));
        }
        let text = |name| -> Result<Option<BinaryViewArray>> {
            Ok(column(batch, name, &DataType::BinaryView)?.map(|column| column.as_binary_view().clone()))
        };
        Ok(Self {
            ts: ts.as_primitive::<TimestampMillisecondType>().clone(),
            host: text("host")?,
            method: text("method")?,
            path: text("path")?,
            protocol: text("protocol")?,
            status: column(batch, "status", &DataType::Int16)?
                .map(|column| column.as_primitive::<Int16Type>().clone()),
            bytes: column(batch, "bytes", &DataType::Int64)?
                .map(|column| column.as_primitive::<Int64Type>().clone()),
            referer: text("referer")?,
            agent: text("user_agent")?,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.ts.len()
    }

    /// The second of a row, since 1970 in UTC.
    #[inline]
    pub(super) fn second(&self, row: usize) -> i64 {
        self.ts.value(row).div_euclid(1000)
    }

    #[inline]
    pub(super) fn status(&self, row: usize) -> Option<i16> {
        let status = self.status.as_ref()?;
        status.is_valid(row).then(|| status.value(row))
    }

    /// The size of a row, where one is logged.
    #[inline]
    pub(super) fn bytes(&self, row: usize) -> Option<u64> {
        let bytes = self.bytes.as_ref()?;
        // No format has negative ones; a table of someone else's may.
        bytes.is_valid(row).then(|| u64::try_from(bytes.value(row)).unwrap_or(0))
    }
}

fn column(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<Option<ArrayRef>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let is_it = match (column.data_type(), wanted) {
        // Milliseconds are milliseconds, whatever the zone is called.
        (DataType::Timestamp(have, _), DataType::Timestamp(want, _)) => have == want,
        (have, want) => have == want,
    };
    if is_it {
        return Ok(Some(column.clone()));
    }
    let failed = |error| {
        Error::new(
            ErrorKind::Options,
            format!("the column {name} is {}, which is no {wanted}", column.data_type()),
        )
        .with_source(error)
    };
    // Text has no way to bytes of another layout but through its own.
    let column: Cow<'_, ArrayRef> = match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 if *wanted == DataType::BinaryView => {
            Cow::Owned(cast(column, &DataType::Utf8View).map_err(failed)?)
        }
        _ => Cow::Borrowed(column),
    };
    cast(column.as_ref(), wanted).map(Some).map_err(failed)
}

/// The type of what a URL names: the extension of its last part, in lower case, if it is 1 to 8 letters or digits; `/` for a
/// directory.
pub(super) fn type_of(path: &[u8]) -> Option<TypeName> {
    if path.last() == Some(&b'/') {
        return Some(TypeName { bytes: *b"/\0\0\0\0\0\0\0", len: 1 });
    }
    let tail = &path[path.len().saturating_sub(9)..];
    let dot = memchr::memrchr(b'.', tail)?;
    let extension = &tail[dot + 1..];
    let mut name = TypeName { bytes: [0; 8], len: extension.len() as u8 };
    if extension.is_empty() || !extension.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    for (into, byte) in name.bytes.iter_mut().zip(extension) {
        *into = byte.to_ascii_lowercase();
    }
    Some(name)
}

/// The name of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeName {
    bytes: [u8; 8],
    len: u8,
}

impl TypeName {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The bin of a size: 0 for none, 1 for nothing, and 1 more than its length in bits.
#[inline]
pub(super) fn bin_of(bytes: Option<u64>) -> usize {
    bytes.map_or(0, |bytes| (u64::BITS - bytes.leading_zeros()) as usize + 1)
}

/// The smallest and the largest size of a bin.
pub(super) fn sizes_of(bin: usize) -> Option<(u64, u64)> {
    match bin.checked_sub(1)? {
        0 => Some((0, 0)),
        bits => Some((1 << (bits - 1), u64::MAX >> (u64::BITS as usize - bits))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_urls() {
        for (path, name) in [
            ("/a/b.GIF", Some("gif")),
            ("/", Some("/")),
            ("/a.b/", Some("/")),
            ("/a", None),
            ("/a.", None),
            ("/a.b/c", None),
            ("/a.12345678", Some("12345678")),
            ("/a.123456789", None),
            ("/a.t%20", None),
            ("", None),
            (".gif", Some("gif")),
            ("/x.tar.gz", Some("gz")),
        ] {
            let found =
                type_of(path.as_bytes()).map(|name| String::from_utf8(name.as_bytes().to_vec()).unwrap());
            assert_eq!(found.as_deref(), name, "{path}");
        }
    }

    #[test]
    fn bins_of_sizes() {
        for (bytes, bin, sizes) in [
            (None, 0, None),
            (Some(0), 1, Some((0, 0))),
            (Some(1), 2, Some((1, 1))),
            (Some(3), 3, Some((2, 3))),
            (Some(1024), 12, Some((1024, 2047))),
            (Some(i64::MAX as u64), 64, Some((1 << 62, i64::MAX as u64))),
            (Some(u64::MAX), 65, Some((1 << 63, u64::MAX))),
        ] {
            assert_eq!((bin_of(bytes), sizes_of(bin)), (bin, sizes), "{bytes:?}");
        }
    }
}
