//! A client of the public API: uploads, waits, reads everything that a user can read.

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
/// Pages of a listing; more means that it does not end.
const MAX_PAGES: usize = 1000;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
    /// Whether the document tells of these routes: not of those that only the queue reaches.
    is_documented: bool,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Null when there is none, or it is not JSON.
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

    /// A problem as the contract writes it.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["request_id"].as_str(), Some(self.header("x-request-id")), "{}", self.text);
        let retry_after = self.header("retry-after");
        assert_eq!(retry_after.is_empty(), self.body["retry_after"].is_null(), "{}", self.text);
        let told = self.body["retry_after"].to_string();
        assert!(retry_after.is_empty() || told == retry_after, "{}", self.text);
        &self.body
    }

    /// Code by file, as `errors` names them.
    pub fn bad_files(&self) -> Vec<(&str, &str)> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|bad| (bad["file"].as_str().unwrap(), bad["code"].as_str().unwrap())).collect()
    }
}

impl Client {
    /// An empty token sends none.
    pub fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { http, url: url.to_owned(), token: token.to_owned(), is_documented: true }
    }

    /// For the listener that the document does not tell of.
    pub fn internal(url: &str, token: &str) -> Self {
        Self { is_documented: false, ..Self::new(url, token) }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same user at another address.
    pub fn at(&self, url: &str) -> Self {
        Self::new(url, &self.token)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    /// `Err`: there was no answer, as when the server was killed.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let (http, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = http.execute(request).await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await?;
        let answer = Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text };
        if self.is_documented {
            contract::hold(&method, &path, answer.status, answer.code(), &answer.text);
        }
        Ok(answer)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// The caller's events since that one; from the beginning without an id.
    pub async fn events(&self, last_event_id: &str) -> Events {
        let request = self.request(Method::GET, "/v2/sync/events");
        let request = if last_event_id.is_empty() { request } else { request.header("last-event-id", last_event_id) };
        Events::of(request.send().await.unwrap())
    }

    pub async fn try_upload(&self, query: &str, files: &[Recording]) -> reqwest::Result<Answer> {
        self.try_post(&format!("/v2/sync/upload{query}"), files).await
    }

    /// A batch, to whichever route takes batches.
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

    /// The id of the job of an upload that has to be accepted.
    pub async fn accepted(&self, files: &[Recording]) -> String {
        let answer = self.upload(files).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.body["job_id"].as_str().unwrap().to_owned()
    }

    /// Uploads, and waits for the end.
    pub async fn done(&self, files: &[Recording]) -> Value {
        let job_id = self.accepted(files).await;
        self.terminal(&job_id).await
    }

    pub async fn job(&self, job_id: &str) -> Value {
        self.get(&format!("/v2/sync/jobs/{job_id}")).await.ok()
    }

    /// The job once it has come to this.
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

    /// All that was ever counted: segments, words, milliseconds.
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

    /// Neither a job nor a word nor a count.
    pub async fn has_nothing(&self) {
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
