//! Around every request: its id and trace, its limits, a net under panics, one log line, metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use domain::Code;
use flow::ports::Random;
use futures_util::FutureExt;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri, Version};
use tracing::Instrument;

use crate::cors::Cors;
use crate::limits;
use crate::metrics::Access;
use crate::problem::{OUR_FAULT, Problem};
use crate::render::Asked;
use crate::request_context::RequestContext;
use crate::request_limits::RequestLimits;
use crate::serve::{BodyState, LastCall};

/// How requests are taken at one listener.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    pub limits: RequestLimits,
    /// `None`: web pages of the server itself only.
    pub cors: Option<Cors>,
}

/// Where the bytes of upload sessions go. What follows is the credential: it is shown to nobody, not even in an answer
/// to whoever has it, which may be passed on.
pub const UPLOAD_PARTS: &str = "/v2/sync/uploads/parts/";

/// Puts the edge around a finished router. The last step before `serve`, once for each listener: routes added
/// afterwards would stay bare.
pub fn wrap(router: Router, random: Arc<dyn Random>) -> Router {
    wrap_with(router, random, Requests::default())
}

/// The same, with requests taken as told.
pub fn wrap_with(router: Router, random: Arc<dyn Random>, requests: Requests) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(Edge { random, requests }), around))
}

struct Edge {
    random: Arc<dyn Random>,
    requests: Requests,
}

async fn around(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.headers(), edge.random.as_ref());
    let access = Access::begin(&request, &context);
    let span = tracing::info_span!(
        "request",
        request_id = context.request_id,
        trace_id = context.traceparent.trace_id(),
        route = access.route()
    );
    let origin = request.headers().get(ORIGIN).cloned();
    request.extensions_mut().insert(context.clone());
    request.extensions_mut().insert(edge.requests.limits);
    let asked = Asked {
        path: shown(request.uri().path()),
        version: request.version(),
        context,
        body: request.extensions().get::<BodyState>().cloned(),
    };
    let mut answer = asked.finish(answer(&edge.requests, request, next).instrument(span).await);
    if let Some(cors) = &edge.requests.cors {
        cors.mark(origin.as_ref(), answer.headers_mut());
    }
    access.end(answer.status());
    answer
}

/// A path as answers repeat it. An address of bytes may stand behind more than it should, as where a base that ends in a
/// slash was put before it.
fn shown(path: &str) -> String {
    match path.split_once(UPLOAD_PARTS) {
        Some((before, _)) => format!("{before}{UPLOAD_PARTS}{{upload}}"),
        None => path.to_owned(),
    }
}

/// A layer for routes that must not stop half way: axum drops a handler whose client hangs up, wherever it waits. On a
/// task of its own it comes to its end, and what was begun is whole or taken back.
pub async fn to_its_end(request: Request, next: Next) -> Response {
    on_its_own(async move { next.run(request).await }).await.unwrap_or_else(IntoResponse::into_response)
}

/// The same for a part of a handler: dropped, only the waiting for it ends.
pub async fn on_its_own<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => Ok(done),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cut) => Err(Problem::internal(cut)),
        },
    }
}

async fn answer(requests: &Requests, request: Request, next: Next) -> Response {
    let refused = within_limits(&requests.limits, request.uri(), request.headers())
        .and_then(|()| names_its_server(&request))
        .and_then(|()| as_it_is(request.headers()));
    if let Err(problem) = refused {
        return problem.into_response();
    }
    if let Some(answer) = requests.cors.as_ref().and_then(|cors| cors.preflight(&request)) {
        return answer;
    }
    let last_call = request.extensions().get::<LastCall>().cloned().unwrap_or_default();
    if last_call.has_come() {
        return shutting_down();
    }
    // Nothing of the handler is used after a panic, so nothing half-changed is seen.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = tokio::select! {
        biased;
        answered = answered => answered,
        // The handler is dropped, as when its client hangs up.
        () = last_call.comes() => return shutting_down(),
    };
    match answered {
        Ok(answer) => answer,
        // Without a cause: the panic hook has logged it, inside the span of this request.
        Err(_) => Problem::new(Code::InternalError, OUR_FAULT).into_response(),
    }
}

/// An answer instead of a connection that breaks off: the client knows that it may try again, and when.
fn shutting_down() -> Response {
    let detail = "The server is shutting down. Please try again in a moment.";
    Problem::new(Code::ShuttingDown, detail).after(limits::RETRY_SHUTTING_DOWN).into_response()
}

fn within_limits(limits: &RequestLimits, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let address = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if address > limits.max_uri_bytes {
        let detail = format!("Path and query together may have {} bytes.", limits.max_uri_bytes);
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > limits.max_headers || bytes > limits.max_header_bytes {
        let (fields, bytes) = (limits.max_headers, limits.max_header_bytes);
        let detail = format!("A request may have {fields} header fields with {bytes} bytes together.");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    Ok(())
}

/// RFC 9112, 3.2: a request of HTTP/1.1 has one Host, or two readers may see two servers in it. What comes by another way
/// than a connection of ours, as on AWS Lambda, was judged there.
fn names_its_server(request: &Request) -> Result<(), Problem> {
    let is_wire = request.extensions().get::<BodyState>().is_some();
    if !is_wire || request.version() != Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1 {
        return Ok(());
    }
    let detail = "A request of HTTP/1.1 names its server in one header field Host.";
    Err(Problem::new(Code::InvalidParameter, detail))
}

/// A packed body would be stored packed, as if it were audio; and unpacking is how a small body becomes an endless one.
fn as_it_is(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let detail = "Bodies are read as they are: send this one without Content-Encoding.";
    // RFC 9110, 15.5.16: with this a client knows that it is the packing, and not the media type.
    let unpacked = HeaderValue::from_static("identity");
    Err(Problem::new(Code::UnsupportedMediaType, detail).header(ACCEPT_ENCODING, unpacked))
}

#[cfg(test)]
mod tests;
