//! OpenAI's API for recordings, which many servers have: `POST /v1/audio/transcriptions` with the audio as a form file.

mod answer;
mod languages;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use reqwest::multipart::{Form, Part};
use url::Url;

use super::address::{address, authorization};
use super::body::Body;
use super::client::{Client, Failed};
use super::engine::{CloudEngine, ProviderApi};
use super::{HttpSettings, SettingError};
use crate::engine::{Capabilities, EngineError, Hints, Languages, RetryClass, Transcript, primary_subtag};

pub(crate) const NAME: &str = "http";

const FORMATS: [&str; 2] = ["auto", "wav"];

struct Transcriptions {
    model: String,
    /// Whether only text is requested, because the server has said that it or its model does not support times.
    text_only: AtomicBool,
}

pub(super) fn engine(settings: &HttpSettings) -> Result<CloudEngine, SettingError> {
    let url = endpoint(address("engine.http.url", &settings.url, settings.api_key.is_some())?);
    let key = match &settings.api_key {
        Some(key) => Some((key.clone(), authorization("engine.http.api_key", "Bearer", key)?)),
        None => None,
    };
    let model = settings.model.trim().to_owned();
    if model.is_empty() {
        return Err(SettingError::new("engine.http.model", "is empty"));
    }
    if !FORMATS.contains(&settings.format.as_str()) {
        let why = format!("must be {}, not `{}`", FORMATS.join(" or "), settings.format);
        return Err(SettingError::new("engine.http.format", why));
    }
    let wav_only = settings.format == "wav";
    let capabilities = Capabilities {
        preferred_span: settings.max_span,
        max_span: settings.max_span,
        concurrency: settings.concurrency,
        words: true,
        speakers: false,
        languages: Languages::Any,
        opus: !wav_only,
    };
    let client = Client::new("engine.http.url", url, key)?;
    let api = Box::new(Transcriptions { model, text_only: AtomicBool::new(false) });
    Ok(CloudEngine { name: NAME, capabilities, client, wav_only, api })
}

/// Completes an address without a path, or with the base path that clients of OpenAI use (`…/v1`). Other paths stay as they
/// are.
fn endpoint(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let whole = match path {
        "" => Some("/v1/audio/transcriptions".to_owned()),
        base if base.ends_with("/v1") => Some(format!("{base}/audio/transcriptions")),
        _ => None,
    };
    if let Some(whole) = whole {
        url.set_path(&whole);
    }
    url
}

#[async_trait]
impl ProviderApi for Transcriptions {
    async fn transcribe(&self, client: &Client, body: Body, hints: &Hints) -> Result<Transcript, EngineError> {
        let text_only = self.text_only.load(Ordering::Relaxed);
        let response = match self.call(client, &body, hints, text_only).await {
            // The server did not process the audio, so the call is repeated with a format that every server supports.
            Err(failed) if failed.is_about_format && !text_only => {
                tracing::info!(engine = NAME, "the server does not support times; only text is requested from now on");
                self.text_only.store(true, Ordering::Relaxed);
                self.call(client, &body, hints, true).await
            }
            other => other,
        };
        Ok(response.map_err(|failed| failed.error)?.transcript(body.times))
    }
}

impl Transcriptions {
    async fn call(
        &self,
        client: &Client,
        body: &Body,
        hints: &Hints,
        text_only: bool,
    ) -> Result<answer::TranscriptionResponse, Failed> {
        let length = body.bytes.len() as u64;
        let file = Part::stream_with_length(body.bytes.clone(), length).file_name(body.kind.file_name());
        let file =
            file.mime_str(body.kind.mime()).map_err(|why| EngineError::new(RetryClass::Transient, why.to_string()))?;
        let mut form = Form::new().part("file", file).text("model", self.model.clone());
        form = if text_only {
            form.text("response_format", "json")
        } else {
            form.text("response_format", "verbose_json")
                .text("timestamp_granularities[]", "word")
                .text("timestamp_granularities[]", "segment")
        };
        if let Some(hint) = &hints.language {
            // The API expects ISO 639, without a region.
            form = form.text("language", primary_subtag(hint));
        }
        let request = client.post(client.url().clone(), body.length).multipart(form);
        client.ask(request).await
    }
}

#[cfg(test)]
mod tests;
