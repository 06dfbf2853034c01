//! The last touch on every answer: problems get their path and request id, bare errors become problems.

use axum::response::Response;
use domain::Code;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Version};

use crate::problem::Problem;
use crate::request_context::{RequestContext, X_REQUEST_ID};
use crate::serve::BodyState;

/// What has to be remembered of a request until its answer is there.
pub(crate) struct Asked {
    pub path: String,
    pub version: Version,
    pub context: RequestContext,
    pub body: Option<BodyState>,
}

impl Asked {
    pub(crate) fn finish(&self, answer: Response) -> Response {
        let mut answer = match self.problem_in(&answer) {
            Some(problem) => self.write(&problem, answer),
            None => answer,
        };
        let id = HeaderValue::from_str(&self.context.request_id);
        answer.headers_mut().extend(id.map(|id| (X_REQUEST_ID, id)));
        // HTTP/2 has no such header: there the stream alone ends. After a success at most the last, empty chunk is
        // unread, and hyper takes it.
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
        // Whatever a handler made of the broken body: this is why it broke.
        if self.body.as_ref().is_some_and(BodyState::has_stalled) {
            return Some(Problem::new(Code::RequestTimeout, "The body of the request stopped arriving."));
        }
        answer.extensions().get::<Problem>().cloned().or_else(|| bare(answer))
    }

    fn write(&self, problem: &Problem, answer: Response) -> Response {
        self.log(problem);
        let mut written = problem.render(Some((&self.path, &self.context.request_id)));
        // `Allow` of a 405, and whatever a layer has added, stays.
        for (name, value) in answer.headers() {
            if name != CONTENT_TYPE && name != CONTENT_LENGTH && !written.headers().contains_key(name) {
                written.headers_mut().append(name, value.clone());
            }
        }
        written
    }

    /// Failures are logged here and nowhere else; what the client did wrong is not a failure.
    fn log(&self, problem: &Problem) {
        let (code, id) = (problem.code.as_str(), self.context.request_id.as_str());
        let trace_id = self.context.traceparent.trace_id();
        match (problem.cause(), problem.status()) {
            (None, _) => {}
            (Some(cause), status) if status.is_server_error() && problem.needs_a_person() => {
                tracing::error!(request_id = id, trace_id, code, cause, "request failed");
            }
            (Some(cause), status) if status.is_server_error() => {
                tracing::warn!(request_id = id, trace_id, code, cause, "request failed");
            }
            (Some(cause), _) => tracing::debug!(request_id = id, trace_id, code, cause, "request refused"),
        }
    }
}

/// An error without a body of ours: a route or method that does not exist, or an extractor of axum's own.
fn bare(answer: &Response) -> Option<Problem> {
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
