//! Deepgram's API for recordings: `POST /v1/listen` with the audio as the body.

mod answer;
mod languages;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::address::{address, authorization};
use super::body::Body;
use super::client::Client;
use super::engine::{CloudEngine, ProviderApi};
use super::{DeepgramSettings, SettingError};
use crate::engine::{Capabilities, EngineError, Hints, Languages, Transcript};

pub(crate) const NAME: &str = "deepgram";

const PATH: &str = "/v1/listen";
/// Options of every request. `utterances` gives the lines, `diarize` their speakers; the others improve the text.
const OPTIONS: [(&str, &str); 4] =
    [("smart_format", "true"), ("punctuate", "true"), ("diarize", "true"), ("utterances", "true")];
/// Deepgram processes a call for at most ten minutes; an hour of speech takes it about one.
const MAX_SPAN: Duration = Duration::from_secs(3_600);

struct Deepgram {
    languages: Languages,
}

pub(super) fn engine(settings: &DeepgramSettings) -> Result<CloudEngine, SettingError> {
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
    let languages = languages::of(&settings.model);
    let capabilities = Capabilities {
        preferred_span: settings.max_span,
        max_span: MAX_SPAN,
        concurrency: settings.concurrency,
        words: true,
        speakers: true,
        languages: languages.clone(),
        opus: true,
    };
    Ok(CloudEngine { name: NAME, capabilities, client, wav_only: false, api: Box::new(Deepgram { languages }) })
}

#[async_trait]
impl ProviderApi for Deepgram {
    async fn transcribe(&self, client: &Client, body: Body, hints: &Hints) -> Result<Transcript, EngineError> {
        let url = self.with_language(client.url().clone(), hints);
        let request = client.post(url, body.length).header(CONTENT_TYPE, body.kind.mime()).body(body.bytes);
        let response: answer::ListenResponse = client.ask(request).await.map_err(|failed| failed.error)?;
        response.transcript(body.times, body.length).map_err(|why| client.wrong(&why))
    }
}

impl Deepgram {
    fn with_language(&self, mut url: Url, hints: &Hints) -> Url {
        match &hints.language {
            Some(hint) => url.query_pairs_mut().append_pair("language", &self.language(hint)),
            None => url.query_pairs_mut().append_pair("detect_language", "true"),
        };
        url
    }

    fn language(&self, hint: &str) -> String {
        if self.languages == Languages::Any { hint.to_owned() } else { languages::known_as(hint) }
    }
}

#[cfg(test)]
mod tests;
