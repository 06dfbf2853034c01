//! Answers as Google writes them.

use std::convert::Infallible;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A refused request.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub reason: &'static str,
    pub message: String,
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), retry_after: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// A refusal that a test ordered.
    pub fn ordered(status: u16, retry_after: Option<u64>) -> Self {
        let (reason, message) = match status {
            401 => ("authError", "Invalid Credentials"),
            403 => {
                ("forbidden", "tester@example.com does not have the needed access to the Google Cloud Storage bucket.")
            }
            404 => ("notFound", "The specified bucket does not exist."),
            429 => ("rateLimitExceeded", "The bucket exceeded the rate limit for object mutation operations."),
            503 => ("backendError", "We encountered an internal error. Please try again."),
            _ => ("ordered", "Ordered by the test."),
        };
        let status = StatusCode::from_u16(status).unwrap();
        Self { retry_after, ..Self::new(status, reason, message) }
    }

    pub fn response(&self) -> Response<Body> {
        let code = self.status.as_u16();
        let errors = json!([{ "message": self.message, "domain": "global", "reason": self.reason }]);
        let mut response =
            json_with(self.status, &json!({ "error": { "code": code, "message": self.message, "errors": errors } }));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A checksum as it is written in JSON and in `x-goog-hash`.
pub fn crc_text(crc32c: u32) -> String {
    BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

pub fn read_crc(text: &str) -> Option<u32> {
    Some(u32::from_be_bytes(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}

/// The checksum in a header like `crc32c=AAAAAA==,md5=…`.
pub fn hash_header(headers: &http::HeaderMap) -> Option<u32> {
    let all = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).find_map(|part| read_crc(part.trim().strip_prefix("crc32c=")?))
}

pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body(Bytes::new()));
    *response.status_mut() = status;
    response
}

pub fn json(value: &Value) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=UTF-8"));
    response
}
