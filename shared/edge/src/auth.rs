//! Authentication of users: the bearer token is checked before a single byte of the body is read.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use domain::{Code, Uid};
use flow::ports::Identity;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::limits;
use crate::problem::Problem;
use crate::request_context::RequestContext;

/// The user that the request's token names. It exists only on routes behind [`authenticated`].
#[derive(Clone, Debug)]
pub struct Caller(pub Uid);

/// Requires a token on every route added to `router` so far. The check is a layer and not left to each handler: so
/// neither a forgotten argument nor the order of arguments lets a body be read first, and a client that waits for
/// `100 Continue` gets its 401 instead.
pub fn authenticated<S>(router: Router<S>, identity: Arc<dyn Identity>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(middleware::from_fn_with_state(identity, check))
}

async fn check(
    State(identity): State<Arc<dyn Identity>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer(request.headers()).map_err(refused)?;
    let uid = verify(identity.as_ref(), token).await?;
    if let Some(context) = request.extensions().get::<RequestContext>() {
        context.set_user(&uid);
    }
    request.extensions_mut().insert(Caller(uid));
    Ok(next.run(request).await)
}

async fn verify(identity: &dyn Identity, token: &str) -> Result<Uid, Problem> {
    const OUT_OF_REACH: &str = "Your token cannot be checked at the moment. Please try again later.";
    match tokio::time::timeout(limits::IDENTITY, identity.verify(token)).await {
        Ok(Ok(Ok(uid))) => Ok(uid),
        Ok(Ok(Err(denied))) => Err(refused(denied.detail)),
        Ok(Err(error)) => Err(Problem::from(error).detail(OUT_OF_REACH)),
        Err(_) => {
            let late = flow::Error::new(flow::Kind::Unavailable, "identity.verify", "no answer in time");
            Err(Problem::from(late).detail(OUT_OF_REACH))
        }
    }
}

/// The bearer token of a request, or what is wrong with its header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, &'static str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err("This route needs the header `Authorization: Bearer <ID token>`.");
    };
    if given.next().is_some() {
        return Err("The header Authorization was sent more than once.");
    }
    let text = value.to_str().map_err(|_| "The header Authorization has characters that no token has.")?;
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("The header Authorization must have the scheme Bearer.");
    }
    let token = token.trim();
    if token.is_empty() {
        return Err("The header Authorization has no token after `Bearer`.");
    }
    // The alphabet of RFC 6750. Nothing else is handed on to a token parser.
    if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)) {
        return Err("The bearer token has characters that no token has.");
    }
    Ok(token)
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unauthenticated, detail).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("the route is not behind edge::authenticated"))
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use serde_json::Value;

    use super::*;
    use crate::testing::{Site, StubIdentity};

    fn pages() -> Router {
        let inner = Router::new()
            .route("/me", get(|Caller(uid): Caller| async move { uid.to_string() }))
            .route("/upload", post(|body: String| async move { body.len().to_string() }));
        authenticated(inner, Arc::new(StubIdentity)).route("/open", get(|_: Caller| async { "never" }))
    }

    #[tokio::test]
    async fn valid_token_is_accepted_whatever_the_case_of_the_scheme() {
        let site = Site::start(pages()).await;
        for value in ["Bearer good", "bearer good", "BEARER  good "] {
            let answer = site.client.get(site.url("/me")).header("authorization", value).send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "alice", "{value}");
        }
    }

    #[tokio::test]
    async fn every_other_header_is_401_with_a_reason_and_without_the_token() {
        let site = Site::start(pages()).await;
        let cases: [(&[&str], &str); 9] = [
            (&[], "needs the header"),
            (&[""], "scheme Bearer"),
            (&["Bearer"], "no token"),
            (&["Bearer   "], "no token"),
            (&["Basic YTpi"], "scheme Bearer"),
            (&["good"], "scheme Bearer"),
            (&["Bearer go od"], "characters"),
            (&["Bearer good", "Bearer good"], "more than once"),
            (&["Bearer hunter2"], "has expired"),
        ];
        for (values, why) in cases {
            let request = site.client.get(site.url("/me"));
            let request = values.iter().fold(request, |request, value| request.header("authorization", *value));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{values:?}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["code"], "unauthenticated");
            assert!(body["detail"].as_str().unwrap().contains(why), "{values:?}: {body}");
            assert!(!body.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn token_that_cannot_be_checked_is_answered_503() {
        let site = Site::start(pages()).await;
        let answer = site.client.get(site.url("/me")).bearer_auth("down").send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        let text = answer.text().await.unwrap();
        assert!(text.contains("cannot be checked") && !text.contains("keys.example"), "{text}");
    }

    #[tokio::test]
    async fn route_outside_of_authenticated_has_no_caller() {
        let site = Site::start(pages()).await;
        let answer = site.client.get(site.url("/open")).bearer_auth("good").send().await.unwrap();
        assert_eq!(answer.status(), 500);
    }

    #[tokio::test]
    async fn invalid_token_is_refused_before_the_body_is_read() {
        let site = Site::start(pages()).await;
        let head = "POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\nauthorization: Bearer bad\r\n\r\n";
        let answer = site.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }

    #[tokio::test]
    async fn expect_continue_without_a_valid_token_is_answered_401() {
        let site = Site::start(pages()).await;
        let head = |token| {
            format!(
                "POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\
                 connection: close\r\nauthorization: Bearer {token}\r\n\r\n"
            )
        };
        let refused = site.raw(head("bad").as_bytes()).await;
        assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("100 Continue"), "{refused}");

        let mut asked = site.dial(head("good").as_bytes()).await;
        assert!(asked.read_until("100 Continue\r\n\r\n").await);
        asked.write(b"hello").await;
        let answer = asked.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
