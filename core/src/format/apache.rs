//! Apache `LogFormat` strings.
use super::LogFormat;
use crate::error::Result;

pub(super) fn parse(_text: &str) -> Result<LogFormat> {
    unreachable!()
}
