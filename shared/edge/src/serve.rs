//! The accept loop: HTTP/1 and HTTP/2, plain or in TLS, everything bounded, an end in good order.
//!
//! What is where: `connection` drives one connection, `activity` tells whether it is idle, `body` watches a request
//! body arrive and `sending` an answer leave, `socket` cuts stalled peers off and closes without losing the answer,
//! `signal` knows when to stop.

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
pub use signal::shutdown_signal;

/// Where clients come in: a listener, and what is spoken on it.
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

/// What an operator, or a test, may set. The reasons stand in `limits.rs`.
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
    /// What the router lets through. The parser has to take a little more.
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
        self.requests.max_uri_bytes + self.requests.max_header_bytes + limits::READ_BUFFER_BESIDE
    }

    fn parser_headers(&self) -> usize {
        self.requests.max_headers + limits::PARSER_HEADERS_BESIDE
    }
}

/// What all connections of a listener share.
struct House {
    router: Router,
    tls: Option<Tls>,
    limits: ServeLimits,
    /// True while a new connection waits for a place: then idle ones leave early and busy ones after their answer.
    crowded: watch::Sender<bool>,
    stop: CancellationToken,
    last_call: LastCall,
}

/// Comes shortly before connections are cut: a request that has no answer by then gets one that says so.
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
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let deadline = limits.shutdown;
    let (crowded, last_call) = (watch::Sender::new(false), LastCall::default());
    let stop = shutdown.clone();
    let house = Arc::new(House { router, tls, limits, crowded, stop, last_call: last_call.clone() });
    let mut connections = JoinSet::new();
    let mut pause = Pause::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places, &house) => accepted,
        };
        // Those that ended meanwhile; never more than there are places.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, place)) => {
                pause = Pause::default();
                let house = Arc::clone(&house);
                connections.spawn(async move {
                    connection::run(stream, house).await;
                    drop(place);
                });
            }
            Err(error) => pause.after(&error, &shutdown).await,
        }
    }
    // From now on the kernel refuses new connections.
    drop(listener);
    finish(connections, deadline, &last_call).await;
}

/// A connection and a place for it: beyond the limit one waits here, the others in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    house: &House,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let (stream, _) = listener.accept().await?;
    // Answers are small and complete: waiting to fill a packet only delays them. If it cannot be set, so be it.
    let _ = stream.set_nodelay(true);
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Ok((stream, place));
    }
    house.crowded.send_replace(true);
    let place = Arc::clone(places).acquire_owned().await;
    house.crowded.send_replace(false);
    Ok((stream, place.map_err(io::Error::other)?))
}

/// The growing pause after an `accept` that failed for want of descriptors or memory: trying at once would spin.
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

/// The peer went away before it was accepted: nothing is wrong here.
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
        tracing::warn!(connections = connections.len(), "cut off at the end of the shutdown deadline");
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
