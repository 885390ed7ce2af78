//! Pure functions from the bytes of one field to its value. They know neither lines nor Arrow.

pub mod number;
pub mod request;
pub mod text;
pub mod time;
