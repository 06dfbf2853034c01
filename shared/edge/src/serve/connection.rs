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
use super::body::Arriving;
use super::sending::Sending;
use super::socket::Socket;
use super::{House, ServeLimits};
use crate::limits;
use crate::tls::Tls;

pub(super) async fn run(stream: TcpStream, house: Arc<House>) {
    let _open = Open::new();
    // Until the first head is read, whatever the peer sends is unread.
    let unread = Arc::new(AtomicBool::new(true));
    let socket = Socket::new(stream, house.limits.write_stall, house.limits.linger, Arc::clone(&unread));
    match &house.tls {
        None => converse(socket, &house, unread).await,
        Some(tls) => {
            if let Some(stream) = handshake(socket, tls, &house).await {
                converse(stream, &house, unread).await;
            }
        }
    }
}

/// `None`: no TLS came of it. Nothing was asked yet, so at the end nothing is waited for.
async fn handshake(socket: Socket, tls: &Tls, house: &House) -> Option<TlsStream<Socket>> {
    let limits = &house.limits;
    let patience = Activity::new();
    let shaken = tls.acceptor().accept(socket).into_fallible();
    let result = tokio::select! {
        result = shaken => result,
        () = house.stop.cancelled() => return None,
        () = patience.quiet(limits.handshake, limits.idle_when_crowded, house.crowded.subscribe()) => {
            tracing::debug!("a TLS handshake took too long");
            return None;
        }
    };
    match result {
        Ok(stream) => Some(stream),
        Err((error, mut socket)) => {
            tracing::debug!(cause = %error, "no TLS handshake");
            // What is left of the peer's bytes would turn the alert, which says why, into a reset.
            let _ = socket.shutdown().await;
            None
        }
    }
}

/// Requests and answers, to the end of the connection.
async fn converse<S>(stream: S, house: &Arc<House>, unread: Arc<AtomicBool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Activity::new();
    let service = service_fn(|request| {
        let answer = answer(request, house, &activity, &unread);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let protocol = protocol(&house.limits);
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);

    let stalled = || activity.stalled(house.limits.write_stall);
    let quiet = |idle, hurried| activity.quiet(idle, hurried, house.crowded.subscribe());
    tokio::select! {
        result = connection.as_mut() => return ended(result),
        () = stalled() => return cut("its peer takes nothing of an answer"),
        () = stopped(house) => {}
        () = quiet(house.limits.idle, house.limits.idle_when_crowded) => {}
    }
    // Requests in flight come to their end; in HTTP/1 their answer says `Connection: close`.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection => ended(result),
        () = stalled() => cut("its peer takes nothing of an answer"),
        () = quiet(limits::FAREWELL, limits::FAREWELL) => cut("it is idle"),
    }
}

/// The signal, and a little later: a request that its client has sent before it could know is read. Whoever asks in that
/// time hears that it was the last.
async fn stopped(house: &House) {
    house.stop.cancelled().await;
    sleep_until(Instant::now() + limits::LATE_REQUESTS).await;
}

fn protocol(limits: &ServeLimits) -> Builder<TokioExecutor> {
    let (read_buffer, h2_streams) = (limits.read_buffer(), limits.h2_streams);
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for a head is part of `Activity::quiet`, which also covers the bytes before hyper knows the version.
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
    house: &Arc<House>,
    activity: &Activity,
    unread: &Arc<AtomicBool>,
) -> impl Future<Output = Response> + Send + 'static {
    let in_flight = activity.begin();
    let version = request.version();
    unread.store(false, Ordering::Relaxed);
    let (mut head, body) = request.into_parts();
    let linger = (version == Version::HTTP_2).then_some(house.limits.linger);
    let body = Arriving::new(Body::new(body), house.limits.body_silence, linger, Arc::clone(unread));
    head.extensions.insert(body.state());
    head.extensions.insert(house.last_call.clone());
    let request = Request::from_parts(head, Body::new(body));
    let house = Arc::clone(house);
    async move {
        let Ok(mut answer) = house.router.clone().oneshot(request).await;
        // Others wait for this place, or the server ends: it is given up with an announcement, so that no request is lost.
        if version < Version::HTTP_2 && (*house.crowded.borrow() || house.stop.is_cancelled()) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| Body::new(Sending::new(body, in_flight, version == Version::HTTP_2)))
    }
}

fn cut(why: &str) {
    tracing::debug!(why, "a connection was cut");
}

/// A broken connection is everyday life on a phone: worth a line only when somebody looks for it.
fn ended(result: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = result {
        tracing::debug!(cause = %error, "connection ended");
    }
}

/// Counts the connection while it lives, also when it is cut off.
struct Open;

impl Open {
    fn new() -> Self {
        metrics::gauge!("http_connections").increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("http_connections").decrement(1);
    }
}
