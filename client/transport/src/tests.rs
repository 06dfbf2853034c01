use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Body, BodySource, Http, HttpError, Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// Answers one connection with this, after it has read the request to its end.
async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    let seen = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    });
    (url, seen)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut seen = String::new();
    let mut block = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut block).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&block[..read]));
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
        if read == 0 || body.len() >= length.parse().unwrap() {
            return seen;
        }
    }
}

fn request(url: &str, body: Body) -> Request {
    Request {
        method: Method::Post,
        url: url.to_owned(),
        headers: vec![("authorization", "Bearer secret".to_owned())],
        body,
        timeout: Duration::from_secs(5),
        max_answer_bytes: 10,
    }
}

fn http() -> ReqwestHttp {
    ReqwestHttp::new("afterword/test").unwrap()
}

struct Pieces(Vec<io::Result<Option<Bytes>>>);

impl BodySource for Pieces {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        self.0.remove(0)
    }
}

#[tokio::test]
async fn body_is_streamed_with_its_length_and_answer_is_read_up_to_the_limit() {
    let (url, seen) =
        server("HTTP/1.1 202 Accepted\r\nX-Thing: one\r\ncontent-length: 20\r\n\r\n01234567890123456789").await;
    let pieces = Pieces(vec![Ok(Some("first ".into())), Ok(Some("second".into())), Ok(None)]);
    let answer = http().send(request(&url, Body { length: 12, source: Box::new(pieces) })).await.unwrap();
    assert_eq!((answer.status, answer.header("x-thing"), &answer.body[..]), (202, Some("one"), &b"0123456789"[..]));
    let seen = seen.await.unwrap();
    assert!(seen.starts_with("POST /path HTTP/1.1\r\n") && seen.ends_with("\r\n\r\nfirst second"), "{seen}");
    assert!(seen.contains("content-length: 12\r\n") && seen.contains("authorization: Bearer secret\r\n"), "{seen}");
    assert!(!seen.contains("transfer-encoding"), "{seen}");
}

#[tokio::test]
async fn redirect_is_an_answer_and_is_not_followed() {
    let (url, _seen) = server("HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    let answer = http().send(request(&url, Body::empty())).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://127.0.0.1:1/")));
}

#[tokio::test]
async fn file_that_cannot_be_read_is_not_the_network() {
    let (url, _seen) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pieces = Pieces(vec![Ok(Some("first".into())), Err(io::ErrorKind::PermissionDenied.into())]);
    let error = http().send(request(&url, Body { length: 12, source: Box::new(pieces) })).await.unwrap_err();
    assert!(matches!(&error, HttpError::Source(why) if why.kind() == io::ErrorKind::PermissionDenied), "{error:?}");
}

#[tokio::test]
async fn errors_say_what_failed_and_not_where() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = http().send(request(&format!("http://{closed}/secret"), Body::empty())).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)) && !error.to_string().contains("secret"), "{error}");
    let (url, _seen) = server("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort").await;
    let error = http().send(request(&format!("{url}/secret"), Body::empty())).await;
    assert!(matches!(&error, Err(HttpError::Broken(why)) if !why.contains("secret")), "{error:?}");
    let (url, _seen) = server("this is no HTTP").await;
    let error = http().send(request(&url, Body::empty())).await;
    assert!(matches!(error, Err(HttpError::Broken(_))), "{error:?}");
}

#[tokio::test]
async fn silent_server_is_given_up_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request = Request { timeout: Duration::from_millis(50), ..request(&url, Body::empty()) };
    let error = http().send(request).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout), "{error:?}");
}

#[tokio::test]
async fn certificate_that_nobody_signed_is_refused_as_such() {
    let pem =
        |name: &str| std::fs::read(format!("{}/../../tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let certificate = CertificateDer::from_pem_slice(&pem("selfsigned.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&pem("selfsigned-key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let accepting = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
    });
    let error = http().send(request(&url, Body::empty())).await.unwrap_err();
    assert!(matches!(error, HttpError::Certificate(_)), "{error:?}");
    assert!(!accepting.await.unwrap());
}
