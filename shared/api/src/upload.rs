//! `POST /v2/sync/upload`: a batch of recordings, streamed into the blob store.

use axum::extract::{Request, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::name::EARLIEST_MS;
use domain::{Code, Sha256Hex, Timestamp, Uid};
use edge::{Caller, Json, Problem, Query, RequestContext};
use flow::Services;
use flow::accept::{Accepted, Intake, PartHeaders, parse_terms, shown};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::multipart::{Multipart, MultipartError, Part};
use crate::refused::problem;
use crate::view::job;

/// The name of the parts that hold recordings. Other parts are read and ignored.
const FILES: &str = "files";
/// The number of parts that are not recordings: a form may carry a few fields.
const MAX_OTHER_PARTS: usize = 16;
const MAX_OTHER_BYTES: usize = 64 * 1024;
/// The most bytes that multipart itself may add to the files of a batch before a declared length is refused.
const MULTIPART_OVERHEAD: u64 = 1024 * 1024;

edge::problems!(UploadProblems: WITH_TOKEN, WITH_RECORDINGS;);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Params {
    /// Attach the recordings to this conversation, known or not.
    #[param(value_type = Option<uuid::Uuid>)]
    conversation_id: Option<String>,
    /// A hint (BCP 47), such as `en` or `pt-BR`.
    #[param(max_length = 35, pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
    language: Option<String>,
}

/// A batch of recordings. Only described here: the parts are read as they arrive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields are read by the derive")]
pub struct RecordingsForm {
    /// One part for each recording; its file name carries device, codec and time. A part may have the headers
    /// `Content-Digest: sha-256=:<base64>:` and `X-Captured-At` (RFC 3339).
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1, max_items = 20)]
    files: Vec<Vec<u8>>,
}

/// Upload a batch of recordings
///
/// The batch is whole or nothing. Sending the same recordings again answers the job that has them.
#[utoipa::path(
    post, path = "/v2/sync/upload", operation_id = "upload_recordings", tag = "uploads", params(Params),
    request_body(content = RecordingsForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, description = "Accepted: every recording is stored, and will be transcribed.", body = job::Accepted),
        UploadProblems
    )
)]
pub async fn upload(
    State(services): State<Services>,
    Caller(uid): Caller,
    context: RequestContext,
    Query(params): Query<Params>,
    request: Request,
) -> Result<(StatusCode, Json<job::Accepted>), Problem> {
    let intake = receive_batch(&services, uid, &params, request).await?;
    let accepted = intake.commit(Some(context.traceparent.to_string())).await.map_err(problem)?;
    let Accepted { job, deduplicated } = &accepted;
    context.set_job(job.id);
    Ok((StatusCode::ACCEPTED, Json(job::Accepted::of(job, *deduplicated))))
}

/// Stages the parts of a batch as they arrive; afterwards only the commit is left.
pub async fn receive_batch(
    services: &Services,
    uid: Uid,
    params: &Params,
    request: Request,
) -> Result<Intake, Problem> {
    let terms = parse_terms(params.conversation_id.as_deref(), params.language.as_deref()).map_err(problem)?;
    let (head, body) = request.into_parts();
    check_length(&head.headers, services.settings.upload.max_batch_bytes)?;
    let mut multipart = Multipart::new(&head.headers, body).map_err(multipart_problem)?;
    let mut intake = Intake::begin(services, uid, terms).await.map_err(problem)?;
    if let Err(refused) = receive(&mut intake, &mut multipart).await {
        intake.abandon().await;
        return Err(refused);
    }
    Ok(intake)
}

/// Refuses a batch before its first byte if its declared length is too large.
fn check_length(headers: &HeaderMap, max_batch_bytes: u64) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > max_batch_bytes.saturating_add(MULTIPART_OVERHEAD)) {
        return Err(Problem::new(Code::BatchTooLarge, format!("The batch is larger than {max_batch_bytes} bytes.")));
    }
    Ok(())
}

async fn receive(intake: &mut Intake, multipart: &mut Multipart) -> Result<(), Problem> {
    let mut others = 0;
    while let Some(part) = multipart.next_part().await.map_err(multipart_problem)? {
        if part.name.as_deref() == Some(FILES) {
            receive_file(intake, multipart, &part).await?;
        } else {
            others += 1;
            skip_part(multipart, others, part.name.as_deref()).await?;
        }
    }
    Ok(())
}

async fn receive_file(intake: &mut Intake, multipart: &mut Multipart, part: &Part) -> Result<(), Problem> {
    let headers = part_headers(&part.headers)?;
    intake.start_file(part.file_name.as_deref().unwrap_or(""), headers).await.map_err(problem)?;
    while let Some(bytes) = multipart.chunk().await.map_err(multipart_problem)? {
        intake.write(bytes).await.map_err(problem)?;
    }
    intake.end_file().await.map_err(problem)
}

async fn skip_part(multipart: &mut Multipart, others: usize, name: Option<&str>) -> Result<(), Problem> {
    let malformed = |what: String| {
        let detail = format!("{what} Recordings are read from parts named `{FILES}`.");
        Problem::new(Code::MalformedMultipart, detail)
    };
    if others > MAX_OTHER_PARTS {
        return Err(malformed(format!("The form has more than {MAX_OTHER_PARTS} parts that are not recordings.")));
    }
    let mut read = 0;
    while let Some(bytes) = multipart.chunk().await.map_err(multipart_problem)? {
        read += bytes.len();
        if read > MAX_OTHER_BYTES {
            let which = name.map_or_else(|| "without a name".to_owned(), |name| format!("`{}`", shown(name)));
            return Err(malformed(format!("The part {which} has more than {MAX_OTHER_BYTES} bytes.")));
        }
    }
    Ok(())
}

/// Headers that say that a part is to be decoded first, with the values that change nothing. Content is stored as it
/// comes. RFC 7578 has given up the second header, and clients that still send it mean nothing by it.
const CONTENT_ENCODINGS: [(&str, &[&str]); 2] =
    [("content-encoding", &["identity"]), ("content-transfer-encoding", &["binary", "8bit", "7bit"])];

fn check_not_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    let encoded = CONTENT_ENCODINGS.iter().find(|(name, harmless)| {
        let known =
            |value: &HeaderValue| harmless.iter().any(|word| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()));
        !headers.get_all(*name).iter().all(known)
    });
    encoded.map_or(Ok(()), |(name, _)| {
        let detail = format!("A part has the header {name}: send its bytes as they are, without it.");
        Err(Problem::new(Code::UnsupportedMediaType, detail))
    })
}

fn part_headers(headers: &HeaderMap) -> Result<PartHeaders, Problem> {
    check_not_encoded(headers)?;
    let wrong =
        |name: &str, what: &str| Problem::new(Code::InvalidParameter, format!("The part header {name} {what}."));
    let text = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str());
        // Two readers could take different ones of two values.
        if values.next().is_some() {
            return Err(wrong(name, "was sent more than once"));
        }
        value.transpose().map_err(|_| wrong(name, "has characters that are not ASCII"))
    };
    let captured_at = match text("x-captured-at")? {
        Some(value) => Some(parse_captured_at(value).map_err(|what| wrong("X-Captured-At", what))?),
        None => None,
    };
    let digest = match text("content-digest")? {
        Some(value) => parse_digest(value).map_err(|()| wrong("Content-Digest", "is not `sha-256=:<base64>:`"))?,
        None => None,
    };
    Ok(PartHeaders { captured_at, digest })
}

/// The time has the same lower bound as the times in file names: before it, recorders had no clock.
pub fn parse_captured_at(value: &str) -> Result<Timestamp, &'static str> {
    let at: Timestamp = value.trim().parse().map_err(|_| "is not an RFC 3339 time")?;
    if at.millis() >= EARLIEST_MS { Ok(at) } else { Err("lies before 2024") }
}

/// Parses a list of digests by algorithm (RFC 9530). Algorithms other than SHA-256 are ignored.
fn parse_digest(value: &str) -> Result<Option<Sha256Hex>, ()> {
    for member in value.split(',') {
        let (algorithm, digest) = member.trim().split_once('=').ok_or(())?;
        if algorithm.eq_ignore_ascii_case("sha-256") {
            let text = digest.strip_prefix(':').and_then(|d| d.strip_suffix(':')).ok_or(())?;
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| ())?;
            return Ok(Some(Sha256Hex(bytes.try_into().map_err(|_| ())?)));
        }
    }
    Ok(None)
}

fn multipart_problem(error: MultipartError) -> Problem {
    match error {
        MultipartError::MediaType(detail) => Problem::new(Code::UnsupportedMediaType, detail),
        MultipartError::Malformed(detail) => Problem::new(Code::MalformedMultipart, detail),
        // If the body stalled, `edge` turns this answer into a 408.
        MultipartError::Body(_) => Problem::new(Code::MalformedMultipart, "The body broke off before its end."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_rfc_9530_writes_them() {
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(parse_digest(&format!("sha-256=:{zeros}:")), Ok(Some(Sha256Hex([0; 32]))));
        assert_eq!(parse_digest(&format!("md5=:AAAA:, sha-256=:{zeros}:")), Ok(Some(Sha256Hex([0; 32]))));
        assert_eq!(parse_digest("md5=:AAAA:"), Ok(None));
        for bad in ["", "sha-256", "sha-256=AAAA", "sha-256=:AAAA:", "sha-256=:!:", &format!("sha-256=:{zeros}")] {
            assert_eq!(parse_digest(bad), Err(()), "{bad}");
        }
    }
}
