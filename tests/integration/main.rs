//! One integration binary.

mod golden;
