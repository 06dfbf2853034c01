//! Cloud Tasks: the crate `cloud-tasks-emulator`, inside the test's process, on a free port.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Response, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::listen;

/// The issuer that Google's own verifiers require.
pub const ISSUER: &str = "https://accounts.google.com";
pub const QUEUE: &str = "projects/demo-afterword/locations/europe-west1/queues/afterword";

/// The emulator; it stops when this is dropped, and with the test's runtime.
pub struct Tasks {
    endpoint: String,
    client: reqwest::Client,
    fault: Shared,
    servers: [JoinHandle<()>; 2],
}

/// A task as the service lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub name: String,
    pub schedule_time: String,
    pub dispatch_deadline: String,
}

impl Tasks {
    pub async fn start() -> Self {
        Self::start_as(ISSUER).await
    }

    pub async fn start_as(issuer: &str) -> Self {
        Self::start_with(issuer, QUEUE).await
    }

    /// Starts with another queue, given by its full name.
    pub async fn start_for(queue: &str) -> Self {
        Self::start_with(ISSUER, queue).await
    }

    async fn start_with(issuer: &str, queue: &str) -> Self {
        let (listener, address) = listen().await;
        let serve = cloud_tasks_emulator::serve(listener, issuer.to_owned(), vec![queue.to_owned()]);
        let emulator = tokio::spawn(async { serve.await.unwrap() });
        let client = reqwest::Client::new();
        let fault = Shared::default();
        let emulator_url = format!("http://{address}");
        let translator = Translator { emulator: emulator_url, client: client.clone(), fault: Arc::clone(&fault) };
        let (listener, address) = listen().await;
        let routes = Router::new().fallback(translate).with_state(translator);
        let front = tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self { endpoint: format!("http://{address}"), client, fault, servers: [emulator, front] }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on no task is created, and requests for the queue get this fault.
    pub fn order(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// Removes the ordered fault.
    pub fn heal(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// The URL of the keys of the tokens that deliveries carry.
    pub fn keys_url(&self) -> String {
        format!("{}/jwks", self.endpoint)
    }

    /// Those keys, as they are published.
    pub async fn keys(&self) -> Vec<Value> {
        let set: Value = self.client.get(self.keys_url()).send().await.unwrap().json().await.unwrap();
        set["keys"].as_array().unwrap().clone()
    }

    /// From now on tasks are delivered only by [`run`](Self::run).
    pub async fn pause(&self) {
        self.post(&format!("{QUEUE}:pause")).await;
    }

    /// A failed delivery is repeated at once.
    pub async fn retry_at_once(&self) {
        let url = format!("{}/v2/{QUEUE}?updateMask=retryConfig.minBackoff", self.endpoint);
        let change = json!({"name": QUEUE, "retryConfig": {"minBackoff": "0.010s"}});
        let answer = self.client.patch(url).json(&change).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Delivers a task now, whatever its schedule.
    pub async fn run(&self, task: &str) {
        self.post(&format!("{task}:run")).await;
    }

    /// The tasks that wait or are being delivered.
    pub async fn tasks(&self) -> Vec<Listed> {
        let url = format!("{}/v2/{QUEUE}/tasks?responseView=BASIC&pageSize=1000", self.endpoint);
        let answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        let tasks = answer.get("tasks").cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(tasks).unwrap()
    }

    async fn post(&self, path: &str) {
        let answer = self.client.post(format!("{}/v2/{path}", self.endpoint)).json(&json!({})).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct Translator {
    emulator: String,
    client: reqwest::Client,
    fault: Shared,
}

type Shared = Arc<Mutex<Option<Fault>>>;

/// The behaviour of Cloud Tasks instead of the normal one.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status, its name in `google.rpc.Code`, a message, and the pause in seconds that it asks for.
    Refuse(u16, &'static str, &'static str, Option<u64>),
    /// No answer at all.
    Silence,
}

/// Requests of the functions only: all others are the test's own.
fn is_of_a_function(method: &Method, path: &str) -> bool {
    let last = path.split('?').next().and_then(|path| path.rsplit('/').nth(if method == Method::POST { 0 } else { 1 }));
    matches!((method.as_str(), last), ("POST", Some("tasks")) | ("GET", Some("queues")))
}

async fn refused(fault: &Fault) -> Response<Body> {
    let Fault::Refuse(status, name, message, wait) = fault else { return std::future::pending().await };
    let error = json!({"error": {"code": status, "message": message, "status": name}});
    let mut response = Response::builder().status(*status).header(CONTENT_TYPE, "application/json");
    if let Some(seconds) = wait {
        response = response.header(RETRY_AFTER, *seconds);
    }
    response.body(Body::from(error.to_string())).unwrap()
}

/// Google's client writes enumerations in a query as numbers, which Google accepts and the emulator (0.1.3) refuses.
async fn translate(
    State(translator): State<Translator>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let fault = translator.fault.lock().unwrap().clone();
    if let Some(fault) = fault.filter(|_| is_of_a_function(&method, uri.path())) {
        return refused(&fault).await;
    }
    let path = uri.to_string().replace("responseView=1", "responseView=BASIC");
    let mut request = translator.client.request(method, format!("{}{path}", translator.emulator)).body(body);
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, kind);
    }
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get(CONTENT_TYPE) {
        response = response.header(CONTENT_TYPE, kind);
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}
