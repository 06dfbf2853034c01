//! Engines that a provider runs: what is sent over HTTP, and what may be believed of the answer.

mod address;
mod body;
mod client;
mod complaint;
mod deepgram;
mod flac;
mod pieces;
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
    /// Empty: there is no such server.
    pub url: String,
    pub api_key: Option<SecretString>,
    pub model: String,
    pub max_span: Duration,
    pub concurrency: usize,
    /// `auto`: Opus as it was recorded, else FLAC. Or `wav`.
    pub format: String,
}

/// A key of the configuration, and what is wrong with its value.
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
    /// The name of the engine that is set up, if one is: Deepgram with its key, or a server with its address. A key that
    /// the machine has for other programs (`DEEPGRAM_API_KEY`) is not looked at: recordings leave the house only when
    /// somebody said so here.
    pub fn configured(&self) -> Option<&'static str> {
        if self.deepgram.api_key.is_some() {
            Some(DEEPGRAM)
        } else if !self.http.url.is_empty() {
            Some(HTTP)
        } else {
            None
        }
    }

    /// Makes the engine of this name; `None`: it is none of these. What is set up wrong is refused, used or not.
    pub(crate) fn engine(&self, name: &str) -> Result<Option<Arc<dyn Engine>>, SettingError> {
        let deepgram = self.deepgram.api_key.is_some().then(|| deepgram::Deepgram::new(&self.deepgram)).transpose()?;
        let http = (!self.http.url.is_empty()).then(|| transcriptions::Transcriptions::new(&self.http)).transpose()?;
        match name {
            DEEPGRAM => match deepgram {
                Some(engine) => Ok(Some(Arc::new(engine))),
                None => {
                    Err(SettingError::new("engine.deepgram.api_key", "has to be set for engine.name = \"deepgram\""))
                }
            },
            HTTP => match http {
                Some(engine) => Ok(Some(Arc::new(engine))),
                None => Err(SettingError::new("engine.http.url", "has to be set for engine.name = \"http\"")),
            },
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
