//! What one thread does: reads pieces, parses, keeps what the query wants.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result as DataFusionResult, exec_datafusion_err};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::BaselineMetrics;
use nasalogs::schema::EXTRA;
use nasalogs::{Error, ErrorKind, Extras, LogFormat, ParseOptions, Reader, ReaderBuilder, RejectReason};
use tokio::sync::mpsc::Sender;

use crate::account::{self, Ledger};
use crate::input::{Opened, Piece};
use crate::table::external;

/// What is read, and what is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) options: ParseOptions,
    /// The columns that are parsed.
    pub(crate) needed: SchemaRef,
    /// Those that are given.
    pub(crate) output: SchemaRef,
    /// Where they are among those that are parsed.
    pub(crate) keep: Vec<usize>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
    pub(crate) limit: Option<usize>,
}

/// What the threads of one scan share.
#[derive(Debug)]
pub(crate) struct Shared {
    ledger: Arc<Ledger>,
    number: u64,
    /// Rows given.
    given: AtomicUsize,
    /// Pieces that are not read to their end.
    open: AtomicUsize,
    any_row: AtomicBool,
}

impl Shared {
    pub(crate) fn new(ledger: Arc<Ledger>, pieces: usize) -> Self {
        let number = ledger.begin();
        Self {
            ledger,
            number,
            given: AtomicUsize::new(0),
            open: AtomicUsize::new(pieces),
            any_row: false.into(),
        }
    }
}

pub(crate) type BatchSender = Sender<DataFusionResult<RecordBatch>>;

/// Whether there is more to do.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    Enough,
}

/// Reads the pieces of a partition, one after the other.
///
/// # Errors
/// Those of the input, or of a condition that cannot be judged.
pub(crate) fn read(
    scan: &Scan,
    pieces: &[Piece],
    shared: &Shared,
    to: &BatchSender,
    metrics: &BaselineMetrics,
) -> DataFusionResult<()> {
    let _reading = shared.ledger.reading();
    for piece in pieces {
        let task = Task { scan, piece, shared, to, metrics };
        if task.run()? == Next::Enough {
            break;
        }
    }
    Ok(())
}

type Firsts = Arc<Mutex<BTreeMap<RejectReason, nasalogs::Reject>>>;

struct Task<'a> {
    scan: &'a Scan,
    piece: &'a Piece,
    shared: &'a Shared,
    to: &'a BatchSender,
    metrics: &'a BaselineMetrics,
}

impl Task<'_> {
    fn run(&self) -> DataFusionResult<Next> {
        if self.to.is_closed() || self.is_enough() {
            return Ok(Next::Enough);
        }
        let Opened { source, offset, lead } = self.piece.open().map_err(external)?;
        let firsts: Firsts = Arc::default();
        let names = self.names();
        let mut reader = self.reader(&names, &firsts).open_sources(vec![source]).map_err(external)?;
        let next = self.copy(&mut reader, &names);
        let is_whole = matches!(next, Ok(Next::More));
        self.enter(&reader, &firsts, offset, lead, is_whole);
        if is_whole {
            self.judge(&reader)?;
        }
        next
    }

    fn reader(&self, names: &[&str], firsts: &Firsts) -> ReaderBuilder {
        let options = self.scan.options.clone();
        let options = options
            .with_format(self.piece.input.format.clone())
            .with_columns(names.to_vec())
            .with_extras(Extras::default());
        let (firsts, to) = (Arc::clone(firsts), self.to.clone());
        ReaderBuilder::new()
            .with_options(options)
            .with_jobs(1)
            .with_rejects(move |reject| {
                let mut firsts = firsts.lock().unwrap_or_else(PoisonError::into_inner);
                firsts.entry(reject.reason).or_insert(reject);
                Ok(())
            })
            .with_watch(move || match to.is_closed() {
                true => Err(Error::new(ErrorKind::Interrupted, "nobody wants the rows any more")),
                false => Ok(()),
            })
    }

    /// The columns that the input has of those that are needed; one at least, to count rows by.
    fn names(&self) -> Vec<&str> {
        let format = &self.piece.input.format;
        let fields = self.scan.needed.fields();
        let names: Vec<&str> =
            fields.iter().map(|field| field.name().as_str()).filter(|name| has(format, name)).collect();
        if names.is_empty() { vec![cheapest(format)] } else { names }
    }

    fn copy(&self, reader: &mut Reader, names: &[&str]) -> DataFusionResult<Next> {
        loop {
            let timer = self.metrics.elapsed_compute().timer();
            let batch = match reader.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(Next::More),
                // Whether no line at all is a row, all pieces say together.
                Err(error) if error.kind() == ErrorKind::NoRows => return Ok(Next::More),
                Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Next::Enough),
                Err(error) => return Err(external(error)),
            };
            let batch = self.choose(&batch, names)?;
            timer.done();
            if batch.num_rows() == 0 {
                continue;
            }
            let Some(batch) = self.ration(batch) else { return Ok(Next::Enough) };
            self.metrics.record_output(batch.num_rows());
            if self.to.blocking_send(Ok(batch)).is_err() || self.is_enough() {
                return Ok(Next::Enough);
            }
        }
    }

    /// What the query wants of a batch.
    fn choose(&self, parsed: &RecordBatch, names: &[&str]) -> DataFusionResult<RecordBatch> {
        let Scan { needed, output, keep, filter, .. } = self.scan;
        let rows = parsed.num_rows();
        let column = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| -> ArrayRef {
            // They come in the order of the table, some missing.
            match names.get(index).filter(|name| *name == field.name()) {
                Some(_) => Arc::clone(parsed.column(index)),
                None => match names.iter().position(|name| name == field.name()) {
                    Some(place) => Arc::clone(parsed.column(place)),
                    None => new_null_array(field.data_type(), rows),
                },
            }
        };
        let columns: Vec<ArrayRef> = needed.fields().iter().enumerate().map(column).collect();
        let counted = RecordBatchOptions::new().with_row_count(Some(rows));
        let kept = match filter {
            None => None,
            Some(filter) => {
                let batch = RecordBatch::try_new_with_options(Arc::clone(needed), columns.clone(), &counted)?;
                let verdict = filter.evaluate(&batch)?.into_array(rows)?;
                let verdict = verdict
                    .as_boolean_opt()
                    .ok_or_else(|| exec_datafusion_err!("a condition is neither true nor false"))?;
                (verdict.true_count() < rows).then(|| verdict.clone())
            }
        };
        let columns = keep.iter().map(|&index| Arc::clone(&columns[index])).collect();
        let batch = RecordBatch::try_new_with_options(Arc::clone(output), columns, &counted)?;
        match kept {
            None => Ok(batch),
            Some(verdict) => thin(&batch, &verdict),
        }
    }

    /// No more rows than the limit, for all threads together.
    fn ration(&self, batch: RecordBatch) -> Option<RecordBatch> {
        let Some(limit) = self.scan.limit else { return Some(batch) };
        let before = self.shared.given.fetch_add(batch.num_rows(), Ordering::Relaxed);
        let rest = limit.saturating_sub(before);
        match rest {
            0 => None,
            _ => Some(batch.slice(0, rest.min(batch.num_rows()))),
        }
    }

    fn is_enough(&self) -> bool {
        self.scan.limit.is_some_and(|limit| self.shared.given.load(Ordering::Relaxed) >= limit)
    }

    fn enter(&self, reader: &Reader, firsts: &Firsts, offset: u64, lead: u64, whole: bool) {
        let summary = reader.summary();
        let mut firsts = std::mem::take(&mut *firsts.lock().unwrap_or_else(PoisonError::into_inner));
        // The line feed before the piece was a line of its own, once it was read.
        let lead = if summary.lines == 0 { 0 } else { lead };
        for reject in firsts.values_mut() {
            reject.line -= lead;
            reject.offset += offset;
        }
        if summary.rows > 0 {
            self.shared.any_row.store(true, Ordering::Relaxed);
        }
        let place = (self.shared.number, self.piece.input.number, self.piece.number);
        self.shared.ledger.enter(
            place,
            account::Piece {
                lines: summary.lines - lead,
                rows: summary.rows,
                blank: summary.blank - lead,
                rejects: summary.rejects,
                bytes_in: summary.bytes_in.saturating_sub(lead),
                bytes_parsed: summary.bytes_parsed.saturating_sub(lead),
                whole,
                firsts,
            },
        );
    }

    /// After the last piece: an error where lines were read and none is a row.
    fn judge(&self, reader: &Reader) -> DataFusionResult<()> {
        let is_last = self.shared.open.fetch_sub(1, Ordering::AcqRel) == 1;
        if !is_last || self.shared.any_row.load(Ordering::Acquire) {
            return Ok(());
        }
        let summary = self.shared.ledger.summary();
        match summary.first_rejects.first() {
            Some(first) if summary.rows == 0 => Err(external(no_rows(&summary, first, reader))),
            _ => Ok(()),
        }
    }
}

fn no_rows(summary: &account::Summary, first: &account::FirstReject, reader: &Reader) -> Error {
    let format = reader.summary().format.unwrap_or_else(LogFormat::common);
    let error = Error::new(
        ErrorKind::NoRows,
        format!(
            "none of {} lines is a row of the format {format}; the first is {} ({})",
            summary.rejected(),
            first.reason,
            first.reason.describe()
        ),
    )
    .with_offset(first.offset)
    .with_hint("name the format");
    match &first.file {
        Some(file) => error.with_file(file.as_ref()),
        None => error,
    }
}

/// The rows that a condition keeps. Where they are few, their text is copied, so that they do not keep the whole chunk.
fn thin(batch: &RecordBatch, verdict: &BooleanArray) -> DataFusionResult<RecordBatch> {
    let kept = filter_record_batch(batch, verdict)?;
    if kept.num_rows() * 2 >= batch.num_rows() {
        return Ok(kept);
    }
    let columns = kept.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    });
    let counted = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
    Ok(RecordBatch::try_new_with_options(kept.schema(), columns.collect(), &counted)?)
}

fn has(format: &LogFormat, name: &str) -> bool {
    format.columns().any(|column| column.name == name) || EXTRA.iter().any(|column| column.name == name)
}

/// A column that costs little to build.
fn cheapest(format: &LogFormat) -> &str {
    let columns = || format.columns().map(|column| column.name.as_ref());
    columns().find(|name| *name == "status").or_else(|| columns().next()).unwrap_or("line")
}
