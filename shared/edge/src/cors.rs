//! CORS: which web pages of other origins may read answers, and the answers to preflight requests.
//!
//! No cookie and no other credential that a browser adds by itself is ever used: without a token a request gets
//! nothing, from whatever page. So origins are no protection against other clients; they only say whose pages may use a
//! token.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use axum::body::Body;
use axum::response::{IntoResponse, Response};

use crate::limits;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Range, Content-Digest, X-Captured-At, Last-Event-ID, X-Request-Id, \
     traceparent",
);
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("X-Request-Id, Retry-After, Location, Range, X-Rate-Limit-Reason, Deprecation, Link");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The origins whose pages may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cors {
    Any,
    /// Exactly these origins, as browsers write them.
    Only(Vec<HeaderValue>),
}

impl Cors {
    /// Reads the configuration: no origins, `*`, or a list. `None` means that only pages of the server itself may use
    /// the API. A text that is no valid header value is left out: no browser can send it as an origin.
    pub fn of(origins: &[String]) -> Option<Self> {
        match origins {
            [] => None,
            [any] if any == "*" => Some(Self::Any),
            only => Some(Self::Only(only.iter().filter_map(|one| one.parse().ok()).collect())),
        }
    }

    /// The answer to a preflight request, which carries no token yet. Returns `None` for every other request, and for
    /// origins that are not allowed: they are answered like any client.
    pub(crate) fn preflight(&self, request: &Request<Body>) -> Option<Response> {
        let preflight =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !preflight || self.allowed(request.headers().get(ORIGIN)).is_none() {
            return None;
        }
        let headers = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from(limits::PREFLIGHT_AGE.as_secs())),
        ];
        Some((StatusCode::NO_CONTENT, headers).into_response())
    }

    /// Adds the CORS headers to an answer. Errors get them as well: otherwise a page cannot tell a refusal from a
    /// broken network.
    pub(crate) fn add_headers(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        // A cache must not show this answer to another origin.
        answer.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(allowed) = self.allowed(origin) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }

    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        match self {
            Self::Any => Some(ANY),
            Self::Only(origins) => origins.contains(origin).then(|| origin.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::{get, post};
    use flow::ports::Identity;

    use super::*;
    use crate::Problem;
    use crate::request::Requests;
    use crate::serve::ServeLimits;
    use crate::testing::{Site, StubIdentity};

    const APP: &str = "https://app.example";

    fn pages() -> Router {
        let guarded = Router::new().route("/guarded", post(|| async { "ok" }));
        let late = || async { Err::<(), _>(Problem::new(domain::Code::RateLimited, "Later.").after(limits::SHUTDOWN)) };
        crate::authenticated(guarded, Arc::new(StubIdentity) as Arc<dyn Identity>)
            .route("/late", get(late))
            .route("/broken", get(|| async { panic!("on purpose") as String }))
    }

    async fn site(origins: &[&str]) -> Site {
        let origins: Vec<_> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let requests = Requests { cors: Cors::of(&origins), ..Requests::default() };
        Site::with_requests(None, pages(), ServeLimits::default(), requests).await
    }

    async fn ask(site: &Site, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let request = site.client.request(method, site.url(path));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
    }

    fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
        answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn preflight_request_needs_no_token() {
        let site = site(&[APP, "http://localhost:3000"]).await;
        let asks = [("origin", APP), ("access-control-request-method", "POST")];
        for path in ["/guarded", "/late", "/nowhere"] {
            let answer = ask(&site, Method::OPTIONS, path, &asks).await;
            assert_eq!(answer.status(), 204, "{path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), APP);
            assert_eq!(header(&answer, "access-control-allow-methods"), "GET, POST, PUT, DELETE");
            assert!(header(&answer, "access-control-allow-headers").contains("Content-Digest, X-Captured-At"));
            assert_eq!(header(&answer, "access-control-max-age"), "3600");
            assert_eq!(header(&answer, "vary"), "Origin");
            assert!(!header(&answer, "x-request-id").is_empty());
            assert!(!answer.headers().contains_key("access-control-allow-credentials"));
        }
    }

    #[tokio::test]
    async fn pages_of_allowed_origins_can_read_errors() {
        let site = site(&[APP]).await;
        for (path, status) in [("/late", 429), ("/nowhere", 404), ("/guarded", 401), ("/broken", 500)] {
            let answer = ask(&site, Method::GET, path, &[("origin", APP)]).await;
            assert_eq!(answer.status(), status, "{path}");
            assert_eq!(header(&answer, "access-control-allow-origin"), APP, "{path}");
            assert!(
                header(&answer, "access-control-expose-headers").contains("Retry-After, Location, Range"),
                "{path}"
            );
        }
        let long = "x".repeat(limits::MAX_URI_BYTES);
        let answer = ask(&site, Method::GET, &format!("/{long}"), &[("origin", APP)]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (414, APP));
    }

    #[tokio::test]
    async fn other_origins_get_no_cors_headers_and_answers_vary_by_origin() {
        let site = site(&[APP]).await;
        for origin in ["https://app.example.evil", "http://app.example", "null", "https://APP.example"] {
            let asks = [("origin", origin), ("access-control-request-method", "POST")];
            for (method, status) in [(Method::OPTIONS, 401), (Method::POST, 401)] {
                let answer = ask(&site, method, "/guarded", &asks).await;
                assert_eq!(answer.status(), status, "{origin}");
                assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control")), "{origin}");
                assert_eq!(header(&answer, "vary"), "Origin");
            }
        }
        let answer = ask(&site, Method::GET, "/late", &[]).await;
        assert_eq!((header(&answer, "vary"), header(&answer, "access-control-allow-origin")), ("Origin", ""));
    }

    #[tokio::test]
    async fn other_vary_headers_are_kept() {
        let requests = Requests { cors: Cors::of(&["*".to_owned()]), ..Requests::default() };
        let site = Site::with_requests(None, crate::error_pages::routes(), ServeLimits::default(), requests).await;
        let answer = ask(&site, Method::GET, "/errors", &[]).await;
        assert_eq!(answer.headers().get_all("vary").iter().collect::<Vec<_>>(), ["accept", "Origin"]);
    }

    #[tokio::test]
    async fn any_origin_is_answered_with_star_and_without_a_list_there_is_no_cors() {
        let asks = [("origin", "capacitor://localhost"), ("access-control-request-method", "PUT")];
        let any = site(&["*"]).await;
        let answer = ask(&any, Method::OPTIONS, "/guarded", &asks).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "access-control-allow-origin")), (204, "*"));
        let none = site(&[]).await;
        let answer = ask(&none, Method::OPTIONS, "/guarded", &asks).await;
        assert_eq!(answer.status(), 401, "there are no preflight requests here");
        assert!(!answer.headers().contains_key("vary"));
    }
}
