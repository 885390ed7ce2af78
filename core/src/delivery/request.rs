//! What goes out, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use crate::envelope::StreamRecord;

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Put these records, in one request, and say how it went.
    Send(Request),
    /// Nothing can be done before this time, unless something is offered or completed.
    Wait(Duration),
    /// Nothing can be done until something is offered or completed: nothing waits, or as many requests as may be are
    /// under way.
    Idle,
    /// These records are of no use in the shards that there are now: list the shards, take the records apart, and offer
    /// what is in them again. See [`Options::reaggregate`](crate::delivery::Options::reaggregate).
    Displaced(Vec<Returned>),
    /// These records were sent as often as they may be. They are not acknowledged. Once they are safe elsewhere, say so
    /// with [`Engine::skip`](crate::delivery::Engine::skip).
    GaveUp(Vec<Returned>),
    /// A request failed for good ([`Outcome::Fatal`]). Nothing was lost: either
    /// [`Engine::resume`](crate::delivery::Engine::resume), or
    /// [`Engine::take_waiting`](crate::delivery::Engine::take_waiting) and bring the records to safety.
    Stopped,
}

/// Records to be put in one `PutRecords` (or the only one, in `PutRecord`), without the client retrying by itself: that
/// would duplicate in silence.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) id: u64,
    pub(super) records: Arc<Vec<StreamRecord>>,
    pub(super) bytes: usize,
}

impl Request {
    /// What [`Engine::complete`](crate::delivery::Engine::complete) wants to know it by.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The records, in the order of the results. Drop the request before completing it, and nothing has to be copied.
    #[must_use]
    pub fn records(&self) -> &[StreamRecord] {
        &self.records
    }

    /// Data and partition keys, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There was an answer with a result for each record, in the order of the request.
    Answered(Vec<RecordOutcome>),
    /// The request as a whole was refused as too much (`LimitExceededException`,
    /// `ProvisionedThroughputExceededException`): nothing of it was stored.
    Throttled,
    /// The request did not leave: no connection, no name, no credentials yet. Nothing of it was stored.
    NotSent,
    /// Nobody knows: a timeout, a connection lost before the answer, a status of 500 or more. What was stored before will
    /// be stored again.
    Unknown,
    /// The request was refused and will be again: no such stream, no permission, not valid. Nothing of it was stored, and
    /// nothing more is sent.
    Fatal,
}

/// How one record of a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Stored.
    Stored {
        /// The shard's name.
        shard: String,
        /// The sequence number: decimal, of up to 56 digits and more; numbers compare by length, then as text.
        sequence: String,
    },
    /// `ProvisionedThroughputExceededException`: not stored.
    Throttled,
    /// `InternalFailure`: nobody knows whether it was stored.
    Internal,
}

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no room: offer it again after the next completion.
    Full,
    /// Displaced records have to be offered again before newer ones: offer it after them. See [`Step::Displaced`].
    Unsettled,
    /// The record is larger than the stream takes.
    TooLarge {
        /// What it counts, in bytes.
        size: usize,
        /// What it may count.
        limit: usize,
    },
    /// The partition key does not have from 1 to 256 characters.
    PartitionKey,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("the buffer is full"),
            Self::Unsettled => f.write_str("displaced records have to be offered first"),
            Self::TooLarge { size, limit } => {
                write!(f, "a record of {size} bytes, and the stream takes {limit}")
            }
            Self::PartitionKey => f.write_str("a partition key has from 1 to 256 characters"),
        }
    }
}

/// A record that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The record, as it was.
    pub record: Box<StreamRecord>,
    /// Why.
    pub reason: Refusal,
}

/// A record that the caller has back. Its lines are not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The record.
    pub record: StreamRecord,
    /// How often it was sent.
    pub attempts: u32,
    /// Whether it may have been stored all the same: it counts as possibly duplicated.
    pub uncertain: bool,
}
