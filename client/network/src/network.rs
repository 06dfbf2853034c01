//! The port: one request, one answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::{Answer, Body, Http, HttpError, Method, Request};
use http::header::{CONTENT_LENGTH, HeaderName, USER_AGENT};
use http::{HeaderValue, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::body::{SentBody, SourceFailure};
use crate::certificates::{CaFileError, Roots};
use crate::connector::Connector;
use crate::failure;
use crate::proxy::Proxy;

/// Connections that nobody uses are closed after this time. Servers keep theirs a little longer, so that a request
/// rarely meets a connection that is being closed.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// The most unused connections that are kept for a server.
const POOL_SIZE: usize = 4;
/// The most bytes of an answer's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How the network behaves. The limit of a whole request is part of the request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The certificates in this PEM file are trusted besides those that the system trusts. The file may also be a
    /// server's own certificate, as self-signed servers have one.
    pub ca_file: Option<PathBuf>,
    /// The proxy through which servers with TLS are reached.
    pub proxy: Option<Proxy>,
    /// The limit for the look-up of a name, the connection and the TLS handshake together.
    pub connect_timeout: Duration,
    /// The limit for the silence of a connection, in either direction, while a request is under way.
    pub silence_timeout: Duration,
    /// The header `User-Agent`.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ca_file: None,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            // Longer than a server takes to make a large file durable.
            silence_timeout: Duration::from_secs(60),
            user_agent: concat!("afterword/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The network of a computer. Requests share connections.
pub struct Network {
    client: Client<Connector, SentBody>,
    user_agent: HeaderValue,
}

impl Network {
    /// Reads the certificates that are trusted besides the system's. The system's are read at the first connection that
    /// needs them.
    pub fn new(settings: &Settings) -> Result<Self, CaFileError> {
        let roots = Arc::new(Roots::read(settings.ca_file.as_deref())?);
        let connector =
            Connector::new(roots, settings.proxy.clone(), settings.connect_timeout, settings.silence_timeout);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        let user_agent = HeaderValue::from_str(&settings.user_agent);
        Ok(Self { client, user_agent: user_agent.unwrap_or(HeaderValue::from_static("afterword")) })
    }

    async fn exchange(&self, request: Request) -> Result<Answer, HttpError> {
        let limit = request.max_answer_bytes;
        let (request, source_failure) = self.prepare(request)?;
        let answer = self.client.request(request).await;
        // A file that cannot be read is the reason, not the connection that breaks because of it.
        let answer = answer.map_err(|error| source_failure.take().unwrap_or_else(|| failure::of_request(&error)))?;
        let (head, body) = answer.into_parts();
        let headers = head.headers.iter();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
            body: first_bytes(body, limit).await?,
        })
    }

    fn prepare(&self, request: Request) -> Result<(http::Request<SentBody>, SourceFailure), HttpError> {
        let Request { method, url, headers, body, .. } = request;
        // The address may be a credential, so it is not quoted.
        let uri: Uri = url.parse().map_err(|_| HttpError::Connect("the address is not a URL".to_owned()))?;
        let Body { length, source } = body;
        let source_failure = SourceFailure::default();
        let body = SentBody::new(source, length, source_failure.clone());
        let mut built = http::Request::new(body);
        *built.method_mut() = http::Method::from_bytes(method.as_str().as_bytes()).unwrap_or_default();
        *built.uri_mut() = uri;
        built.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        if matches!(method, Method::Post | Method::Put) {
            // Also if it is 0: some servers of upload sessions insist on it.
            built.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        for (name, value) in headers {
            let wrong = |_| HttpError::Connect(format!("the header {name} has a character that cannot be sent"));
            let mut value = HeaderValue::from_str(&value).map_err(wrong)?;
            value.set_sensitive(true);
            built.headers_mut().append(HeaderName::from_static(name), value);
        }
        Ok((built, source_failure))
    }
}

#[async_trait]
impl Http for Network {
    async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let limit = request.timeout;
        tokio::time::timeout(limit, self.exchange(request)).await.unwrap_or(Err(HttpError::Timeout))
    }
}

/// Reads at most `limit` bytes. What is longer is dropped, and the connection with it.
async fn first_bytes(mut body: Incoming, limit: usize) -> Result<Vec<u8>, HttpError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure::of_answer(&error))?;
        let Some(bytes) = frame.data_ref() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            break;
        }
    }
    Ok(read)
}
