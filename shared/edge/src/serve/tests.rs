//! Connections over real TCP: slow, silent, greedy and vanishing clients, early answers, shutdown.

use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use flow::ports::Identity;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::*;
use crate::testing::{Site, StubIdentity, TIMEOUT};

mod ending;
mod tls;

/// Long enough that a working peer on a busy machine does not count as silent.
const SHORT: Duration = Duration::from_millis(400);
const GET: &[u8] = b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n";
const MIB: usize = 1024 * 1024;

fn quick() -> ServeLimits {
    ServeLimits { idle: SHORT, idle_when_crowded: SHORT, body_silence: SHORT, ..ServeLimits::default() }
}

fn pages() -> Router {
    let guarded = Router::new().route("/guarded", post(|body: Body| async { count(body).await }));
    crate::authenticated(guarded, Arc::new(StubIdentity) as Arc<dyn Identity>)
        .route("/ok", get(|| async { "ok" }))
        .route("/count", post(|body: Body| async { count(body).await }))
        .route(
            "/slow",
            get(|| async { timeout(2 * SHORT, std::future::pending::<()>()).await.map_or("late", |()| "") }),
        )
        .route("/endless", get(|| async { Body::from_stream(stream::repeat_with(chunk)) }))
        .route("/drip", get(|| async { Body::from_stream(drip()) }))
}

fn chunk() -> Result<Bytes, std::io::Error> {
    Ok(Bytes::from_static(&[b'x'; 64 * 1024]))
}

/// Chunks that come slower than the idle time of `quick`.
fn drip() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(0, |sent| async move {
        let _ = timeout(SHORT * 3 / 2, std::future::pending::<()>()).await;
        (sent < 2).then(|| (Ok(Bytes::from_static(b"drop ")), sent + 1))
    })
}

async fn count(mut body: Body) -> Result<String, crate::Problem> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| crate::Problem::new(domain::Code::MalformedMultipart, error.to_string()))?;
        bytes += frame.into_data().map_or(0, |data| data.len());
    }
    Ok(bytes.to_string())
}

#[tokio::test]
async fn connection_that_sends_nothing_or_half_a_head_is_closed() {
    let site = Site::with(pages(), quick()).await;
    let half = ["", "P", "PRI * HTTP", "GET /ok HTTP/1.1\r\nhost: x\r\nx-never:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let closed = half.map(|begin| {
        let site = &site;
        async move {
            let started = Instant::now();
            site.raw(begin.as_bytes()).await;
            assert!(started.elapsed() >= SHORT, "{begin}");
        }
    });
    futures_util::future::join_all(closed).await;
}

#[tokio::test]
async fn kept_alive_connection_is_closed_when_idle() {
    let site = Site::with(pages(), quick()).await;
    let mut wire = site.dial(GET).await;
    assert!(wire.read_until("ok").await);
    wire.write(GET).await;
    assert!(wire.read_until("ok").await);
    assert_eq!(wire.read_to_end().await, "");
}

#[tokio::test]
async fn slow_handler_and_slow_stream_do_not_count_as_idle() {
    let site = Site::with(pages(), quick()).await;
    assert_eq!(site.get("/slow").await.text().await.unwrap(), "late");
    assert_eq!(site.get("/drip").await.text().await.unwrap(), "drop drop ");
}

#[tokio::test]
async fn stalled_body_is_answered_408_and_the_connection_closed() {
    let site = Site::with(pages(), quick()).await;
    let answer = site.raw(b"POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains(r#""code":"request_timeout""#), "{answer}");
}

#[tokio::test]
async fn request_of_http_1_1_without_exactly_one_host_is_refused() {
    let site = Site::start(pages()).await;
    for (head, status) in [
        ("GET /ok HTTP/1.1\r\n", "400"),
        ("GET /ok HTTP/1.1\r\nhost: x\r\nhost: x\r\n", "400"),
        ("GET http://x/ok HTTP/1.1\r\n", "400"),
        ("GET /ok HTTP/1.1\r\nhost: x\r\n", "200"),
        ("GET /ok HTTP/1.1\r\nhost:\r\n", "200"),
        ("GET /ok HTTP/1.0\r\n", "200"),
    ] {
        let mut wire = site.dial(format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        let answer = wire.read_to_end().await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{head}{answer}");
        let is_problem = answer.contains("application/problem+json") && answer.contains("invalid_parameter");
        assert_eq!(is_problem, status == "400", "{head}{answer}");
    }
}

#[tokio::test]
async fn slow_body_does_not_count_as_stalled() {
    let site = Site::with(pages(), quick()).await;
    let mut wire = site.dial(b"POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n").await;
    for _ in 0..6 {
        let _ = timeout(SHORT / 4, std::future::pending::<()>()).await;
        wire.write(b"x").await;
    }
    assert!(wire.read_until("\r\n\r\n6").await);
}

#[tokio::test]
async fn peer_that_reads_nothing_is_cut_off() {
    let site = Site::with(pages(), ServeLimits { write_stall: SHORT, ..ServeLimits::default() }).await;
    let mut wire = site.dial(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(wire.read_until("200 OK").await);
    site.stop.cancel();
    // Nobody reads: only the stall limit ends the connection, and with it the server, long before its deadline.
    timeout(limits::SHUTDOWN / 2, site.served).await.unwrap().unwrap();
    drop(wire);
}

#[tokio::test]
async fn early_refusal_reaches_client_that_sends_everything_first() {
    let site = Site::start(pages()).await;
    for (framing, piece) in [
        ("content-length: 33554432", vec![b'x'; MIB]),
        ("transfer-encoding: chunked", [b"100000\r\n", &vec![b'x'; MIB][..], b"\r\n"].concat()),
    ] {
        let head = format!("POST /guarded HTTP/1.1\r\nhost: x\r\nauthorization: Bearer bad\r\n{framing}\r\n\r\n");
        let mut wire = site.dial(head.as_bytes()).await;
        for _ in 0..32 {
            wire.write(&piece).await;
        }
        let answer = wire.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with('}'), "the whole body arrived: {answer}");
    }
}

#[tokio::test]
async fn early_refusal_is_sent_to_client_that_never_stops_sending() {
    let site = Site::with(pages(), ServeLimits { linger: SHORT, ..ServeLimits::default() }).await;
    let head = b"POST /guarded HTTP/1.1\r\nhost: x\r\nauthorization: Bearer bad\r\ncontent-length: 99999999999\r\n\r\n";
    let (mut read, mut write) = site.dial(head).await.stream.into_split();
    let send = tokio::spawn(async move { while write.write_all(&[b'x'; 4096]).await.is_ok() {} });
    let mut answer = Vec::new();
    let _ = timeout(TIMEOUT, read.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401"));
    timeout(TIMEOUT, send).await.unwrap().unwrap();
}

#[tokio::test]
async fn unread_small_body_keeps_the_connection_open() {
    let site = Site::start(pages()).await;
    let refused = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";
    let mut wire = site.dial(refused).await;
    assert!(wire.read_until("not_found").await);
    assert!(wire.read_until("}").await);
    wire.write(GET).await;
    assert!(wire.read_until("ok").await);
}

/// A request with 4 MiB; it notifies when the last of them was taken.
fn upload(path: &str, taken: &Arc<Notify>) -> Request<Body> {
    let taken = Arc::clone(taken);
    let body = stream::unfold(0, move |sent| {
        if sent == 64 {
            taken.notify_one();
        }
        std::future::ready((sent < 64).then(|| (chunk(), sent + 1)))
    });
    Request::post(path).header("authorization", "Bearer bad").body(Body::from_stream(body)).unwrap()
}

#[tokio::test]
async fn http2_without_tls_works_and_lets_a_refused_client_finish_sending() {
    let site = Site::start(pages()).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let taken = Arc::new(Notify::new());

    let refused = timeout(TIMEOUT, sender.send_request(upload(&site.url("/guarded"), &taken))).await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), refused.version()), (401, http::Version::HTTP_2));
    assert!(!refused.headers().contains_key("connection"));
    assert!(refused.into_body().collect().await.unwrap().to_bytes().ends_with(b"}"));
    timeout(TIMEOUT, taken.notified()).await.unwrap();

    // The connection is still open, and its window was given back.
    let counted = timeout(TIMEOUT, sender.send_request(upload(&site.url("/count"), &taken))).await.unwrap().unwrap();
    assert_eq!(counted.into_body().collect().await.unwrap().to_bytes(), (4 * MIB).to_string());
}

/// The number of pauses. Each is shorter than any time limit, and all together are longer.
const PAUSES: usize = 16;

#[tokio::test]
async fn slow_reader_gets_all_of_a_large_answer() {
    let large = Router::new().route("/large", get(|| async { vec![b'x'; 32 * MIB] }));
    let site = Site::with(large, quick()).await;
    let mut wire = site.dial(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let mut some = vec![0; MIB];
    for _ in 0..PAUSES {
        wire.stream.read_exact(&mut some).await.unwrap();
        let _ = timeout(SHORT / 2, std::future::pending::<()>()).await;
    }
    assert!(wire.read_to_end().await.len() > (32 - PAUSES) * MIB);
}

#[tokio::test]
async fn slow_http2_reader_gets_all_of_a_large_answer() {
    let large = Router::new().route("/large", get(|| async { vec![b'x'; MIB] }));
    let site = Site::with(large, quick()).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(64 * 1024).initial_connection_window_size(64 * 1024);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(Request::get(site.url("/large")).body(Body::empty()).unwrap()).await.unwrap();
    let (mut body, mut bytes) = (answer.into_body(), 0);
    while let Some(frame) = timeout(TIMEOUT, body.frame()).await.unwrap() {
        bytes += frame.expect("it is not cut").data_ref().map_or(0, Bytes::len);
        let _ = timeout(SHORT / 4, std::future::pending::<()>()).await;
    }
    assert_eq!(bytes, MIB);
}

/// In HTTP/2 the peer may close its flow-control window while it goes on reading from its socket.
#[tokio::test]
async fn http2_peer_that_reads_nothing_is_cut_off() {
    let site = Site::with(pages(), ServeLimits { write_stall: SHORT, ..ServeLimits::default() }).await;
    for path in ["/ok", "/endless"] {
        let stream = TcpStream::connect(site.address).await.unwrap();
        let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        client.initial_stream_window_size(if path == "/ok" { 0 } else { 100_000 });
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(Request::get(site.url(path)).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let ended = timeout(TIMEOUT, connection).await;
        assert!(ended.is_ok(), "{path}: the connection goes on");
        drop(answer);
    }
}

/// A stream of events may be silent for longer than a peer may stall.
#[tokio::test]
async fn http2_peer_that_waits_for_more_of_its_answer_is_not_cut_off() {
    let site = Site::with(pages(), ServeLimits { write_stall: SHORT / 2, ..ServeLimits::default() }).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    // The answer that was sent before no longer counts as waiting.
    let whole = sender.send_request(Request::get(site.url("/ok")).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), "ok");
    let answer = sender.send_request(Request::get(site.url("/drip")).body(Body::empty()).unwrap()).await.unwrap();
    let body = timeout(TIMEOUT, answer.into_body().collect()).await.unwrap().unwrap();
    assert_eq!(body.to_bytes(), "drop drop ");
}

#[tokio::test]
async fn connections_above_the_limit_wait_until_idle_ones_are_closed() {
    let limits = ServeLimits { max_connections: 1, idle_when_crowded: SHORT, ..ServeLimits::default() };
    let site = Site::with(pages(), limits).await;
    let mut first = site.dial(GET).await;
    assert!(first.read_until("ok").await);
    let mut second = site.dial(GET).await;
    assert!(second.read_until("ok").await);
    assert_eq!(first.read_to_end().await, "");
}

#[tokio::test]
async fn busy_connection_announces_its_close_when_others_wait() {
    let site = Site::with(pages(), ServeLimits { max_connections: 1, ..ServeLimits::default() }).await;
    let mut first = site.dial(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut second = site.dial(GET).await;
    assert!(first.read_to_end().await.contains("connection: close"));
    assert!(second.read_until("ok").await);
}

#[tokio::test]
async fn accept_pause_grows_without_descriptors_and_not_after_one_peers_error() {
    let mut pause = Pause::default();
    let stopped = CancellationToken::new();
    stopped.cancel();
    pause.after(&io::ErrorKind::ConnectionAborted.into(), &stopped).await;
    assert_eq!(pause.0, None);
    let exhausted = io::Error::from_raw_os_error(24);
    let mut waits = Vec::new();
    for _ in 0..9 {
        pause.after(&exhausted, &stopped).await;
        waits.extend(pause.0);
    }
    assert_eq!(waits[..3], [10, 20, 40].map(Duration::from_millis));
    assert_eq!(waits[8], limits::ACCEPT_PAUSE_MAX);
}
