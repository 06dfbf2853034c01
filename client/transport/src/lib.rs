//! HTTP for the device engine, over reqwest and rustls. It needs a tokio runtime, and trusts the certificates of the system.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod error;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::ports::{Answer, Body, BodySource, Http, HttpError, Request};
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may be silent within an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Sends the engine's requests.
pub struct ReqwestHttp {
    client: Client,
}

impl ReqwestHttp {
    /// A client that names itself like this, such as `afterword/0.1.0`.
    pub fn new(user_agent: &str) -> Result<Self, HttpError> {
        let client = Client::builder()
            .user_agent(user_agent)
            // A redirect is an answer like any other: the engine follows none, least of all with a token.
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        Ok(Self { client: client.map_err(|error| HttpError::Connect(error.to_string()))? })
    }
}

/// Why a body could not be read; reqwest only says that it could not be sent.
type SourceError = Arc<Mutex<Option<io::Error>>>;

#[async_trait]
impl Http for ReqwestHttp {
    async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let method = match request.method.as_str().parse() {
            Ok(method) => method,
            Err(_) => return Err(HttpError::Connect("no such method".to_owned())),
        };
        let mut builder = self.client.request(method, &request.url).timeout(request.timeout);
        for (name, value) in &request.headers {
            let Ok(mut value) = HeaderValue::from_str(value) else {
                return Err(HttpError::Connect(format!("the header {name} cannot be sent")));
            };
            value.set_sensitive(*name == "authorization");
            builder = builder.header(*name, value);
        }
        let failed = SourceError::default();
        let Body { length, source } = request.body;
        if length > 0 {
            // The length is announced, so that a server can refuse a body before it comes.
            builder = builder.header(CONTENT_LENGTH, length).body(streamed(source, Arc::clone(&failed)));
        } else if request.method.as_str() != "GET" {
            builder = builder.header(CONTENT_LENGTH, 0);
        }
        let sent = builder.send().await;
        if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(HttpError::Source(error));
        }
        read(sent.map_err(|error| error::classify(&error))?, request.max_answer_bytes).await
    }
}

fn streamed(source: Box<dyn BodySource>, failed: SourceError) -> reqwest::Body {
    // The lock is never contended: it makes the source, which is only `Send`, shareable.
    let pieces = stream::unfold((source, failed), |(mut source, failed)| async move {
        let piece: Result<Bytes, io::Error> = match source.next() {
            Ok(piece) => Ok(piece?),
            Err(error) => {
                let kind = error.kind();
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(kind.into())
            }
        };
        Some((piece, (source, failed)))
    });
    reqwest::Body::wrap_stream(pieces)
}

/// Reads an answer up to the limit; the rest is dropped with the connection.
async fn read(mut response: Response, limit: usize) -> Result<Answer, HttpError> {
    let status = response.status().as_u16();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = Vec::new();
    while body.len() < limit {
        let Some(piece) = response.chunk().await.map_err(|error| error::classify(&error))? else { break };
        let room = limit - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
    }
    Ok(Answer { status, headers, body })
}

#[cfg(test)]
mod tests;
