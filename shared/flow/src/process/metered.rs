//! Metrics of engine calls: their outcome, their duration without the wait for a permit, and the length of transcribed
//! audio.

use std::sync::Arc;

use async_trait::async_trait;
use speech::{Audio, Capabilities, Engine, EngineError, Hints, RetryClass, Transcript};

use crate::metrics;
use crate::ports::Clock;

pub struct Metered {
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
}

impl Metered {
    pub fn around(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, clock }
    }
}

#[async_trait]
impl Engine for Metered {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let (length, began) = (audio.duration, self.clock.now());
        let answer = self.engine.transcribe(audio, hints).await;
        metrics::engine_called(self.engine.name(), outcome(&answer), began.until(self.clock.now()));
        if answer.as_ref().is_ok_and(|transcript| !transcript.is_empty()) {
            metrics::transcribed(length);
        }
        answer
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

/// The metric label of a result.
fn outcome(answer: &Result<Transcript, EngineError>) -> &'static str {
    match answer {
        Ok(transcript) if transcript.is_empty() => "empty",
        Ok(_) => "text",
        Err(error) => match error.retry {
            RetryClass::Refused => "refused",
            RetryClass::Transient => "failed",
            RetryClass::Later { .. } => "later",
            RetryClass::Misconfigured => "misconfigured",
        },
    }
}
