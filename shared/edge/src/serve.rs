//! The accept loop: HTTP/1 and HTTP/2, plain or over TLS, with a bound on everything and a graceful shutdown.
//!
//! The submodules: `connection` drives one connection, `activity` knows whether it is idle, `body` reads a request body
//! and `sending` writes an answer's body, `socket` cuts off stalled peers and closes without losing the answer,
//! `signal` reports when to stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::request_limits::RequestLimits;
use crate::tls::Tls;

mod activity;
mod body;
mod connection;
mod sending;
mod signal;
mod socket;

pub(crate) use body::BodyState;
pub use signal::{reload_signal, shutdown_signal};

/// A listening socket, and the TLS that is spoken on it.
pub struct Listener {
    pub listener: TcpListener,
    /// `None`: plain HTTP.
    pub tls: Option<Tls>,
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// The limits that an operator or a test may set. `limits.rs` has the reasons for the defaults.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    pub max_connections: usize,
    pub handshake: Duration,
    pub idle: Duration,
    pub idle_when_crowded: Duration,
    pub body_silence: Duration,
    pub write_stall: Duration,
    pub linger: Duration,
    pub shutdown: Duration,
    pub h2_streams: u32,
    /// The limits that the router enforces. The parser has to accept a little more.
    pub requests: RequestLimits,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: limits::MAX_CONNECTIONS,
            handshake: limits::HANDSHAKE,
            idle: limits::IDLE,
            idle_when_crowded: limits::IDLE_WHEN_CROWDED,
            body_silence: limits::BODY_SILENCE,
            write_stall: limits::WRITE_STALL,
            linger: limits::LINGER,
            shutdown: limits::SHUTDOWN,
            h2_streams: limits::H2_STREAMS,
            requests: RequestLimits::default(),
        }
    }
}

impl ServeLimits {
    fn read_buffer(&self) -> usize {
        self.requests.max_uri_bytes + self.requests.max_header_bytes + limits::READ_BUFFER_EXTRA
    }

    fn parser_headers(&self) -> usize {
        self.requests.max_headers + limits::PARSER_HEADERS_EXTRA
    }
}

/// State that all connections of one listener share.
struct ServerState {
    router: Router,
    tls: Option<Tls>,
    limits: ServeLimits,
    /// True while a new connection waits for a permit: then idle connections are closed early, and busy ones after
    /// their current answer.
    crowded: watch::Sender<bool>,
    stop: CancellationToken,
    last_call: LastCall,
}

/// Fires shortly before connections are cut: a request that has no answer by then is answered with 503.
#[derive(Clone, Default)]
pub(crate) struct LastCall(CancellationToken);

impl LastCall {
    pub(crate) fn has_come(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(crate) async fn comes(&self) {
        self.0.cancelled().await;
    }
}

/// Serves `router` until `shutdown` is cancelled and the requests in flight are answered, or cut off at the deadline.
pub async fn serve(listener: impl Into<Listener>, router: Router, limits: ServeLimits, shutdown: CancellationToken) {
    let Listener { listener, tls } = listener.into();
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let deadline = limits.shutdown;
    let (crowded, last_call) = (watch::Sender::new(false), LastCall::default());
    let stop = shutdown.clone();
    let server = Arc::new(ServerState { router, tls, limits, crowded, stop, last_call: last_call.clone() });
    let mut connections = JoinSet::new();
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits, &server) => accepted,
        };
        // Removes the tasks of connections that have ended; there are never more of them than permits.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, permit)) => {
                pause = Pause::default();
                let server = Arc::clone(&server);
                connections.spawn(async move {
                    connection::run(stream, server).await;
                    drop(permit);
                });
            }
            Err(error) => pause.after(&error, &shutdown).await,
        }
    }
    // From here on the kernel refuses new connections.
    drop(listener);
    finish(connections, deadline, &last_call).await;
}

/// A new connection with a permit for it. Beyond the limit one accepted connection waits here and the others in the
/// kernel's queue.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    server: &ServerState,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let (stream, _) = listener.accept().await?;
    // Answers are small and complete: waiting to fill a packet would only delay them. A failure is harmless.
    let _ = stream.set_nodelay(true);
    if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
        return Ok((stream, permit));
    }
    server.crowded.send_replace(true);
    let permit = Arc::clone(permits).acquire_owned().await;
    server.crowded.send_replace(false);
    Ok((stream, permit.map_err(io::Error::other)?))
}

/// The growing pause after an `accept` that failed for lack of descriptors or memory: an immediate retry would spin.
#[derive(Default)]
struct Pause(Option<Duration>);

impl Pause {
    async fn after(&mut self, error: &io::Error, shutdown: &CancellationToken) {
        if concerns_one_peer(error) {
            return;
        }
        let wait = self.0.map_or(limits::ACCEPT_PAUSE, |last| (last * 2).min(limits::ACCEPT_PAUSE_MAX));
        self.0 = Some(wait);
        tracing::warn!(cause = %error, pause_ms = wait.as_millis() as u64, "cannot accept connections");
        let _ = tokio::time::timeout(wait, shutdown.cancelled()).await;
    }
}

/// The peer went away before it was accepted, which is no fault of the server.
fn concerns_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn finish(mut connections: JoinSet<()>, deadline: Duration, last_call: &LastCall) {
    let all = async {
        let mut ended = std::pin::pin!(async { while connections.join_next().await.is_some() {} });
        if tokio::time::timeout(deadline.saturating_sub(limits::LAST_CALL), ended.as_mut()).await.is_err() {
            last_call.0.cancel();
            ended.await;
        }
    };
    if tokio::time::timeout(deadline, all).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut off at the shutdown deadline");
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
