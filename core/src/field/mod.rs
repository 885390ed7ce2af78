//! Pure functions from the bytes of one field to its value. They know neither lines nor Arrow.

#[cfg(any(feature = "sink", feature = "envelope"))]
pub(crate) mod date;
pub mod number;
pub mod request;
pub mod text;
pub mod time;
