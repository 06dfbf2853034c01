//! The side of AWS Lambda that hands out events: a function asks it for the next event and posts its answer. Here a test
//! writes the events itself, with whatever body and deadline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as Queue, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::function::Function;

/// What a function posted for an event: its answer, or the error with which it gave up.
#[derive(Debug)]
pub enum Posted {
    Answer(Value),
    Error(Value),
}

struct Event {
    deadline: u64,
    payload: Value,
    answer: oneshot::Sender<Posted>,
}

struct Runtime {
    events: Queue<mpsc::UnboundedReceiver<Event>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Posted>>>,
    count: Mutex<u64>,
}

/// A function that gets its events from a test.
pub struct LambdaFunction {
    pub function: Function,
    events: mpsc::UnboundedSender<Event>,
    _runtime: JoinSet<()>,
}

impl LambdaFunction {
    pub async fn start(program: &str, env: &[(String, String)]) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let runtime =
            Arc::new(Runtime { events: Queue::new(receiver), waiting: Mutex::default(), count: Mutex::default() });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .with_state(runtime);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let runtime = [
            ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", "function".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ];
        let env: Vec<_> = env.iter().cloned().chain(runtime.map(|(name, value)| (name.to_owned(), value))).collect();
        Self { function: Function::start(program, &env).await, events: sender, _runtime: serving }
    }

    /// What the function posts for this event. Lambda would end the function at the deadline, in milliseconds since 1970.
    pub async fn invoke(&self, payload: Value, deadline: u64) -> Posted {
        let (answer, posted) = oneshot::channel();
        self.events.send(Event { deadline, payload, answer }).ok().unwrap();
        tokio::time::timeout(crate::wait::PATIENCE, posted).await.expect("the function answers").unwrap()
    }

    /// The answer to this event, for which there is enough time.
    pub async fn answer(&self, payload: Value) -> Value {
        let deadline = u64::try_from(crate::wait::now_secs() + 600).unwrap() * 1000;
        match self.invoke(payload, deadline).await {
            Posted::Answer(answer) => answer,
            Posted::Error(error) => panic!("{error}: {}", self.function.log.tail()),
        }
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> Response {
    let Some(event) = runtime.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let id = {
        let mut count = runtime.count.lock().unwrap();
        *count += 1;
        format!("event-{count}")
    };
    runtime.waiting.lock().unwrap().insert(id.clone(), event.answer);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", event.deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:f".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event.payload.to_string()).into_response()
}

async fn answered(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    runtime.post(&id, Posted::Answer(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

async fn failed(State(runtime): State<Arc<Runtime>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    runtime.post(&id, Posted::Error(serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

impl Runtime {
    fn post(&self, id: &str, posted: Posted) -> StatusCode {
        if let Some(answer) = self.waiting.lock().unwrap().remove(id) {
            let _ = answer.send(posted);
        }
        StatusCode::ACCEPTED
    }
}
