//! Connections over TLS: what holds for plain sockets holds here too.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::*;
use crate::tls::testing::{connector, tls};

async fn site(limits: ServeLimits) -> Site {
    Site::with_tls(Some(tls("server")), pages(), limits).await
}

/// A client that checks the certificate and speaks one protocol.
async fn dial(site: &Site, protocol: &str) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(site.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::from(site.address.ip());
    timeout(TIMEOUT, connector(protocol).connect(name, stream)).await.unwrap().unwrap()
}

/// Reads to the end of the stream: `Err` if it was cut off without a close_notify, otherwise `Ok`.
async fn read_to_end(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut seen = Vec::new();
    timeout(TIMEOUT, stream.read_to_end(&mut seen)).await.expect("the server does not close")?;
    Ok(String::from_utf8(seen).unwrap())
}

async fn read_until(stream: &mut TlsStream<TcpStream>, mark: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(mark) {
        let read = timeout(TIMEOUT, stream.read_buf(&mut seen)).await.unwrap().unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
    }
}

#[tokio::test]
async fn http1_works_and_close_notify_marks_a_complete_answer() {
    let site = site(ServeLimits::default()).await;
    let mut wire = dial(&site, "http/1.1").await;
    assert_eq!(wire.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    wire.write_all(GET).await.unwrap();
    read_until(&mut wire, "ok").await;
    wire.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut wire).await.unwrap().ends_with("ok"));
}

#[tokio::test]
async fn http2_is_negotiated_and_lets_a_refused_client_finish_sending() {
    let site = site(ServeLimits::default()).await;
    let stream = dial(&site, "h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let taken = Arc::new(Notify::new());
    let url = |path: &str| format!("https://{}{path}", site.address);
    let refused = timeout(TIMEOUT, sender.send_request(upload(&url("/guarded"), &taken))).await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), refused.version()), (401, http::Version::HTTP_2));
    assert!(refused.into_body().collect().await.unwrap().to_bytes().ends_with(b"}"));
    timeout(TIMEOUT, taken.notified()).await.unwrap();
    let ok = Request::get(url("/ok")).body(Body::empty()).unwrap();
    assert_eq!(timeout(TIMEOUT, sender.send_request(ok)).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn early_refusal_reaches_client_that_sends_everything_first() {
    let site = site(ServeLimits::default()).await;
    let mut wire = dial(&site, "http/1.1").await;
    let head = b"POST /guarded HTTP/1.1\r\nhost: x\r\nauthorization: Bearer bad\r\ncontent-length: 33554432\r\n\r\n";
    wire.write_all(head).await.unwrap();
    for _ in 0..32 {
        wire.write_all(&vec![b'x'; MIB]).await.unwrap();
    }
    wire.flush().await.unwrap();
    let answer = read_to_end(&mut wire).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with('}'), "the whole body arrived: {answer}");
}

#[tokio::test]
async fn plain_http_and_garbage_are_closed_without_harm_to_others() {
    let site = site(ServeLimits::default()).await;
    // The last one is the head of a handshake message that is longer than any may be.
    for begin in [GET, b"\x00\x01\x02\x03 what is this", &[b'x'; 100_000], b"\x16\x03\x01\xff\xff\x01\xff\xff\xff"] {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut alert = Vec::new();
        timeout(TIMEOUT, stream.read_to_end(&mut alert)).await.expect("the server does not close").unwrap();
        assert!(alert.is_empty() || alert[0] == 0x15, "an alert or nothing, never an answer: {alert:?}");
    }
    let mut wire = dial(&site, "http/1.1").await;
    wire.write_all(GET).await.unwrap();
    read_until(&mut wire, "ok").await;
}

#[tokio::test]
async fn slow_handshakes_time_out_and_do_not_block_others() {
    let limits = ServeLimits { handshake: 3 * SHORT, ..ServeLimits::default() };
    let site = site(limits).await;
    let slow = ["", "\x16", "\x16\x03\x01\x02\x00"].map(async |begin: &str| {
        let started = Instant::now();
        site.raw(begin.as_bytes()).await;
        assert!(started.elapsed() >= 3 * SHORT, "{begin:?}");
    });
    let others = async {
        for _ in 0..3 {
            dial(&site, "http/1.1").await.write_all(GET).await.unwrap();
        }
    };
    tokio::join!(futures_util::future::join_all(slow), others);
}

#[tokio::test]
async fn slow_handshake_holds_a_permit_and_is_closed_when_others_wait() {
    let limits = ServeLimits { max_connections: 1, idle_when_crowded: SHORT, ..ServeLimits::default() };
    let site = site(limits).await;
    let first = site.dial(b"\x16").await;
    let started = Instant::now();
    let mut second = dial(&site, "http/1.1").await;
    assert!(started.elapsed() >= SHORT / 2, "the only permit was taken");
    second.write_all(GET).await.unwrap();
    read_until(&mut second, "ok").await;
    drop(first);
}

#[tokio::test]
async fn idle_kept_alive_connection_is_closed_with_close_notify() {
    let site = site(quick()).await;
    let mut wire = dial(&site, "http/1.1").await;
    wire.write_all(GET).await.unwrap();
    read_until(&mut wire, "ok").await;
    assert_eq!(read_to_end(&mut wire).await.unwrap(), "");
}

#[tokio::test]
async fn peer_that_reads_nothing_is_cut_off() {
    let site = site(ServeLimits { write_stall: SHORT, ..ServeLimits::default() }).await;
    let mut wire = dial(&site, "http/1.1").await;
    wire.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut wire, "200 OK").await;
    site.stop.cancel();
    timeout(limits::SHUTDOWN / 2, site.served).await.unwrap().unwrap();
    drop(wire);
}

#[tokio::test]
async fn shutdown_answers_requests_in_flight_and_drops_handshakes() {
    let site = site(ServeLimits::default()).await;
    let mut idle = dial(&site, "http/1.1").await;
    idle.write_all(GET).await.unwrap();
    read_until(&mut idle, "ok").await;
    let mut half = site.dial(b"\x16").await;
    let mut busy = dial(&site, "http/1.1").await;
    busy.write_all(b"GET /drip HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut busy, "200 OK").await;
    site.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await.unwrap(), "");
    assert_eq!(half.read_to_end().await, "");
    assert!(read_to_end(&mut busy).await.unwrap().ends_with("0\r\n\r\n"), "the answer in flight is whole");
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
}
