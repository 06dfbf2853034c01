//! A speech provider on this machine: a real HTTP server whose answers, errors and breakdowns are decided by the test,
//! and that records every request.

mod form;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use form::Field;

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub method: String,
    pub path: String,
    /// Query parameters, in the order they came.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl ReceivedRequest {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The fields of a multipart form, in their order.
    pub fn form(&self) -> Vec<Field> {
        form::read(self.header("content-type"), &self.body)
    }
}

/// The provider's answer to a request.
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    Whole(Bytes),
    /// The connection breaks after these bytes.
    Cut(Bytes),
    /// The body never ends.
    Endless,
    /// Nothing is sent, and the connection stays open.
    Never,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    pub fn text(status: u16, kind: &str, body: &str) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: Body::Whole(body.to_owned().into()) }
    }

    /// A good status, the start of a body, and a broken connection.
    pub fn cut(body: &str) -> Self {
        Self { body: Body::Cut(body.to_owned().into()), ..Self::text(200, "application/json", "") }
    }

    /// An endless body of white space, which every format may begin with.
    pub fn endless() -> Self {
        Self { body: Body::Endless, ..Self::text(200, "application/json", "") }
    }

    pub fn never() -> Self {
        Self { body: Body::Never, ..Self::text(200, "application/json", "") }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

type Answers = dyn Fn(&ReceivedRequest) -> Reply + Send + Sync;

struct Shared {
    answers: Mutex<Arc<Answers>>,
    requests: Mutex<Vec<ReceivedRequest>>,
    count: watch::Sender<usize>,
}

/// The server; dropping it closes all connections.
pub struct Provider {
    /// The base URL, without a slash at its end.
    pub url: String,
    shared: Arc<Shared>,
    _work: JoinSet<()>,
}

impl Provider {
    /// Starts a server on a free port of this machine.
    pub async fn start(answers: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let answers: Arc<Answers> = Arc::new(answers);
        let shared =
            Arc::new(Shared { answers: Mutex::new(answers), requests: Mutex::default(), count: watch::Sender::new(0) });
        let mut work = JoinSet::new();
        work.spawn(accept(listener, Arc::clone(&shared)));
        Self { url, shared, _work: work }
    }

    /// Changes the answers from now on.
    pub fn set_answers(&self, answers: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static) {
        *lock(&self.shared.answers) = Arc::new(answers);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Returns once there have been this many requests. The caller bounds the wait.
    pub async fn asked_times(&self, times: usize) {
        let mut count = self.shared.count.subscribe();
        // Waiting cannot fail: the sender lives as long as `self`.
        let _ = count.wait_for(|count| *count >= times).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, &shared));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Pieces = StreamBody<BoxStream<'static, Result<Frame<Bytes>, &'static str>>>;

async fn answer(request: Request<Incoming>, shared: &Shared) -> Result<Response<Pieces>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let request = ReceivedRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: form::query(head.uri.query().unwrap_or("")),
        headers: head.headers,
        body,
    };
    let answers = Arc::clone(&lock(&shared.answers));
    let reply = answers(&request);
    lock(&shared.requests).push(request);
    shared.count.send_modify(|count| *count += 1);
    let pieces = match reply.body {
        Body::Whole(bytes) => stream::iter([Ok(Frame::data(bytes))]).boxed(),
        Body::Cut(bytes) => stream::iter([Ok(Frame::data(bytes)), Err("cut")]).boxed(),
        Body::Endless => stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[b' '; 65_536])))).boxed(),
        Body::Never => std::future::pending().await,
    };
    let mut response = Response::new(StreamBody::new(pieces));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    for (name, value) in reply.headers {
        let value = HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("?"));
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    debug_assert!(response.headers().contains_key(CONTENT_TYPE));
    Ok(response)
}
