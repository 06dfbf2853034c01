//! Another service that answers in place of the stand-in, such as Google's own storage-testbench.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use http::header::{CONTENT_RANGE, HOST, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::bucket::Session;
use super::single_request::{self, Answer};

const REST: &str = "STORAGE_EMULATOR_HOST";
const GRPC: &str = "STORAGE_EMULATOR_GRPC_HOST";

pub struct Elsewhere {
    /// The hosts with their ports.
    rest: String,
    grpc: String,
    /// The host and port under which clients reach the service.
    known_as: OnceLock<HeaderValue>,
    /// The upload sessions that were started there: names of objects, and paths of the sessions' URLs.
    started: Mutex<Vec<(String, String)>>,
    /// The id that the service gave to the ordered faults.
    retry_test: Mutex<Option<String>>,
}

impl Elsewhere {
    /// The service that the environment names, if any.
    pub fn named() -> Option<Self> {
        let rest = host(&std::env::var(REST).ok()?);
        let grpc = std::env::var(GRPC).map_or_else(|_| rest.clone(), |named| host(&named));
        Some(Self { rest, grpc, known_as: OnceLock::new(), started: Mutex::default(), retry_test: Mutex::default() })
    }

    /// Sets the address under which clients reach the service.
    pub fn is_known_as(&self, address: SocketAddr) {
        let host = HeaderValue::from_str(&address.to_string()).unwrap();
        self.known_as.get_or_init(|| host);
    }

    pub fn known_as(&self) -> HeaderValue {
        self.known_as.get().unwrap().clone()
    }

    pub fn create_bucket(&self, bucket: &str) {
        let mut about = super::bucket::intended_settings();
        about["name"] = json!(bucket);
        let about = about.to_string();
        let made = self.ask(Method::POST, "/storage/v1/b?project=test", &[("content-type", "application/json")], about);
        assert!(made.head.status.is_success(), "{REST} makes no bucket: {}", made.head.status);
    }

    pub fn names(&self, bucket: &str) -> Vec<String> {
        let (mut names, mut page) = (Vec::new(), String::new());
        loop {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("pageToken", &page).finish();
            let query = if page.is_empty() { String::new() } else { format!("?{query}") };
            let listed = json(self.get(&format!("/storage/v1/b/{bucket}/o{query}")));
            let items = listed["items"].as_array().cloned().unwrap_or_default();
            names.extend(items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)));
            page = listed["nextPageToken"].as_str().unwrap_or_default().to_owned();
            if page.is_empty() {
                return names;
            }
        }
    }

    pub fn bytes(&self, bucket: &str, name: &str) -> Option<Bytes> {
        let answer = self.get(&format!("{}?alt=media", path_of(bucket, name)));
        (answer.head.status != StatusCode::NOT_FOUND).then_some(answer.bytes)
    }

    /// A value of an object's own metadata.
    pub fn metadata(&self, bucket: &str, name: &str, key: &str) -> Option<String> {
        let about = json(self.get(&path_of(bucket, name)));
        about["metadata"][key].as_str().map(str::to_owned)
    }

    pub fn put(&self, bucket: &str, name: &str, bytes: Bytes) {
        let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={}", quoted(name));
        let put = self.ask(Method::POST, &path, &[("content-type", "application/octet-stream")], bytes);
        assert!(put.head.status.is_success(), "{REST} takes no object: {}", put.head.status);
    }

    pub fn started(&self, query: &str, headers: &HeaderMap) {
        let name = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "name");
        let url = headers.get(LOCATION).and_then(|url| url.to_str().ok());
        if let (Some((_, name)), Some(path)) = (name, url.and_then(|url| Some(&url[url.find("/upload")?..]))) {
            self.started.lock().unwrap().push((name.into_owned(), path.to_owned()));
        }
    }

    /// The sessions that are still open according to the service.
    pub fn sessions(&self) -> Vec<Session> {
        let started = self.started.lock().unwrap().clone();
        let mut open: Vec<Session> = started.into_iter().filter_map(|(name, path)| self.session(name, &path)).collect();
        open.sort_by(|one, other| one.name.cmp(&other.name));
        open
    }

    fn session(&self, name: String, path: &str) -> Option<Session> {
        let response = self.ask(Method::PUT, path, &[(CONTENT_RANGE.as_str(), "bytes */*")], Bytes::new());
        let last =
            response.head.headers.get(RANGE).and_then(|range| range.to_str().ok()?.rsplit('-').next()?.parse().ok());
        let received = last.map_or(0, |last: u64| last + 1);
        (response.head.status == StatusCode::PERMANENT_REDIRECT).then_some(Session { name, received })
    }

    /// Orders faults by the "Retry Test API" of Google's testbench; returns `false` if the service does not have it.
    pub fn order(&self, transport: &str, method: &str, faults: &[&str]) -> bool {
        let about = json!({ "transport": transport, "instructions": { method: faults } }).to_string();
        let made = self.ask(Method::POST, "/retry_test", &[("content-type", "application/json")], about);
        *self.retry_test.lock().unwrap() = json(made)["id"].as_str().map(str::to_owned);
        self.retry_test().is_some()
    }

    pub fn retry_test(&self) -> Option<String> {
        self.retry_test.lock().unwrap().clone()
    }

    /// Whether all faults that were ordered there have occurred.
    pub fn has_struck(&self) -> bool {
        self.retry_test().is_some_and(|id| json(self.get(&format!("/retry_test/{id}")))["completed"] == true)
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], Bytes::new())
    }

    /// Waits for the answer in a thread of its own: the caller may be inside a runtime, and is not async.
    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.rest);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let asking = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(self.send(request, false))
        };
        let answer = std::thread::scope(|scope| scope.spawn(asking).join().unwrap());
        answer.unwrap_or_else(|why| panic!("{REST} does not answer: {why}"))
    }

    /// Returns `Err` if there was no answer.
    pub async fn send(&self, request: Request<Full<Bytes>>, is_grpc: bool) -> io::Result<Answer> {
        if is_grpc {
            single_request::grpc(&self.grpc, request).await
        } else {
            single_request::rest(&self.rest, request).await
        }
    }
}

fn json(answer: Answer) -> Value {
    serde_json::from_slice(&answer.bytes).unwrap_or_default()
}

fn path_of(bucket: &str, name: &str) -> String {
    format!("/storage/v1/b/{bucket}/o/{}", quoted(name))
}

fn quoted(name: &str) -> String {
    let form: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    form.replace('+', "%20")
}

/// Both hosts may be given with or without the scheme.
fn host(named: &str) -> String {
    named.trim_start_matches("http://").trim_end_matches('/').to_owned()
}
