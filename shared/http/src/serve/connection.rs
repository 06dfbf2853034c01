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
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::House;
use super::activity::Activity;
use super::body::Arriving;
use super::socket::Socket;
use crate::limits;

pub(super) async fn run(stream: TcpStream, house: Arc<House>) {
    let _open = Open::new();
    let activity = Activity::new();
    // Until the first head is read, whatever the peer sends is unread.
    let unread = Arc::new(AtomicBool::new(true));
    let socket = Socket::new(stream, house.limits.write_stall, house.limits.linger, Arc::clone(&unread));
    let service = service_fn(|request| {
        let answer = answer(request, &house, &activity, &unread);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let protocol = protocol();
    let connection = protocol.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);

    let quiet = |idle, hurried| activity.quiet(idle, hurried, house.crowded.subscribe());
    tokio::select! {
        result = connection.as_mut() => return ended(result),
        () = house.stop.cancelled() => {}
        () = quiet(house.limits.idle, house.limits.idle_when_crowded) => {}
    }
    // Requests in flight come to their end; in HTTP/1 their answer says `Connection: close`.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection => ended(result),
        () = quiet(limits::FAREWELL, limits::FAREWELL) => tracing::debug!("an idle connection was cut"),
    }
}

fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for a head is part of `Activity::quiet`, which also covers the bytes before hyper knows the version.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits::READ_BUFFER)
        .max_headers(limits::PARSER_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(limits::H2_STREAM_WINDOW)
        .initial_connection_window_size(limits::H2_CONNECTION_WINDOW)
        .max_concurrent_streams(limits::H2_STREAMS)
        .max_send_buf_size(limits::H2_SEND_BUFFER)
        .max_header_list_size(limits::READ_BUFFER as u32)
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
    let request = Request::from_parts(head, Body::new(body));
    let house = Arc::clone(house);
    async move {
        let Ok(mut answer) = house.router.clone().oneshot(request).await;
        // Others wait for this place: it is given up with an announcement, so that no request is lost.
        if version < Version::HTTP_2 && *house.crowded.borrow() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| in_flight.until_sent(body))
    }
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
