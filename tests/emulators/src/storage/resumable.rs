//! Upload sessions: bytes with `Content-Range`, the query of received bytes, the end of a session.

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::State;
use super::answer::{self, Body, Refusal, hash_header};
use super::arriving::Arriving;
use super::bucket::{MAX_OBJECT_SIZE, UploadState};
use super::call::Call;
use super::fault::Fault;

/// All requests but the last one of an object carry a multiple of this many bytes, and an interrupted request keeps
/// only multiples of it.
pub const QUANTUM: u64 = 256 * 1024;

type Answer = Result<Response<Body>, Refusal>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    /// `bytes */N` or `bytes */*`.
    Ask { total: Option<u64> },
    /// `bytes A-B/N`, `bytes A-B/*` or `bytes A-*/*`, which goes to the end; a missing range means from 0 to the end.
    Bytes { first: u64, last: Option<u64>, total: Option<u64> },
}

fn range(headers: &HeaderMap) -> Option<Range> {
    let Some(text) = headers.get(CONTENT_RANGE) else {
        return Some(Range::Bytes { first: 0, last: None, total: None });
    };
    let (bytes, total) = text.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    if bytes == "*" {
        return Some(Range::Ask { total });
    }
    let (first, last) = bytes.split_once('-')?;
    let (first, last) = (first.parse().ok()?, if last == "*" { None } else { Some(last.parse().ok()?) });
    let fits = last.is_none_or(|last: u64| first <= last && total.is_none_or(|total| last < total));
    fits.then_some(Range::Bytes { first, last, total })
}

pub async fn put(state: &State, call: &Call, headers: &HeaderMap, body: &mut Arriving, fault: Option<Fault>) -> Answer {
    let id = call.get("upload_id").unwrap_or("");
    let upload = state.buckets.upload(id)?;
    if let UploadState::Finished(object) = &upload.state {
        body.drain().await;
        return Ok(answer::json(&object.json()));
    }
    let range = range(headers).ok_or_else(|| Refusal::invalid("Failed to parse Content-Range header."))?;
    let sum = hash_header(headers);
    let spoil = fault == Some(Fault::StoreWrong);
    match range {
        Range::Ask { total } => {
            body.drain().await;
            let end = total.or(upload.announced);
            if end == Some(upload.content.size) { finish(state, id, sum, spoil) } else { Ok(open(upload.content.size)) }
        }
        Range::Bytes { first, last, total } => {
            if let (Some(announced), Some(total)) = (upload.announced, total)
                && announced != total
            {
                return Err(Refusal::invalid("Content-Range does not match X-Upload-Content-Length."));
            }
            let end = total.or(upload.announced);
            let took = take(state, id, body, Span { first, last, end }).await?;
            let has = state.buckets.upload(id)?.content.size;
            let is_end = match (took, end) {
                (Took::Broken, _) => return Err(Refusal::ordered(503, None)),
                (Took::All, Some(end)) => has == end,
                (Took::All, None) => last.is_none(),
            };
            match end {
                _ if is_end => finish(state, id, sum, spoil),
                Some(end) if has > end => Err(Refusal::invalid("more bytes came than were announced")),
                _ => Ok(open(has)),
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Took {
    All,
    Broken,
}

/// The bytes that a request claims to carry, and the end of the object, as far as it is known.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    last: Option<u64>,
    end: Option<u64>,
}

/// Receives the bytes of one request. Bytes that were received before are skipped.
async fn take(state: &State, id: &str, body: &mut Arriving, span: Span) -> Result<Took, Refusal> {
    let Span { first, last, end } = span;
    let before = state.buckets.upload(id)?.content;
    if first > before.size {
        body.drain().await;
        // The status says 503 although it is the client's fault, because an earlier request of the client may still be
        // running.
        let reason = format!(
            "Invalid request.  According to the Content-Range header, the upload offset is {first} byte(s), which exceeds \
             already uploaded size of {} byte(s).",
            before.size
        );
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "backendError", reason));
    }
    let (mut skip, mut came) = (before.size - first, 0);
    // Bytes count when a quantum of them is complete, or when the request has ended well.
    let mut waiting: Vec<u8> = Vec::new();
    while let Some(mut bytes) = body.next().await {
        came += bytes.len() as u64;
        if last.is_some_and(|last| came > last - first + 1) || first + came > MAX_OBJECT_SIZE {
            state.buckets.restore(id, before);
            body.drain().await;
            return Err(Refusal::invalid("the body is longer than its range"));
        }
        let skipped = skip.min(bytes.len() as u64);
        skip -= skipped;
        waiting.extend_from_slice(&bytes.split_off(skipped as usize));
        while waiting.len() as u64 >= QUANTUM {
            let rest = waiting.split_off(QUANTUM as usize);
            state.buckets.append(id, &std::mem::replace(&mut waiting, rest));
        }
    }
    let is_whole = !body.is_broken() && last.is_none_or(|last| came == last - first + 1);
    if !is_whole {
        return Ok(Took::Broken);
    }
    let ends_here = last.is_none() || end == Some(first + came);
    if !came.is_multiple_of(QUANTUM) && !ends_here {
        state.buckets.restore(id, before);
        return Err(Refusal::invalid(format!(
            "Invalid request. There were {came} byte(s) in the request body. There should have been a multiple of {QUANTUM}."
        )));
    }
    state.buckets.append(id, &waiting);
    Ok(Took::All)
}

fn finish(state: &State, id: &str, crc32c: Option<u32>, spoil: bool) -> Answer {
    Ok(answer::json(&state.buckets.finish(id, crc32c, spoil)?.json()))
}

/// The answer while more bytes are expected.
fn open(received: u64) -> Response<Body> {
    let mut response = answer::empty(StatusCode::PERMANENT_REDIRECT);
    if let Some(last) = received.checked_sub(1)
        && let Ok(range) = HeaderValue::from_str(&format!("bytes=0-{last}"))
    {
        response.headers_mut().insert(RANGE, range);
    }
    response
}

pub fn cancel(state: &State, call: &Call) -> Answer {
    let id = call.get("upload_id").unwrap_or("");
    state.buckets.upload(id)?;
    state.buckets.cancel(id);
    // "Client closed request": Google's answer when a session was cancelled.
    StatusCode::from_u16(499).map(answer::empty).map_err(|_| Refusal::invalid("499"))
}
