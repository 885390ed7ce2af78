//! Web server access logs to Arrow record batches, at the speed of memory.

#![deny(unsafe_code)]

pub mod bench;
mod chunk;
mod column;
mod decoder;
mod error;
pub mod field;
pub mod format;
#[cfg(feature = "generate")]
pub mod generate;
mod index;
mod options;
mod parse;
mod reader;
mod record;
mod reject;
pub mod schema;
mod simd;
#[cfg(feature = "sink")]
pub mod sink;
pub mod source;

pub use decoder::{Counts, Decoder};
pub use error::{Error, ErrorKind, Result};
pub use format::{Detection, LogFormat};
pub use options::{Encoding, Extras, ParseOptions, StringType};
pub use reader::{MaxRejects, Progress, Reader, ReaderBuilder, Summary, read_batches};
pub use record::{Record, Records, Value, records};
pub use reject::{Reject, RejectCounts, RejectReason};
pub use simd::Backend;

pub use arrow;
