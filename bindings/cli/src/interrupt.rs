//! Ctrl-C and its like. Asked once, a run stops between two batches; one that cannot, because it waits for input, is
//! ended from here. Asked twice, it ends at once. Unfinished files are removed in each case.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nasalogs::{Error, ErrorKind, Result};

use crate::{exit, message};

/// How long a run may take to stop by itself.
const GRACE: Duration = Duration::from_millis(300);

/// Whether someone asked to stop, and what has to be cleaned up then. Clones are the same.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: Arc<AtomicBool>,
    /// The output is in its place: too late to stop.
    done: AtomicBool,
    /// The run stops in its own time when it is asked once.
    patient: AtomicBool,
    said: AtomicBool,
    held: Mutex<Vec<Box<dyn Release>>>,
}

impl Stop {
    /// Listens to SIGINT, SIGTERM and SIGHUP (Ctrl-C and the closing of the window elsewhere).
    pub fn install() -> Result<Self> {
        let stop = Self::default();
        let asked = stop.clone();
        ctrlc::set_handler(move || asked.ask())
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot listen to Ctrl-C: {error}")))?;
        Ok(stop)
    }

    /// The flag itself, for those who look at it in their own time.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.asked)
    }

    /// An error when someone asked.
    pub fn check(&self) -> Result<()> {
        if self.0.asked.load(Ordering::Relaxed) { Err(interrupted()) } else { Ok(()) }
    }

    /// Asked once, the run stops in its own time, however long that takes; asked twice, it ends at once as ever.
    pub fn be_patient(&self) {
        self.0.patient.store(true, Ordering::Relaxed);
    }

    /// Asked once from now on, the run ends as ever; and whoever asked before has been heard.
    #[cfg(feature = "sql")]
    pub fn be_prompt(&self) {
        self.0.patient.store(false, Ordering::Relaxed);
        self.0.asked.store(false, Ordering::Relaxed);
    }

    /// The output is in its place: whoever asks from now on is too late.
    pub fn disarm(&self) {
        self.0.done.store(true, Ordering::Relaxed);
    }

    /// Says it, unless it has been said.
    pub fn say(&self) {
        if !self.0.said.swap(true, Ordering::Relaxed) {
            // Who stops in their own time removes nothing, and goes on from what is saved.
            let is_patient = self.0.patient.load(Ordering::Relaxed);
            message::error(if is_patient {
                "interrupted"
            } else {
                "interrupted; unfinished files were removed"
            });
        }
    }

    /// Says that it was said.
    pub fn said(&self) {
        self.0.said.store(true, Ordering::Relaxed);
    }

    fn ask(&self) {
        if self.0.asked.swap(true, Ordering::Relaxed) {
            self.end(true);
        }
        if self.0.patient.load(Ordering::Relaxed) {
            return;
        }
        let stop = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            stop.end(false);
        });
    }

    /// Removes whatever is unfinished.
    pub fn clean(&self) {
        self.release(false);
    }

    fn release(&self, at_once: bool) {
        for held in self.0.held.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            held.release(at_once);
        }
    }

    /// Ends the process from outside the run.
    fn end(&self, at_once: bool) {
        self.release(at_once);
        if !self.0.done.load(Ordering::Relaxed) {
            self.say();
            std::process::exit(exit::INTERRUPTED.into());
        }
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted")
}

/// Something unfinished, which cleans up after itself when it is dropped, and which the end of the run may take away.
pub struct Held<T>(Arc<Mutex<Option<T>>>);

trait Release: Send {
    /// Drops what is held, as soon as nobody uses it; or only if nobody does.
    fn release(&self, at_once: bool);
}

impl<T: Send> Release for Held<T> {
    fn release(&self, at_once: bool) {
        let held = if at_once { self.0.try_lock().ok() } else { self.0.lock().ok() };
        drop(held.and_then(|mut held| held.take()));
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Held<T> {
    /// Holds something until it is finished.
    pub fn new(value: T, stop: &Stop) -> Self {
        let held = Self(Arc::new(Mutex::new(Some(value))));
        stop.0.held.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(held.clone()));
        held
    }

    /// Uses it.
    ///
    /// # Errors
    /// Those of the use, or that it was taken away.
    pub fn with<R>(&self, usage: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage(held.as_mut().ok_or_else(interrupted)?)
    }

    /// Finishes it: nobody can take it away meanwhile.
    ///
    /// # Errors
    /// As [`Held::with`].
    pub fn finish<R>(&self, finish: impl FnOnce(T) -> Result<R>) -> Result<R> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        finish(held.take().ok_or_else(interrupted)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_cannot_be_used() {
        let stop = Stop::default();
        let held = Held::new(vec![1], &stop);
        held.with(|list| {
            list.push(2);
            Ok(())
        })
        .unwrap();
        held.release(true);
        assert_eq!(held.with(|_| Ok(())).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(held.finish(Ok).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(Held::new(3, &stop).finish(Ok).unwrap(), 3);
    }
}
