//! Events of Lambda: the records of a stream, as Python has them, to a table.

mod delivery;
mod record;
mod reject;

pub use delivery::{KinesisBatch, parse_kinesis_event};
pub use reject::StreamReject;
