//! An entry in the list of all routes. Its description is made only when somebody asks for the document: the descriptions of
//! all routes take longer than the rest of the start, and six megabytes.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// One path: the handlers that serve it, and how they are described.
pub struct Route<S> {
    path: &'static str,
    handlers: MethodRouter<S>,
    describe: fn() -> UtoipaMethodRouter<S>,
}

/// `describe` is `|| routes!(…)` with the same handlers.
pub fn route<S>(path: &'static str, handlers: MethodRouter<S>, describe: fn() -> UtoipaMethodRouter<S>) -> Route<S> {
    Route { path, handlers, describe }
}

pub fn router<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> Router<S> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handlers))
}

pub fn described<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> OpenApi {
    let described = |router: OpenApiRouter<S>, route: Route<S>| router.routes((route.describe)());
    routes.into_iter().fold(OpenApiRouter::new(), described).into_openapi()
}

#[cfg(test)]
impl<S> Route<S> {
    /// Panics unless the path and the methods that are served are those that are described.
    pub fn assert_is_served_as_described(&self) {
        let (_, described, handlers) = (self.describe)();
        assert_eq!(described.paths.keys().collect::<Vec<_>>(), [self.path]);
        // The text of a `MethodRouter` shows which methods it has.
        assert_eq!(format!("{:?}", self.handlers), format!("{handlers:?}"), "{}", self.path);
    }
}
