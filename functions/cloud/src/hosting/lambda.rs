//! Answers the events of AWS Lambda that carry HTTP requests: those of function URLs, of API Gateway (HTTP and REST
//! APIs), and of load balancers.

use std::convert::Infallible;

use api::process::EndsAt;
use axum::Router;
use axum::http::uri::PathAndQuery;
use axum::http::{Uri, uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Code, Timestamp};
use edge::Problem;
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, Body, Error, LambdaEvent, Request, RequestExt, Service, lambda_runtime, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

/// Fetches events and answers them, one at a time, until the platform ends the process.
pub async fn run(router: Router) -> Result<(), Error> {
    lambda_runtime::run(service_fn(move |event| answer(router.clone(), event))).await
}

/// The body of an event that says that it is base64, and is not.
#[derive(Clone, Copy)]
struct Undecodable;

async fn answer(router: Router, event: LambdaEvent<Box<RawValue>>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = event;
    let mut event: LambdaRequest = serde_json::from_str(payload.get()).map_err(|_| {
        // The library logs this line, and answers the event with it.
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
            let stage = context.stage.as_deref().map(|stage| format!("/{stage}"));
            let rest = stage.and_then(|stage| raw.strip_prefix(&stage).filter(|rest| rest.starts_with('/')));
            rest.unwrap_or(raw)
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

/// Refuses a request whose body could not be decoded.
pub async fn refuse_undecodable(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    if request.extensions().get::<Undecodable>().is_some() {
        let detail = "The event says that its body is in base64, but it is not.";
        return Problem::new(Code::InvalidParameter, detail).into_response();
    }
    next.run(request).await
}
