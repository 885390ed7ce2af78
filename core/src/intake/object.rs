//! Lines that were made JSON objects on the way.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int16Builder, Int32Builder, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{Field, Schema};

use super::{IntakeCounts, Origin, Refused};
use crate::envelope::{JsonRecord, JsonScratch, LineIdColumn};
use crate::error::Result;
use crate::format::LogFormat;
use crate::naming::Names;
use crate::options::{Encoding, StringType};
use crate::record::Value;
use crate::reject::RejectReason;
use crate::schema::{Column, ColumnType, USER_AGENT, VHOST, X_FORWARDED_FOR};

/// How many objects become a batch.
const BATCH: usize = 1 << 13;

/// Objects, one after the other, and where each came from.
#[derive(Debug, Default)]
pub(super) struct Objects {
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    origins: Vec<Origin>,
    keys: Keys,
}

/// Keys by which built-in formats differ, of all objects together.
#[derive(Debug, Clone, Copy, Default)]
struct Keys {
    vhost: bool,
    user_agent: bool,
    forwarded: bool,
}

/// How far objects were taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    text: usize,
    objects: usize,
    keys: Keys,
}

impl Objects {
    pub(super) fn push(&mut self, object: &JsonRecord<'_>, origin: Origin) {
        self.text.extend_from_slice(object.as_bytes());
        self.ends.push(self.text.len());
        self.origins.push(origin);
        self.keys.vhost |= object.has(&VHOST.name);
        self.keys.user_agent |= object.has(&USER_AGENT.name);
        self.keys.forwarded |= object.has(&X_FORWARDED_FOR.name);
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { text: self.text.len(), objects: self.ends.len(), keys: self.keys }
    }

    /// Drops all that came after a mark.
    pub(super) fn cut(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.ends.truncate(mark.objects);
        self.origins.truncate(mark.objects);
        self.keys = mark.keys;
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], Origin)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end]).zip(self.origins.iter().copied())
    }

    /// The built-in format that has the keys of the objects.
    pub(super) fn format(&self) -> LogFormat {
        let Keys { vhost, user_agent, forwarded } = self.keys;
        let name = match (vhost, user_agent, forwarded) {
            (true, true, _) => "vhost_combined",
            (true, false, _) => "vhost_common",
            (false, _, true) => "nginx_main",
            (false, true, false) => "combined",
            (false, false, false) => "common",
        };
        LogFormat::built_in(name).unwrap_or_else(LogFormat::common)
    }

    /// The rows of these objects, with their ids, in these columns.
    pub(super) fn read(
        self,
        columns: &[Column],
        names: &[Arc<str>],
        rejects: &mut Vec<Refused>,
        counts: &mut IntakeCounts,
    ) -> Result<Vec<RecordBatch>> {
        let mut scratch = JsonScratch::default();
        let mut batches = Vec::new();
        let mut rows = Rows::new(columns, names);
        for (text, origin) in self.iter() {
            // It was one when it was unpacked.
            let taken = scratch.with(text, |object| rows.push(object, origin));
            match taken.unwrap_or(Err(RejectReason::MissingField)) {
                Ok(()) => counts.rows += 1,
                Err(reason) => {
                    counts.rejected += 1;
                    rejects.push(Refused::line(names, origin, reason, text));
                }
            }
            if rows.count == BATCH {
                batches.push(std::mem::replace(&mut rows, Rows::new(columns, names)).finish()?);
            }
        }
        if rows.count > 0 {
            batches.push(rows.finish()?);
        }
        Ok(batches)
    }
}

/// A cell of a row.
enum Cell<'a> {
    Null,
    Int(i64),
    Text(std::borrow::Cow<'a, str>),
}

/// What a column of a format is in an object.
fn cell<'a>(object: &JsonRecord<'a>, column: &Column) -> std::result::Result<Cell<'a>, RejectReason> {
    use std::borrow::Cow::{Borrowed, Owned};
    let text = |text: Option<&'a str>| Ok(text.map_or(Cell::Null, |text| Cell::Text(Borrowed(text))));
    match &*column.name {
        "host" => match object.host() {
            None | Some("") => Err(RejectReason::MissingField),
            host => text(host),
        },
        "ts" => object.ts().map(Cell::Int).ok_or(RejectReason::BadTimestamp),
        // Part of the time in a classic object, and beside it in ours, where it may be left out.
        "tz_offset" => match object.names() {
            Names::Classic => object.tz_offset().map(Cell::Int).ok_or(RejectReason::BadTimestamp),
            Names::Nasalogs => match int(object, "tz_offset", -1439..=1439) {
                Some(Cell::Null) => Ok(Cell::Int(0)),
                minutes => minutes.ok_or(RejectReason::BadTimestamp),
            },
        },
        "method" => text(object.method()),
        "path" => text(object.path()),
        "query" => text(object.query()),
        "protocol" => text(object.protocol()),
        "status" => int(object, object.status_key(), 0..=999).ok_or(RejectReason::BadStatus),
        "bytes" => int(object, "bytes", 0..=i64::MAX).ok_or(RejectReason::BadBytes),
        name => match column.column_type {
            ColumnType::Text | ColumnType::Bytes => match object.get(name) {
                Some(Value::Text(_)) => text(object.text(name)),
                Some(Value::Int(number)) => Ok(Cell::Text(Owned(number.to_string()))),
                _ if column.nullable => Ok(Cell::Null),
                _ => Err(RejectReason::MissingField),
            },
            ColumnType::Int16 => {
                int(object, name, i16::MIN.into()..=i16::MAX.into()).ok_or(RejectReason::BadNumber)
            }
            ColumnType::Int32 => {
                int(object, name, i32::MIN.into()..=i32::MAX.into()).ok_or(RejectReason::BadNumber)
            }
            ColumnType::Int64 | ColumnType::Timestamp => {
                int(object, name, i64::MIN..=i64::MAX).ok_or(RejectReason::BadNumber)
            }
        },
    }
}

/// A number, which may be written as text, or null; `None` for anything else.
fn int<'a>(object: &JsonRecord<'a>, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<Cell<'a>> {
    let number = match object.get(key) {
        Some(Value::Int(number)) => number,
        Some(Value::Text(b"-")) | Some(Value::Null) => return Some(Cell::Null),
        Some(Value::Text(digits)) => crate::field::number::integer(digits)?,
        None if !object.has(key) => return Some(Cell::Null),
        _ => return None,
    };
    range.contains(&number).then_some(Cell::Int(number))
}

/// Columns of a batch.
struct Rows<'a> {
    columns: &'a [Column],
    builders: Vec<Builder>,
    ids: LineIdColumn,
    names: &'a [Arc<str>],
    count: usize,
}

enum Builder {
    Text(StringViewBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Time(TimestampMillisecondBuilder),
}

impl<'a> Rows<'a> {
    fn new(columns: &'a [Column], names: &'a [Arc<str>]) -> Self {
        let builders = columns.iter().map(|column| Builder::new(column.column_type)).collect();
        Self { columns, builders, ids: LineIdColumn::with_capacity(0), names, count: 0 }
    }

    /// Appends an object, if all of its fields are right.
    fn push(&mut self, object: &JsonRecord<'_>, origin: Origin) -> std::result::Result<(), RejectReason> {
        let cells: std::result::Result<Vec<Cell<'_>>, RejectReason> =
            self.columns.iter().map(|column| cell(object, column)).collect();
        for (builder, cell) in self.builders.iter_mut().zip(cells?) {
            builder.push(cell);
        }
        origin.push_to(&mut self.ids, self.names);
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch> {
        let mut fields = Vec::with_capacity(self.columns.len() + 1);
        let mut arrays = Vec::with_capacity(self.columns.len() + 1);
        for (column, builder) in self.columns.iter().zip(self.builders) {
            let data_type = column.column_type.to_arrow(StringType::View, Encoding::Escape);
            fields.push(Field::new(column.name.as_ref(), data_type, column.nullable));
            arrays.push(builder.finish());
        }
        fields.push(LineIdColumn::field());
        arrays.push(self.ids.finish());
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }
}

impl Builder {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text | ColumnType::Bytes => Builder::Text(StringViewBuilder::new()),
            ColumnType::Int16 => Builder::Int16(Int16Builder::new()),
            ColumnType::Int32 => Builder::Int32(Int32Builder::new()),
            ColumnType::Int64 => Builder::Int64(Int64Builder::new()),
            ColumnType::Timestamp => Builder::Time(TimestampMillisecondBuilder::new().with_timezone("UTC")),
        }
    }

    /// Appends a cell, which has the column's type, and its range.
    fn push(&mut self, cell: Cell<'_>) {
        let int = match &cell {
            Cell::Int(number) => Some(*number),
            _ => None,
        };
        match self {
            Builder::Text(column) => match &cell {
                Cell::Text(text) => column.append_value(text),
                _ => column.append_null(),
            },
            Builder::Int16(column) => column.append_option(int.and_then(|int| i16::try_from(int).ok())),
            Builder::Int32(column) => column.append_option(int.and_then(|int| i32::try_from(int).ok())),
            Builder::Int64(column) => column.append_option(int),
            Builder::Time(column) => column.append_option(int),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Text(mut column) => Arc::new(column.finish()),
            Builder::Int16(mut column) => Arc::new(column.finish()),
            Builder::Int32(mut column) => Arc::new(column.finish()),
            Builder::Int64(mut column) => Arc::new(column.finish()),
            Builder::Time(mut column) => Arc::new(column.finish()),
        }
    }
}
