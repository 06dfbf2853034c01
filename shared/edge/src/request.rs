//! The middleware around every request: request id and trace, limits, catching of panics, one log line, metrics.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use domain::Code;
use flow::ports::Random;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri, Version};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::cors::Cors;
use crate::limits;
use crate::log_users::LogUsers;
use crate::metrics::Access;
use crate::problem::{OUR_FAULT, Problem};
use crate::render::RequestInfo;
use crate::request_context::RequestContext;
use crate::request_limits::RequestLimits;
use crate::serve::{BodyState, LastCall};

/// How one listener treats its requests.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    pub limits: RequestLimits,
    /// `None`: only web pages of the server itself may use the API.
    pub cors: Option<Cors>,
    /// How the log names users.
    pub users: LogUsers,
}

/// The path prefix under which the bytes of upload sessions are sent. What follows it is a credential, so it is never
/// repeated: not in a log, and not in an answer to its holder either, who may pass that answer on.
pub const UPLOAD_PARTS: &str = "/v2/sync/uploads/parts/";

/// Puts the middleware of the edge around a finished router. Call it last before `serve`, once for each listener:
/// routes that are added afterwards are not covered.
pub fn wrap(router: Router, random: Arc<dyn Random>) -> Router {
    wrap_with(router, random, Requests::default())
}

/// Like [`wrap`], with limits and CORS of the caller's choice.
pub fn wrap_with(router: Router, random: Arc<dyn Random>, requests: Requests) -> Router {
    // Each layer lies around those before it: a panic becomes an answer that `handle` finishes like any other.
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::new(Edge { random, requests }), handle))
}

struct Edge {
    random: Arc<dyn Random>,
    requests: Requests,
}

async fn handle(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let context = RequestContext::of(request.headers(), edge.random.as_ref(), edge.requests.users);
    let access = Access::begin(&request, &context);
    let span = tracing::info_span!(
        "request",
        request_id = context.request_id,
        trace_id = context.traceparent.trace_id(),
        route = access.route(),
        user = tracing::field::Empty,
        job_id = tracing::field::Empty
    );
    let origin = request.headers().get(ORIGIN).cloned();
    request.extensions_mut().insert(context.clone());
    request.extensions_mut().insert(edge.requests.limits);
    let info = RequestInfo {
        path: public_path(request.uri().path()),
        version: request.version(),
        context,
        body: request.extensions().get::<BodyState>().cloned(),
    };
    let access = access.within(&span);
    let answer = answer(&edge.requests, request, next).instrument(span.clone()).await;
    let mut answer = span.in_scope(|| info.finish(answer));
    if let Some(cors) = &edge.requests.cors {
        cors.add_headers(origin.as_ref(), answer.headers_mut());
    }
    access.end(answer.status());
    answer
}

/// The path as answers repeat it, without the credential of an upload. The prefix is searched for anywhere in the path,
/// because a client may have put a base address that ends in a slash before it.
fn public_path(path: &str) -> String {
    match path.split_once(UPLOAD_PARTS) {
        Some((before, _)) => format!("{before}{UPLOAD_PARTS}{{upload}}"),
        None => path.to_owned(),
    }
}

/// A layer for routes that must not stop half way. axum drops a handler when its client hangs up, at whichever `await`
/// it is; spawned as a task of its own the handler runs to its end.
pub async fn run_to_completion(request: Request, next: Next) -> Response {
    spawn_to_completion(async move { next.run(request).await }).await.unwrap_or_else(IntoResponse::into_response)
}

/// Like [`run_to_completion`], for a part of a handler: when the handler is dropped, the work goes on and only the waiting
/// ends. The limit on waiting for services that do not answer goes with it.
pub async fn spawn_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(flow::patience::carried(work).in_current_span()).await {
        Ok(done) => Ok(done),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cut) => Err(Problem::internal(cut)),
        },
    }
}

async fn answer(requests: &Requests, request: Request, next: Next) -> Response {
    let refused = check_limits(&requests.limits, request.uri(), request.headers())
        .and_then(|()| check_host(&request))
        .and_then(|()| check_content_encoding(request.headers()));
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
    tokio::select! {
        biased;
        answer = next.run(request) => answer,
        // The handler is dropped here, as it is when its client hangs up.
        () = last_call.comes() => shutting_down(),
    }
}

/// The answer after a panic. The problem has no cause: the panic hook has already logged it within the span of the request.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(Code::InternalError, OUR_FAULT).into_response()
}

/// The client gets an answer instead of a broken connection: it learns that it may try again, and when.
fn shutting_down() -> Response {
    let detail = "The server is shutting down. Please try again in a moment.";
    Problem::new(Code::ShuttingDown, detail).after(limits::RETRY_SHUTTING_DOWN).into_response()
}

fn check_limits(limits: &RequestLimits, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
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

/// RFC 9112, 3.2: a request of HTTP/1.1 has exactly one Host; with several, two readers could choose different servers.
/// Requests that did not come over a connection of this server (as on AWS Lambda) have been checked by the platform.
fn check_host(request: &Request) -> Result<(), Problem> {
    let is_wire = request.extensions().get::<BodyState>().is_some();
    if !is_wire || request.version() != Version::HTTP_11 || request.headers().get_all(HOST).iter().count() == 1 {
        return Ok(());
    }
    let detail = "A request of HTTP/1.1 names its server in one header field Host.";
    Err(Problem::new(Code::InvalidParameter, detail))
}

/// A compressed body would be stored compressed, as if it were audio; and decompression can turn a small body into an
/// endless one.
fn check_content_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let detail = "Bodies are read as they are: send this one without Content-Encoding.";
    // RFC 9110, 15.5.16: this header tells the client that the encoding is wrong, and not the media type.
    let unpacked = HeaderValue::from_static("identity");
    Err(Problem::new(Code::UnsupportedMediaType, detail).header(ACCEPT_ENCODING, unpacked))
}

#[cfg(test)]
mod tests;
