//! Ctrl-C while Rust works.

use std::sync::OnceLock;
use std::thread::ThreadId;

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

/// Runs the handlers of signals that have come, from code that is detached from the interpreter.
///
/// # Errors
/// What a handler raised: `KeyboardInterrupt` mostly.
pub fn check() -> Result<()> {
    if MAIN.get().copied().flatten() != Some(std::thread::current().id()) {
        return Ok(());
    }
    Python::attach(|py| py.check_signals()).map_err(interrupted)
}

/// As [`check`], where the exception could not get through, because a foreign reader of a stream makes its own of every
/// error: the interrupt is set anew, to be raised when control is back in Python.
pub fn check_for_others() -> Result<()> {
    check().inspect_err(|_| {
        Python::attach(|py| {
            static INTERRUPT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            let interrupt = INTERRUPT.import(py, "_thread", "interrupt_main");
            // Without it the foreign reader's error is all there is.
            let _ = interrupt.and_then(|interrupt| interrupt.call0());
        });
    })
}

fn interrupted(error: PyErr) -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted").with_source(error)
}

/// What an interrupted run raises when no handler has raised anything.
pub fn keyboard_interrupt() -> PyErr {
    PyKeyboardInterrupt::new_err(())
}
