//! The edge's part of the OpenAPI document: problems by code, the token, the headers of every answer.
//!
//! A route lists the codes that it can answer with once (`problems!`); status, body and headers follow from them.

use std::collections::BTreeMap;

use domain::Code;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::{PROBLEM_JSON, REASON, SHIPPED_REASON};
use crate::request_context::X_REQUEST_ID;

/// The security scheme of every route that requires a token.
pub const TOKEN: &str = "token";

/// Codes that any request can be answered with, whatever its route.
pub const EVERYWHERE: &[Code] = &[
    Code::RequestTimeout,
    Code::UriTooLong,
    Code::HeadersTooLarge,
    // Any request with a compressed body gets this.
    Code::UnsupportedMediaType,
    Code::InternalError,
    Code::StorageUnavailable,
    Code::ShuttingDown,
];
/// Further codes of routes that require a token. While the clock is not set, a token cannot be checked.
pub const WITH_TOKEN: &[Code] = &[Code::Unauthenticated, Code::ClockNotSet];
/// Further codes of routes that take recordings in a form.
pub const WITH_RECORDINGS: &[Code] = &[
    Code::InvalidFilename,
    Code::DuplicateFilename,
    Code::EmptyFile,
    Code::EmptyBatch,
    Code::MalformedMultipart,
    Code::InvalidParameter,
    Code::FileTooLarge,
    Code::BatchTooLarge,
    Code::TooManyFiles,
    Code::UnsupportedMediaType,
    Code::DigestMismatch,
    Code::RecordingInFuture,
    Code::RecordingTooOld,
    Code::FairUseRestricted,
    Code::RateLimited,
    Code::BackendBusy,
];
/// Further codes of routes that write without a token.
pub const WITH_CLOCK: &[Code] = &[Code::ClockNotSet];
/// Further codes of routes that read a JSON body.
pub const WITH_JSON: &[Code] = &[Code::InvalidJson, Code::RequestTooLarge];

/// Makes a type that stands for the problems of a route in `#[utoipa::path(responses(…))]`:
/// `problems!(CancelProblems: WITH_TOKEN; JobNotFound, NotYourJob, JobFinished);`. The codes of [`EVERYWHERE`] are
/// included. A code that the route's clients know by another name is named at the end:
/// `; RecordingTooOld as "backfill_lookback_exceeded"`.
#[macro_export]
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($group:ident),*; $($code:ident),* $(; $($known:ident as $alias:literal),+)?) => {
        $(#[$doc])*
        pub struct $name;

        impl ::utoipa::IntoResponses for $name {
            fn responses()
            -> ::std::collections::BTreeMap<String, ::utoipa::openapi::RefOr<::utoipa::openapi::response::Response>> {
                let groups: &[&[::domain::Code]] =
                    &[$crate::openapi::EVERYWHERE, $($crate::openapi::$group,)* &[$(::domain::Code::$code),*]];
                $crate::openapi::responses(groups, &[$($((::domain::Code::$known, $alias)),+)?])
            }
        }
    };
}

/// One response for each status of these codes. `aliases` are the names under which shipped clients know a code.
pub fn responses(groups: &[&[Code]], aliases: &[(Code, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in groups.iter().copied().flatten() {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), response(&codes, aliases).into())).collect()
}

fn response(codes: &[Code], aliases: &[(Code, &str)]) -> Response {
    let shown_name = |code: &Code| match aliases.iter().find(|(known, _)| known == code) {
        Some((_, alias)) => (*alias).to_owned(),
        None => code.as_str().to_owned(),
    };
    let description: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", shown_name(code), code.title())).collect();
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().map(shown_name)));
    let body = AllOfBuilder::new()
        .item(Ref::from_schema_name(ProblemBody::name()))
        .item(ObjectBuilder::new().property("code", code).required("code"));
    let content = ContentBuilder::new().schema(Some(Schema::from(body))).build();
    let mut response = ResponseBuilder::new()
        .description(description.join("; "))
        .content(PROBLEM_JSON.to_str().unwrap_or(""), content);
    for (name, what, applies) in headers() {
        if codes.iter().all(|code| applies(*code)) {
            response = response.header(name, text_header(what));
        }
    }
    response.build()
}

/// A header of problems: its name, its description, and whether the answer with a code carries it.
type ProblemHeader = (&'static str, &'static str, fn(Code) -> bool);

fn headers() -> [ProblemHeader; 4] {
    let shipped = |code| matches!(code, Code::FairUseRestricted | Code::BackendBusy);
    [
        (RETRY_AFTER.as_str(), "Whole seconds to wait before trying again.", has_retry_after),
        (REASON, "Why it is refused: `fair_use`, `rate_limit` or `backend_busy`.", is_refusal),
        (SHIPPED_REASON, "The same for shipped clients.", shipped),
        (WWW_AUTHENTICATE.as_str(), "The scheme that is wanted: `Bearer`.", |code| code == Code::Unauthenticated),
    ]
}

fn is_refusal(code: Code) -> bool {
    matches!(code, Code::FairUseRestricted | Code::RateLimited | Code::BackendBusy)
}

fn has_retry_after(code: Code) -> bool {
    is_refusal(code) || matches!(code, Code::StorageUnavailable | Code::ShuttingDown | Code::ClockNotSet)
}

fn text_header(what: &str) -> utoipa::openapi::header::Header {
    let text = ObjectBuilder::new().schema_type(Type::String);
    HeaderBuilder::new().schema(Some(Schema::from(text.build()))).description(Some(what)).build()
}

/// The body of every error (RFC 9457). Only described here: `Problem` writes it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "its fields are read by the derive")]
pub struct ProblemBody {
    /// The page of the code: a reference below this server.
    #[schema(format = "uri-reference", example = "/errors/job_not_found")]
    r#type: String,
    /// The same for every problem of this code.
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened this time, for a person.
    detail: String,
    /// Stable; what a program looks at.
    #[schema(pattern = "^[a-z0-9_]+$")]
    code: String,
    /// The path that was asked for.
    instance: Option<String>,
    /// To be told when help is asked for: the log has it.
    request_id: Option<String>,
    /// Seconds, as in the header `Retry-After`.
    #[schema(minimum = 1)]
    retry_after: Option<u64>,
    /// What is wrong with which file.
    errors: Option<Vec<FileProblemBody>>,
}

#[derive(ToSchema)]
#[schema(as = FileProblem)]
#[expect(dead_code, reason = "its fields are read by the derive")]
pub struct FileProblemBody {
    file: String,
    code: String,
    detail: String,
    /// How many bytes of it are there, where more are to come.
    offset: Option<u64>,
}

/// A string schema with the values of an enum as they are serialized.
pub fn names(values: impl IntoIterator<Item = impl Serialize>) -> RefOr<Schema> {
    let names = values.into_iter().map(|value| json!(value));
    Schema::from(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()).into()
}

/// Makes a schema type with the names of a domain enum, so that the domain need not know OpenAPI:
/// `names!(JobStatus, Status::ALL)`.
#[macro_export]
macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $names:expr) => {
        $(#[$doc])*
        pub enum $name {}

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                $crate::openapi::names($names)
            }
        }

        impl ::utoipa::ToSchema for $name {}
    };
}

/// Completes a document with the security scheme, the schemas of problems and the header that every answer has.
pub fn finish(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The ID token of the user."));
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme.build()));
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(FileProblemBody::name().into_owned(), FileProblemBody::schema());
    document.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    let request_id = text_header("Names this request in the log of the server.");
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                response.headers.insert(X_REQUEST_ID.as_str().to_owned(), request_id.clone().into());
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().filter_map(Option::as_mut)
}
