//! Stage 2: from positions to columns.

pub(crate) mod line;
