//! A client of the public API: uploads, waits, and reads everything that a user can read.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::contract;
use crate::events::Events;
use crate::recordings::Recording;
use crate::wait::{PATIENCE, eventually_or};

/// Longer than any answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The limit of pages in a listing; more means that it does not end.
const MAX_PAGES: usize = 1000;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    /// Whether the API document describes these routes; it does not describe those for the queue.
    is_documented: bool,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null when there is no body, or it is not JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// Checks that the answer is a problem as `docs/API.md` describes it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"].as_str(), Some(self.header("x-request-id")), "{}", self.text);
        let retry_after = self.header("retry-after");
        assert_eq!(retry_after.is_empty(), self.body["retry_after"].is_null(), "{}", self.text);
        let in_body = self.body["retry_after"].to_string();
        assert!(retry_after.is_empty() || in_body == retry_after, "{}", self.text);
        &self.body
    }

    /// The code of each file that `errors` names.
    pub fn bad_files(&self) -> Vec<(&str, &str)> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|bad| (bad["file"].as_str().unwrap(), bad["code"].as_str().unwrap())).collect()
    }
}

impl Client {
    /// A client with this token; an empty token sends none.
    pub fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { http, url: url.to_owned(), token: token.to_owned(), is_documented: true }
    }

    /// A client for the internal listener, which the API document does not describe.
    pub fn internal(url: &str, token: &str) -> Self {
        Self { is_documented: false, ..Self::new(url, token) }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A client of the same user for another address.
    pub fn at(&self, url: &str) -> Self {
        Self::new(url, &self.token)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    /// Returns `Err` if there was no answer, for example because the server was killed.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let (http, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = http.execute(request).await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        let answer = Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text };
        if self.is_documented {
            contract::assert_documented(&method, &path, answer.status, answer.code(), &answer.text);
        }
        Ok(answer)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// The events of the caller after this event id; from the beginning if it is empty.
    pub async fn events(&self, last_event_id: &str) -> Events {
        let request = self.request(Method::GET, "/v2/sync/events");
        let request = if last_event_id.is_empty() { request } else { request.header("last-event-id", last_event_id) };
        Events::of(request.send().await.unwrap())
    }

    pub async fn try_upload(&self, query: &str, files: &[Recording]) -> reqwest::Result<Answer> {
        self.try_post(&format!("/v2/sync/upload{query}"), files).await
    }

    /// Sends a batch to any route that accepts batches.
    pub async fn try_post(&self, path: &str, files: &[Recording]) -> reqwest::Result<Answer> {
        let form = files.iter().fold(Form::new(), |form, file| form.part("files", part(file)));
        self.try_send(self.request(Method::POST, path).multipart(form)).await
    }

    pub async fn post(&self, path: &str, files: &[Recording]) -> Answer {
        self.try_post(path, files).await.unwrap()
    }

    pub async fn upload_to(&self, query: &str, files: &[Recording]) -> Answer {
        self.try_upload(query, files).await.unwrap()
    }

    pub async fn upload(&self, files: &[Recording]) -> Answer {
        self.upload_to("", files).await
    }

    /// The id of the job of an upload that must be accepted.
    pub async fn accepted(&self, files: &[Recording]) -> String {
        let answer = self.upload(files).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.body["job_id"].as_str().unwrap().to_owned()
    }

    /// Uploads files, and waits for the end of the job.
    pub async fn done(&self, files: &[Recording]) -> Value {
        let job_id = self.accepted(files).await;
        self.terminal(&job_id).await
    }

    pub async fn job(&self, job_id: &str) -> Value {
        self.get(&format!("/v2/sync/jobs/{job_id}")).await.ok()
    }

    /// Waits until the job fits the condition.
    pub async fn until(&self, job_id: &str, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually_or(&format!("job {job_id} {what}"), PATIENCE, async || {
            let job = self.job(job_id).await;
            if fits(&job) { Ok(job) } else { Err(job) }
        })
        .await
    }

    pub async fn terminal(&self, job_id: &str) -> Value {
        self.until(job_id, "is terminal", is_terminal).await
    }

    /// Every item of a paged listing.
    async fn all(&self, path: &str, items: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let glue = if path.contains('?') { '&' } else { '?' };
            let next = cursor.map(|cursor| format!("{glue}cursor={cursor}")).unwrap_or_default();
            let mut page = self.get(&format!("{path}{next}")).await.ok();
            all.append(page[items].as_array_mut().unwrap_or_else(|| panic!("no {items}: {path}")));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return all;
            }
        }
        panic!("{path} has no end");
    }

    pub async fn jobs(&self) -> Vec<Value> {
        self.all("/v2/sync/jobs?limit=100", "jobs").await
    }

    /// Every conversation, each with all of its segments.
    pub async fn conversations(&self) -> Vec<Value> {
        let mut all = self.all("/v2/conversations?limit=100", "conversations").await;
        for conversation in &mut all {
            let path = format!("/v2/conversations/{}", conversation["id"].as_str().unwrap());
            conversation["segments"] = self.all(&path, "segments").await.into();
        }
        all
    }

    pub async fn segments(&self) -> Vec<Value> {
        let all = self.conversations().await;
        all.into_iter().flat_map(|mut one| std::mem::take(one["segments"].as_array_mut().unwrap())).collect()
    }

    /// All usage that was ever counted: segments, words, milliseconds.
    pub async fn usage(&self) -> (u64, u64, u64) {
        let body = self.get("/v2/usage").await.ok();
        let buckets = body["buckets"].as_array().unwrap();
        let sum = |name: &str| buckets.iter().map(|bucket| bucket[name].as_u64().unwrap()).sum();
        (sum("segments"), sum("words"), sum("transcribed_ms"))
    }

    pub async fn put_device(&self, id: &str, push_token: &str) {
        let body = serde_json::json!({"push_token": push_token, "platform": "android"});
        let answer = self.send(self.request(Method::PUT, &format!("/v2/devices/{id}")).json(&body)).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// Checks that the user has no job, no conversation and no usage.
    pub async fn assert_empty(&self) {
        assert_eq!(self.jobs().await, [] as [Value; 0]);
        assert_eq!(self.conversations().await, [] as [Value; 0]);
        assert_eq!(self.usage().await, (0, 0, 0));
    }
}

fn part(file: &Recording) -> Part {
    let length = file.bytes.len() as u64;
    let part = Part::stream_with_length(file.bytes.clone(), length).file_name(file.name.clone());
    part.headers(file.headers.clone())
}

pub fn is_terminal(job: &Value) -> bool {
    ["completed", "partial_failure", "failed", "cancelled"].contains(&job["status"].as_str().unwrap())
}
