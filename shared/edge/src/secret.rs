//! The shared secret of the task routes: checked at start-up, compared in constant time.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use domain::Code;
use flow::ports::TaskIdentity;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::auth::bearer;
use crate::limits::{self, MIN_SECRET_BYTES};
use crate::problem::Problem;

pub const TASK_SECRET_HEADER: HeaderName = HeaderName::from_static("x-task-secret");

/// Why a function refuses to start. The message never repeats the secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} (environment: {env}) {what}")]
pub struct InvalidSecret {
    key: &'static str,
    env: &'static str,
    what: String,
}

/// The secret that task calls carry, and during a rotation also the previous one.
pub struct TaskSecret {
    current: SecretString,
    /// Digests of the accepted secrets: all have the same length, so a comparison does not reveal that of a secret.
    accepted: Vec<[u8; 32]>,
}

impl TaskSecret {
    pub fn new(current: Option<SecretString>, previous: Option<SecretString>) -> Result<Self, InvalidSecret> {
        let unset = "is not set: without it anybody could start work";
        let refuse = |what: &str| invalid("tasks.secret", "AFTERWORD_TASKS_SECRET", what);
        let current = current.ok_or_else(|| refuse(unset))?;
        check_secret(&current).map_err(|what| refuse(&what))?;
        if let Some(previous) = &previous {
            let refuse = |what: String| invalid("tasks.previous_secret", "AFTERWORD_TASKS_PREVIOUS_SECRET", &what);
            check_secret(previous).map_err(refuse)?;
        }
        let accepted = [Some(&current), previous.as_ref()].into_iter().flatten();
        let accepted = accepted.map(|secret| digest(secret.expose_secret().as_bytes())).collect();
        Ok(Self { current, accepted })
    }

    /// The value that the queue sends in [`TASK_SECRET_HEADER`].
    pub fn expose_for_sending(&self) -> &str {
        self.current.expose_secret()
    }

    /// Whether there is exactly one header with an accepted secret. All accepted secrets are compared, even after a
    /// match, so that the time reveals nothing.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut given = headers.get_all(TASK_SECRET_HEADER).iter();
        let (Some(value), None) = (given.next(), given.next()) else { return false };
        let value = digest(value.as_bytes());
        let matches = |known: &[u8; 32]| known.ct_eq(&value);
        self.accepted.iter().map(matches).fold(Choice::from(0), |any, one| any | one).into()
    }
}

impl fmt::Debug for TaskSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskSecret")
    }
}

fn invalid(key: &'static str, env: &'static str, what: &str) -> InvalidSecret {
    InvalidSecret { key, env, what: what.to_owned() }
}

fn check_secret(secret: &SecretString) -> Result<(), String> {
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err("is empty: without it anybody could start work".to_owned());
    }
    if text.trim() != text {
        return Err("begins or ends with white space, which a header cannot carry".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
        return Err("has characters that a header cannot carry: use letters, digits and ASCII signs".to_owned());
    }
    if text.len() < MIN_SECRET_BYTES {
        return Err(format!("has {} bytes, at least {MIN_SECRET_BYTES} are needed", text.len()));
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Proof that the request carried the secret. It exists only on routes behind [`for_tasks`].
#[derive(Clone, Copy, Debug)]
pub struct TaskCaller(());

/// What a task call needs: the secret and, where an identity is configured, also a token of that identity.
#[derive(Clone)]
struct Guard {
    secret: Arc<TaskSecret>,
    identity: Option<Arc<dyn TaskIdentity>>,
}

/// Requires the secret on every route added to `router` so far, before any byte of a body is read.
pub fn for_tasks<S>(router: Router<S>, secret: Arc<TaskSecret>, identity: Option<Arc<dyn TaskIdentity>>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(middleware::from_fn_with_state(Guard { secret, identity }, check))
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Result<Response, Problem> {
    if !guard.secret.admits(request.headers()) {
        return Err(forbidden());
    }
    if let Some(identity) = &guard.identity {
        verify_identity(identity.as_ref(), request.headers()).await?;
    }
    request.extensions_mut().insert(TaskCaller(()));
    Ok(next.run(request).await)
}

/// The answer is the same for every reason, so that it does not tell an attacker how close a guess was.
fn forbidden() -> Problem {
    Problem::new(Code::Forbidden, "This route is for the task queue only.")
}

/// Checks the token of the queue's account. The reason for a refusal goes to the log, where the operator who set it up
/// can read it.
async fn verify_identity(identity: &dyn TaskIdentity, headers: &HeaderMap) -> Result<(), Problem> {
    const OUT_OF_REACH: &str = "The token of the queue cannot be checked at the moment.";
    let denied = |why: &str| {
        tracing::warn!(why, "a task call with the right secret had no valid token");
        forbidden()
    };
    let token = bearer(headers).map_err(denied)?;
    match tokio::time::timeout(limits::IDENTITY, identity.verify(token)).await {
        Ok(Ok(verdict)) => verdict.map_err(|it| denied(&it.detail)),
        Ok(Err(error)) => Err(Problem::from(error).detail(OUT_OF_REACH)),
        Err(_) => {
            let late = flow::Error::new(flow::Kind::Unavailable, "identity.verify", "no answer in time");
            Err(Problem::from(late).detail(OUT_OF_REACH))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for TaskCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().copied();
        caller.ok_or_else(|| Problem::internal("the route is not behind edge::for_tasks"))
    }
}

#[cfg(test)]
mod tests;
