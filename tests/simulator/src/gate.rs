//! The way in: a listener that can be closed for a while, and connections that can be cut.

use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::{fmt, io, mem};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::server::Endpoint;

/// Lock, whatever became of another thread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, as a handler knows it.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Twin>);

struct Twin {
    /// The same socket again: what is shut down here is shut down for the server.
    socket: Option<std::net::TcpStream>,
    spared: AtomicBool,
}

impl Wire {
    /// End the connection now, whatever was going to be sent.
    pub(crate) fn cut(&self) {
        if let Some(socket) = &self.0.socket {
            // Already gone is as good.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// This one survives an outage: the outage is controlled through it.
    pub(crate) fn spare(&self) {
        self.0.spared.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&self.0.socket).finish()
    }
}

impl Connected<IncomingStream<'_, Gate>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A time in which nobody gets in.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    until: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Outage {
    /// Connections are cut and new ones refused for this long; zero ends an outage.
    pub(crate) fn begin(&self, time: Duration) {
        *lock(&self.until) = Instant::now().checked_add(time);
        self.changed.notify_one();
    }

    fn left(&self) -> Option<Instant> {
        lock(&self.until).filter(|until| *until > Instant::now())
    }
}

/// The listener.
#[derive(Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    listener: Option<TcpListener>,
    endpoint: Arc<Endpoint>,
    wires: Vec<Weak<Twin>>,
}

impl fmt::Debug for Twin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl Gate {
    pub(crate) fn new(listener: std::net::TcpListener, endpoint: Arc<Endpoint>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { address, listener: Some(TcpListener::from_std(listener)?), endpoint, wires: Vec::new() })
    }

    async fn sit_out(&mut self) {
        while let Some(until) = self.endpoint.outage.left() {
            self.listener = None; // from here on connections are refused
            for twin in mem::take(&mut self.wires).iter().filter_map(Weak::upgrade) {
                if twin.spared.load(Ordering::Relaxed) {
                    self.wires.push(Arc::downgrade(&twin));
                } else {
                    Wire(twin).cut();
                }
            }
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.endpoint.outage.changed.notified() => {}
            }
        }
    }

    async fn listen(&mut self) -> &TcpListener {
        while self.listener.is_none() {
            match TcpListener::bind(self.address).await {
                Ok(listener) => self.listener = Some(listener),
                // Somebody else has our port for the moment.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
        self.listener.as_ref().expect("the loop ends with a listener")
    }

    fn admit(&mut self, stream: TcpStream) -> io::Result<(TcpStream, Wire)> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let twin = Twin { socket: Some(stream.try_clone()?), spared: AtomicBool::new(false) };
        let wire = Wire(Arc::new(twin));
        self.wires.retain(|wire| wire.strong_count() != 0);
        self.wires.push(Arc::downgrade(&wire.0));
        lock(&self.endpoint.core).stats.connections += 1;
        Ok((TcpStream::from_std(stream)?, wire))
    }
}

impl Listener for Gate {
    type Io = TcpStream;
    type Addr = Wire;

    async fn accept(&mut self) -> (TcpStream, Wire) {
        loop {
            self.sit_out().await;
            let endpoint = Arc::clone(&self.endpoint);
            let accepted = tokio::select! {
                accepted = async { self.listen().await.accept().await } => accepted,
                () = endpoint.outage.changed.notified() => continue,
            };
            match accepted.and_then(|(stream, _)| self.admit(stream)) {
                Ok(admitted) => return admitted,
                // Out of file descriptors, most likely: some will be closed.
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Wire> {
        Ok(Wire(Arc::new(Twin { socket: None, spared: AtomicBool::new(true) })))
    }
}
