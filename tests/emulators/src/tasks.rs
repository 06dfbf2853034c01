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
    queue: String,
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
        Self {
            endpoint: format!("http://{address}"),
            client,
            queue: queue.to_owned(),
            fault,
            servers: [emulator, front],
        }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on no task is created, and requests for the queue get this fault.
    pub fn order(&self, fault: Fault) {
        *self.fault.lock().unwrap() = vec![(Request::Queue, fault.clone()), (Request::Create, fault)];
    }

    /// From now on requests of this kind get this fault, and others none.
    pub fn order_of(&self, request: Request, fault: Fault) {
        *self.fault.lock().unwrap() = vec![(request, fault)];
    }

    /// Removes the ordered faults.
    pub fn heal(&self) {
        self.fault.lock().unwrap().clear();
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
        let url = format!("{}/v2/{}/tasks?responseView=BASIC&pageSize=1000", self.endpoint, self.queue);
        let answer: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        let tasks = answer.get("tasks").cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(tasks).unwrap()
    }

    /// The full names of those tasks.
    pub async fn names(&self) -> Vec<String> {
        self.tasks().await.into_iter().map(|task| task.name).collect()
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

type Shared = Arc<Mutex<Vec<(Request, Fault)>>>;

/// The kinds of requests that only functions make; all others are the test's own too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The description of the queue.
    Queue,
    Create,
    Delete,
}

impl Request {
    fn of(method: &Method, path: &str) -> Option<Self> {
        let parts: Vec<_> = path.split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", [.., "tasks"]) => Some(Self::Create),
            ("GET", [.., "queues", _]) => Some(Self::Queue),
            ("DELETE", [.., "tasks", _]) => Some(Self::Delete),
            _ => None,
        }
    }
}

/// The behaviour of Cloud Tasks instead of the normal one.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status, its name in `google.rpc.Code`, a message, and the pause in seconds that it asks for.
    Refuse(u16, &'static str, &'static str, Option<u64>),
    /// No answer at all.
    Silence,
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
    let request = Request::of(&method, uri.path());
    let faults = translator.fault.lock().unwrap().clone();
    if let Some((_, fault)) = faults.iter().find(|(broken, _)| Some(*broken) == request) {
        return refused(fault).await;
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
