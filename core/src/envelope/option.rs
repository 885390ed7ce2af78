//! What a caller can choose about the records of a stream.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::format::LogFormat;
use crate::naming::Names;
use crate::options::named;

/// How lines are packed into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RecordForm {
    /// The line as it is, one a record.
    #[default]
    Raw,
    /// JSON objects, one a line; see [`Names`].
    Ndjson,
    /// Lines in the aggregate format of the Kinesis Producer Library.
    Kpl,
    /// Compressed lines; see [`block`](crate::envelope::block).
    Block,
}

named!(RecordForm, "record form", { "raw" => Raw, "ndjson" => Ndjson, "kpl" => Kpl, "block" => Block });

/// How a [`RecordEncoder`](crate::envelope::RecordEncoder) packs.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    pub(super) form: RecordForm,
    pub(super) names: Names,
    pub(super) format: LogFormat,
    pub(super) max_record: usize,
    pub(super) max_objects: usize,
    pub(super) shard: Option<RangeInclusive<u128>>,
    pub(super) level: i32,
}

impl EncodeOptions {
    /// What a record may be large unless set otherwise: 1 MiB, which every stream of Kinesis takes.
    pub const MAX_RECORD: usize = 1 << 20;

    /// The level of Zstandard unless set otherwise. On lines like NASA's, level 5 is a tenth smaller and takes more than
    /// twice the time; level 1 a tenth larger, in four fifths of it.
    pub const LEVEL: i32 = 3;

    /// Options for a form.
    #[must_use]
    pub fn new(form: RecordForm) -> Self {
        Self {
            form,
            names: Names::default(),
            format: LogFormat::common(),
            max_record: Self::MAX_RECORD,
            max_objects: 1,
            shard: None,
            level: Self::LEVEL,
        }
    }

    /// The keys of JSON objects, `line_id` beside them: the columns of the format as the NDJSON sink writes them, or those
    /// of [`Names::CLASSIC`].
    #[must_use]
    pub fn with_names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// The format of the lines, which only [`RecordForm::Ndjson`] has to know; `common` unless set.
    #[must_use]
    pub fn with_format(mut self, format: LogFormat) -> Self {
        self.format = format;
        self
    }

    /// How large a record may be, data and partition key, in bytes.
    #[must_use]
    pub fn with_max_record(mut self, bytes: usize) -> Self {
        self.max_record = bytes;
        self
    }

    /// How many JSON objects go into a record; 1 unless set, as consumers expect that parse a record as one object.
    #[must_use]
    pub fn with_max_objects(mut self, count: usize) -> Self {
        self.max_objects = count.max(1);
        self
    }

    /// The hash keys of the shard that the records are for: they get an explicit hash key in that range.
    #[must_use]
    pub fn with_shard(mut self, hash_keys: RangeInclusive<u128>) -> Self {
        self.shard = Some(hash_keys);
        self
    }

    /// The level of Zstandard, 1 to 19, for [`RecordForm::Block`]. A block that is being filled takes about 1.4 MiB of
    /// memory at level 1, 3.6 MiB at level 3, 5.3 MiB at level 5, 15 MiB at level 9.
    #[must_use]
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = level.clamp(1, 19);
        self
    }
}

/// How much a [`RecordDecoder`](crate::envelope::RecordDecoder) takes.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    pub(super) limit: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { limit: Self::LIMIT }
    }
}

impl DecodeOptions {
    /// How many bytes the data of one record may decompress to unless set otherwise: 64 MiB.
    pub const LIMIT: usize = 64 << 20;

    /// The usual limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes all compressed parts of one record may decompress to. Memory stays below twice that.
    #[must_use]
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}
