//! A server on a free port, each of whose requests waits for the test's answer.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{listen, soon};

/// One request. If it is dropped without an answer, it never gets one.
pub struct Call {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
    reply: oneshot::Sender<Response<Body>>,
}

impl Call {
    pub fn answer(self, status: u16) {
        self.answer_with(status, &[], "");
    }

    pub fn answer_with(self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let mut response = Response::new(Body::from(body.to_owned()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        // The client may have gone away.
        drop(self.reply.send(response));
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub struct Receiver {
    pub url: String,
    calls: mpsc::UnboundedReceiver<Call>,
    server: JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let (listener, address) = listen().await;
        let routes = Router::new().fallback(receive).with_state(sender);
        let server = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { url: format!("http://{address}"), calls, server }
    }

    pub async fn call(&mut self) -> Call {
        soon("a call", self.calls.recv()).await.unwrap()
    }

    /// The number of requests that have arrived and were not taken.
    pub fn waiting(&self) -> usize {
        self.calls.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State(calls): State<mpsc::UnboundedSender<Call>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let (reply, answer) = oneshot::channel();
    drop(calls.send(Call { method, uri, headers, body, reply }));
    match answer.await {
        Ok(answer) => answer,
        Err(_) => std::future::pending().await,
    }
}
