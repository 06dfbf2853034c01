//! The end of a server: what is answered, what is told to come back, what is cut off.

use super::*;

#[tokio::test]
async fn shutting_down_answers_what_is_in_flight_and_nothing_new() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, wait) = (Arc::clone(&began), Arc::clone(&go_on));
    let handler = move || async move {
        begin.notify_one();
        wait.notified().await;
        "done"
    };
    let site = Site::start(Router::new().route("/work", get(handler)).merge(pages())).await;
    let mut idle = site.dial(GET).await;
    assert!(idle.read_until("ok").await);
    let mut busy = site.dial(b"GET /work HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;

    site.stop.cancel();
    assert_eq!(idle.read_to_end().await, "", "an idle connection is closed soon");
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody listens any more");
    go_on.notify_one();
    let answer = busy.read_to_end().await;
    assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
    timeout(PATIENCE, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_was_on_its_way_at_the_signal_is_answered_and_hears_that_it_was_the_last() {
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
    timeout(PATIENCE, site.served).await.unwrap().unwrap();
}

fn is_told_to_come_back(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(r#""code":"shutting_down""#), "{answer}");
    for header in ["retry-after: 10", "x-request-id: ", "connection: close"] {
        assert!(answer.contains(header), "{answer}");
    }
}

/// A route without an answer, and a word when it was asked for.
fn never(began: &Arc<Notify>) -> Router {
    let begin = Arc::clone(began);
    let never = move || async move {
        begin.notify_one();
        std::future::pending::<()>().await
    };
    pages().route("/never", get(never))
}

#[tokio::test]
async fn whoever_is_still_waiting_shortly_before_the_end_is_told_to_come_back() {
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
    is_told_to_come_back(&waiting.read_to_end().await);
    assert!(watch.elapsed() >= SHORT, "not before it has to be");
    is_told_to_come_back(&sending.read_to_end().await);
    timeout(PATIENCE, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_comes_after_the_last_call_is_not_even_begun() {
    let limits = ServeLimits { shutdown: limits::LAST_CALL, ..ServeLimits::default() };
    let began = Arc::new(Notify::new());
    let site = Site::with(never(&began), limits).await;
    let mut kept = site.dial(GET).await;
    assert!(kept.read_until("ok").await);
    let mut waiting = site.dial(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;
    site.stop.cancel();
    is_told_to_come_back(&waiting.read_to_end().await);
    kept.write(GET).await;
    is_told_to_come_back(&kept.read_to_end().await);
}

#[tokio::test]
async fn http2_is_told_so_too() {
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
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"10".parse().unwrap()));
    timeout(PATIENCE, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn at_the_deadline_what_is_left_is_cut_off() {
    let hanging = || async { Body::from_stream(stream::iter([chunk()]).chain(stream::pending())) };
    let limits = ServeLimits { shutdown: SHORT, ..ServeLimits::default() };
    let site = Site::with(Router::new().route("/hanging", get(hanging)), limits).await;
    let mut wire = site.dial(b"GET /hanging HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(wire.read_until("200 OK").await);
    site.stop.cancel();
    timeout(PATIENCE, site.served).await.unwrap().unwrap();
    assert!(!wire.read_to_end().await.ends_with("0\r\n\r\n"));
}
