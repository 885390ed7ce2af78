//! What statements run in: threads, memory, tables.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nasalogs::{Error, ErrorKind, Result};
use nasalogs_datafusion::datafusion::common::DataFusionError;
use nasalogs_datafusion::datafusion::config::Dialect;
use nasalogs_datafusion::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use nasalogs_datafusion::datafusion::execution::runtime_env::RuntimeEnvBuilder;
use nasalogs_datafusion::datafusion::prelude::{SessionConfig, SessionContext};
use nasalogs_datafusion::datafusion::sql::parser::Statement;
use nasalogs_datafusion::{LogTable, Summary, register_athena};
use tokio::runtime::Runtime;

use super::{Args, place, table};
use crate::memory;

/// How long a query that is over may take to stop reading.
const PATIENCE: Duration = Duration::from_millis(500);

/// Threads, memory, tables.
pub struct Session {
    pub ctx: SessionContext,
    runtime: Option<Runtime>,
    /// The tables that are logs, by name.
    logs: BTreeMap<String, Arc<LogTable>>,
    rejected: u64,
}

impl Session {
    /// Starts the threads.
    ///
    /// # Errors
    /// When none can be had.
    pub fn start(args: &Args) -> Result<Self> {
        let jobs =
            args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(jobs)
            .enable_all()
            .thread_name("nasalogs-sql")
            .build()
            .map_err(|error| Error::new(ErrorKind::Io, format!("threads cannot be started: {error}")))?;
        let ctx = context(args, jobs).map_err(|error| place::explain(error, ""))?;
        Ok(Self { ctx, runtime: Some(runtime), logs: BTreeMap::new(), rejected: 0 })
    }

    /// Waits for something.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("it is there until the session is dropped").block_on(future)
    }

    /// Adds a table.
    ///
    /// # Errors
    /// When an input cannot be opened, or the inputs do not go together.
    pub fn add(&mut self, name: &str, paths: &[PathBuf], args: &Args) -> Result<()> {
        let reference = place::quoted(name);
        match table::open(self, paths, args)? {
            table::Opened::Logs(table) => {
                self.logs.insert(name.to_owned(), Arc::clone(&table));
                self.ctx.register_table(reference, table)
            }
            table::Opened::Parquet(table) => self.ctx.register_table(reference, table),
        }
        .map_err(|error| place::explain(error, ""))?;
        Ok(())
    }

    /// Whether a table is asked for.
    pub fn mentions(&self, statements: &[Statement], name: &str) -> bool {
        let state = self.ctx.state();
        statements.iter().any(|statement| {
            let tables = state.resolve_table_references(statement).unwrap_or_default();
            tables.iter().any(|table| table.table() == name && table.schema().is_none())
        })
    }

    /// The names of all tables and views.
    pub fn tables(&self) -> Vec<String> {
        let schema = self.ctx.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        let mut names = schema.map(|schema| schema.table_names()).unwrap_or_default();
        names.sort();
        names
    }

    /// What has been read of each table that is logs, since this was last asked.
    pub fn take_summaries(&mut self) -> Vec<(String, Summary)> {
        for table in self.logs.values() {
            // A thread that waits for a pipe may take its time.
            let _ = table.wait(PATIENCE);
        }
        let summaries: Vec<(String, Summary)> = self
            .logs
            .iter()
            .map(|(name, table)| (name.clone(), table.take_summary()))
            .filter(|(_, summary)| summary.scans > 0)
            .collect();
        self.rejected += summaries.iter().map(|(_, summary)| summary.rejected()).sum::<u64>();
        summaries
    }

    /// Lines that were rejected, as far as summaries were taken.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }
}

impl Drop for Session {
    /// A thread that waits for a pipe is left to itself.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn context(args: &Args, jobs: usize) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new().with_target_partitions(jobs).with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.dialect = Dialect::Generic;
    // As Athena and DuckDB have it, in both directions.
    options.sql_parser.default_null_ordering = "nulls_last".to_owned();
    options.execution.time_zone = Some("UTC".to_owned());
    // The rest is the parser's, and what DataFusion does not count.
    let bytes = args.max_memory.unwrap_or_else(|| memory::total() / 10 * 6);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let top = NonZeroUsize::new(3).expect("three is not zero");
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), top);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool));
    let mut ctx = SessionContext::new_with_config_rt(config, runtime.build_arc()?);
    register_athena(&mut ctx)?;
    Ok(ctx)
}
