//! HTTP. An implementation sends one request and returns its answer; everything else is decided by the engine.

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// The network.
///
/// An implementation **never follows a redirect**: it returns the 3xx as the answer. It reads at most `max_answer_bytes` of
/// a body, verifies certificates, and gives up after the timeouts of the request. Dropping the future ends the request.
#[async_trait]
pub trait Http: Send + Sync + 'static {
    /// Sends a request and reads its answer.
    async fn send(&self, request: Request) -> Result<Answer, HttpError>;
}

/// The methods that the engine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are called what they are")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// As the request line writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// A request. Its URL may be a credential, and its headers may hold the token: neither is printed.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// The headers, in lower case. `content-length` is not among them: it follows from the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// How long the request may take altogether.
    pub timeout: Duration,
    /// The most bytes of the answer's body that are read; the rest is dropped, with the connection.
    pub max_answer_bytes: usize,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("bytes", &self.body.length)
            .finish_non_exhaustive()
    }
}

/// A body whose bytes are read when they are sent, so that a file of any size takes little memory.
pub struct Body {
    /// The number of bytes that the source gives.
    pub length: u64,
    /// The bytes.
    pub source: Box<dyn BodySource>,
}

/// The bytes of a body, piece by piece.
pub trait BodySource: Send {
    /// The next piece; `None` at the end. An error ends the request.
    fn next(&mut self) -> io::Result<Option<Bytes>>;
}

impl Body {
    /// A body of these bytes.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        Self { length: bytes.len() as u64, source: Box::new(Once(Some(bytes))) }
    }

    /// No bytes.
    pub fn empty() -> Self {
        Self::of(Bytes::new())
    }
}

struct Once(Option<Bytes>);

impl BodySource for Once {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body, up to the limit of the request.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer. None of these counts against a recording.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection could be made: the device is offline, or the server is down.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke, or what came back was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The time of the request is over.
    #[error("the request took too long")]
    Timeout,
    /// The certificate of the server is not valid for it.
    #[error("the server's certificate is refused: {0}")]
    Certificate(String),
    /// The body could not be read here.
    #[error("the file could not be read: {0}")]
    Source(io::Error),
}
