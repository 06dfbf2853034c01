//! The one way in which a provider is called: with limits on time and size, without following it elsewhere, and with the
//! key in one header and nowhere else.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode, redirect};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use super::complaint::{self, Complaint};
use super::retry_after::retry_after;
use super::{SettingError, address};
use crate::engine::{EngineError, Retry};

const USER_AGENT: &str = concat!("afterword/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(10);
/// Beside the length of the audio: from the first byte that is sent to the last that is read.
const TOTAL: Duration = Duration::from_secs(30);
/// An hour of speech has ten thousand words, each told twice with its times: 3 MB.
const MOST_ANSWER: usize = 16 * 1024 * 1024;
/// Of an answer that is no success.
const MOST_COMPLAINT: usize = 16 * 1024;

pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    host: String,
    key: Option<(SecretString, HeaderValue)>,
    /// [`TOTAL`]; a test does not wait for half a minute.
    pub(super) patience: Duration,
    /// Whether these settings have brought an answer since the start.
    works: AtomicBool,
}

/// A call that brought no answer.
pub(super) struct Failed {
    pub error: EngineError,
    /// The provider cannot give the form of answer that it was asked for.
    pub about_form: bool,
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self { error, about_form: false }
    }
}

impl Client {
    /// `setting` is what the address is called where it is set.
    pub fn new(
        setting: &'static str,
        url: Url,
        key: Option<(SecretString, HeaderValue)>,
    ) -> Result<Self, SettingError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            // Elsewhere the key, and what was recorded, have no business.
            .redirect(redirect::Policy::none());
        if url.scheme() == "http" {
            // Needs no certificates: a machine without any serves as well.
            builder = builder.tls_certs_only([]);
        }
        if address::is_here(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|why| {
            SettingError::new(
                setting,
                format!("TLS cannot be set up with the certificates of this machine: {}", causes(why)),
            )
        })?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { http, url, host, key, patience: TOTAL, works: AtomicBool::new(false) })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A request with audio of this length.
    pub fn post(&self, url: Url, length: Duration) -> RequestBuilder {
        let request = self.http.post(url).timeout(self.patience + length);
        match &self.key {
            Some((_, authorization)) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    /// The answer, if it is one of this shape.
    pub async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failed> {
        let response = request.send().await.map_err(|why| self.broken("was not answered", why))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_owned();
        let body = self.body(response, MOST_ANSWER).await?;
        let Some(body) = body else {
            return Err(self.wrong(&format!("is longer than {MOST_ANSWER} bytes")).into());
        };
        // What serde says may quote what was said: only the place is told.
        let answer = serde_json::from_slice(&body).map_err(|why| {
            let kind: String = kind.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            let (line, column) = (why.line(), why.column());
            self.wrong(&format!(
                "has not the shape that is documented ({kind}, {} bytes, line {line}, column {column})",
                body.len()
            ))
        })?;
        Ok(answer)
    }

    /// An answer that means what it says: from now on the settings are known to be right.
    pub fn understood(&self) {
        self.works.store(true, Ordering::Relaxed);
    }

    /// An answer that cannot be believed.
    pub fn wrong(&self, why: &str) -> EngineError {
        EngineError::new(Retry::Transient, format!("the answer of {} {why}", self.host))
    }

    async fn refused(&self, response: Response) -> Failed {
        let status = response.status();
        let wish = retry_after(response.headers());
        let elsewhere = response.headers().get(LOCATION).filter(|_| status.is_redirection()).cloned();
        // A complaint that breaks off has still been made.
        let body = self.body(response, MOST_COMPLAINT).await.ok().flatten().unwrap_or_default();
        let complaint = Complaint::read(&body);
        let retry = match complaint::class(status, &complaint, self.works.load(Ordering::Relaxed)) {
            Retry::Later { .. } => Retry::Later { after: wish },
            // It says when it will be back: asking sooner is of no use.
            Retry::Transient if wish.is_some() => Retry::Later { after: wish },
            other => other,
        };
        let error = EngineError::new(retry, self.told(status, &complaint, elsewhere.as_ref()));
        Failed { error, about_form: [400, 415, 422].contains(&status.as_u16()) && complaint.is_about_form() }
    }

    fn told(&self, status: StatusCode, complaint: &Complaint, elsewhere: Option<&HeaderValue>) -> String {
        let mut told = format!("{} answered {}", self.host, status.as_u16());
        if let Some(url) = elsewhere.and_then(|at| self.url.join(at.to_str().ok()?).ok()) {
            told.push_str(&format!(" and points to {}, which is not followed", url.host_str().unwrap_or_default()));
        }
        let said = complaint.shown(self.key.as_ref().map(|(key, _)| key));
        if !said.is_empty() {
            told.push_str(&format!(": {said}"));
        }
        let advice = match status.as_u16() {
            401 | 403 => "; is the key right, and may it use the model?",
            402 => "; the provider's account has no credit left",
            404 | 405 => "; are the address and the model right?",
            413 => "; shorter pieces (max_span_seconds) may go through",
            _ => "",
        };
        told + advice
    }

    /// `None`: there is more than `most`.
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
        EngineError::new(Retry::Transient, format!("a call to {} {how}: {}", self.host, causes(why)))
    }
}

/// What went wrong, to its cause. The address is left out: it may hold more than a name.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        told.push_str(&format!(": {why}"));
        cause = why.source();
    }
    told
}
