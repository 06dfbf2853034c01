//! Around every request: its id and trace, its limits, a net under panics, one log line, metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use domain::Code;
use flow::ports::Random;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, Uri};
use tracing::Instrument;

use crate::limits;
use crate::metrics::Access;
use crate::problem::{OUR_FAULT, Problem};
use crate::render::{Asked, X_REQUEST_ID};
use crate::serve::BodyState;
use crate::trace::Traceparent;

/// Where the bytes of upload sessions go. What follows is the credential: it is shown to nobody, not even in an answer
/// to whoever has it, which may be passed on.
pub const UPLOAD_PARTS: &str = "/v2/sync/uploads/parts/";

/// What ties an answer, its log lines and the worker's together.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub request_id: String,
    pub traceparent: Traceparent,
}

impl RequestContext {
    fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
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

/// A client's own id is taken over if it is harmless in a header and in a log.
fn is_request_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= limits::MAX_REQUEST_ID_BYTES && text.bytes().all(plain)
}

/// Puts the edge around a finished router. The last step before `serve`, once for each listener: routes added
/// afterwards would stay bare.
pub fn wrap(router: Router, random: Arc<dyn Random>) -> Router {
    router.layer(middleware::from_fn_with_state(random, around))
}

async fn around(State(random): State<Arc<dyn Random>>, mut request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.headers(), random.as_ref());
    let access = Access::begin(&request, &context);
    let span = tracing::info_span!(
        "request",
        request_id = context.request_id,
        trace_id = context.traceparent.trace_id(),
        route = access.route()
    );
    request.extensions_mut().insert(context.clone());
    let asked = Asked {
        path: shown(request.uri().path()),
        version: request.version(),
        context,
        body: request.extensions().get::<BodyState>().cloned(),
    };
    let answer = asked.finish(answer(request, next).instrument(span).await);
    access.end(answer.status());
    answer
}

/// A path as answers repeat it.
fn shown(path: &str) -> String {
    if path.starts_with(UPLOAD_PARTS) { format!("{UPLOAD_PARTS}{{upload}}") } else { path.to_owned() }
}

async fn answer(request: Request, next: Next) -> Response {
    if let Err(problem) = within_limits(request.uri(), request.headers()) {
        return problem.into_response();
    }
    // Nothing of the handler is used after a panic, so nothing half-changed is seen.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(answer) => answer,
        // Without a cause: the panic hook has logged it, inside the span of this request.
        Err(_) => Problem::new(Code::InternalError, OUR_FAULT).into_response(),
    }
}

fn within_limits(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let address = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if address > limits::MAX_URI_BYTES {
        let detail = format!("Path and query together may have {} bytes.", limits::MAX_URI_BYTES);
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > limits::MAX_HEADERS || bytes > limits::MAX_HEADER_BYTES {
        let (fields, bytes) = (limits::MAX_HEADERS, limits::MAX_HEADER_BYTES);
        let detail = format!("A request may have {fields} header fields with {bytes} bytes together.");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
