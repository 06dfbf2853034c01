//! The request id and the trace, which connect an answer with its log lines and with those of the worker.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use domain::{JobId, Uid};
use flow::ports::Random;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::limits;
use crate::log_users::LogUsers;
use crate::problem::Problem;
use crate::trace::Traceparent;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Debug)]
pub struct RequestContext {
    pub request_id: String,
    pub traceparent: Traceparent,
    pub(crate) subject: Arc<Subject>,
}

/// Whom and what a request turns out to concern, for its line in the log.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    users: LogUsers,
    /// The user as the log shows it.
    pub user: OnceLock<String>,
    pub job: OnceLock<JobId>,
}

impl RequestContext {
    pub(crate) fn of(headers: &HeaderMap, random: &dyn Random, users: LogUsers) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parent = text("traceparent").and_then(|text| text.parse().ok());
        let given = text(X_REQUEST_ID.as_str()).filter(|id| is_request_id(id));
        Self {
            request_id: given.map_or_else(|| random.uuid().to_string(), str::to_owned),
            traceparent: Traceparent::continued(parent, random),
            subject: Arc::new(Subject { users, ..Subject::default() }),
        }
    }

    /// Says whose request this is: from now on the lines of the log name the user.
    pub(crate) fn set_user(&self, uid: &Uid) {
        let user = self.subject.user.get_or_init(|| self.subject.users.shown(uid));
        tracing::Span::current().record("user", user);
    }

    /// Says which job this request made or found: from now on the lines of the log name it.
    pub fn set_job(&self, job: JobId) {
        let job = self.subject.job.get_or_init(|| job);
        tracing::Span::current().record("job_id", tracing::field::display(job));
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
