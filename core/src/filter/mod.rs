//! Which rows are wanted, and whose clock is meant: what reports, conversions and live pages have in common.

mod zone;

pub use zone::{Zone, ZoneClock};
