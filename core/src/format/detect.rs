//! Which format a sample of lines is in.

use super::LogFormat;
use crate::error::Result;

/// What detection found, and how sure it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detection {
    /// The format.
    pub format: LogFormat,
    /// The share of the lines looked at that fit it, from 0 to 1.
    pub confidence: f64,
    /// How many lines that are not blank were looked at.
    pub lines: usize,
    /// How many of them fit.
    pub fits: usize,
}

impl LogFormat {
    /// Finds the built-in format of a sample, the more specific first.
    ///
    /// # Errors
    /// [`ErrorKind::NoRows`](crate::ErrorKind::NoRows) when lines were seen and none fits any format.
    pub fn detect(_sample: &[u8]) -> Result<Detection> {
        unreachable!()
    }
}
