//! Work that is done on the side.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Something that is worked out by whoever comes first: a thread of the pool with nothing else to do, or the one that
/// needs the result.
pub(super) struct Job<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

enum State<T> {
    Waiting(Box<dyn FnOnce() -> T + Send>),
    Running,
    Done(T),
}

impl<T: Send + 'static> Job<T> {
    /// Offers work to the current rayon pool, if it may.
    pub(super) fn start(parallel: bool, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let state = Mutex::new(State::Waiting(Box::new(work)));
        let shared = Arc::new(Shared { state, done: Condvar::new() });
        #[cfg(feature = "parallel")]
        if parallel {
            let shared = shared.clone();
            rayon::spawn(move || shared.run());
        }
        let _ = parallel;
        Self { shared }
    }

    /// Whether the result is there.
    pub(super) fn is_done(&self) -> bool {
        matches!(*self.shared.lock(), State::Done(_))
    }

    /// The result. Work that nobody has begun is done here: a pool whose threads all wait does not come to a halt.
    pub(super) fn finish(self) -> T {
        self.shared.run();
        let mut state = self.shared.lock();
        loop {
            match std::mem::replace(&mut *state, State::Running) {
                State::Done(result) => return result,
                other => *state = other,
            }
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Running) {
            State::Waiting(work) => {
                drop(state);
                let result = work();
                *self.lock() = State::Done(result);
                self.done.notify_all();
            }
            other => *state = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_does_it_once() {
        for parallel in [false, true] {
            let jobs: Vec<Job<usize>> = (0..100).map(|i| Job::start(parallel, move || i * i)).collect();
            for (i, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.finish(), i * i);
            }
        }
    }

    #[cfg(feature = "parallel")]
    #[test]
    fn a_thread_of_the_pool_can_wait_for_it() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| Job::start(true, || 7).finish()), 7);
    }
}
