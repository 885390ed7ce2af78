//! Web server access logs as tables of Apache DataFusion: SQL over raw logs.
//!
//! ```
//! use datafusion::prelude::SessionContext;
//! use nasalogs_datafusion::LogTable;
//! # #[tokio::main(flavor = "multi_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("access.log");
//! # std::fs::write(&path, "h - - [01/Jul/1995:00:00:01 -0400] \"GET / HTTP/1.0\" 404 5\noops\n")?;
//! let ctx = SessionContext::new();
//! let logs = LogTable::open(&path)?;
//! ctx.register_table("logs", logs.clone())?;
//! let answer = ctx.sql("SELECT path, count(*) AS hits FROM logs WHERE status = 404 GROUP BY path").await?;
//! assert_eq!(answer.collect().await?[0].num_rows(), 1);
//! assert_eq!((logs.summary().rows, logs.summary().rejected()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! Columns that a query does not name are checked and not built; its conditions are judged right behind the parser, on
//! the thread that parsed; a plain file is read by as many threads as DataFusion has partitions, each from a line end on.
//! Rows come in no order: say `ORDER BY`. Memory is bounded by threads and chunks, whatever the size of a file, and a
//! query that is dropped stops reading.
//!
//! Lines that are no rows are counted by reason: [`LogTable::summary`].

#![forbid(unsafe_code)]

mod account;
mod athena;
mod exec;
mod input;
mod scan;
mod table;

pub use account::{FirstReject, Summary};
pub use athena::register_athena;
pub use datafusion;
pub use table::{LogTable, LogTableBuilder};
