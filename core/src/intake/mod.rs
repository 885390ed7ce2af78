//! Stream records back to rows: what a consumer of a stream does with what it is given.
//!
//! An [`Intake`] takes the records of one delivery, whatever their [form](crate::envelope), and gives one table: batches
//! with the columns of the log's format and a [`line_id`](crate::schema::LINE_ID), the lines that are no rows, and an
//! account of both. It does no I/O. The same records give the same rows, whatever else was there before.
//!
//! ```
//! use nasalogs::intake::{Arrival, Intake, IntakeOptions};
//! let mut intake = Intake::new(IntakeOptions::new());
//! let line = br#"h.example - - [01/Jul/1995:00:00:01 -0400] "GET / HTTP/1.0" 200 5"#;
//! let classic = br#"{"ip": "192.0.2.1", "timestamp": "01/Jul/1995:00:00:02 -0400", "status_code": 404, "bytes": 0}"#;
//! for (name, data) in [("1", &line[..]), ("2", classic), ("3", b"no log line")] {
//!     assert!(intake.push(Arrival { name, data, partition_key: "any" }));
//! }
//! let taken = intake.finish()?;
//! assert_eq!((taken.counts.rows, taken.counts.rejected), (2, 1));
//! assert_eq!((&*taken.rejects[0].record, taken.rejects[0].reason.as_str()), ("3", "missing_field"));
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! # Identity
//! A line keeps the id under which it was sent. One that has none is known by the record that brought it: its name, a
//! slash, and the line's number in the record, from 0. So a record that is delivered twice gives the same ids, and what
//! removes duplicates by `line_id` removes those too; only what its producer sent twice, without an id, stays double.

mod object;
mod reject;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use crate::envelope::{DecodeOptions, Item, LineId, LineIdColumn, RecordDecoder};
use crate::error::Result;
use crate::field::date::{DAY_MS, date};
use crate::format::LogFormat;
use crate::options::{Encoding, ParseOptions};
use crate::parse::line::LineParser;
use crate::reject::Reject;

pub use reject::{Refused, RefusedBecause};
pub use table::Taken;

use object::Objects;
use text::Lines;

/// How records are taken in.
///
/// ```
/// use nasalogs::{LogFormat, intake::IntakeOptions};
/// let options = IntakeOptions::new().with_format(LogFormat::combined()).with_limit(64 << 20);
/// assert_eq!(options.limit, 64 << 20);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IntakeOptions {
    /// The format of raw lines; without one, it is detected from those of the delivery.
    pub format: Option<LogFormat>,
    /// What becomes of bytes that are not UTF-8.
    pub encoding: Encoding,
    /// How many bytes of lines, decompressed, one delivery may have, and 128 for each of them.
    pub limit: usize,
}

impl IntakeOptions {
    /// How many bytes of lines unless set otherwise: 256 MiB. A full delivery of Lambda, 6 MB, has more only if it was
    /// compressed more than fifty-fold.
    pub const LIMIT: usize = 256 << 20;

    /// Formats are detected, bytes that are not UTF-8 escaped.
    #[must_use]
    pub fn new() -> Self {
        Self { format: None, encoding: Encoding::Escape, limit: Self::LIMIT }
    }

    /// Fixes the format of raw lines.
    #[must_use]
    pub fn with_format(mut self, format: LogFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Chooses what becomes of bytes that are not UTF-8. [`Encoding::Binary`] is taken for [`Encoding::Escape`]: JSON
    /// objects, which can be in the same table, hold text.
    #[must_use]
    pub fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = if encoding == Encoding::Binary { Encoding::Escape } else { encoding };
        self
    }

    /// Limits the bytes of lines; each counts for 128 more, which is about what it takes to know where it came from, or to
    /// reject it. Memory is at most about three times that, and for a record by itself four times as much.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes.max(1);
        self
    }
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A record as it was delivered.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// What distinguishes it from all others of its stream: of Kinesis, the shard and the sequence number.
    pub name: &'a str,
    /// Its data.
    pub data: &'a [u8],
    /// The key under which it was put: a raw line's id may be there.
    pub partition_key: &'a str,
}

/// What was taken in. `rows + rejected + blanks == lines`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntakeCounts {
    /// Records.
    pub records: u64,
    /// Lines and JSON objects, and records or parts of them that are damaged.
    pub lines: u64,
    /// Those that are rows.
    pub rows: u64,
    /// Those that are not.
    pub rejected: u64,
    /// Lines that are empty or only blanks.
    pub blanks: u64,
    /// Of the lines, those that came as JSON objects.
    pub objects: u64,
    /// Bytes of the records' data.
    pub bytes: u64,
}

/// The day of an instant in milliseconds since 1970-01-01T00:00:00Z, as partitions are called.
///
/// ```
/// assert_eq!(nasalogs::intake::day(804_571_201_000), "1995-07-01");
/// ```
#[must_use]
pub fn day(millis: i64) -> String {
    date(millis.div_euclid(DAY_MS))
}

/// Where a line came from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    /// The record's place in the delivery.
    record: u32,
    /// The line's place in the record.
    index: u32,
    /// Its id, where it has one.
    id: Option<LineId>,
}

/// What a line counts for beside its bytes.
const COST: usize = 128;
/// How many times what a delivery may have a record may have by itself. The densest record that is sent on purpose, a block
/// of 32 MiB, has more lines than most deliveries.
const ALONE: usize = 4;

impl Origin {
    /// Appends the id of its line.
    fn push_to(self, ids: &mut LineIdColumn, names: &[Arc<str>]) {
        match self.id {
            Some(id) => ids.push(id),
            None => ids.push_named(names.get(self.record as usize).map_or("", |name| name), self.index),
        }
    }
}

/// Takes the records of one delivery.
#[derive(Debug)]
pub struct Intake {
    options: IntakeOptions,
    decoder: RecordDecoder,
    names: Vec<Arc<str>>,
    lines: Lines,
    objects: Objects,
    damaged: Vec<Refused>,
    counts: IntakeCounts,
    /// What its lines and rejects count for so far.
    taken: usize,
}

impl Intake {
    /// One that is empty.
    #[must_use]
    pub fn new(options: IntakeOptions) -> Self {
        Self {
            decoder: RecordDecoder::new(DecodeOptions::new().with_limit(options.limit)),
            options,
            names: Vec::new(),
            lines: Lines::default(),
            objects: Objects::default(),
            damaged: Vec::new(),
            counts: IntakeCounts::default(),
            taken: 0,
        }
    }

    /// Takes a record; says `false`, and takes nothing, when the delivery is full: that record, and all behind it, are for
    /// the next delivery. The first record is taken, unless it alone has four times what a delivery may have: then it is
    /// among the rejects, for no delivery would have room for it.
    ///
    /// Nothing that a record holds is trusted: what cannot be read is among the rejects.
    #[must_use = "a record that was not taken has to be delivered again"]
    pub fn push(&mut self, arrival: Arrival<'_>) -> bool {
        let before = (self.lines.mark(), self.objects.mark(), self.damaged.len());
        let number = self.names.len() as u32;
        let name: Arc<str> = Arc::from(arrival.name);
        let room = match number {
            0 => self.options.limit.saturating_mul(ALONE),
            _ => self.options.limit.saturating_sub(self.taken),
        };
        let (mut index, mut taken, mut blanks) = (0, 0, 0);
        let Self { lines, objects, damaged, decoder, .. } = self;
        decoder.decode(arrival.data, arrival.partition_key, &mut |item| {
            let mut origin = |id| {
                index += 1;
                Origin { record: number, index: index - 1, id }
            };
            let bytes = match &item {
                Item::Line { bytes, .. } => bytes.len(),
                Item::Json { record, .. } => record.as_bytes().len(),
                Item::Damaged { data, .. } => data.len().min(Reject::RAW_LIMIT),
            };
            match item {
                Item::Line { bytes, id }
                    if bytes.len() <= ParseOptions::MAX_LINE && LineParser::is_blank(bytes) =>
                {
                    let _ = origin(id);
                    blanks += 1;
                    return;
                }
                // What does not fit is not kept for a moment either.
                _ if taken > room => {}
                Item::Line { bytes, id } => lines.push(bytes, origin(id)),
                Item::Json { record, id } => objects.push(record, origin(id)),
                Item::Damaged { data, error } => {
                    damaged.push(Refused::damaged(&name, origin(None), data, &error));
                }
            }
            taken = taken.saturating_add(bytes + COST);
        });
        if taken > room {
            self.lines.cut(before.0);
            self.objects.cut(before.1);
            self.damaged.truncate(before.2);
            if number > 0 {
                return false;
            }
            let message = format!("the record has {index} lines, more than a delivery has room for");
            self.refuse(arrival.name, arrival.data, &message);
            self.taken = self.options.limit;
            return true;
        }
        self.taken += taken;
        self.names.push(name);
        self.counts.records += 1;
        self.counts.blanks += blanks;
        self.counts.bytes += arrival.data.len() as u64;
        true
    }

    /// Takes something that is no record, and says why: it is among the rejects.
    ///
    /// ```
    /// # use nasalogs::intake::{Intake, IntakeOptions};
    /// let mut intake = Intake::new(IntakeOptions::new());
    /// intake.refuse("4711", b"%%%", "the data is no base64");
    /// assert_eq!(intake.finish()?.rejects[0].text(), "%%%");
    /// # Ok::<(), nasalogs::Error>(())
    /// ```
    pub fn refuse(&mut self, name: &str, data: &[u8], why: &str) {
        let name: Arc<str> = Arc::from(name);
        let origin = Origin { record: self.names.len() as u32, index: 0, id: None };
        self.damaged.push(Refused::unreadable(&name, origin, data, why));
        self.names.push(name);
        self.counts.records += 1;
        self.counts.bytes += data.len() as u64;
    }

    /// The format of what was taken so far: what [`finish`](Self::finish) reads lines as.
    #[must_use]
    pub fn format(&self) -> LogFormat {
        match &self.options.format {
            Some(format) => format.clone(),
            // Lines tell best; objects of ours have the keys of the format that they were made with.
            None if self.lines.is_empty() => self.objects.format(),
            None => self.lines.format(),
        }
    }

    /// The table.
    ///
    /// # Errors
    /// When the environment asks for a SIMD backend that is not there.
    pub fn finish(self) -> Result<Taken> {
        let format = self.format();
        let Self { options, names, lines, objects, damaged, mut counts, .. } = self;
        counts.lines = lines.len() + objects.len() + damaged.len() as u64 + counts.blanks;
        counts.objects = objects.len();
        counts.rejected = damaged.len() as u64;
        let is_mixed = options.format.is_none() && !lines.is_empty() && objects.len() > 0;
        let more = is_mixed.then(|| objects.format());
        let columns = table::columns(&format, more.as_ref());
        let mut rejects = damaged;
        let mut batches = Vec::new();
        for batch in lines.read(&format, options.encoding, &names, &mut rejects, &mut counts)? {
            batches.push(table::widen(&batch, &columns)?);
        }
        batches.extend(objects.read(&columns, &names, &mut rejects, &mut counts)?);
        rejects.sort_by_key(|reject| (reject.number, reject.index));
        Ok(Taken { format, batches, rejects, counts })
    }
}
