//! One delivery: an HTTP request to the worker, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::settings::{InvalidSetting, QueueSettings};
use super::task::Task;

const QUEUE_NAME: HeaderName = HeaderName::from_static("x-cloudtasks-queuename");
const TASK_NAME: HeaderName = HeaderName::from_static("x-cloudtasks-taskname");
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-cloudtasks-taskretrycount");
const EXECUTION_COUNT: HeaderName = HeaderName::from_static("x-cloudtasks-taskexecutioncount");
const ETA: HeaderName = HeaderName::from_static("x-cloudtasks-tasketa");
const SECRET: HeaderName = HeaderName::from_static("x-task-secret");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The connect timeout. The worker runs on this machine: it accepts a connection at once, or is not
/// running.
const CONNECT: Duration = Duration::from_secs(10);
/// An answer is read to its end so that the connection can be reused. A longer answer is not worth
/// reading.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// The longest reason of a refusal that is logged.
const MAX_REASON_CHARS: usize = 300;

#[derive(Debug)]
pub enum Answer {
    Done,
    Refused {
        status: StatusCode,
        retry_after: Option<Duration>,
        /// The code and the sentence of the answer's problem; empty if it has none.
        why: String,
    },
    /// The worker gave no answer.
    Unanswered(String),
}

pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    /// The headers of every request.
    headers: HeaderMap,
}

impl Caller {
    pub fn new(settings: &QueueSettings) -> Result<Self, InvalidSetting> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(settings.max_concurrent);
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (QUEUE_NAME, settings.name_header()?),
            (SECRET, settings.secret_header()?),
        ]);
        Ok(Self { client: client.build(connector), uri: settings.uri()?, headers })
    }

    pub async fn call(&self, task: &Task) -> Answer {
        match self.client.request(self.request(task)).await {
            Ok(response) => {
                let answer = judge(&response);
                let body = read_to_end(response).await;
                match answer {
                    Answer::Refused { status, retry_after, .. } => {
                        Answer::Refused { status, retry_after, why: problem(&body) }
                    }
                    answer => answer,
                }
            }
            Err(error) => Answer::Unanswered(chain(&error)),
        }
    }

    fn request(&self, task: &Task) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(task.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(RETRY_COUNT, HeaderValue::from(task.retries));
        headers.insert(EXECUTION_COUNT, HeaderValue::from(task.answers));
        // Only a text that cannot be a header's value is left out: a delivery matters more than its trace.
        let texts =
            [(TASK_NAME, Some(&task.name)), (ETA, Some(&eta(task.due))), (TRACEPARENT, task.traceparent.as_ref())];
        for (name, text) in texts {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
        request
    }
}

/// Seconds since 1970 with a fraction, as Cloud Tasks writes it.
fn eta(due: Timestamp) -> String {
    format!("{}.{:03}", due.millis().div_euclid(1000), due.millis().rem_euclid(1000))
}

fn judge(response: &Response<Incoming>) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Done;
    }
    let asks = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
    let wait = response.headers().get(RETRY_AFTER).filter(|_| asks);
    let wait = wait.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Answer::Refused { status, retry_after: wait.map(Duration::from_secs), why: String::new() }
}

/// What the task needs is the status, so that an answer that breaks off only costs its connection and the reason.
async fn read_to_end(response: Response<Incoming>) -> Bytes {
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    body.map(|body| body.to_bytes()).unwrap_or_default()
}

/// The reason in the answer of a worker that refused a delivery, such as `backend_busy: This instance has enough to do.`
fn problem(body: &[u8]) -> String {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let parts = [problem.code, problem.detail].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(": ").chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
}

/// The parts of a problem (RFC 9457) that the log tells.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    detail: String,
}

/// The text of an error with its causes: the client's own text is "client error", and the causes say
/// what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
