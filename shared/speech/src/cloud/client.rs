//! The HTTP client for providers. It limits time and size, follows no redirects, and sends the key in one header only.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use super::provider_error::{self, ProviderError};
use super::retry_after::retry_after;
use super::{SettingError, address};
use crate::engine::{CALL_ALLOWANCE, EngineError, RetryClass};

const USER_AGENT: &str = concat!("afterword/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The timeout of a call, from the first byte sent to the last byte read. The length of the audio is added to it.
const BASE_TIMEOUT: Duration = CALL_ALLOWANCE;
/// The size limit of an answer. An hour of speech has ten thousand words, each contained twice with its times: 3 MB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// The number of bytes that are read of an error response.
const MAX_ERROR_BYTES: usize = 16 * 1024;

pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    host: String,
    key: Option<(SecretString, HeaderValue)>,
    /// [`BASE_TIMEOUT`], or less in tests.
    pub(super) base_timeout: Duration,
    /// Whether a call with these settings has succeeded since the start.
    works: AtomicBool,
}

/// A call that failed.
pub(super) struct Failed {
    pub error: EngineError,
    /// Whether the provider cannot give the requested response format.
    pub is_about_format: bool,
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self { error, is_about_format: false }
    }
}

impl Client {
    /// `setting` is the configuration key of the address, for error messages.
    pub fn new(
        setting: &'static str,
        url: Url,
        key: Option<(SecretString, HeaderValue)>,
    ) -> Result<Self, SettingError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            // The key and the recordings must not be sent to other hosts.
            .redirect(redirect::Policy::none());
        if url.scheme() == "http" {
            // Plain HTTP needs no certificates, so this also works on a machine without any.
            builder = builder.tls_certs_only([]);
        }
        if address::is_this_machine(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|why| {
            SettingError::new(
                setting,
                format!("TLS cannot be set up with the certificates of this machine: {}", causes(why)),
            )
        })?;
        let host = address::host_and_port(&url);
        Ok(Self { http, url, host, key, base_timeout: BASE_TIMEOUT, works: AtomicBool::new(false) })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Creates a request with audio of this length.
    pub fn post(&self, url: Url, length: Duration) -> RequestBuilder {
        let request = self.http.post(url).timeout(self.base_timeout + length);
        match &self.key {
            Some((_, authorization)) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    /// Sends the request and parses the answer.
    pub async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failed> {
        let response = request.send().await.map_err(|why| self.broken("was not answered", why))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        let body = self.body(response, MAX_ANSWER_BYTES).await?;
        let Some(body) = body else {
            return Err(self.wrong(&format!("is longer than {MAX_ANSWER_BYTES} bytes")).into());
        };
        // Messages of serde may quote spoken text, so only the position of the error is reported.
        let answer = serde_json::from_slice(&body).map_err(|why| {
            let kind: String = kind.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            let (line, column) = (why.line(), why.column());
            self.wrong(&format!(
                "does not have the documented shape ({kind}, {} bytes, line {line}, column {column})",
                body.len()
            ))
        })?;
        Ok(answer)
    }

    /// Notes that an answer was valid: from now on the settings are known to be right.
    pub fn mark_working(&self) {
        self.works.store(true, Ordering::Relaxed);
    }

    /// The error for an answer that is not valid.
    pub fn wrong(&self, why: &str) -> EngineError {
        EngineError::new(RetryClass::Transient, format!("the answer of {} {why}", self.host))
    }

    async fn refused(&self, response: Response) -> Failed {
        let status = response.status();
        let wait = retry_after(response.headers());
        let location = response.headers().get(LOCATION).filter(|_| status.is_redirection()).cloned();
        // If the body cannot be read in full, the error is classified by its status alone.
        let body = self.body(response, MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
        let provider_error = ProviderError::read(&body);
        let retry = match provider_error::retry_class(status, &provider_error, self.works.load(Ordering::Relaxed)) {
            RetryClass::Later { .. } => RetryClass::Later { after: wait },
            // The provider says when it will be available again: an earlier call would be useless.
            RetryClass::Transient if wait.is_some() => RetryClass::Later { after: wait },
            other => other,
        };
        let error = EngineError::new(retry, self.error_detail(status, &provider_error, location.as_ref()))
            .with_status(status.as_u16());
        Failed {
            error,
            is_about_format: [400, 415, 422].contains(&status.as_u16()) && provider_error.is_about_response_format(),
        }
    }

    fn error_detail(
        &self,
        status: StatusCode,
        provider_error: &ProviderError,
        location: Option<&HeaderValue>,
    ) -> String {
        let mut detail = format!("{} answered {}", self.host, status.as_u16());
        if let Some(url) = location.and_then(|at| self.url.join(at.to_str().ok()?).ok()) {
            detail.push_str(&format!(" and points to {}, which is not followed", address::host_and_port(&url)));
        }
        let shown = provider_error.shown(self.key.as_ref().map(|(key, _)| key));
        if !shown.is_empty() {
            detail.push_str(&format!(": {shown}"));
        }
        let advice = match status.as_u16() {
            401 | 403 => "; is the key right, and may it use the model?",
            402 => "; the provider's account has no credit left",
            404 | 405 => "; are the address and the model right?",
            413 => "; shorter pieces (max_span_seconds) may go through",
            _ => "",
        };
        detail + advice
    }

    /// Reads the body; `None` if it has more than `most` bytes.
    async fn body(&self, mut response: Response, most: usize) -> Result<Option<Bytes>, EngineError> {
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|why| self.broken("broke off", why))? {
            if body.len() + piece.len() > most {
                return Ok(None);
            }
            body.extend_from_slice(&piece);
        }
        Ok(Some(body.freeze()))
    }

    fn broken(&self, how: &str, why: reqwest::Error) -> EngineError {
        EngineError::new(RetryClass::Transient, format!("a call to {} {how}: {}", self.host, causes(why)))
    }
}

/// The error with all its causes. The address is left out, because it may contain secrets.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        text.push_str(&format!(": {why}"));
        cause = why.source();
    }
    text
}
