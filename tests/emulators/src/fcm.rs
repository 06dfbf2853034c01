//! Firebase Cloud Messaging, HTTP v1: checks every field of a request, records it, and answers as the test ordered.
//!
//! The form of a message is Google's: the schema `SendMessageRequest` of the API's discovery document (revision
//! 20251212), as far as a data message can have it. An unknown field is an error here, as it is at Google.

mod answer;
mod check;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub use answer::Answer;

use crate::listen;

pub const PROJECT: &str = "demo-afterword";
/// The access token that a request must carry.
pub const ACCESS_TOKEN: &str = "ya29.a-token-of-the-test";

/// The server; it stops when this is dropped, and with the test's runtime.
pub struct Fcm {
    pub url: String,
    state: Arc<Mutex<Inner>>,
    server: JoinHandle<()>,
}

struct Inner {
    /// The project whose messages are accepted, and the access token that the sender must show.
    project: String,
    access_token: String,
    requests: Vec<Value>,
    wrong: Vec<String>,
    orders: VecDeque<Answer>,
    tokens: HashMap<String, Answer>,
}

impl Fcm {
    pub async fn start() -> Self {
        Self::start_for(PROJECT, ACCESS_TOKEN).await
    }

    pub async fn start_for(project: &str, access_token: &str) -> Self {
        let state = Arc::new(Mutex::new(Inner {
            project: project.to_owned(),
            access_token: access_token.to_owned(),
            requests: Vec::new(),
            wrong: Vec::new(),
            orders: VecDeque::new(),
            tokens: HashMap::new(),
        }));
        let (listener, address) = listen().await;
        let routes = Router::new().fallback(receive).with_state(state.clone());
        let server = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { url: format!("http://{address}"), state, server }
    }

    /// Sets the answer to the next request that has none yet; without an order every message is sent.
    pub fn answer_next(&self, answer: Answer) {
        self.state().orders.push_back(answer);
    }

    /// Sets the answer to every message to this token; it wins over the orders.
    pub fn answer_token(&self, token: &str, answer: Answer) {
        self.state().tokens.insert(token.to_owned(), answer);
    }

    /// The bodies of all requests in order, whatever their answer was.
    pub fn requests(&self) -> Vec<Value> {
        self.state().requests.clone()
    }

    /// The faults of all requests; empty if the program is right.
    pub fn wrong(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap()
    }
}

impl Drop for Fcm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inner {
    fn judge(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &str) -> Answer {
        let request: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let token = request["message"]["token"].as_str().unwrap_or_default().to_owned();
        let checked =
            check::head(method, uri, headers, &self.project, &self.access_token).and_then(|()| check::body(body));
        self.requests.push(request);
        if let Err(refusal) = checked {
            self.wrong.push(refusal.why.clone());
            return Answer::refused(refusal.status, "INVALID_ARGUMENT", "INVALID_ARGUMENT", &refusal.why);
        }
        let ordered = self.tokens.get(&token).cloned().or_else(|| self.orders.pop_front());
        let name = format!("projects/{}/messages/{}", self.project, self.requests.len());
        ordered.unwrap_or_else(|| Answer::json(200, &json!({"name": name})))
    }
}

async fn receive(
    State(state): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let answer = state.lock().unwrap().judge(&method, &uri, &headers, &body);
    answer.give().await
}
