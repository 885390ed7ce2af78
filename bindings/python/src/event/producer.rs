//! Delivery to a stream over a client that Python has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nasalogs::delivery::{Outcome, RecordOutcome, Request, Shard, ShardMap};
use nasalogs::envelope::StreamRecord;
use nasalogs::{Error, ErrorKind, Result};
use nasalogs_cli::interrupt::Stop;
use nasalogs_cli::stream::{Args, Event, Transport, refused};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::choice::raise;
use crate::error::{carry, exception};
use crate::signal;

/// How long a signal may wait until it is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How long a run may take to end that nobody asks any more.
const LEAVE: Duration = Duration::from_secs(5);

/// Records as boto3 takes them.
pub fn entries<'py>(py: Python<'py>, records: &[StreamRecord]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for record in records {
        let entry = PyDict::new(py);
        entry.set_item("Data", PyBytes::new(py, &record.data))?;
        entry.set_item("PartitionKey", &record.partition_key)?;
        if let Some(key) = record.explicit_hash_key {
            entry.set_item("ExplicitHashKey", key.to_string())?;
        }
        list.append(entry)?;
    }
    Ok(list)
}

/// A map of the shards that are open: name, first and last hash key of each.
pub fn shard_map(shards: Vec<(String, String, String)>) -> Result<ShardMap> {
    let number = |text: &str| {
        text.parse::<u128>().map_err(|_| {
            Error::new(ErrorKind::Options, format!("a hash key of a shard is no number: {text:?}"))
        })
    };
    let shards = shards
        .into_iter()
        .map(|(id, first, last)| Ok(Shard { id, first: number(&first)?, last: number(&last)? }));
    ShardMap::new(shards.collect::<Result<Vec<_>>>()?)
}

/// What Python has said about a request.
#[derive(FromPyObject)]
enum Said {
    /// Shard, sequence number and error code of each record.
    Answered(Vec<(Option<String>, Option<String>, Option<String>)>),
    /// Status, code and message of an error.
    Refused(u16, String, String),
    /// Whether it left, and what was wrong.
    Failed(bool, String),
}

impl Said {
    fn outcome(self) -> (Outcome, Option<Error>) {
        match self {
            Said::Answered(records) => {
                let mut trouble = None;
                let outcomes = records.into_iter().map(|(shard, sequence, code)| match code {
                    None => RecordOutcome::Stored {
                        shard: shard.unwrap_or_default(),
                        sequence: sequence.unwrap_or_default(),
                    },
                    Some(code) => {
                        let is_throttled = code == "ProvisionedThroughputExceededException";
                        trouble =
                            Some(Error::new(ErrorKind::Delivery, format!("a record was refused: {code}")));
                        if is_throttled { RecordOutcome::Throttled } else { RecordOutcome::Internal }
                    }
                });
                (Outcome::Answered(outcomes.collect()), trouble)
            }
            Said::Refused(status, code, message) => {
                let (outcome, trouble) = refused(status, &code, &message);
                (outcome, Some(trouble))
            }
            Said::Failed(left, text) => {
                let outcome = if left { Outcome::Unknown } else { Outcome::NotSent };
                (outcome, Some(Error::new(ErrorKind::Delivery, text)))
            }
        }
    }
}

enum Order {
    Put(Request),
    List,
}

/// Carries requests by calling Python, from threads of its own.
struct Client {
    orders: Sender<Order>,
    events: Receiver<Event>,
    stop: Stop,
    /// What a handler of a signal has raised.
    raised: Arc<Mutex<Option<Error>>>,
}

impl Client {
    fn start(put: Py<PyAny>, list: Py<PyAny>, threads: usize, stop: Stop) -> Result<Self> {
        let (orders, taken) = channel();
        let (sender, events) = channel();
        let (taken, calls) = (Arc::new(Mutex::new(taken)), Arc::new((put, list)));
        for _ in 0..threads.max(1) {
            let (taken, sender, calls) = (Arc::clone(&taken), sender.clone(), Arc::clone(&calls));
            let run = move || {
                loop {
                    let order = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let event = match order {
                        Ok(Order::Put(request)) => call_put(&calls.0, request),
                        Ok(Order::List) => Event::Shards(call_list(&calls.1)),
                        Err(_) => return,
                    };
                    if sender.send(event).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new()
                .name("nasalogs-put".to_owned())
                .spawn(run)
                .map_err(|error| Error::io("a thread for requests", error))?;
        }
        Ok(Self { orders, events, stop, raised: Arc::default() })
    }

    fn order(&self, order: Order) {
        // Where the threads are gone, `wait` tells.
        let _ = self.orders.send(order);
    }
}

impl Transport for Client {
    fn put(&mut self, request: Request) {
        self.order(Order::Put(request));
    }

    fn list_shards(&mut self) {
        self.order(Order::List);
    }

    fn wait(&mut self, longest: Duration) -> Option<Event> {
        if let Err(error) = signal::check() {
            // The run stops reading, delivers what it has read, and ends.
            self.raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stop.flag().store(true, Ordering::Relaxed);
        }
        // Longer waits come again.
        match self.events.recv_timeout(longest.min(LOOK)) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Gone),
        }
    }
}

fn call_put(put: &Py<PyAny>, request: Request) -> Event {
    let id = request.id();
    let said = Python::attach(|py| {
        let records = entries(py, request.records())?;
        // From here on the records are the engine's alone: it need not copy those that failed.
        drop(request);
        put.call1(py, (records,))?.extract::<Said>(py)
    });
    let (outcome, trouble) = match said {
        Ok(said) => said.outcome(),
        // What the service and the network do to a request was said; whatever else is raised is raised again.
        Err(error) => (Outcome::Fatal, Some(carry(error))),
    };
    Event::Put { id, outcome, trouble }
}

fn call_list(list: &Py<PyAny>) -> Result<ShardMap> {
    let shards = Python::attach(|py| list.call0(py)?.extract(py)).map_err(carry)?;
    shard_map(shards)
}

/// Delivers files over two functions of Python: one puts records, one lists shards. Gives the report, and the error that
/// ended the run before all was delivered.
///
/// Example:
///
///     >>> _ = nasalogs.generate(1000).write_to("access.log")
///     >>> sent = []
///     >>> def put(records):
///     ...     sent.extend(records)
///     ...     return [("shardId-0", "1", None)] * len(records)
///     >>> shards = [("shardId-0", "0", str(2**128 - 1))]
///     >>> words = ["access.log", "--to", "kinesis://web", "--no-checkpoint", "--quiet"]
///     >>> report, error = nasalogs._core.deliver(words, put, lambda: shards, 1)
///     >>> len(sent), error
///     (1000, None)
#[pyfunction]
pub fn deliver(
    py: Python<'_>,
    words: Vec<std::ffi::OsString>,
    put: Py<PyAny>,
    list_shards: Py<PyAny>,
    threads: usize,
) -> PyResult<(String, Option<Py<PyAny>>)> {
    let args = raise(py, Args::from_words(words))?;
    let shards = list_shards.call0(py)?.extract(py)?;
    let shards = raise(py, shard_map(shards))?;
    let stop = Stop::default();
    let client = raise(py, Client::start(put, list_shards, threads, stop.clone()))?;
    let raised = Arc::clone(&client.raised);
    let run = py.detach(|| nasalogs_cli::stream::deliver(&args, Box::new(client), shards, threads, &stop));
    stop.clean();
    let run = raise(py, run)?;
    if let Some(error) = raised.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(exception(py, error));
    }
    let error = run.error.map(|error| exception(py, error).into_value(py).into_any());
    Ok((run.report, error))
}

/// Requests of a run, for whoever sends them.
#[pyclass(frozen, module = "nasalogs._core")]
pub struct Requests {
    /// Each is answered when the next is asked for.
    requests: Mutex<Receiver<Request>>,
    answers: Mutex<Sender<u64>>,
    last: Mutex<Option<u64>>,
    run: Mutex<Option<std::thread::JoinHandle<Result<nasalogs_cli::stream::Delivery>>>>,
    gone: Arc<AtomicBool>,
}

/// Hands requests over, and is told which of them were taken.
struct Hand {
    requests: Sender<Request>,
    answers: Receiver<u64>,
    counts: std::collections::HashMap<u64, usize>,
    gone: Arc<AtomicBool>,
    stop: Stop,
}

impl Transport for Hand {
    fn put(&mut self, request: Request) {
        self.counts.insert(request.id(), request.records().len());
        let _ = self.requests.send(request);
    }

    fn list_shards(&mut self) {}

    fn wait(&mut self, longest: Duration) -> Option<Event> {
        if self.gone.load(Ordering::Relaxed) {
            self.stop.flag().store(true, Ordering::Relaxed);
            let id = self.counts.keys().next().copied()?;
            self.counts.remove(&id);
            return Some(Event::Put { id, outcome: Outcome::Fatal, trouble: None });
        }
        let id = self.answers.recv_timeout(longest.min(LOOK)).ok()?;
        let count = self.counts.remove(&id)?;
        let stored = RecordOutcome::Stored { shard: String::new(), sequence: String::new() };
        Some(Event::Put { id, outcome: Outcome::Answered(vec![stored; count]), trouble: None })
    }
}

/// The requests that would deliver files, one after the other, each a list of records for `put_records`.
///
/// Example:
///
///     >>> _ = nasalogs.generate(1200).write_to("access.log")
///     >>> words = ["access.log", "--to", "kinesis://web", "--no-checkpoint", "--quiet"]
///     >>> shards = [("shardId-0", "0", str(2**128 - 1))]
///     >>> [len(records) for records in nasalogs._core.requests(words, shards)]
///     [500, 500, 200]
#[pyfunction]
pub fn requests(
    py: Python<'_>,
    words: Vec<std::ffi::OsString>,
    shards: Vec<(String, String, String)>,
) -> PyResult<Requests> {
    let args = raise(py, Args::from_words(words))?;
    let shards = raise(py, shard_map(shards))?;
    let (sender, requests) = channel();
    let (answers, answered) = channel();
    let gone = Arc::new(AtomicBool::new(false));
    let stop = Stop::default();
    let hand = Hand {
        requests: sender,
        answers: answered,
        counts: std::collections::HashMap::new(),
        gone: Arc::clone(&gone),
        stop: stop.clone(),
    };
    let run = std::thread::Builder::new()
        .name("nasalogs-pack".to_owned())
        .spawn(move || nasalogs_cli::stream::pack(&args, Box::new(hand), shards, &stop))
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok(Requests {
        requests: Mutex::new(requests),
        answers: Mutex::new(answers),
        last: Mutex::default(),
        run: Mutex::new(Some(run)),
        gone,
    })
}

#[pymethods]
impl Requests {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let lock = |_| PyValueError::new_err("the requests are being asked for by another thread");
        let mut last = self.last.try_lock().map_err(|_| ()).map_err(lock)?;
        // Whoever asks for the next has taken the one before.
        if let Some(id) = last.take() {
            let _ = self.answers.lock().unwrap_or_else(PoisonError::into_inner).send(id);
        }
        let next = || self.requests.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK);
        loop {
            match py.detach(next) {
                Ok(request) => {
                    *last = Some(request.id());
                    return entries(py, request.records()).map(Some);
                }
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(run) = run else { return Ok(None) };
        let ended = py.detach(|| run.join());
        let ended = ended.map_err(|_| PyRuntimeError::new_err("the thread that packs records has ended"))?;
        match raise(py, ended)?.error {
            Some(error) => Err(exception(py, error)),
            None => Ok(None),
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        let run = self.run.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let Some(run) = run else { return };
        // So that its files and its checkpoint are free. Where it waits for the bytes of a pipe, it ends when they come.
        let end = || {
            let begun = Instant::now();
            while !run.is_finished() && begun.elapsed() < LEAVE {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        Python::attach(|py| py.detach(end));
    }
}
