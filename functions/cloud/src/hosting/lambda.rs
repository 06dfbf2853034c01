//! Answers the events of AWS Lambda that carry HTTP requests: those of function URLs, of API Gateway (HTTP and REST
//! APIs), and of load balancers.

use std::convert::Infallible;
use std::sync::Arc;

use api::process::EndsAt;
use axum::Router;
use axum::http::uri::PathAndQuery;
use axum::http::{Uri, uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Code, Timestamp};
use edge::Problem;
use flow::alarm::Alarm;
use flow::ports::Clock;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, RequestExt, Service, lambda_runtime, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;
use system::SystemClock;

/// The first segments of all routes. A test compares them with the routes that there are.
const FIRST_SEGMENTS: &[&str] = &["v1", "v2", "healthz", "readyz", "metrics", "errors", "openapi.json"];

/// Fetches events and answers them, one at a time, until the platform ends the process.
pub async fn run(router: Router) -> Result<(), Error> {
    let alarm = Arc::new(Alarm::default());
    lambda_runtime::run(service_fn(move |event| answer(router.clone(), event, Arc::clone(&alarm)))).await
}

/// The body of an event that says that it is base64, and is not.
#[derive(Clone, Copy)]
struct Undecodable;

async fn answer(router: Router, event: LambdaEvent<Box<RawValue>>, alarm: Arc<Alarm>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    let mut event: LambdaRequest = serde_json::from_str(payload.get()).map_err(|_| {
        report_foreign_event(&alarm);
        // The library answers the event with this line, and logs it as a warning.
        "the event is no HTTP request; invoke this function by a function URL, by API Gateway (an HTTP or REST API), or by \
         an application load balancer"
    })?;
    let body = take_encoded_body(&mut event);
    let ends_at = EndsAt(Timestamp::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX)));
    let call = service_fn(move |mut request: Request| {
        match &body {
            Some(Ok(bytes)) => *request.body_mut() = Body::Binary(bytes.clone()),
            Some(Err(Undecodable)) => _ = request.extensions_mut().insert(Undecodable),
            None => {}
        }
        request.extensions_mut().insert(ends_at);
        leave_out_stage(&mut request);
        router.clone().oneshot(request)
    });
    let answered = Adapter::from(call).call(LambdaEvent::new(event, context)).await;
    let answered = answered.unwrap_or_else(|never: Infallible| match never {});
    Ok(serde_json::to_value(answered)?)
}

/// Whatever sends such events goes on doing so until a person changes it. One line a minute is enough.
fn report_foreign_event(alarm: &Alarm) {
    if alarm.is_time(SystemClock.now()) {
        tracing::error!(
            remedy = "remove the trigger that sends such events, or let it call the address of this function",
            "an event that is no HTTP request was refused"
        );
    }
}

/// Takes a body in base64 out of the event. The library would panic over one that is not valid.
fn take_encoded_body(event: &mut LambdaRequest) -> Option<Result<Vec<u8>, Undecodable>> {
    let (is_encoded, body) = match event {
        LambdaRequest::ApiGatewayV1(event) => (&mut event.is_base64_encoded, &mut event.body),
        LambdaRequest::ApiGatewayV2(event) => (&mut event.is_base64_encoded, &mut event.body),
        LambdaRequest::Alb(event) => (&mut event.is_base64_encoded, &mut event.body),
        _ => return None,
    };
    if !std::mem::take(is_encoded) {
        return None;
    }
    body.take().map(|text| BASE64_STANDARD.decode(text).map_err(|_| Undecodable))
}

/// API Gateway puts the name of its stage before the path, or the library does so in its place. Our routes know of no
/// stages.
fn leave_out_stage(request: &mut Request) {
    let raw = request.raw_http_path();
    let path = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            context.stage.as_deref().map_or(raw, |stage| without_stage(raw, stage))
        }
        Some(RequestContext::ApiGatewayV1(_)) => raw,
        _ => return,
    };
    let whole = request.uri().query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri::Parts::from(request.uri().clone());
    // A path that is no valid one stays as it came, and is not found.
    if let Ok(whole) = PathAndQuery::try_from(whole) {
        parts.path_and_query = Some(whole);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

/// The path without the stage at its beginning. Behind a domain of one's own, paths have no stage. A stage may be called like
/// the beginning of our routes, such as `v2`, so that it is left out only if a route follows it.
fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    let is_route = |rest: &&str| {
        let segment = rest.strip_prefix('/').and_then(|rest| rest.split('/').next());
        segment.is_some_and(|segment| FIRST_SEGMENTS.contains(&segment))
    };
    rest.filter(is_route).unwrap_or(path)
}

/// Refuses a request whose body could not be decoded.
pub async fn refuse_undecodable(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if request.extensions().get::<Undecodable>().is_some() {
        let detail = "The event says that its body is in base64, but it is not.";
        return Problem::new(Code::InvalidParameter, detail).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_is_left_out_only_before_a_route() {
        for (path, stage, expected) in [
            ("/prod/v2/sync/upload", "prod", "/v2/sync/upload"),
            ("/v2/v2/sync/upload", "v2", "/v2/sync/upload"),
            ("/v2/sync/upload", "v2", "/v2/sync/upload"),
            ("/v1/sync-local-files", "v1", "/v1/sync-local-files"),
            ("/v2/healthz", "v2", "/healthz"),
            ("/healthz", "healthz", "/healthz"),
            ("/production/v2/usage", "prod", "/production/v2/usage"),
            ("/v2/usage", "$default", "/v2/usage"),
            ("/prod", "prod", "/prod"),
        ] {
            assert_eq!(without_stage(path, stage), expected, "{path} of stage {stage}");
        }
    }

    #[test]
    fn every_route_begins_with_a_known_segment() {
        let document = api::document();
        let paths = document.paths.paths.keys().map(String::as_str);
        for path in paths.chain([api::process::TASK_PATH, api::process::SWEEP_PATH]) {
            assert_eq!(without_stage(&format!("/stage{path}"), "stage"), path);
        }
    }
}
