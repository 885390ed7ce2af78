//! What carries requests to a stream, as far as the delivery knows.

use std::time::Duration;

use nasalogs::delivery::{Outcome, Request, ShardMap};
use nasalogs::{Error, Result};

/// Carries requests. Each that was [put](Self::put) ends in one [`Event::Put`], or all of them in [`Event::Gone`].
pub trait Transport {
    /// Sends a request, and does not wait for its answer.
    fn put(&mut self, request: Request);

    /// Asks for the shards, and does not wait for the answer.
    fn list_shards(&mut self);

    /// The next event, for which it waits at most so long.
    fn wait(&mut self, longest: Duration) -> Option<Event>;
}

/// What came back.
#[derive(Debug)]
pub enum Event {
    /// How a request went.
    Put {
        /// The request's.
        id: u64,
        /// What it means for the records.
        outcome: Outcome,
        /// What was wrong, for people.
        trouble: Option<Error>,
    },
    /// The open shards.
    Shards(Result<ShardMap>),
    /// Whatever carried requests has ended: nothing is carried any more, and nothing else comes.
    Gone,
}
