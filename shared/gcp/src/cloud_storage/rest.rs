//! Sends one JSON REST request and reads its answer.

use std::convert::Infallible;

use bytes::Bytes;
use flow::Result;
use futures_util::stream;
use google_cloud_auth::credentials::CacheableResource;
use http::header::RANGE;
use http::{Extensions, HeaderMap};
use reqwest::{Body, RequestBuilder, Response};

use super::fault::{Call, Refusal, rest_refusal};
use super::{Storage, UNAUTHENTICATED};

/// The longest answer that is read; an object's description is a few KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The most bytes that are handed to a connection at once. TLS copies them, so that a whole chunk would
/// be in memory twice.
const SLICE: usize = 64 * 1024;

/// A request body of these parts, one after the other. The caller sets the content length.
pub fn in_slices(parts: impl IntoIterator<Item = Bytes>) -> Body {
    let mut slices = Vec::new();
    for mut part in parts {
        while !part.is_empty() {
            slices.push(Ok::<_, Infallible>(part.split_to(part.len().min(SLICE))));
        }
    }
    Body::wrap_stream(stream::iter(slices))
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn refusal(&self) -> Refusal {
        rest_refusal(self.status, &self.headers, &self.body)
    }

    /// How many bytes of an upload session are stored permanently; a response without `Range` means none.
    pub fn offset(&self) -> Option<u64> {
        match self.headers.get(RANGE) {
            None => Some(0),
            Some(range) => range.to_str().ok()?.strip_prefix("bytes=0-")?.parse::<u64>().ok()?.checked_add(1),
        }
    }
}

impl Storage {
    /// The authorization headers, for requests whose address is not itself a credential.
    pub(super) async fn authorization(&self, call: &Call<'_>) -> Result<HeaderMap> {
        let credentials = self.credentials(call).await?;
        match credentials.headers(Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            // Only returned to callers who pass an entity tag.
            Ok(CacheableResource::NotModified) => Ok(HeaderMap::new()),
            Err(why) => {
                if !why.is_transient() {
                    self.forget_credentials();
                }
                Err(call.no_credentials(&why))
            }
        }
    }

    pub(super) async fn send(&self, call: &Call<'_>, request: RequestBuilder) -> Result<Answer> {
        let mut response = request.send().await.map_err(|why| call.unanswered(why))?;
        let body = body(call, &mut response).await?;
        if response.status() == UNAUTHENTICATED {
            self.forget_credentials();
        }
        Ok(Answer { status: response.status().as_u16(), headers: std::mem::take(response.headers_mut()), body })
    }
}

async fn body(call: &Call<'_>, response: &mut Response) -> Result<Bytes> {
    let mut whole = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|why| call.unanswered(why))? {
        if whole.len() + bytes.len() > MAX_ANSWER_BYTES {
            return Err(call.nonsense("is longer than any that is documented"));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.into())
}
