//! How lines travel in the records of a stream, both ways.
//!
//! A [`RecordEncoder`] packs lines into [`StreamRecord`]s in one of four [`RecordForm`]s; a [`RecordDecoder`] unpacks
//! whatever a stream holds, these and others, told apart by their bytes. Neither does I/O.
//!
//! Every line has a [`LineId`], by which one that was sent twice is known. Where the id travels:
//!
//! | form | id |
//! |---|---|
//! | `raw` | the partition key, unless one was chosen: then nowhere |
//! | `ndjson` | the field `line_id` |
//! | `kpl` | the id of the first line of a run, and the lengths; see [`kpl`] |
//! | `block` | the id of the first line, the lengths, and the gaps; see [`block`] |
//!
//! A raw line that could be taken for something else (compressed data, one of our JSON objects) is sent as a block of
//! one line, so that every line arrives as it was.
//!
//! ```
//! use nasalogs::envelope::{EncodeOptions, Item, Line, LineId, RecordDecoder, RecordEncoder, RecordForm, SourceId};
//! let id = LineId { source: SourceId(7), offset: 0 };
//! let mut encoder = RecordEncoder::new(EncodeOptions::new(RecordForm::Block));
//! encoder.push(Line { bytes: b"a line", id, end: 7, key: None })?;
//! encoder.flush();
//! let record = encoder.next_record().expect("one line is a record");
//! let mut lines = 0;
//! RecordDecoder::default().decode(&record.data, &record.partition_key, &mut |item| match item {
//!     Item::Line { bytes, id: found } => {
//!         assert_eq!((bytes, found), (&b"a line"[..], Some(id)));
//!         lines += 1;
//!     }
//!     other => panic!("no line: {other:?}"),
//! });
//! assert_eq!(lines, 1);
//! # Ok::<(), nasalogs::envelope::Refusal>(())
//! ```

#[cfg(feature = "envelope")]
pub mod block;
mod column;
#[cfg(feature = "envelope")]
mod decode;
#[cfg(feature = "envelope")]
mod encode;
#[cfg(feature = "envelope")]
mod json;
#[cfg(feature = "envelope")]
pub mod kpl;
#[cfg(feature = "envelope")]
mod ndjson;
#[cfg(feature = "envelope")]
mod option;
#[cfg(feature = "envelope")]
mod raw;
mod record;
#[cfg(all(test, feature = "envelope"))]
mod tests;

pub use column::LineIdColumn;
#[cfg(feature = "envelope")]
pub use decode::{Item, Packing, RecordDecoder};
#[cfg(feature = "envelope")]
pub use encode::{Line, RecordEncoder, Refusal, hash_key, partition_key};
#[cfg(feature = "envelope")]
pub use json::JsonRecord;
#[cfg(feature = "intake")]
pub(crate) use json::JsonScratch;
#[cfg(feature = "envelope")]
pub use option::{DecodeOptions, EncodeOptions, RecordForm};
pub use record::{LineId, SourceId, Span, StreamRecord};
