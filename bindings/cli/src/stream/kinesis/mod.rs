//! Kinesis over the network: a thread of its own carries the requests, several at a time.

mod connect;
mod outcome;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use nasalogs::delivery::{Outcome, Request, ShardMap};
use nasalogs::envelope::StreamRecord;
use nasalogs::{Error, ErrorKind, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::transport::{Event, Transport};

/// Which stream, and where.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its name or ARN.
    pub(super) stream: String,
    pub(super) endpoint_url: Option<String>,
    pub(super) region: Option<String>,
}

/// What the thread is asked to do.
enum Order {
    Put(Request),
    ListShards,
}

/// A stream that was reached.
pub(super) struct Kinesis {
    orders: UnboundedSender<Order>,
    events: Receiver<Event>,
}

impl Kinesis {
    /// Finds the stream and its open shards.
    ///
    /// # Errors
    /// [`ErrorKind::Delivery`] when it cannot be reached, or does not exist, or may not be used.
    pub(super) fn connect(place: Place) -> Result<(Self, ShardMap)> {
        let (orders, taken) = unbounded_channel();
        let (sender, events) = channel();
        std::thread::Builder::new()
            .name("kinesis".to_owned())
            .spawn(move || run(&place, taken, &sender))
            .map_err(|error| Error::io("a thread for the network", error))?;
        match events.recv() {
            Ok(Event::Shards(shards)) => Ok((Self { orders, events }, shards?)),
            _ => Err(Error::new(ErrorKind::Delivery, "the thread for the network ended")),
        }
    }
}

impl Transport for Kinesis {
    fn put(&mut self, request: Request) {
        // Where the thread is gone, `wait` tells.
        let _ = self.orders.send(Order::Put(request));
    }

    fn list_shards(&mut self) {
        let _ = self.orders.send(Order::ListShards);
    }

    fn wait(&mut self, longest: Duration) -> Option<Event> {
        match self.events.recv_timeout(longest) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Gone),
        }
    }
}

/// The thread: first the shards, then whatever is ordered, until nobody orders any more.
fn run(place: &Place, mut orders: UnboundedReceiver<Order>, events: &Sender<Event>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = events.send(Event::Shards(Err(Error::io("the network", error))));
            return;
        }
    };
    runtime.block_on(async {
        let stream = match connect::connect(place).await {
            Ok((stream, shards)) => {
                let _ = events.send(Event::Shards(Ok(shards)));
                stream
            }
            Err(error) => {
                let _ = events.send(Event::Shards(Err(error)));
                return;
            }
        };
        while let Some(order) = orders.recv().await {
            let (stream, events) = (stream.clone(), events.clone());
            let request = match &order {
                Order::Put(request) => Some(request.id()),
                Order::ListShards => None,
            };
            let task = tokio::spawn(async move {
                match order {
                    Order::Put(request) => stream.put(request).await,
                    Order::ListShards => Event::Shards(stream.list_shards().await),
                }
            });
            tokio::spawn(async move {
                // Nobody waits for it any more when the run has ended.
                let _ = events.send(answer(request, task).await);
            });
        }
    });
}

/// What came of an order: of a request, or of the question for shards. Whoever waits for it is told in any case.
async fn answer(request: Option<u64>, task: JoinHandle<Event>) -> Event {
    let error = match task.await {
        Ok(event) => return event,
        Err(error) => Error::new(ErrorKind::Delivery, format!("a request broke off: {error}")),
    };
    match request {
        Some(id) => Event::Put { id, outcome: Outcome::Unknown, trouble: Some(error) },
        None => Event::Shards(Err(error)),
    }
}

/// A stream, by whatever it is called.
#[derive(Debug, Clone)]
struct Stream {
    client: Client,
    name: Option<String>,
    arn: Option<String>,
    /// It and its place, for people.
    place: String,
}

impl Stream {
    fn new(client: Client, stream: &str, place: String) -> Self {
        let is_arn = stream.starts_with("arn:");
        let named = |wanted: bool| wanted.then(|| stream.to_owned());
        Self { client, name: named(!is_arn), arn: named(is_arn), place: format!("kinesis://{place}") }
    }

    /// Adds where it went wrong.
    fn locate(&self, error: Error) -> Error {
        error.with_file(self.place.clone())
    }

    async fn put(&self, request: Request) -> Event {
        let id = request.id();
        let entries: Result<Vec<_>, _> = request.records().iter().map(entry).collect();
        // From here on the records are the engine's alone: it need not copy those that failed.
        drop(request);
        let (outcome, trouble) = match entries {
            Ok(entries) => {
                let put = self.client.put_records().set_records(Some(entries));
                let put = put.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone());
                outcome::of(put.send().await)
            }
            Err(error) => (
                Outcome::Fatal,
                Some(Error::new(ErrorKind::Delivery, format!("a record is not valid: {error}"))),
            ),
        };
        Event::Put { id, outcome, trouble: trouble.map(|error| self.locate(error)) }
    }
}

fn entry(record: &StreamRecord) -> Result<PutRecordsRequestEntry, aws_sdk_kinesis::error::BuildError> {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(record.data.as_ref()))
        .partition_key(&record.partition_key)
        .set_explicit_hash_key(record.explicit_hash_key.map(|key| key.to_string()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_that_nobody_is_there() {
        let (orders, _) = unbounded_channel();
        let (sender, events) = channel();
        let mut kinesis = Kinesis { orders, events };
        assert!(kinesis.wait(Duration::ZERO).is_none());
        drop(sender);
        assert!(matches!(kinesis.wait(Duration::from_secs(3600)), Some(Event::Gone)));
    }

    #[test]
    fn a_request_that_breaks_off_has_an_answer() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let broken = |request| {
            runtime.block_on(async { answer(request, tokio::spawn(async { panic!("on purpose") })).await })
        };
        let Event::Put { id: 7, outcome: Outcome::Unknown, trouble: Some(trouble) } = broken(Some(7)) else {
            panic!("no answer to a request");
        };
        assert!(trouble.to_string().contains("broke off"), "{trouble}");
        assert!(matches!(broken(None), Event::Shards(Err(_))));
    }
}
