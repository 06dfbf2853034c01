//! `/v2/sync/uploads`: upload sessions for large files and bad networks. They are opened, opened again to resume, and
//! completed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::Code;
use edge::{Caller, FileProblem, Json, Path, Problem, RequestContext};
use flow::Services;
use flow::accept::parse_terms;
use flow::session::{Completed, Offer, OpenSession, Opening};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::jobs::{owned, unknown_job};
use crate::refused::problem;
use crate::upload::parse_captured_at;
use crate::view::job::Accepted;
use crate::view::session::{Addresses, SessionView};

edge::problems!(
    OpenProblems: WITH_TOKEN, WITH_JSON;
    InvalidFilename, DuplicateFilename, EmptyFile, EmptyBatch, InvalidParameter, FileTooLarge, BatchTooLarge,
    TooManyFiles, RecordingInFuture, RecordingTooOld, FairUseRestricted, RateLimited, BackendBusy, JobFinished
);
edge::problems!(
    CompleteProblems: WITH_TOKEN; JobNotFound, NotYourJob, UploadIncomplete, JobFinished, UploadExpired
);

#[derive(Deserialize, ToSchema)]
pub struct UploadRequest {
    #[schema(min_items = 1)]
    files: Vec<OfferedFile>,
    /// Attach the recordings to this conversation, known or not.
    #[schema(value_type = Option<uuid::Uuid>)]
    conversation_id: Option<String>,
    /// A hint (BCP 47), such as `en` or `pt-BR`.
    #[schema(max_length = 35, pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
    language: Option<String>,
}

/// A file to be sent.
#[derive(Deserialize, ToSchema)]
pub struct OfferedFile {
    /// Carries device, codec and time.
    name: String,
    #[schema(minimum = 1)]
    size: u64,
    /// Of all its bytes, as hex digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
    /// CRC32C of all its bytes, as Google Cloud Storage writes it: base64 of the four bytes, the highest first.
    #[schema(pattern = "^[A-Za-z0-9+/]{6}==$")]
    crc32c: Option<String>,
    /// When it began (RFC 3339), for a name without a time.
    #[schema(value_type = Option<String>, format = DateTime)]
    captured_at: Option<String>,
}

impl OfferedFile {
    fn offer(self) -> Result<Offer, FileProblem> {
        let wrong = |what: &str| FileProblem::new(&self.name, Code::InvalidParameter, what);
        let sha256 = self.sha256.parse().map_err(|_| wrong("sha256 is not 64 hex digits"))?;
        let crc32c = match &self.crc32c {
            Some(text) => Some(parse_crc32c(text).ok_or_else(|| wrong("crc32c is not base64 of four bytes"))?),
            None => None,
        };
        let captured_at = match &self.captured_at {
            Some(text) => Some(parse_captured_at(text).map_err(|what| wrong(&format!("captured_at {what}")))?),
            None => None,
        };
        Ok(Offer { name: self.name, size: self.size, sha256, crc32c, captured_at })
    }
}

fn parse_crc32c(text: &str) -> Option<u32> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok().map(u32::from_be_bytes)
}

/// Open a resumable upload
///
/// Asking again for the same files answers the same session, with how far each file has come. A session that is not
/// completed expires.
#[utoipa::path(
    post, path = "/v2/sync/uploads", operation_id = "open_upload", tag = "uploads", request_body = UploadRequest,
    responses(
        (status = 201, description = "Send what is missing to each `upload_url`, then complete.", body = SessionView),
        (status = 202, description = "Every recording is known: nothing is to be sent.", body = Accepted),
        OpenProblems
    )
)]
pub async fn open(
    State(services): State<Services>,
    State(addresses): State<Addresses>,
    Caller(uid): Caller,
    context: RequestContext,
    Json(request): Json<UploadRequest>,
) -> Result<Response, Problem> {
    let UploadRequest { files, conversation_id, language } = request;
    let terms = parse_terms(conversation_id.as_deref(), language.as_deref()).map_err(problem)?;
    // Too many files are refused before the files are checked, so that the answer does not list the mistakes of all of
    // them.
    let limit = services.settings.upload.max_files;
    if files.len() > limit {
        return Err(Problem::new(Code::TooManyFiles, format!("A batch has at most {limit} files.")));
    }
    let files = offers(files)?;
    let asked = OpenSession { uid, files, terms, traceparent: Some(context.traceparent.to_string()) };
    let opening = flow::session::open(&services, asked).await.map_err(problem)?;
    let (Opening::Session { job, .. } | Opening::Known(job)) = &opening;
    context.set_job(job.id);
    Ok(match opening {
        Opening::Session { job, progress } => {
            (StatusCode::CREATED, Json(SessionView::of(&job, &progress, &addresses))).into_response()
        }
        Opening::Known(job) => (StatusCode::ACCEPTED, Json(Accepted::of(&job, true))).into_response(),
    })
}

fn offers(files: Vec<OfferedFile>) -> Result<Vec<Offer>, Problem> {
    let (mut offers, mut bad) = (Vec::new(), Vec::new());
    for file in files {
        match file.offer() {
            Ok(offer) => offers.push(offer),
            Err(why) => bad.push(why),
        }
    }
    match bad.first() {
        None => Ok(offers),
        Some(first) => {
            let detail = format!("{}: {}.", first.file, first.detail);
            Err(Problem::new(Code::InvalidParameter, detail).files(bad))
        }
    }
}

/// Complete a resumable upload
///
/// Once every file is whole. Repeating it is harmless.
#[utoipa::path(
    post, path = "/v2/sync/uploads/{job_id}/complete", operation_id = "complete_upload", tag = "uploads",
    params(("job_id" = String, Path, description = "As the opening's answer names it.")),
    responses(
        (status = 202, description = "Accepted: every recording is stored, and will be transcribed.", body = Accepted),
        CompleteProblems
    )
)]
pub async fn complete(
    State(services): State<Services>,
    Caller(uid): Caller,
    context: RequestContext,
    Path(job_id): Path<String>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let session = owned(&*services.store, services.now(), &uid, &job_id).await?;
    match flow::session::complete(&services, &session).await? {
        Completed::Accepted { job, deduplicated } => {
            context.set_job(job.id);
            Ok((StatusCode::ACCEPTED, Json(Accepted::of(&job, deduplicated))))
        }
        Completed::Incomplete(missing) => Err(incomplete(missing)),
        Completed::Ended(job) if job.error.as_ref().is_some_and(|error| error.code == Code::UploadExpired) => {
            Err(Problem::new(Code::UploadExpired, "The upload was not completed in time; open it again."))
        }
        Completed::Ended(_) => Err(Problem::new(Code::JobFinished, "The upload was cancelled.")),
        Completed::NoSuchJob => Err(unknown_job()),
    }
}

fn incomplete(missing: Vec<(String, u64)>) -> Problem {
    let file = |(name, offset): (String, u64)| {
        let detail = format!("{offset} bytes of it are there");
        FileProblem { offset: Some(offset), ..FileProblem::new(&name, Code::UploadIncomplete, &detail) }
    };
    let files: Vec<_> = missing.into_iter().map(file).collect();
    Problem::new(Code::UploadIncomplete, "Some files are not whole: send the rest of each.").files(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_is_read_as_google_cloud_storage_writes_it() {
        assert_eq!(parse_crc32c("yZRlqg=="), Some(0xC994_65AA), "of `hello world`");
        for bad in ["", "yZRlqg", "c99465aa", "yZRlqqo=", "!!!!!!=="] {
            assert_eq!(parse_crc32c(bad), None, "{bad}");
        }
    }
}
