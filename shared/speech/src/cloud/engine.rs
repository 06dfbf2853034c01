//! The engine around the API of a provider: what holds for the calls of every provider.

use async_trait::async_trait;

use super::body::{Body, body};
use super::client::Client;
use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Transcript};

/// The requests of a provider, and its answers.
#[async_trait]
pub(super) trait ProviderApi: Send + Sync + 'static {
    /// Sends the audio, and converts the answer. The transcript has a language only if the provider named one.
    async fn transcribe(&self, client: &Client, body: Body, hints: &Hints) -> Result<Transcript, EngineError>;
}

pub(super) struct CloudEngine {
    pub name: &'static str,
    pub capabilities: Capabilities,
    pub client: Client,
    /// Whether the provider reads neither Opus nor FLAC.
    pub wav_only: bool,
    pub api: Box<dyn ProviderApi>,
}

#[async_trait]
impl Engine for CloudEngine {
    fn name(&self) -> &str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let body = body(audio, self.wav_only).await?;
        let mut transcript = self.api.transcribe(&self.client, body, hints).await?;
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
