//! Web server access logs to Arrow record batches, with every line accounted for.
//!
//! Every line becomes a row, or a [`Reject`] that says why not, or is blank, and the three add up. Formats are the usual
//! ones of Apache and nginx, detected or named, and any `LogFormat` or `log_format` string ([`LogFormat`]). What a line
//! means is written down rule by rule in `docs/format.md` of the repository; [`schema`] has the columns,
//! [`format::directives`] what each directive and variable becomes.
//!
//! # Which one to take
//! The lowest step that does what is needed; all give the same rows and rejects.
//!
//! **A line at a time**, borrowed, without Arrow: [`records`], [`LogFormat::records`], [`LogFormat::parse_line`].
//!
//! ```
//! let log = b"192.0.2.1 - - [01/Jul/1995:00:00:01 -0400] \"GET /a?b HTTP/1.0\" 200 5\nnonsense\n";
//! for line in nasalogs::records(log) {
//!     match line {
//!         Ok(record) => assert_eq!((record.path(), record.bytes()), (Some(&b"/a"[..]), Some(5))),
//!         Err(reject) => assert_eq!((reject.line, reject.reason.as_str()), (2, "missing_field")),
//!     }
//! }
//! ```
//!
//! **Bytes in, batches out**, whoever reads them: [`Decoder`]. It does no I/O and starts no thread.
//!
//! ```
//! use nasalogs::{Decoder, ParseOptions};
//! let mut decoder = Decoder::new(ParseOptions::new().with_columns(["ts", "status"]))?;
//! let mut bytes: &[u8] = b"h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\n";
//! while !bytes.is_empty() {
//!     let used = decoder.push(bytes)?;
//!     bytes = &bytes[used..];
//!     while let Some(batch) = decoder.next_batch() {
//!         println!("{} rows", batch.num_rows());
//!     }
//! }
//! decoder.finish()?;
//! let last = decoder.next_batch().expect("what was left");
//! assert_eq!((last.num_columns(), decoder.counts().rows), (2, 1));
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! **Files, patterns, pipes**, decompressed, parsed in parallel, in order, in bounded memory: [`ReaderBuilder`] makes a
//! [`Reader`], which is an Arrow [`RecordBatchReader`](arrow::array::RecordBatchReader).
//!
//! ```
//! use nasalogs::{LogFormat, ParseOptions, ReaderBuilder};
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("access.log");
//! # std::fs::write(&path, "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 200 5\noops\n").unwrap();
//! let mut reader = ReaderBuilder::new()
//!     .with_options(ParseOptions::new().with_format(LogFormat::common()))
//!     .with_rejects(|reject| {
//!         eprintln!("{reject}");
//!         Ok(())
//!     })
//!     .open([&path])?;
//! while let Some(batch) = reader.next_batch()? {
//!     println!("{} rows", batch.num_rows());
//! }
//! let summary = reader.summary();
//! assert_eq!((summary.lines, summary.rows, summary.rejected), (2, 1, 1));
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! **One call**, everything detected: [`read_batches`].
//!
//! ```no_run
//! let rows: usize = nasalogs::read_batches("logs/access.log.*.gz")?.map(|batch| batch.unwrap().num_rows()).sum();
//! # Ok::<(), nasalogs::Error>(())
//! ```
//!
//! **And out again**: [`sink`] writes batches to Parquet, Arrow IPC, NDJSON or CSV; to a file, to a table partitioned by
//! day, or to a stream. Nothing is visible before it is complete.
//!
//! # Things to know
//! - String columns are views into the chunk that was read ([`StringType::View`]): nothing is copied, and a column keeps
//!   its chunk, 512 KiB unless set otherwise, alive. Where batches are kept for long, or go to a consumer that knows no
//!   views, choose [`StringType::Compact`] or [`StringType::Utf8`].
//! - Bytes that are not UTF-8 lose no row: [`Encoding`] says what becomes of them.
//! - A projection ([`ParseOptions::with_columns`]) saves the work of building columns, and changes neither rows nor
//!   rejects.
//! - An [`Error`] ends a run and says what, where, and what to do; a [`Reject`] is a line, and ends nothing.
//! - The SIMD [`Backend`] is chosen at run time; the environment variable `NASALOGS_SIMD` forces one.
//!
//! # Allocator
//! Batches are large and short-lived. glibc's malloc gives their pages back to the system and faults them in again for the
//! next one, which costs more than half of the speed. Programs (not libraries) should set another allocator:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
//! # fn main() {}
//! ```
//!
//! # Features
//! All are on by default. Without any, there is still the parser: [`records`], [`Decoder`], and [`Reader`] on one thread
//! and on plain inputs.
//!
//! | feature | what it adds |
//! |---|---|
//! | `parallel` | chunks are parsed, and Parquet columns encoded, on several threads |
//! | `gzip`, `zstd`, `bzip2`, `xz` | inputs compressed so |
//! | `parquet`, `ipc`, `ndjson`, `csv` | outputs, each with `sink` |
//! | `sink` | the module [`sink`]: atomic files, partitions |
//! | `envelope` | the rest of the module [`envelope`]: lines packed into the records of a stream, and unpacked |
//! | `generate` | the module [`generate`]: traffic that looks like NASA's of 1995 |
//! | `intake` | the module [`intake`]: records of a stream to rows |
//! | `ddl` | the module [`ddl`]: the table that the files are, for Athena, Glue, CloudFormation, Spark and DuckDB |
//! | `lake` | the module [`lake`]: the files of a table merged, and looked at |
//! | `filter` | the module [`filter`]: rows chosen by time, status, method, path and host; time zones |
//! | `report` | the module [`report`]: what happened, in numbers |
//! | `delivery` | the module [`delivery`]: what gets records into Kinesis without losing one |

#![deny(unsafe_code)]

pub mod bench;
mod chunk;
mod column;
#[cfg(feature = "ddl")]
pub mod ddl;
mod decoder;
#[cfg(feature = "delivery")]
pub mod delivery;
pub mod envelope;
mod error;
pub mod field;
#[cfg(feature = "filter")]
pub mod filter;
pub mod format;
#[cfg(feature = "generate")]
pub mod generate;
mod index;
#[cfg(feature = "intake")]
pub mod intake;
#[cfg(feature = "lake")]
pub mod lake;
mod naming;
mod options;
mod parse;
mod reader;
mod record;
mod reject;
#[cfg(feature = "report")]
pub mod report;
pub mod schema;
mod simd;
#[cfg(feature = "sink")]
pub mod sink;
pub mod source;

pub use decoder::{Counts, Decoder};
pub use error::{Error, ErrorKind, Result};
pub use format::{Detection, LogFormat};
pub use naming::{Named, Names, Naming};
pub use options::{Encoding, Extras, ParseOptions, StringType};
pub use reader::{MaxRejects, Progress, Reader, ReaderBuilder, Summary, read_batches};
pub use record::{Record, Records, Value, records};
pub use reject::{Reject, RejectCounts, RejectReason};
pub use simd::Backend;

pub use arrow;

/// The examples of the README, which are tested as these are.
#[cfg(all(doctest, feature = "parquet"))]
#[doc = include_str!("../../README.md")]
struct Readme;
