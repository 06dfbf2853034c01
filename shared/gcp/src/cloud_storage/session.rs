//! Resumable upload sessions: start, send bytes, ask for the offset, finish. The address of a session
//! is a credential.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::UploadUrl;
use flow::ports::BlobName;
use flow::{Kind, Result};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use serde_json::json;

use super::Storage;
use super::fault::Call;
use super::object::{Object, crc_text};
use super::rest::{Answer, in_slices};
use flow::patience::TimedCall;

/// The time limit for cancelling a session that is not needed. It expires within a week anyway.
const CANCEL: Duration = Duration::from_secs(5);

/// What is known in advance about the bytes of a session.
#[derive(Clone, Copy, Default)]
pub struct Announced {
    pub size: Option<u64>,
    pub crc32c: Option<u32>,
}

/// The state of a session.
#[derive(Debug)]
pub enum UploadState {
    Open(u64),
    Whole(Object),
    /// Google no longer knows the session: it was finished long ago, cancelled, or is too old.
    Gone,
    /// Something else has the name.
    Taken,
}

/// A chunk of an object's bytes.
pub struct Chunk {
    pub first: u64,
    pub bytes: Bytes,
    /// Only in the last chunk: the object's size and checksum.
    pub end: Option<(u64, u32)>,
}

impl Storage {
    /// Starts a session for a name that is not taken; `None` if it is taken.
    pub(super) async fn start_session(
        &self,
        call: &Call<'_>,
        name: &BlobName,
        announced: Announced,
    ) -> Result<Option<UploadUrl>> {
        // A session whose address was lost does no harm, so the request may be repeated.
        self.tries().run(call, || self.ask_for_session(call, name, announced)).await
    }

    async fn ask_for_session(
        &self,
        call: &Call<'_>,
        name: &BlobName,
        announced: Announced,
    ) -> Result<Option<UploadUrl>> {
        let mut about = json!({ "name": name.as_str(), "contentType": "application/octet-stream" });
        if let Some(crc32c) = announced.crc32c {
            about["crc32c"] = json!(crc_text(crc32c));
        }
        let mut request = self
            .http(call)?
            .post(self.upload_address("resumable", name))
            .headers(self.authorization(call).await?)
            .header(CONTENT_TYPE, "application/json; charset=UTF-8")
            .header("x-upload-content-type", "application/octet-stream")
            .body(about.to_string());
        if let Some(size) = announced.size {
            request = request.header("x-upload-content-length", size);
        }
        let answer = self.send(call, request).await?;
        match answer.status {
            200 | 201 => {
                let url = answer.headers.get(LOCATION).and_then(|url| url.to_str().ok());
                let url = url.filter(|url| url.starts_with("http")).ok_or_else(|| call.nonsense("names no address"))?;
                Ok(Some(UploadUrl::new(url.to_owned())))
            }
            412 => Ok(None),
            404 => Err(call.no_bucket()),
            _ => Err(call.refused(&answer.refusal())),
        }
    }

    /// The address for writing an object unless it exists.
    pub(super) fn upload_address(&self, kind: &str, name: &BlobName) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("uploadType", kind)
            .append_pair("name", name.as_str())
            .append_pair("ifGenerationMatch", "0")
            .finish();
        format!("{}/upload/storage/v1/b/{}/o?{query}", self.endpoint(), self.bucket())
    }

    /// Asks for the state of a session. Its address is a credential, so no others are sent.
    pub(super) async fn ask_session(&self, call: &Call<'_>, url: &UploadUrl, size: Option<u64>) -> Result<UploadState> {
        let range = size.map_or_else(|| "bytes */*".to_owned(), |size| format!("bytes */{size}"));
        let request = self.http(call)?.put(url.expose()).header(CONTENT_RANGE, range).header(CONTENT_LENGTH, 0);
        upload_state(call, &self.send(call, request).await?)
    }

    /// Sends a chunk until it is stored. After each interruption it asks how many bytes have arrived.
    pub(super) async fn send_chunk(&self, call: &Call<'_>, url: &UploadUrl, chunk: &Chunk) -> Result<UploadState> {
        let progress = ChunkProgress { at: AtomicU64::new(chunk.first), is_sure: AtomicBool::new(true) };
        self.tries().run(call, || self.send_rest(call, url, chunk, &progress)).await
    }

    async fn send_rest(
        &self,
        call: &Call<'_>,
        url: &UploadUrl,
        chunk: &Chunk,
        progress: &ChunkProgress,
    ) -> Result<UploadState> {
        let end = chunk.first + chunk.bytes.len() as u64;
        if !progress.is_sure.swap(false, Ordering::Relaxed) {
            match self.ask_session(call, url, chunk.end.map(|(size, _)| size)).await? {
                UploadState::Open(at) => progress.advance(call, chunk, at)?,
                other => return Ok(other),
            }
        }
        loop {
            let at = progress.at.load(Ordering::Relaxed);
            if at == end && chunk.end.is_none() {
                progress.is_sure.store(true, Ordering::Relaxed);
                return Ok(UploadState::Open(at));
            }
            match self.put(call, url, chunk, at).await? {
                UploadState::Open(now) if now > at => progress.advance(call, chunk, now)?,
                UploadState::Open(_) => {
                    return Err(call.error(Kind::Unavailable).because("none of the bytes were accepted"));
                }
                other => return Ok(other),
            }
        }
    }

    /// Sends one request with the chunk's bytes from `at` on.
    async fn put(&self, call: &Call<'_>, url: &UploadUrl, chunk: &Chunk, at: u64) -> Result<UploadState> {
        let bytes = chunk.bytes.slice(usize::try_from(at - chunk.first).unwrap_or(usize::MAX)..);
        let size = chunk.end.map_or_else(|| "*".to_owned(), |(size, _)| size.to_string());
        let range = match (bytes.len() as u64).checked_sub(1) {
            Some(more) => format!("bytes {at}-{}/{size}", at + more),
            None => format!("bytes */{size}"),
        };
        let mut request =
            self.http(call)?.put(url.expose()).header(CONTENT_RANGE, range).header(CONTENT_LENGTH, bytes.len());
        if let Some((_, crc32c)) = chunk.end {
            // Google compares this checksum before the object exists.
            request = request.header("x-goog-hash", format!("crc32c={}", crc_text(crc32c)));
        }
        upload_state(call, &self.send(call, request.body(in_slices([bytes]))).await?)
    }

    /// Cancels a session. A session that is over counts as cancelled; the object of a finished session
    /// stays.
    pub(super) async fn cancel_session(&self, call: &Call<'_>, url: &UploadUrl) -> Result<()> {
        self.tries().run(call, || self.ask_to_cancel(call, url)).await
    }

    async fn ask_to_cancel(&self, call: &Call<'_>, url: &UploadUrl) -> Result<()> {
        let request = self.http(call)?.delete(url.expose()).header(CONTENT_LENGTH, 0);
        let answer = self.send(call, request).await?;
        match answer.status {
            200..300 | 499 => Ok(()),
            401 | 403 | 408 | 429 | 500.. => Err(call.refused(&answer.refusal())),
            // The session is over, one way or another.
            _ => Ok(()),
        }
    }

    /// Cancels a session and ignores errors, for callers that cannot report them.
    pub(super) async fn give_up_session(&self, url: &UploadUrl, name: &BlobName) {
        let call = self.call("blobs.abort", name.as_str());
        let timed = TimedCall::begin(CANCEL.min(self.settings.policy.retry.total));
        let _ = tokio::time::timeout(timed.limit, self.ask_to_cancel(&call, url)).await;
    }
}

/// How many bytes of a chunk are known to have arrived.
struct ChunkProgress {
    at: AtomicU64,
    is_sure: AtomicBool,
}

impl ChunkProgress {
    fn advance(&self, call: &Call<'_>, chunk: &Chunk, at: u64) -> Result<()> {
        if at < chunk.first || at > chunk.first + chunk.bytes.len() as u64 {
            // Bytes that were acknowledged are gone, or there are bytes that nobody sent: this cannot be repaired
            // here.
            return Err(call.error(Kind::Corrupt).because("the upload session reports an impossible offset"));
        }
        self.at.store(at, Ordering::Relaxed);
        Ok(())
    }
}

fn upload_state(call: &Call<'_>, answer: &Answer) -> Result<UploadState> {
    match answer.status {
        200 | 201 => Object::read(&answer.body)
            .map(UploadState::Whole)
            .ok_or_else(|| call.nonsense("does not describe the object")),
        308 => answer.offset().map(UploadState::Open).ok_or_else(|| call.nonsense("has an invalid Range header")),
        // 499: the session was cancelled.
        404 | 410 | 499 => Ok(UploadState::Gone),
        412 => Ok(UploadState::Taken),
        _ => {
            let refusal = answer.refusal();
            if refusal.is_about_sum() { Err(call.refused_sum(&refusal)) } else { Err(call.refused(&refusal)) }
        }
    }
}
