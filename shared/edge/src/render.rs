//! The last step of every answer: problems get their path and request id, errors without a problem body become
//! problems.

use axum::response::Response;
use domain::Code;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Version};

use crate::problem::Problem;
use crate::request_context::{RequestContext, X_REQUEST_ID};
use crate::serve::BodyState;

/// What is remembered of a request until its answer is there.
pub(crate) struct RequestInfo {
    pub path: String,
    pub version: Version,
    pub context: RequestContext,
    pub body: Option<BodyState>,
}

impl RequestInfo {
    pub(crate) fn finish(&self, answer: Response) -> Response {
        let mut answer = match self.problem_in(&answer) {
            Some(problem) => self.write(&problem, answer),
            None => answer,
        };
        let id = HeaderValue::from_str(&self.context.request_id);
        answer.headers_mut().extend(id.map(|id| (X_REQUEST_ID, id)));
        // HTTP/2 has no such header: there only the stream ends. After a success at most the empty last chunk is
        // unread, and hyper reads it.
        let unread = self.body.as_ref().is_some_and(BodyState::is_worth_closing);
        if unread && self.version < Version::HTTP_2 && !answer.status().is_success() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    fn problem_in(&self, answer: &Response) -> Option<Problem> {
        let status = answer.status();
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        // Whatever the handler answered to the broken body, the stall is the reason.
        if self.body.as_ref().is_some_and(BodyState::has_stalled) {
            return Some(Problem::new(Code::RequestTimeout, "The body of the request stopped arriving."));
        }
        answer.extensions().get::<Problem>().cloned().or_else(|| problem_from_status(answer))
    }

    fn write(&self, problem: &Problem, answer: Response) -> Response {
        self.log(problem);
        let mut written = problem.render(Some((&self.path, &self.context.request_id)));
        // The `Allow` of a 405 and headers that a layer has added are kept.
        for (name, value) in answer.headers() {
            if name != CONTENT_TYPE && name != CONTENT_LENGTH && !written.headers().contains_key(name) {
                written.headers_mut().append(name, value.clone());
            }
        }
        written
    }

    /// Failures are logged here and nowhere else; a mistake of the client is not a failure.
    fn log(&self, problem: &Problem) {
        let (code, id) = (problem.code.as_str(), self.context.request_id.as_str());
        let trace_id = self.context.traceparent.trace_id();
        match (problem.cause(), problem.status()) {
            (None, _) => {}
            (Some(cause), status) if status.is_server_error() && problem.needs_operator() => {
                let remedy = problem.remedy();
                tracing::error!(request_id = id, trace_id, code, cause, remedy, "request failed");
            }
            (Some(cause), status) if status.is_server_error() => {
                tracing::warn!(request_id = id, trace_id, code, cause, "request failed");
            }
            (Some(cause), _) => tracing::debug!(request_id = id, trace_id, code, cause, "request refused"),
        }
    }
}

/// The problem for an error without a body of ours: an unknown route or method, or a rejection by one of axum's
/// extractors.
fn problem_from_status(answer: &Response) -> Option<Problem> {
    let kind = answer.headers().get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap_or(""));
    if kind.contains("json") {
        return None;
    }
    let (code, detail) = match answer.status().as_u16() {
        400 | 422 => (Code::InvalidParameter, "The request cannot be understood."),
        404 => (Code::NotFound, "No route leads here."),
        405 => (Code::MethodNotAllowed, "This route does not know the method; the header Allow lists those it does."),
        408 => (Code::RequestTimeout, "The request did not arrive in time."),
        413 => (Code::RequestTooLarge, "The body of the request is too large."),
        414 => (Code::UriTooLong, "The address of the request is too long."),
        415 => (Code::UnsupportedMediaType, "The body of the request has the wrong media type."),
        431 => (Code::HeadersTooLarge, "The headers of the request are too large."),
        500 => return Some(Problem::internal("a handler answered 500 without a reason")),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}
