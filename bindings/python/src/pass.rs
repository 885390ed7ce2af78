//! A log that can be read, and the readings of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use nasalogs::{Error, ErrorKind, MaxRejects, Named, ReaderBuilder, Reject, Result, StringType, Summary};

use crate::choice::{Choices, OnReject};
use crate::error;
use crate::input::Inputs;

/// Inputs and how to read them. Opened at once, so that a missing file is an error where it was named; then each consumer
/// reads it from the start.
pub struct Log {
    inputs: Inputs,
    choices: Choices,
    run: Run,
    /// The reading that was begun to learn the schema, until somebody takes it; and the one that was taken last.
    state: Mutex<State>,
    schema: SchemaRef,
    format: Option<nasalogs::LogFormat>,
}

struct State {
    fresh: Option<Arc<Pass>>,
    latest: Arc<Pass>,
}

/// What else a log is read with.
pub struct Run {
    pub jobs: usize,
    pub on_reject: OnReject,
    pub max_rejects: MaxRejects,
    /// Whether a rejected line is an error at the end.
    pub strict: bool,
}

impl Log {
    /// Opens the inputs and detects their format. Called detached.
    ///
    /// # Errors
    /// As [`ReaderBuilder::open_sources`] and [`Inputs::sources`] have them.
    pub fn open(inputs: Inputs, choices: Choices, run: Run) -> Result<Self> {
        let pass = Arc::new(Pass::open(&inputs, &choices, &run, choices.options.strings)?);
        let (schema, format) = (pass.schema.clone(), pass.summary().format);
        let state = State { fresh: Some(Arc::clone(&pass)), latest: pass };
        Ok(Self { inputs, choices, run, state: Mutex::new(state), schema, format })
    }

    /// The schema with the layout of strings that was chosen.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The format; of several, the one with the most columns.
    pub fn format(&self) -> Option<&nasalogs::LogFormat> {
        self.format.as_ref()
    }

    /// The layout of strings that was chosen.
    pub fn strings(&self) -> StringType {
        self.choices.options.strings
    }

    /// The account of the latest reading.
    pub fn latest(&self) -> Arc<Pass> {
        Arc::clone(&lock(&self.state).latest)
    }

    /// The rejected lines that the latest reading has collected.
    pub fn rejects(&self) -> Vec<Reject> {
        match self.run.on_reject {
            OnReject::Collect => lock(&self.latest().kept).clone(),
            _ => Vec::new(),
        }
    }

    /// A reading of one's own, from the start. Called detached.
    ///
    /// # Errors
    /// As [`Log::open`]; also when the inputs can be read only once, and were.
    pub fn begin(&self, strings: StringType) -> Result<Arc<Pass>> {
        let fresh = lock(&self.state).fresh.take();
        let pass = match fresh {
            Some(pass) if strings == self.strings() => pass,
            Some(pass) => Arc::new(pass.with_strings(strings, &self.choices)?),
            None => Arc::new(Pass::open(&self.inputs, &self.choices, &self.run, strings)?),
        };
        lock(&self.state).latest = Arc::clone(&pass);
        Ok(pass)
    }
}

/// One reading of a log, from its start to its end.
pub struct Pass {
    reading: Mutex<Reading>,
    schema: SchemaRef,
    named: Option<Named>,
    kept: Arc<Mutex<Vec<Reject>>>,
    strict: bool,
}

enum Reading {
    Open(Box<nasalogs::Reader>),
    Ended(Box<Summary>),
}

impl Pass {
    fn open(inputs: &Inputs, choices: &Choices, run: &Run, strings: StringType) -> Result<Self> {
        let options = choices.options.clone().with_strings(strings);
        let kept: Arc<Mutex<Vec<Reject>>> = Arc::default();
        let mut builder =
            ReaderBuilder::new().with_options(options).with_jobs(run.jobs).with_max_rejects(run.max_rejects);
        if run.strict || !matches!(run.on_reject, OnReject::Count) {
            builder = builder.with_rejects(listener(&run.on_reject, Arc::clone(&kept)));
        }
        let reader = builder.open_sources(inputs.sources()?)?;
        Self::new(reader, choices, kept, run.strict)
    }

    fn new(
        reader: nasalogs::Reader,
        choices: &Choices,
        kept: Arc<Mutex<Vec<Reject>>>,
        strict: bool,
    ) -> Result<Self> {
        let named = choices.naming.bind(&reader.schema())?;
        let schema = named.schema();
        let named = (!choices.naming.is_plain()).then_some(named);
        Ok(Self { reading: Mutex::new(Reading::Open(Box::new(reader))), schema, named, kept, strict })
    }

    /// The same, not yet begun, with another layout of strings.
    fn with_strings(&self, strings: StringType, choices: &Choices) -> Result<Self> {
        let taken = std::mem::replace(&mut *lock(&self.reading), Reading::Ended(Box::default()));
        match taken {
            Reading::Open(reader) => {
                Self::new(reader.with_strings(strings)?, choices, Arc::clone(&self.kept), self.strict)
            }
            Reading::Ended(_) => Err(Error::new(ErrorKind::Options, "the reading has ended")),
        }
    }

    /// The next batch, after a look whether someone wants to stop. Called detached.
    ///
    /// # Errors
    /// As [`nasalogs::Reader::next_batch`]; at the end also when lines were rejected and none is to be.
    pub fn next(&self, check: fn() -> Result<()>) -> Result<Option<RecordBatch>> {
        let mut reading = lock(&self.reading);
        let Reading::Open(reader) = &mut *reading else { return Ok(None) };
        let next = check().and_then(|()| reader.next_batch());
        let next = match (next, &self.named) {
            (Ok(Some(batch)), Some(named)) => named.apply(&batch).map(Some),
            (next, _) => next,
        };
        if matches!(next, Ok(Some(_))) {
            return next;
        }
        let summary = reader.summary();
        let rejected = summary.rejected;
        *reading = Reading::Ended(Box::new(summary));
        match (next, lock(&self.kept).first()) {
            (Ok(None), Some(first)) if self.strict && rejected > 0 => Err(error::rejected(first.clone())),
            (next, _) => next,
        }
    }

    /// The account so far. Called detached.
    pub fn summary(&self) -> Summary {
        match &*lock(&self.reading) {
            Reading::Open(reader) => reader.summary(),
            Reading::Ended(summary) => summary.as_ref().clone(),
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// What is done with each rejected line. Where only the first is needed, only it is kept.
fn listener(
    on_reject: &OnReject,
    kept: Arc<Mutex<Vec<Reject>>>,
) -> Box<dyn FnMut(Reject) -> Result<()> + Send> {
    let keep = move |reject: Reject, all: bool| {
        let mut kept = lock(&kept);
        if all || kept.is_empty() {
            kept.push(reject);
        }
    };
    match on_reject {
        OnReject::Collect | OnReject::Count => {
            let all = matches!(on_reject, OnReject::Collect);
            Box::new(move |reject| {
                keep(reject, all);
                Ok(())
            })
        }
        OnReject::Raise => Box::new(|reject| Err(error::rejected(reject))),
        OnReject::Call(function) => {
            let function = pyo3::Python::attach(|py| function.clone_ref(py));
            Box::new(move |reject| {
                keep(reject.clone(), false);
                OnReject::call(&function, reject)
            })
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
