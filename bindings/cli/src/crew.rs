//! Several threads for many things that are mostly waited for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nasalogs::{Error, ErrorKind, Result};

/// How many things are done at once.
const CREW: usize = 8;

/// Does something with each of some things, and gives what came of it, in their order.
///
/// # Errors
/// One of those that there were; what has not been begun by then is left.
pub fn each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(things.len()));
    let task = || -> Result<()> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(thing) = things.get(at) else { return Ok(()) };
            let outcome = work(thing).inspect_err(|_| next.store(things.len(), Ordering::Relaxed))?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
        }
    };
    std::thread::scope(|scope| {
        let crew: Vec<_> = (0..CREW.min(things.len())).map(|_| scope.spawn(task)).collect();
        crew.into_iter().try_for_each(|member| {
            member.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Io, "a thread broke off")))
        })
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_in_order() {
        let things: Vec<usize> = (0..100).collect();
        assert_eq!(each(&things, |thing| Ok(thing * 2)).unwrap(), (0..200).step_by(2).collect::<Vec<_>>());
        let fails = |thing: &usize| {
            if *thing == 50 { Err(Error::new(ErrorKind::Io, "no")) } else { Ok(()) }
        };
        assert_eq!(each(&things, fails).unwrap_err().message(), "no");
        assert!(each(&[0; 0], fails).unwrap().is_empty());
    }
}
