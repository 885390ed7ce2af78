//! A log that can be read, and the readings of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use nasalogs::{
    Error, ErrorKind, MaxRejects, Named, Naming, ReaderBuilder, Reject, Result, StringType, Summary, schema,
};

use crate::choice::{Choices, OnReject};
use crate::error;
use crate::input::Inputs;
use crate::signal;

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
        let (schema, format) = (pass.schema.clone(), pass.summary()?.format);
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

    /// The names that columns get.
    pub fn naming(&self) -> &Naming {
        &self.choices.naming
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
        if *pass.schema() != schema::with_strings(&self.schema, strings) {
            return Err(Error::new(
                ErrorKind::Format,
                "the inputs are no longer in the format that they were in",
            )
            .with_hint("call read() again, or name the format"));
        }
        lock(&self.state).latest = Arc::clone(&pass);
        Ok(pass)
    }
}

/// One reading of a log, from its start to its end.
pub struct Pass {
    reading: Mutex<Reading>,
    /// The thread that is reading: what it calls in Python must not read on, or ask for an account.
    busy: AtomicUsize,
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
        let mut builder = ReaderBuilder::new()
            .with_options(options)
            .with_jobs(run.jobs)
            .with_max_rejects(run.max_rejects)
            .with_watch(signal::check);
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
        let reading = Mutex::new(Reading::Open(Box::new(reader)));
        Ok(Self { reading, busy: AtomicUsize::new(0), schema, named, kept, strict })
    }

    /// The same, not yet begun, with another layout of strings.
    fn with_strings(&self, strings: StringType, choices: &Choices) -> Result<Self> {
        let taken = std::mem::replace(&mut *lock(&self.reading), Reading::Ended(Box::default()));
        match taken {
            Reading::Open(reader) => {
                let kept = Arc::clone(&self.kept);
                Self::new(reader.with_strings(strings)?, choices, kept, self.strict)
            }
            Reading::Ended(_) => Err(Error::new(ErrorKind::Options, "the reading has ended")),
        }
    }

    /// The reading, for this thread alone, unless it has it already.
    fn hold(&self) -> Result<Held<'_>> {
        let me = this_thread();
        if self.busy.load(Ordering::Relaxed) == me {
            return Err(Error::new(ErrorKind::Options, "the reader is used by what it calls itself")
                .with_hint("do not use it in on_reject, or in the read() of a file object"));
        }
        let reading = lock(&self.reading);
        self.busy.store(me, Ordering::Relaxed);
        Ok(Held { busy: &self.busy, reading })
    }

    /// The next batch. Called detached.
    ///
    /// # Errors
    /// As [`nasalogs::Reader::next_batch`]; at the end also when lines were rejected and none is to be.
    pub fn next(&self) -> Result<Option<RecordBatch>> {
        let mut held = self.hold()?;
        let Reading::Open(reader) = &mut *held.reading else { return Ok(None) };
        let next = reader.next_batch();
        let next = match (next, &self.named) {
            (Ok(Some(batch)), Some(named)) => named.apply(&batch).map(Some),
            (next, _) => next,
        };
        if matches!(next, Ok(Some(_))) {
            return next;
        }
        let summary = reader.summary();
        let rejected = summary.rejected;
        *held.reading = Reading::Ended(Box::new(summary));
        match (next, lock(&self.kept).first()) {
            (Ok(None), Some(first)) if self.strict && rejected > 0 => Err(error::rejected(first.clone())),
            (next, _) => next,
        }
    }

    /// The account so far. Called detached.
    ///
    /// # Errors
    /// [`ErrorKind::Options`] when it is asked for by what the reading itself has called.
    pub fn summary(&self) -> Result<Summary> {
        Ok(match &*self.hold()?.reading {
            Reading::Open(reader) => reader.summary(),
            Reading::Ended(summary) => summary.as_ref().clone(),
        })
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

/// A reading that one thread has.
struct Held<'a> {
    busy: &'a AtomicUsize,
    reading: MutexGuard<'a, Reading>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.busy.store(0, Ordering::Relaxed);
    }
}

/// A number for this thread, never 0: where something of its own lies.
fn this_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
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
