//! The answers that Google documents, and some that it does not.

use axum::body::{Body, Bytes};
use http::{Response, StatusCode};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ends: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Well,
    /// Nothing is answered at all.
    Never,
    /// The connection is closed in the middle of the body.
    CutOff,
    /// The body is repeated for ever.
    Endless,
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=UTF-8", &body.to_string())
    }

    pub fn text(status: u16, kind: &str, body: &str) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        Self { status, headers, body: body.as_bytes().to_vec(), ends: Ends::Well }
    }

    /// An error as FCM reports it: a status of `google.rpc.Code`, and FCM's own code in a detail.
    pub fn refused(status: u16, rpc: &str, code: &str, message: &str) -> Self {
        let detail = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code});
        Self::refused_with(status, rpc, message, json!([detail]))
    }

    pub fn refused_with(status: u16, rpc: &str, message: &str, details: Value) -> Self {
        let error = json!({"code": status, "message": message, "status": rpc, "details": details});
        Self::json(status, &json!({"error": error}))
    }

    pub fn unregistered() -> Self {
        Self::refused(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found.")
    }

    pub fn invalid_token() -> Self {
        let message = "The registration token is not a valid FCM registration token";
        Self::refused(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message)
    }

    /// An error that names the wrong field.
    pub fn invalid_field(field: &str, description: &str) -> Self {
        let violations = json!([{"field": field, "description": description}]);
        let details = json!([
            {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "INVALID_ARGUMENT"},
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations},
        ]);
        Self::refused_with(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", details)
    }

    pub fn quota_exceeded() -> Self {
        Self::refused(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Quota exceeded.")
    }

    pub fn unavailable() -> Self {
        Self::refused(503, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable.")
    }

    pub fn internal() -> Self {
        Self::refused(500, "INTERNAL", "INTERNAL", "An internal error has occurred.")
    }

    pub fn never() -> Self {
        Self { ends: Ends::Never, ..Self::text(200, "text/plain", "") }
    }

    #[must_use]
    pub fn cut_off(self) -> Self {
        Self { ends: Ends::CutOff, ..self }
    }

    #[must_use]
    pub fn endless(self) -> Self {
        Self { ends: Ends::Endless, ..self }
    }

    #[must_use]
    pub fn retry_after(mut self, value: &str) -> Self {
        self.headers.push(("retry-after", value.to_owned()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) async fn give(self) -> Response<Body> {
        if self.ends == Ends::Never {
            return std::future::pending().await;
        }
        let mut response = Response::builder().status(StatusCode::from_u16(self.status).unwrap());
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        if self.ends == Ends::CutOff {
            let half = Bytes::copy_from_slice(&self.body[..self.body.len() / 2]);
            let broken = std::io::Error::other("cut on order");
            let pieces = futures_util::stream::iter([Ok(half), Err(broken)]);
            return response.header("content-length", self.body.len()).body(Body::from_stream(pieces)).unwrap();
        }
        if self.ends == Ends::Endless {
            let piece = Bytes::from(self.body);
            let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            return response.body(Body::from_stream(pieces)).unwrap();
        }
        response.body(Body::from(self.body)).unwrap()
    }
}
