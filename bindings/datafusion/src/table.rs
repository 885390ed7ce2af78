//! The table.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatchReader;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use nasalogs::source::{Source, expand};
use nasalogs::{LogFormat, ParseOptions, ReaderBuilder, Result, StringType};

use crate::account::{Ledger, Summary};
use crate::exec::LogExec;
use crate::input::{LogInput, Looked, deal};
use crate::scan::Scan;

/// Logs as a table of DataFusion.
///
/// Its columns are those that a [`Reader`](nasalogs::Reader) of the same inputs gives: where the formats of files
/// differ, those of the widest, with nulls where a file has not the column. Files are opened anew for every query, which
/// sees what has been written by then; a pipe can be read by one query only.
pub struct LogTable {
    inputs: Vec<Arc<LogInput>>,
    schema: SchemaRef,
    format: LogFormat,
    options: ParseOptions,
    smallest: u64,
    ledger: Arc<Ledger>,
}

impl LogTable {
    /// Opens a log, or all logs that match a pattern, with detected format and default options.
    ///
    /// # Errors
    /// As [`LogTableBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Arc<Self>> {
        LogTableBuilder::new().open([path.as_ref()])
    }

    /// What queries have read so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.ledger.summary()
    }

    /// What queries have read since this was last asked.
    #[must_use]
    pub fn take_summary(&self) -> Summary {
        self.ledger.take()
    }

    /// Waits until no thread reads for a query any more, or for so long, and says whether none does: a query that had enough
    /// early, or was dropped, is over before its threads have seen that, and the summary is complete when they have.
    /// Blocks.
    #[must_use]
    pub fn wait(&self, most: Duration) -> bool {
        self.ledger.wait(most)
    }

    /// The format; of several, the one with the most columns.
    #[must_use]
    pub fn format(&self) -> &LogFormat {
        &self.format
    }

    /// The columns that a scan has to parse, in the order of the table: those that are wanted and those of the
    /// conditions.
    fn needed(&self, projection: &[usize], filter: Option<&Expr>) -> Vec<usize> {
        let names = filter.map(Expr::column_refs).unwrap_or_default();
        let is_needed = |index: &usize| {
            projection.contains(index)
                || names.iter().any(|column| column.name == *self.schema.field(*index).name())
        };
        (0..self.schema.fields().len()).filter(is_needed).collect()
    }
}

/// Makes a [`LogTable`].
///
/// ```
/// use nasalogs::{LogFormat, ParseOptions, source::Source};
/// use nasalogs_datafusion::LogTableBuilder;
/// # fn main() -> Result<(), nasalogs::Error> {
/// let table = LogTableBuilder::new()
///     .with_options(ParseOptions::new().with_format(LogFormat::combined()))
///     .open_sources(vec![Source::memory("")])?;
/// assert_eq!(table.format(), &LogFormat::combined());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LogTableBuilder {
    options: ParseOptions,
    smallest: u64,
}

impl Default for LogTableBuilder {
    fn default() -> Self {
        Self { options: ParseOptions::new().with_strings(Self::STRINGS), smallest: Self::PIECE }
    }
}

impl LogTableBuilder {
    /// The default layout of strings: the fastest to group by, of those that DataFusion takes (`benches/sql.sh`).
    pub const STRINGS: StringType = StringType::Utf8;

    /// The default size of the smallest piece: 1 MiB.
    pub const PIECE: u64 = 1 << 20;

    /// The defaults: detected format, all its columns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How to parse. The columns of the options are those of the table.
    #[must_use]
    pub fn with_options(mut self, options: ParseOptions) -> Self {
        self.options = options;
        self
    }

    /// The smallest piece of a plain file that is worth a thread of its own, in bytes.
    #[must_use]
    pub fn with_piece(mut self, bytes: u64) -> Self {
        self.smallest = bytes.max(1);
        self
    }

    /// Opens paths, globs, or `-` for standard input. Blocks: it reads the beginning of each to detect its format.
    ///
    /// # Errors
    /// As [`ReaderBuilder::open`].
    pub fn open<P: AsRef<OsStr>>(self, patterns: impl IntoIterator<Item = P>) -> Result<Arc<LogTable>> {
        let sources = expand(patterns)?;
        self.open_sources(sources)
    }

    /// Opens sources. Those that cannot be opened again are for one query.
    ///
    /// # Errors
    /// As [`ReaderBuilder::open`].
    pub fn open_sources(self, sources: Vec<Source>) -> Result<Arc<LogTable>> {
        let Self { options, smallest } = self;
        let mut looked = Vec::with_capacity(sources.len());
        let mut samples = Vec::with_capacity(sources.len());
        for source in sources {
            let (found, sample) = Looked::new(source, options.format.is_some())?;
            looked.push(found);
            samples.push(sample);
        }
        let reader = ReaderBuilder::new().with_options(options.clone()).with_jobs(1).open_sources(samples)?;
        let schema = reader.schema();
        let summary = reader.summary();
        let format = summary.format.unwrap_or_else(LogFormat::common);
        // In the order of the inputs; one in which there is nothing to tell by is missing.
        let mut detections = summary.detections.into_iter().peekable();
        let inputs = looked.into_iter().enumerate().map(|(number, input)| {
            let own = detections.next_if(|(name, _)| name.as_ref() == input.name());
            let own = own.map_or_else(|| format.clone(), |(_, detection)| detection.format);
            Arc::new(input.with_format(number, own))
        });
        Ok(Arc::new(LogTable {
            inputs: inputs.collect(),
            schema,
            format: format.clone(),
            options,
            smallest,
            ledger: Arc::default(),
        }))
    }
}

/// An error of ours on its way through DataFusion.
pub(crate) fn external(error: nasalogs::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A limit up to this is met by the first lines, which one thread reads sooner than others start.
const FEW: usize = 100_000;

#[async_trait]
impl TableProvider for LogTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // Whatever DataFusion can judge is judged here by its own expression, so it need not be judged again. What
        // gives another answer every time is left above, where it is asked as often as the query says.
        Ok(filters
            .iter()
            .map(|filter| match filter.is_volatile() {
                true => TableProviderFilterPushDown::Unsupported,
                false => TableProviderFilterPushDown::Exact,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let filter = conjunction(filters.iter().cloned());
        let indices = self.needed(projection, filter.as_ref());
        let needed: SchemaRef = Arc::new(self.schema.project(&indices)?);
        let filter = match filter {
            Some(filter) => {
                let columns = DFSchema::try_from(Schema::clone(&needed))?;
                Some(state.create_physical_expr(filter, &columns)?)
            }
            None => None,
        };
        let is_numbered =
            needed.fields().iter().any(|field| matches!(field.name().as_str(), "line" | "byte_offset"));
        // The first lines are what is expected of a bare limit.
        let is_few = filter.is_none() && limit.is_some_and(|limit| limit <= FEW);
        let partitions = if is_few { 1 } else { state.config().target_partitions() };
        let smallest = (!is_numbered && !is_few).then_some(self.smallest);
        let inputs = self.inputs.clone();
        let dealt = tokio::task::spawn_blocking(move || deal(&inputs, partitions, smallest))
            .await
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
            .map_err(external)?;
        let keep = projection.iter().map(|index| indices.binary_search(index).unwrap_or_default()).collect();
        let output = Arc::new(self.schema.project(projection)?);
        let scan = Scan { options: self.options.clone(), needed, output, keep, filter, limit };
        Ok(Arc::new(LogExec::new(scan, dealt, Arc::clone(&self.ledger))))
    }
}

impl fmt::Debug for LogTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogTable")
            .field("inputs", &self.inputs.len())
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
