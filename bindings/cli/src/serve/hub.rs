//! What the counting thread and the handlers of requests share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use tokio::sync::{broadcast, oneshot};

/// How many readers there may be.
const MOST_READERS: usize = 256;
/// How many events wait for a reader that is slow, of all readers together: half a minute.
const WAITING: usize = 128;

/// What was published last, in finished form.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    /// The report as JSON.
    pub(super) report: Bytes,
    /// Its events, for a reader that comes or has missed some.
    pub(super) greeting: Bytes,
    /// All but the number of readers of `/metrics`.
    pub(super) metrics: String,
}

/// Asks for the cube; the answer is JSON.
pub(super) type Question = oneshot::Sender<Bytes>;

/// What both share. The locks are held for as long as a pointer takes to be copied.
#[derive(Debug)]
pub(super) struct Hub {
    published: Mutex<Arc<Published>>,
    /// Gone when the program ends, and so are the readers then.
    events: Mutex<Option<broadcast::Sender<Bytes>>>,
    questions: Mutex<mpsc::Sender<Question>>,
    readers: AtomicUsize,
}

impl Hub {
    /// One, and where questions come out.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Question>) {
        let (sender, questions) = mpsc::channel();
        let hub = Self {
            published: Mutex::default(),
            events: Mutex::new(Some(broadcast::Sender::new(WAITING))),
            questions: Mutex::new(sender),
            readers: AtomicUsize::new(0),
        };
        (Arc::new(hub), questions)
    }

    /// What was published last.
    pub(super) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells all readers, and publishes what they know then: who comes meanwhile gets either the events or what holds after
    /// them.
    pub(super) fn turn(&self, news: Vec<Bytes>, published: Published) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = &*events {
            for event in news {
                // Where nobody listens nothing is lost.
                let _ = events.send(event);
            }
        }
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
    }

    /// Tells all readers.
    pub(super) fn tell(&self, event: Bytes) {
        if let Some(events) = &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            // Where nobody listens nothing is lost.
            let _ = events.send(event);
        }
    }

    /// The end: no more events.
    pub(super) fn end(&self) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Asks for the cube.
    pub(super) fn ask(&self) -> oneshot::Receiver<Bytes> {
        let (question, answer) = oneshot::channel();
        // Where the counting has ended, the question is dropped, and so is the answer.
        let _ = self.questions.lock().unwrap_or_else(PoisonError::into_inner).send(question);
        answer
    }

    /// One more reader; `None` when there are as many as there may be, or at the end.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Reader> {
        let (events, greeting) = self.join()?;
        let reader = Reader { hub: Arc::clone(self), events, greeting };
        // Counted back when it is dropped.
        (self.readers.fetch_add(1, Ordering::Relaxed) < MOST_READERS).then_some(reader)
    }

    /// The events from now on, and what has to be known before them.
    fn join(&self) -> Option<(broadcast::Receiver<Bytes>, Bytes)> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let events = events.as_ref()?.subscribe();
        Some((events, self.published().greeting.clone()))
    }

    /// How many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }
}

/// A page that is open somewhere.
pub(super) struct Reader {
    hub: Arc<Hub>,
    events: broadcast::Receiver<Bytes>,
    greeting: Bytes,
}

impl Reader {
    /// What a reader that knows nothing has to know.
    pub(super) fn greeting(&self) -> Bytes {
        self.greeting.clone()
    }

    /// The next event; `None` at the end. A reader that has missed some begins anew.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        match self.events.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => {
                (self.events, self.greeting) = self.hub.join()?;
                Some(self.greeting())
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.hub.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An event as it is sent; `data` is one line of JSON.
pub(super) fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_readers_begin_anew() {
        let (hub, _questions) = Hub::new();
        hub.turn(Vec::new(), Published { greeting: "hello".into(), ..Published::default() });
        let mut reader = hub.enter().unwrap();
        for _ in 0..=WAITING {
            hub.tell("event".into());
        }
        hub.turn(vec!["last".into()], Published { greeting: "now".into(), ..Published::default() });
        // What came before the greeting is in it.
        assert_eq!(reader.next().await.unwrap(), "now");
        hub.tell("event".into());
        assert_eq!(reader.next().await.unwrap(), "event");
        hub.end();
        assert!(reader.next().await.is_none() && hub.enter().is_none());
    }

    #[test]
    fn there_are_only_so_many_readers() {
        let (hub, _questions) = Hub::new();
        let mut readers: Vec<Reader> = (0..MOST_READERS).map(|_| hub.enter().unwrap()).collect();
        assert!(hub.enter().is_none() && hub.enter().is_none());
        assert_eq!(hub.readers(), MOST_READERS);
        readers.pop();
        assert!(hub.enter().is_some());
    }
}
