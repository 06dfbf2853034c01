//! The request id and the trace, which connect an answer with its log lines and with those of the worker.

use axum::extract::FromRequestParts;
use flow::ports::Random;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::limits;
use crate::problem::Problem;
use crate::trace::Traceparent;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Debug)]
pub struct RequestContext {
    pub request_id: String,
    pub traceparent: Traceparent,
}

impl RequestContext {
    pub(crate) fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parent = text("traceparent").and_then(|text| text.parse().ok());
        let given = text(X_REQUEST_ID.as_str()).filter(|id| is_request_id(id));
        Self {
            request_id: given.map_or_else(|| random.uuid().to_string(), str::to_owned),
            traceparent: Traceparent::continued(parent, random),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or_else(|| Problem::internal("the router was not wrapped: see edge::wrap"))
    }
}

/// A client's own request id is kept if it is harmless in a header and in a log.
fn is_request_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= limits::MAX_REQUEST_ID_BYTES && text.bytes().all(plain)
}
