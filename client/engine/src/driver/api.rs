//! Requests of one account: the token is added here, and goes to the server's own origin only.

use std::io;
use std::time::Duration;

use domain::Uid;
use futures_util::future::{Either, select};

use crate::coordinator::{Event, Purpose};
use crate::core::{Core, WorkError};
use crate::ports::{Answer, Body, HttpError, Method, NoToken, Request};
use crate::server::Target;

/// How long a request without audio may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The slowest network over which audio is sent: a request with this many bytes may take a second longer.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;
/// The time that the engine waits beyond the timeout of the implementation of HTTP.
const GRACE: Duration = Duration::from_secs(5);
/// The longest answer that is read. A job of twenty files has about 10 kB.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// There is no token: it is tried later, or the user has to sign in.
    #[error("there is no token")]
    NoToken(NoToken),
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// The account in whose name requests are made.
#[derive(Clone)]
pub struct Api<'a> {
    pub core: &'a Core,
    pub account: Uid,
    pub fence: u64,
    /// Whether requests go on after the account was signed out: to remove its push token.
    pub is_farewell: bool,
}

/// A request before its token is added; its body can be made again for a replay.
pub struct Call<'a> {
    pub method: Method,
    pub target: Target,
    pub headers: Vec<(&'static str, String)>,
    pub body: &'a (dyn Fn() -> io::Result<Body> + Send + Sync),
}

fn no_body() -> io::Result<Body> {
    Ok(Body::empty())
}

impl Api<'_> {
    /// A request to a route, without a body.
    pub fn call(&self, method: Method, path: &str) -> Call<'static> {
        let target = Target { url: self.core.config.server.route(path), is_own: true };
        Call { method, target, headers: Vec::new(), body: &no_body }
    }

    pub fn is_current(&self) -> bool {
        self.is_farewell || self.core.is_current(self.fence)
    }

    /// Tells the coordinator what was found out for the account. After its sign-out that is of no use.
    pub fn post(&self, event: Event) {
        if !self.is_farewell {
            self.core.post_fenced(self.fence, event);
        }
    }

    /// Tells the coordinator that requests of this kind do not work now.
    pub fn trouble(&self, purpose: Purpose) {
        self.post(Event::Trouble { purpose, asked: None, random: self.core.unit() });
    }

    /// Tells the coordinator what a failed request says about the account and the network.
    pub fn report(&self, purpose: Purpose, error: &ApiError) {
        match error {
            ApiError::NoToken(NoToken::SignInNeeded) => self.post(Event::TokenRefused),
            ApiError::Work(_) | ApiError::Http(HttpError::Source(_)) => {}
            ApiError::NoToken(NoToken::Later) | ApiError::Http(_) => self.trouble(purpose),
        }
    }

    fn check(&self) -> Result<(), WorkError> {
        if self.is_current() { Ok(()) } else { Err(WorkError::Fenced) }
    }

    /// Sends a request with the token. If the token is refused, it is renewed once, and the request is sent again.
    pub async fn send(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        debug_assert!(call.target.is_own, "the token never leaves the configured origin");
        for refresh in [false, true] {
            self.check()?;
            let token = self.core.ports.credentials.token(&self.account, refresh).await;
            let token = token.map_err(ApiError::NoToken)?;
            // The user may have signed out while the token was fetched.
            self.check()?;
            let answer = self.exchange(call, Some(token.expose())).await?;
            self.check()?;
            if answer.status != 401 || refresh {
                return Ok(answer);
            }
        }
        Ok(Answer { status: 401, ..Answer::default() })
    }

    /// Sends a request to an address that is a credential itself: without the token.
    pub async fn send_bare(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        self.check()?;
        let answer = self.exchange(call, None).await?;
        self.check()?;
        Ok(answer)
    }

    async fn exchange(&self, call: &Call<'_>, token: Option<&str>) -> Result<Answer, HttpError> {
        let body = (call.body)().map_err(HttpError::Source)?;
        let timeout = REQUEST_TIMEOUT + Duration::from_secs(body.length / SLOWEST_BYTES_PER_SECOND);
        let mut headers = call.headers.clone();
        headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        let request = Request {
            method: call.method,
            url: call.target.url.clone(),
            headers,
            body,
            timeout,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        let sending = self.core.ports.http.send(request);
        let waiting = self.core.ports.clock.sleep(timeout + GRACE);
        match select(sending, waiting).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(HttpError::Timeout),
        }
    }
}

/// The status of an answer for the log; 0 if there was none.
pub fn status_of(result: &Result<Answer, HttpError>) -> u16 {
    result.as_ref().map_or(0, |answer| answer.status)
}

/// Separates what can be judged from what ends the pass.
pub fn answered(
    api: &Api<'_>,
    result: Result<Answer, ApiError>,
) -> Result<Option<Result<Answer, HttpError>>, WorkError> {
    match result {
        Ok(answer) => Ok(Some(Ok(answer))),
        Err(ApiError::Http(error)) => Ok(Some(Err(error))),
        Err(ApiError::Work(error)) => Err(error),
        Err(error @ ApiError::NoToken(NoToken::Later | NoToken::SignInNeeded)) => {
            api.report(Purpose::Upload, &error);
            Ok(None)
        }
    }
}
