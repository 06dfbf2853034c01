//! Uploads files by a session: names and digests first, then the bytes from where the server has them (R17).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::api::{Api, ApiError, Call, answered, status_of};
use super::source::{Segment, Segments};
use crate::chunk::{Chunk, LastError};
use crate::core::WorkError;
use crate::ports::{Answer, Body, BodySource, HttpError, Method};
use crate::rules::judge::{Effect, Judgement, Sending, failed, judge};
use crate::rules::outcome;
use crate::rules::resume::{FIRST_PIECE, Sent, next_piece, read};
use crate::rules::session::{Session, SessionFile};

/// Failures of one file in a row, each without a single byte that arrived, before it is left for later.
const MAX_FAILURES: u32 = 3;
/// The requests for one file in one pass. Two TiB fit in them.
const MAX_REQUESTS: u32 = 1 << 18;

type Judged = Option<(u16, Judgement)>;

/// Sends files by one session. The judgement covers all of them; `None` if nothing is to be judged.
pub async fn send(api: &Api<'_>, files: &[(Chunk, PathBuf)], sending: &Sending) -> Result<Judged, WorkError> {
    let chunks: Vec<Chunk> = files.iter().map(|(chunk, _)| chunk.clone()).collect();
    let Some(opened) = answered(api, open(api, &chunks).await)? else { return Ok(None) };
    let session = match &opened {
        Ok(answer) if answer.status == 201 => Session::parse(&answer.body),
        // 202: every recording is known. Everything else is judged like the answer to a batch.
        _ => return Ok(Some((status_of(&opened), judge(&opened, &chunks, sending)))),
    };
    let Some(session) = session else {
        // A 201 that is no session: garbage.
        let garbage = Ok(Answer { status: 599, ..Answer::default() });
        return Ok(Some((201, judge(&garbage, &chunks, sending))));
    };
    let mut rows = Vec::new();
    let mut trouble = None;
    for (chunk, path) in files {
        match send_file(api, chunk, path, session.file(&chunk.name)).await? {
            FileEnd::Whole => {}
            FileEnd::Counted(error) => rows.push((chunk.id, outcome::count(chunk.transfer.clone(), error, sending.at))),
            FileEnd::Failed(error) => rows.push((chunk.id, failed(chunk, 1, error, sending.at))),
            FileEnd::Unreachable(error) => {
                rows.push((chunk.id, failed(chunk, files.len(), error, sending.at)));
                trouble = Some(Effect::Trouble { asked: None });
                break;
            }
        }
        api.core.ports.clock.breathe().await;
    }
    if !rows.is_empty() {
        return Ok(Some((0, Judgement { effect: trouble.unwrap_or(Effect::GoOn), rows })));
    }
    let path = format!("/v2/sync/uploads/{}/complete", session.job_id);
    let result = api.send(&api.call(Method::Post, &path)).await;
    Ok(answered(api, result)?.map(|result| (status_of(&result), judge(&result, &chunks, sending))))
}

async fn open(api: &Api<'_>, chunks: &[Chunk]) -> Result<Answer, ApiError> {
    let files: Vec<_> = chunks
        .iter()
        .map(|chunk| {
            let mut file = json!({
                "name": chunk.name,
                "size": chunk.bytes,
                "sha256": chunk.sha256.map(|sha| sha.to_string()),
                "crc32c": BASE64_STANDARD.encode(chunk.crc32c.to_be_bytes()),
            });
            if chunk.sends_captured_at {
                file["captured_at"] = json!(chunk.captured_at);
            }
            file
        })
        .collect();
    let mut request = json!({ "files": files });
    if let Some(conversation) = chunks.first().and_then(|chunk| chunk.conversation_id) {
        request["conversation_id"] = json!(conversation);
    }
    let text = request.to_string();
    let body = || Ok(Body::of(text.clone()));
    let mut call = api.call(Method::Post, "/v2/sync/uploads");
    call.headers.push(("content-type", "application/json".to_owned()));
    call.body = &body;
    api.send(&call).await
}

/// How the sending of a file ends.
enum FileEnd {
    Whole,
    /// The bytes that arrived are not those of the digest: counted.
    Counted(LastError),
    /// Something is wrong with this file's upload alone.
    Failed(LastError),
    /// The network or the storage does not work.
    Unreachable(LastError),
}

async fn send_file(
    api: &Api<'_>,
    chunk: &Chunk,
    path: &std::path::Path,
    file: Option<&SessionFile>,
) -> Result<FileEnd, WorkError> {
    let Some(file) = file else {
        return Ok(FileEnd::Failed(LastError::new("local_garbage", None, "the session lacks the file")));
    };
    // Known recordings need no bytes.
    let Some(address) = &file.upload_url else { return Ok(FileEnd::Whole) };
    let Some(target) = api.core.config.server.resolve(address) else {
        return Ok(FileEnd::Failed(LastError::new("local_unsafe_address", None, "the upload address is not https")));
    };
    let sender = Sender { api, chunk, path, target };
    let mut state = if file.offset <= chunk.bytes { Sent::Open(file.offset) } else { sender.ask().await? };
    let (mut piece, mut failures, mut best) = (FIRST_PIECE, 0, 0);
    for _ in 0..MAX_REQUESTS {
        state = match state {
            Sent::Whole => return Ok(FileEnd::Whole),
            Sent::Open(offset) => {
                api.core.set_progress(chunk.id, offset, chunk.bytes);
                if offset > best {
                    (best, failures) = (offset, 0);
                }
                if offset == chunk.bytes { sender.ask().await? } else { sender.put(offset, piece).await? }
            }
            Sent::Gone => {
                return Ok(FileEnd::Failed(LastError::new(
                    "upload_not_found",
                    None,
                    "the session is not known any more",
                )));
            }
            Sent::WrongBytes(detail) => {
                let blame = Some(domain::Blame::Content);
                return Ok(FileEnd::Counted(LastError::new("digest_mismatch", blame, &detail)));
            }
            Sent::Unknown(why) => {
                failures += 1;
                if failures >= MAX_FAILURES {
                    return Ok(FileEnd::Unreachable(LastError::new("local_upload_broken", None, &why)));
                }
                sender.ask().await?
            }
        };
        piece = next_piece(piece, !matches!(state, Sent::Unknown(_)));
        if matches!(state, Sent::Open(offset) if offset == chunk.bytes) {
            // The server has every byte and does not say that it is whole: that is asked a few times only.
            failures += 1;
            if failures >= MAX_FAILURES {
                let detail = "the server has all bytes and does not take them";
                return Ok(FileEnd::Failed(LastError::new("local_garbage", None, detail)));
            }
        }
    }
    Ok(FileEnd::Failed(LastError::new("local_garbage", None, "the upload has no end")))
}

struct Sender<'a> {
    api: &'a Api<'a>,
    chunk: &'a Chunk,
    path: &'a std::path::Path,
    target: crate::server::Target,
}

impl Sender<'_> {
    /// Asks how many bytes the server has.
    async fn ask(&self) -> Result<Sent, WorkError> {
        let range = format!("bytes */{}", self.chunk.bytes);
        self.request(range, &|| Ok(Body::empty())).await
    }

    /// Sends a piece from this offset.
    async fn put(&self, offset: u64, piece: u64) -> Result<Sent, WorkError> {
        let length = piece.min(self.chunk.bytes - offset);
        let range = format!("bytes {offset}-{}/{}", offset + length - 1, self.chunk.bytes);
        let disk = Arc::clone(&self.api.core.ports.disk);
        let body = || {
            let segment = Segment::File { path: self.path.to_owned(), offset, length };
            let segments = Segments::new(Arc::clone(&disk), vec![segment], Arc::new(AtomicU64::new(0)));
            let source: Box<dyn BodySource> = Box::new(segments);
            Ok(Body { length, source })
        };
        self.request(range, &body).await
    }

    async fn request(
        &self,
        range: String,
        body: &(dyn Fn() -> std::io::Result<Body> + Send + Sync),
    ) -> Result<Sent, WorkError> {
        let headers = vec![("content-range", range), ("content-type", "application/octet-stream".to_owned())];
        let call = Call { method: Method::Put, target: self.target.clone(), headers, body };
        // The address is the credential. The token is not sent with it, not even to the server itself.
        match self.api.send_bare(&call).await {
            Ok(answer) => Ok(read(&Ok(answer), self.chunk.bytes)),
            Err(ApiError::Http(HttpError::Source(error))) => Ok(Sent::Unknown(error.to_string())),
            Err(ApiError::Http(error)) => Ok(read(&Err(error), self.chunk.bytes)),
            Err(ApiError::Work(error)) => Err(error),
            Err(ApiError::NoToken(_)) => Ok(Sent::Unknown("there is no token".to_owned())),
        }
    }
}
