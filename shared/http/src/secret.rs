//! The shared secret of the task routes: checked at start-up, compared in constant time.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use domain::Code;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::limits::MIN_SECRET_BYTES;
use crate::problem::Problem;

pub const TASK_SECRET_HEADER: HeaderName = HeaderName::from_static("x-task-secret");

/// Why a function refuses to start. Never repeats the secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} (environment: {env}) {what}")]
pub struct UnfitSecret {
    key: &'static str,
    env: &'static str,
    what: String,
}

/// The secret that task calls carry, and during a rotation the one before it.
pub struct TaskSecret {
    current: SecretString,
    /// Digests of what is accepted: their equal length hides that of the secrets.
    accepted: Vec<[u8; 32]>,
}

impl TaskSecret {
    pub fn new(current: Option<SecretString>, previous: Option<SecretString>) -> Result<Self, UnfitSecret> {
        let unset = "is not set: without it anybody could start work";
        let refuse = |what: &str| unfit("tasks.secret", "AFTERWORD_TASKS_SECRET", what);
        let current = current.ok_or_else(|| refuse(unset))?;
        fitness(&current).map_err(|what| refuse(&what))?;
        if let Some(previous) = &previous {
            let refuse = |what: String| unfit("tasks.previous_secret", "AFTERWORD_TASKS_PREVIOUS_SECRET", &what);
            fitness(previous).map_err(refuse)?;
        }
        let accepted = [Some(&current), previous.as_ref()].into_iter().flatten();
        let accepted = accepted.map(|secret| digest(secret.expose_secret().as_bytes())).collect();
        Ok(Self { current, accepted })
    }

    /// What the queue sends in [`TASK_SECRET_HEADER`].
    pub fn expose_for_sending(&self) -> &str {
        self.current.expose_secret()
    }

    /// Exactly one header with an accepted secret. Every accepted one is compared, whichever matches.
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

fn unfit(key: &'static str, env: &'static str, what: &str) -> UnfitSecret {
    UnfitSecret { key, env, what: what.to_owned() }
}

fn fitness(secret: &SecretString) -> Result<(), String> {
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

/// Proof that the request carried the secret. Only routes behind [`for_tasks`] have one.
#[derive(Clone, Copy, Debug)]
pub struct TaskCaller(());

/// Guards every route added to `router` so far, before any byte of a body is read.
pub fn for_tasks<S>(router: Router<S>, secret: Arc<TaskSecret>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(middleware::from_fn_with_state(secret, check))
}

async fn check(State(secret): State<Arc<TaskSecret>>, mut request: Request, next: Next) -> Result<Response, Problem> {
    if !secret.admits(request.headers()) {
        // One sentence for every reason: it must not tell a guesser how near he is.
        return Err(Problem::new(Code::Forbidden, "This route is for the task queue only."));
    }
    request.extensions_mut().insert(TaskCaller(()));
    Ok(next.run(request).await)
}

impl<S: Sync> FromRequestParts<S> for TaskCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().copied();
        caller.ok_or_else(|| Problem::internal("the route is not behind edge::for_tasks"))
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use serde_json::Value;

    use super::*;
    use crate::testing::Site;

    const NOW: &str = "now-0123456789-0123456789-0123456789";
    const BEFORE: &str = "before-0123456789-0123456789-0123456789";

    fn secret(text: &str) -> Option<SecretString> {
        Some(SecretString::from(text))
    }

    async fn site(previous: Option<SecretString>) -> Site {
        let secret = Arc::new(TaskSecret::new(secret(NOW), previous).unwrap());
        let pages = Router::new().route("/task", post(|_: TaskCaller, body: String| async { body }));
        Site::start(for_tasks(pages, secret)).await
    }

    #[test]
    fn an_unfit_secret_stops_the_start_with_one_clear_sentence() {
        let refusal = |current, previous| TaskSecret::new(current, previous).unwrap_err().to_string();
        for (current, why) in [
            (None, "is not set"),
            (secret(""), "is empty"),
            (secret(&"x".repeat(31)), "has 31 bytes, at least 32 are needed"),
            (secret(&format!("{NOW}\n")), "white space"),
            (secret(&format!(" {NOW}")), "white space"),
            (secret(&"ä".repeat(32)), "characters"),
        ] {
            let text = refusal(current, None);
            assert!(text.starts_with("tasks.secret (environment: AFTERWORD_TASKS_SECRET) "), "{text}");
            assert!(text.contains(why) && !text.contains('\n'), "{text}");
        }
        let text = refusal(secret(NOW), secret(""));
        assert!(text.starts_with("tasks.previous_secret") && text.contains("is empty"), "{text}");
        assert!(TaskSecret::new(secret(&"x".repeat(32)), None).is_ok());
    }

    #[test]
    fn debug_prints_nothing_of_it() {
        let secret = TaskSecret::new(secret(NOW), secret(BEFORE)).unwrap();
        assert_eq!(format!("{secret:?}"), "TaskSecret");
        assert_eq!(secret.expose_for_sending(), NOW);
    }

    #[tokio::test]
    async fn both_secrets_of_a_rotation_open_the_route() {
        let site = site(secret(BEFORE)).await;
        for given in [NOW, BEFORE] {
            let request = site.client.post(site.url("/task")).header(TASK_SECRET_HEADER, given);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
    }

    #[tokio::test]
    async fn anything_else_is_forbidden_before_the_body_and_by_the_same_answer() {
        let site = site(None).await;
        let cases: [&[&str]; 7] =
            [&[], &[""], &["wrong"], &[BEFORE], &[&NOW[1..]], &[NOW, NOW], &["now-0123456789-0123456789-012345678X"]];
        for values in cases {
            let request = site.client.post(site.url("/task")).body(vec![b'x'; 100]);
            let request = values.iter().fold(request, |request, value| request.header(TASK_SECRET_HEADER, *value));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 403, "{values:?}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["code"], "forbidden");
            assert_eq!(body["detail"], "This route is for the task queue only.");
        }
    }
}
