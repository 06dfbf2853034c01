//! While the clock is not set, every request that would write is refused, before its token is checked. A read goes on, but one
//! whose token is refused is answered in the same way: the token may be valid, and only seem to be issued in the future.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use domain::Code;
use edge::{Problem, limits};
use flow::Services;
use http::StatusCode;

/// Refuses writes, and reads without a good token, on every route added to `router` so far, while the clock is not set.
pub fn guarded<S>(router: Router<S>, services: &Services) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.route_layer(from_fn_with_state(services.clone(), check))
}

async fn check(State(services): State<Services>, request: Request, next: Next) -> Result<Response, Problem> {
    if services.clock_is_set() {
        return Ok(next.run(request).await);
    }
    if !request.method().is_safe() {
        return Err(clock_not_set());
    }
    let answer = next.run(request).await;
    // A client that gets 401 throws its token away. The clock may have been set meanwhile: then it asks once more.
    if answer.status() == StatusCode::UNAUTHORIZED { Err(clock_not_set()) } else { Ok(answer) }
}

fn clock_not_set() -> Problem {
    let detail = "The clock of the server is not set yet. Please try again later.";
    Problem::new(Code::ClockNotSet, detail).after(limits::RETRY_CLOCK_NOT_SET)
}
