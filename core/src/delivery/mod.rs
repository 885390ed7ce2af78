//! What gets records into Kinesis without losing one: packing requests, pacing, retries, what is acknowledged.
//!
//! The [`Engine`] is a state machine. It opens no connection, reads no clock and starts no thread: a transport asks it
//! what to do, does it, and says how it went.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use nasalogs::delivery::{Engine, Options, Outcome, RecordOutcome, ShardMap, Step};
//! use nasalogs::envelope::{SourceId, Span, StreamRecord};
//!
//! let start = Instant::now();
//! let mut engine = Engine::new(Options::default(), ShardMap::even(2))?;
//! let source = SourceId(7);
//! for at in 0..3 {
//!     let record = StreamRecord {
//!         data: "a line\n".into(),
//!         partition_key: format!("key {at}"),
//!         explicit_hash_key: None,
//!         span: Span { source, begin: at * 7, end: at * 7 + 7, lines: 1 },
//!     };
//!     engine.offer(start.elapsed(), record).expect("there is room");
//! }
//! engine.drain();
//! while !engine.is_empty() {
//!     match engine.next(start.elapsed()) {
//!         Step::Send(request) => {
//!             // Here the transport puts `request.records()`, and makes this of the answer:
//!             let stored = RecordOutcome::Stored { shard: String::new(), sequence: "1".into() };
//!             let results = vec![stored; request.records().len()];
//!             engine.complete(request.id(), start.elapsed(), Outcome::Answered(results))?;
//!         }
//!         Step::Wait(until) => std::thread::sleep(until.saturating_sub(start.elapsed())),
//!         step => panic!("{step:?}"),
//!     }
//! }
//! assert_eq!(engine.acknowledged(source), Some(21));
//! assert_eq!(engine.stats(start.elapsed()).requests, 1);
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! # What it promises
//! - A record that was taken is stored, or given back ([`Step::GaveUp`], [`Step::Displaced`],
//!   [`Engine::take_waiting`]). [`Engine::acknowledged`] never runs ahead of what is stored: read on from there, and
//!   nothing is lost.
//! - Only what failed is sent again. What may be stored twice is counted, line by line: lines of which an attempt ended in
//!   the unknown.
//! - A shard that is slow, or refuses, delays no other. A shard that refuses is sent less, and by and by more again.
//! - With [`Options::ordered`], the records of a shard are stored in the order in which they were offered, and those of a
//!   partition key even while the shards change. (A copy of an uncertain record may come late: it is a duplicate, and goes
//!   with the others when duplicates are removed.)
//! - Memory is bounded by [`Options::buffer_bytes`] and one record.
//! - It never asks to be called again at once without having something to send.
//!
//! # What it takes from the caller
//! - The client's own retries are off.
//! - Sources are [begun](Engine::begin) where reading resumes, and bytes that need no delivery are
//!   [skipped](Engine::skip): of what nobody spoke, nothing is assumed. A caller that holds lines back, to pack them, and
//!   offers records of later lines before, resumes at the lower of what it holds and [`Engine::acknowledged`].
//! - When [`Engine::is_stale`], shards are listed and [set](Engine::set_shards).

mod ack;
mod backoff;
mod batch;
mod bucket;
mod complete;
pub mod cost;
mod engine;
mod lane;
mod options;
mod request;
mod reshard;
mod shard;
mod stats;

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use bucket::Rate;
pub use engine::Engine;
pub use options::Options;
pub use request::{Outcome, RecordOutcome, Refusal, Refused, Request, Returned, Step};
pub use shard::{Shard, ShardMap};
pub use stats::{ShardStats, Stats};
