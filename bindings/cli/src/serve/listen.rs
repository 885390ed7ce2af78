//! Connections: how many, how long, and until when.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nasalogs::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep};

use super::guard::Guard;
use super::http::router;
use super::hub::Hub;

/// How many connections there may be; further ones wait to be accepted.
const MOST: usize = 1024;
/// How long a request's head may take, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// How large it may be, in bytes and in headers.
const HEAD_SIZE: usize = 16 << 10;
const HEADERS: usize = 64;
/// How long a reader may take nothing of what is sent.
const STALLED: Duration = Duration::from_secs(60);
/// How long is waited at the end for what cannot be broken off; what is being sent is.
const FAREWELL: Duration = Duration::from_millis(500);

/// The listening half of the program.
pub(super) struct Server {
    runtime: Runtime,
    hub: Arc<Hub>,
    address: SocketAddr,
    has_token: bool,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the address cannot be had.
    pub(super) fn start(listen: SocketAddr, guard: Guard, hub: Arc<Hub>) -> Result<Self> {
        let failed = |error: io::Error| refused(listen, error);
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("nasalogs-serve")
            .enable_all()
            .build()
            .map_err(failed)?;
        let has_token = guard.has_token();
        let router = router(Arc::clone(&hub), guard);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(failed)?
        };
        runtime.spawn(accept(listener, router));
        Ok(Self { runtime, hub, address, has_token })
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        let address = self.address;
        let host = match address.ip() {
            // Which of the addresses of this machine others know is theirs to know.
            ip if ip.is_unspecified() => format!("localhost:{} (on all addresses)", address.port()),
            _ => format!("{address}/"),
        };
        let token = if self.has_token { " (with ?token=…)" } else { "" };
        format!("http://{host}{token}")
    }

    /// Ends: readers are told, and what is being sent to them is broken off.
    pub(super) fn end(self) {
        self.hub.end();
        self.runtime.shutdown_timeout(FAREWELL);
    }
}

async fn accept(listener: tokio::net::TcpListener, router: axum::Router) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Too many open files, or a connection that is gone: others may be luckier.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let router = router.clone();
        tokio::spawn(async move {
            // Small events are not worth waiting for company.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(router);
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_headers(HEADERS)
                .max_buf_size(HEAD_SIZE)
                .serve_connection(TokioIo::new(Patient::new(stream)), service)
                .await;
            // Who sends nonsense or goes away is answered or gone.
            drop((served, place));
        });
    }
}

/// A connection that is broken off when the other side takes nothing for long.
struct Patient {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, until: Box::pin(sleep(STALLED)), is_waiting: false }
    }

    fn patience<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.until.as_mut().reset(Instant::now() + STALLED);
        }
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patience(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn refused(listen: SocketAddr, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there: pass --listen with another port, or with port 0 for any"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are not for everybody: pass --listen with a higher one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: pass --listen with one that it has"
        }
        _ => "pass --listen with another address",
    };
    Error::new(ErrorKind::Io, format!("cannot listen on {listen}: {error}")).with_hint(hint)
}
