//! The shutdown of a server: which requests are answered, which get 503, which connections are cut off.

use super::*;

#[tokio::test]
async fn shutdown_answers_requests_in_flight_and_accepts_no_new_ones() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, wait) = (Arc::clone(&began), Arc::clone(&go_on));
    let handler = move || async move {
        begin.notify_one();
        wait.notified().await;
        "done"
    };
    let site = Site::start(Router::new().route("/busy", get(handler)).merge(pages())).await;
    let mut idle = site.dial(GET).await;
    assert!(idle.read_until("ok").await);
    let mut busy = site.dial(b"GET /busy HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;

    site.stop.cancel();
    assert_eq!(idle.read_to_end().await, "", "an idle connection is closed soon");
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody listens any more");
    go_on.notify_one();
    let answer = busy.read_to_end().await;
    assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn request_under_way_at_the_signal_is_answered_with_connection_close() {
    let site = Site::start(pages()).await;
    let mut kept = site.dial(GET).await;
    let mut half = site.dial(b"GET /ok HTTP/1.1\r\nho").await;
    assert!(kept.read_until("ok").await);
    site.stop.cancel();
    kept.write(GET).await;
    half.write(b"st: x\r\n\r\n").await;
    for mut wire in [kept, half] {
        let answer = wire.read_to_end().await;
        assert!(answer.contains("connection: close") && answer.ends_with("ok"), "{answer}");
    }
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
}

fn assert_is_503_with_retry_after(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""code":"shutting_down""#), "{answer}");
    for header in ["retry-after: 10", "x-request-id: ", "connection: close"] {
        assert!(answer.contains(header), "{answer}");
    }
}

/// A route that never answers, and notifies when it was called.
fn never(began: &Arc<Notify>) -> Router {
    let begin = Arc::clone(began);
    let never = move || async move {
        begin.notify_one();
        std::future::pending::<()>().await
    };
    pages().route("/never", get(never))
}

#[tokio::test]
async fn waiting_request_gets_503_shortly_before_the_deadline() {
    let began = Arc::new(Notify::new());
    let limits = ServeLimits { shutdown: limits::LAST_CALL + SHORT, ..ServeLimits::default() };
    let site = Site::with(never(&began), limits).await;
    let mut waiting = site.dial(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;
    let mut sending = site.dial(b"POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\nsome").await;
    let mut kept = site.dial(GET).await;
    assert!(kept.read_until("ok").await);
    let watch = Instant::now();
    site.stop.cancel();
    assert_is_503_with_retry_after(&waiting.read_to_end().await);
    assert!(watch.elapsed() >= SHORT, "not before it has to be");
    assert_is_503_with_retry_after(&sending.read_to_end().await);
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn request_after_the_last_call_gets_503_without_being_run() {
    let limits = ServeLimits { shutdown: limits::LAST_CALL, ..ServeLimits::default() };
    let began = Arc::new(Notify::new());
    let site = Site::with(never(&began), limits).await;
    let mut kept = site.dial(GET).await;
    assert!(kept.read_until("ok").await);
    let mut waiting = site.dial(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;
    site.stop.cancel();
    assert_is_503_with_retry_after(&waiting.read_to_end().await);
    kept.write(GET).await;
    assert_is_503_with_retry_after(&kept.read_to_end().await);
}

#[tokio::test]
async fn http2_request_gets_503_shortly_before_the_deadline() {
    let limits = ServeLimits { shutdown: limits::LAST_CALL + SHORT, ..ServeLimits::default() };
    let site = Site::with(pages(), limits).await;
    let stream = TcpStream::connect(site.address).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let known = sender.send_request(Request::get(site.url("/ok")).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(known.status(), 200);
    sender.ready().await.unwrap();
    let endless = Body::from_stream(stream::iter([chunk()]).chain(stream::pending()));
    let answer = sender.send_request(Request::post(site.url("/count")).body(endless).unwrap());
    site.stop.cancel();
    let answer = timeout(TIMEOUT, answer).await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"10".parse().unwrap()));
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn connection_still_open_at_the_deadline_is_cut_off() {
    let hanging = || async { Body::from_stream(stream::iter([chunk()]).chain(stream::pending())) };
    let limits = ServeLimits { shutdown: SHORT, ..ServeLimits::default() };
    let site = Site::with(Router::new().route("/hanging", get(hanging)), limits).await;
    let mut wire = site.dial(b"GET /hanging HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(wire.read_until("200 OK").await);
    site.stop.cancel();
    timeout(TIMEOUT, site.served).await.unwrap().unwrap();
    assert!(!wire.read_to_end().await.ends_with("0\r\n\r\n"));
}
