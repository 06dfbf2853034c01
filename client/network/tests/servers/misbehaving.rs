//! Servers that are not there, or that answer what no server should.

use std::time::Duration;

use engine::ports::{Body, HttpError, Request};
use tokio::net::TcpListener;

use crate::server::{Server, Then};
use crate::{LIMIT, answer, failure, get, impatient, network, post};

#[tokio::test]
async fn server_that_is_not_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    match failure(&network(), get(&url)).await {
        HttpError::Connect(why) => assert_eq!(why, "the connection is refused"),
        other => panic!("{other:?}"),
    }
    match failure(&network(), get("http://no-such-host.invalid/")).await {
        HttpError::Connect(why) => assert_eq!(why, "no address is known for this name"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn redirect_is_the_answer_and_nobody_else_gets_the_token() {
    let other = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", other.url());
    let server = Server::answering(&redirect).await;
    let answer = answer(&network(), get(&server.url())).await;
    assert_eq!((answer.status, answer.header("location")), (307, Some(other.url().as_str())));
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_connection() {
    for garbage in ["\0\u{1}\u{2} this is no HTTP\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "<html></html>\r\n\r\n"] {
        let server = Server::start(Then::AnswerAndClose(garbage.as_bytes().to_vec())).await;
        match failure(&network(), get(&server.url())).await {
            HttpError::Broken(why) => assert_eq!(why, "what came back is not HTTP", "{garbage:?}"),
            other => panic!("{garbage:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn connection_that_ends_too_early_is_broken() {
    for cut in ["", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"jobs\":"] {
        let server = Server::start(Then::AnswerAndClose(cut.as_bytes().to_vec())).await;
        let error = failure(&network(), get(&server.url())).await;
        assert!(matches!(error, HttpError::Broken(_)), "{cut:?}: {error:?}");
    }
}

#[tokio::test]
async fn half_of_a_json_that_is_a_whole_answer_is_passed_on() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"jobs\":".to_vec();
    let server = Server::start(Then::AnswerAndClose(half)).await;
    assert_eq!(answer(&network(), get(&server.url())).await.body, b"{\"jobs\":");
}

#[tokio::test]
async fn endless_body_is_cut_at_the_limit() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.extend([b'x'; 4096]);
    let server = Server::start(Then::Forever(endless)).await;
    assert_eq!(answer(&network(), get(&server.url())).await.body.len(), LIMIT);
}

#[tokio::test]
async fn body_of_exactly_the_limit_is_whole_and_keeps_the_connection() {
    let body = "x".repeat(LIMIT);
    let server = Server::answering(&format!("HTTP/1.1 200 OK\r\nContent-Length: {LIMIT}\r\n\r\n{body}")).await;
    let network = network();
    for _ in 0..2 {
        assert_eq!(answer(&network, get(&server.url())).await.body, body.as_bytes());
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn endless_head_is_a_broken_connection() {
    let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
    endless.extend(b"x-more: and more\r\n".repeat(10_000));
    let server = Server::start(Then::Forever(endless)).await;
    let error = failure(&network(), get(&server.url())).await;
    assert!(matches!(error, HttpError::Broken(_)), "{error:?}");
}

#[tokio::test]
async fn silence_before_or_within_an_answer_is_a_timeout() {
    for said in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"] {
        let server = Server::start(Then::Silent(said.as_bytes().to_vec())).await;
        let error = failure(&impatient(), get(&server.url())).await;
        assert!(matches!(error, HttpError::Timeout), "{said:?}: {error:?}");
    }
}

#[tokio::test]
async fn server_that_takes_no_bytes_of_a_body_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // More than the buffers of both sides hold.
    let error = failure(&impatient(), post(&url, Body::of(vec![0; 64 << 20]))).await;
    assert!(matches!(error, HttpError::Timeout), "{error:?}");
}

#[tokio::test]
async fn trickle_is_no_silence_but_ends_with_the_time_of_the_request() {
    let slow = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let server = Server::start(Then::Trickle(slow.clone(), Duration::from_millis(20))).await;
    assert_eq!(answer(&impatient(), get(&server.url())).await.body, b"{}");
    let server = Server::start(Then::Trickle(slow, Duration::from_millis(100))).await;
    let request = Request { timeout: Duration::from_millis(300), ..get(&server.url()) };
    let error = failure(&network(), request).await;
    assert!(matches!(error, HttpError::Timeout), "{error:?}");
}

#[tokio::test]
async fn connection_that_the_server_closed_meanwhile_is_replaced() {
    let server = Server::start(Then::AnswerAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec())).await;
    let network = network();
    for _ in 0..3 {
        assert_eq!(answer(&network, get(&server.url())).await.body, b"{}");
    }
}
