//! Ctrl-C while Rust works.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use nasalogs::{Error, ErrorKind, Result};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Python acts on signals in its main thread alone; elsewhere there is nothing to ask for.
static MAIN: OnceLock<Option<ThreadId>> = OnceLock::new();

/// Notes which thread is Python's main one, if this is it.
pub fn remember_main_thread(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    let is_main = threading.call_method0("current_thread")?.is(threading.call_method0("main_thread")?);
    MAIN.get_or_init(|| is_main.then(|| std::thread::current().id()));
    Ok(())
}

/// How often it is worth to look: attaching to the interpreter can take as long as another thread lets it.
const EVERY: Duration = Duration::from_millis(20);

/// Runs the handlers of signals that have come, from code that is detached from the interpreter. Cheap to call often.
///
/// # Errors
/// What a handler raised: `KeyboardInterrupt` mostly.
pub fn check() -> Result<()> {
    if MAIN.get().copied().flatten() != Some(std::thread::current().id()) {
        return Ok(());
    }
    thread_local! {
        static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    if LOOKED.get().is_some_and(|looked| looked.elapsed() < EVERY) {
        return Ok(());
    }
    LOOKED.set(Some(Instant::now()));
    Python::attach(|py| py.check_signals()).map_err(interrupted)
}

/// Sets an interrupt anew, to be raised when control is back in Python: its exception does not get through a foreign reader
/// of a stream, which makes its own of every error.
pub fn interrupt_again() {
    Python::attach(|py| {
        static INTERRUPT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let interrupt = INTERRUPT.import(py, "_thread", "interrupt_main");
        // Without it the foreign reader's error is all there is.
        let _ = interrupt.and_then(|interrupt| interrupt.call0());
    });
}

fn interrupted(error: PyErr) -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted").with_source(error)
}

/// What an interrupted run raises when no handler has raised anything.
pub fn keyboard_interrupt() -> PyErr {
    PyKeyboardInterrupt::new_err(())
}
