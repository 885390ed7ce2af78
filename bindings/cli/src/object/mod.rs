//! Objects in S3, or in what speaks like it, as inputs and outputs. Everything waits: callers need no runtime.
//!
//! Reading asks for one range of an object after the other, each of which is tried again when the connection drops, so
//! that a read goes on where it was; the ranges must all be of one version of the object. Writing is done from files on
//! the disk: an object that is complete is put, in parts where it is more than 8 MiB, and what fails is aborted. Unless
//! it may replace what is there, an object is put under the condition that there is none (`If-None-Match: *`), which
//! the store checks at the moment in which the object becomes visible.
//!
//! Without the feature `aws` there are locations, and a word on which feature they need.

mod access;
#[cfg(feature = "aws")]
mod condition;
#[cfg(feature = "aws")]
mod credential;
#[cfg(feature = "aws")]
mod failure;
mod input;
mod location;
#[cfg(feature = "aws")]
mod output;
#[cfg(feature = "aws")]
mod read;
#[cfg(feature = "aws")]
pub mod store;
#[cfg(feature = "aws")]
mod upload;

pub use access::Access;
pub use input::expand;
#[cfg(not(feature = "aws"))]
pub(crate) use location::unsupported;
pub use location::{Location, is_remote};
#[cfg(feature = "aws")]
pub use output::sink;
#[cfg(feature = "aws")]
pub use upload::{Mode, Put};
