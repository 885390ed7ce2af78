//! Web server access logs to Arrow record batches, at the speed of memory.

#![deny(unsafe_code)]

mod error;
pub mod field;
pub mod format;
#[cfg(feature = "generate")]
pub mod generate;
mod options;
mod parse;
mod reject;
pub mod schema;
#[cfg(feature = "sink")]
pub mod sink;
pub mod source;

pub use error::{Error, ErrorKind, Result};
pub use format::{Detection, LogFormat};
pub use options::{Encoding, Extras, ParseOptions, StringType};
pub use reject::{Reject, RejectCounts, RejectReason};

pub use arrow;
