//! `PUT` of an upload session's bytes, in the protocol of Google Cloud Storage's resumable uploads. The address is the
//! credential: it appears in no log, no metric and no answer except the one that handed it out.

use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::{Code, JobId};
use edge::{FileProblem, Json, Path, Problem};
use flow::Kind;
use flow::ports::{IncomingUpload, JobStore, PartWriter, Progress, ReceivesUploads};
use flow::session::Found;
use http::header::RANGE;
use http::{HeaderValue, StatusCode};

use crate::content_range::ContentRange;
use crate::view::session::WholeFile;

edge::problems!(PutProblems: WITH_CLOCK; UploadNotFound, UploadExpired, InvalidRange, DigestMismatch);

#[derive(Clone)]
pub struct Receiver {
    pub store: Arc<dyn JobStore>,
    pub uploads: Arc<dyn ReceivesUploads>,
}

/// Send bytes of a file
///
/// `Content-Range: bytes FIRST-LAST/SIZE` goes on where the file has come to; `bytes */SIZE` asks how far that is. Whoever
/// comes last sends: an earlier request for the same file ends.
#[utoipa::path(
    put, path = "/v2/sync/uploads/parts/{upload}", operation_id = "send_bytes", tag = "uploads", security(()),
    params(
        ("upload" = String, Path, description = "The end of an `upload_url`."),
        ("Content-Range" = Option<String>, Header, description = "Absent: all of the file in one request.")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The file is whole.", body = WholeFile),
        (
            status = 308, description = "Bytes are missing.",
            headers(("Range" = String, description = "`bytes=0-LAST`: what is there. Absent: nothing is."))
        ),
        PutProblems
    )
)]
pub async fn put(
    State(Receiver { store, uploads }): State<Receiver>,
    Path(upload): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (job, index, secret) = parse(&upload).ok_or_else(unknown)?;
    let (name, blob, expected) = match flow::session::find(&*store, job, index, secret).await? {
        Found::Nothing => return Err(unknown()),
        Found::Over => {
            return Err(Problem::new(Code::UploadExpired, "The upload was not completed in time, or was cancelled."));
        }
        Found::Whole { size } => {
            ContentRange::of(request.headers(), size).map_err(|why| invalid(why, size))?;
            return Ok(whole(size));
        }
        Found::Open { name, blob, expected } => (name, blob, expected),
    };
    let requested = ContentRange::of(request.headers(), expected.size);
    let writer = match uploads.append(&blob, expected).await? {
        IncomingUpload::Whole { size, .. } => return requested.map(|_| whole(size)).map_err(|why| invalid(why, size)),
        IncomingUpload::Open(writer) => writer,
    };
    let offset = writer.offset();
    let (first, last) = match requested {
        Err(why) => return Err(invalid(why, offset)),
        Ok(ContentRange::Ask) => return answer(writer.flush().await, &name),
        Ok(ContentRange::Bytes { first, .. }) if first > offset => {
            return Err(invalid("the range does not begin where the file has come to", offset));
        }
        Ok(ContentRange::Bytes { first, last }) => (first, last),
    };
    let mut receiving = Receiving { writer, skip: offset - first, left: last - first + 1 };
    let ended = receiving.take(request.into_body()).await?;
    let progress = receiving.writer.flush().await;
    match (ended, &progress) {
        (Ended::TooLong, Ok(progress)) => Err(invalid("the body is longer than its range", arrived(progress, offset))),
        _ => answer(progress, &name),
    }
}

/// Parses `<job>.<index>.<secret>`.
fn parse(upload: &str) -> Option<(JobId, usize, &str)> {
    let (job, rest) = upload.split_once('.')?;
    let (index, secret) = rest.split_once('.')?;
    Some((job.parse().ok()?, index.parse().ok()?, secret))
}

/// The answer is the same for every reason, so that it does not tell an attacker how close a guess was.
fn unknown() -> Problem {
    Problem::new(Code::UploadNotFound, "There is no such upload, or it is not known any more.")
}

fn invalid(why: &str, offset: u64) -> Problem {
    let mut letters = why.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let detail = format!("{}{}; {offset} bytes are there.", first.unwrap_or_default(), letters.as_str());
    let problem = Problem::new(Code::InvalidRange, detail);
    match range(offset) {
        Some(range) => problem.header(RANGE, range),
        None => problem,
    }
}

/// The bytes that have arrived, as a `Range` header. The header names the last byte, so there is none for zero bytes.
fn range(offset: u64) -> Option<HeaderValue> {
    let last = offset.checked_sub(1)?;
    HeaderValue::from_str(&format!("bytes=0-{last}")).ok()
}

fn arrived(progress: &Progress, before: u64) -> u64 {
    match progress {
        Progress::Open { offset } => *offset,
        Progress::Whole { size, .. } => *size,
        Progress::Gone => before,
    }
}

fn whole(size: u64) -> Response {
    Json(WholeFile::of(size)).into_response()
}

fn answer(progress: flow::Result<Progress>, name: &str) -> Result<Response, Problem> {
    match progress {
        Ok(Progress::Whole { size, .. }) => Ok(whole(size)),
        Ok(Progress::Gone) => Err(unknown()),
        Ok(Progress::Open { offset }) => {
            let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
            response.headers_mut().extend(range(offset).map(|range| (RANGE, range)));
            Ok(response)
        }
        Err(error) if error.kind == Kind::Corrupt => {
            let detail = "the bytes that arrived differ from the `crc32c` that was announced; none of them is kept";
            let problem = Problem::new(Code::DigestMismatch, format!("{name}: {detail}."));
            Err(problem.files(vec![FileProblem::new(name, Code::DigestMismatch, detail)]))
        }
        Err(error) => Err(error.into()),
    }
}

/// A request body that is being written to a file.
struct Receiving {
    writer: Box<dyn PartWriter>,
    /// Bytes that the file already has: they are read and ignored, as Google Cloud Storage does.
    skip: u64,
    /// Bytes of the range that are still to come.
    left: u64,
}

enum Ended {
    /// The body ended or broke off, or another request sends the file now: what has arrived is kept.
    Stopped,
    TooLong,
}

impl Receiving {
    async fn take(&mut self, mut body: Body) -> Result<Ended, Problem> {
        loop {
            let bytes = tokio::select! {
                biased;
                () = self.writer.displaced() => return Ok(Ended::Stopped),
                bytes = next(&mut body) => bytes,
            };
            let Some(mut bytes) = bytes else { return Ok(Ended::Stopped) };
            let too_long = bytes.len() as u64 > self.left;
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= bytes.len() as u64;
            let skipped = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
            self.skip -= skipped as u64;
            let fresh = bytes.split_off(skipped);
            if !fresh.is_empty() {
                self.writer.write(fresh).await?;
            }
            if too_long {
                return Ok(Ended::TooLong);
            }
        }
    }
}

/// The next bytes of the body; `None` at its end and where it breaks off.
async fn next(body: &mut Body) -> Option<Bytes> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?.ok()?;
        if let Ok(bytes) = frame.into_data() {
            return Some(bytes);
        }
    }
}
