//! What happened, in numbers: traffic, popular URLs, busy hosts, errors.
//!
//! A [`Tally`] counts batches, one for each thread ([`Tallies`]); tallies are merged, and [`Tally::report`] gives the [`Report`], which is
//! what `nasalogs report` prints. A [`Cube`] is what the reader of its page filters: it is filled in a second pass, when it is
//! known which names are worth to be told from each other.
//!
//! ```
//! use nasalogs::report::{Account, ReportOptions, Tally};
//! use nasalogs::{Decoder, ParseOptions};
//!
//! let mut decoder = Decoder::new(ParseOptions::new())?;
//! decoder.push(b"h - - [01/Jul/1995:00:00:01 -0400] \"GET /a HTTP/1.0\" 404 5\n")?;
//! decoder.finish()?;
//! let mut tally = Tally::new(&ReportOptions::new());
//! while let Some(batch) = decoder.next_batch() {
//!     tally.push(&batch)?;
//! }
//! let report = tally.report(&Account::default(), 10);
//! assert_eq!((report.requests, report.client_errors), (1, 1));
//! assert_eq!(report.urls.rows[0].name, "/a");
//! # Ok::<(), nasalogs::Error>(())
//! ```

mod answer;
mod columns;
mod crew;
mod cube;
mod dictionary;
mod html;
mod label;
mod last;
mod markdown;
mod option;
mod popular;
mod tally;
mod terminal;
mod traffic;
mod uniques;

pub use answer::{
    Account, Bound, Bucket, Lines, Measure, Names, Peak, Peaks, Period, Rejected, Report, Row, Size,
    StatusRow, Time,
};
pub use crew::{Cubes, Tallies};
pub use cube::{
    Cube, CubeDelta, CubeMeta, CubeOptions, CubeSnapshot, EncodedCube, LiveCube, NewNames, SampleMeta,
};
pub use html::{html, live_html};
pub use label::{grouped, size};
pub use last::{LastRequest, last};
pub use markdown::markdown;
pub use option::ReportOptions;
pub use tally::Tally;
pub use terminal::{TerminalOptions, terminal};

/// The columns that a report is made of. `ts` has to be there; what else a log does not have, its report does not have.
pub const COLUMNS: [&str; 10] =
    ["host", "ts", "tz_offset", "method", "path", "protocol", "status", "bytes", "referer", "user_agent"];

#[cfg(test)]
mod tests;
