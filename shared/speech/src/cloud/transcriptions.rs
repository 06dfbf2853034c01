//! Any server with OpenAI's interface for recordings: `POST /v1/audio/transcriptions`, the audio as a file of a form.

mod answer;
mod languages;

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use reqwest::multipart::{Form, Part};
use url::Url;

use super::address::{address, authorization};
use super::body::{Body, body};
use super::client::{Client, Failed};
use super::pieces::{join, pieces};
use super::{HttpSettings, SettingError};
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Languages, Retry, Transcript};

pub(crate) const NAME: &str = "http";

const FORMATS: [&str; 2] = ["auto", "wav"];

pub(super) struct Transcriptions {
    client: Client,
    model: String,
    wav_only: bool,
    capabilities: Capabilities,
    /// The server or its model knows no times: it said so, and is asked for the bare text from then on.
    plain: AtomicBool,
}

impl Transcriptions {
    pub fn new(settings: &HttpSettings) -> Result<Self, SettingError> {
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
        Ok(Self { client, model, wav_only, capabilities, plain: AtomicBool::new(false) })
    }

    async fn piece(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let body = body(audio, self.wav_only).await?;
        let plain = self.plain.load(Ordering::Relaxed);
        let answered = match self.call(&body, hints, plain).await {
            // No attempt at the audio was made: it is asked again in a way that every server understands.
            Err(failed) if failed.about_form && !plain => {
                tracing::info!(engine = NAME, "the server gives no times; it is asked for the text alone");
                self.plain.store(true, Ordering::Relaxed);
                self.call(&body, hints, true).await
            }
            other => other,
        };
        let mut transcript = answered.map_err(|failed| failed.error)?.transcript(body.times);
        self.client.understood();
        transcript.language = transcript.language.or_else(|| hints.language.clone());
        Ok(transcript)
    }

    async fn call(&self, body: &Body, hints: &Hints, plain: bool) -> Result<answer::Transcribed, Failed> {
        let length = body.bytes.len() as u64;
        let file = Part::stream_with_length(body.bytes.clone(), length).file_name(body.kind.file_name());
        let file =
            file.mime_str(body.kind.mime()).map_err(|why| EngineError::new(Retry::Transient, why.to_string()))?;
        let mut form = Form::new().part("file", file).text("model", self.model.clone());
        form = if plain {
            form.text("response_format", "json")
        } else {
            form.text("response_format", "verbose_json")
                .text("timestamp_granularities[]", "word")
                .text("timestamp_granularities[]", "segment")
        };
        if let Some(hint) = &hints.language {
            // ISO 639: no region.
            let primary = hint.split(['-', '_']).next().unwrap_or(hint);
            form = form.text("language", primary.to_ascii_lowercase());
        }
        let request = self.client.post(self.client.url().clone(), body.length).multipart(form);
        self.client.ask(request).await
    }
}

/// A host alone, or the base that clients of OpenAI are given (`…/v1`), is completed; any other path is the whole address.
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
impl Engine for Transcriptions {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        if audio.duration.is_zero() {
            return Err(EngineError::new(Retry::Refused, "there is no audio in the segment"));
        }
        let mut whole = Transcript::default();
        for (start, piece) in pieces(audio, self.capabilities.max_span) {
            join(&mut whole, start, self.piece(piece, hints).await?);
        }
        Ok(whole)
    }

    /// As with Deepgram: that it is set up. A server that is down makes jobs wait, and turns no upload away.
    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
