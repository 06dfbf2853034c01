//! Engines that a provider runs: the requests that are sent over HTTP, and the checks of the answers.

mod address;
mod body;
mod client;
mod deepgram;
mod engine;
mod flac;
mod provider_error;
mod remux;
mod retry_after;
mod times;
mod transcriptions;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::engine::Engine;

pub(crate) use deepgram::NAME as DEEPGRAM;
pub(crate) use transcriptions::NAME as HTTP;

/// `[engine.deepgram]` and `[engine.http]`.
#[derive(Clone, Debug, Default)]
pub struct CloudSettings {
    pub deepgram: DeepgramSettings,
    pub http: HttpSettings,
}

#[derive(Clone, Debug, Default)]
pub struct DeepgramSettings {
    pub api_key: Option<SecretString>,
    pub url: String,
    pub model: String,
    pub max_span: Duration,
    pub concurrency: usize,
}

#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// The address of the server. If it is empty, there is none.
    pub url: String,
    pub api_key: Option<SecretString>,
    pub model: String,
    pub max_span: Duration,
    pub concurrency: usize,
    /// `auto` sends recorded Opus as it is and anything else as FLAC. `wav` sends WAV only.
    pub format: String,
}

/// A configuration key and what is wrong with its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct SettingError {
    pub key: &'static str,
    pub why: String,
}

impl SettingError {
    fn new(key: &'static str, why: impl Into<String>) -> Self {
        Self { key, why: why.into() }
    }
}

impl CloudSettings {
    /// The name of the engine that is configured, if any: Deepgram by its key, or a server by its address. A key that the
    /// machine has for other programs (`DEEPGRAM_API_KEY`) is ignored: recordings are only sent to a provider that was
    /// configured explicitly.
    pub fn configured(&self) -> Option<&'static str> {
        if self.deepgram.api_key.is_some() {
            Some(DEEPGRAM)
        } else if !self.http.url.is_empty() {
            Some(HTTP)
        } else {
            None
        }
    }

    /// Creates the engine of this name; `None` if it is not a cloud engine. Wrong settings are an error even if the engine
    /// that they belong to is not used.
    pub(crate) fn engine(&self, name: &str) -> Result<Option<Arc<dyn Engine>>, SettingError> {
        let deepgram = self.deepgram.api_key.is_some().then(|| deepgram::engine(&self.deepgram)).transpose()?;
        let http = (!self.http.url.is_empty()).then(|| transcriptions::engine(&self.http)).transpose()?;
        let (engine, key) = match name {
            DEEPGRAM => (deepgram, "engine.deepgram.api_key"),
            HTTP => (http, "engine.http.url"),
            _ => return Ok(None),
        };
        let missing = || SettingError::new(key, format!("has to be set for engine.name = \"{name}\""));
        Ok(Some(Arc::new(engine.ok_or_else(missing)?)))
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
