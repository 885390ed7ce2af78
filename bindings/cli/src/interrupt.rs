//! Ctrl-C and its like: asked once, a run stops between two batches and cleans up; asked twice, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nasalogs::{Error, ErrorKind, Result};

use crate::exit;

/// Whether someone asked to stop.
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// The flag itself, for those who look at it in their own time.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// An error when someone did.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(interrupted()) } else { Ok(()) }
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; no output was written")
}

/// Listens to SIGINT, SIGTERM and SIGHUP (Ctrl-C and closing of the window elsewhere).
pub fn install() -> Result<Stop> {
    let stop = Stop(Arc::default());
    let flag = Arc::clone(&stop.0);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(exit::INTERRUPTED.into());
        }
    })
    .map_err(|error| Error::new(ErrorKind::Io, format!("cannot listen to Ctrl-C: {error}")))?;
    Ok(stop)
}
