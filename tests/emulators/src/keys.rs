//! A server that publishes the keys of tokens; it counts requests, and the test chooses its answers.

mod signing;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use signing::{SigningKey, encoded, google, joined, stranger};

use crate::{listen, soon};

/// The server's behaviour.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    Serve,
    Status(u16),
    /// Success with this body, which is not a set of keys.
    Text(String),
    /// A set of keys padded to this many bytes.
    Padded(usize),
    /// A redirect to this address, where the same keys are.
    Redirect(String),
    /// No answer until another mode is set.
    Held,
}

#[derive(Clone, Debug)]
struct Answers {
    mode: Mode,
    keys: Vec<Value>,
    headers: Vec<(&'static str, String)>,
}

/// The server; it stops when this is dropped, and with the test's runtime.
pub struct KeyServer {
    pub url: String,
    answers: watch::Sender<Answers>,
    requests: watch::Sender<usize>,
    server: JoinHandle<()>,
}

impl KeyServer {
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let headers = vec![("cache-control", "public, max-age=600, must-revalidate, no-transform".to_owned())];
        let (answers, seen) = watch::channel(Answers { mode: Mode::Serve, keys: published(keys), headers });
        let requests = watch::Sender::new(0);
        let (listener, address) = listen().await;
        let routes = Router::new().fallback(answer).with_state((seen, requests.clone()));
        let server = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { url: format!("http://{address}/jwk"), answers, requests, server }
    }

    pub fn mode(&self, mode: Mode) {
        self.answers.send_modify(|answers| answers.mode = mode);
    }

    pub fn publish(&self, keys: &[&SigningKey]) {
        self.publish_as(published(keys));
    }

    pub fn publish_as(&self, keys: Vec<Value>) {
        self.answers.send_modify(|answers| answers.keys = keys);
    }

    /// Sets the headers of every answer, in place of a lifetime of ten minutes.
    pub fn headers(&self, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.send_modify(|answers| answers.headers = headers);
    }

    pub fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    pub async fn until_requests(&self, count: usize) {
        let mut requests = self.requests.subscribe();
        soon("a request for keys", requests.wait_for(|seen| *seen >= count)).await.unwrap();
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn published(keys: &[&SigningKey]) -> Vec<Value> {
    keys.iter().map(|key| key.public()).collect()
}

type Shared = (watch::Receiver<Answers>, watch::Sender<usize>);

async fn answer(State((mut answers, requests)): State<Shared>) -> Response<Body> {
    requests.send_modify(|count| *count += 1);
    let held = answers.wait_for(|answers| answers.mode != Mode::Held).await;
    let Answers { mode, keys, headers } = held.unwrap().clone();
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let set = json!({"keys": keys}).to_string();
    let (response, body) = match mode {
        Mode::Status(status) => (response.status(status), set),
        Mode::Text(text) => (response, text),
        Mode::Padded(bytes) => (response, format!("{set}{}", " ".repeat(bytes - set.len()))),
        Mode::Redirect(url) => (response.status(302).header("location", url), String::new()),
        Mode::Serve | Mode::Held => (response, set),
    };
    response.body(Body::from(body)).unwrap()
}
