//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::activity::Activity;
use super::body::IncomingBody;
use super::sending::OutgoingBody;
use super::socket::Socket;
use super::{ServeLimits, ServerState};
use crate::limits;
use crate::tls::Tls;

pub(super) async fn run(stream: TcpStream, server: Arc<ServerState>) {
    let _open = OpenConnection::new();
    // Until the head of the first request has been read, everything that the peer sends is unread.
    let unread = Arc::new(AtomicBool::new(true));
    let socket = Socket::new(stream, server.limits.write_stall, server.limits.linger, Arc::clone(&unread));
    match &server.tls {
        None => serve_requests(socket, &server, unread).await,
        Some(tls) => {
            if let Some(stream) = handshake(socket, tls, &server).await {
                serve_requests(stream, &server, unread).await;
            }
        }
    }
}

/// Returns `None` if the handshake failed. There is no request yet, so a shutdown does not wait for it.
async fn handshake(socket: Socket, tls: &Tls, server: &ServerState) -> Option<TlsStream<Socket>> {
    let limits = &server.limits;
    let patience = Activity::new();
    let accepting = tls.acceptor().accept(socket).into_fallible();
    let result = tokio::select! {
        result = accepting => result,
        () = server.stop.cancelled() => return None,
        () = patience.until_idle(limits.handshake, limits.idle_when_crowded, server.crowded.subscribe()) => {
            tracing::debug!("a TLS handshake took too long");
            return None;
        }
    };
    match result {
        Ok(stream) => Some(stream),
        Err((error, mut socket)) => {
            tracing::debug!(cause = %error, "a TLS handshake failed");
            // `shutdown` reads what the peer still sends. If those bytes stayed unread, closing would send a reset, and
            // the alert that names the reason would be lost.
            let _ = socket.shutdown().await;
            None
        }
    }
}

/// Serves requests until the connection ends.
async fn serve_requests<S>(stream: S, server: &Arc<ServerState>, unread: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Activity::new();
    let service = service_fn(|request| {
        let answer = answer(request, server, &activity, &unread);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let protocol = protocol(&server.limits);
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);

    let stalled = || activity.until_stalled(server.limits.write_stall);
    let idle = |limit, when_crowded| activity.until_idle(limit, when_crowded, server.crowded.subscribe());
    tokio::select! {
        result = connection.as_mut() => return log_end(result),
        () = stalled() => return log_cut("the peer does not read an answer"),
        () = after_shutdown_signal(server) => {}
        () = idle(server.limits.idle, server.limits.idle_when_crowded) => {}
    }
    // Requests in flight are completed; in HTTP/1 their answers say `Connection: close`.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection => log_end(result),
        () = stalled() => log_cut("the peer does not read an answer"),
        () = idle(limits::FAREWELL, limits::FAREWELL) => log_cut("the connection is idle"),
    }
}

/// Returns a little after the shutdown has begun, so that requests are still read that a client has sent before it
/// could know. The answers to them announce that the connection is closed.
async fn after_shutdown_signal(server: &ServerState) {
    server.stop.cancelled().await;
    sleep_until(Instant::now() + limits::LATE_REQUESTS).await;
}

fn protocol(limits: &ServeLimits) -> Builder<TokioExecutor> {
    let (read_buffer, h2_streams) = (limits.read_buffer(), limits.h2_streams);
    let mut builder = Builder::new(TokioExecutor::new());
    // The time limit for a head is part of `Activity::until_idle`, which also covers the bytes before hyper knows the
    // HTTP version.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(read_buffer)
        .max_headers(limits.parser_headers());
    builder
        .http2()
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(limits::H2_STREAM_WINDOW)
        .initial_connection_window_size(h2_streams.saturating_mul(limits::H2_STREAM_WINDOW))
        .max_concurrent_streams(h2_streams)
        .max_send_buf_size(limits::H2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(read_buffer).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::H2_PING)
        .keep_alive_timeout(limits::H2_PING);
    builder
}

fn answer(
    request: Request<Incoming>,
    server: &Arc<ServerState>,
    activity: &Activity,
    unread: &Arc<AtomicBool>,
) -> impl Future<Output = Response> + Send + 'static {
    let in_flight = activity.begin();
    let version = request.version();
    unread.store(false, Ordering::Relaxed);
    let (mut head, body) = request.into_parts();
    let linger = (version == Version::HTTP_2).then_some(server.limits.linger);
    let body = IncomingBody::new(Body::new(body), server.limits.body_silence, linger, Arc::clone(unread));
    head.extensions.insert(body.state());
    head.extensions.insert(server.last_call.clone());
    let request = Request::from_parts(head, Body::new(body));
    let server = Arc::clone(server);
    async move {
        let Ok(mut answer) = server.router.clone().oneshot(request).await;
        // Other connections wait for a permit, or the server is shutting down: the answer announces the close, so that
        // the client sends no further request that would be lost.
        if version < Version::HTTP_2 && (*server.crowded.borrow() || server.stop.is_cancelled()) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| Body::new(OutgoingBody::new(body, in_flight, version == Version::HTTP_2)))
    }
}

fn log_cut(why: &str) {
    tracing::debug!(why, "a connection was cut");
}

/// Broken connections are common with phones, so they are logged at the debug level only.
fn log_end(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(cause = %error, "a connection broke");
    }
}

/// Counts the connection in a gauge for as long as it lives, also when it is cut off.
struct OpenConnection;

impl OpenConnection {
    fn new() -> Self {
        metrics::gauge!("http_connections").increment(1);
        Self
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("http_connections").decrement(1);
    }
}
