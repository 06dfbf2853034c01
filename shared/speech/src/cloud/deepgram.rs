//! The engine for Deepgram's API for recordings: `POST /v1/listen` with the audio as the body.

mod answer;
mod languages;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::address::{address, authorization};
use super::body::body;
use super::client::Client;
use super::{DeepgramSettings, SettingError};
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Languages, Transcript};

pub(crate) const NAME: &str = "deepgram";

const PATH: &str = "/v1/listen";
/// Options of every request. `utterances` gives the lines, `diarize` their speakers; the others improve the text.
const OPTIONS: [(&str, &str); 4] =
    [("smart_format", "true"), ("punctuate", "true"), ("diarize", "true"), ("utterances", "true")];
/// Deepgram processes a call for at most ten minutes; an hour of speech takes it about one.
const MAX_SPAN: Duration = Duration::from_secs(3_600);

pub(super) struct Deepgram {
    client: Client,
    capabilities: Capabilities,
}

impl Deepgram {
    pub fn new(settings: &DeepgramSettings) -> Result<Self, SettingError> {
        let setting = "engine.deepgram.api_key";
        let key = settings.api_key.clone().ok_or_else(|| SettingError::new(setting, "is not set"))?;
        let header = authorization(setting, "Token", &key)?;
        let mut url = address("engine.deepgram.url", &settings.url, true)?;
        if url.path() == "/" {
            url.set_path(PATH);
        }
        if settings.model.trim().is_empty() {
            return Err(SettingError::new("engine.deepgram.model", "is empty"));
        }
        url.query_pairs_mut().append_pair("model", settings.model.trim()).extend_pairs(OPTIONS);
        let client = Client::new("engine.deepgram.url", url, Some((key, header)))?;
        let capabilities = Capabilities {
            preferred_span: settings.max_span,
            max_span: MAX_SPAN,
            concurrency: settings.concurrency,
            words: true,
            speakers: true,
            languages: languages::of(&settings.model),
            opus: true,
        };
        Ok(Self { client, capabilities })
    }

    fn url(&self, hints: &Hints) -> Url {
        let mut url = self.client.url().clone();
        match &hints.language {
            Some(hint) => url.query_pairs_mut().append_pair("language", &self.language(hint)),
            None => url.query_pairs_mut().append_pair("detect_language", "true"),
        };
        url
    }

    fn language(&self, hint: &str) -> String {
        if self.capabilities.languages == Languages::Any { hint.to_owned() } else { languages::known_as(hint) }
    }
}

#[async_trait]
impl Engine for Deepgram {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let body = body(audio, false).await?;
        let request = self.client.post(self.url(hints), body.length).header(CONTENT_TYPE, body.kind.mime());
        let response: answer::ListenResponse =
            self.client.ask(request.body(body.bytes)).await.map_err(|failed| failed.error)?;
        let mut transcript = response.transcript(body.times, body.length).map_err(|why| self.client.wrong(&why))?;
        self.client.mark_working();
        transcript.language = transcript.language.or_else(|| hints.language.clone());
        Ok(transcript)
    }

    /// The engine is ready once it is configured. Failures of the provider show in jobs, the log and metrics. A health check
    /// that failed with the provider would refuse uploads, although they only have to be kept until it is back.
    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
