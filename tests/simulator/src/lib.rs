//! A Kinesis endpoint for tests: it enforces the limits that the service has, and fails on demand.
//!
//! Public emulators take whatever is sent and always answer. A producer that is tested against one of them has never
//! been throttled, has never lost an acknowledgement, and has never seen a shard split. This one speaks the JSON
//! protocol of Kinesis (so that AWS SDKs work with it through an endpoint URL), keeps what it takes, and
//!
//! - enforces records and bytes a second for each shard, and the sizes of records and requests ([`Limits`]);
//! - fails, with probabilities and from a seed ([`Faults`]): throttles, fails with and without having stored, loses
//!   acknowledgements, cuts connections, stalls, re-shards, goes away for a while;
//! - refuses credentials ([`Account`]);
//! - shows all that was stored, and whether the client was told so.
//!
//! It is no AWS: no signatures are verified, records are never trimmed, reads are not limited, changes of shards
//! happen at once. The CBOR form of the protocol, which the SDK for Java uses, is not spoken.
//!
//! # As a program
//! ```text
//! nasalogs-simulator --stream traffic:4 --lose-ack 0.05 --throttle-record 0.1 --seed 7 --stop-with-stdin
//! listening on http://127.0.0.1:40123
//! ```
//! | path | |
//! |---|---|
//! | `POST /` | the protocol |
//! | `GET /_health` | `{"status":"ok"}` |
//! | `GET /_stats` | counters: requests, records, bytes, throttled, faults by kind, errors by type, and for each shard its rates |
//! | `GET /_records?stream=S` | all stored records, a line of JSON each: `shard`, `sequence`, `partition_key`, `size`, `arrival_ms`, `acknowledged`, and `data` (Base64) or `md5` |
//! | `GET /_control` | the [`Settings`] |
//! | `POST /_control` | a patch of them, such as `{"faults": {"lose_ack": 0.1}}`; answers with all |
//! | `POST /_control/down?ms=N` | refuse and cut connections for so long, but for the one that this came on |
//! | `POST /_control/up` | end that (over the same connection) |
//! | `POST /_control/reshard?stream=S` | split or merge at random; with `&shards=N`, scale to so many |
//! | `POST /_control/reset` | forget records and counters |
//!
//! # In a test
//! ```
//! use nasalogs_simulator::{Config, Simulator};
//!
//! let mut config = Config::default();
//! config.streams.push(("traffic".to_owned(), 2));
//! config.settings.faults.lose_ack = 0.1;
//! let simulator = Simulator::start(config)?;
//! assert!(simulator.url().starts_with("http://127.0.0.1:"));
//! assert_eq!(simulator.stats()["streams"]["traffic"]["open_shards"], 2);
//! assert_eq!(simulator.records("traffic"), "");
//! # Ok::<(), std::io::Error>(())
//! ```

mod control;
mod core;
mod credential;
mod error;
mod fault;
mod gate;
mod operation;
mod rate;
mod sequence;
mod server;
mod setting;
mod shard;
mod stream;

use std::future::IntoFuture;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

pub use setting::{Account, Credentials, Faults, Latency, Limits, Settings};
pub use stream::Keep;

use crate::core::{Clock, Core};
use crate::gate::{Gate, Outage, Wire, lock};
use crate::server::Endpoint;
use crate::stream::Stream;

/// What a simulator starts with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; port 0 for a free one.
    pub address: SocketAddr,
    /// How much is kept of what is stored.
    pub keep: Keep,
    /// Streams that are there from the start: names, and how many shards.
    pub streams: Vec<(String, usize)>,
    /// What can be changed later.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            keep: Keep::All,
            streams: Vec::new(),
            settings: Settings::default(),
        }
    }
}

/// A running simulator, on a thread of its own. It stops when this is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Listen, and answer from now on.
    ///
    /// # Errors
    /// When the settings are wrong or the address cannot be listened on.
    pub fn start(config: Config) -> io::Result<Self> {
        config.settings.check().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        let listener = TcpListener::bind(config.address)?;
        let address = listener.local_addr()?;
        let clock = Clock::new();
        let mut core = Core { settings: config.settings, ..Core::default() };
        for (name, shards) in config.streams {
            core.streams.insert(name.clone(), Stream::new(name, shards, clock.now()));
        }
        let endpoint = Arc::new(Endpoint {
            core: Mutex::new(core),
            clock,
            outage: Outage::default(),
            keep: config.keep,
        });
        // One thread: a test's machine has few, and what is simulated is not what is measured.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let gate = {
            let _context = runtime.enter();
            Gate::new(listener, Arc::clone(&endpoint))?
        };
        let router = server::router(Arc::clone(&endpoint));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("simulator".to_owned()).spawn(move || {
            runtime.block_on(async {
                let service = router.into_make_service_with_connect_info::<Wire>();
                tokio::select! {
                    _ = axum::serve(gate, service).into_future() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, endpoint, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Change settings, as `POST /_control` does.
    ///
    /// # Errors
    /// A sentence, when the patch is wrong; nothing has changed then.
    pub fn patch(&self, patch: Value) -> Result<Settings, String> {
        self.endpoint.patch(patch)
    }

    /// Refuse and cut connections for this long.
    pub fn down(&self, time: Duration) {
        self.endpoint.outage.begin(time);
    }

    /// What `/_stats` says.
    #[must_use]
    pub fn stats(&self) -> Value {
        lock(&self.endpoint.core).report()
    }

    /// What `/_records` says: the stored records of a stream as NDJSON, none where there is no such stream.
    #[must_use]
    pub fn records(&self, stream: &str) -> String {
        let mut all = String::new();
        let mut place = (0, 0);
        loop {
            let piece = self.endpoint.piece(stream, &mut place);
            if piece.is_empty() {
                return all;
            }
            all.push_str(&piece);
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Whatever it ended with, it has ended.
            let _ = thread.join();
        }
    }
}
