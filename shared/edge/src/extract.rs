//! Extractors for body, query and path as typed values; invalid input is answered with a problem.

use axum::body::{Body, HttpBody};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::Code;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer};

use crate::limits;
use crate::problem::Problem;
use crate::request_limits::RequestLimits;

/// As an extractor, a JSON body of at most [`RequestLimits::max_json_bytes`]; as an answer, any value as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON, with the header `Content-Type: application/json`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let limits = request.extensions().get::<RequestLimits>().copied().unwrap_or_default();
        let bytes = collect(request.into_body(), limits.max_json_bytes).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::new(Code::InvalidJson, parser_message(&error)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The query as a struct. A parameter that may be repeated is read as `Query<Vec<(String, String)>>`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = extract::Query::from_request_parts(parts, state).await;
        let refused = |rejection: extract::rejection::QueryRejection| {
            Problem::new(Code::InvalidParameter, parser_message(&rejection.body_text()))
        };
        query.map(|extract::Query(value)| Self(value)).map_err(refused)
    }
}

/// The parameters of the path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if is_not_utf8(&rejection) => {
                T::deserialize(NOT_UTF8.into_deserializer()).map(Self).map_err(|why: DeserializeError| refused(&why))
            }
            Err(rejection) if rejection.status().is_server_error() => Err(Problem::internal(rejection.body_text())),
            Err(rejection) => Err(refused(&rejection.body_text())),
        }
    }
}

/// Replaces a path parameter that is not UTF-8 (`%ff`). No id has this value, so the request is answered like one for
/// an unknown id.
const NOT_UTF8: &str = "\0";

type DeserializeError = serde::de::value::Error;

fn is_not_utf8(rejection: &PathRejection) -> bool {
    let PathRejection::FailedToDeserializePathParams(why) = rejection else { return false };
    matches!(why.kind(), ErrorKind::InvalidUtf8InPathParam { .. })
}

fn refused(why: &impl ToString) -> Problem {
    Problem::new(Code::InvalidParameter, parser_message(why))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn collect(body: Body, max: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::RequestTooLarge, format!("The body may have {max} bytes."));
    // A body whose announced length is too large is not read at all.
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    match Limited::new(body, max).collect().await {
        Ok(all) => Ok(all.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        // If the body stalled, `render.rs` turns this answer into a 408.
        Err(_) => Err(Problem::new(Code::InvalidJson, "The body broke off before its end.")),
    }
}

/// The message of a parser, which says where in the input the mistake is. It may quote the input, so it is truncated.
fn parser_message(error: &impl ToString) -> String {
    let mut text = error.to_string();
    if text.len() > limits::PARSER_MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(limits::PARSER_MESSAGE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::{get, post};
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::Site;

    #[derive(Debug, Deserialize, Serialize)]
    struct Thing {
        count: u8,
    }

    fn pages() -> Router {
        Router::new()
            .route("/json", post(|Json(thing): Json<Thing>| async { Json(thing) }))
            .route("/any", post(|Json(all): Json<Value>| async move { Json(all) }))
            .route("/query", get(|Query(thing): Query<Thing>| async move { thing.count.to_string() }))
            .route("/id/{id}", get(|Path(id): Path<String>| async move { format!("{id:?}") }))
            .route("/path/{count}", get(|Path(count): Path<u8>| async move { count.to_string() }))
    }

    async fn post_json(site: &Site, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = site.client.post(site.url(path)).header("content-type", kind).body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    #[tokio::test]
    async fn json_is_read_and_the_position_of_a_mistake_is_named() {
        let site = Site::start(pages()).await;
        let (status, body) = post_json(&site, "/json", "application/json; charset=utf-8", r#"{"count":3}"#).await;
        assert_eq!((status, body), (200, json!({"count": 3})));
        for (text, place) in
            [(r#"{"count":}"#, "line 1 column 10"), (r#"{"count":300}"#, "line 1 column 12"), ("", "line 1")]
        {
            let (status, body) = post_json(&site, "/json", "application/json", text).await;
            assert_eq!((status, &body["code"]), (400, &json!("invalid_json")), "{text}");
            assert!(body["detail"].as_str().unwrap().contains(place), "{body}");
        }
    }

    #[tokio::test]
    async fn body_that_is_not_json_is_answered_415() {
        let site = Site::start(pages()).await;
        for kind in ["text/plain", "application/jsonx", "multipart/form-data; boundary=x"] {
            let (status, body) = post_json(&site, "/json", kind, r#"{"count":3}"#).await;
            assert_eq!((status, &body["code"]), (415, &json!("unsupported_media_type")), "{kind}");
        }
        assert_eq!(post_json(&site, "/json", "application/merge-patch+json", r#"{"count":3}"#).await.0, 200);
    }

    #[tokio::test]
    async fn body_above_the_limit_is_413_with_and_without_a_length() {
        let site = Site::start(pages()).await;
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(post_json(&site, "/any", "application/json", text(limits::MAX_JSON_BYTES)).await.0, 200);
        let (status, body) = post_json(&site, "/any", "application/json", text(limits::MAX_JSON_BYTES + 1)).await;
        assert_eq!((status, &body["code"]), (413, &json!("request_too_large")));
        let unannounced = futures_util::stream::iter([Ok::<_, String>(text(limits::MAX_JSON_BYTES + 1))]);
        let unannounced = reqwest::Body::wrap_stream(unannounced);
        assert_eq!(post_json(&site, "/any", "application/json", unannounced).await.0, 413);
    }

    #[tokio::test]
    async fn invalid_parameters_are_answered_400() {
        let site = Site::start(pages()).await;
        assert_eq!(site.get("/query?count=7").await.text().await.unwrap(), "7");
        assert_eq!(site.get("/path/7").await.text().await.unwrap(), "7");
        assert_eq!(
            site.get("/id/%FF").await.text().await.unwrap(),
            r#""\0""#,
            "a parameter that is not UTF-8 is an unknown id"
        );
        for path in ["/query", "/query?count=x", "/query?count=1&count=2", "/path/x", "/path/256", "/path/%FF"] {
            let answer = site.get(path).await;
            assert_eq!(answer.status(), 400, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            assert_eq!(answer.json::<Value>().await.unwrap()["code"], "invalid_parameter", "{path}");
        }
    }
}
