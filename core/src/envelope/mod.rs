//! How lines travel in the records of a stream.

mod record;

pub use record::{LineId, SourceId, Span, StreamRecord};
